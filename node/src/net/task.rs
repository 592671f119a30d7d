//! The task that owns the swarm: it waits for the swarm, for commands and for a timer, and for
//! nothing else.

mod commands;
mod entries;
mod identified;
mod join;
mod listeners;
mod lookups;
mod outlet;
mod reached;
mod refresh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use restante_proto::NodeId;
use restante_proto::limits::FOUND_NODES_MAX;
use restante_proto::routing::Point;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::address::{bare, is_dialable, is_loopback};
use super::behaviour::{Behaviour, BehaviourEvent, Names};
use super::boxed::Boxed;
use super::command::Command;
use super::config::{NetConfig, Profile, Serve};
use super::event::{ConnToken, InboundToken, NetEvent};
use super::item::{self, Via};
use super::limits::{JOIN_MANY, LOOKUP_NODES_MIN, REFRESH_FAR_LOOKUPS, REFRESH_NODES};
use super::peer::{node_of, peer_of};
#[cfg(target_os = "linux")]
use super::receive_buffers;
use super::status::{Count, Counters, Mode};
use super::traffic::Traffic;
use entries::EntryPoints;
use join::{Company, Entry, Join};
use listeners::Listeners;
use lookups::{Answered, Lookups};
use outlet::Outlet;
use refresh::{Refresh, Scope};

pub(super) struct Task {
    node: NodeId,
    names: Names,
    serve: Serve,
    profile: Profile,
    mode: Mode,
    swarm: Swarm<Boxed<Behaviour>>,
    commands: mpsc::Receiver<Command>,
    /// Whether commands go before the swarm this time; they take turns.
    commands_first: bool,
    outlet: Outlet,
    counters: Arc<Counters>,
    traffic: Arc<Traffic>,
    lookups: Lookups,
    endpoints: BTreeMap<ConnectionId, (PeerId, ConnectedPoint)>,
    join: Join,
    entries: EntryPoints,
    refresh: Refresh,
    listeners: Listeners,
    /// Wakes the task for the next of both.
    alarm: item::Alarm,
    /// Whether the routing table is empty.
    alone: bool,
}

/// What the task wakes up for.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, on the stack"
)]
enum Input {
    Command(Command),
    Swarm(SwarmEvent<BehaviourEvent>),
    Answered(Answered),
    Timer,
    NoHandles,
}

/// What [`Task::new`] needs beside the configuration.
pub(super) struct Parts {
    pub(super) node: NodeId,
    pub(super) names: Names,
    pub(super) swarm: Swarm<Boxed<Behaviour>>,
    pub(super) listeners: Vec<(ListenerId, Multiaddr)>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<NetEvent>,
    pub(super) counters: Arc<Counters>,
    pub(super) traffic: Arc<Traffic>,
}

impl Task {
    pub(super) fn new(config: &NetConfig, parts: Parts) -> Self {
        let profile = config.profile;
        let known = config.known.iter().filter_map(|(node, addresses)| {
            let usable = addresses
                .iter()
                .filter(|address| is_dialable(address, profile));
            let usable: Vec<Multiaddr> = usable.cloned().map(bare).collect();
            (!usable.is_empty()).then_some((peer_of(node)?, usable))
        });
        let join = Join::new(&config.bootstrap, known.collect());
        let mut task = Self {
            node: parts.node,
            names: parts.names,
            serve: config.serve,
            profile,
            mode: Mode::Client,
            swarm: parts.swarm,
            commands: parts.commands,
            commands_first: false,
            outlet: Outlet::new(parts.events, Arc::clone(&parts.counters)),
            counters: parts.counters,
            traffic: parts.traffic,
            lookups: Lookups::new(parts.node),
            endpoints: BTreeMap::new(),
            join,
            entries: EntryPoints::new(&config.bootstrap),
            refresh: Refresh::default(),
            listeners: Listeners::new(Instant::now(), parts.listeners),
            alarm: item::Alarm::default(),
            alone: true,
        };
        for address in &config.bootstrap {
            task.swarm.behaviour_mut().limiter.trust(address.clone());
        }
        if config.serve == Serve::Auto {
            for address in &config.external {
                task.claim(address, true);
            }
        }
        task.update_mode();
        task
    }

    /// Runs until it is told to shut down or every handle is gone.
    pub(super) async fn run(mut self) {
        loop {
            self.join_if_due();
            self.refresh_if_due();
            self.listen_if_due();
            self.drive_lookups();
            let due = [
                self.join.next(),
                self.refresh.next(),
                self.lookups.next(),
                self.listeners.next(),
            ];
            let due = due.into_iter().flatten().min();
            let input = tokio::select! {
                biased;
                () = self.outlet.drain() => continue,
                input = std::future::poll_fn(|cx| {
                    poll_input(
                        &mut self.swarm,
                        &mut self.commands,
                        &mut self.lookups,
                        &mut self.commands_first,
                        (&mut self.alarm, due),
                        cx,
                    )
                }) => input,
            };
            match input {
                Input::Command(Command::Shutdown(reply)) => {
                    drop(self);
                    // The caller may have stopped waiting.
                    let _gone = reply.send(());
                    return;
                }
                Input::Command(command) => self.on_command(command),
                Input::Swarm(event) => self.on_swarm(event),
                Input::Answered(answered) => self.on_answered(answered),
                Input::Timer => {}
                Input::NoHandles => return,
            }
        }
    }

    /// Checks whether the routing table has become empty.
    fn check_alone(&mut self) {
        let alone = self.swarm.behaviour_mut().routing.table_count() == 0;
        if alone && !self.alone {
            self.refresh.stop();
        } else if self.alone && !alone {
            let serves = self.mode == Mode::Server;
            self.refresh.restart(Instant::now(), rand::random(), serves);
        }
        self.alone = alone;
    }

    /// Looks for nodes that the table does not know when it is time to.
    fn refresh_if_due(&mut self) {
        let routing = &self.swarm.behaviour().routing;
        let near = || routing.neighbours();
        let Some(scope) = self.refresh.due(Instant::now(), rand::random(), near) else {
            return;
        };
        debug!(?scope, "the routing table is refreshed");
        let own = routing.own_point();
        match scope {
            Scope::Near => self.lookups.refresh(own, REFRESH_NODES),
            Scope::All => self.lookups.refresh(own, FOUND_NODES_MAX),
            Scope::Neighbourhood | Scope::Whole => self.lookups.refresh(own, LOOKUP_NODES_MIN),
        }
        if scope == Scope::Whole {
            // Most places are far away, and on the way to each the table meets nodes at every distance.
            for _ in 0..REFRESH_FAR_LOOKUPS {
                let anywhere = Point::new(rand::random());
                self.lookups.refresh(anywhere, REFRESH_NODES);
            }
        }
    }

    fn company(&mut self) -> Company {
        let known = self.swarm.behaviour_mut().routing.table_count();
        match (self.alone, self.mode) {
            (true, _) => Company::None,
            (false, Mode::Server) if known < JOIN_MANY => Company::Few,
            (false, Mode::Server) => Company::Many,
            (false, Mode::Client) => Company::Keepers,
        }
    }

    /// Dials entry points and remembered peers when it is time to.
    fn join_if_due(&mut self) {
        let (company, jitter) = (self.company(), rand::random::<f64>());
        for Entry {
            peer, addresses, ..
        } in self.join.due(Instant::now(), company, jitter)
        {
            let mut dials = Vec::new();
            match peer {
                Some(peer) => dials.push(
                    DialOpts::peer_id(peer)
                        .condition(PeerCondition::DisconnectedAndNotDialing)
                        .addresses(addresses)
                        .build(),
                ),
                None => dials.extend(
                    addresses
                        .into_iter()
                        .map(|address| DialOpts::unknown_peer_id().address(address).build()),
                ),
            }
            for dial in dials {
                // A failed dial is tried again in the next round.
                if let Err(error) = self.swarm.dial(dial) {
                    debug!(%error, "entry point not dialled");
                }
            }
        }
    }

    /// Listens again where a listener has ended when it is time to.
    fn listen_if_due(&mut self) {
        let now = Instant::now();
        for listener in self.listeners.due(now) {
            let address = listener.address.clone();
            match self.swarm.listen_on(address.clone()) {
                Ok(id) => {
                    info!(%address, "the node listens there again");
                    self.listeners.on_opened(id, listener);
                }
                Err(error) => {
                    debug!(%address, %error, "the node does not listen there again yet");
                    self.listeners.on_refused(now, listener);
                }
            }
        }
    }

    /// Serves exactly while others can reach this node.
    fn update_mode(&mut self) {
        let reachable = self.swarm.external_addresses().next().is_some();
        let serves = reachable && self.serve == Serve::Auto;
        let mode = if serves { Mode::Server } else { Mode::Client };
        if mode == self.mode {
            return;
        }
        debug!(?mode, "mode changed");
        self.mode = mode;
        let behaviour = self.swarm.behaviour_mut();
        behaviour.item.serve(serves);
        behaviour.set_dial_back(serves);
        if serves && !self.alone {
            self.refresh.restart(Instant::now(), rand::random(), true);
        }
        self.outlet.tell(NetEvent::Mode(mode));
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                #[cfg(target_os = "linux")]
                receive_buffers::enlarge();
                if self.serve == Serve::Auto && self.profile.vouches_for(&address) {
                    self.claim(&address, false);
                    self.update_mode();
                }
                self.outlet.tell(NetEvent::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_address_gone(&address),
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                if let Some(address) = self.listeners.on_closed(Instant::now(), listener_id) {
                    warn!(%address, ?reason, "a listener has ended; it is opened again");
                }
            }
            SwarmEvent::ExternalAddrConfirmed { .. } | SwarmEvent::ExternalAddrExpired { .. } => {
                self.update_mode();
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                if let ConnectedPoint::Dialer { address, .. } = &endpoint {
                    self.join.reached(address, peer_id);
                    self.entries.on_connected(address);
                }
                self.make_room(endpoint.is_dialer());
                self.endpoints.insert(connection_id, (peer_id, endpoint));
                if num_established.get() == 1 {
                    self.outlet.tell_of(&peer_id, NetEvent::Connected);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.endpoints.remove(&connection_id);
                if num_established == 0 {
                    self.outlet.tell_of(&peer_id, NetEvent::Disconnected);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.entries.on_failed(Instant::now(), &error);
                if matches!(error, DialError::Transport(_)) {
                    self.traffic.unheard();
                }
                if let Some(peer) = peer_id {
                    self.on_dial_failed(&peer, &error);
                }
            }
            _ => {}
        }
    }

    /// An address of this machine is gone, as when it has moved to another network. Connections over it are dead, which
    /// their silence would show later; those over others are made again.
    fn on_address_gone(&mut self, address: &Multiaddr) {
        if self.profile.vouches_for(address) {
            self.unclaim(address);
            self.update_mode();
        }
        if !is_loopback(address) {
            let connections: Vec<ConnectionId> = self.endpoints.keys().copied().collect();
            debug!(count = connections.len(), "an own address is gone");
            for connection in connections {
                self.swarm.close_connection(connection);
            }
        }
    }

    /// Closes the connection of a direction that has been idle for longest, if places for them become scarce: a
    /// silent connection gives way to the next one.
    fn make_room(&mut self, outgoing: bool) {
        let behaviour = self.swarm.behaviour_mut();
        if behaviour.limiter.is_crowded(outgoing)
            && let Some(idle) = behaviour.item.close_longest_idle(outgoing)
        {
            self.swarm.close_connection(idle);
        }
    }

    /// Takes a peer out of the table that could not be dialled, unless it is connected otherwise or
    /// the dial was never made.
    fn on_dial_failed(&mut self, peer: &PeerId, error: &DialError) {
        if matches!(error, DialError::WrongPeerId { .. }) {
            self.join.mistaken(*peer);
        }
        let tried = matches!(
            error,
            DialError::Transport(_) | DialError::WrongPeerId { .. } | DialError::NoAddresses
        );
        if !tried || self.swarm.is_connected(peer) {
            return;
        }
        let addresses = self.swarm.behaviour_mut().routing.table_addresses(peer);
        if self.swarm.behaviour_mut().routing.forget(peer) {
            self.join.lost(*peer, addresses);
            self.counters.add(Count::TableUnreachable);
            self.outlet.tell_routing_changed();
            self.check_alone();
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Item(event) => self.on_item(event),
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(ping::Event {
                connection,
                result: Err(failure),
                ..
            }) => {
                // A peer without ping is judged by its traffic.
                if !matches!(failure, ping::Failure::Unsupported) {
                    self.counters.add(Count::PingLost);
                    self.swarm.close_connection(connection);
                }
            }
            BehaviourEvent::Reach(event) => self.on_reach(event),
            BehaviourEvent::Ping(_) | BehaviourEvent::Limiter(_) | BehaviourEvent::DialBack(_) => {}
        }
    }

    /// Hands the consumer an inbound request; when it cannot keep up, the substream is closed.
    fn offer_inbound(&mut self, via: Via, request: impl FnOnce(NodeId) -> NetEvent) {
        let Some(from) = node_of(&via.peer) else {
            return;
        };
        if !self.outlet.offer(request(from)) {
            self.counters.add(Count::RequestDropped);
            self.swarm.behaviour_mut().item.close_inbound(via);
        }
    }

    fn on_item(&mut self, event: item::Event) {
        match event {
            item::Event::Request {
                via,
                source,
                id,
                payload,
            } => self.offer_inbound(via, |from| NetEvent::Request {
                from,
                via: ConnToken(via),
                source,
                token: InboundToken { via, id },
                payload,
            }),
            item::Event::Repair { via, id, payload } => {
                self.offer_inbound(via, |from| NetEvent::Repair {
                    from,
                    token: InboundToken { via, id },
                    payload,
                });
            }
            item::Event::Question { via, id, payload } => self.on_question(via, id, &payload),
            item::Event::Push {
                peer,
                connection,
                payload,
            } => {
                let Some(from) = node_of(&peer) else {
                    return;
                };
                if !self.outlet.offer(NetEvent::Push { from, payload }) {
                    self.counters.add(Count::PushDropped);
                    self.swarm
                        .behaviour_mut()
                        .item
                        .close_outbound(peer, connection);
                }
            }
            item::Event::Broken(connection) => {
                let limiter = &mut self.swarm.behaviour_mut().limiter;
                limiter.shun(connection, Instant::now());
            }
            item::Event::ViaClosed(via) => self.outlet.tell(NetEvent::ViaClosed(ConnToken(via))),
            item::Event::OutboundClosed(peer) => {
                self.outlet.tell_of(&peer, NetEvent::OutboundClosed);
            }
        }
    }
}

/// Asks commands and the swarm in turns, so that a flood of the one cannot starve the other.
fn poll_input(
    swarm: &mut Swarm<Boxed<Behaviour>>,
    commands: &mut mpsc::Receiver<Command>,
    lookups: &mut Lookups,
    commands_first: &mut bool,
    (alarm, due): (&mut item::Alarm, Option<Instant>),
    cx: &mut Context<'_>,
) -> Poll<Input> {
    *commands_first = !*commands_first;
    match due {
        Some(at) if alarm.fires_at(at, cx) => {
            alarm.clear();
            return Poll::Ready(Input::Timer);
        }
        Some(_) => {}
        None => alarm.clear(),
    }
    let poll_commands = |swarm: &mut Swarm<Boxed<Behaviour>>,
                         commands: &mut mpsc::Receiver<Command>,
                         cx: &mut Context<'_>| {
        // What a command makes waits in the behaviour until the swarm takes it.
        if !swarm.behaviour().item.has_room() {
            return Poll::Pending;
        }
        commands
            .poll_recv(cx)
            .map(|command| command.map_or(Input::NoHandles, Input::Command))
    };
    if *commands_first && let ready @ Poll::Ready(_) = poll_commands(swarm, commands, cx) {
        return ready;
    }
    if let Poll::Ready(answered) = lookups.poll(cx) {
        return Poll::Ready(Input::Answered(answered));
    }
    if let Poll::Ready(Some(event)) = swarm.poll_next_unpin(cx) {
        return Poll::Ready(Input::Swarm(event));
    }
    poll_commands(swarm, commands, cx)
}
