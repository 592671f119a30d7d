//! Every reason to refuse, reached.

use bytes::Bytes;

use super::{
    EXPIRES, Office, TOMBSTONE_EFFORT, ack, admitted, claim, closed_box, deposit_card,
    deposit_card_worth, deposit_chunk, envelope, get, list, offer, open_box, stamped,
    stamped_until, subscribe,
};
use crate::{
    card::CardRecord,
    envelope::id_of,
    fixture::{NOW, card, key, noise_envelope, person, prekey, rng, tombstone},
    keeper::{Input, Output, Policy, StoreError},
    keys::{Signature, SignatureError},
    limits::{
        CARD_TTL_MS, CLOCK_SKEW_MS, MESSAGE_TTL_MAX_MS, SECOND_MS, STORE_OPS_MAX,
        SUBSCRIPTIONS_PER_CONNECTION_MAX, TOMBSTONE_TTL_MS,
    },
    mailbox::Mailbox,
    person::IdCost,
    request::{Admission, Reason, Request, Response},
};

/// Alice's record at the first of her locators.
fn record(sequence: u64) -> CardRecord {
    record_of(&card(&person("alice"), &prekey("alice", NOW), sequence))
}

fn record_of(card: &crate::card::Card) -> CardRecord {
    let alice = person("alice");
    let cost = IdCost::CheapForTests;
    let locators = alice.person_id(cost).locators(NOW.salt_epoch(), cost);
    let (at, key) = (locators.addresses[0], &locators.record_key);
    CardRecord::seal(card, &alice, at, key, &mut rng("record")).unwrap()
}

fn with_admission(request: Request, other: Admission) -> Request {
    match request {
        Request::DepositEnvelope {
            mailbox,
            expires,
            envelope,
            nonce,
            ..
        } => Request::DepositEnvelope {
            mailbox,
            expires,
            envelope,
            nonce,
            admission: other,
        },
        other => other,
    }
}

fn admission(request: &Request) -> Admission {
    match request {
        Request::DepositEnvelope { admission, .. } => admission.clone(),
        _ => panic!("only envelopes have an admission of this kind"),
    }
}

#[test]
fn junk_is_malformed_and_the_keeper_goes_on() {
    let mut office = Office::new();
    for junk in [&b""[..], b"junk", &[0; 100_000]] {
        let outputs = office.begin(NOW, 0, Bytes::copy_from_slice(junk));
        let (response, _) = office.finish(NOW, NOW, outputs);
        let Response::Refusal(refusal) = response else {
            panic!("{response:?}")
        };
        assert_eq!(refusal.reason, Reason::Malformed);
    }
    let (mailbox, _) = open_box();
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    assert_eq!(office.keeper.counters().refusals[&Reason::Malformed], 3);
    assert_eq!(office.keeper.counters().requests, 4);
}

#[test]
fn an_expiry_that_differs_from_the_envelopes_own_is_malformed() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    let other = stamped_until(&mailbox, &envelope("one"), EXPIRES.plus(1));
    office.check(NOW, &other, Reason::Malformed);
    let sooner = stamped_until(&mailbox, &envelope("one"), EXPIRES.minus(1));
    office.check(NOW, &sooner, Reason::Malformed);
}

#[test]
fn sizes_that_do_not_exist_are_refused() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    for size in [10, 2_047, 2_049, 65_537] {
        let deposit = stamped(&mailbox, &noise_envelope("one", size, EXPIRES));
        office.check(NOW, &deposit, Reason::TooLarge);
    }
    let deletion = key("deletion").public();
    office.check(
        NOW,
        &deposit_chunk(&Bytes::new(), deletion),
        Reason::TooLarge,
    );
    let chunk = Bytes::from(vec![1; 65_537]);
    office.check(NOW, &deposit_chunk(&chunk, deletion), Reason::TooLarge);
}

#[test]
fn an_items_life_lies_between_now_and_thirty_days() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    let longest = NOW.plus(MESSAGE_TTL_MAX_MS + CLOCK_SKEW_MS);
    for (expires, expected) in [
        (NOW, Err(Reason::Expired)),
        (NOW.minus(1), Err(Reason::Expired)),
        (NOW.plus(1), Ok(())),
        (longest, Ok(())),
        (longest.plus(1), Err(Reason::Lifetime)),
    ] {
        let bytes = noise_envelope("one", 2_048, expires);
        let deposit = stamped_until(&mailbox, &bytes, expires);
        match expected {
            Ok(()) => assert_eq!(office.receipt(NOW, &deposit).until, expires),
            Err(reason) => drop(office.check(NOW, &deposit, reason)),
        }
    }
}

#[test]
fn a_cards_life_is_thirty_days_and_a_tombstones_ten_years() {
    let alice = person("alice");
    let mut office = Office::new();
    let mut long = card(&alice, &prekey("alice", NOW), 1);
    long.expires = NOW.plus(CARD_TTL_MS + CLOCK_SKEW_MS + 1);
    office.check(
        NOW,
        &deposit_card(&record_of(&long), true),
        Reason::Lifetime,
    );
    let mut end = tombstone(&alice, 1, NOW);
    end.expires = NOW.plus(TOMBSTONE_TTL_MS + CLOCK_SKEW_MS + 1);
    office.check(NOW, &deposit_card(&record_of(&end), true), Reason::Lifetime);
    let end = tombstone(&alice, 1, NOW);
    office.receipt(NOW, &deposit_card(&record_of(&end), true));
    let expired = record(9);
    office.check(
        NOW.plus(CARD_TTL_MS),
        &deposit_card(&expired, true),
        Reason::Expired,
    );
}

#[test]
fn a_record_costs_a_stamp_for_each_thirty_days_of_its_life() {
    let alice = person("alice");
    let end_in = |life_ms| {
        let mut end = tombstone(&alice, 2, NOW);
        end.expires = NOW.plus(life_ms);
        record_of(&end)
    };
    let ten_years = end_in(TOMBSTONE_TTL_MS);
    for has_slot in [false, true] {
        let mut office = Office::new();
        if has_slot {
            office.receipt(NOW, &deposit_card(&record(1), true));
        }
        // A slot, which one stamp buys, does not pay for ten years.
        for effort in [None, Some(1)] {
            let deposit = deposit_card_worth(&ten_years, effort);
            let refusal = office.check(NOW, &deposit, Reason::Stamp);
            assert_eq!(refusal.effort, TOMBSTONE_EFFORT);
        }
        let deposit = deposit_card_worth(&ten_years, Some(TOMBSTONE_EFFORT));
        assert_eq!(office.receipt(NOW, &deposit).until, ten_years.expires);
    }
    // As long as a card may live, it costs what a card costs, whatever the two clocks say.
    let longest = CARD_TTL_MS + CLOCK_SKEW_MS;
    let mut office = Office::new();
    office.check(
        NOW,
        &deposit_card_worth(&end_in(longest), None),
        Reason::Stamp,
    );
    let longer = deposit_card_worth(&end_in(longest + 1), None);
    assert_eq!(office.check(NOW, &longer, Reason::Stamp).effort, 2);
    office.receipt(NOW, &deposit_card_worth(&end_in(longest), Some(1)));
    let mut office = Office::new();
    office.receipt(NOW, &deposit_card(&record(1), true));
    office.receipt(NOW, &deposit_card_worth(&end_in(longest), None));
    // An effort beyond all numbers stays there.
    let policy = Policy {
        card_effort: u32::MAX,
        ..Policy::default()
    };
    let mut dear = Office::with(policy, u64::MAX);
    let deposit = deposit_card(&ten_years, false);
    assert_eq!(dear.check(NOW, &deposit, Reason::Stamp).effort, u32::MAX);
}

#[test]
fn a_stamp_must_be_right_and_worth_what_is_asked() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let good = stamped(&mailbox, &envelope("one"));
    let other = admission(&stamped(&mailbox, &envelope("two")));
    let refusal = office.check(NOW, &with_admission(good.clone(), other), Reason::Stamp);
    assert_eq!(refusal.effort, 1);
    // A capability, even the owner's own, does not open a mailbox that takes stamps.
    office.check(
        NOW,
        &admitted(&mailbox, &owner, &envelope("one")),
        Reason::Stamp,
    );
    office.check(NOW, &deposit_card(&record(1), false), Reason::Stamp);
    let mut other_locator = record(1);
    other_locator.locator = crate::Address::new([9; 32]);
    let Request::DepositCard { stamp, .. } = deposit_card(&other_locator, true) else {
        panic!()
    };
    let deposit = Request::DepositCard {
        record: Box::new(record(1)),
        stamp,
        nonce: [7; 16],
    };
    office.check(NOW, &deposit, Reason::Stamp);

    let policy = Policy {
        envelope_effort: u32::MAX,
        ..Policy::default()
    };
    let mut dear = Office::with(policy, u64::MAX);
    assert_eq!(dear.check(NOW, &good, Reason::Stamp).effort, u32::MAX);
    office.receipt(NOW, &good);
}

#[test]
fn a_capability_must_be_the_owners_word_for_this_very_deposit() {
    let (mailbox, owner) = closed_box();
    let mut office = Office::new();
    let good = admitted(&mailbox, &owner, &envelope("one"));
    office.check(
        NOW,
        &stamped(&mailbox, &envelope("one")),
        Reason::Capability,
    );
    office.check(
        NOW,
        &admitted(&mailbox, &key("thief"), &envelope("one")),
        Reason::Capability,
    );
    let other = admission(&admitted(&mailbox, &owner, &envelope("two")));
    office.check(
        NOW,
        &with_admission(good.clone(), other),
        Reason::Capability,
    );
    office.receipt(NOW, &good);
}

#[test]
fn only_the_owner_reads_deletes_and_subscribes() {
    let (mailbox, owner) = closed_box();
    let thief = key("thief");
    let mut office = Office::new();
    office.receipt(NOW, &admitted(&mailbox, &owner, &envelope("one")));
    let id = id_of(&envelope("one"));
    for request in [
        list(&mailbox, &thief, NOW, None),
        get(&mailbox, &thief, NOW, &[id]),
        subscribe(&mailbox, &thief, NOW),
        ack(&mailbox, &thief, &[id]),
    ] {
        office.check(NOW, &request, Reason::Signature);
    }
    // One foreign entry among the owner's, and nothing is acked.
    let Request::Ack {
        entries: foreign, ..
    } = ack(&mailbox, &thief, &[id])
    else {
        panic!()
    };
    let own = ack(&mailbox, &owner, &[id_of(&envelope("two"))]);
    let Request::Ack {
        mailbox: at,
        mut entries,
    } = own
    else {
        panic!()
    };
    entries.extend(foreign);
    office.check(
        NOW,
        &Request::Ack {
            mailbox: at,
            entries,
        },
        Reason::Signature,
    );
    assert_eq!(office.listed(NOW, &mailbox, &owner), [id]);
    // Whoever names himself owner names another mailbox.
    let his = Mailbox {
        owner: thief.public(),
        ..mailbox
    };
    assert_eq!(office.listed(NOW, &his, &thief), []);
    assert_eq!(
        office.ask(NOW, &ack(&his, &thief, &[id])),
        Response::Done { until: None }
    );
    assert_eq!(office.listed(NOW, &mailbox, &owner), [id]);
}

#[test]
fn a_card_and_a_chunk_are_changed_by_their_own_keys_alone() {
    let mut office = Office::new();
    let mut forged = record(1);
    forged.sequence = 2;
    office.check(NOW, &deposit_card(&forged, true), Reason::Signature);

    let chunk = Bytes::from(vec![1; 100]);
    let deletion = key("deletion");
    office.receipt(NOW, &deposit_chunk(&chunk, deletion.public()));
    let address = crate::Address::new(*id_of(&chunk).as_bytes());
    let delete = |key: &crate::keys::SecretKey| Request::DeleteChunk {
        address,
        signature: key.sign(crate::context::SIGN_DELETE, &[address.as_bytes()]),
    };
    office.check(NOW, &delete(&key("thief")), Reason::Signature);
    let kept = Response::Chunk {
        chunk,
        expires: EXPIRES,
    };
    assert_eq!(office.ask(NOW, &Request::GetChunk { address }), kept);
    assert_eq!(
        office.ask(NOW, &delete(&deletion)),
        Response::Done { until: None }
    );
    assert_eq!(
        office.ask(NOW, &Request::GetChunk { address }),
        Response::Unknown
    );
    assert_eq!(office.ask(NOW, &delete(&deletion)), Response::Unknown);
}

#[test]
fn a_mailboxs_epoch_lies_within_a_month_and_a_day() {
    let bob = person("bob");
    let mut office = Office::new();
    let today = NOW.epoch();
    for (epoch, expected) in [
        (today.minus(32), false),
        (today.minus(31), true),
        (today, true),
        (today.plus(1), true),
        (today.plus(2), false),
    ] {
        let mailbox = bob.first_contact_mailbox(epoch);
        let deposit = stamped(&mailbox, &envelope("one"));
        let offer = offer(&mailbox, id_of(&envelope("one")));
        if expected {
            office.receipt(NOW, &deposit);
            office.receipt(NOW, &offer);
        } else {
            office.check(NOW, &deposit, Reason::Epoch);
            office.check(NOW, &offer, Reason::Epoch);
        }
    }
    // Ten minutes before midnight the day after tomorrow is already near enough for a fast clock.
    let late = today.plus(1).start().minus(CLOCK_SKEW_MS);
    let mailbox = bob.first_contact_mailbox(today.plus(2));
    office.receipt(late, &stamped(&mailbox, &envelope("two")));
    office.check(
        late.minus(1),
        &stamped(&mailbox, &envelope("three")),
        Reason::Epoch,
    );
}

#[test]
fn an_owners_request_is_good_for_a_few_minutes() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let tolerance = CLOCK_SKEW_MS + 30 * SECOND_MS;
    for (at, expected) in [
        (NOW.minus(tolerance + 1), false),
        (NOW.minus(tolerance), true),
        (NOW.plus(tolerance), true),
        (NOW.plus(tolerance + 1), false),
    ] {
        let request = list(&mailbox, &owner, at, None);
        if expected {
            assert!(matches!(
                office.ask(NOW, &request),
                Response::Listing { .. }
            ));
        } else {
            office.check(NOW, &request, Reason::Clock);
        }
    }
}

#[test]
fn a_source_that_asks_too_often_waits() {
    let policy = Policy {
        requests_per_second: 1,
        requests_burst: 2,
        ..Policy::default()
    };
    let mut office = Office::with(policy, u64::MAX);
    let request = Request::GetCards {
        locator: crate::Address::new([1; 32]),
    };
    assert_eq!(office.ask(NOW, &request), Response::Cards(vec![]));
    assert_eq!(office.ask(NOW, &request), Response::Cards(vec![]));
    let refusal = office.check(NOW, &request, Reason::Busy);
    let later = NOW.plus(refusal.retry_after_ms);
    assert_eq!(office.ask(later, &request), Response::Cards(vec![]));
    office.check(later, &request, Reason::Busy);
    assert_eq!(
        office.ask(later.plus(SECOND_MS), &request),
        Response::Cards(vec![])
    );
}

#[test]
fn a_store_with_too_much_to_do_makes_others_wait() {
    let mut office = Office::new();
    let request = Request::GetCards {
        locator: crate::Address::new([1; 32]),
    };
    let mut waiting = Vec::new();
    for _ in 0..STORE_OPS_MAX {
        waiting.extend(office.begin(NOW, 0, request.encode()));
    }
    assert!(
        waiting
            .iter()
            .all(|output| matches!(output, Output::Store { .. }))
    );
    office.check(NOW, &request, Reason::Busy);
    let (mailbox, owner) = open_box();
    office.check(NOW, &subscribe(&mailbox, &owner, NOW), Reason::Busy);
    let Some(Output::Store { ticket, op }) = waiting.pop() else {
        panic!()
    };
    let result = crate::keeper::ItemStore::apply(&mut office.store, NOW, vec![op]);
    let result = result.map(|mut outcomes| outcomes.remove(0));
    assert_eq!(
        office
            .keeper
            .handle(super::both(NOW), Input::Stored { ticket, result })
            .len(),
        1
    );
    assert_eq!(office.ask(NOW, &request), Response::Cards(vec![]));
}

#[test]
fn a_connection_has_so_many_subscriptions_and_no_more() {
    let bob = person("bob");
    let mut office = Office::new();
    let of = |index: usize| {
        let (epoch, index) = (NOW.epoch(), u8::try_from(index).unwrap());
        (
            bob.device_mailbox(epoch, index),
            bob.device_mailbox_owner(epoch, index),
        )
    };
    for index in 0..SUBSCRIPTIONS_PER_CONNECTION_MAX {
        let (mailbox, owner) = of(index);
        let response = office.ask(NOW, &subscribe(&mailbox, &owner, NOW));
        assert!(matches!(response, Response::Done { until: Some(_) }));
    }
    let (mailbox, owner) = of(SUBSCRIPTIONS_PER_CONNECTION_MAX);
    office.check(NOW, &subscribe(&mailbox, &owner, NOW), Reason::Busy);
    // Renewing is always possible, and another connection has its own.
    let (first, first_owner) = of(0);
    let renewed = office.ask(NOW, &subscribe(&first, &first_owner, NOW));
    assert!(matches!(renewed, Response::Done { .. }));
    let (response, _) = office.ask_by(NOW, 1, &subscribe(&mailbox, &owner, NOW));
    assert!(matches!(response, Response::Done { .. }));
    assert_eq!(
        office.keeper.subscriptions(),
        SUBSCRIPTIONS_PER_CONNECTION_MAX + 1
    );
}

#[test]
fn after_the_disk_failed_nothing_is_promised_and_what_can_be_read_is_read() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    let deposit = stamped(&mailbox, &envelope("two"));
    let outputs = office.begin(NOW, 0, deposit.encode());
    let [Output::Store { ticket, .. }] = outputs[..] else {
        panic!()
    };
    let result = Err(StoreError::Io("no space".to_owned()));
    let outputs = office
        .keeper
        .handle(super::both(NOW), Input::Stored { ticket, result });
    let (response, _) = office.finish(NOW, NOW, outputs);
    assert!(matches!(response, Response::Refusal(r) if r.reason == Reason::Unavailable));
    assert!(office.keeper.read_only().is_some());
    office.check(NOW, &deposit, Reason::Unavailable);
    office.check(NOW, &deposit_card(&record(1), true), Reason::Unavailable);
    let id = id_of(&envelope("one"));
    office.check(NOW, &ack(&mailbox, &owner, &[id]), Reason::Unavailable);
    assert_eq!(office.listed(NOW, &mailbox, &owner), [id]);
}

#[test]
fn an_answer_of_the_store_counts_once() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    let outputs = office.begin(NOW, 0, stamped(&mailbox, &envelope("one")).encode());
    let [Output::Store { ticket, .. }] = outputs[..] else {
        panic!()
    };
    office.finish(NOW, NOW, outputs);
    let result = Ok(crate::keeper::StoreOutcome::Done);
    assert_eq!(
        office
            .keeper
            .handle(super::both(NOW), Input::Stored { ticket, result }),
        []
    );
}

#[test]
fn a_receipt_is_for_its_nonce_and_its_keeper() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    let receipt = office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    let bytes = envelope("one");
    assert_eq!(
        receipt.verify(&super::node(), &claim(&mailbox, &bytes, 7)),
        Ok(())
    );
    let replayed = receipt.verify(&super::node(), &claim(&mailbox, &bytes, 8));
    assert_eq!(replayed, Err(SignatureError));
    let other = crate::NodeId::new(*key("other").public().as_bytes());
    assert_eq!(
        receipt.verify(&other, &claim(&mailbox, &bytes, 7)),
        Err(SignatureError)
    );
    // The offer's own nonce makes a receipt of its own.
    let again = office.receipt(NOW, &offer(&mailbox, id_of(&bytes)));
    assert_eq!(
        again.verify(&super::node(), &claim(&mailbox, &bytes, 8)),
        Ok(())
    );
    assert_ne!(again.signature, receipt.signature);
    assert_ne!(receipt.signature, Signature::new([0; 64]));
}
