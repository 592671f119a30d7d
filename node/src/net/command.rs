//! What a handle asks of the network, whatever that is.

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};
use restante_proto::{Address, NodeId};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::error::{NetError, RequestError};
use super::item::{Kind, Via};
use super::status::NetStatus;

/// Where an answer goes; that nobody waits for it any more does not matter.
pub type Reply<T> = oneshot::Sender<T>;

/// One thing that [`NetHandle`](super::NetHandle) asks for; its methods say what each means.
#[derive(Debug)]
pub enum Command {
    /// Look up the serving nodes closest to an address.
    Closest {
        address: Address,
        count: usize,
        /// Hears of whom the lookup takes for the nearest while it goes on.
        near: Option<watch::Sender<Vec<NodeId>>>,
        reply: Reply<Result<Vec<NodeId>, NetError>>,
    },
    /// Name the known nodes closest to an address.
    ClosestKnown {
        address: Address,
        count: usize,
        reply: Reply<Vec<NodeId>>,
    },
    /// Name the known nodes closest to this one.
    Neighbours {
        count: usize,
        reply: Reply<Vec<NodeId>>,
    },
    /// Ask a node something.
    Request { to: PeerId, call: Call },
    /// Answer a request.
    Respond { via: Via, id: u64, payload: Bytes },
    /// Send something unasked.
    Push { via: Via, payload: Bytes },
    /// Keep a connection for its substream, or no longer.
    Keep { via: Via, kept: bool },
    /// Keep connections with a node.
    Hold(PeerId),
    /// Take back one [`Command::Hold`].
    Release(PeerId),
    /// Remember addresses of a node.
    Learn {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    },
    /// Dial an address.
    Dial {
        address: Multiaddr,
        reply: Reply<Result<(), NetError>>,
    },
    /// Name nodes for the next start.
    KnownPeers(Reply<Vec<(NodeId, Vec<Multiaddr>)>>),
    /// Tell how the network layer is doing.
    Status(Reply<NetStatus>),
    /// End, and answer then.
    Shutdown(Reply<()>),
}

/// A request on its way, with the place its answer goes to.
#[derive(Debug)]
pub struct Call {
    /// [`Kind::Request`], [`Kind::Question`] or [`Kind::Repair`].
    pub kind: Kind,
    pub payload: Bytes,
    /// When the caller gives up.
    pub deadline: Instant,
    pub reply: Reply<Result<Bytes, RequestError>>,
}

impl Call {
    /// Tells the caller; whether it still listens does not matter.
    pub fn finish(self, result: Result<Bytes, RequestError>) {
        let _gone = self.reply.send(result);
    }
}
