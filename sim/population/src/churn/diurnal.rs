//! Nodes that are up in the daytime.

use rand::Rng;

use super::{ChurnError, Habit, Stay, draw};

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// Nodes that come up every morning and go every evening, each in its own time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diurnal {
    up_ms: u64,
    jitter_ms: u64,
    spread_ms: u64,
}

impl Default for Diurnal {
    /// Returns 16 hours up, an hour earlier or later each time, in all time zones alike.
    fn default() -> Self {
        Self {
            up_ms: 16 * HOUR_MS,
            jitter_ms: HOUR_MS,
            spread_ms: DAY_MS,
        }
    }
}

impl Diurnal {
    /// Makes nodes that are up for `up_ms` of every 24 hours, come and go up to `jitter_ms` earlier
    /// or later each time, and have their mornings spread over `spread_ms`: 24 hours for the whole
    /// world, 0 for one time zone.
    ///
    /// # Errors
    ///
    /// [`ChurnError::Day`], [`ChurnError::Jitter`] and [`ChurnError::Spread`].
    pub fn new(up_ms: u64, jitter_ms: u64, spread_ms: u64) -> Result<Self, ChurnError> {
        if up_ms == 0 || up_ms >= DAY_MS {
            let day_ms = DAY_MS;
            return Err(ChurnError::Day { up_ms, day_ms });
        }
        let max_ms = up_ms.min(DAY_MS - up_ms).div_ceil(2);
        if jitter_ms >= max_ms {
            return Err(ChurnError::Jitter { jitter_ms, max_ms });
        }
        if spread_ms > DAY_MS {
            let day_ms = DAY_MS;
            return Err(ChurnError::Spread { spread_ms, day_ms });
        }
        Ok(Self {
            up_ms,
            jitter_ms,
            spread_ms,
        })
    }

    pub(super) fn availability(&self) -> f64 {
        self.up_ms as f64 / DAY_MS as f64
    }

    /// Draws when a node's first whole day begins, in milliseconds.
    pub(super) fn morning<R: Rng + ?Sized>(&self, rng: &mut R) -> u32 {
        u32::try_from(draw::below(rng, self.spread_ms)).unwrap_or(0)
    }

    /// Returns what a node does at `at_ms`, by the day without its jitter, until it changes next.
    pub(super) fn at<R: Rng + ?Sized>(&self, habit: Habit, at_ms: u64, rng: &mut R) -> Stay {
        let passed = (at_ms + 2 * DAY_MS - morning_of(habit)) % DAY_MS;
        let up = passed < self.up_ms;
        // The stay of which this is the rest began when the one before ended.
        self.until_next(habit, up, at_ms, rng)
    }

    /// Draws the stay after one in which the node was `up`, or not.
    pub(super) fn next<R: Rng + ?Sized>(
        &self,
        habit: Habit,
        up: bool,
        at_ms: u64,
        rng: &mut R,
    ) -> Stay {
        self.until_next(habit, !up, at_ms, rng)
    }

    /// Returns a stay from `at_ms` to the next evening, or morning; the last one lies more than a
    /// jitter back.
    fn until_next<R: Rng + ?Sized>(&self, habit: Habit, up: bool, at_ms: u64, rng: &mut R) -> Stay {
        let end_of_day = morning_of(habit) + if up { self.up_ms } else { 0 };
        let passed = (at_ms + 2 * DAY_MS - end_of_day) % DAY_MS;
        let left = DAY_MS - passed;
        let jitter = draw::below(rng, 2 * self.jitter_ms + 1);
        let lasts_ms = (left + jitter).saturating_sub(self.jitter_ms).max(1);
        Stay { up, lasts_ms }
    }
}

const fn morning_of(habit: Habit) -> u64 {
    match habit {
        Habit::Morning(at_ms) => at_ms as u64,
        Habit::Common | Habit::Class(_) | Habit::Row(_) => 0,
    }
}
