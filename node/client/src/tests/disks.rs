//! Disks that take nothing in for a while: everything goes on by itself, and the disk holds what memory holds.

use std::collections::BTreeSet;

use restante_interface::{Refusal, StoreTrouble, Stored};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::pauses::{PAUSE_MAX_MS, PAUSE_MIN_MS};
use restante_proto::prekey::PrekeySecret;

use super::super::model::OwnCard;
use super::commits::{end_commit, fail_commit};
use super::person::Person;
use super::world::{Fate, Flying, World};

const FULL: Option<StoreTrouble> = Some(StoreTrouble::DiskFull);

impl World {
    /// Checks that the disk of a person, with which nothing is under way, holds what memory holds.
    #[track_caller]
    pub(super) fn check_disk(&self, person: usize) {
        let one = &self.people[person];
        let (rows, records) = (one.disk.rows(), one.core.records());
        let keys = |rows: &mut dyn Iterator<Item = String>| rows.collect::<BTreeSet<String>>();
        macro_rules! same {
            ($($table:ident),*) => {$(
                assert_eq!(
                    keys(&mut rows.$table.iter().map(|row| format!("{row:?}"))),
                    keys(&mut records.$table().iter().map(|row| format!("{row:?}"))),
                    stringify!($table),
                );
            )*};
        }
        same!(contacts, seen, due, inbox);
        // What memory alone notes beside them is found out again.
        let (disk, memory) = (rows.outgoing.keys(), records.outgoing().keys());
        assert!(disk.eq(memory), "outgoing");
        assert!(rows.sent.keys().eq(records.sent().keys()), "sent");
        let issued = |prekey: &PrekeySecret| prekey.public().issued;
        let (disk, memory) = (rows.prekeys.iter(), records.prekeys().iter());
        assert!(disk.map(issued).eq(memory.map(issued)), "prekeys");
        let sequence = |card: Option<&OwnCard>| card.map(|card| card.sequence);
        assert_eq!(sequence(rows.card.as_ref()), sequence(records.card()));
    }

    /// Answers what is under way until something is on its way to the disk of a person.
    pub(super) fn settle_until_commit(&mut self, person: usize) {
        let commits = |one: &Person| {
            let mut flying = one.flying.iter();
            flying.any(|it| matches!(it, Flying::Commit(..)))
        };
        for _ in 0..1_000 {
            if commits(&self.people[person]) {
                return;
            }
            for other in (0..self.people.len()).rev() {
                if !commits(&self.people[person]) {
                    self.settle_one_of(other);
                }
            }
        }
        panic!("there is nothing to commit");
    }
}

fn trouble(world: &World, person: usize) -> Option<StoreTrouble> {
    world.people[person].core.trouble().cloned()
}

/// Sends, and returns whether that was refused because it could not be stored.
fn is_refused(world: &mut World, from: usize, to: usize, text: &str) -> bool {
    let call = world.send(from, to, text);
    world.settle();
    let refusal = Refusal::NotStored {
        what: Stored::Message,
    };
    world.people[from].replies.get(&call) == Some(&Err(refusal))
}

#[test]
fn what_comes_while_the_disk_is_full_is_taken_once_there_is_room() {
    let mut world = World::friends(40, 2);
    let before = world.texts(1);
    world.people[1].trouble = FULL;
    world.send(0, 1, "one");
    world.run(5 * MINUTE_MS);
    world.send(0, 1, "two");
    world.run(5 * MINUTE_MS);
    assert_eq!(trouble(&world, 1), FULL);
    assert_eq!(world.texts(1), before, "what is there can be read");
    world.people[1].trouble = None;
    world.run(PAUSE_MAX_MS + 10 * SECOND_MS);
    assert_eq!(trouble(&world, 1), None);
    let overview = world.people[1].core.overview(world.now(1));
    assert!(overview.recovered.is_some());
    let texts = world.texts(1);
    assert!(texts.contains("one") && texts.contains("two"), "{texts:?}");
    world.check_disk(1);
}

#[test]
fn a_disk_that_is_full_is_tried_now_and_then_for_as_long_as_it_takes() {
    let mut world = World::friends(41, 2);
    world.people[1].trouble = FULL;
    world.send(0, 1, "one");
    world.run(MINUTE_MS);
    let before = world.people[1].commits;
    world.run(DAY_MS);
    let tries = world.people[1].commits - before;
    let most = DAY_MS / PAUSE_MAX_MS;
    assert!((most * 9 / 10..=most).contains(&tries), "{tries} tries");
    assert_eq!(world.spins, 0);
    world.people[1].trouble = None;
    world.run(PAUSE_MAX_MS + 10 * SECOND_MS);
    assert!(world.texts(1).contains("one"));
}

#[test]
fn who_asks_is_told_at_once_and_need_not_wait_for_the_next_try() {
    let mut world = World::friends(42, 2);
    world.people[0].trouble = FULL;
    for number in 0..20 {
        assert!(is_refused(&mut world, 0, 1, "refused"), "{number}");
        world.wait(10);
    }
    // Pauses have grown.
    world.run(10 * MINUTE_MS);
    world.people[0].trouble = None;
    world.wait(PAUSE_MIN_MS);
    assert!(!is_refused(&mut world, 0, 1, "there is room"));
    assert_eq!(trouble(&world, 0), None);
    world.run(MINUTE_MS);
    let texts = world.texts(1);
    assert!(
        texts.contains("there is room") && !texts.contains("refused"),
        "{texts:?}"
    );
}

#[test]
fn who_asks_often_does_not_have_the_disk_tried_often() {
    let mut world = World::friends(43, 2);
    world.people[0].trouble = FULL;
    let before = world.people[0].commits;
    for _ in 0..100 {
        assert!(is_refused(&mut world, 0, 1, "refused"));
        world.wait(PAUSE_MIN_MS / 10);
    }
    let tries = world.people[0].commits - before;
    assert!((5..=11).contains(&tries), "{tries} tries");
}

#[test]
fn what_was_refused_is_not_sent_after_all() {
    let mut world = World::friends(44, 2);
    world.send(0, 1, "in doubt");
    // It is on the disk, and its sender is told that it is not.
    end_commit(&mut world, 0, Fate::Lost);
    let rows = world.people[0].disk.rows();
    let staged = (rows.outgoing.len(), rows.sent.len());
    world.run(HOUR_MS);
    let rows = world.people[0].disk.rows();
    assert!(rows.outgoing.len() < staged.0 && rows.sent.len() < staged.1);
    world.check_disk(0);
    world.restart(0);
    world.run(HOUR_MS);
    assert!(!world.texts(1).contains("in doubt"));
}

#[test]
fn what_was_taken_in_doubt_is_shown_once() {
    let mut world = World::friends(45, 2);
    world.send(0, 1, "once");
    world.settle_until_commit(1);
    end_commit(&mut world, 1, Fate::Lost);
    assert!(!world.texts(1).contains("once"));
    world.run(HOUR_MS);
    assert!(world.texts(1).contains("once"));
    world.check_disk(1);
    world.restart(1);
    world.run(HOUR_MS);
    let inbox = &world.people[1].disk.rows().inbox;
    assert_eq!(inbox.len(), world.texts(1).len());
}

#[test]
fn what_is_owed_is_written_however_often_that_fails() {
    let mut world = World::friends(46, 2);
    world.send(0, 1, "in doubt");
    end_commit(&mut world, 0, Fate::Lost);
    for fate in [
        Fate::Failed,
        Fate::Lost,
        Fate::Failed,
        Fate::Lost,
        Fate::Lost,
    ] {
        world.wait(PAUSE_MAX_MS);
        end_commit(&mut world, 0, fate);
        assert!(trouble(&world, 0).is_some());
    }
    world.run(HOUR_MS);
    assert_eq!(trouble(&world, 0), None);
    world.check_disk(0);
    assert!(!world.texts(1).contains("in doubt"));
}

#[test]
fn a_stamp_that_cannot_be_stored_pays_all_the_same() {
    let mut world = World::new(47, 2, 6);
    world.warm_up();
    world.send(0, 1, "paid");
    // The message is stored; the stamp of its envelope is not made yet.
    world.settle_until_commit(0);
    end_commit(&mut world, 0, Fate::Delivered);
    world.people[0].trouble = FULL;
    world.run(MINUTE_MS);
    assert_eq!(trouble(&world, 0), FULL);
    assert!(world.texts(1).contains("paid"));
}

#[test]
fn what_ends_while_the_disk_is_full_is_destroyed_once_there_is_room() {
    let mut world = World::friends(48, 2);
    let to = world.id(1);
    world.send_with(0, &to, "soon gone", Some(5 * SECOND_MS));
    world.run(MINUTE_MS);
    assert!(world.texts(1).contains("soon gone"));
    world.mark_read(1);
    world.people[1].trouble = FULL;
    let before = world.people[1].disk.rows().inbox.len();
    world.run(MINUTE_MS);
    assert!(!world.texts(1).contains("soon gone"));
    assert_eq!(world.people[1].disk.rows().inbox.len(), before);
    world.people[1].trouble = None;
    world.run(MINUTE_MS);
    assert_eq!(world.people[1].disk.rows().inbox.len(), before - 1);
    world.check_disk(1);
}

#[test]
fn damage_is_not_tried_again() {
    let mut world = World::friends(49, 2);
    let why = "its checksums do not match".to_owned();
    world.people[0].trouble = Some(StoreTrouble::Damaged { why });
    assert!(is_refused(&mut world, 0, 1, "refused"));
    let before = world.people[0].commits;
    world.run(HOUR_MS);
    assert!(is_refused(&mut world, 0, 1, "refused"));
    assert_eq!(world.people[0].commits, before);
    assert_eq!(world.spins, 0);
    assert!(matches!(
        trouble(&world, 0),
        Some(StoreTrouble::Damaged { .. })
    ));
}

#[test]
fn one_failure_is_over_with_the_next_commit() {
    let mut world = World::friends(50, 2);
    world.send(0, 1, "refused");
    fail_commit(&mut world, 0);
    assert_eq!(trouble(&world, 0), FULL);
    world.run(2 * PAUSE_MIN_MS);
    assert_eq!(trouble(&world, 0), None);
    world.check_disk(0);
}
