//! How long a connection may send next to nothing at a time: each read is work, however little it brings.

use tokio::time::Instant;

use super::super::bucket::Bucket;
use super::super::limits::{SHORT_READ_BYTES, SHORT_READS_MAX, SHORT_READS_PER_SECOND};

/// What is left of the patience with one connection: bytes that it has brought beyond what reading them costs.
///
/// Every read that brings more than [`SHORT_READ_BYTES`] fills it. No honest request is so short, so that honest peers
/// keep it full.
#[derive(Debug)]
pub(crate) struct Patience(Bucket);

impl Patience {
    pub(crate) const fn new(now: Instant) -> Self {
        let max = SHORT_READS_MAX * SHORT_READ_BYTES;
        Self(Bucket::new(
            now,
            max,
            SHORT_READS_PER_SECOND * SHORT_READ_BYTES,
        ))
    }

    /// Takes note of a read; tells whether it is borne.
    #[must_use]
    pub(crate) fn read(&mut self, now: Instant, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes >= SHORT_READ_BYTES {
            self.0.give(bytes - SHORT_READ_BYTES);
            return true;
        }
        self.0.take(now, SHORT_READ_BYTES - bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use restante_proto::routing::{Point, Question};

    use super::super::codec::{Kind, encode};
    use super::*;

    /// Returns how many reads of so many bytes are borne, `pause` after each other, up to a limit.
    fn borne(bytes: usize, pause: Duration, max: u64) -> u64 {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        for count in 0..max {
            if !patience.read(now, bytes) {
                return count;
            }
            now += pause;
        }
        max
    }

    #[test]
    fn single_bytes_are_borne_for_a_while() {
        let count = borne(1, Duration::ZERO, 10_000);
        assert!(
            (SHORT_READS_MAX..SHORT_READS_MAX * 2).contains(&count),
            "{count}"
        );
    }

    #[test]
    fn single_bytes_now_and_then_are_always_borne() {
        let pause = Duration::from_millis(1_000 / SHORT_READS_PER_SECOND);
        assert_eq!(borne(1, pause, 10_000), 10_000);
        assert!(borne(1, pause / 2, 10_000) < 10_000);
    }

    #[test]
    fn the_shortest_request_is_borne_at_any_rate() {
        let question = Question {
            point: Point::new([1; 32]),
            count: 1,
        };
        let frame = encode(Kind::Question, 1, &question.encode());
        assert_eq!(borne(frame.len(), Duration::ZERO, 100_000), 100_000);
    }

    #[test]
    fn what_is_long_makes_up_for_what_is_short() {
        let mut patience = Patience::new(Instant::now());
        let now = Instant::now();
        for _ in 0..10_000 {
            assert!(patience.read(now, 1) && patience.read(now, 1_200));
        }
    }
}
