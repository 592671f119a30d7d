//! What can go wrong, sorted by who is told.

use super::limits;

/// Why a request to another node got no answer.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The node could not be dialled, or no address of it is known.
    #[error("the node cannot be reached")]
    NotReachable,
    /// The deadline passed first.
    #[error("no answer before the deadline")]
    TimedOut,
    /// The connection or the substream ended before the answer; the request may have been carried
    /// out.
    #[error("the connection ended before the answer")]
    Disconnected,
    /// Too many requests to this node are under way.
    #[error(
        "{} requests to this node are waiting already",
        limits::REQUESTS_WAITING_MAX
    )]
    QueueFull,
    /// No connection to the node could be made, because this node has as many as it may have.
    #[error("there is no room for another connection")]
    NoRoom,
    /// The node does not offer the item protocol.
    #[error("the node does not serve items")]
    Unsupported,
    /// The payload does not fit a frame.
    #[error("payload is {0} bytes, limit is {max}", max = limits::PAYLOAD_BYTES_MAX)]
    TooLong(usize),
    /// The network task has ended.
    #[error("the network is shut down")]
    Closed,
}

/// Why the network layer did not do what a handle asked for.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetFault {
    /// The network task has ended.
    #[error("the network is shut down")]
    Closed,
    /// Too many lookups wait, or connections that one needed were not to be had.
    #[error("there are too many lookups or connections already")]
    Busy,
    /// A lookup found nobody in time.
    #[error("nobody who was asked answered in time")]
    TimedOut,
    /// The payload does not fit a frame.
    #[error("payload is {0} bytes, limit is {max}", max = limits::PAYLOAD_BYTES_MAX)]
    TooLong(usize),
    /// The address was refused: the dial limit is reached, or it is this node's own.
    #[error("the address cannot be dialled now")]
    Undialable,
}

/// Why the network layer did not start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SpawnFault {
    /// The network's name is empty, too long or has other characters than `a-z 0-9 -`.
    #[error("network name `{0}` is not 1 to 32 of a-z, 0-9 and -")]
    NetworkName(String),
    /// The node's key is not an Ed25519 key.
    #[error("the node key is not an Ed25519 key")]
    KeyKind,
    /// An external address is not a public IP address with a port and TCP or QUIC.
    #[error(
        "external address {0} is not a public /ip4 or /ip6 address with /tcp or /udp/../quic-v1"
    )]
    External(libp2p::Multiaddr),
    /// A listen address is unusable or taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as configured.
        address: libp2p::Multiaddr,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operating system's name resolution is not usable.
    #[error("cannot read the resolver configuration")]
    Resolver(#[source] std::io::Error),
    /// The Noise handshake refuses the node's key.
    #[error("the node key cannot be used for Noise")]
    Noise(#[source] libp2p::noise::Error),
}
