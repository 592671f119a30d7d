//! The protocol's bucket of tokens on tokio's clock.

use std::time::Duration;

use restante_proto::bucket;
use restante_proto::time::MonoMillis;
use tokio::time::Instant;

/// Tokens, up to so many, and so many more a second; full at first.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: bucket::Bucket,
    started: Instant,
}

impl Bucket {
    pub(super) const fn new(now: Instant, max: u64, per_second: u64) -> Self {
        Self {
            tokens: bucket::Bucket::new(MonoMillis::new(0), max, per_second),
            started: now,
        }
    }

    /// Returns from when on there are so many tokens; the present at the earliest.
    pub(super) fn ready(&mut self, now: Instant, tokens: u64) -> Instant {
        let ready = self.tokens.ready(self.mono(now), tokens);
        (self.started + Duration::from_millis(ready.get())).max(now)
    }

    /// Takes so many tokens, or none if there are fewer.
    pub(super) fn take(&mut self, now: Instant, tokens: u64) -> bool {
        self.tokens.take(self.mono(now), tokens)
    }

    /// Adds tokens, as far as there is room for them.
    pub(super) fn give(&mut self, tokens: u64) {
        self.tokens.give(tokens);
    }

    fn mono(&self, now: Instant) -> MonoMillis {
        let passed = now.saturating_duration_since(self.started).as_millis();
        MonoMillis::new(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_millisecond_is_counted_the_next_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 3, 4);
        let after = |micros| start + Duration::from_micros(micros);
        assert!(bucket.take(start, 3) && !bucket.take(start, 1));
        assert_eq!(bucket.ready(start, 1), after(250_000));
        for micros in (500..250_000).step_by(1_500) {
            assert!(!bucket.take(after(micros), 1));
        }
        assert_eq!(bucket.ready(after(250_400), 1), after(250_400));
        assert!(bucket.take(after(250_400), 1));
    }
}
