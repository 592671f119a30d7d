//! When to look for nodes that the routing table does not know yet.
//!
//! Lookups for people keep the table fresh where people look. What remains is the node's own neighbourhood, where
//! others look for what it keeps, and all that has changed since the last time. Both are looked at often after the
//! start and rarely in the long run: a node that looks everywhere every five minutes, as libp2p does when it is left
//! alone, sends three kilobytes a second for nothing.

use std::time::Duration;

use restante_proto::NodeId;
use tokio::time::Instant;

use super::super::limits::{
    LOOKUP_NODES_MIN, REFRESH_ALL_AFTER, REFRESH_CLIENT_MAX, REFRESH_NEAR_MAX, REFRESH_NEAR_MIN,
    REFRESH_WHOLE_MAX, REFRESH_WHOLE_MIN,
};

/// How much longer a pause is than the one before when the neighbourhood has changed meanwhile, as it does while a
/// network grows.
const NEAR_GROWTH: u32 = 6;
/// How much longer it is when nothing has changed: a node that joins a grown network knows its neighbours after one
/// look.
const NEAR_GROWTH_STILL: u32 = 12;
const WHOLE_GROWTH: u32 = 8;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// A few of the nodes closest to this one, to see whether others have come.
    Near,
    /// All of them, so that they know this node.
    Neighbourhood,
    /// These, and nodes at every distance.
    Whole,
    /// All nodes there are, which are few.
    All,
}

/// The plan of a node's refreshes; empty while it knows no other node.
#[derive(Debug, Default)]
pub(super) struct Refresh(Option<Plan>);

#[derive(Debug)]
struct Plan {
    near: Turn,
    whole: Turn,
    /// When to look for all, because one has come that was not known.
    all: Option<Instant>,
    /// The neighbours when it was last looked; nothing before the first look.
    neighbours: Option<Vec<NodeId>>,
    /// Whether others find this node, so that its neighbours must know it.
    serves: bool,
}

#[derive(Debug)]
struct Turn {
    next: Instant,
    pause: Duration,
}

impl Refresh {
    /// Begins anew: this node has met its first other node, or others may find it from now on, because it
    /// serves. `jitter` is between 0 and 1.
    pub(super) fn restart(&mut self, now: Instant, jitter: f64, serves: bool) {
        let first = |pause| Turn {
            next: now + spread(pause, jitter),
            pause,
        };
        self.0 = Some(Plan {
            near: first(REFRESH_NEAR_MIN),
            whole: first(REFRESH_WHOLE_MIN),
            all: None,
            neighbours: None,
            serves,
        });
    }

    /// Stops until the next restart: there is no node to ask.
    pub(super) fn stop(&mut self) {
        self.0 = None;
    }

    /// Plans to look soon for all there are: one has come that was not known, while few are.
    ///
    /// It may be one of many, as when two communities meet. Everybody is a keeper of much of what there is then, and
    /// has to know all others; in a large network it is enough that a newcomer makes itself known to its neighbours.
    pub(super) fn on_newcomer(&mut self, now: Instant, jitter: f64) {
        if let Some(plan) = self.0.as_mut().filter(|plan| plan.serves) {
            plan.all
                .get_or_insert_with(|| now + spread(REFRESH_ALL_AFTER, jitter));
        }
    }

    /// Returns the moment of the next refresh, if one is planned.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.as_ref().map(Plan::next)
    }

    /// Returns what to look for now. `jitter` is between 0 and 1, `near` what the table holds of the neighbourhood;
    /// it is asked for when something is due.
    pub(super) fn due(
        &mut self,
        now: Instant,
        jitter: f64,
        near: impl FnOnce() -> Vec<NodeId>,
    ) -> Option<Scope> {
        let plan = self.0.as_mut()?;
        if now < plan.next() {
            return None;
        }
        if plan.all.take_if(|at| *at <= now).is_some() {
            return Some(Scope::All);
        }
        let (scope, growth) = plan.compare(near());
        let (near_max, whole_max) = match plan.serves {
            true => (REFRESH_NEAR_MAX, REFRESH_WHOLE_MAX),
            false => (REFRESH_CLIENT_MAX, REFRESH_CLIENT_MAX),
        };
        let whole = plan.whole.take(now, jitter, (WHOLE_GROWTH, whole_max));
        // A whole refresh begins with the neighbourhood.
        let near = plan.near.take(now, jitter, (growth, near_max));
        match (whole, near) {
            (true, _) => Some(Scope::Whole),
            (false, true) => Some(scope),
            (false, false) => None,
        }
    }
}

impl Plan {
    fn next(&self) -> Instant {
        let next = self.near.next.min(self.whole.next);
        self.all.map_or(next, |all| all.min(next))
    }

    /// Compares the neighbours with those of the last look; returns what to look for and how much longer the next
    /// pause is.
    fn compare(&mut self, neighbours: Vec<NodeId>) -> (Scope, u32) {
        let before = self.neighbours.replace(neighbours);
        let now = self.neighbours.as_deref().unwrap_or_default();
        let Some(before) = before else {
            let first = if self.serves {
                Scope::Neighbourhood
            } else {
                Scope::Near
            };
            return (first, NEAR_GROWTH);
        };
        let new = now.iter().filter(|node| !before.contains(node)).count();
        match new {
            0 => (Scope::Near, NEAR_GROWTH_STILL),
            // A node that comes makes itself known to its neighbours; many at once may have missed each other.
            _ if self.serves && new * 2 > LOOKUP_NODES_MIN => (Scope::Neighbourhood, NEAR_GROWTH),
            _ => (Scope::Near, NEAR_GROWTH),
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
