//! When to dial the entry points, and which.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::super::address::bare;
use super::super::limits::{JOIN_ENTRIES_MAX, JOIN_KNOWN_MAX, JOIN_PAUSE_MAX, JOIN_PAUSE_MIN};

/// One entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who it is; learned at the first connection when the configuration does not say.
    pub(super) peer: Option<PeerId>,
    /// Where it is, without `/p2p`.
    pub(super) addresses: Vec<Multiaddr>,
    /// Whether `peer` is from the configuration and must not be forgotten.
    fixed: bool,
}

/// Decides when the entry points are dialled: at once when nobody is known, then after pauses that
/// double.
#[derive(Debug)]
pub(super) struct Join {
    entries: Vec<Entry>,
    known: Vec<Entry>,
    next_known: usize,
    attempts: u32,
    last: Option<Instant>,
    next: Option<Instant>,
}

impl Join {
    pub(super) fn new(bootstrap: &[Multiaddr], known: Vec<(PeerId, Vec<Multiaddr>)>) -> Self {
        let entry = |address: &Multiaddr| {
            let peer = match address.iter().last() {
                Some(Protocol::P2p(peer)) => Some(peer),
                _ => None,
            };
            Entry {
                peer,
                addresses: vec![bare(address.clone())],
                fixed: peer.is_some(),
            }
        };
        let remembered = |(peer, addresses)| Entry {
            peer: Some(peer),
            addresses,
            fixed: true,
        };
        Self {
            entries: bootstrap.iter().take(JOIN_ENTRIES_MAX).map(entry).collect(),
            known: known.into_iter().map(remembered).collect(),
            next_known: 0,
            attempts: 0,
            last: None,
            next: None,
        }
    }

    /// Returns the moment of the next attempt, if one is planned.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Returns whom to dial now. `alone` says that the routing table is empty, `jitter` is between
    /// 0 and 1.
    pub(super) fn due(&mut self, now: Instant, alone: bool, jitter: f64) -> Vec<Entry> {
        if !alone || (self.entries.is_empty() && self.known.is_empty()) {
            self.attempts = 0;
            self.next = None;
            return Vec::new();
        }
        let earliest = self.last.map_or(now, |last| now.max(last + JOIN_PAUSE_MIN));
        if now < *self.next.get_or_insert(earliest) {
            return Vec::new();
        }
        self.last = Some(now);
        self.next = Some(now + pause(self.attempts, jitter));
        self.attempts = self.attempts.saturating_add(1);
        let mut targets = self.entries.clone();
        targets.extend(self.some_known());
        targets
    }

    /// Learns who answers at an entry point.
    pub(super) fn reached(&mut self, address: &Multiaddr, peer: PeerId) {
        let address = bare(address.clone());
        for entry in &mut self.entries {
            if !entry.fixed && entry.addresses.contains(&address) {
                entry.peer = Some(peer);
            }
        }
    }

    /// Forgets who answered at an entry point, because somebody else does now.
    pub(super) fn mistaken(&mut self, peer: PeerId) {
        for entry in &mut self.entries {
            if !entry.fixed && entry.peer == Some(peer) {
                entry.peer = None;
            }
        }
    }

    /// Returns the next few known nodes, going round.
    fn some_known(&mut self) -> Vec<Entry> {
        let count = self.known.len().min(JOIN_KNOWN_MAX);
        let picked = self
            .known
            .iter()
            .cycle()
            .skip(self.next_known)
            .take(count)
            .cloned()
            .collect();
        self.next_known = (self.next_known + count)
            .checked_rem(self.known.len())
            .unwrap_or(0);
        picked
    }
}

/// Returns the pause after the given number of earlier attempts: between half and all of a value
/// that doubles.
fn pause(attempts: u32, jitter: f64) -> Duration {
    let whole = JOIN_PAUSE_MIN
        .saturating_mul(1 << attempts.min(16))
        .min(JOIN_PAUSE_MAX);
    (whole / 2 + (whole / 2).mul_f64(jitter.clamp(0.0, 1.0))).max(JOIN_PAUSE_MIN)
}

#[cfg(test)]
mod tests;
