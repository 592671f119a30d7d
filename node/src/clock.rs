//! The one place that reads clocks: the date, and the clock that timers run on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use restante_proto::time::{MonoMillis, Now, UnixMillis};
use tokio::time::Instant;

/// A node's clocks: the machine's, or with a date that is wrong by so much, for nodes that share a machine.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    ahead_ms: Ahead,
    /// Where [`MonoMillis`] begin; tokio's clock, which tests and the simulator let run in virtual time.
    started: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Ahead {
    Fixed(i64),
    /// It can be set while the node runs, as by a person or a time server.
    Set(&'static AtomicI64),
}

impl Clock {
    /// Returns this machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::ahead(0)
    }

    /// Returns a clock that is ahead of this machine's, or behind it when `ahead_ms` is negative.
    #[must_use]
    pub fn ahead(ahead_ms: i64) -> Self {
        Self::starting_now(Ahead::Fixed(ahead_ms))
    }

    /// Returns a clock that is ahead of this machine's by as many milliseconds as `ahead_ms` says at the time.
    #[must_use]
    pub fn set_by(ahead_ms: &'static AtomicI64) -> Self {
        Self::starting_now(Ahead::Set(ahead_ms))
    }

    /// Returns the time by this clock; one that shows a time before 1970 says 1970.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let machine = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let ahead_ms = match self.ahead_ms {
            Ahead::Fixed(ahead_ms) => ahead_ms,
            Ahead::Set(ahead_ms) => ahead_ms.load(Ordering::Relaxed),
        };
        UnixMillis::new(machine.saturating_add_signed(ahead_ms))
    }

    /// Returns the reading of the clock that only goes forward; it counts from when this clock was made, so that
    /// readings of two clocks do not compare, except of copies of one.
    #[must_use]
    pub fn mono(&self) -> MonoMillis {
        let elapsed = self.started.elapsed().as_millis();
        MonoMillis::new(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Returns both times of this moment.
    #[must_use]
    pub fn both(&self) -> Now {
        Now::new(self.mono(), self.now())
    }

    fn starting_now(ahead_ms: Ahead) -> Self {
        let started = Instant::now();
        Self { ahead_ms, started }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// Returns the time by this machine's clock; a clock set before 1970 says 1970.
#[must_use]
pub fn now() -> UnixMillis {
    Clock::system().now()
}
