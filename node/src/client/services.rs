//! What the client works with: the network, the lanes, and what an ID and a stamp cost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use restante_proto::person::IdCost;
use restante_proto::placement::CANDIDATES;
use restante_proto::stamp::{Challenge, EFFORT_MAX, Stamp, StampScheme};

use restante_proto::{Address, NodeId};
use tracing::debug;

use crate::clock::Clock;
use crate::keeper::KeeperHandle;
use crate::lane::Lane;
use crate::net::{NetHandle, distance};

/// Tries of one stamp before it is given up, per unit of effort: that honest work fails so often has a chance below
/// 10^-20.
const ATTEMPTS_PER_EFFORT: u64 = 64;

/// How long a keeper that is connected may take to say which nodes it knows.
const NEIGHBOURS_DEADLINE: Duration = Duration::from_secs(10);

/// Handles to everything outside the client's own state.
#[derive(Clone)]
pub struct Services {
    /// The wall clock.
    pub clock: Clock,
    /// The network.
    pub net: NetHandle,
    /// This node's own keeper, where others deposit for its person too.
    pub keeper: Option<KeeperHandle>,
    /// Where the vault is read and written.
    pub disk: Lane,
    /// Where envelopes are opened and Argon2id runs.
    pub cpu: Lane,
    /// Where stamps are made.
    pub stamps: Lane,
    /// What the Argon2id of an ID costs on this network.
    pub cost: IdCost,
    /// The stamps of this network.
    pub scheme: Arc<dyn StampScheme>,
}

impl Services {
    /// Looks up the nodes closest to `address`, nearest first, this one among them if it keeps items.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the lookup.
    pub(super) async fn holders(&self, address: Address, count: usize) -> Vec<NodeId> {
        let nodes = self.net.closest(address, count).await.unwrap_or_default();
        self.with_own(address, nodes, count)
    }

    /// Puts this node, if it keeps items, in its place among others, nearest to `address` first, at most `count`.
    pub(super) fn with_own(
        &self,
        address: Address,
        mut nodes: Vec<NodeId>,
        count: usize,
    ) -> Vec<NodeId> {
        if let Some(own) = self.own_node() {
            let nearer = |node: &NodeId| distance(node, &address) < distance(&own, &address);
            let place = nodes.partition_point(nearer);
            nodes.insert(place, own);
            nodes.truncate(count);
        }
        nodes
    }

    /// Asks one of the keepers of `address` which nodes it knows closest to it beside itself, nearest first; none when
    /// it does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub(super) async fn neighbours(&self, keeper: NodeId, address: Address) -> Vec<NodeId> {
        match self.own_node() {
            Some(own) if own == keeper => {
                let known = self.net.closest_known(address, CANDIDATES).await;
                known.unwrap_or_default()
            }
            _ => {
                let answer = self.net.neighbours(keeper, address, NEIGHBOURS_DEADLINE);
                answer.await.unwrap_or_default()
            }
        }
    }

    /// As [`neighbours`](Self::neighbours), without this node.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub(super) async fn others_near(&self, keeper: NodeId, address: Address) -> Vec<NodeId> {
        let mut nodes = self.neighbours(keeper, address).await;
        let own = self.own_node();
        nodes.retain(|node| Some(*node) != own);
        nodes
    }

    pub(super) fn own_node(&self) -> Option<NodeId> {
        self.keeper.as_ref().map(KeeperHandle::node)
    }

    /// Asks a node and returns its answer, or nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the request carried out and its answer unread.
    pub(super) async fn ask(
        &self,
        node: NodeId,
        payload: Bytes,
        deadline: Duration,
    ) -> Option<Bytes> {
        if let Some(own) = self.keeper.as_ref().filter(|keeper| keeper.node() == node) {
            return own.local(payload).await;
        }
        match self.net.request(node, payload, deadline).await {
            Ok(answer) => Some(answer),
            Err(fault) => {
                debug!(%fault, "a keeper did not answer");
                None
            }
        }
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services(..)")
    }
}

/// Makes a stamp; runs in the stamp lane.
pub(super) fn make_stamp(
    scheme: &dyn StampScheme,
    challenge: &Challenge,
    effort: u32,
) -> Option<Stamp> {
    let effort = effort.clamp(1, EFFORT_MAX);
    let mut seed = [0; 24];
    rand::rng().fill_bytes(&mut seed);
    scheme.solve(
        challenge,
        &seed,
        effort,
        ATTEMPTS_PER_EFFORT * u64::from(effort),
    )
}
