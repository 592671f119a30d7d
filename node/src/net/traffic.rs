//! What a node's bytes are for, by cause, so that whoever wonders what an idle node sends can see it.
//!
//! Bytes of streams are counted as they pass. What IP, UDP and QUIC add to them, and what a connection costs that
//! carries nothing, is estimated from counts, with the figures below: the operating system alone sees packets.

mod connection;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::Instant;

use super::item::Kind;
use super::limits::QUIC_KEEP_ALIVE;
use connection::Connection;
pub(super) use connection::counted;

/// Bytes of a stream that one packet carries: QUIC's smallest largest packet, less what it adds.
const PACKET_PAYLOAD_BYTES: u64 = 1_160;
/// Bytes of IPv4, UDP and QUIC around what a packet carries.
const PACKET_BYTES: u64 = 64;
/// Bytes of a packet that carries an acknowledgement, or asks for one.
const EMPTY_PACKET_BYTES: u64 = 60;
/// What the two ends of a new QUIC connection send, its end included: the one that dials, and the other.
const QUIC_HANDSHAKE_BYTES: (u64, u64) = (3_600, 3_000);
/// What the two ends of a new TCP connection send, with Noise and yamux.
const TCP_HANDSHAKE_BYTES: (u64, u64) = (1_000, 1_000);
/// What a dial sends that nobody answers.
const UNHEARD_BYTES: u64 = 4 * 1_228;

/// Declares the causes.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What bytes are exchanged for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// Every cause, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the name under which [`NetStatus::traffic`](super::NetStatus::traffic) has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

causes! {
    /// Connections are made and ended; estimated.
    Handshake = "handshake",
    /// Connections that carry nothing are kept; estimated.
    KeepAlive = "keep_alive",
    /// Nodes say who they are.
    Identify = "identify",
    /// Nodes find out whether others reach them.
    Reachability = "reachability",
    /// Connections over TCP are tried.
    Ping = "ping",
    /// Nodes are asked for the nodes nearest to a point.
    Lookup = "lookup",
    /// Keepers are asked to push.
    Subscribe = "subscribe",
    /// Keepers are asked what waits.
    List = "list",
    /// Envelopes are collected.
    Get = "get",
    /// Envelopes are pushed.
    Push = "push",
    /// Envelopes that were taken are deleted.
    Ack = "ack",
    /// Envelopes are deposited.
    Deposit = "deposit",
    /// Keepers are asked whether they have an envelope.
    Offer = "offer",
    /// Cards are published.
    Publish = "publish",
    /// Cards are looked up.
    Cards = "cards",
    /// Pieces of files are deposited, read and deleted.
    Chunks = "chunks",
    /// Keepers compare what they hold.
    Compare = "compare",
    /// Keepers copy from each other.
    Copy = "copy",
    /// Keepers say that they leave.
    Leave = "leave",
    /// Everything else.
    Other = "other",
}

/// Names of protocols beside the item protocol, whose frames say themselves what they are for.
const PROTOCOLS: [(&str, Cause); 4] = [
    ("/ipfs/id/", Cause::Identify),
    ("/libp2p/autonat/2/", Cause::Reachability),
    ("/ipfs/ping/", Cause::Ping),
    ("/restante/", Cause::Other),
];

impl Cause {
    /// Returns what a frame is for that asks for something, or pushes; fields are those of the schema (SPEC, Appendix
    /// A).
    pub(super) fn of_frame(kind: Kind, payload: &[u8]) -> Self {
        let field = payload.first().map_or(0, |tag| tag >> 3);
        match (kind, field) {
            (Kind::Question, _) => Self::Lookup,
            (Kind::Push, _) => Self::Push,
            (Kind::Request, 1) => Self::Deposit,
            (Kind::Request, 2) => Self::Publish,
            (Kind::Request, 3 | 10 | 11) => Self::Chunks,
            (Kind::Request, 4) => Self::Offer,
            (Kind::Request, 5) => Self::List,
            (Kind::Request, 6) => Self::Get,
            (Kind::Request, 7) => Self::Ack,
            (Kind::Request, 8) => Self::Subscribe,
            (Kind::Request, 9) => Self::Cards,
            (Kind::Repair, 1) => Self::Compare,
            (Kind::Repair, 2) => Self::Copy,
            (Kind::Repair, 3) => Self::Leave,
            (Kind::Request | Kind::Repair | Kind::Response, _) => Self::Other,
        }
    }
}

/// Bytes on the wire, as far as they can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bytes {
    pub sent: u64,
    pub received: u64,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    In,
}

#[derive(Debug, Default)]
struct Counter {
    sent: AtomicU64,
    received: AtomicU64,
}

/// The counters of one node.
#[derive(Debug)]
pub(super) struct Traffic {
    began: Instant,
    counters: Vec<Counter>,
    /// Connections that are there, by their numbers.
    connections: Mutex<BTreeMap<u64, Weak<Connection>>>,
    made: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            counters: Cause::ALL.iter().map(|_| Counter::default()).collect(),
            connections: Mutex::default(),
            made: AtomicU64::new(0),
        }
    }
}

impl Traffic {
    /// Counts bytes of a stream, with the packets that carry them and what acknowledges these.
    pub(super) fn carried(&self, cause: Cause, way: Way, bytes: usize) {
        let bytes = bytes as u64;
        let packets = bytes.div_ceil(PACKET_PAYLOAD_BYTES).max(1);
        let there = bytes + packets * PACKET_BYTES;
        // An answer acknowledges what it answers, so that every other packet needs one of its own.
        let back = packets * EMPTY_PACKET_BYTES / 2;
        match way {
            Way::Out => self.add(cause, there, back),
            Way::In => self.add(cause, back, there),
        }
    }

    /// Takes note of a connection and what making it costs.
    fn connected(self: &Arc<Self>, is_dialer: bool, is_quic: bool) -> Arc<Connection> {
        let (dialer, listener) = if is_quic {
            QUIC_HANDSHAKE_BYTES
        } else {
            TCP_HANDSHAKE_BYTES
        };
        let (sent, received) = if is_dialer {
            (dialer, listener)
        } else {
            (listener, dialer)
        };
        self.add(Cause::Handshake, sent, received);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(
            Arc::clone(self),
            number,
            is_quic,
            self.now_ms(),
        ));
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.insert(number, Arc::downgrade(&connection));
        drop(connections);
        connection
    }

    fn forget(&self, number: u64) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.remove(&number);
    }

    /// Counts a dial that nobody answered.
    pub(super) fn unheard(&self) {
        self.add(Cause::Handshake, UNHEARD_BYTES, 0);
    }

    /// Counts the keep-alives of a connection that was silent from one moment to another, in milliseconds.
    fn silent(&self, from_ms: u64, to_ms: u64) {
        let interval_ms = u64::try_from(QUIC_KEEP_ALIVE.as_millis()).unwrap_or(u64::MAX);
        let bytes = to_ms.saturating_sub(from_ms) / interval_ms * EMPTY_PACKET_BYTES;
        if bytes > 0 {
            self.add(Cause::KeepAlive, bytes, bytes);
        }
    }

    fn add(&self, cause: Cause, sent: u64, received: u64) {
        if let Some(counter) = self.counters.get(cause as usize) {
            counter.sent.fetch_add(sent, Ordering::Relaxed);
            counter.received.fetch_add(received, Ordering::Relaxed);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns what was counted, causes that never came up left out.
    pub(super) fn read(&self) -> BTreeMap<&'static str, Bytes> {
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let live: Vec<Arc<Connection>> = connections.values().filter_map(Weak::upgrade).collect();
        // The last one of a connection may be dropped here, which takes the lock.
        drop(connections);
        for connection in live {
            connection.settle();
        }
        let read = |counter: &Counter| Bytes {
            sent: counter.sent.load(Ordering::Relaxed),
            received: counter.received.load(Ordering::Relaxed),
        };
        let all = Cause::ALL.iter().map(|cause| cause.name());
        let counted = all.zip(self.counters.iter().map(read));
        counted
            .filter(|(_, bytes)| *bytes != Bytes::default())
            .collect()
    }
}
