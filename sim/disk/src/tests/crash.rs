//! What crashes do, one by one.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use redb::StorageBackend as _;

use super::Clock;
use crate::{CrashEffect, Disk, Effects, PAGE_BYTES};

const BLOCK: [u8; PAGE_BYTES] = [7; PAGE_BYTES];

fn byte_at(disk: &Disk, name: &str, offset: u64) -> Option<u8> {
    let bytes = disk.read_small(name).unwrap()?;
    bytes.get(offset as usize).copied()
}

#[test]
fn unsynced_writes_are_kept_lost_and_torn() {
    let mut sum = CrashEffect::default();
    let mut lives = 0;
    for seed in 0..200 {
        let (clock, disk) = started(seed);
        let file = disk.file("a").unwrap();
        file.write(0, &BLOCK).unwrap();
        clock.wait(&disk);
        let effect = disk.crash();
        sum.lost_writes += effect.lost_writes;
        sum.torn_writes += effect.torn_writes;
        sum.changed_sectors += effect.changed_sectors;
        lives += u64::from(effect.is_nothing());
    }
    assert!(lives > 20 && sum.lost_writes > 20 && sum.torn_writes > 50);
    assert!(sum.changed_sectors > 400, "{sum:?}");
}

#[test]
fn a_write_behind_a_sync_never_outlives_what_the_sync_was_for() {
    let mut states = BTreeSet::new();
    for seed in 0..100 {
        for percent in (0..=100).step_by(5) {
            let (clock, disk) = started(seed);
            let file = disk.file("a").unwrap();
            file.write(0, &BLOCK[..512]).unwrap();
            file.sync_data().unwrap();
            file.write(512, &BLOCK[..512]).unwrap();
            file.sync_data().unwrap();
            clock.advance(disk.take_cost() * percent / 100);
            disk.crash();
            let state = (byte_at(&disk, "a", 0), byte_at(&disk, "a", 512));
            let state = (state.0 == Some(7), state.1 == Some(7));
            assert!(percent < 100 || state == (true, true));
            states.insert(state);
        }
    }
    let expected = [(false, false), (true, false), (true, true)];
    assert_eq!(states, BTreeSet::from(expected));
}

#[test]
fn names_last_once_their_time_is_over() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..50 {
        for percent in (0..=100).step_by(10) {
            let (clock, disk) = started(seed);
            disk.write_small("list", b"old").unwrap();
            clock.wait(&disk);
            disk.write_small("list", b"newer").unwrap();
            disk.rename("list", "moved").unwrap();
            clock.advance(disk.take_cost() * percent / 100);
            let effect = disk.crash();
            let left = ["list", "moved"].map(|name| disk.read_small(name).unwrap());
            assert_eq!(effect.lost_names == 0, left[1].is_some());
            assert!(percent < 100 || effect.is_nothing());
            outcomes.insert(left);
        }
    }
    let (old, new) = (Some(b"old".to_vec()), Some(b"newer".to_vec()));
    let expected = [[old, None], [new.clone(), None], [None, new]];
    assert_eq!(outcomes, BTreeSet::from(expected));
}

#[test]
fn a_file_is_open_once_and_every_handle_ends_with_the_process() {
    let (clock, disk) = started(1);
    let file = disk.file("a").unwrap();
    assert_eq!(disk.file("a").unwrap_err().kind(), ErrorKind::WouldBlock);
    let refused = disk.write_small("a", b"x").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    file.write(0, b"kept").unwrap();
    file.sync_data().unwrap();
    clock.wait(&disk);
    disk.crash();
    assert!(file.len().is_err() && file.sync_data().is_err());
    let again = disk.file("a").unwrap();
    drop(file);
    // The dead handle's end does not open the new one's lock.
    assert_eq!(disk.file("a").unwrap_err().kind(), ErrorKind::WouldBlock);
    again.close().unwrap();
    assert!(disk.file("a").is_ok());
    assert_eq!(disk.effects().stale_calls, 2);
}

#[test]
fn a_removed_file_is_there_until_it_is_closed() {
    let (clock, disk) = started(2);
    let file = disk.file("a").unwrap();
    file.write(0, &BLOCK).unwrap();
    disk.remove("a").unwrap();
    assert!(!disk.exists("a") && disk.used_bytes() == PAGE_BYTES as u64);
    let mut out = [0; 4];
    file.read(0, &mut out).unwrap();
    assert_eq!(out, [7; 4]);
    clock.wait(&disk);
    drop(file);
    assert_eq!(disk.used_bytes(), 0);
    assert_eq!(disk.remove("a").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.read_small("a").unwrap(), None);
}

#[test]
fn killing_the_process_loses_nothing_that_it_did() {
    let (clock, disk) = started(3);
    let file = disk.file("a").unwrap();
    file.write(0, &BLOCK).unwrap();
    clock.wait(&disk);
    assert!(disk.kill().is_nothing());
    assert!(disk.read_small("a").unwrap().unwrap() == BLOCK);
    // The next write begins only when the read is over.
    let file = disk.file("a").unwrap();
    file.write(0, &[8; 512]).unwrap();
    let effect = disk.kill();
    assert_eq!((effect.unissued_writes, effect.changed_sectors), (1, 1));
    assert!(disk.read_small("a").unwrap().unwrap() == BLOCK);
    let effects = Effects {
        crashes: 2,
        crashes_with_loss: 1,
        ..Effects::default()
    };
    assert_eq!(disk.effects(), effects);
}

#[test]
fn costs_add_up_and_are_taken_once() {
    let (clock, disk) = started(4);
    assert!(disk.take_cost().is_zero());
    let file = disk.file("a").unwrap();
    file.write(0, &BLOCK).unwrap();
    let first = disk.take_cost();
    assert!(!first.is_zero() && disk.take_cost().is_zero());
    file.sync_data().unwrap();
    // Whoever comes later waits for those before.
    let second = disk.take_cost();
    assert!(second.as_millis() > first.as_millis());
    clock.advance(second);
    file.write(0, &BLOCK).unwrap();
    let third = disk.take_cost();
    assert!(
        third.as_micros() >= 5 + 8 && third.as_micros() <= 20 + 9,
        "{third:?}"
    );
}

#[test]
fn what_was_settled_outlives_a_crash_in_the_same_moment() {
    for seed in 0..20 {
        let (_clock, disk) = started(seed);
        let file = disk.file("b").unwrap();
        file.write(0, &BLOCK).unwrap();
        file.sync_data().unwrap();
        disk.settle();
        assert!(disk.take_cost().is_zero());
        let lost = disk.crash();
        assert!(lost.is_nothing(), "seed {seed}: {lost:?}");
        assert!(disk.read_small("b").unwrap().unwrap() == BLOCK);
    }
}

#[test]
fn what_a_process_left_open_is_closed_at_its_end_and_lost_to_it() {
    let (clock, disk) = started(9);
    let left = disk.file("a").unwrap();
    left.write(0, &BLOCK).unwrap();
    left.sync_data().unwrap();
    clock.wait(&disk);
    assert!(disk.file("a").is_err());
    disk.close_all();
    assert!(left.write(0, &[8; 512]).is_err());
    let anew = disk.file("a").unwrap();
    // The old handle does not close what the next process has open.
    drop(left);
    assert!(disk.file("a").is_err());
    drop(anew);
    assert!(disk.read_small("a").unwrap().unwrap() == BLOCK);
}

/// A disk with an empty, durable file.
fn started(seed: u64) -> (Clock, Disk) {
    let clock = Clock::default();
    let disk = clock.disk(seed);
    drop(disk.file("a").unwrap());
    clock.wait(&disk);
    (clock, disk)
}
