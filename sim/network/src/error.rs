//! Errors of the simulated internet.

use std::io;
use std::net::Ipv4Addr;

/// Why a dial, a listener or a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("the handshake timed out")]
    HandshakeTimedOut,
    #[error("closed")]
    ClosedHere,
    #[error("closed by the peer")]
    ClosedByPeer,
    #[error("timed out")]
    IdledOut,
    #[error("port {0} is in use")]
    AddressInUse(u16),
    #[error("{0} is not an address of this host")]
    AddressNotAvailable(Ipv4Addr),
    #[error("the process has gone")]
    ProcessGone,
    #[error("hole punching is not simulated")]
    HolePunching,
}

impl NetworkError {
    /// The error of a stream of the connection, in the form of quinn's.
    pub(crate) fn on_stream(self) -> io::Error {
        io::Error::new(io::ErrorKind::NotConnected, self)
    }
}
