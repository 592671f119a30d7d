//! Commits that fail: nothing counts as done, and what was changed in memory is as it was before.

use restante_interface::{ContactState, DeliveryState, Refusal, Reply, Request as Call, Stored};

use super::world::{Fate, Flying, World};

/// Fails the next commit of a person.
pub(super) fn fail_commit(world: &mut World, person: usize) {
    end_commit(world, person, Fate::Failed);
}

/// Ends the next commit of a person.
pub(super) fn end_commit(world: &mut World, person: usize, fate: Fate) {
    for _ in 0..1_000 {
        let is_commit = |flying: &Flying| matches!(flying, Flying::Commit(..));
        if let Some(place) = world.people[person].flying.iter().position(is_commit) {
            world.deliver(person, place, fate);
            return;
        }
        assert!(
            !world.people[person].flying.is_empty(),
            "there is no commit to fail"
        );
        world.deliver(person, 0, Fate::Delivered);
    }
}

#[test]
fn a_message_that_cannot_be_stored_is_refused_and_does_not_leave() {
    let mut world = World::new(3, 2, 6);
    world.warm_up();
    let call = world.send(0, 1, "lost on the way to the disk");
    fail_commit(&mut world, 0);
    let refusal = Refusal::NotStored {
        what: Stored::Message,
    };
    assert_eq!(world.people[0].replies.get(&call), Some(&Err(refusal)));
    assert!(
        world.people[0]
            .core
            .overview(world.now(0))
            .outbox
            .is_empty()
    );
    world.run(World::an_hour());
    assert!(world.texts(1).is_empty());
    // The disk has recovered: the same text goes.
    world.send(0, 1, "again");
    world.run(60_000);
    assert!(world.texts(1).contains("again"));
}

#[test]
fn an_envelope_that_cannot_be_stored_is_not_acked_and_comes_again() {
    let mut world = World::new(4, 2, 6);
    world.warm_up();
    world.send(0, 1, "patience");
    // Until the envelope is opened and its effects are on their way to the disk.
    while !world.people[1]
        .flying
        .iter()
        .any(|it| matches!(it, Flying::Commit(..)))
    {
        world.settle_one_of(0);
        world.settle_one_of(1);
    }
    fail_commit(&mut world, 1);
    assert!(world.people[1].disk.rows().inbox.is_empty());
    assert!(world.people[1].disk.rows().contacts.is_empty());
    world.run(World::an_hour());
    assert!(world.texts(1).contains("patience"));
}

#[test]
fn a_contact_that_cannot_be_stored_stays_as_it_was() {
    let mut world = World::new(5, 2, 6);
    world.warm_up();
    world.send(0, 1, "hello");
    world.run(60_000);
    let who = world.id(0);
    let call = world.call(1, Call::ContactBlock { who });
    fail_commit(&mut world, 1);
    let refusal = Refusal::NotStored {
        what: Stored::Contact,
    };
    assert_eq!(world.people[1].replies.get(&call), Some(&Err(refusal)));
    let call = world.call(1, Call::ContactList { after: None });
    let Some(Ok(Reply::Contacts(page))) = world.people[1].replies.get(&call) else {
        panic!("the list is not answered");
    };
    assert_eq!(page.contacts[0].state, ContactState::Request);
}

#[test]
fn everything_staged_behind_a_commit_that_fails_fails_with_it() {
    let mut world = World::new(6, 3, 6);
    world.warm_up();
    // Cards are known, so that both are staged at once: the second waits behind the first's commit.
    for (to, text) in [(1, "first"), (2, "first")] {
        world.send(0, to, text);
    }
    world.run(60_000);
    let one = world.send(0, 1, "one");
    let two = world.send(0, 2, "two");
    fail_commit(&mut world, 0);
    let refusal = Err(Refusal::NotStored {
        what: Stored::Message,
    });
    assert_eq!(world.people[0].replies.get(&one), Some(&refusal));
    assert_eq!(world.people[0].replies.get(&two), Some(&refusal));
}

#[test]
fn receipts_that_cannot_be_stored_are_sent_later() {
    let mut world = World::friends(24, 2);
    let call = world.send(0, 1, "did you get this?");
    world.settle();
    // They are gathered for a second.
    world.wait(1_100);
    fail_commit(&mut world, 1);
    world.run(60_000);
    assert_eq!(world.state(0, call), DeliveryState::Stored);
    world.run(15 * 60_000);
    assert_eq!(world.state(0, call), DeliveryState::Delivered);
}

#[test]
fn a_card_that_cannot_be_stored_is_made_again() {
    let mut world = World::new(25, 2, 6);
    fail_commit(&mut world, 1);
    let rows = world.people[1].disk.rows();
    assert!(rows.card.is_none() && rows.prekeys.is_empty());
    world.run(World::an_hour());
    let overview = world.people[1].core.overview(world.now(1));
    assert!(overview.card_published.is_some());
    world.send(0, 1, "found you");
    world.run(60_000);
    assert!(world.texts(1).contains("found you"));
}
