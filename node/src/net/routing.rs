//! Kademlia for routing alone: who may enter the table, and which addresses are believed.

mod book;
mod no_records;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::kad;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use restante_proto::{Address, NodeId};

use super::address::{IpGroup, bare, is_dialable, is_loopback};
use super::limits::{
    ADDRESSES_PER_PEER_MAX, KNOWN_PEERS_MAX, LOOKUP_NODES_MIN, LOOKUP_PARALLEL,
    LOOKUP_STREAM_TIMEOUT, LOOKUP_TIMEOUT, REFRESH_NODES, TABLE_GROUP_MAX,
    TABLE_GROUP_PER_BUCKET_MAX,
};
use super::peer::node_of;
use super::status::{Count, Counters, Mode};
use book::Book;
use no_records::NoRecords;

/// The routing table and its lookups.
pub(super) struct Routing {
    kad: kad::Behaviour<NoRecords>,
    book: Book,
    local: bool,
    counters: Arc<Counters>,
}

/// Returns Kademlia's settings; its defaults are made for a public store of records.
fn config(protocol: StreamProtocol) -> kad::Config {
    const PARALLEL: NonZeroUsize = NonZeroUsize::new(LOOKUP_PARALLEL).expect("it is not 0");
    let mut config = kad::Config::new(protocol);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .disjoint_query_paths(true)
        .set_parallelism(PARALLEL)
        .set_query_timeout(LOOKUP_TIMEOUT)
        .set_substreams_timeout(LOOKUP_STREAM_TIMEOUT)
        // When to refresh the table is decided elsewhere.
        .set_periodic_bootstrap_interval(None);
    config
}

impl Routing {
    pub(super) fn new(
        peer: PeerId,
        protocol: StreamProtocol,
        local: bool,
        counters: Arc<Counters>,
    ) -> Self {
        let mut kad = kad::Behaviour::with_config(peer, NoRecords, config(protocol));
        kad.set_mode(Some(kad::Mode::Client));
        Self {
            kad,
            book: Book::new(),
            local,
            counters,
        }
    }

    /// Answers others' lookups, or no longer.
    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.kad.set_mode(Some(match mode {
            Mode::Client => kad::Mode::Client,
            Mode::Server => kad::Mode::Server,
        }));
    }

    /// Starts a lookup of so many nodes; each one more costs about a request on every path.
    pub(super) fn look_up(&mut self, address: &Address, count: usize) -> kad::QueryId {
        let count = NonZeroUsize::new(count).map_or(LOOKUP_NODES_MIN, |n| n.max(LOOKUP_NODES_MIN));
        let address = address.as_bytes().to_vec();
        self.kad.get_n_closest_peers(address, count)
    }

    /// Looks for so many nodes closest to this one.
    pub(super) fn look_near(&mut self, own: PeerId, count: NonZeroUsize) {
        let _unnamed = self.kad.get_n_closest_peers(own, count);
    }

    /// Looks for nodes closest to some address.
    ///
    /// Most addresses are far away, and on the way to each the table meets nodes at every distance. libp2p's own way,
    /// a lookup for each bucket, costs hundreds of requests.
    pub(super) fn look_far(&mut self, address: &Address) {
        let address = address.as_bytes().to_vec();
        let _unnamed = self.kad.get_n_closest_peers(address, REFRESH_NODES);
    }

    /// Returns the nodes of the table nearest to this one, nearest first: as many as a look for them wants.
    pub(super) fn neighbours(&mut self, own: PeerId) -> Vec<NodeId> {
        let key = kad::KBucketKey::from(own);
        let peers = self.kad.get_closest_local_peers(&key);
        peers
            .filter_map(|peer| node_of(peer.preimage()))
            .take(LOOKUP_NODES_MIN.get())
            .collect()
    }

    /// Returns the nodes of the table nearest to an address, nearest first.
    pub(super) fn closest_known(&mut self, address: &Address, count: usize) -> Vec<NodeId> {
        let key = kad::KBucketKey::from(address.as_bytes().to_vec());
        let peers = self.kad.get_closest_local_peers(&key);
        peers
            .filter_map(|peer| node_of(peer.preimage()))
            .take(count)
            .collect()
    }

    /// Remembers addresses of a peer for later dials, those that may be dialled.
    pub(super) fn remember(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        let usable = self.usable(addresses);
        if !usable.is_empty() {
            self.book.insert(peer, usable);
        }
    }

    /// Ends what libp2p starts by itself while the table is small and grows: a lookup for each bucket, again and again,
    /// hundreds of requests for a node that joins. [`look_near`](Self::look_near) and [`look_far`](Self::look_far)
    /// take its place.
    fn end_bootstraps(&mut self) {
        for mut query in self.kad.iter_queries_mut() {
            if matches!(query.info(), kad::QueryInfo::Bootstrap { .. }) {
                query.finish();
            }
        }
    }

    /// Takes a serving peer into the table if its IP group leaves room; says whether it is in.
    pub(super) fn offer(&mut self, peer: PeerId, addresses: &[Multiaddr]) -> bool {
        let usable = self.usable(addresses);
        if usable.is_empty() {
            self.counters.add(Count::TableAddress);
            return false;
        }
        self.book.insert(peer, usable.clone());
        if !self.is_diverse(&peer, &usable) {
            self.counters.add(Count::TableGroup);
            return self.addresses(&peer).is_some();
        }
        if self.is_full_for(&peer) {
            return false;
        }
        self.make_room(&peer, &usable);
        for address in usable {
            self.kad.add_address(&peer, address);
        }
        self.addresses(&peer).is_some()
    }

    /// Takes a peer out of the table; says whether it was in.
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        self.kad.remove_peer(peer).is_some()
    }

    /// Returns where the table says that a peer is.
    pub(super) fn table_addresses(&mut self, peer: &PeerId) -> Vec<Multiaddr> {
        let known = self.addresses(peer).unwrap_or_default();
        known.into_iter().map(bare).collect()
    }

    /// Forgets a peer altogether, because it cannot be reached.
    pub(super) fn forget(&mut self, peer: &PeerId) -> bool {
        self.book.remove(peer);
        self.remove(peer)
    }

    /// Removes a peer that came into a full bucket later and breaks the diversity now.
    pub(super) fn recheck(&mut self, peer: &PeerId) {
        if let Some(addresses) = self.addresses(peer)
            && !self.is_diverse(peer, &addresses)
        {
            self.counters.add(Count::TableGroup);
            self.remove(peer);
        }
    }

    /// Returns how many nodes the table has.
    pub(super) fn table_count(&mut self) -> usize {
        self.kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    /// Returns nodes of the table with their addresses, to be saved for the next start.
    pub(super) fn known_peers(&mut self) -> Vec<(NodeId, Vec<Multiaddr>)> {
        let mut known = Vec::new();
        for bucket in self.kad.kbuckets() {
            for entry in bucket.iter() {
                let addresses = entry.node.value.iter().cloned().map(bare).collect();
                known.extend(node_of(entry.node.key.preimage()).map(|node| (node, addresses)));
            }
        }
        known.truncate(KNOWN_PEERS_MAX);
        known
    }

    /// Tells whether a peer that is not in the table finds its bucket full.
    ///
    /// libp2p would then dial the one that was connected longest ago to see whether it is still there; when that one
    /// answers, it is identified and offered in its turn at the other end, and so on without end. A node that is gone
    /// leaves the table when a lookup comes upon it, and makes room.
    fn is_full_for(&mut self, peer: &PeerId) -> bool {
        let known = self.addresses(peer).is_some();
        let bucket = self.kad.kbucket(*peer);
        !known && bucket.is_some_and(|bucket| bucket.num_entries() >= kad::K_VALUE.get())
    }

    /// Drops what a peer no longer says, when it could have too many addresses otherwise.
    fn make_room(&mut self, peer: &PeerId, usable: &[Multiaddr]) {
        let known = self.addresses(peer).unwrap_or_default();
        if known.len() + usable.len() <= ADDRESSES_PER_PEER_MAX {
            return;
        }
        for old in known
            .into_iter()
            .map(bare)
            .filter(|old| !usable.contains(old))
        {
            self.kad.remove_address(peer, &old);
        }
    }

    fn usable(&self, addresses: &[Multiaddr]) -> Vec<Multiaddr> {
        let usable = addresses
            .iter()
            .filter(|address| is_dialable(address, self.local));
        usable
            .take(ADDRESSES_PER_PEER_MAX)
            .cloned()
            .map(bare)
            .collect()
    }

    fn addresses(&mut self, peer: &PeerId) -> Option<Vec<Multiaddr>> {
        let bucket = self.kad.kbucket(*peer)?;
        let entry = bucket
            .iter()
            .find(|entry| entry.node.key.preimage() == peer)?;
        Some(entry.node.value.iter().cloned().collect())
    }

    /// Returns whether the table stays diverse with `peer` in it at `addresses`.
    fn is_diverse(&mut self, peer: &PeerId, addresses: &[Multiaddr]) -> bool {
        let mine = self.groups(addresses);
        let home = self.kad.kbucket(*peer).map(|bucket| bucket.range());
        let mut counts: BTreeMap<IpGroup, (usize, usize)> = BTreeMap::new();
        let local = self.local;
        for bucket in self.kad.kbuckets() {
            let same_bucket = Some(bucket.range()) == home;
            for entry in bucket
                .iter()
                .filter(|entry| entry.node.key.preimage() != peer)
            {
                for group in groups(entry.node.value.iter(), local) {
                    let (in_bucket, in_table) = counts.entry(group).or_default();
                    *in_bucket += usize::from(same_bucket);
                    *in_table += 1;
                }
            }
        }
        mine.iter().all(|group| {
            let (in_bucket, in_table) = counts.get(group).copied().unwrap_or_default();
            in_bucket < TABLE_GROUP_PER_BUCKET_MAX && in_table < TABLE_GROUP_MAX
        })
    }

    fn groups(&self, addresses: &[Multiaddr]) -> Vec<IpGroup> {
        groups(addresses.iter(), self.local)
    }
}

/// Returns the distinct groups of some addresses; in the local profile loopback belongs to none.
fn groups<'a>(addresses: impl Iterator<Item = &'a Multiaddr>, local: bool) -> Vec<IpGroup> {
    let counted = addresses.filter(|address| !(local && is_loopback(address)));
    let mut groups: Vec<IpGroup> = counted.map(IpGroup::wide).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

impl NetworkBehaviour for Routing {
    type ConnectionHandler = THandler<kad::Behaviour<NoRecords>>;
    type ToSwarm = kad::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    /// Returns what the table, the running lookups and the book know, less what must not be
    /// dialled: lookups bring whatever strangers wrote into their answers.
    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let found = self
            .kad
            .handle_pending_outbound_connection(id, peer, addresses, role)?;
        let booked = peer.map(|peer| self.book.get(&peer)).unwrap_or_default();
        let mut usable: Vec<Multiaddr> = Vec::new();
        for address in found.into_iter().chain(booked).map(bare) {
            if is_dialable(&address, self.local) && !usable.contains(&address) {
                usable.push(address);
            }
        }
        usable.truncate(ADDRESSES_PER_PEER_MAX);
        Ok(usable)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.kad
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let polled = self.kad.poll(cx);
        self.end_bootstraps();
        polled
    }
}

#[cfg(test)]
mod tests;
