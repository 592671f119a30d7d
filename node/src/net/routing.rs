//! Kademlia's routing table: who may enter it, and which addresses are believed.

mod book;
mod table;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use restante_proto::placement::REACH_NODES;
use restante_proto::routing::{Answer, Distance, Named, Point, Question};
use restante_proto::{Address, NodeId};

use super::address::{IpGroup, bare, is_dialable};
use super::config::Profile;
use super::limits::{ADDRESSES_PER_PEER_MAX, KNOWN_PEERS_MAX, LOOKUP_NODES_MIN};
use super::status::{Count, Counters};
use book::Book;
use table::{Inserted, Table};

/// The routing table, and the addresses of nodes that are not in it.
pub(super) struct Routing {
    own: Point,
    table: Table,
    book: Book,
    profile: Profile,
    counters: Arc<Counters>,
}

/// What became of a peer that was offered to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    New,
    Known,
    Left,
}

impl Routing {
    pub(super) fn new(node: &NodeId, profile: Profile, counters: Arc<Counters>) -> Self {
        let own = Point::of_node(node);
        Self {
            own,
            table: Table::new(own),
            book: Book::new(),
            profile,
            counters,
        }
    }

    /// Returns where this node lies.
    pub(super) const fn own_point(&self) -> Point {
        self.own
    }

    /// Answers a question for the nodes nearest to a point.
    pub(super) fn answer(&self, question: &Question) -> Answer {
        let nearest = self.table.nearest(&question.point, question.count);
        let named = nearest.into_iter().map(|entry| Named {
            node: entry.node,
            addresses: entry
                .addresses
                .iter()
                .map(|address| Bytes::copy_from_slice(address.as_ref()))
                .collect(),
        });
        Answer {
            nodes: named.collect(),
        }
    }

    /// Returns the nodes of the table nearest to this one, nearest first: as many as a look for them wants.
    pub(super) fn neighbours(&self) -> Vec<NodeId> {
        self.nearest(&self.own, LOOKUP_NODES_MIN)
    }

    /// Returns the nodes of the table nearest to an address, nearest first.
    pub(super) fn closest_known(&self, address: &Address, count: usize) -> Vec<NodeId> {
        self.nearest(&Point::of_address(address), count)
    }

    /// Returns the nodes of the table nearest to a point, nearest first.
    pub(super) fn nearest(&self, point: &Point, count: usize) -> Vec<NodeId> {
        let nearest = self.table.nearest(point, count);
        nearest.into_iter().map(|entry| entry.node).collect()
    }

    /// Returns within what distance of a point as many nodes are to be expected as are near to it: so far from this
    /// node are those that it knows. A node that knows fewer takes all for near.
    pub(super) fn reach(&self) -> Distance {
        let nearest = self.nearest(&self.own, REACH_NODES);
        match nearest.get(REACH_NODES - 1) {
            Some(last) => Point::of_node(last).distance(&self.own),
            None => Distance::FARTHEST,
        }
    }

    /// Returns whether an address that a peer named may be dialled.
    pub(super) fn is_usable(&self, address: &Multiaddr) -> bool {
        is_dialable(address, self.profile)
    }

    /// Remembers addresses of a peer for later dials, those that may be dialled.
    pub(super) fn remember(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let usable = self.usable(addresses);
        if !usable.is_empty() {
            self.book.insert(peer, usable);
        }
    }

    /// Adds what others say of a peer's whereabouts to what is known of it; what it says itself is not replaced.
    pub(super) fn hear_of(&mut self, peer: PeerId, said: Vec<Multiaddr>) {
        let mut addresses = said;
        for known in self.book.get(&peer) {
            if !addresses.contains(&known) {
                addresses.push(known);
            }
        }
        addresses.truncate(ADDRESSES_PER_PEER_MAX);
        self.remember(peer, &addresses);
    }

    /// Takes a serving peer into the table if its bucket has room, or makes some for it.
    pub(super) fn offer(&mut self, peer: PeerId, addresses: &[Multiaddr]) -> Offered {
        let usable = self.usable(addresses);
        if usable.is_empty() {
            self.counters.add(Count::TableAddress);
            return Offered::Left;
        }
        self.book.insert(peer, usable.clone());
        let entry = self.table.get(&peer);
        if entry.is_some_and(|entry| usable.iter().all(|usable| entry.addresses.contains(usable))) {
            return Offered::Known;
        }
        let addresses = self.renewed(&peer, usable);
        let groups = groups(addresses.iter(), self.profile);
        match self.table.insert(peer, addresses, groups) {
            Inserted::New => Offered::New,
            Inserted::Instead => {
                self.counters.add(Count::TableGroup);
                Offered::New
            }
            Inserted::Renewed => Offered::Known,
            Inserted::Left => Offered::Left,
        }
    }

    /// Takes a peer out of the table; says whether it was in.
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        self.table.remove(peer)
    }

    /// Returns where the table says that a peer is.
    pub(super) fn table_addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let entry = self.table.get(peer);
        entry
            .map(|entry| entry.addresses.clone())
            .unwrap_or_default()
    }

    /// Forgets a peer altogether, because it cannot be reached.
    pub(super) fn forget(&mut self, peer: &PeerId) -> bool {
        self.book.remove(peer);
        self.remove(peer)
    }

    pub(super) fn table_count(&self) -> usize {
        self.table.len()
    }

    /// Returns nodes of the table with their addresses, to be saved for the next start: the nearest, and some of every
    /// distance.
    pub(super) fn known_peers(&self) -> Vec<(NodeId, Vec<Multiaddr>)> {
        let entries = self.table.entries();
        let known = entries.map(|entry| (entry.node, entry.addresses.clone()));
        known.take(KNOWN_PEERS_MAX).collect()
    }

    /// Returns the addresses a peer has from now on: those it says now, and of those it said before as many as there
    /// is room for.
    fn renewed(&self, peer: &PeerId, usable: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let mut addresses = usable;
        for old in self.table_addresses(peer) {
            if addresses.len() < ADDRESSES_PER_PEER_MAX && !addresses.contains(&old) {
                addresses.push(old);
            }
        }
        addresses
    }

    fn usable(&self, addresses: &[Multiaddr]) -> Vec<Multiaddr> {
        let usable = addresses.iter().filter(|address| self.is_usable(address));
        usable
            .take(ADDRESSES_PER_PEER_MAX)
            .cloned()
            .map(bare)
            .collect()
    }
}

/// Returns the distinct groups of some addresses; where a profile says that alike addresses tell nothing, none.
fn groups<'a>(addresses: impl Iterator<Item = &'a Multiaddr>, profile: Profile) -> Vec<IpGroup> {
    let counted = addresses.filter(|address| !profile.is_shared(address));
    let mut groups: Vec<IpGroup> = counted.map(IpGroup::wide).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

impl NetworkBehaviour for Routing {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    /// Returns where the table and the book say that a peer is; both hold only what may be dialled.
    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let Some(peer) = peer else {
            return Ok(Vec::new());
        };
        let mut known = self.table_addresses(&peer);
        for address in self.book.get(&peer) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
        known.truncate(ADDRESSES_PER_PEER_MAX);
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
