//! A simulated internet: libp2p connections with latency, loss, bandwidth, NATs and partitions, in
//! virtual time.
//!
//! An [`Internet`] has hosts; a host runs one process at a time, whose libp2p swarm gets its
//! transport from [`Internet::transport`]. The transport looks like libp2p's QUIC (addresses
//! `/ip4/../udp/../quic-v1`), authenticates by definition, and knows no cryptography. What is sent
//! waits in one queue of events, in the order of time; the task [`Internet::drive`] lets them
//! happen on tokio's clock, which a simulator pauses. All chance comes from the seed, so that a run
//! in one thread repeats.
//!
//! # What things cost in time
//!
//! - A dial takes one round trip for the dialer and half of one more for the listener, and fails
//!   after 5 s. Whoever is not there, or not to be reached, is silent.
//! - A stream opens at once; the other end learns of it with the first bytes. Each piece of at most
//!   16 KiB waits for the sender's line, then takes latency and jitter, then waits for the
//!   receiver's line. A lost packet costs one and a half round trips, at least 50 ms, and twice
//!   that each time again. Streams do not wait for each other.
//! - The bytes of a stream and of a connection that are unread or under way are limited, and a
//!   congestion window, which starts at 12 kB, limits what is under way. A piece that waits more
//!   than 100 ms before a line slows its sender down like a lost one, so that queues stay short.
//! - Keep-alives, one for each 25 s of silence, and acknowledgements cost no events; their bytes are
//!   counted. A connection ends 30 s after the first thing that its ends sent when they could not
//!   reach each other any more, which is a keep-alive at the latest. A crashed process never comes
//!   back for its connections, even if the host does at once.
//! - Dropping behaves as with libp2p-quic: a stream is finished, not reset, in the direction it was
//!   written, and its writer is told to stop in the other; a connection is closed when the last
//!   object of one end goes.
//!
//! Time is kept in microseconds, and events happen at the millisecond that is nearest, since
//! tokio's timers are no finer; no way is shorter than 1 ms.
//!
//! # What there is not
//!
//! IPv6, names, TCP, hole punching as listener, migration to another address, several hosts behind
//! one router, routers that forget mappings, ICMP, stateless resets.

mod connection;
mod cut;
mod error;
mod event;
mod flow;
mod handshake;
mod host;
mod internet;
mod message;
mod muxer;
mod options;
mod path;
mod random;
mod router;
mod slab;
mod state;
mod stats;
mod stream;
mod transport;
mod upkeep;

pub use internet::Internet;
pub use options::{CutId, HostError, HostId, HostOptions, Link, Nat, Options, Quic, Weather};
pub use stats::{CutEffect, Stats, Traffic, WeatherEffect};

#[cfg(test)]
mod tests;
