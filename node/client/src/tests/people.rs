//! What people decide about each other, and what must not get around it.

use std::collections::BTreeSet;

use bytes::Bytes;
use restante_interface::{
    ContactInfo, ContactState, DeliveryState, InboxMessage, Refusal, Reply, Request as Call,
};
use restante_proto::account::Identity;
use restante_proto::card::{Card, CardRecord};
use restante_proto::envelope::{self, Envelope, Lifetime, Recipient};
use restante_proto::limits::{CARD_TTL_MS, DAY_MS, MINUTE_MS};
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::message::{Content, Message, MessageId, Text};
use restante_proto::person::IdCost;
use restante_proto::receipt::NONCE_BYTES;
use restante_proto::request::{Request, Response};
use restante_proto::stamp::{Challenge, CheapForTests, StampScheme as _};

use super::super::model::Account;
use super::world::World;

/// A message of nobody's client.
const FORGED: MessageId = MessageId::new([7; 16]);

/// Seals what no client would send.
fn forge(world: &mut World, from: usize, to: usize, content: Content) -> Envelope {
    let handle = format!("person{from}");
    forge_under(world, &handle, from, to, content)
}

/// Seals what somebody would send under another handle.
fn forge_under(
    world: &mut World,
    handle: &str,
    from: usize,
    to: usize,
    content: Content,
) -> Envelope {
    let now = world.now(from);
    let identity = |world: &World, person: usize| {
        let account = &world.people[person].disk.rows().account;
        account.identity.clone()
    };
    let (sender, reader) = (identity(world, from), identity(world, to));
    let sender = Identity {
        handle: handle.parse().unwrap(),
        ..sender
    };
    let prekeys = &world.people[to].disk.rows().prekeys;
    let prekey = prekeys.last().unwrap().public().clone();
    let recipient = Recipient {
        account: reader.account,
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

fn text_of(body: &'static [u8]) -> Content {
    Content::Text(Text {
        body: Bytes::from_static(body),
        ..Text::default()
    })
}

fn contacts(world: &mut World, person: usize) -> Vec<ContactInfo> {
    let call = world.call(person, Call::ContactList { after: None });
    match world.people[person].replies.get(&call) {
        Some(Ok(Reply::Contacts(page))) => page.contacts.clone(),
        other => panic!("{other:?}"),
    }
}

fn inbox(world: &mut World, person: usize) -> Vec<InboxMessage> {
    let call = world.read(person);
    world.settle();
    match world.people[person].replies.get(&call) {
        Some(Ok(Reply::Inbox(page))) => page.messages.clone(),
        other => panic!("{other:?}"),
    }
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
    let text = text_of(b"twice");
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
    let forged = forge(
        &mut world,
        1,
        0,
        Content::Delivered {
            ids,
            read: Vec::new(),
        },
    );
    let answer = world.deposit(0, &forged);
    assert!(matches!(answer, Some(Response::Receipt(_))), "{answer:?}");
    world.run(3 * 60 * MINUTE_MS);
    assert!(world.has_taken(0, &forged));
    assert_eq!(world.state(0, call), DeliveryState::Stored);
}

#[test]
fn a_contact_under_another_handle_is_shown_with_both_and_loses_neither() {
    let mut world = World::friends(24, 2);
    let known = world.id(0);
    let envelope = forge_under(&mut world, "robert", 0, 1, text_of(b"it is me"));
    world.deposit(0, &envelope).unwrap();
    world.run(3 * 60 * MINUTE_MS);
    let shown = inbox(&mut world, 1);
    let message = shown.iter().find(|message| message.id != shown[0].id);
    let message = message.unwrap();
    assert!(message.from.starts_with("robert."), "{}", message.from);
    assert_eq!(message.known_as.as_ref(), Some(&known));
    assert!(message.contact, "what was decided is about the account");
    let robert = message.from.clone();
    let listed = |world: &mut World| {
        let mut contacts = contacts(world, 1);
        let contact = contacts.remove(0);
        assert!(contacts.is_empty());
        (contact.id, contact.other_ids)
    };
    assert_eq!(listed(&mut world), (known.clone(), vec![robert.clone()]));
    // Whoever is written to under one of them is told of under it, and found.
    let call = world.send_to(1, &robert, "so it is you");
    world.run(MINUTE_MS);
    assert_eq!(world.state(1, call), DeliveryState::Delivered);
    let outbox = world.people[1].core.overview(world.now(1)).outbox;
    assert!(outbox.iter().any(|entry| entry.to == robert));
    assert!(outbox.iter().any(|entry| entry.to == known));
    assert_eq!(listed(&mut world), (known, vec![robert.clone()]));
    world.call(1, Call::ContactBlock { who: robert });
    world.settle();
    assert_eq!(contacts(&mut world, 1)[0].state, ContactState::Blocked);
    world.restart(1);
    assert_eq!(contacts(&mut world, 1)[0].other_ids.len(), 1);
}

#[test]
fn a_stranger_that_is_added_under_another_id_is_listed_under_that() {
    let mut world = World::new(25, 2, 6);
    world.warm_up();
    let envelope = forge_under(&mut world, "mallory", 0, 1, text_of(b"guess who"));
    world.deposit(0, &envelope).unwrap();
    world.run(3 * 60 * MINUTE_MS);
    let stranger = contacts(&mut world, 1).remove(0);
    assert!(stranger.id.starts_with("mallory."), "{}", stranger.id);
    assert_eq!(stranger.state, ContactState::Request);
    let (who, petname) = (world.id(0), None);
    world.call(
        1,
        Call::ContactAdd {
            who: who.clone(),
            petname,
        },
    );
    world.run(MINUTE_MS);
    let contacts = contacts(&mut world, 1);
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].state, ContactState::Accepted);
    assert_eq!(contacts[0].id, who);
    assert_eq!(contacts[0].other_ids, [stranger.id]);
}

/// Publishes a card of somebody's own in place of the last one.
pub(super) fn publish(world: &mut World, account: &Account, card: &Card) {
    let epoch = world.now(0).date.salt_epoch();
    let locators = account.id.locators(epoch, IdCost::CheapForTests);
    let (identity, key) = (&account.identity, &locators.record_key);
    // A tombstone lives for ten years.
    let effort = if card.terminated { 128 } else { 1 };
    for locator in locators.addresses {
        let sealed = CardRecord::seal(card, identity, locator, key, &mut world.rng);
        let record = sealed.unwrap();
        let challenge = Challenge::card(&locator, &record.writer);
        let request = Request::DepositCard {
            record: Box::new(record),
            stamp: CheapForTests.solve(&challenge, &[0; 24], effort, 1_000_000),
            nonce: [0; NONCE_BYTES],
        };
        for keeper in 0..world.keepers.len() {
            let node = world.keepers[keeper].node;
            let answer = world.ask(usize::MAX, node, &request);
            assert!(matches!(answer, Some(Response::Receipt(_))), "{answer:?}");
        }
    }
}

#[test]
fn a_card_that_breaks_a_rule_is_refused_at_once_and_told_apart_from_none() {
    let mut world = World::new(26, 2, 6);
    world.warm_up();
    // Its owner does not publish another one meanwhile.
    let gone = world.people.remove(1);
    let account = gone.disk.rows().account.clone();
    let date = world.now(0).date;
    let card = Card {
        account: account.identity.account,
        delegation: account.identity.delegation,
        handle: account.identity.handle.clone(),
        sequence: u64::MAX,
        issued: date,
        expires: date.plus(CARD_TTL_MS),
        terminated: false,
        devices: Vec::new(),
        avatar: None,
    };
    publish(&mut world, &account, &card);
    let id = account.id.to_string();
    let call = world.send_to(0, &id, "is anybody there?");
    world.run(MINUTE_MS);
    match world.people[0].replies.get(&call) {
        Some(Err(Refusal::UnusableCard { id: told, why })) => {
            assert_eq!(*told, id);
            assert!(why.contains("devices"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let nobody = format!("nobody.{}", account.id.tag);
    let call = world.send_to(0, &nobody, "is anybody there?");
    world.run(MINUTE_MS);
    let unknown = Some(Err(Refusal::UnknownId { id: nobody }));
    assert_eq!(world.people[0].replies.get(&call).cloned(), unknown);
}
