//! Envelopes: kept, handed over, acked, pushed, and gone at their hour.

use bytes::Bytes;

use super::{
    EXPIRES, Office, ack, admitted, admitted_to, claim, closed_box, deposit_chunk, envelope, get,
    list, offer, open_box, stamped, stamped_until, stamped_worth, subscribe,
};
use crate::{
    ItemId,
    envelope::id_of,
    fixture::{NOW, key, noise_envelope},
    keeper::{ConnId, HoldingKind, Input, ItemStore as _, Policy, SWEEP_INTERVAL_MS},
    limits::{
        CAPABILITY_MAILBOX_COUNT_MAX, ENVELOPE_BYTES, GET_COUNT_MAX, HOUR_MS, LISTING_COUNT_MAX,
        MAILBOX_TOMBSTONES_MAX, SECOND_MS, STAMP_MAILBOX_BYTES_MAX, STAMP_MAILBOX_COUNT_MAX,
    },
    request::{Push, Reason, Request, Response, Waiting},
    time::UnixMillis,
};

fn ids(labels: &[&str]) -> Vec<ItemId> {
    let mut ids: Vec<ItemId> = labels.iter().map(|label| id_of(&envelope(label))).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn what_was_deposited_is_listed_and_handed_over() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    for label in ["one", "two"] {
        let receipt = office.receipt(NOW, &stamped(&mailbox, &envelope(label)));
        assert_eq!(receipt.until, EXPIRES);
    }
    assert_eq!(office.listed(NOW, &mailbox, &owner), ids(&["one", "two"]));
    let asked = [
        id_of(&envelope("two")),
        ItemId::new([9; 32]),
        id_of(&envelope("one")),
    ];
    let got = office.got(NOW, &get(&mailbox, &owner, NOW, &asked));
    let waiting = |label| Waiting {
        envelope: envelope(label),
        expires: EXPIRES,
    };
    assert_eq!(got, [waiting("two"), waiting("one")]);
    let [first, second] = ids(&["one", "two"])[..] else {
        panic!()
    };
    let request = list(&mailbox, &owner, NOW, Some(first));
    let Response::Listing { items, more } = office.ask(NOW, &request) else {
        panic!()
    };
    assert_eq!(
        (items.len(), items[0].id, items[0].size_bytes, more),
        (1, second, 2_048, false)
    );
}

#[test]
fn a_second_deposit_of_the_same_envelope_changes_nothing() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let deposit = stamped(&mailbox, &envelope("one"));
    for _ in 0..3 {
        assert_eq!(office.receipt(NOW, &deposit).until, EXPIRES);
    }
    assert_eq!(office.listed(NOW, &mailbox, &owner), ids(&["one"]));
    assert_eq!(office.store.usage().items, 1);
}

#[test]
fn what_was_acked_never_comes_back() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let deposit = stamped(&mailbox, &envelope("one"));
    let id = id_of(&envelope("one"));
    let before = office.receipt(NOW, &deposit);
    let acked = office.ask(NOW, &ack(&mailbox, &owner, &[id]));
    assert_eq!(acked, Response::Done { until: None });
    assert_eq!(office.store.usage().items, 0);
    for now in [NOW, NOW.plus(HOUR_MS), EXPIRES.minus(1)] {
        office.timer(now);
        let (response, pushes) = office.ask_by(now, 0, &deposit);
        assert_eq!(
            response,
            Response::Receipt(before),
            "the sender sees no difference"
        );
        assert_eq!(pushes, []);
        assert_eq!(office.receipt(now, &offer(&mailbox, id)).until, EXPIRES);
        assert_eq!(office.listed(now, &mailbox, &owner), []);
        assert_eq!(office.got(now, &get(&mailbox, &owner, now, &[id])), []);
    }
    office.timer(EXPIRES);
    office.check(EXPIRES, &deposit, Reason::Expired);
    assert_eq!(office.ask(EXPIRES, &offer(&mailbox, id)), Response::Unknown);
}

#[test]
fn an_ack_that_comes_before_the_envelope_holds_and_does_not_show() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let id = id_of(&envelope("one"));
    office.ask(NOW, &ack(&mailbox, &owner, &[id]));
    // Who has it from elsewhere and merely asks does not learn that the owner was here.
    assert_eq!(office.ask(NOW, &offer(&mailbox, id)), Response::Unknown);
    let deposit = stamped(&mailbox, &envelope("one"));
    let receipt = office.receipt(NOW, &deposit);
    assert_eq!(office.receipt(NOW, &offer(&mailbox, id)).until, EXPIRES);
    assert_eq!(
        receipt.until, EXPIRES,
        "not a date that only an ack can bring"
    );
    assert_eq!(
        receipt.verify(&super::node(), &claim(&mailbox, &envelope("one"), 7)),
        Ok(())
    );
    assert_eq!(office.listed(NOW, &mailbox, &owner), []);
    office.timer(EXPIRES.minus(1));
    office.receipt(EXPIRES.minus(1), &deposit);
    assert_eq!(office.listed(EXPIRES.minus(1), &mailbox, &owner), []);
}

#[test]
fn an_ack_in_one_mailbox_leaves_the_same_envelope_in_another() {
    let (mailbox, owner) = open_box();
    let other = crate::fixture::person("carol").first_contact_mailbox(NOW.epoch());
    let others = crate::fixture::person("carol").first_contact();
    let mut office = Office::new();
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    office.receipt(NOW, &stamped(&other, &envelope("one")));
    office.ask(NOW, &ack(&mailbox, &owner, &ids(&["one"])));
    assert_eq!(office.listed(NOW, &mailbox, &owner), []);
    assert_eq!(office.listed(NOW, &other, &others), ids(&["one"]));
}

#[test]
fn nothing_is_served_from_its_hour_on() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let id = id_of(&envelope("one"));
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    let last = EXPIRES.minus(1);
    assert_eq!(office.listed(last, &mailbox, &owner), [id]);
    assert_eq!(
        office.got(last, &get(&mailbox, &owner, last, &[id])).len(),
        1
    );
    assert_eq!(office.listed(EXPIRES, &mailbox, &owner), []);
    assert_eq!(
        office.got(EXPIRES, &get(&mailbox, &owner, EXPIRES, &[id])),
        []
    );
    assert_eq!(office.ask(EXPIRES, &offer(&mailbox, id)), Response::Unknown);
    assert_eq!(office.store.usage().items, 1, "not swept yet");
    office.timer(EXPIRES);
    assert_eq!(office.store.usage().items, 0);
    let next = office.keeper.next_timeout();
    assert_eq!(next, super::both(EXPIRES).mono.plus(SWEEP_INTERVAL_MS));
}

#[test]
fn what_expires_while_the_disk_works_is_not_served() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let id = id_of(&envelope("one"));
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    let chunk = Bytes::from(vec![1; 100]);
    office.receipt(NOW, &deposit_chunk(&chunk, key("deletion").public()));
    let address = crate::Address::new(*id_of(&chunk).as_bytes());
    let last = EXPIRES.minus(1);
    for (request, served) in [
        (
            list(&mailbox, &owner, last, None),
            Response::Listing {
                items: vec![],
                more: false,
            },
        ),
        (
            get(&mailbox, &owner, last, &[id]),
            Response::Envelopes(vec![]),
        ),
        (Request::GetChunk { address }, Response::Unknown),
    ] {
        let outputs = office.begin(last, 0, request.encode());
        assert_ne!(
            office.finish(last, last, outputs).0,
            served,
            "it is there before its hour"
        );
        let outputs = office.begin(last, 0, request.encode());
        assert_eq!(office.finish(last, EXPIRES, outputs).0, served);
    }
}

#[test]
fn a_mailbox_that_takes_stamps_holds_so_many_and_so_much() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    for count in 0..STAMP_MAILBOX_COUNT_MAX {
        office.source = u64::from(count);
        let bytes = envelope(&count.to_string());
        office.receipt(NOW, &stamped_worth(&mailbox, &bytes, EXPIRES, 16));
    }
    let refusal = office.check(NOW, &stamped(&mailbox, &envelope("more")), Reason::Full);
    assert!(refusal.retry_after_ms >= SECOND_MS);
    // What is there is kept, and still has its receipt.
    office.receipt(NOW, &stamped(&mailbox, &envelope("0")));
    assert_eq!(
        office.listed(NOW, &mailbox, &owner).len(),
        STAMP_MAILBOX_COUNT_MAX as usize
    );
    office.ask(NOW, &ack(&mailbox, &owner, &ids(&["0"])));
    let more = stamped_worth(&mailbox, &envelope("more"), EXPIRES, 16);
    office.receipt(NOW, &more);

    let mut office = Office::new();
    let large = |count: u64| noise_envelope(&count.to_string(), ENVELOPE_BYTES[3], EXPIRES);
    let room = STAMP_MAILBOX_BYTES_MAX / ENVELOPE_BYTES[3] as u64;
    for count in 0..room {
        office.receipt(NOW, &stamped(&mailbox, &large(count)));
    }
    office.check(NOW, &stamped(&mailbox, &large(room)), Reason::Full);
    office.check(NOW, &stamped(&mailbox, &envelope("small")), Reason::Full);
}

#[test]
fn a_full_node_refuses_what_is_new_and_keeps_what_it_has() {
    let (mailbox, owner) = open_box();
    let mut office = Office::with(Policy::default(), 5_000);
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    office.receipt(NOW, &stamped(&mailbox, &envelope("two")));
    office.check(NOW, &stamped(&mailbox, &envelope("three")), Reason::Full);
    let chunk = Bytes::from(vec![1; 1_000]);
    office.check(
        NOW,
        &deposit_chunk(&chunk, key("deletion").public()),
        Reason::Full,
    );
    assert_eq!(office.listed(NOW, &mailbox, &owner), ids(&["one", "two"]));
    office.ask(NOW, &ack(&mailbox, &owner, &ids(&["one"])));
    office.receipt(NOW, &stamped(&mailbox, &envelope("three")));
}

#[test]
fn a_full_mailbox_of_contacts_is_listed_in_pages() {
    let (mailbox, owner) = closed_box();
    let mut office = Office::new();
    for count in 0..CAPABILITY_MAILBOX_COUNT_MAX {
        let label = count.to_string();
        let deposit = admitted_to(&mailbox, &owner, &envelope(&label), &label);
        office.receipt(NOW, &deposit);
    }
    office.check(
        NOW,
        &admitted(&mailbox, &owner, &envelope("more")),
        Reason::Full,
    );
    let request = list(&mailbox, &owner, NOW, None);
    let Response::Listing { items, more } = office.ask(NOW, &request) else {
        panic!()
    };
    assert_eq!((items.len(), more), (LISTING_COUNT_MAX, true));
    assert!(items.is_sorted_by(|a, b| a.id < b.id));
    let request = list(&mailbox, &owner, NOW, Some(items[LISTING_COUNT_MAX - 1].id));
    let Response::Listing { items: rest, more } = office.ask(NOW, &request) else {
        panic!()
    };
    assert_eq!((rest.len(), more), (24, false));
    assert!(rest[0].id > items[LISTING_COUNT_MAX - 1].id);
}

/// A page without lines has none that its reader could go on after, and readers refuse one that says so.
#[test]
fn a_page_whose_lines_have_all_expired_says_of_no_more() {
    let (mailbox, owner) = closed_box();
    let mut office = Office::new();
    for count in 0..=LISTING_COUNT_MAX {
        let label = count.to_string();
        let deposit = admitted_to(&mailbox, &owner, &envelope(&label), &label);
        office.receipt(NOW, &deposit);
    }
    let last = EXPIRES.minus(1);
    let request = list(&mailbox, &owner, last, None);
    let outputs = office.begin(last, 0, request.encode());
    let (response, _) = office.finish(last, EXPIRES, outputs);
    let empty = Response::Listing {
        items: Vec::new(),
        more: false,
    };
    assert_eq!(response, empty);
    assert_eq!(Response::decode(&response.encode()), Ok(empty));
}

#[test]
fn a_response_carries_as_many_envelopes_as_fit_in_the_order_asked() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let middle: Vec<Bytes> = (0..9)
        .map(|n| noise_envelope(&format!("m{n}"), ENVELOPE_BYTES[1], EXPIRES))
        .collect();
    for bytes in &middle {
        office.receipt(NOW, &stamped(&mailbox, bytes));
    }
    let asked: Vec<ItemId> = middle.iter().map(|bytes| id_of(bytes)).collect();
    let got = office.got(NOW, &get(&mailbox, &owner, NOW, &asked));
    let got: Vec<ItemId> = got.iter().map(|item| id_of(&item.envelope)).collect();
    assert_eq!(got, asked[..8]);

    let small: Vec<String> = (0..GET_COUNT_MAX)
        .map(|count| format!("s{count}"))
        .collect();
    office.source += 1;
    for label in &small {
        office.receipt(NOW, &stamped(&mailbox, &envelope(label)));
    }
    let asked: Vec<ItemId> = small.iter().map(|label| id_of(&envelope(label))).collect();
    let request = get(&mailbox, &owner, NOW, &asked);
    assert_eq!(office.got(NOW, &request).len(), GET_COUNT_MAX);
}

#[test]
fn tombstones_are_refused_rather_than_forgotten() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    // Signing thousands of acks takes long, and the store checks none.
    let entry = |count: u32| crate::mailbox::AckEntry {
        id: id_of(&count.to_be_bytes()),
        signature: crate::keys::Signature::new([0; 64]),
    };
    let entries: Vec<_> = (0..MAILBOX_TOMBSTONES_MAX).map(entry).collect();
    let op = crate::keeper::StoreOp::Ack {
        address: mailbox.address(),
        entries,
        mailbox,
    };
    office.store.apply(NOW, vec![op]).unwrap();
    let one_more = ack(&mailbox, &owner, &ids(&["one"]));
    office.check(NOW, &one_more, Reason::Full);
    let known = ack(&mailbox, &owner, &[id_of(&0_u32.to_be_bytes())]);
    assert_eq!(office.ask(NOW, &known), Response::Done { until: None });
}

/// Whoever reads a mailbox hears of another one who begins to, and of nobody who goes on.
#[test]
fn subscribers_are_told_of_another_one() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    let mut told = |conn| {
        let (_, pushes) = office.ask_by(NOW, conn, &subscribe(&mailbox, &owner, NOW));
        let notice = Push {
            mailbox: mailbox.address(),
            item: None,
        };
        assert!(pushes.iter().all(|(_, push)| *push == notice));
        let conns = pushes.into_iter().map(|(ConnId(conn), _)| conn);
        conns.collect::<Vec<_>>()
    };
    assert_eq!(told(1), [0; 0]);
    assert_eq!(told(2), [1]);
    assert_eq!(told(1), [0; 0], "a renewal");
    assert_eq!(told(3), [1, 2]);
}

#[test]
fn a_subscriber_is_pushed_each_new_envelope_once() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    office.receipt(NOW, &stamped(&mailbox, &envelope("before")));
    for conn in [1, 2] {
        let (response, pushes) = office.ask_by(NOW, conn, &subscribe(&mailbox, &owner, NOW));
        assert_eq!(
            response,
            Response::Done {
                until: Some(NOW.plus(HOUR_MS))
            }
        );
        let mut items = pushes.iter().map(|(_, push)| &push.item);
        assert!(
            items.all(Option::is_none),
            "what was there before is listed, not pushed"
        );
    }
    let (_, pushes) = office.ask_by(NOW, 3, &stamped(&mailbox, &envelope("one")));
    let conns: Vec<ConnId> = pushes.iter().map(|(conn, _)| *conn).collect();
    assert_eq!(conns, [ConnId(1), ConnId(2)]);
    for (_, push) in pushes {
        assert_eq!(push.mailbox, mailbox.address());
        assert_eq!(
            push.item,
            Some(Waiting {
                envelope: envelope("one"),
                expires: EXPIRES
            })
        );
    }
    let (_, pushes) = office.ask_by(NOW, 3, &stamped(&mailbox, &envelope("one")));
    assert_eq!(pushes, [], "the second time it is not new");
    assert_eq!(
        office.ask_by(NOW, 3, &offer(&mailbox, ids(&["one"])[0])).1,
        []
    );
    let (other, _) = closed_box();
    let (_, pushes) = office.ask_by(NOW, 3, &admitted(&other, &closed_box().1, &envelope("x")));
    assert_eq!(pushes, [], "another mailbox");
    assert_eq!(office.keeper.counters().pushes, 2);
}

fn pushed(office: &mut Office, now: UnixMillis, label: &str) -> usize {
    let (mailbox, _) = open_box();
    office
        .ask_by(now, 9, &stamped(&mailbox, &envelope(label)))
        .1
        .len()
}

#[test]
fn a_subscription_ends_with_its_connection_or_after_an_hour() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    for conn in [1, 2] {
        office.ask_by(NOW, conn, &subscribe(&mailbox, &owner, NOW));
    }
    assert_eq!(pushed(&mut office, NOW, "one"), 2);
    assert_eq!(
        office
            .keeper
            .handle(super::both(NOW), Input::Closed(ConnId(1))),
        []
    );
    assert_eq!(office.keeper.subscriptions(), 1);
    assert_eq!(pushed(&mut office, NOW, "two"), 1);

    let half = NOW.plus(HOUR_MS / 2);
    office.ask_by(half, 1, &subscribe(&mailbox, &owner, half));
    let end = NOW.plus(HOUR_MS);
    assert_eq!(pushed(&mut office, end.minus(1), "three"), 2);
    assert_eq!(
        pushed(&mut office, end, "four"),
        1,
        "over before it was swept"
    );
    office.timer(end);
    assert_eq!(office.keeper.subscriptions(), 1);
    office.ask_by(end, 1, &subscribe(&mailbox, &owner, end));
    assert_eq!(office.keeper.subscriptions(), 1, "renewed, not doubled");
    office.timer(half.plus(HOUR_MS));
    assert_eq!(pushed(&mut office, half.plus(HOUR_MS), "five"), 1);
    assert_eq!(
        office
            .keeper
            .handle(super::both(NOW), Input::Closed(ConnId(1))),
        []
    );
    assert_eq!(office.keeper.subscriptions(), 0);
    assert_eq!(pushed(&mut office, half.plus(HOUR_MS), "six"), 0);
}

#[test]
fn an_acked_envelope_is_not_pushed_again() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    office.ask_by(NOW, 1, &subscribe(&mailbox, &owner, NOW));
    assert_eq!(pushed(&mut office, NOW, "one"), 1);
    office.ask(NOW, &ack(&mailbox, &owner, &ids(&["one"])));
    assert_eq!(pushed(&mut office, NOW, "one"), 0);
}

#[test]
fn no_receipt_leaves_before_the_store_has_done_its_work() {
    let (mailbox, owner) = open_box();
    let mut office = Office::new();
    office.ask_by(NOW, 1, &subscribe(&mailbox, &owner, NOW));
    let outputs = office.begin(NOW, 0, stamped(&mailbox, &envelope("one")).encode());
    assert_eq!(outputs.len(), 1);
    assert!(matches!(outputs[0], crate::keeper::Output::Store { .. }));
    assert_eq!(office.keeper.counters().receipts, 0);
    let (response, pushes) = office.finish(NOW, NOW, outputs);
    assert!(matches!(response, Response::Receipt(_)));
    assert_eq!(pushes.len(), 1);
}

#[test]
fn holdings_show_addresses_sizes_and_dates_of_what_is_alive() {
    let (mailbox, _) = open_box();
    let mut office = Office::new();
    let short = NOW.plus(SECOND_MS);
    let brief = noise_envelope("brief", 8_192, short);
    office.receipt(NOW, &stamped_until(&mailbox, &brief, short));
    office.receipt(NOW, &stamped(&mailbox, &envelope("one")));
    let held = office.store.holdings(NOW, None, 10).unwrap().items;
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|line| line.address == mailbox.address()));
    assert!(held.iter().all(|line| line.kind == HoldingKind::Envelope));
    let held = office.store.holdings(short, None, 10).unwrap().items;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].size_bytes, held[0].expires), (2_048, EXPIRES));
}
