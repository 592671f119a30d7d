//! True time, which nobody in a run can read, and the clocks that people and keepers do read.

use restante_proto::time::UnixMillis;

/// Milliseconds of virtual time since the start of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) u64);

impl Instant {
    pub(crate) const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// One host's clock: the true date, wrong by as much for the whole run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: UnixMillis,
    ahead_ms: u64,
    behind_ms: u64,
}

impl Clock {
    /// Makes the clock of a run that starts at `start` by true time.
    pub(crate) const fn new(start: UnixMillis, ahead_ms: u64, behind_ms: u64) -> Self {
        Self {
            start,
            ahead_ms,
            behind_ms,
        }
    }

    /// Returns what this clock shows.
    pub(crate) const fn read(&self, now: Instant) -> UnixMillis {
        self.start
            .plus(now.0)
            .plus(self.ahead_ms)
            .minus(self.behind_ms)
    }

    /// Returns when this clock will show `date`, `now` if it does already.
    pub(crate) fn when(&self, now: Instant, date: UnixMillis) -> Instant {
        now.plus(date.since(self.read(now)))
    }

    /// Returns by how much two clocks differ, in milliseconds.
    pub(crate) const fn apart_ms(&self, other: &Self) -> u64 {
        let (a, b) = (self.read(Instant(0)).get(), other.read(Instant(0)).get());
        a.abs_diff(b)
    }
}
