//! One bucket under a clock, and more takers than are remembered.

use super::LeakyBuckets;
use crate::{limits::HOUR_MS, time::MonoMillis};

const NOW: MonoMillis = MonoMillis::new(1_780_000_000_000);

#[test]
fn what_was_taken_comes_back_over_the_period() {
    let mut buckets = LeakyBuckets::new(60, HOUR_MS, 10);
    assert!(!buckets.allows(NOW, 'a', 61));
    buckets.take(NOW, 'a', 60);
    assert!(!buckets.allows(NOW, 'a', 1));
    assert!(buckets.allows(NOW, 'b', 60), "another has its own");
    let minute = NOW.plus(HOUR_MS / 60);
    assert!(!buckets.allows(NOW.plus(HOUR_MS / 60 - 1), 'a', 1));
    assert!(buckets.allows(minute, 'a', 1));
    assert!(!buckets.allows(minute, 'a', 2));
    assert!(buckets.allows(NOW.plus(HOUR_MS), 'a', 60));
}

#[test]
fn what_is_undone_was_never_taken() {
    let mut buckets = LeakyBuckets::new(60, HOUR_MS, 10);
    buckets.take(NOW, 'a', 50);
    buckets.take(NOW, 'a', 10);
    buckets.undo('a', 50);
    assert!(buckets.allows(NOW, 'a', 50));
    assert!(!buckets.allows(NOW, 'a', 51));
    buckets.undo('b', 5);
}

#[test]
fn beyond_those_remembered_newcomers_go_free_and_the_idle_are_forgotten() {
    let mut buckets = LeakyBuckets::new(60, HOUR_MS, 2);
    buckets.take(NOW, 'a', 30);
    buckets.take(NOW, 'b', 60);
    buckets.take(NOW, 'c', 60);
    assert_eq!(buckets.len(), 2);
    assert!(buckets.allows(NOW, 'c', 60));
    assert!(!buckets.allows(NOW, 'b', 1), "who is remembered stays so");
    let half = NOW.plus(HOUR_MS / 2);
    buckets.take(half, 'c', 60);
    assert!(
        !buckets.allows(half, 'c', 1),
        "the place of the idle is free"
    );
    assert_eq!(buckets.len(), 2);
    buckets.forget_idle(NOW.plus(2 * HOUR_MS));
    assert_eq!(buckets.len(), 0);
}

#[test]
fn the_largest_of_disks_overflows_nothing() {
    let mut buckets = LeakyBuckets::new(u64::MAX, HOUR_MS, 2);
    buckets.take(NOW, 'a', u64::MAX);
    assert!(!buckets.allows(NOW, 'a', u64::MAX));
    assert!(buckets.allows(MonoMillis::new(u64::MAX), 'a', u64::MAX));
}
