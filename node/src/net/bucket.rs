//! A bucket of tokens that fills with time.

use std::time::Duration;

use tokio::time::Instant;

/// A token, in what is counted: so that a millisecond adds a whole number.
const TOKEN: u64 = 1_000;

/// Tokens, up to so many, and so many more a second; full at first.
#[derive(Debug)]
pub(super) struct Bucket {
    thousandths: u64,
    max: u64,
    per_ms: u64,
    updated: Instant,
}

impl Bucket {
    pub(super) const fn new(now: Instant, max: u64, per_second: u64) -> Self {
        Self {
            thousandths: max * TOKEN,
            max: max * TOKEN,
            per_ms: per_second,
            updated: now,
        }
    }

    /// Returns from when on there are so many tokens; the present at the earliest.
    pub(super) fn ready(&mut self, now: Instant, tokens: u64) -> Instant {
        self.refill(now);
        let missing = tokens
            .saturating_mul(TOKEN)
            .saturating_sub(self.thousandths);
        match missing.div_ceil(self.per_ms) {
            0 => now,
            ms => self.updated + Duration::from_millis(ms),
        }
    }

    /// Takes so many tokens, or none if there are fewer.
    pub(super) fn take(&mut self, now: Instant, tokens: u64) -> bool {
        self.refill(now);
        let left = self.thousandths.checked_sub(tokens.saturating_mul(TOKEN));
        self.thousandths = left.unwrap_or(self.thousandths);
        left.is_some()
    }

    /// Adds tokens, as far as there is room for them.
    pub(super) fn give(&mut self, tokens: u64) {
        let filled = self
            .thousandths
            .saturating_add(tokens.saturating_mul(TOKEN));
        self.thousandths = filled.min(self.max);
    }

    fn refill(&mut self, now: Instant) {
        let ms = now.saturating_duration_since(self.updated).as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX);
        // What is left of a millisecond counts the next time.
        self.updated += Duration::from_millis(ms);
        let filled = self
            .thousandths
            .saturating_add(ms.saturating_mul(self.per_ms));
        self.thousandths = filled.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn it_is_full_at_first_and_fills_with_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 3, 4);
        assert!(bucket.take(start, 3) && !bucket.take(start, 1));
        assert_eq!(bucket.ready(start, 1), start + ms(250));
        assert!(!bucket.take(start + ms(249), 1) && bucket.take(start + ms(250), 1));
        assert_eq!(bucket.ready(start + ms(5_000), 3), start + ms(5_000));
        assert!(bucket.take(start + ms(5_000), 3) && !bucket.take(start + ms(5_000), 1));
        bucket.give(2);
        assert!(bucket.take(start + ms(5_000), 2) && !bucket.take(start + ms(5_000), 1));
    }

    proptest! {
        #[test]
        fn no_more_are_taken_than_there_were(steps in prop::collection::vec((0_u64..400, 0_u64..5, 0_u64..3), 1..60)) {
            let start = Instant::now();
            let (mut bucket, mut now, mut taken, mut given) = (Bucket::new(start, 10, 4), start, 0, 0);
            for (pause, take, give) in steps {
                now += ms(pause);
                let ready = bucket.ready(now, take) <= now;
                prop_assert_eq!(bucket.take(now, take), ready);
                taken += if ready { take } else { 0 };
                bucket.give(give);
                given += give;
                let passed = u64::try_from((now - start).as_millis()).unwrap();
                prop_assert!(taken <= 10 + given + passed * 4 / 1_000);
            }
        }
    }
}
