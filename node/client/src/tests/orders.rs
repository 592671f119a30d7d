//! Every order of answers, lost and repeated ones, failed commits and restarts.

use std::collections::BTreeSet;

use proptest::prelude::*;
use restante_interface::{DeliveryState, Reply};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::world::{Fate, World};

#[derive(Clone, Debug)]
enum Step {
    /// Answer what is under way at this place, of this person, with this fate.
    Answer(usize, usize, Fate),
    Send(usize, usize),
    Read(usize),
    Wait(u64),
    Restart(usize),
}

const PEOPLE: usize = 3;

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Delivered),
        2 => Just(Fate::Twice),
        2 => Just(Fate::Failed),
        1 => Just(Fate::Lost),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let person = || 0..PEOPLE;
    prop_oneof![
        40 => (person(), any::<usize>(), fate()).prop_map(|(p, n, f)| Step::Answer(p, n, f)),
        3 => (person(), 1..PEOPLE).prop_map(|(p, n)| Step::Send(p, (p + n) % PEOPLE)),
        1 => person().prop_map(Step::Read),
        4 => (1..20 * MINUTE_MS).prop_map(Step::Wait),
        1 => person().prop_map(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens on the way: nothing leaves before its commit, nothing is shown twice, and once the faults are
    /// over every message that its sender was told of arrives, and its sender hears of it.
    #[test]
    fn what_was_sent_arrives_once_in_any_order(seed: u64, steps in prop::collection::vec(step(), 100..400)) {
        let mut world = World::new(seed, PEOPLE, 6);
        let mut sends = Vec::new();
        for step in steps {
            match step {
                Step::Answer(person, place, fate) => {
                    let flying = world.people[person].flying.len();
                    if flying > 0 {
                        world.deliver(person, place % flying, fate);
                    }
                }
                Step::Send(from, to) => {
                    let text = format!("message {}", sends.len());
                    let life = world.people[from].lives;
                    sends.push((from, to, world.send(from, to, &text), life, text));
                }
                Step::Read(person) => drop(world.read(person)),
                Step::Wait(ms) => world.wait(ms),
                Step::Restart(person) => world.restart(person),
            }
        }
        // The faults are over.
        world.run(3 * HOUR_MS);
        for (from, to, call, _, text) in &sends {
            let Some(sent) = world.sent(*from, *call).cloned() else { continue };
            prop_assert!(world.texts(*to).contains(text), "{text}, {:?}, has not arrived", sent.state);
            let outbox = world.people[*from].core.overview(world.now(*from)).outbox;
            let state = outbox.iter().find(|entry| entry.message_id == sent.message_id);
            // Who is not accepted is not answered.
            let expected = match world.has_accepted(*to, *from) {
                true => DeliveryState::Delivered,
                false => DeliveryState::Stored,
            };
            prop_assert_eq!(state.map(|entry| entry.state), Some(expected));
        }
        prop_assert_eq!(world.spins, 0);
        for person in 0..PEOPLE {
            world.check_disk(person);
        }
        // What was taken is acked everywhere.
        let date = world.now(0).date;
        world.run(HOUR_MS);
        let left: usize = world.keepers.iter_mut().map(|keeper| keeper.holds(date)).sum();
        let under_way = |p: usize| world.people[p].disk.rows().outgoing.len();
        let receipts: usize = (0..PEOPLE).map(under_way).sum();
        prop_assert!(left <= receipts * 8, "{left} envelopes are left for {receipts} under way");
    }
}

#[test]
fn two_people_write_to_each_other_and_hear_that_it_arrived() {
    let mut world = World::new(1, 2, 6);
    world.warm_up();
    let first = world.send(0, 1, "hello");
    world.run(30_000);
    assert_eq!(world.texts(1), BTreeSet::from(["hello".to_owned()]));
    let sent = world.sent(0, first).unwrap().clone();
    assert_eq!(
        (sent.state, sent.stored_with, sent.stored_of),
        (DeliveryState::Stored, 5, 5)
    );
    // A stranger's message is not answered before its sender is accepted; to answer is to accept.
    let answer = world.send(1, 0, "hello yourself");
    world.run(MINUTE_MS);
    assert_eq!(
        world.texts(0),
        BTreeSet::from(["hello yourself".to_owned()])
    );
    for (person, call) in [(0, first), (1, answer)] {
        let id = world.sent(person, call).unwrap().message_id.clone();
        let outbox = world.people[person].core.overview(world.now(person)).outbox;
        let entry = outbox.iter().find(|entry| entry.message_id == id).unwrap();
        assert_eq!(entry.state, DeliveryState::Delivered);
    }
}

#[test]
fn a_message_ends_unread_and_its_sender_is_told() {
    let mut world = World::new(2, 2, 6);
    world.warm_up();
    let sent = world.send(0, 1, "too late");
    // The recipient's process is gone for good.
    let gone = world.people.remove(1);
    world.run(7 * DAY_MS);
    let id = world.sent(0, sent).unwrap().message_id.clone();
    let outbox = world.people[0].core.overview(world.now(0)).outbox;
    let entry = outbox.iter().find(|entry| entry.message_id == id).unwrap();
    assert_eq!(entry.state, DeliveryState::Expired);
    assert!(gone.disk.rows().inbox.is_empty());
}

#[test]
fn what_burned_before_its_sender_was_accepted_is_answered_then() {
    let mut world = World::new(3, 2, 6);
    world.warm_up();
    let to = world.id(1);
    let call = world.send_with(0, &to, "soon gone", Some(5_000));
    world.run(30_000);
    assert_eq!(world.texts(1), BTreeSet::from(["soon gone".to_owned()]));
    world.mark_read(1);
    world.run(MINUTE_MS);
    let inbox = &world.people[1].disk.rows().inbox;
    assert!(inbox.is_empty(), "it has burned: {inbox:?}");
    let state = |world: &World| {
        let id = world.sent(0, call).unwrap().message_id.clone();
        let outbox = world.people[0].core.overview(world.now(0)).outbox;
        outbox
            .iter()
            .find(|entry| entry.message_id == id)
            .unwrap()
            .state
    };
    assert_eq!(state(&world), DeliveryState::Stored);
    world.send(1, 0, "who are you?");
    world.run(MINUTE_MS);
    assert_eq!(state(&world), DeliveryState::Delivered);
}

#[test]
fn what_keepers_have_lost_is_deposited_again() {
    let mut world = World::new(26, 2, 6);
    world.warm_up();
    let gone = world.people.remove(1);
    let before = world.stores();
    world.send_to(0, &gone.core.account().id.to_string(), "still there?");
    world.run(MINUTE_MS);
    world.set_stores(before);
    let date = world.now(0).date;
    assert!(
        world
            .keepers
            .iter_mut()
            .all(|keeper| keeper.holds(date) == 0)
    );
    world.run(DAY_MS);
    let date = world.now(0).date;
    let held = world
        .keepers
        .iter_mut()
        .filter_map(|keeper| (keeper.holds(date) > 0).then_some(()));
    assert!(held.count() >= 5);
}

#[test]
fn what_ends_while_it_is_read_is_not_shown() {
    let mut world = World::friends(27, 2);
    world.send(0, 1, "for a week");
    world.run(MINUTE_MS);
    let read = world.read(1);
    // No timer has gone off when the date says that it is over.
    world.people[1].ahead_ms += i64::try_from(7 * DAY_MS).unwrap();
    world.settle();
    let Some(Ok(Reply::Inbox(page))) = world.people[1].replies.get(&read) else {
        panic!("the inbox is not answered");
    };
    assert!(page.messages.is_empty(), "{page:?}");
}
