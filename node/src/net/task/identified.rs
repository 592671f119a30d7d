//! What a peer says about itself, and what of it is believed.

use libp2p::core::ConnectedPoint;
use libp2p::identify;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use restante_proto::limits::FOUND_NODES_MAX;
use tokio::time::Instant;
use tracing::debug;

use super::super::address::{bare, ip_of};
use super::super::routing::Offered;
use super::super::status::Count;
use super::Task;

impl Task {
    pub(super) fn on_identify(&mut self, event: identify::Event) {
        if let identify::Event::Received {
            connection_id,
            peer_id,
            info,
        } = event
        {
            self.on_identified(connection_id, peer_id, &info);
        }
    }

    /// Puts a peer that serves into the routing table, and takes one out that does not any more.
    fn on_identified(&mut self, id: ConnectionId, peer: PeerId, info: &identify::Info) {
        let dialled = match self.endpoints.get(&id) {
            Some((_, ConnectedPoint::Dialer { address, .. })) => Some(address),
            _ => None,
        };
        if info.protocol_version != self.names.id {
            debug!(%peer, "peer of another network");
            if let Some(address) = dialled {
                self.entries.on_other_network(Instant::now(), address);
            }
            self.counters.add(Count::OtherNetwork);
            self.swarm.close_connection(id);
            self.unlist(&peer);
            return;
        }
        if let Some(address) = dialled {
            self.entries.on_reached(address);
        }
        if !info.protocols.contains(&self.names.item) {
            self.unlist(&peer);
            return;
        }
        let Some((_, endpoint)) = self.endpoints.get(&id) else {
            return;
        };
        let addresses = believed(endpoint, &info.listen_addrs);
        match self.swarm.behaviour_mut().routing.offer(peer, &addresses) {
            Offered::New => {
                self.outlet.tell_routing_changed();
                self.check_alone();
                if self.swarm.behaviour().routing.table_count() <= FOUND_NODES_MAX {
                    self.refresh.on_newcomer(Instant::now(), rand::random());
                }
            }
            Offered::Known => {}
            Offered::Left => debug!(%peer, "peer not taken into the routing table"),
        }
    }

    fn unlist(&mut self, peer: &PeerId) {
        if self.swarm.behaviour_mut().routing.remove(peer) {
            self.outlet.tell_routing_changed();
            self.check_alone();
        }
    }
}

/// Returns the addresses that are believed of a peer.
///
/// It is believed about the IP address it is connected from, so that no node can enter addresses of
/// others; the address that was dialled is known to work. When the user's own entry point was
/// dialled by name, there is no IP address to compare, and all it says is taken.
fn believed(endpoint: &ConnectedPoint, claimed: &[Multiaddr]) -> Vec<Multiaddr> {
    let remote = endpoint.get_remote_address();
    let ip = ip_of(remote);
    let mut believed = Vec::new();
    if endpoint.is_dialer() {
        believed.push(bare(remote.clone()));
    }
    for address in claimed.iter().cloned().map(bare) {
        if (ip.is_none() || ip_of(&address) == ip) && !believed.contains(&address) {
            believed.push(address);
        }
    }
    believed
}
