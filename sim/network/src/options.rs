//! What the internet and its hosts are like.

use std::net::Ipv4Addr;
use std::time::Duration;

/// What is the same for the whole internet.
#[derive(Debug, Clone)]
pub struct Options {
    /// One-way latency from each region to each region, in milliseconds; as many rows as columns.
    pub latency_ms: Vec<Vec<u32>>,
    /// How much longer a packet may take, as a share of the latency from region to region, in millionths.
    pub jitter_ppm: u32,
    /// Share of packets that are lost everywhere, in millionths.
    pub loss_ppm: u32,
    /// What a connection grants and how long it waits.
    pub quic: Quic,
}

impl Default for Options {
    /// One region, 20 ms from host to host, without jitter or loss.
    fn default() -> Self {
        Self {
            latency_ms: vec![vec![20]],
            jitter_ppm: 0,
            loss_ppm: 0,
            quic: Quic::default(),
        }
    }
}

/// Limits and times of every connection, as QUIC has them.
#[derive(Debug, Clone, Copy)]
pub struct Quic {
    /// Bytes of one stream that may be on their way or unread.
    pub stream_bytes_max: u32,
    /// Bytes of one connection that may be on their way or unread.
    pub connection_bytes_max: u32,
    /// Streams that one end may have open.
    pub streams_max: u32,
    pub handshake_timeout: Duration,
    /// Silence after which an end asks whether the other is there.
    pub keep_alive: Duration,
    /// Silence after something was sent, after which an end gives the connection up.
    pub idle_timeout: Duration,
}

impl Default for Quic {
    /// A personal node's limits.
    fn default() -> Self {
        Self {
            stream_bytes_max: 512 << 10,
            connection_bytes_max: 2 << 20,
            streams_max: 32,
            handshake_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A machine with one process and one public address of its own or of its router.
#[derive(Debug, Clone, Copy)]
pub struct HostOptions {
    /// The address that others see and dial.
    pub address: Ipv4Addr,
    /// Row and column of [`Options::latency_ms`].
    pub region: usize,
    /// The line to the internet.
    pub link: Link,
    /// What stands between the host and the internet.
    pub nat: Nat,
    /// Whether others have the address too, who say so as well. They are told apart by their ports.
    pub shared: bool,
}

/// A host's line to the internet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// Milliseconds that the line adds to the latency of every packet, in each direction.
    pub latency_ms: u32,
    /// Bytes that leave per second; 0 is without limit.
    pub up_bytes_per_s: u64,
    /// Bytes that come in per second; 0 is without limit.
    pub down_bytes_per_s: u64,
    /// Share of packets that the line loses, in millionths.
    pub loss_ppm: u32,
}

/// Who can reach a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Nat {
    /// Everybody.
    #[default]
    Public,
    /// Whom the host sent something in the last two minutes, from the address and port it was
    /// sent to. Each of the host's ports is seen as one public port.
    Cone,
    /// As [`Nat::Cone`], but each destination sees another public port.
    Symmetric,
}

/// What makes the internet worse for a while, everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Share of packets that are lost in addition, in millionths.
    pub loss_ppm: u32,
    /// Share of packets that arrive twice, in millionths; the second is thrown away.
    pub duplicate_ppm: u32,
    /// Milliseconds that every packet takes longer.
    pub latency_ms: u32,
}

/// A host of an [`Internet`](crate::Internet); numbers are given out in order, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// Returns the number of the host.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A cut through an [`Internet`](crate::Internet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutId(pub(crate) u32);

/// Why a host cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Another host has the address, and not both share it.
    #[error("address {0} is another host's")]
    AddressTaken(Ipv4Addr),
    /// No host can have the address.
    #[error("address {0} is not for one host")]
    AddressUnusable(Ipv4Addr),
    /// There is no such region.
    #[error("region {region} is not among the {regions} of the latency matrix")]
    Region { region: usize, regions: usize },
}
