//! What people decide about each other, and what must not get around it.

use std::collections::BTreeSet;

use bytes::Bytes;
use restante_interface::{DeliveryState, Request as Call};
use restante_proto::envelope::{self, Envelope, Lifetime, Recipient};
use restante_proto::limits::{DAY_MS, MINUTE_MS};
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::message::{Content, Message, MessageId};
use restante_proto::request::Response;

use super::world::World;

/// A message of nobody's client.
const FORGED: MessageId = MessageId::new([7; 16]);

/// Seals what no client would send.
fn forge(world: &mut World, from: usize, to: usize, content: Content) -> Envelope {
    let now = world.now(from);
    let identity = |world: &World, person: usize| {
        let account = &world.people[person].disk.rows().account;
        account.identity.clone()
    };
    let (sender, reader) = (identity(world, from), identity(world, to));
    let prekeys = &world.people[to].disk.rows().prekeys;
    let prekey = prekeys.last().unwrap().public().clone();
    let recipient = Recipient {
        account: reader.account.public(),
        device: reader.device.public(),
        prekey: &prekey,
    };
    let mailbox = Mailbox {
        owner: reader.first_contact().public(),
        rule: Rule::Stamp,
        epoch: now.date.epoch(),
    };
    let times = Lifetime {
        now: now.date,
        expires: now.date.plus(DAY_MS),
    };
    let message = Message::new(&sender, FORGED, now.date, content);
    let rng = &mut world.rng;
    envelope::seal(&message, &sender, &recipient, mailbox, times, rng).unwrap()
}

fn texts(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_receipt_that_was_due_when_the_process_ended_is_sent_after_the_restart() {
    let mut world = World::friends(20, 2);
    let call = world.send(0, 1, "and then the power failed");
    // All but time: receipts are gathered for a second before they are sent.
    world.settle();
    assert!(world.texts(1).contains("and then the power failed"));
    world.restart(1);
    world.run(MINUTE_MS);
    assert_eq!(world.state(0, call), DeliveryState::Delivered);
}

#[test]
fn a_blocked_contact_is_not_heard() {
    let mut world = World::friends(21, 2);
    let who = world.id(0);
    world.call(1, Call::ContactBlock { who: who.clone() });
    world.settle();
    let call = world.send(0, 1, "can you hear me?");
    world.run(10 * MINUTE_MS);
    assert_eq!(world.texts(1), texts(&["hello"]));
    assert_eq!(world.state(0, call), DeliveryState::Stored);
    world.call(1, Call::ContactAccept { who });
    world.settle();
    world.send(0, 1, "and now?");
    world.run(10 * MINUTE_MS);
    assert_eq!(world.texts(1), texts(&["hello", "and now?"]));
}

#[test]
fn a_message_in_two_envelopes_is_shown_once() {
    let mut world = World::friends(22, 2);
    let text = Content::Text {
        body: Bytes::from_static(b"twice"),
        burn_ms: 0,
        file_name: String::new(),
    };
    let first = forge(&mut world, 0, 1, text.clone());
    let second = forge(&mut world, 0, 1, text);
    assert_ne!(first.id(), second.id());
    for envelope in [first, second] {
        let answer = world.deposit(0, &envelope);
        assert!(matches!(answer, Some(Response::Receipt(_))), "{answer:?}");
        world.run(3 * 60 * MINUTE_MS);
        assert!(world.texts(1).contains("twice"));
        let inbox = world.people[1].disk.rows().inbox.values();
        let shown = inbox.filter(|header| header.message == FORGED);
        assert_eq!(shown.count(), 1);
    }
}

#[test]
fn the_delivery_receipt_of_another_contact_ends_nothing() {
    let mut world = World::friends(23, 3);
    // Its recipient does not collect.
    let gone = world.people.remove(1);
    let to = gone.core.account().id.to_string();
    let call = world.send_to(0, &to, "for your eyes only");
    world.run(MINUTE_MS);
    let sent = world.people[0].disk.rows().sent.iter();
    let waiting = sent.filter(|(_, sent)| sent.state != DeliveryState::Delivered);
    let ids: Vec<MessageId> = waiting.map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 1);
    let forged = forge(&mut world, 1, 0, Content::Delivered { ids });
    let answer = world.deposit(0, &forged);
    assert!(matches!(answer, Some(Response::Receipt(_))), "{answer:?}");
    world.run(3 * 60 * MINUTE_MS);
    assert!(world.has_taken(0, &forged));
    assert_eq!(world.state(0, call), DeliveryState::Stored);
}
