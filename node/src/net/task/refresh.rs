//! When to look for nodes that the routing table does not know yet.
//!
//! Lookups for people keep the table fresh where people look. What remains is the node's own neighbourhood, where
//! others look for what it keeps, and all that has changed since the last time. Both are looked at often after the
//! start and rarely in the long run: a node that looks everywhere every five minutes, as libp2p does when it is left
//! alone, sends three kilobytes a second for nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::super::limits::{
    REFRESH_NEAR_MAX, REFRESH_NEAR_MIN, REFRESH_WHOLE_MAX, REFRESH_WHOLE_MIN,
};

/// How much longer each pause is than the one before.
const NEAR_GROWTH: u32 = 3;
const WHOLE_GROWTH: u32 = 8;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The nodes closest to this one.
    Near,
    /// These, and nodes at every distance.
    Whole,
}

/// The plan of a node's refreshes; nothing while it knows nobody.
#[derive(Debug, Default)]
pub(super) struct Refresh(Option<Plan>);

#[derive(Debug)]
struct Plan {
    near: Turn,
    whole: Turn,
}

#[derive(Debug)]
struct Turn {
    next: Instant,
    pause: Duration,
}

impl Refresh {
    /// Begins anew: this node knows somebody after it knew nobody, or others may find it from now on.
    /// `jitter` is between 0 and 1.
    pub(super) fn restart(&mut self, now: Instant, jitter: f64) {
        let first = |pause| Turn {
            next: now + spread(pause, jitter),
            pause,
        };
        self.0 = Some(Plan {
            near: first(REFRESH_NEAR_MIN),
            whole: first(REFRESH_WHOLE_MIN),
        });
    }

    /// Stops until the next restart: there is nobody to ask.
    pub(super) fn stop(&mut self) {
        self.0 = None;
    }

    /// Returns the moment of the next refresh, if one is planned.
    pub(super) fn next(&self) -> Option<Instant> {
        let plan = self.0.as_ref()?;
        Some(plan.near.next.min(plan.whole.next))
    }

    /// Returns what to look for now. `jitter` is between 0 and 1.
    pub(super) fn due(&mut self, now: Instant, jitter: f64) -> Option<Scope> {
        let plan = self.0.as_mut()?;
        let whole = plan
            .whole
            .take(now, jitter, (WHOLE_GROWTH, REFRESH_WHOLE_MAX));
        // A whole refresh begins with the neighbourhood.
        let near = plan.near.take(now, jitter, (NEAR_GROWTH, REFRESH_NEAR_MAX));
        match (whole, near) {
            (true, _) => Some(Scope::Whole),
            (false, true) => Some(Scope::Near),
            (false, false) => None,
        }
    }
}

impl Turn {
    /// Tells whether it is due, and plans the next one.
    fn take(&mut self, now: Instant, jitter: f64, (growth, longest): (u32, Duration)) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + spread(self.pause, jitter);
        self.pause = self.pause.saturating_mul(growth).min(longest);
        true
    }
}

/// Returns three quarters to five quarters of a pause, so that nodes that started together do not stay together.
fn spread(pause: Duration, jitter: f64) -> Duration {
    pause.mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests;
