//! One bucket under a clock, and more takers than are remembered.

use super::Allowances;
use crate::{limits::HOUR_MS, time::UnixMillis};

const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);

#[test]
fn what_was_taken_comes_back_over_the_period() {
    let mut allowances = Allowances::new(60, HOUR_MS, 10);
    assert!(!allowances.allows(NOW, 'a', 61));
    allowances.take(NOW, 'a', 60);
    assert!(!allowances.allows(NOW, 'a', 1));
    assert!(allowances.allows(NOW, 'b', 60), "another has its own");
    let minute = NOW.plus(HOUR_MS / 60);
    assert!(!allowances.allows(minute.minus(1), 'a', 1));
    assert!(allowances.allows(minute, 'a', 1));
    assert!(!allowances.allows(minute, 'a', 2));
    assert!(allowances.allows(NOW.plus(HOUR_MS), 'a', 60));
}

#[test]
fn what_is_undone_was_never_taken() {
    let mut allowances = Allowances::new(60, HOUR_MS, 10);
    allowances.take(NOW, 'a', 50);
    allowances.take(NOW, 'a', 10);
    allowances.undo('a', 50);
    assert!(allowances.allows(NOW, 'a', 50));
    assert!(!allowances.allows(NOW, 'a', 51));
    allowances.undo('b', 5);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_and_stops_nothing() {
    let mut allowances = Allowances::new(60, HOUR_MS, 10);
    allowances.take(NOW, 'a', 60);
    let back = NOW.minus(10 * HOUR_MS);
    assert!(!allowances.allows(back, 'a', 1));
    assert!(allowances.allows(back.plus(HOUR_MS), 'a', 60));
}

#[test]
fn beyond_those_remembered_newcomers_go_free_and_the_idle_are_forgotten() {
    let mut allowances = Allowances::new(60, HOUR_MS, 2);
    allowances.take(NOW, 'a', 30);
    allowances.take(NOW, 'b', 60);
    allowances.take(NOW, 'c', 60);
    assert_eq!(allowances.len(), 2);
    assert!(allowances.allows(NOW, 'c', 60));
    assert!(
        !allowances.allows(NOW, 'b', 1),
        "who is remembered stays so"
    );
    let half = NOW.plus(HOUR_MS / 2);
    allowances.take(half, 'c', 60);
    assert!(
        !allowances.allows(half, 'c', 1),
        "the place of the idle is free"
    );
    assert_eq!(allowances.len(), 2);
    allowances.forget_idle(NOW.plus(2 * HOUR_MS));
    assert_eq!(allowances.len(), 0);
}

#[test]
fn the_largest_of_disks_overflows_nothing() {
    let mut allowances = Allowances::new(u64::MAX, HOUR_MS, 2);
    allowances.take(NOW, 'a', u64::MAX);
    assert!(!allowances.allows(NOW, 'a', u64::MAX));
    assert!(allowances.allows(UnixMillis::new(u64::MAX), 'a', u64::MAX));
}
