//! What the loud may take, what is left to the others, and what the last places cost.

use super::{
    EXPIRES, Office, ack, admitted_to, closed_box, deposit_chunk, envelope, list, open_box,
    solve_worth, stamped, stamped_worth,
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    card::CardRecord,
    envelope::id_of,
    fixture::{NOW, bytes, card, key, noise_envelope, person, prekey, rng},
    keeper::{
        Input, ItemStore as _, Output, Policy, Source, Usage, budget::source_bytes_max,
        price_factor,
    },
    limits::{
        CAPABILITY_MAILBOX_BYTES_MAX, CAPABILITY_MAILBOX_COUNT_MAX, DAY_MS, ENVELOPE_BYTES,
        HOUR_MS, SOURCE_OPS_MAX, STAMP_MAILBOX_COUNT_MAX, STORE_OPS_MAX, STRANGER_SHARE_MAX,
    },
    person::IdCost,
    request::{Reason, Request, Response},
    stamp::{Challenge, CheapForTests, EFFORT_UNASKED, StampScheme as _},
};

/// Sources of a flood.
const FLOOD: std::ops::Range<u64> = 100..160;

#[test]
fn a_price_doubles_with_each_eighth_from_half_on_and_a_client_pays_it_unasked() {
    let factors: Vec<u32> = (0..=8)
        .map(|eighths| price_factor(eighths * 16, 128))
        .collect();
    assert_eq!(factors, [1, 1, 1, 1, 2, 4, 8, 16, 16]);
    assert_eq!((price_factor(63, 128), price_factor(79, 128)), (1, 2));
    assert_eq!(price_factor(u64::MAX, u64::MAX), 16);
    assert_eq!(price_factor(0, u64::MAX), 1);
    assert_eq!(price_factor(0, 0), 16, "nothing is left of nothing");
    assert!(price_factor(128, 128) <= EFFORT_UNASKED);
}

/// Deposits from ever new sources for as long as that is taken, with stamps worth `effort`.
fn flood(office: &mut Office, effort: u32) -> u32 {
    let (mailbox, _) = open_box();
    let mut taken = 0;
    for source in FLOOD {
        office.source = source;
        let bytes = envelope(&format!("flood {effort} {source}"));
        let deposit = stamped_worth(&mailbox, &bytes, EXPIRES, effort);
        match office.ask(NOW, &deposit) {
            Response::Receipt(_) => taken += 1,
            // A stamp is now and then worth more than it was made for.
            Response::Refusal(refusal) if refusal.reason == Reason::Stamp => {}
            Response::Refusal(refusal) if refusal.reason == Reason::Full => break,
            other => panic!("{other:?}"),
        }
    }
    taken
}

#[test]
fn a_flooded_first_contact_mailbox_takes_an_honest_stranger_who_pays_what_is_asked() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    for count in 0..STAMP_MAILBOX_COUNT_MAX / 2 {
        office.source = u64::from(count);
        let bytes = envelope(&format!("cheap {count}"));
        office.receipt(NOW, &stamped_worth(&mailbox, &bytes, EXPIRES, 1));
    }
    // The flood goes on with the cheapest of stamps, and runs into prices.
    flood(&mut office, 1);
    let waiting = office.listed(NOW, &mailbox, &owner).len();
    assert!(waiting < STAMP_MAILBOX_COUNT_MAX as usize);
    office.source = 7;
    let honest = noise_envelope("honest", 2_048, EXPIRES);
    let mut effort = 1;
    let mut paid = Vec::new();
    let receipt = loop {
        match office.ask(NOW, &stamped_worth(&mailbox, &honest, EXPIRES, effort)) {
            Response::Receipt(receipt) => break receipt,
            Response::Refusal(refusal) => {
                assert_eq!(refusal.reason, Reason::Stamp);
                assert!(refusal.effort > effort && refusal.effort <= EFFORT_UNASKED);
                paid.push(refusal.effort);
                effort = refusal.effort;
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(receipt.until, EXPIRES);
    assert!(paid.len() <= 1, "it is told the price at once: {paid:?}");
    let all = office.listed(NOW, &mailbox, &owner);
    assert!(all.contains(&id_of(&honest)));
}

#[test]
fn one_source_gets_a_quarter_of_a_first_contact_mailbox_in_a_day() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let deposit = |label: String| stamped_worth(&mailbox, &envelope(&label), EXPIRES, 16);
    for count in 0..STRANGER_SHARE_MAX {
        office.receipt(NOW, &deposit(format!("{count}")));
    }
    office.check(NOW, &deposit("more".into()), Reason::Full);
    // Acks make room in the mailbox, and not for this source.
    let id = id_of(&envelope("0"));
    office.ask(NOW, &ack(&mailbox, &owner, &[id]));
    office.check(NOW, &deposit("more".into()), Reason::Full);
    // Somebody else has a share of his own, and so has this source elsewhere.
    office.source = 1;
    office.receipt(NOW, &deposit("other".into()));
    office.source = 0;
    let elsewhere = person("carol").first_contact_mailbox(NOW.epoch());
    office.receipt(NOW, &stamped(&elsewhere, &envelope("elsewhere")));
    // A place comes back every forty-five minutes.
    let later = NOW.plus(DAY_MS / STRANGER_SHARE_MAX);
    office.receipt(later, &deposit("more".into()));
    office.check(later, &deposit("still more".into()), Reason::Full);
}

#[test]
fn what_is_not_taken_costs_its_source_nothing() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    for _ in 0..2 * STRANGER_SHARE_MAX {
        office.receipt(NOW, &stamped(&mailbox, &envelope("the same")));
    }
    let more = (1..STRANGER_SHARE_MAX).map(|count| envelope(&count.to_string()));
    for bytes in more {
        office.receipt(NOW, &stamped(&mailbox, &bytes));
    }
    office.check(NOW, &stamped(&mailbox, &envelope("more")), Reason::Full);
}

#[test]
fn one_contact_cannot_fill_a_mailbox_and_neither_can_two() {
    let (mailbox, owner) = closed_box();
    let mut office = Office::new();
    let mut taken = [0_u32; 2];
    for (which, taken) in taken.iter_mut().enumerate() {
        for count in 0..CAPABILITY_MAILBOX_COUNT_MAX {
            let bytes = envelope(&format!("{which} {count}"));
            let deposit = admitted_to(&mailbox, &owner, &bytes, &format!("loud {which}"));
            match office.ask(NOW, &deposit) {
                Response::Receipt(_) => *taken += 1,
                Response::Refusal(refusal) => {
                    assert_eq!(refusal.reason, Reason::Full);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(taken, [512, 256]);
    let bytes = envelope("quiet");
    office.receipt(NOW, &admitted_to(&mailbox, &owner, &bytes, "quiet"));

    // The same in bytes.
    let mut office = Office::new();
    let size = ENVELOPE_BYTES[2];
    let large = |count: u64| noise_envelope(&format!("large {count}"), size, EXPIRES);
    let half = CAPABILITY_MAILBOX_BYTES_MAX / 2 / size as u64;
    for count in 0..half {
        office.receipt(NOW, &admitted_to(&mailbox, &owner, &large(count), "loud"));
    }
    let more = admitted_to(&mailbox, &owner, &large(half), "loud");
    office.check(NOW, &more, Reason::Full);
    office.receipt(NOW, &admitted_to(&mailbox, &owner, &large(half), "quiet"));
}

#[test]
fn one_source_has_a_part_of_the_disk_stored_in_an_hour() {
    let deletion = key("deletion").public();
    // What it asks at once is not what this is about.
    let policy = Policy {
        requests_burst: 10_000,
        ..Policy::default()
    };
    let mut office = Office::with(policy, u64::MAX);
    let cap_bytes = 512 << 20;
    office.keeper.on_usage(Usage {
        cap_bytes,
        ..Usage::default()
    });
    let chunk = |count: u64| Bytes::from([&count.to_be_bytes()[..], &[0; 65_528]].concat());
    let share = source_bytes_max(cap_bytes) / 65_536;
    assert_eq!(share, (32 << 20) / 65_536);
    for count in 0..share {
        office.receipt(NOW, &deposit_chunk(&chunk(count), deletion));
    }
    office.check(NOW, &deposit_chunk(&chunk(share), deletion), Reason::Full);
    // Reading, and making room, stay allowed.
    let (mailbox, owner) = open_box();
    office.ask(NOW, &ack(&mailbox, &owner, &[id_of(b"any")]));
    assert!(office.listed(NOW, &mailbox, &owner).is_empty());
    office.source = 1;
    office.receipt(NOW, &deposit_chunk(&chunk(share), deletion));
    office.source = 0;
    let later = NOW.plus(HOUR_MS.div_ceil(share));
    office.receipt(later, &deposit_chunk(&chunk(share + 1), deletion));
    assert_eq!(source_bytes_max(1 << 20), CAPABILITY_MAILBOX_BYTES_MAX);
}

#[test]
fn stamps_are_dearer_at_a_node_that_fills() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    office.keeper.on_usage(Usage {
        bytes: 5 << 20,
        cap_bytes: 8 << 20,
        ..Usage::default()
    });
    let bytes = envelope("one");
    let worth = |effort| stamped_worth(&mailbox, &bytes, EXPIRES, effort);
    let cheap = (1..).find_map(|seed: u32| {
        let challenge = Challenge::envelope(&mailbox.address(), &id_of(&bytes), EXPIRES);
        let seed = crate::fixture::bytes(&seed.to_string());
        let stamp = CheapForTests.solve(&challenge, &seed, 1, 1_000)?;
        (stamp.effort() < 4).then_some(stamp)
    });
    let mut poor = worth(1);
    if let Request::DepositEnvelope { admission, .. } = &mut poor {
        *admission = crate::request::Admission::Stamp(cheap.unwrap());
    }
    assert_eq!(office.check(NOW, &poor, Reason::Stamp).effort, 4);
    office.receipt(NOW, &worth(4));
    // Contacts pay nothing, however full it is.
    let (closed, owner) = closed_box();
    office.receipt(
        NOW,
        &admitted_to(&closed, &owner, &envelope("two"), "a contact"),
    );
}

#[test]
fn whoever_has_a_slot_renews_his_card_for_what_he_paid() {
    let alice = person("alice");
    let cost = IdCost::CheapForTests;
    let locators = alice.person_id(cost).locators(NOW.salt_epoch(), cost);
    let (at, record_key) = (locators.addresses[0], &locators.record_key);
    let seal = |sequence| {
        let card = card(&alice, &prekey("alice", NOW), sequence);
        CardRecord::seal(&card, &alice, at, record_key, &mut rng("record")).unwrap()
    };
    let mut office = Office::new();
    let first = seal(1);
    let challenge = Challenge::card(&first.locator, &first.writer);
    let stamp = (0..).find_map(|seed: u32| {
        let stamp = CheapForTests.solve(&challenge, &bytes(&seed.to_string()), 1, 1_000)?;
        (stamp.effort() < 16).then_some(stamp)
    });
    let deposit = |record: &CardRecord, stamp| Request::DepositCard {
        record: Box::new(record.clone()),
        stamp,
        nonce: [7; 16],
    };
    office.receipt(NOW, &deposit(&first, stamp.clone()));
    let full = Usage {
        bytes: 7 << 20,
        cap_bytes: 8 << 20,
        ..Usage::default()
    };
    office.keeper.on_usage(full);
    office.receipt(NOW, &deposit(&seal(2), stamp.clone()));
    // A keeper that does not know him asks for what a slot costs there.
    let mut other = Office::new();
    other.keeper.on_usage(full);
    let refusal = other.check(NOW, &deposit(&seal(2), stamp), Reason::Stamp);
    assert_eq!(refusal.effort, 16);
    let dear = Some(solve_worth(&challenge, 16));
    other.receipt(NOW, &deposit(&seal(2), dear));
}

#[test]
fn a_source_with_much_under_way_waits_and_others_do_not() {
    let mut office = Office::new();
    let request = Request::GetCards {
        locator: crate::Address::new([1; 32]),
    };
    assert!(office.keeper.is_ready_for(super::both(NOW).mono, Source(0)));
    let mut waiting = Vec::new();
    for _ in 0..SOURCE_OPS_MAX {
        waiting.extend(office.begin(NOW, 0, request.encode()));
    }
    assert!(!office.keeper.is_ready_for(super::both(NOW).mono, Source(0)));
    assert!(office.keeper.is_ready_for(super::both(NOW).mono, Source(1)));
    let Some(Output::Store { ticket, op }) = waiting.pop() else {
        panic!()
    };
    let result = office.store.apply(NOW, vec![op]);
    let result = result.map(|mut outcomes| outcomes.remove(0));
    let outputs = office
        .keeper
        .handle(super::both(NOW), Input::Stored { ticket, result });
    assert_eq!(outputs.len(), 1);
    assert!(office.keeper.is_ready_for(super::both(NOW).mono, Source(0)));
    for source in 1..(STORE_OPS_MAX / SOURCE_OPS_MAX) as u64 {
        office.source = source;
        for _ in 0..SOURCE_OPS_MAX {
            drop(office.begin(NOW, 0, request.encode()));
        }
    }
    office.source = 0;
    drop(office.begin(NOW, 0, request.encode()));
    assert_eq!(office.keeper.load().store_ops, STORE_OPS_MAX);
    assert!(
        !office
            .keeper
            .is_ready_for(super::both(NOW).mono, Source(99)),
        "all places are taken"
    );
}

#[test]
fn a_source_that_asked_too_often_waits_until_it_may_ask_again() {
    let policy = Policy {
        requests_per_second: 10,
        requests_burst: 2,
        ..Policy::default()
    };
    let mut office = Office::with(policy, u64::MAX);
    let (mailbox, owner) = open_box();
    for _ in 0..2 {
        assert!(office.keeper.is_ready_for(super::both(NOW).mono, Source(0)));
        office.ask(NOW, &list(&mailbox, &owner, NOW, None));
    }
    assert!(
        !office
            .keeper
            .is_ready_for(super::both(NOW).mono.plus(99), Source(0))
    );
    assert!(
        office
            .keeper
            .is_ready_for(super::both(NOW).mono.plus(100), Source(0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However few or many hostile sources there are, and whatever they pay up to the highest
    /// price but one, a stranger who pays the highest gets in.
    #[test]
    fn a_place_is_left_for_whoever_pays_most(
        deposits in prop::collection::vec((0_u64..12, 0_u32..4), 1..300),
    ) {
        let (mailbox, owner) = open_box();
        let mut office = Office::new();
        for (number, (source, power)) in deposits.into_iter().enumerate() {
            office.source = source;
            let bytes = envelope(&format!("flood {number}"));
            let deposit = stamped_worth(&mailbox, &bytes, EXPIRES, 1 << power);
            let Request::DepositEnvelope { admission: crate::request::Admission::Stamp(stamp), .. } = &deposit
            else { panic!() };
            // The luckiest of stamps are another matter.
            if stamp.effort() < 16 {
                office.ask(NOW, &deposit);
            }
        }
        let waiting = office.listed(NOW, &mailbox, &owner).len();
        prop_assert!(waiting <= STAMP_MAILBOX_COUNT_MAX as usize * 7 / 8);
        office.source = 99;
        office.receipt(NOW, &stamped_worth(&mailbox, &envelope("honest"), EXPIRES, 16));
    }
}
