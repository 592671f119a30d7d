//! What the network layer counts and tells about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::Multiaddr;
use restante_proto::NodeId;

use super::config::{Profile, Serve};
use super::traffic::Bytes as TrafficBytes;

/// Whether this node serves others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The node asks others and is in no routing table.
    Client,
    /// The node is reachable, routes lookups and offers the item protocol.
    Server,
}

/// How the last dial of an entry point ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// It was not dialled yet.
    NotTried,
    /// It was reached.
    Reached,
    /// It was not.
    Failed(EntryFailure),
}

/// Why an entry point could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFailure {
    /// Its name has no address.
    NameUnresolved,
    /// Another node than the one that is named answers there.
    OtherIdentity,
    /// Nothing listens there.
    Refused,
    /// Nobody answers.
    NoAnswer,
    /// There is no way to its network.
    Unreachable,
    /// What answers there is no node.
    NoHandshake,
    /// There is no transport for such an address.
    Unsupported,
    /// A node of another network answers there.
    OtherNetwork,
}

/// What others have found of an address that this node claims to be reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// Nobody has tried it yet.
    Untested,
    /// Somebody has reached it.
    Confirmed,
    /// Nobody reaches it.
    Refuted,
}

/// An address that this node claims to be reached at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub address: Multiaddr,
    /// Whether the configuration names it; otherwise the profile takes it for reachable.
    pub is_set: bool,
    pub state: AddressState,
}

/// A picture of the network layer at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetStatus {
    pub node: NodeId,
    pub mode: Mode,
    /// Nodes with at least one connection.
    pub connected: Vec<NodeId>,
    pub connection_count: usize,
    /// Bytes of answers and pushes that wait to be written.
    pub queued_bytes: usize,
    /// How many of them there may be.
    pub queued_bytes_max: usize,
    pub table_count: usize,
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach it.
    pub external: Vec<Multiaddr>,
    /// Addresses that it claims to be reached at, with what others have found.
    pub claims: Vec<Claim>,
    /// From which IP addresses others have seen it come.
    pub seen_from: Vec<IpAddr>,
    /// Whether it is willing to serve.
    pub serve: Serve,
    pub profile: Profile,
    /// The configured entry points.
    pub entry_points: Vec<(Multiaddr, EntryState)>,
    /// In which time entry points are dialled again, as far as that is planned.
    pub join_in: Option<Duration>,
    /// Refusals and errors since the start, by reason; see [`Count`].
    pub counters: BTreeMap<&'static str, u64>,
    /// Bytes on the wire since the start, by cause, causes that never came up left out; see [`Cause`](super::Cause).
    pub traffic: BTreeMap<&'static str, TrafficBytes>,
}

/// Declares the reasons that are counted.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A reason to refuse or give up something; one increment is one refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Count {
            $($(#[$doc])* $name,)*
        }

        impl Count {
            /// Every reason, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the name under which [`NetStatus::counters`] has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

counts! {
    /// An incoming connection above the pending limit.
    PendingIn = "connection_pending_in",
    /// An outgoing connection above the pending limit.
    PendingOut = "connection_pending_out",
    /// A connection above the limit for incoming ones.
    EstablishedIn = "connection_established_in",
    /// A connection above the limit for outgoing ones.
    EstablishedOut = "connection_established_out",
    /// A connection above the limit for both directions.
    Established = "connection_established",
    /// A connection above the limit for one peer.
    PerPeer = "connection_per_peer",
    /// A connection above the limit for one IP address.
    PerIp = "connection_per_ip",
    /// A connection above the limit for one /24 or /48.
    PerGroup = "connection_per_group",
    /// A connection from an address whose peer has just broken the protocol.
    Shunned = "connection_shunned",
    /// A connection above the limit for TCP.
    Tcp = "connection_tcp",
    /// A peer whose key is not Ed25519.
    KeyKind = "peer_key_kind",
    /// A peer of another network or protocol version.
    OtherNetwork = "peer_other_network",
    /// A dial to an address that a stranger named and that is not public.
    NotPublic = "dial_not_public",
    /// A connection that answered no ping.
    PingLost = "connection_ping_lost",
    /// A peer that gave up its place in a full bucket of the routing table to one of a rarer IP group.
    TableGroup = "table_group",
    /// A peer that the routing table did not take for want of a usable address.
    TableAddress = "table_address",
    /// A peer removed from the routing table because it could not be dialled.
    TableUnreachable = "table_unreachable",
    /// A question for nodes that does not decode.
    BadQuestion = "lookup_bad_question",
    /// An answer to a question for nodes that does not decode.
    BadAnswer = "lookup_bad_answer",
    /// A frame whose length field is below 9.
    FrameShort = "frame_too_short",
    /// A frame whose length field is above the limit.
    FrameLong = "frame_too_long",
    /// A frame of a kind that does not exist.
    FrameKind = "frame_unknown_kind",
    /// A request with id 0, or a push with another.
    FrameId = "frame_bad_id",
    /// A response that answers nothing.
    UnknownResponse = "response_unknown_id",
    /// A request whose id is in flight already.
    DuplicateRequest = "request_duplicate_id",
    /// A frame kind that this end of the substream may not send.
    WrongDirection = "frame_wrong_direction",
    /// A frame that was not complete in time.
    SlowFrame = "frame_too_slow",
    /// A connection on which next to nothing came at a time.
    ShortReads = "frame_in_short_reads",
    /// A reader that did not take what waited for it in time.
    SlowReader = "reader_too_slow",
    /// A push that did not fit the queue of its substream.
    PushOverflow = "push_overflow",
    /// An answer or push that did not fit the node's budget for waiting bytes.
    BudgetFull = "queued_bytes_full",
    /// A peer that let too many requests expire.
    Unresponsive = "peer_unresponsive",
    /// An inbound request dropped because the node could not keep up.
    RequestDropped = "request_dropped",
    /// An inbound push dropped because the node could not keep up.
    PushDropped = "push_dropped",
    /// An event about a connection dropped because its consumer does not read.
    EventDropped = "event_dropped",
}

impl Count {
    /// Returns whether only a broken or hostile peer causes this, so that the connection is closed.
    pub(super) const fn is_protocol_violation(self) -> bool {
        matches!(
            self,
            Self::FrameShort
                | Self::FrameLong
                | Self::FrameKind
                | Self::FrameId
                | Self::UnknownResponse
                | Self::DuplicateRequest
                | Self::WrongDirection
                | Self::SlowFrame
                | Self::ShortReads
        )
    }
}

/// The counters, shared by the network task and the connections.
#[derive(Debug)]
pub(super) struct Counters(Vec<AtomicU64>);

impl Counters {
    pub(super) fn new() -> Self {
        Self(Count::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn add(&self, count: Count) {
        if let Some(value) = self.0.get(count as usize) {
            value.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns every counter, zeros included.
    pub(super) fn read(&self) -> BTreeMap<&'static str, u64> {
        let values = self.0.iter().map(|value| value.load(Ordering::Relaxed));
        Count::ALL
            .iter()
            .map(|count| count.name())
            .zip(values)
            .collect()
    }
}
