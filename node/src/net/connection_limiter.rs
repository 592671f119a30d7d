//! Who may have how many connections, and which addresses may be dialled at all.
//!
//! libp2p's own connection limits know neither IP addresses nor transports, and keep an entry for
//! every peer that ever connected; this behaviour counts everything in one place, and every
//! refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{
    ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;
use tracing::debug;

use super::address::{IpGroup, bare, ip_of, is_dialable, is_loopback, is_public, is_tcp};
use super::config::Profile;
use super::limits::{ConnectionLimits, SHUNNED_FOR, SHUNNED_MAX, TRUSTED_ADDRESSES_MAX};
use super::peer::node_of;
use super::status::{Count, Counters};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused: {}", .0.name())]
pub(super) struct Refused(pub(super) Count);

/// Refuses connections above the limits, and dials to private addresses that a stranger named.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    limits: ConnectionLimits,
    profile: Profile,
    counters: Arc<Counters>,
    /// Addresses that the user named, without `/p2p`.
    trusted: BTreeSet<Multiaddr>,
    pending_in: BTreeMap<ConnectionId, Place>,
    pending_out: BTreeSet<ConnectionId>,
    established: BTreeMap<ConnectionId, Established>,
    per_peer: BTreeMap<PeerId, usize>,
    /// Pending incoming and established connections by address.
    per_ip: BTreeMap<IpAddr, usize>,
    /// Pending incoming and established connections by neighbourhood.
    per_group: BTreeMap<IpGroup, usize>,
    /// Addresses whose peer has broken the protocol, and until when no connection from there is accepted.
    shunned: BTreeMap<IpGroup, Instant>,
}

/// The remote address of a connection; `None` where addresses are not counted.
#[derive(Debug, Clone, Copy)]
struct Place(Option<IpAddr>);

#[derive(Debug, Clone, Copy)]
struct Established {
    peer: PeerId,
    place: Place,
    incoming: bool,
    tcp: bool,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: ConnectionLimits, profile: Profile, counters: Arc<Counters>) -> Self {
        Self {
            limits,
            profile,
            counters,
            trusted: BTreeSet::new(),
            pending_in: BTreeMap::new(),
            pending_out: BTreeSet::new(),
            established: BTreeMap::new(),
            per_peer: BTreeMap::new(),
            per_ip: BTreeMap::new(),
            per_group: BTreeMap::new(),
            shunned: BTreeMap::new(),
        }
    }

    /// Lets an address be dialled although it is a name or not public, because the user named it.
    pub(super) fn trust(&mut self, address: Multiaddr) {
        if self.trusted.len() < TRUSTED_ADDRESSES_MAX {
            self.trusted.insert(bare(address));
        }
    }

    /// Returns whether connections of this direction take up so many of their places that idle ones should go.
    pub(super) fn is_crowded(&self, outgoing: bool) -> bool {
        let max = if outgoing {
            self.limits.established_out_max
        } else {
            self.limits.established_in_max
        };
        let same = self
            .established
            .values()
            .filter(|other| other.incoming != outgoing);
        same.count() * 4 >= max * 3
    }

    fn refuse(&self, count: Count) -> ConnectionDenied {
        self.counters.add(count);
        debug!(reason = count.name(), "a connection is refused");
        ConnectionDenied::new(Refused(count))
    }

    fn check(&self, within: bool, count: Count) -> Result<(), ConnectionDenied> {
        if within {
            Ok(())
        } else {
            Err(self.refuse(count))
        }
    }

    /// Returns where the address leads; in the local profile loopback is not counted.
    fn place(&self, address: &Multiaddr) -> Place {
        let exempt = self.profile == Profile::Local && is_loopback(address);
        Place(if exempt { None } else { ip_of(address) })
    }

    /// Checks how many connections an address and its neighbourhood have, once there are many.
    fn check_place(&self, address: &Multiaddr) -> Result<(), ConnectionDenied> {
        let Some(ip) = self.place(address).0 else {
            return Ok(());
        };
        let taken = self.pending_in.len() + self.established.len();
        if taken < self.few_max(is_tcp(address)) {
            return Ok(());
        }
        let ips = self.per_ip.get(&ip).copied().unwrap_or(0);
        self.check(ips < self.limits.per_ip_max, Count::PerIp)?;
        if self.profile == Profile::Lan && !is_public(ip) {
            // All of one's own network is one neighbourhood.
            return Ok(());
        }
        let group = self
            .per_group
            .get(&IpGroup::near_ip(ip))
            .copied()
            .unwrap_or(0);
        self.check(group < self.limits.per_group_max, Count::PerGroup)
    }

    /// Returns the number of connections below which limits by address do not apply; over TCP, which has few places, at
    /// most a third of these.
    fn few_max(&self, tcp: bool) -> usize {
        let few = self.limits.few_max;
        if tcp {
            few.min(self.limits.tcp_max / 3)
        } else {
            few
        }
    }

    /// Accepts no connection for a while from the address of one whose peer has broken the protocol.
    pub(super) fn shun(&mut self, id: ConnectionId, now: Instant) {
        let Some(ip) = self.established.get(&id).and_then(|one| one.place.0) else {
            return;
        };
        self.shunned.retain(|_, until| *until > now);
        if self.shunned.len() < SHUNNED_MAX {
            self.shunned
                .insert(IpGroup::single_ip(ip), now + SHUNNED_FOR);
        }
    }

    fn check_shunned(&self, place: Place, now: Instant) -> Result<(), ConnectionDenied> {
        let until = place
            .0
            .and_then(|ip| self.shunned.get(&IpGroup::single_ip(ip)));
        self.check(until.is_none_or(|until| *until <= now), Count::Shunned)
    }

    fn enter(&mut self, place: Place) {
        if let Some(ip) = place.0 {
            *self.per_ip.entry(ip).or_default() += 1;
            *self.per_group.entry(IpGroup::near_ip(ip)).or_default() += 1;
        }
    }

    fn leave(&mut self, place: Place) {
        if let Some(ip) = place.0 {
            take_one(&mut self.per_ip, &ip);
            take_one(&mut self.per_group, &IpGroup::near_ip(ip));
        }
    }

    fn end_pending_in(&mut self, id: ConnectionId) {
        if let Some(place) = self.pending_in.remove(&id) {
            self.leave(place);
        }
    }

    fn check_established(
        &self,
        peer: &PeerId,
        address: &Multiaddr,
        incoming: bool,
    ) -> Result<(), ConnectionDenied> {
        let limits = &self.limits;
        self.check(node_of(peer).is_some(), Count::KeyKind)?;
        let total = self.established.len();
        let same = self
            .established
            .values()
            .filter(|other| other.incoming == incoming)
            .count();
        if incoming {
            self.check(same < limits.established_in_max, Count::EstablishedIn)?;
        } else {
            self.check(same < limits.established_out_max, Count::EstablishedOut)?;
        }
        self.check(total < limits.established_max, Count::Established)?;
        let peers = self.per_peer.get(peer).copied().unwrap_or(0);
        self.check(peers < limits.per_peer_max, Count::PerPeer)?;
        if is_tcp(address) {
            let tcp = self.established.values().filter(|other| other.tcp).count();
            self.check(tcp < limits.tcp_max, Count::Tcp)?;
        }
        Ok(())
    }

    fn on_established(&mut self, event: &ConnectionEstablished<'_>) {
        let address = event.endpoint.get_remote_address();
        let place = self.place(address);
        let established = Established {
            peer: event.peer_id,
            place,
            incoming: event.endpoint.is_listener(),
            tcp: is_tcp(address),
        };
        self.enter(place);
        *self.per_peer.entry(event.peer_id).or_default() += 1;
        self.established.insert(event.connection_id, established);
    }

    fn on_closed(&mut self, id: ConnectionId) {
        if let Some(closed) = self.established.remove(&id) {
            self.leave(closed.place);
            take_one(&mut self.per_peer, &closed.peer);
        }
    }
}

fn take_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl NetworkBehaviour for ConnectionLimiter {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check(
            self.pending_in.len() < self.limits.pending_in_max,
            Count::PendingIn,
        )?;
        let place = self.place(remote);
        self.check_shunned(place, Instant::now())?;
        self.check_place(remote)?;
        self.enter(place);
        self.pending_in.insert(id, place);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.end_pending_in(id);
        self.check_established(&peer, remote, true)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.check(
            self.pending_out.len() < self.limits.pending_out_max,
            Count::PendingOut,
        )?;
        // These addresses come from the user or, through AutoNAT, from a stranger who would like
        // this node to probe a private network.
        let fine = addresses.iter().all(|address| {
            is_dialable(address, self.profile) || self.trusted.contains(&bare(address.clone()))
        });
        self.check(fine, Count::NotPublic)?;
        self.pending_out.insert(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_out.remove(&id);
        self.check_place(address)?;
        self.check_established(&peer, address, false)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(&event),
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.on_closed(connection_id);
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.pending_out.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.end_pending_in(connection_id);
            }
            _ => {}
        }
    }

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
