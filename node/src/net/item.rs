//! The item protocol as a libp2p behaviour: who is connected, and which request goes where.

mod codec;
mod handler;
mod inbound;
mod link;
mod meter;
mod outbound;
mod patience;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour,
    NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::time::Instant;

use super::address::IpGroup;
use super::command::Call;
use super::config::Profile;
use super::connection_limiter::Refused;
use super::error::RequestError;
use super::limits::{
    DIALLED_PEERS_MAX, ITEM_EVENTS_MAX, REQUESTS_IN_FLIGHT_MAX, REQUESTS_WAITING_MAX,
};
use super::status::{Count, Counters};
use super::traffic::Traffic;
pub use codec::Kind;
use handler::{Handler, Order, Report, Shared};
pub(super) use link::Alarm;
use link::Budget;

/// Which inbound substream of which connection something came on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Via {
    /// Who opened it.
    pub peer: PeerId,
    /// The connection it is on.
    pub connection: ConnectionId,
    /// Its number among those of the connection.
    pub serial: u64,
}

/// What the behaviour tells the network task.
#[derive(Debug)]
pub(super) enum Event {
    Request {
        via: Via,
        source: IpGroup,
        id: u64,
        payload: Bytes,
    },
    Question {
        via: Via,
        id: u64,
        payload: Bytes,
    },
    /// Another keeper compares what it keeps with what is kept here.
    Repair {
        via: Via,
        id: u64,
        payload: Bytes,
    },
    Push {
        peer: PeerId,
        connection: ConnectionId,
        payload: Bytes,
    },
    ViaClosed(Via),
    /// A peer broke the protocol, and its connection is to be closed.
    Broken(ConnectionId),
    /// The substream to a peer is over: what was subscribed to on it has to be asked for again.
    OutboundClosed(PeerId),
}

/// The item protocol over all connections.
pub(super) struct Behaviour {
    shared: Arc<Shared>,
    profile: Profile,
    serving: bool,
    peers: BTreeMap<PeerId, BTreeMap<ConnectionId, Connection>>,
    /// Calls to peers that are being dialled, or wait for it.
    dialled: BTreeMap<PeerId, Vec<Call>>,
    dialling: BTreeSet<PeerId>,
    undialled: VecDeque<PeerId>,
    /// How many peers may be dialled at a time.
    dials_max: usize,
    /// How often a connection has become idle.
    idles: u64,
    /// How often each peer is held; below zero where a release has overtaken its hold.
    held: BTreeMap<PeerId, i64>,
    queue: VecDeque<ToSwarm<Event, Order>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Connection {
    source: IpGroup,
    /// The inbound substream on which something was asked.
    inbound: Option<u64>,
    /// Whether something was asked on the outbound substream.
    outbound: bool,
    /// Whether this node dialled it.
    outgoing: bool,
    /// Since when it is idle: a number that grows; nothing while it has work.
    idle: Option<u64>,
    calls: u64,
    /// Whether it is about to be closed, and takes no calls any more.
    closing: bool,
}

impl Connection {
    /// Takes what the peer asks; returns what it is for the network task.
    fn asked(&mut self, kind: Kind, via: Via, id: u64, payload: Bytes) -> Event {
        let source = self.source;
        match kind {
            Kind::Question => Event::Question { via, id, payload },
            Kind::Repair => Event::Repair { via, id, payload },
            // The decoder lets no other kind through.
            Kind::Request | Kind::Response | Kind::Push => {
                self.inbound = Some(via.serial);
                Event::Request {
                    via,
                    source,
                    id,
                    payload,
                }
            }
        }
    }
}

impl Behaviour {
    pub(super) fn new(
        protocol: StreamProtocol,
        (counters, traffic): (Arc<Counters>, Arc<Traffic>),
        profile: Profile,
        queued_bytes_max: usize,
        dials_max: usize,
    ) -> Self {
        let shared = Shared {
            protocol,
            counters,
            traffic,
            budget: Arc::new(Budget::new(queued_bytes_max)),
            unbounded: Arc::new(Budget::new(usize::MAX)),
        };
        Self {
            shared: Arc::new(shared),
            profile,
            serving: false,
            peers: BTreeMap::new(),
            dialled: BTreeMap::new(),
            dialling: BTreeSet::new(),
            undialled: VecDeque::new(),
            dials_max,
            idles: 0,
            held: BTreeMap::new(),
            queue: VecDeque::new(),
            waker: None,
        }
    }

    /// Returns whether there is room for another command.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < ITEM_EVENTS_MAX
    }

    /// Sends a request, dialling the peer if there is no connection.
    pub(super) fn call(&mut self, peer: PeerId, call: Call) {
        if let Some(connection) = self.connection_for_calls(&peer) {
            self.order(peer, connection, Order::Call(call));
            return;
        }
        let known = self.dialled.contains_key(&peer);
        if !known && self.dialled.len() >= DIALLED_PEERS_MAX {
            call.finish(Err(RequestError::QueueFull));
            return;
        }
        let calls = self.dialled.entry(peer).or_default();
        calls.retain(|call| !call.reply.is_closed());
        if calls.len() >= REQUESTS_IN_FLIGHT_MAX + REQUESTS_WAITING_MAX {
            call.finish(Err(RequestError::QueueFull));
            return;
        }
        calls.push(call);
        if !known {
            self.undialled.push_back(peer);
            self.dial_next();
        }
    }

    /// Returns how many bytes of answers and pushes wait to be written, and how many may.
    pub(super) fn queued_bytes(&self) -> (usize, usize) {
        (self.shared.budget.used(), self.shared.budget.max())
    }

    /// Returns how many peers without a connection may be called before calls have to wait.
    pub(super) fn dial_room(&self) -> usize {
        let dials = self.dialling.len() + self.undialled.len();
        self.dials_max.saturating_sub(dials)
    }

    /// Returns the connection of this direction that has been idle for longest and is not held, which takes no
    /// calls from now on. One with a subscription is not idle.
    pub(super) fn close_longest_idle(&mut self, outgoing: bool) -> Option<ConnectionId> {
        let held = &self.held;
        let peers = self
            .peers
            .iter_mut()
            .filter(|(peer, _)| held.get(*peer).is_none_or(|count| *count <= 0));
        let connections = peers.flat_map(|(_, connections)| connections);
        let idle = connections
            .filter(|(_, connection)| connection.outgoing == outgoing && !connection.closing)
            .filter_map(|(id, connection)| Some((connection.idle?, *id, connection)));
        let (_, id, connection) = idle.min_by_key(|(since, ..)| *since)?;
        connection.closing = true;
        Some(id)
    }

    /// Dials those who wait for it, as many as may be dialled at a time: a dial too many would be refused, and look
    /// like a peer that is gone.
    fn dial_next(&mut self) {
        while self.dialling.len() < self.dials_max
            && let Some(peer) = self.undialled.pop_front()
        {
            let Some(calls) = self.dialled.get_mut(&peer) else {
                continue;
            };
            if self.dialling.contains(&peer) {
                continue;
            }
            let now = Instant::now();
            let (due, late) = std::mem::take(calls)
                .into_iter()
                .partition(|call: &Call| call.deadline > now && !call.reply.is_closed());
            *calls = due;
            for call in late {
                call.finish(Err(RequestError::TimedOut));
            }
            if self.dialled.get(&peer).is_none_or(Vec::is_empty) {
                self.dialled.remove(&peer);
                continue;
            }
            self.dialling.insert(peer);
            let opts = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing);
            self.emit(ToSwarm::Dial { opts: opts.build() });
        }
    }

    /// Answers a request, unless its substream is gone.
    pub(super) fn respond(&mut self, via: Via, id: u64, payload: Bytes) {
        let serial = via.serial;
        self.order(
            via.peer,
            via.connection,
            Order::Respond {
                serial,
                id,
                payload,
            },
        );
    }

    /// Pushes on an inbound substream, unless it is gone.
    pub(super) fn push(&mut self, via: Via, payload: Bytes) {
        let serial = via.serial;
        self.order(via.peer, via.connection, Order::Push { serial, payload });
    }

    /// Keeps the connection while this inbound substream is open, or no longer.
    pub(super) fn keep(&mut self, via: Via, kept: bool) {
        let serial = via.serial;
        self.order(via.peer, via.connection, Order::Keep { serial, kept });
    }

    pub(super) fn close_inbound(&mut self, via: Via) {
        self.order(
            via.peer,
            via.connection,
            Order::CloseInbound { serial: via.serial },
        );
    }

    /// Closes the outbound substream of a connection.
    pub(super) fn close_outbound(&mut self, peer: PeerId, connection: ConnectionId) {
        self.order(peer, connection, Order::CloseOutbound);
    }

    /// Keeps connections with the peer once more.
    pub(super) fn hold(&mut self, peer: PeerId) {
        self.hold_by(peer, 1);
    }

    /// Takes back one [`hold`](Self::hold), also one that comes later.
    pub(super) fn release(&mut self, peer: PeerId) {
        self.hold_by(peer, -1);
    }

    fn hold_by(&mut self, peer: PeerId, change: i64) {
        let before = self.is_held(&peer);
        *self.held.entry(peer).or_default() += change;
        self.held.retain(|_, count| *count != 0);
        let after = self.is_held(&peer);
        if before != after {
            self.order_all(peer, |_| Order::Hold(after));
        }
    }

    fn is_held(&self, peer: &PeerId) -> bool {
        self.held.get(peer).is_some_and(|count| *count > 0)
    }

    /// Offers the protocol on every connection, or on none.
    pub(super) fn serve(&mut self, serving: bool) {
        self.serving = serving;
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.order_all(peer, |_| Order::Serve(serving));
        }
    }

    /// Returns the connection that carries our requests: one in use before any other.
    fn connection_for_calls(&self, peer: &PeerId) -> Option<ConnectionId> {
        let connections = self.peers.get(peer)?;
        let mut open = connections
            .iter()
            .filter(|(_, connection)| !connection.closing);
        let used = open.clone().find(|(_, connection)| connection.outbound);
        used.or_else(|| open.next()).map(|(id, _)| *id)
    }

    fn connection(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Connection> {
        self.peers.get_mut(peer)?.get_mut(&id)
    }

    /// Queues an order for a connection, unless it is gone.
    fn order(&mut self, peer: PeerId, id: ConnectionId, order: Order) {
        let Some(connection) = self.connection(&peer, id) else {
            return;
        };
        if matches!(order, Order::Call(_)) {
            connection.outbound = true;
            connection.idle = None;
            connection.calls += 1;
        }
        let handler = NotifyHandler::One(id);
        self.emit(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler,
            event: order,
        });
    }

    fn order_all(&mut self, peer: PeerId, order: impl Fn(ConnectionId) -> Order) {
        let connections = self.peers.get(&peer).into_iter().flat_map(BTreeMap::keys);
        let ids: Vec<ConnectionId> = connections.copied().collect();
        for id in ids {
            self.order(peer, id, order(id));
        }
    }

    fn emit(&mut self, event: ToSwarm<Event, Order>) {
        self.queue.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&self, peer: &PeerId) -> Handler {
        Handler::new(Arc::clone(&self.shared), self.serving, self.is_held(peer))
    }

    fn on_established(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        (source, outgoing): (IpGroup, bool),
    ) {
        self.idles += 1;
        let connection = Connection {
            source,
            inbound: None,
            outbound: false,
            outgoing,
            idle: Some(self.idles),
            calls: 0,
            closing: false,
        };
        self.peers.entry(peer).or_default().insert(id, connection);
        let calls = self.dialled.remove(&peer).unwrap_or_default();
        self.undialled.retain(|other| *other != peer);
        self.dialling.remove(&peer);
        for call in calls {
            self.order(peer, id, Order::Call(call));
        }
        self.dial_next();
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        let Some(connections) = self.peers.get_mut(&peer) else {
            return;
        };
        let closed = connections.remove(&id);
        if connections.is_empty() {
            self.peers.remove(&peer);
        }
        let Some(closed) = closed else {
            return;
        };
        if let Some(serial) = closed.inbound {
            let via = Via {
                peer,
                connection: id,
                serial,
            };
            self.emit(ToSwarm::GenerateEvent(Event::ViaClosed(via)));
        }
        if closed.outbound {
            self.emit(ToSwarm::GenerateEvent(Event::OutboundClosed(peer)));
        }
        // A peer that was called while its last connection was being closed is dialled now.
        if !self.peers.contains_key(&peer) {
            self.dialling.remove(&peer);
            if self.dialled.contains_key(&peer) && !self.undialled.contains(&peer) {
                self.undialled.push_back(peer);
            }
            self.dial_next();
        }
    }

    fn on_dial_failure(&mut self, peer: PeerId, error: &DialError) {
        self.dialling.remove(&peer);
        let denied = match error {
            // Another behaviour is dialling the peer already, or its connection is just being closed; that decides.
            DialError::DialPeerConditionFalse(_) => return self.dial_next(),
            DialError::Denied { cause } => cause.downcast_ref::<Refused>().map(|refused| refused.0),
            _ => None,
        };
        if denied == Some(Count::PendingOut) {
            // Others than calls have taken the places; the next dial that ends makes room.
            if self.dialled.contains_key(&peer) && !self.undialled.contains(&peer) {
                self.undialled.push_back(peer);
            }
            return;
        }
        let error = match denied {
            Some(Count::EstablishedOut | Count::Established | Count::Tcp) => RequestError::NoRoom,
            _ => RequestError::NotReachable,
        };
        self.undialled.retain(|other| *other != peer);
        for call in self.dialled.remove(&peer).unwrap_or_default() {
            call.finish(Err(error));
        }
        self.dial_next();
    }

    fn on_report(&mut self, peer: PeerId, id: ConnectionId, report: Report) {
        let idle = self.idles + 1;
        let Some(connection) = self.connection(&peer, id) else {
            return;
        };
        let via = |serial| Via {
            peer,
            connection: id,
            serial,
        };
        let event = match report {
            Report::Request {
                kind,
                serial,
                id,
                payload,
            } => connection.asked(kind, via(serial), id, payload),
            Report::Push { payload } => Event::Push {
                peer,
                connection: id,
                payload,
            },
            // A substream without a request was never announced.
            Report::InboundClosed { serial } if connection.inbound == Some(serial) => {
                connection.inbound = None;
                Event::ViaClosed(via(serial))
            }
            Report::InboundClosed { .. } => return,
            Report::OutboundClosed => {
                connection.outbound = false;
                Event::OutboundClosed(peer)
            }
            // A report that was on its way before the last call says nothing of it.
            Report::Idle { calls } if calls < connection.calls => return,
            Report::Idle { .. } => {
                connection.idle = Some(idle);
                self.idles = idle;
                return;
            }
            Report::Busy => {
                connection.idle = None;
                return;
            }
            Report::Violation => {
                self.emit(ToSwarm::GenerateEvent(Event::Broken(id)));
                let connection = CloseConnection::One(id);
                self.emit(ToSwarm::CloseConnection {
                    peer_id: peer,
                    connection,
                });
                return;
            }
        };
        self.emit(ToSwarm::GenerateEvent(event));
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let source = self.profile.neighbourhood(endpoint.get_remote_address());
                let place = (source, endpoint.is_dialer());
                self.on_established(peer_id, connection_id, place);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                self.on_closed(peer_id, connection_id);
            }
            FromSwarm::DialFailure(DialFailure { peer_id, error, .. }) => match peer_id {
                Some(peer) => self.on_dial_failure(peer, error),
                None => self.dial_next(),
            },
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        report: THandlerOutEvent<Self>,
    ) {
        self.on_report(peer, connection, report);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.queue.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
