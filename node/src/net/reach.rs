//! Finding out whether others reach this node: AutoNAT with a bounded number of candidates.

use std::collections::BTreeSet;
use std::task::{Context, Poll};

use libp2p::autonat::v2::client;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::address::is_dialable;
use super::limits::{CANDIDATE_INTERVAL, CANDIDATES_MAX};

/// The AutoNAT client, given only candidates that could be true.
///
/// Candidates are what peers say they saw, so hostile peers can invent any number of them, and the
/// client of libp2p remembers all.
pub(super) struct Reach {
    client: client::Behaviour,
    local: bool,
    seen: BTreeSet<Multiaddr>,
}

impl Reach {
    pub(super) fn new(local: bool) -> Self {
        let config = client::Config::default()
            .with_max_candidates(CANDIDATES_MAX)
            .with_probe_interval(CANDIDATE_INTERVAL);
        let rng = rand::make_rng::<rand::rngs::StdRng>();
        Self {
            client: client::Behaviour::new(rng, config),
            local,
            seen: BTreeSet::new(),
        }
    }

    /// Returns whether a candidate is worth a test.
    fn admits(&mut self, address: &Multiaddr) -> bool {
        if self.seen.contains(address) {
            return true;
        }
        let fits = is_dialable(address, self.local) && self.seen.len() < CANDIDATES_MAX;
        if fits {
            self.seen.insert(address.clone());
        }
        fits
    }
}

impl NetworkBehaviour for Reach {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.client
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.client
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::NewExternalAddrCandidate(candidate) = &event
            && !self.admits(candidate.addr)
        {
            return;
        }
        self.client.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.client
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.client.poll(cx)
    }
}
