//! Where others reach this node, and what follows from it.

use libp2p::Multiaddr;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use rand::seq::IndexedRandom as _;
use tracing::{debug, warn};

use super::super::address::bare;
use super::super::config::Profile;
use super::super::limits::LOOKUP_NODES_MIN;
use super::super::peer::peer_of;
use super::super::reach::{Event, Reach};
use super::Task;

impl Task {
    /// Counts an address as reachable until others find that it is not; on one machine alone nobody needs to look.
    pub(super) fn claim(&mut self, address: &Multiaddr, is_set: bool) {
        let address = bare(address.clone());
        self.swarm.add_external_address(address.clone());
        if self.profile != Profile::Local
            && let Some(reach) = self.swarm.behaviour_mut().reach.as_mut()
        {
            reach.claim(&address, is_set);
        }
    }

    /// Counts an address no longer, because this machine has it no more.
    pub(super) fn unclaim(&mut self, address: &Multiaddr) {
        let address = bare(address.clone());
        self.swarm.remove_external_address(&address);
        if let Some(reach) = self.swarm.behaviour_mut().reach.as_mut() {
            reach.forget(&address);
        }
    }

    pub(super) fn reach(&self) -> Option<&Reach> {
        self.swarm.behaviour().reach.as_ref()
    }

    pub(super) fn on_reach(&mut self, event: Event) {
        match event {
            Event::NobodyToAsk => self.dial_tester(),
            Event::Refuted => {
                warn!("others cannot reach this node at an address in `external`; see `doctor`");
            }
        }
    }

    /// Dials a node of the table once more: only who was dialled can be asked to dial back.
    fn dial_tester(&mut self) {
        let routing = &self.swarm.behaviour().routing;
        let own = routing.own_point();
        let known = routing.nearest(&own, LOOKUP_NODES_MIN);
        let Some(peer) = known.choose(&mut rand::rng()).and_then(peer_of) else {
            return;
        };
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .addresses(routing.table_addresses(&peer))
            .build();
        if let Err(error) = self.swarm.dial(dial) {
            debug!(%error, "nobody can be asked whether this node is reached");
        }
    }
}
