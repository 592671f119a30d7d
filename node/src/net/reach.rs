//! Finding out whether others reach this node: it asks them to dial back (AutoNAT v2).
//!
//! Addresses that peers say they saw are candidates: hostile peers invent any number of them, so there is room for few,
//! and each is tested once. Addresses that the operator or the profile claims count from the start, and are tested for
//! ever: a flag is no proof.

mod addresses;
mod handler;
mod message;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::address::{bare, is_dialable};
use super::config::Profile;
use super::item::Alarm;
use super::limits::{CANDIDATE_INTERVAL, NetLimits, TESTER_PAUSE, TESTER_PAUSE_MAX};
use super::status::Claim;
use addresses::{Addresses, Change, Tester};
use handler::{Ask, Handler, Report};

/// Connections with a node that is asked to make one more, at most.
const CONNECTIONS_MAX: usize = 3;

/// What this finds out.
#[derive(Debug)]
pub(super) enum Event {
    /// A claimed address is to be tested, and no connection leads to a node that could.
    NobodyToAsk,
    /// Others cannot reach an address of the configuration.
    Refuted,
}

const _: () = assert!(CONNECTIONS_MAX < NetLimits::personal().connections.per_peer_max);
const _: () = assert!(CONNECTIONS_MAX < NetLimits::community().connections.per_peer_max);

/// Asks others to dial this node's addresses.
pub(super) struct Reach {
    profile: Profile,
    addresses: Addresses,
    connections: BTreeMap<ConnectionId, Connection>,
    next_look: Option<Instant>,
    /// When it may be said again that there is nobody to ask, and the pause after that.
    call: (Option<Instant>, Duration),
    alarm: Alarm,
    queue: VecDeque<ToSwarm<Event, Ask>>,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    address: Multiaddr,
    is_outgoing: bool,
    helps: bool,
}

impl Reach {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            addresses: Addresses::default(),
            connections: BTreeMap::new(),
            next_look: None,
            call: (None, TESTER_PAUSE),
            alarm: Alarm::default(),
            queue: VecDeque::new(),
        }
    }

    /// Takes an address that counts until it is found false; `is_set` if the configuration names it.
    pub(super) fn claim(&mut self, address: &Multiaddr, is_set: bool) {
        let address = bare(address.clone());
        self.addresses.claim(Instant::now(), address, is_set);
    }

    /// Forgets an address that this machine has no more.
    pub(super) fn forget(&mut self, address: &Multiaddr) {
        self.addresses.forget(&bare(address.clone()));
    }

    /// Returns the claimed addresses with what is known of them.
    pub(super) fn claims(&self) -> Vec<Claim> {
        self.addresses.claims()
    }

    /// Returns from which IP addresses others have seen this node come.
    pub(super) fn seen_from(&self) -> Vec<IpAddr> {
        self.addresses.seen_from().into_iter().collect()
    }

    /// Returns the connections on which somebody can be asked: those that this node opened, with nodes to which there
    /// are so few that the dial back does not exceed what two nodes may have between them.
    fn testers(&self) -> Vec<Tester<'_>> {
        let mut counts: BTreeMap<&PeerId, usize> = BTreeMap::new();
        for connection in self.connections.values() {
            *counts.entry(&connection.peer).or_default() += 1;
        }
        let can_test = |(_, connection): &(&ConnectionId, &Connection)| {
            let count = counts.get(&connection.peer).copied().unwrap_or(0);
            connection.is_outgoing && connection.helps && count <= CONNECTIONS_MAX
        };
        let testers = self.connections.iter().filter(can_test);
        testers
            .map(|(id, connection)| Tester {
                connection: *id,
                peer: connection.peer,
                address: &connection.address,
            })
            .collect()
    }

    fn look(&mut self, now: Instant) {
        let mut addresses = std::mem::take(&mut self.addresses);
        let tests = addresses.due(now, &self.testers(), rand::random);
        self.addresses = addresses;
        for test in tests {
            self.queue.push_back(ToSwarm::NotifyHandler {
                peer_id: test.peer,
                handler: NotifyHandler::One(test.connection),
                event: Ask {
                    nonce: test.nonce,
                    address: test.address,
                },
            });
        }
        let (next, pause) = self.call;
        if next.is_none_or(|next| next <= now) && self.addresses.is_waiting(now) {
            self.call = (Some(now + pause), (2 * pause).min(TESTER_PAUSE_MAX));
            let event = ToSwarm::GenerateEvent(Event::NobodyToAsk);
            self.queue.push_back(event);
        }
    }

    fn on_change(&mut self, change: Option<Change>) {
        match change {
            Some(Change::Confirmed(address)) => {
                self.queue
                    .push_back(ToSwarm::ExternalAddrConfirmed(address));
            }
            Some(Change::Refuted { address, is_news }) => {
                // While others come in somehow, and nowhere else for certain, it may be the testers who have no place
                // for one connection more.
                let is_deserted = self.connections.values().all(|one| one.is_outgoing);
                if is_deserted || self.addresses.has_confirmed() {
                    self.queue.push_back(ToSwarm::ExternalAddrExpired(address));
                }
                if is_news {
                    let event = ToSwarm::GenerateEvent(Event::Refuted);
                    self.queue.push_back(event);
                }
            }
            None => {}
        }
    }
}

impl NetworkBehaviour for Reach {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(false))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(true))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::NewExternalAddrCandidate(candidate)
                if is_dialable(candidate.addr, self.profile) =>
            {
                self.addresses.offer(Instant::now(), candidate.addr);
            }
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let connection = Connection {
                    peer: peer_id,
                    address: endpoint.get_remote_address().clone(),
                    is_outgoing: endpoint.is_dialer(),
                    helps: false,
                };
                self.connections.insert(connection_id, connection);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.connections.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        report: THandlerOutEvent<Self>,
    ) {
        let now = Instant::now();
        match report {
            Report::Helps(helps) => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.helps = helps;
                }
            }
            Report::DialledBack(nonce) => {
                let change = self.addresses.on_dialled_back(now, nonce);
                self.on_change(change);
            }
            Report::Outcome(nonce, outcome) => {
                let testers = self.testers();
                let peers: BTreeSet<PeerId> = testers.iter().map(|tester| tester.peer).collect();
                let others = peers.len();
                let change = self.addresses.on_outcome(now, nonce, outcome, others);
                self.on_change(change);
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Poll::Ready(event);
            }
            let now = Instant::now();
            let next = *self.next_look.get_or_insert(now + CANDIDATE_INTERVAL);
            if !self.alarm.fires_at(next, cx) {
                return Poll::Pending;
            }
            self.alarm.clear();
            self.next_look = Some(now + CANDIDATE_INTERVAL);
            self.look(now);
        }
    }
}
