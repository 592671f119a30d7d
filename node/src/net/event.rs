//! What the network layer tells the node, and the tokens with which the node answers.

use bytes::Bytes;
use libp2p::Multiaddr;
use restante_proto::NodeId;

use super::address::IpGroup;
use super::item::Via;
use super::status::Mode;

/// One inbound substream: where pushes to a subscriber go, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnToken(pub Via);

/// One inbound request that waits for its answer; each must be answered, once.
///
/// A dropped token leaves its request open until the peer closes the substream, and takes one of
/// its [`REQUESTS_IN_FLIGHT_MAX`](super::limits::REQUESTS_IN_FLIGHT_MAX) places.
#[derive(Debug)]
#[must_use = "every request must be answered"]
pub struct InboundToken {
    /// The substream it came on.
    pub via: Via,
    /// Its number on that substream.
    pub id: u64,
}

/// Something that happened on the network.
///
/// Requests and pushes are dropped when their consumer does not keep up, which closes the substream
/// they came on; the other events wait for it.
#[derive(Debug)]
pub enum NetEvent {
    Request {
        from: NodeId,
        /// The substream it came on, for pushes and [`keep`](super::NetHandle::keep).
        via: ConnToken,
        /// The neighbourhood it comes from, for quotas.
        source: IpGroup,
        token: InboundToken,
        payload: Bytes,
    },
    /// Another keeper compares what it keeps with what is kept here.
    Repair {
        from: NodeId,
        token: InboundToken,
        payload: Bytes,
    },
    /// A node sends something unasked, on the substream that this node opened.
    Push {
        from: NodeId,
        payload: Bytes,
    },
    /// The first connection with a node is established.
    Connected(NodeId),
    /// The last connection with a node is closed.
    Disconnected(NodeId),
    /// An inbound substream is over, and with it what was subscribed on it.
    ViaClosed(ConnToken),
    /// The substream to a node is over: what this node subscribed to there must be asked for again.
    OutboundClosed(NodeId),
    Mode(Mode),
    Listening(Multiaddr),
    /// The routing table changed; several changes may make one event.
    RoutingChanged,
}
