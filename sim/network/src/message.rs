//! Whole messages from host to host, for a network above that has no connections to simulate.

use std::time::Duration;

use crate::internet::Internet;
use crate::options::{HostId, Nat};
use crate::state::State;

impl Internet {
    /// Puts a message of so many bytes on its way, and returns how long it takes; `None` when nothing gets through.
    ///
    /// The caller lets it arrive, with [`Internet::arrive`]. What is lost on the way by chance is sent again, as for
    /// a stream.
    #[must_use = "a message arrives when the caller says so"]
    pub fn send(&self, from: HostId, to: HostId, bytes: u32) -> Option<Duration> {
        self.with(|state| {
            if state.is_cut(from.0, to.0) {
                state.blame(from.0, to.0);
                return None;
            }
            let trip = state.trip(from.0, to.0, bytes, None);
            Some(Duration::from_micros(trip.due_us - state.now_us))
        })
    }

    /// Lets a message arrive, and returns whether it does: by now something may have come between.
    pub fn arrive(&self, from: HostId, to: HostId, data: &[u8]) -> bool {
        self.with(|state| {
            if state.is_cut(from.0, to.0) {
                state.blame(from.0, to.0);
                return false;
            }
            let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let (_through, _waited) = state.enter(to.0, bytes);
            state.stats.segments += 1;
            state.stats.payload_bytes += u64::from(bytes);
            state.hash_data(from.0, to.0, data);
            true
        })
    }

    /// Returns whether messages get from one host to the other at this moment.
    #[must_use]
    pub fn reaches(&self, from: HostId, to: HostId) -> bool {
        self.with(|state| !state.is_cut(from.0, to.0))
    }

    /// Sends what only says that its sender is there, and returns whether it gets through.
    #[must_use]
    pub fn keep_alive(&self, from: HostId, to: HostId) -> bool {
        self.with(|state| {
            let is_cut = state.is_cut(from.0, to.0);
            if is_cut {
                state.blame(from.0, to.0);
            }
            !is_cut
        })
    }

    /// Returns how long a message takes at least.
    #[must_use]
    pub fn latency(&self, from: HostId, to: HostId) -> Duration {
        self.with(|state| Duration::from_micros(state.latency_us(from.0, to.0)))
    }

    /// Returns whether something stands between hosts: a cut, or one without network.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.with(|state| state.is_divided())
    }

    /// Returns a number that changes whenever what stands between hosts does.
    #[must_use]
    pub fn route_changes(&self) -> u64 {
        self.with(|state| state.route_changes)
    }

    /// Returns whether everybody can reach a host that listens.
    #[must_use]
    pub fn is_public(&self, host: HostId) -> bool {
        self.with(|state| state.hosts[host.index()].router.nat() == Nat::Public)
    }
}

impl State {
    fn is_divided(&self) -> bool {
        !self.cuts.is_empty() || self.hosts.iter().any(|host| !host.online)
    }
}
