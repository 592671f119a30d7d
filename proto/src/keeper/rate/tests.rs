//! The bucket of one group as time passes.

use super::RateLimiter;
use crate::{keeper::Source, limits::SECOND_MS, time::MonoMillis};

const NOW: MonoMillis = MonoMillis::new(1_780_000_000_000);

/// Returns how many single requests of one group are let in at `now`.
fn admitted(rates: &mut RateLimiter, now: MonoMillis) -> usize {
    (0..100).filter(|_| rates.admit(now, Source(1), 1)).count()
}

#[test]
fn a_group_has_its_burst_and_then_its_rate() {
    let mut rates = RateLimiter::new(2, 10);
    assert_eq!(admitted(&mut rates, NOW), 10);
    assert_eq!(admitted(&mut rates, NOW.plus(SECOND_MS)), 2);
    assert_eq!(admitted(&mut rates, NOW.plus(SECOND_MS + 499)), 0);
    assert_eq!(admitted(&mut rates, NOW.plus(SECOND_MS + 500)), 1);
    assert!(rates.admit(NOW, Source(2), 10), "another group has its own");
}

#[test]
fn a_debt_is_paid_before_the_next_request() {
    let mut rates = RateLimiter::new(2, 10);
    assert!(rates.admit(NOW, Source(1), 1));
    rates.charge(Source(1), 13);
    assert!(!rates.would_admit(NOW, Source(1)));
    assert_eq!(
        admitted(&mut rates, NOW.plus(2 * SECOND_MS)),
        0,
        "four less than one"
    );
    assert_eq!(admitted(&mut rates, NOW.plus(2 * SECOND_MS + 500)), 1);
    assert!(rates.admit(NOW, Source(2), 10), "another group has none");
}

#[test]
fn a_group_is_forgotten_once_its_bucket_is_full_again() {
    let mut rates = RateLimiter::new(2, 10);
    assert!(rates.admit(NOW, Source(1), 4));
    rates.forget_idle(NOW.plus(2 * SECOND_MS - 1));
    assert_eq!(rates.buckets.len(), 1);
    rates.forget_idle(NOW.plus(2 * SECOND_MS));
    assert_eq!(rates.buckets.len(), 0);
}
