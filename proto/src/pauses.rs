//! Growing pauses between the tries of something that has failed and may work again.

use crate::limits::SECOND_MS;
use crate::time::MonoMillis;

/// The shortest pause, in milliseconds.
pub const PAUSE_MIN_MS: u64 = SECOND_MS;
/// The longest pause, in milliseconds.
pub const PAUSE_MAX_MS: u64 = 30 * SECOND_MS;
/// Without a failure for so long the pauses begin anew, in milliseconds.
const FORGOTTEN_MS: u64 = 2 * PAUSE_MAX_MS;

/// The pauses so far: each is twice as long as the one before, up to the longest.
///
/// What works for a moment and fails again goes on with longer pauses; what has worked for a while begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// The last pause, and when it began.
    last: Option<(u64, MonoMillis)>,
}

impl Pauses {
    /// Notes a failure, and returns when to try again.
    pub fn after_failure(&mut self, now: MonoMillis) -> MonoMillis {
        let pause_ms = match self.last {
            Some((last_ms, began)) if now.since(began) < FORGOTTEN_MS => {
                (2 * last_ms).min(PAUSE_MAX_MS)
            }
            _ => PAUSE_MIN_MS,
        };
        self.last = Some((pause_ms, now));
        now.plus(pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails so often, each time right after the pause, and returns the pauses in seconds.
    fn pauses(pauses: &mut Pauses, now: &mut MonoMillis, count: usize) -> Vec<u64> {
        let mut seconds = Vec::new();
        for _ in 0..count {
            let next = pauses.after_failure(*now);
            seconds.push(next.since(*now) / SECOND_MS);
            *now = next;
        }
        seconds
    }

    #[test]
    fn pauses_grow_to_the_longest_and_stay_there() {
        let mut now = MonoMillis::new(77);
        let mut tried = Pauses::default();
        assert_eq!(
            pauses(&mut tried, &mut now, 8),
            [1, 2, 4, 8, 16, 30, 30, 30]
        );
    }

    #[test]
    fn only_what_has_worked_for_a_while_begins_anew() {
        let mut now = MonoMillis::new(0);
        let mut tried = Pauses::default();
        assert_eq!(pauses(&mut tried, &mut now, 6), [1, 2, 4, 8, 16, 30]);
        // It works for a moment.
        now = now.plus(SECOND_MS);
        assert_eq!(pauses(&mut tried, &mut now, 1), [30]);
        now = now.plus(FORGOTTEN_MS);
        assert_eq!(pauses(&mut tried, &mut now, 2), [1, 2]);
    }
}
