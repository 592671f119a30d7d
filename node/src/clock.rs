//! The one place that reads the wall clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use restante_proto::time::UnixMillis;

/// A node's wall clock: the machine's, or one that is wrong by so much, for nodes that share a machine's.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    ahead_ms: Ahead,
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
    pub const fn system() -> Self {
        Self::ahead(0)
    }

    /// Returns a clock that is ahead of this machine's, or behind it when `ahead_ms` is negative.
    #[must_use]
    pub const fn ahead(ahead_ms: i64) -> Self {
        let ahead_ms = Ahead::Fixed(ahead_ms);
        Self { ahead_ms }
    }

    /// Returns a clock that is ahead of this machine's by as many milliseconds as `ahead_ms` says at the time.
    #[must_use]
    pub const fn set_by(ahead_ms: &'static AtomicI64) -> Self {
        let ahead_ms = Ahead::Set(ahead_ms);
        Self { ahead_ms }
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
