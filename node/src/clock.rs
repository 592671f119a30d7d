//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use restante_proto::time::UnixMillis;

/// Returns the time by this machine's clock; a clock set before 1970 says 1970.
#[must_use]
pub fn now() -> UnixMillis {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis::new(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
