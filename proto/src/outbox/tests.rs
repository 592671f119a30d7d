use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Input, OUTBOX_COUNT_MAX, Outbox, OutboxFull, Outgoing, Output};
use crate::{
    ItemId, NodeId,
    keys::PublicKey,
    limits::{DAY_MS, HOUR_MS},
    mailbox::{Mailbox, Rule},
    message::MessageId,
    placement::driven::{Driven, NOW, now_at, settings},
    time::{Epoch, Now, UnixMillis},
};

const END: UnixMillis = NOW.date.plus(60_000);

fn outgoing(number: u16) -> Outgoing {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let mut message = [0; 16];
    message[..2].copy_from_slice(&number.to_be_bytes());
    Outgoing {
        message: MessageId::new(message),
        envelope: ItemId::new(id),
        mailbox: Mailbox {
            owner: PublicKey::new([1; 32]),
            rule: Rule::Stamp,
            epoch: Epoch::new(1),
        },
        expires: END,
        receipts: BTreeMap::new(),
    }
}

fn keepers(count: u8) -> Vec<NodeId> {
    (0..count).map(|n| NodeId::new([n; 32])).collect()
}

#[test]
fn an_envelope_stays_until_its_recipients_word() {
    let mut outbox = Outbox::default();
    let out = outgoing(1);
    let (id, message) = (out.envelope, out.message);
    assert_eq!(
        outbox.add(NOW, out.clone()).unwrap(),
        vec![Output::Find(id, out.mailbox)]
    );
    outbox.handle(NOW, Input::Found(id, keepers(5)));
    for keeper in keepers(5) {
        let outputs = outbox.handle(NOW, Input::Receipt(id, keeper, END));
        assert!(matches!(outputs[..], [Output::Standing(..)]), "{outputs:?}");
    }
    assert_eq!(outbox.len(), 1);
    let outputs = outbox.handle(NOW, Input::Delivered(message));
    assert_eq!(outputs, vec![Output::Delivered(id, message)]);
    assert!(outbox.is_empty());
    // A second word, or an answer that comes late, changes nothing.
    assert_eq!(outbox.handle(NOW, Input::Delivered(message)), vec![]);
    assert_eq!(
        outbox.handle(NOW, Input::Receipt(id, keepers(1)[0], END)),
        vec![]
    );
}

#[test]
fn an_envelope_that_expires_is_given_up_once_and_said_so() {
    let mut outbox = Outbox::default();
    let out = outgoing(1);
    let _asked = outbox.add(NOW, out.clone()).unwrap();
    let end = NOW.plus(60_000);
    assert!(outbox.next_timeout(NOW).unwrap() <= end.mono);
    assert_eq!(outbox.handle(NOW.plus(59_999), Input::Timer).len(), 0);
    let outputs = outbox.handle(end, Input::Timer);
    assert_eq!(outputs, vec![Output::Expired(out.envelope, out.message)]);
    assert_eq!(outbox.handle(end, Input::Timer), vec![]);
    assert_eq!(outbox.next_timeout(end), None);
}

#[test]
fn a_word_for_another_message_changes_nothing() {
    let mut outbox = Outbox::default();
    let _asked = outbox.add(NOW, outgoing(1)).unwrap();
    assert_eq!(
        outbox.handle(NOW, Input::Delivered(MessageId::new([9; 16]))),
        vec![]
    );
    assert_eq!(outbox.len(), 1);
}

#[test]
fn the_outbox_is_bounded() {
    let mut outbox = Outbox::default();
    for number in 0..OUTBOX_COUNT_MAX {
        let _asked = outbox
            .add(NOW, outgoing(u16::try_from(number).unwrap()))
            .unwrap();
    }
    assert_eq!(outbox.add(NOW, outgoing(u16::MAX)), Err(OutboxFull));
    // One that is there already is no new one.
    assert!(outbox.add(NOW, outgoing(0)).is_ok());
}

#[test]
fn receipts_from_before_a_restart_count() {
    let mut outbox = Outbox::default();
    let mut out = outgoing(1);
    out.receipts = keepers(3).into_iter().map(|keeper| (keeper, END)).collect();
    let id = out.envelope;
    let _asked = outbox.add(NOW, out).unwrap();
    let outputs = outbox.handle(NOW, Input::Found(id, keepers(5)));
    let offers = outputs
        .iter()
        .filter(|output| matches!(output, Output::Offer(..)))
        .count();
    let deposits = outputs
        .iter()
        .filter(|output| matches!(output, Output::Deposit(..)))
        .count();
    assert_eq!((offers, deposits), (3, 2));
    assert!(outbox.standing(NOW, &id).unwrap().0.is_stored());
}

/// An outbox with one envelope that five keepers hold, and when it is looked at next.
fn placed() -> (Outbox, Outgoing, Now) {
    let mut outbox = Outbox::default();
    let mut out = outgoing(1);
    out.expires = NOW.date.plus(6 * DAY_MS);
    let _asked = outbox.add(NOW, out.clone()).unwrap();
    let id = out.envelope;
    outbox.handle(NOW, Input::Found(id, keepers(8)));
    for keeper in keepers(5) {
        outbox.handle(NOW, Input::Receipt(id, keeper, out.expires));
    }
    let due = now_at(outbox.next_timeout(NOW).unwrap());
    (outbox, out, due)
}

/// Lets a keeper name these nodes.
fn names(outbox: &mut Outbox, now: Now, id: ItemId, number: u8, named: &[u8]) -> Vec<Output> {
    let named = named.iter().map(|number| NodeId::new([*number; 32]));
    let keeper = NodeId::new([number; 32]);
    outbox.handle(now, Input::Neighbours(id, keeper, named.collect()))
}

#[test]
fn in_the_first_hours_two_keepers_are_asked_whether_others_have_come_and_then_all_are_looked_up() {
    let (mut outbox, out, mut now) = placed();
    let id = out.envelope;
    let asked = keepers(2).into_iter();
    let asked: Vec<Output> = asked
        .map(|keeper| Output::AskNeighbours(id, out.mailbox, keeper))
        .collect();
    let mut reviews = 0;
    loop {
        let outputs = outbox.handle(now, Input::Timer);
        if outputs == [Output::Find(id, out.mailbox)] {
            break;
        }
        assert_eq!(outputs, asked);
        assert_eq!(outbox.handle(now, Input::Timer), vec![], "once is enough");
        let idle = outbox.next_timeout(now).unwrap();
        assert_eq!(idle, now.when(out.expires), "answers are awaited");
        assert_eq!(names(&mut outbox, now, id, 0, &[1, 2, 3, 4, 77]), vec![]);
        assert_eq!(names(&mut outbox, now, id, 0, &[77]), vec![]);
        assert_eq!(names(&mut outbox, now, id, 1, &[0, 2, 3, 4]), vec![]);
        now = now_at(outbox.next_timeout(now).unwrap());
        reviews += 1;
    }
    assert_eq!(reviews, 4);
    assert!(now.mono.since(NOW.mono) <= 12 * HOUR_MS);
}

#[test]
fn a_review_of_an_envelope_becomes_a_whole_one_when_somebody_has_come_or_gone() {
    for named in [&[2, 77, 3, 4][..], &[]] {
        let (mut outbox, out, now) = placed();
        let id = out.envelope;
        assert_eq!(outbox.handle(now, Input::Timer).len(), 2);
        assert_eq!(names(&mut outbox, now, id, 0, &[1, 2, 3, 4]), vec![]);
        let outputs = names(&mut outbox, now, id, 1, named);
        assert_eq!(outputs, vec![Output::Find(id, out.mailbox)]);
        // The first answer that says so is enough.
        let (mut outbox, ..) = placed();
        assert_eq!(outbox.handle(now, Input::Timer).len(), 2);
        let outputs = names(&mut outbox, now, id, 0, named);
        assert_eq!(outputs, vec![Output::Find(id, out.mailbox)]);
        assert_eq!(names(&mut outbox, now, id, 1, named), vec![]);
        let mut found = keepers(8);
        found.insert(2, NodeId::new([77; 32]));
        let outputs = outbox.handle(now, Input::Found(id, found));
        let newcomer = NodeId::new([77; 32]);
        assert!(
            outputs.contains(&Output::Deposit(id, newcomer)),
            "{outputs:?}"
        );
    }
}

/// Draws how the network answers, and when.
fn answer(driven: &mut Driven<Input>, output: Output) {
    let until = NOW.date.plus(6 * DAY_MS);
    let fails = driven.draw(4) == 0;
    let soon = 20 + driven.draw(2_000);
    match output {
        Output::Find(id, _) => {
            let found = if fails { Vec::new() } else { keepers(8) };
            driven.later(soon, Input::Found(id, found));
        }
        Output::AskNeighbours(id, _, keeper) => {
            let mut named = if fails { Vec::new() } else { keepers(8) };
            named.retain(|node| *node != keeper);
            driven.later(soon, Input::Neighbours(id, keeper, named));
        }
        Output::Deposit(id, keeper) | Output::Offer(id, keeper) if fails => {
            driven.later(10_000, Input::Failed(id, keeper));
        }
        Output::Deposit(id, keeper) | Output::Offer(id, keeper) => {
            driven.later(soon, Input::Receipt(id, keeper, until));
        }
        Output::Standing(..) | Output::Delivered(..) | Output::Expired(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the date is set: an envelope expires once, soon after the date says so and not before.
    #[test]
    fn an_envelope_expires_by_the_date_and_is_tried_until_then(
        settings in settings(),
        seed in any::<u64>(),
    ) {
        let mut outbox = Outbox::default();
        let mut driven = Driven::new(&settings, seed);
        let mut expiries = BTreeMap::new();
        let mut tried = BTreeMap::new();
        let mut first = Vec::new();
        for days in 1..=4 {
            let mut outgoing = outgoing(days);
            outgoing.expires = NOW.date.plus(u64::from(days) * DAY_MS);
            expiries.insert(outgoing.envelope, outgoing.expires);
            tried.insert(outgoing.envelope, NOW.mono);
            first.extend(outbox.add(NOW, outgoing).unwrap());
        }
        for output in first {
            answer(&mut driven, output);
        }
        while !driven.has_lasted(5) {
            let event = driven.next(outbox.next_timeout(driven.now));
            let now = driven.now;
            let mut outputs = event.map_or_else(Vec::new, |input| outbox.handle(now, input));
            if outbox.next_timeout(now).is_some_and(|due| due <= now.mono) {
                outputs.extend(outbox.handle(now, Input::Timer));
                prop_assert!(outbox.next_timeout(now).is_none_or(|due| due > now.mono));
            }
            driven.count(outputs.len(), 8_000);
            for output in outputs {
                match output {
                    Output::Find(id, _) | Output::AskNeighbours(id, ..) => {
                        tried.insert(id, now.mono);
                    }
                    Output::Expired(id, _) => {
                        let expires = expiries.remove(&id);
                        prop_assert!(expires.is_some_and(|expires| expires <= now.date));
                    }
                    _ => {}
                }
                answer(&mut driven, output);
            }
            prop_assert!(expiries.values().all(|expires| *expires > now.date));
            prop_assert_eq!(expiries.len(), outbox.len());
            for id in expiries.keys() {
                prop_assert!(now.mono.since(tried[id]) <= 8 * HOUR_MS, "{:?} is forgotten", id);
            }
        }
    }
}
