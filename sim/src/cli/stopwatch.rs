//! Real time: how long a run took, and how long it will take. Nothing in a run can see it.

use std::time::Duration;

use restante_virtual_time::real_elapsed;

/// A started stopwatch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch(Duration);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(real_elapsed())
    }

    /// Returns the real time that has passed, also on a thread whose own time is virtual.
    pub(super) fn elapsed(self) -> Duration {
        real_elapsed().saturating_sub(self.0)
    }
}
