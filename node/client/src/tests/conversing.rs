//! How people come into a conversation, and what is said inside of it.

use restante_conversation::envelope::SUITE;
use restante_interface::DeliveryState;
use restante_proto::envelope::{Envelope, suite_of};
use restante_proto::limits::{BODY_BYTES_MAX, DAY_MS, ENVELOPE_BYTES, HOUR_MS, MINUTE_MS};
use restante_proto::request::Request;

use super::person::Person;
use super::world::{Flying, World};
use crate::model::Membership;

fn memberships(world: &World, person: usize) -> Vec<Membership> {
    let rows = world.people[person].disk.rows();
    rows.memberships.values().cloned().collect()
}

/// Sends a text and returns the envelopes that leave for it, each by its suite and its bytes.
fn leaving(world: &mut World, from: usize, to: usize, text: &str) -> Vec<(u8, usize)> {
    let known: Vec<_> = { world.people[from].disk.rows().outgoing.keys().copied() }.collect();
    world.send(from, to, text);
    while world.people[from].flying.iter().any(is_work) {
        world.deliver(from, 0, super::world::Fate::Delivered);
    }
    let rows = world.people[from].disk.rows();
    let new = rows.outgoing.iter().filter(|(id, _)| !known.contains(id));
    let bytes = new.map(|(_, outgoing)| &outgoing.envelope.bytes);
    let mut leaving: Vec<_> = bytes
        .map(|bytes| (suite_of(bytes).unwrap(), bytes.len()))
        .collect();
    leaving.sort_unstable();
    leaving
}

fn is_work(flying: &Flying) -> bool {
    !matches!(flying, Flying::Ask(_, _, Request::DepositEnvelope { .. }))
}

#[test]
fn friends_are_in_a_conversation_and_speak_inside() {
    let mut world = World::friends(41, 2);
    for (person, other) in [(0, 1), (1, 0)] {
        let own = memberships(&world, person);
        let [membership] = own.as_slice() else {
            panic!("{own:?}");
        };
        let device = world.people[other].core.account().identity.device.public();
        assert!(membership.heard.contains_key(&device), "{membership:?}");
        let small = (SUITE, ENVELOPE_BYTES[0]);
        let text = "a".repeat(256);
        assert_eq!(leaving(&mut world, person, other, &text), [small]);
        world.run(MINUTE_MS);
        assert!(world.texts(other).contains(&text));
    }
    let call = world.send(0, 1, "is it delivered?");
    world.run(MINUTE_MS);
    assert_eq!(world.state(0, call), DeliveryState::Delivered);
    // Nothing of it is left anywhere.
    world.run(26 * HOUR_MS);
    let date = world.now(0).date;
    let held: usize = world
        .keepers
        .iter_mut()
        .map(|keeper| keeper.holds(date))
        .sum();
    assert_eq!(held, 0);
}

#[test]
fn a_device_renews_its_keys_before_it_speaks_after_a_day() {
    let mut world = World::friends(42, 2);
    let before = leaving(&mut world, 0, 1, "today");
    assert_eq!(before.len(), 1);
    world.run(DAY_MS + HOUR_MS);
    let after = leaving(&mut world, 0, 1, "tomorrow");
    assert_eq!(
        after,
        [(SUITE, ENVELOPE_BYTES[0]), (SUITE, ENVELOPE_BYTES[1])]
    );
    world.run(MINUTE_MS);
    world.send(1, 0, "I see");
    world.run(MINUTE_MS);
    assert!(world.texts(1).contains("tomorrow") && world.texts(0).contains("I see"));
}

#[test]
fn both_may_begin_at_once_and_speak_in_one() {
    let mut world = World::new(43, 2, 6);
    world.warm_up();
    for (from, to) in [(0, 1), (1, 0)] {
        world.send(from, to, "hello");
    }
    world.run(5 * MINUTE_MS);
    for round in 0..4 {
        let (from, to) = (round % 2, 1 - round % 2);
        let text = format!("round {round}");
        let leaving = leaving(&mut world, from, to, &text);
        assert!(
            leaving.iter().all(|(suite, _)| *suite == SUITE),
            "{leaving:?}"
        );
        world.run(MINUTE_MS);
        assert!(world.texts(to).contains(&text));
    }
    let ids = |world: &World, person: usize| {
        let rows = world.people[person].disk.rows();
        rows.memberships.keys().copied().min()
    };
    assert_eq!(ids(&world, 0), ids(&world, 1));
}

#[test]
fn a_conversation_goes_on_over_restarts() {
    let mut world = World::friends(44, 2);
    for round in 0..6 {
        let (from, to) = (round % 2, 1 - round % 2);
        world.restart(from);
        world.run(MINUTE_MS);
        let text = format!("round {round}");
        world.send(from, to, &text);
        world.restart(to);
        world.run(MINUTE_MS);
        assert!(world.texts(to).contains(&text), "{text}");
    }
    assert_eq!(memberships(&world, 0).len(), 1);
}

/// Somebody who was away meanwhile gets what was said over many renewals.
#[test]
fn who_was_away_for_days_reads_everything_inside() {
    let mut world = World::friends(45, 2);
    let away = world.people.pop().unwrap();
    let id = away.core.account().id.to_string();
    let mut texts = Vec::new();
    for day in 0..5 {
        let text = format!("day {day}");
        world.send_to(0, &id, &text);
        texts.push(text);
        world.run(DAY_MS);
    }
    world.people.push(away);
    world.people[1].flying.clear();
    world.restart(1);
    world.run(10 * MINUTE_MS);
    let read = world.texts(1);
    assert!(texts.iter().all(|text| read.contains(text)), "{read:?}");
    world.send(1, 0, "I was away");
    world.run(MINUTE_MS);
    assert!(world.texts(0).contains("I was away"));
}

/// A home that is set back by less than the time between two publications does not know it, and has used keys that it
/// would use again: whoever cannot follow says so, and gets what was said all the same.
#[test]
fn what_is_said_by_who_was_set_back_is_read() {
    for day in [0, 1] {
        let mut world = World::friends(46, 2);
        world.run(day * 26 * HOUR_MS);
        world.send(0, 1, "before");
        world.run(MINUTE_MS);
        let backup = world.people[0].disk.clone();
        for text in ["one", "two", "three"] {
            world.restart(0);
            world.run(MINUTE_MS);
            world.send(0, 1, text);
            world.run(MINUTE_MS);
        }
        world.people[0].disk = backup;
        world.restart(0);
        world.run(MINUTE_MS);
        for number in 0..3 {
            let text = format!("after {number} {day}");
            world.send(0, 1, &text);
            world.run(2 * MINUTE_MS);
            assert!(world.texts(1).contains(&text), "{text}");
            let text = format!("answer {number} {day}");
            world.send(1, 0, &text);
            world.run(2 * MINUTE_MS);
            assert!(world.texts(0).contains(&text), "{text}");
        }
    }
}

/// Two copies of one home run: one takes a commit and acks it before the other has seen it, which says so and is told
/// again what it could not read.
#[test]
fn who_cannot_follow_any_more_says_so_and_is_told_again() {
    let mut world = World::friends(47, 2);
    world.run(30 * HOUR_MS);
    let account = world.people[1].core.account().clone();
    let mut twin = Person::new(world.now(1), account);
    twin.disk = world.people[1].disk.clone();
    world.people.push(twin);
    world.restart(2);
    world.run(10_000);
    world.send(0, 1, "looked up too early");
    world.run(10 * MINUTE_MS);
    world.send(0, 1, "from then on");
    world.run(MINUTE_MS);
    for person in [1, 2] {
        let texts = world.texts(person);
        assert!(texts.contains("from then on"), "{person}: {texts:?}");
    }
    world.run(MINUTE_MS);
    let leaving = leaving(&mut world, 0, 1, "in the other conversation");
    assert!(
        leaving.iter().any(|(suite, _)| *suite == SUITE),
        "{leaving:?}"
    );
    world.run(MINUTE_MS);
    assert!(world.texts(2).contains("in the other conversation"));
}

/// An envelope of a conversation that nobody here is in is as worthless as any that does not open.
#[test]
fn what_is_of_no_conversation_is_acked() {
    let mut world = World::friends(48, 2);
    let mailbox = {
        let identity = &world.people[1].core.account().identity;
        identity.first_contact_mailbox(world.now(1).date.epoch())
    };
    let expires = world.now(1).date.plus(DAY_MS);
    let mut bytes = vec![7; ENVELOPE_BYTES[0]];
    bytes[..2].copy_from_slice(&[1, SUITE]);
    bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
    let bytes = bytes.into();
    let envelope = Envelope {
        mailbox,
        expires,
        bytes,
    };
    world.deposit(0, &envelope);
    world.run(30 * MINUTE_MS);
    assert!(world.has_taken(1, &envelope));
}

/// A home that was set back to before it joined a conversation knows nothing of that: those who speak in it see that it
/// is alive and does not answer.
#[test]
fn who_was_set_back_to_before_a_conversation_is_written_to_outside() {
    let mut world = World::new(49, 2, 6);
    world.warm_up();
    world.send(0, 1, "hello");
    world.run(MINUTE_MS);
    let backup = world.people[0].disk.clone();
    world.send(1, 0, "hello yourself");
    world.run(MINUTE_MS);
    world.send(0, 1, "in a conversation");
    world.run(HOUR_MS);
    world.people[0].disk = backup;
    world.restart(0);
    world.run(MINUTE_MS);
    let call = world.send(1, 0, "said inside");
    world.run(MINUTE_MS);
    assert!(!world.texts(0).contains("said inside"));
    world.run(3 * DAY_MS);
    assert!(world.texts(0).contains("said inside"));
    assert_eq!(world.state(1, call), DeliveryState::Delivered);
    let leaving = leaving(&mut world, 1, 0, "in another conversation");
    assert!(
        leaving.iter().all(|(suite, _)| *suite == SUITE),
        "{leaving:?}"
    );
    world.run(MINUTE_MS);
    assert!(world.texts(0).contains("in another conversation"));
}

/// A first message leaves no room for key packages: it goes without them, and they are offered with the next.
#[test]
fn the_longest_first_message_goes_without_key_packages() {
    let mut world = World::new(52, 2, 6);
    world.warm_up();
    world.send(0, 1, &"a".repeat(BODY_BYTES_MAX));
    world.run(MINUTE_MS);
    assert_eq!(world.texts(1).len(), 1);
    let offered = |world: &World| {
        let mut contacts = world.people[0].disk.rows().contacts.values();
        contacts.any(|contact| contact.offered.is_some())
    };
    assert!(!offered(&world));
    world.send(0, 1, "short");
    world.run(MINUTE_MS);
    assert!(offered(&world));
}
