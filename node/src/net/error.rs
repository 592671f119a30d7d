//! What can go wrong, sorted by who is told.

use std::error::Error;
use std::io;

use either::Either;
use libp2p::quic;

use super::limits;

/// Goes from an error to its causes, also through those that hide one: an `io::Error`, for one, passes over what
/// it was made of.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    if let Some(either) = error.downcast_ref::<Either<io::Error, io::Error>>() {
        return Some(either.as_ref().into_inner() as &(dyn Error + 'static));
    }
    if let Some(quic::Error::Io(error)) = error.downcast_ref::<quic::Error>() {
        return Some(error);
    }
    error.source()
}

/// Why a request to another node got no answer.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the node cannot be reached")]
    NotReachable,
    #[error("no answer before the deadline")]
    TimedOut,
    /// The connection or the substream ended before the answer; the request may have been carried
    /// out.
    #[error("the connection ended before the answer")]
    Disconnected,
    #[error(
        "{} requests to this node are waiting already",
        limits::REQUESTS_WAITING_MAX
    )]
    QueueFull,
    #[error("there is no room for another connection")]
    NoRoom,
    #[error("the node does not serve items")]
    Unsupported,
    #[error("payload is {0} bytes, limit is {max}", max = limits::PAYLOAD_BYTES_MAX)]
    TooLong(usize),
    #[error("the network is shut down")]
    Closed,
}

/// Why the network layer did not do what a handle asked for.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    #[error("the network is shut down")]
    Closed,
    #[error("there are too many lookups or connections already")]
    Busy,
    #[error("no node that was asked answered in time")]
    TimedOut,
    #[error("payload is {0} bytes, limit is {max}", max = limits::PAYLOAD_BYTES_MAX)]
    TooLong(usize),
    #[error("the address cannot be dialled now")]
    Undialable,
}

/// Why the network layer did not start.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("network name `{0}` is not 1 to 32 of a-z, 0-9 and -")]
    NetworkName(String),
    #[error("the node key is not an Ed25519 key")]
    KeyKind,
    #[error(
        "external address {0} is not a public /ip4 or /ip6 address with /tcp or /udp/../quic-v1"
    )]
    External(libp2p::Multiaddr),
    #[error("cannot listen on {address}")]
    Listen {
        address: libp2p::Multiaddr,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("cannot read the resolver configuration")]
    Resolver(#[source] io::Error),
    #[error("the node key cannot be used for Noise")]
    Noise(#[source] libp2p::noise::Error),
}
