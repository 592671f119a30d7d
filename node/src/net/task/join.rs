//! When to dial the entry points, and which.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::super::address::bare;
use super::super::limits::{
    JOIN_ENTRIES_MAX, JOIN_KNOWN_MAX, JOIN_PAUSE_MAX, JOIN_PAUSE_MIN, JOIN_REVIEW,
    JOIN_REVIEW_CLIENT, JOIN_REVIEW_MAX, JOIN_REVIEW_RARE, KNOWN_PEERS_MAX,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who it is; learned at the first connection when the configuration does not say.
    pub(super) peer: Option<PeerId>,
    /// Where it is, without `/p2p`.
    pub(super) addresses: Vec<Multiaddr>,
    /// Whether `peer` is from the configuration and must not be forgotten.
    fixed: bool,
}

impl Entry {
    /// Adds addresses, those that it has excepted.
    fn add(&mut self, addresses: Vec<Multiaddr>) {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
    }
}

/// How well a node is off for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// Its routing table is empty.
    None,
    /// It has to look itself whether there are others.
    Few,
    /// There are so many that others look.
    Many,
    /// It does not serve, and follows those that it asks.
    Keepers,
}

/// Decides when the entry points are dialled: at once when no node is known, then after pauses that
/// double.
#[derive(Debug)]
pub(super) struct Join {
    entries: Vec<Entry>,
    known: Vec<Entry>,
    next_entry: usize,
    next_known: usize,
    attempts: u32,
    alone: bool,
    last: Option<Instant>,
    next: Option<Instant>,
}

impl Join {
    pub(super) fn new(bootstrap: &[Multiaddr], known: Vec<(PeerId, Vec<Multiaddr>)>) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        for address in bootstrap {
            let peer = match address.iter().last() {
                Some(Protocol::P2p(peer)) => Some(peer),
                _ => None,
            };
            let same = entries
                .iter_mut()
                .find(|entry| peer.is_some() && entry.peer == peer);
            let address = bare(address.clone());
            match same {
                // All addresses of a peer are tried with one dial: with two, one would go first for ever.
                Some(entry) => entry.addresses.push(address),
                None => entries.push(Entry {
                    peer,
                    addresses: vec![address],
                    fixed: peer.is_some(),
                }),
            }
        }
        entries.truncate(JOIN_ENTRIES_MAX);
        let remembered = |(peer, addresses)| Entry {
            peer: Some(peer),
            addresses,
            fixed: true,
        };
        Self {
            entries,
            known: known.into_iter().map(remembered).collect(),
            next_entry: 0,
            next_known: 0,
            attempts: 0,
            alone: true,
            last: None,
            next: None,
        }
    }

    /// Returns the moment of the next attempt, if one is planned.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Returns whom to dial now; `jitter` is between 0 and 1.
    ///
    /// In company it is rarely, but for ever: after a partition neither side knows a node of the other, and only those
    /// whom they remember bring them together again.
    pub(super) fn due(&mut self, now: Instant, company: Company, jitter: f64) -> Vec<Entry> {
        let alone = company == Company::None;
        if self.entries.is_empty() && self.known.is_empty() {
            self.next = None;
            return Vec::new();
        }
        if alone != self.alone {
            self.alone = alone;
            self.attempts = 0;
            self.next = None;
        }
        let earliest = match alone {
            true => self.last.map_or(now, |last| now.max(last + JOIN_PAUSE_MIN)),
            false => now + review(company, jitter),
        };
        if now < *self.next.get_or_insert(earliest) {
            return Vec::new();
        }
        self.last = Some(now);
        self.next = Some(match alone {
            true => now + pause(self.attempts, jitter),
            false => now + review(company, jitter),
        });
        self.attempts = self.attempts.saturating_add(1);
        let (entries, known) = match alone {
            true => (JOIN_ENTRIES_MAX, JOIN_KNOWN_MAX),
            false => (JOIN_REVIEW_MAX, JOIN_REVIEW_MAX),
        };
        let picked = in_turn(&self.entries, &mut self.next_entry, entries);
        let remembered = in_turn(&self.known, &mut self.next_known, known);
        let mut targets: Vec<Entry> = Vec::new();
        for entry in picked.into_iter().chain(remembered) {
            let same = |target: &&mut Entry| target.peer.is_some() && target.peer == entry.peer;
            match targets.iter_mut().find(same) {
                Some(target) => target.add(entry.addresses),
                None => targets.push(entry),
            }
        }
        targets
    }

    /// Remembers a peer that could not be dialled and left the table for it.
    pub(super) fn lost(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if addresses.is_empty() || self.known.iter().any(|entry| entry.peer == Some(peer)) {
            return;
        }
        self.known.push(Entry {
            peer: Some(peer),
            addresses,
            fixed: true,
        });
        if self.known.len() > KNOWN_PEERS_MAX {
            self.known.remove(0);
        }
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

    /// Forgets who answered at an entry point, because another node does now.
    pub(super) fn mistaken(&mut self, peer: PeerId) {
        for entry in &mut self.entries {
            if !entry.fixed && entry.peer == Some(peer) {
                entry.peer = None;
            }
        }
    }
}

/// Returns the next few, going round.
fn in_turn(all: &[Entry], next: &mut usize, most: usize) -> Vec<Entry> {
    let count = all.len().min(most);
    let picked = all.iter().cycle().skip(*next).take(count).cloned();
    let picked = picked.collect();
    *next = (*next + count).checked_rem(all.len()).unwrap_or(0);
    picked
}

/// Returns the pause after the given number of earlier attempts: between half and all of a value
/// that doubles.
fn pause(attempts: u32, jitter: f64) -> Duration {
    let whole = JOIN_PAUSE_MIN
        .saturating_mul(1 << attempts.min(16))
        .min(JOIN_PAUSE_MAX);
    (whole / 2 + (whole / 2).mul_f64(jitter.clamp(0.0, 1.0))).max(JOIN_PAUSE_MIN)
}

/// Returns the pause between two attempts in company, spread so that nodes do not all come at once.
fn review(company: Company, jitter: f64) -> Duration {
    let pause = match company {
        Company::None | Company::Few => JOIN_REVIEW,
        Company::Many => JOIN_REVIEW_RARE,
        Company::Keepers => JOIN_REVIEW_CLIENT,
    };
    pause.mul_f64(0.75 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests;
