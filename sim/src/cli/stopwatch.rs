//! How long a run took: the one place that reads a real clock, and nothing in a run can see it.

use std::time::{Duration, Instant};

/// A started stopwatch.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "speed is told to people, and decides nothing"
    )]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
