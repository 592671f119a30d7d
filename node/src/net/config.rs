//! What the network layer is told at its start.

use std::net::IpAddr;

use libp2p::Multiaddr;
use restante_proto::NodeId;
use serde::{Deserialize, Serialize};

use super::address::{IpGroup, ip_of, is_dialable, is_link_local_v6, is_loopback, is_public};
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

/// What kind of network a node belongs to: which addresses count in it, and which of them tell who is whose neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The Internet: public addresses count, once other nodes have reached them.
    Internet,
    /// A LAN or VPN of one's own: private addresses count too, and this machine's are taken for reachable until other
    /// nodes find that they are not.
    Lan,
    /// This machine alone, for demonstrations and tests: loopback counts, and needs no other node to say so.
    Local,
}

impl Profile {
    /// Tells whether nodes at this IP address can be dialled by all the others.
    pub(super) fn admits(self, ip: IpAddr) -> bool {
        match self {
            Self::Internet => is_public(ip),
            Self::Lan => !ip.is_loopback() && !is_link_local_v6(ip),
            Self::Local => true,
        }
    }

    /// Tells whether nodes at this address may be unrelated although their addresses are alike.
    pub(super) fn is_shared(self, address: &Multiaddr) -> bool {
        match self {
            Self::Internet => false,
            Self::Lan => ip_of(address).is_some_and(|ip| !is_public(ip)),
            Self::Local => is_loopback(address),
        }
    }

    /// Tells whether an address of this machine counts as reachable before anybody has tried.
    pub(super) fn vouches_for(self, address: &Multiaddr) -> bool {
        match self {
            Self::Internet => false,
            Self::Lan => is_dialable(address, self) && self.is_shared(address),
            Self::Local => is_loopback(address),
        }
    }

    /// Returns the neighbourhood an address belongs to, for quotas.
    pub(super) fn neighbourhood(self, address: &Multiaddr) -> IpGroup {
        match ip_of(address) {
            Some(ip) if self == Self::Lan && !is_public(ip) => IpGroup::single_ip(ip),
            _ => IpGroup::near(address),
        }
    }
}

#[derive(Debug, Clone)]
pub struct NetConfig {
    /// Name of the network, 1 to 32 of `a-z 0-9 -`; it is part of every protocol name.
    pub network: String,
    pub listen: Vec<Multiaddr>,
    /// Addresses that the operator vouches for; with one of them the node serves from its start, until several other
    /// nodes have tried it in vain. The first node of a network needs one.
    pub external: Vec<Multiaddr>,
    /// Entry points, with or without `/p2p`; 32 at most are used.
    pub bootstrap: Vec<Multiaddr>,
    /// Nodes known from earlier, tried beside the entry points.
    pub known: Vec<(NodeId, Vec<Multiaddr>)>,
    pub serve: Serve,
    pub profile: Profile,
    pub limits: NetLimits,
}
