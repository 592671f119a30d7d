//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use restante_proto::time::UnixMillis;

/// A node's wall clock: the machine's, or one that is wrong by a fixed amount, for nodes that share a machine's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    ahead_ms: i64,
}

impl Clock {
    /// Returns this machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self { ahead_ms: 0 }
    }

    /// Returns a clock that is ahead of this machine's, or behind it when `ahead_ms` is negative.
    #[must_use]
    pub const fn ahead(ahead_ms: i64) -> Self {
        Self { ahead_ms }
    }

    /// Returns the time by this clock; one that shows a time before 1970 says 1970.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let machine = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        UnixMillis::new(machine.saturating_add_signed(self.ahead_ms))
    }
}

/// Returns the time by this machine's clock; a clock set before 1970 says 1970.
#[must_use]
pub fn now() -> UnixMillis {
    Clock::system().now()
}
