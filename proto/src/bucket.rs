//! A bucket of tokens that fills with time.

use crate::time::MonoMillis;

/// A token, in what is counted: so that a millisecond adds a whole number.
const TOKEN: i64 = 1_000;

/// A token bucket; it starts full and may go into debt.
#[derive(Clone, Debug)]
pub struct Bucket {
    thousandths: i64,
    max: i64,
    per_ms: u64,
    updated: MonoMillis,
}

impl Bucket {
    /// Makes a bucket that is full.
    pub const fn new(now: MonoMillis, max: u64, per_second: u64) -> Self {
        let max = thousandths(max);
        Self {
            thousandths: max,
            max,
            per_ms: per_second,
            updated: now,
        }
    }

    /// Returns when there will be so many tokens, `now` at the earliest.
    pub fn ready(&mut self, now: MonoMillis, tokens: u64) -> MonoMillis {
        self.refill(now);
        let missing = thousandths(tokens).saturating_sub(self.thousandths);
        match u64::try_from(missing) {
            Ok(missing @ 1..) if self.per_ms > 0 => now.plus(missing.div_ceil(self.per_ms)),
            Ok(1..) => MonoMillis::new(u64::MAX),
            _ => now,
        }
    }

    /// Takes so many tokens, or none if there are fewer.
    pub fn take(&mut self, now: MonoMillis, tokens: u64) -> bool {
        self.refill(now);
        let is_enough = self.thousandths >= thousandths(tokens);
        if is_enough {
            self.charge(tokens);
        }
        is_enough
    }

    /// Takes so many tokens whether they are there or not.
    pub const fn charge(&mut self, tokens: u64) {
        self.thousandths = self.thousandths.saturating_sub(thousandths(tokens));
    }

    /// Adds tokens, as far as there is room for them.
    pub fn give(&mut self, tokens: u64) {
        let filled = self.thousandths.saturating_add(thousandths(tokens));
        self.thousandths = filled.min(self.max);
    }

    /// Returns whether there is no room for more.
    pub fn is_full(&mut self, now: MonoMillis) -> bool {
        self.refill(now);
        self.thousandths >= self.max
    }

    fn refill(&mut self, now: MonoMillis) {
        let gained = now.since(self.updated).saturating_mul(self.per_ms);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.thousandths = self.thousandths.saturating_add(gained).min(self.max);
        self.updated = self.updated.max(now);
    }
}

const fn thousandths(tokens: u64) -> i64 {
    if tokens > i64::MAX as u64 {
        return i64::MAX;
    }
    (tokens as i64).saturating_mul(TOKEN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: MonoMillis = MonoMillis::new(7);

    #[test]
    fn it_is_full_at_first_and_fills_with_time() {
        let mut bucket = Bucket::new(START, 3, 4);
        assert!(bucket.take(START, 3) && !bucket.take(START, 1));
        assert_eq!(bucket.ready(START, 1), START.plus(250));
        assert!(!bucket.take(START.plus(249), 1) && bucket.take(START.plus(250), 1));
        let later = START.plus(5_000);
        assert_eq!(bucket.ready(later, 3), later);
        assert!(bucket.is_full(later) && bucket.take(later, 3) && !bucket.is_full(later));
        bucket.give(2);
        assert!(bucket.take(later, 2) && !bucket.take(later, 1));
    }

    #[test]
    fn a_debt_is_paid_first_and_a_bucket_that_never_fills_is_never_ready() {
        let mut bucket = Bucket::new(START, 3, 4);
        bucket.charge(5);
        assert_eq!(bucket.ready(START, 0), START.plus(500));
        assert_eq!(bucket.ready(START, 1), START.plus(750));
        let mut dry = Bucket::new(START, 1, 0);
        assert!(dry.take(START, 1));
        assert_eq!(dry.ready(START, 1), MonoMillis::new(u64::MAX));
    }

    proptest! {
        #[test]
        fn no_more_are_taken_than_there_were(steps in prop::collection::vec((0_u64..400, 0_u64..5, 0_u64..3), 1..60)) {
            let (mut bucket, mut now, mut taken, mut given) = (Bucket::new(START, 10, 4), START, 0, 0);
            for (pause, take, give) in steps {
                now = now.plus(pause);
                let ready = bucket.ready(now, take) <= now;
                prop_assert_eq!(bucket.take(now, take), ready);
                taken += if ready { take } else { 0 };
                bucket.give(give);
                given += give;
                prop_assert!(taken <= 10 + given + now.since(START) * 4 / 1_000);
            }
        }

        #[test]
        fn extremes_do_not_overflow(max: u64, per_second: u64, at: u64, tokens: u64) {
            let mut bucket = Bucket::new(MonoMillis::new(0), max, per_second);
            bucket.charge(tokens);
            bucket.charge(tokens);
            let now = MonoMillis::new(at);
            let ready = bucket.ready(now, tokens);
            prop_assert!(ready >= now);
            let _taken = bucket.take(now, tokens);
            bucket.give(tokens);
        }
    }
}
