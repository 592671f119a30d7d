//! What the network layer is told at its start.

use libp2p::Multiaddr;
use restante_proto::NodeId;
use serde::{Deserialize, Serialize};

use super::limits::NetLimits;

/// Whether a node keeps items for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serve {
    /// Once other nodes have confirmed that it is reachable.
    Auto,
    /// It does not offer the item protocol and is in no routing table.
    Never,
}

#[derive(Debug, Clone)]
pub struct NetConfig {
    /// Name of the network, 1 to 32 of `a-z 0-9 -`; it is part of every protocol name.
    pub network: String,
    pub listen: Vec<Multiaddr>,
    /// Public addresses that the operator vouches for; with one of them the node serves from its
    /// start, without waiting for AutoNAT. The first node of a network needs one.
    pub external: Vec<Multiaddr>,
    /// Entry points, with or without `/p2p`; 32 at most are used.
    pub bootstrap: Vec<Multiaddr>,
    /// Nodes known from earlier, tried beside the entry points.
    pub known: Vec<(NodeId, Vec<Multiaddr>)>,
    pub serve: Serve,
    /// The local profile, for demonstrations and tests on one machine: loopback addresses count as
    /// reachable and as unrelated to each other. Production never sets it.
    pub local: bool,
    pub limits: NetLimits,
}
