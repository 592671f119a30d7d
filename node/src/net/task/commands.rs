//! What the handles ask for.

use libp2p::Multiaddr;
use restante_proto::NodeId;
use restante_proto::routing::Point;
use tokio::time::Instant;
use tracing::debug;

use super::super::command::Command;
use super::super::error::NetError;
use super::super::peer::node_of;
use super::super::status::{Mode, NetStatus};
use super::Task;

impl Task {
    pub(super) fn on_command(&mut self, command: Command) {
        let behaviour = self.swarm.behaviour_mut();
        // An answer whose caller stopped waiting is dropped, here and below.
        match command {
            Command::Closest {
                address,
                count,
                near,
                reply,
            } => {
                let point = Point::of_address(&address);
                self.lookups.want(point, count, near, reply);
            }
            Command::ClosestKnown {
                address,
                count,
                reply,
            } => {
                let _gone = reply.send(behaviour.routing.closest_known(&address, count));
            }
            Command::Neighbours { count, reply } => {
                let own = behaviour.routing.own_point();
                let nearest = match self.mode {
                    Mode::Server => behaviour.routing.nearest(&own, count),
                    Mode::Client => Vec::new(),
                };
                let _gone = reply.send(nearest);
            }
            Command::Request { to, call } => behaviour.item.call(to, call),
            Command::Respond { via, id, payload } => behaviour.item.respond(via, id, payload),
            Command::Push { via, payload } => behaviour.item.push(via, payload),
            Command::Keep { via, kept } => behaviour.item.keep(via, kept),
            Command::Hold(peer) => behaviour.item.hold(peer),
            Command::Release(peer) => behaviour.item.release(peer),
            Command::Learn { peer, addresses } => behaviour.routing.remember(peer, &addresses),
            Command::Dial { address, reply } => {
                let _gone = reply.send(self.dial(&address));
            }
            Command::KnownPeers(reply) => {
                let _gone = reply.send(behaviour.routing.known_peers());
            }
            Command::Status(reply) => {
                let _gone = reply.send(self.status());
            }
            // `run` ends on it.
            Command::Shutdown(_) => {}
        }
    }

    fn dial(&mut self, address: &Multiaddr) -> Result<(), NetError> {
        self.swarm.behaviour_mut().limiter.trust(address.clone());
        self.swarm.dial(address.clone()).map_err(|error| {
            debug!(%error, "dial refused");
            NetError::Undialable
        })
    }

    fn status(&mut self) -> NetStatus {
        let queued = self.swarm.behaviour().item.queued_bytes();
        NetStatus {
            node: self.node,
            mode: self.mode,
            connected: {
                let mut nodes: Vec<NodeId> =
                    self.swarm.connected_peers().filter_map(node_of).collect();
                nodes.sort_unstable();
                nodes
            },
            connection_count: self.endpoints.len(),
            queued_bytes: queued.0,
            queued_bytes_max: queued.1,
            table_count: self.swarm.behaviour_mut().routing.table_count(),
            listen: {
                let mut addresses: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
                addresses.sort_unstable();
                addresses
            },
            external: self.swarm.external_addresses().cloned().collect(),
            claims: self.reach().map_or_else(Vec::new, |reach| reach.claims()),
            seen_from: self
                .reach()
                .map_or_else(Vec::new, |reach| reach.seen_from()),
            serve: self.serve,
            profile: self.profile,
            entry_points: self.entries.states(),
            join_in: self
                .join
                .next()
                .map(|at| at.saturating_duration_since(Instant::now())),
            counters: self.counters.read(),
            traffic: self.traffic.read(),
        }
    }
}
