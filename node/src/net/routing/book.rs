//! Addresses of peers that lookups found, until newer ones push them out.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId};

use super::super::limits::BOOK_PEERS_MAX;

/// A bounded address book; the entry that was written longest ago goes first.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<PeerId, (u64, Vec<Multiaddr>)>,
    /// The peers by the number of their last write.
    order: BTreeMap<u64, PeerId>,
    writes: u64,
}

impl Book {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Replaces what is known of a peer.
    pub(super) fn insert(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        self.remove(&peer);
        self.writes += 1;
        self.entries.insert(peer, (self.writes, addresses));
        self.order.insert(self.writes, peer);
        if self.entries.len() > BOOK_PEERS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, peer: &PeerId) {
        if let Some((write, _)) = self.entries.remove(peer) {
            self.order.remove(&write);
        }
    }

    pub(super) fn get(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.entries
            .get(peer)
            .map(|(_, addresses)| addresses.clone())
            .unwrap_or_default()
    }
}
