//! Every limit of the network layer, in one place.
//!
//! libp2p sets hardly any limit by itself. What may differ between a node at home and a community
//! server is in [`NetLimits`]; what is the same for both, or part of the protocol, is a constant.

use std::time::Duration;

use restante_proto::placement::CANDIDATES;
use restante_proto::routing::QUESTION_MS;

/// The limits that depend on how large a node is; two profiles exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetLimits {
    /// Connections and who may have how many of them.
    pub connections: ConnectionLimits,
    /// What one connection may use.
    pub transport: TransportLimits,
    /// Bytes of answers and pushes that wait to be written, summed over all connections; a stream
    /// whose next frame does not fit is cut off, so that readers who do not read cannot fill the
    /// memory.
    pub queued_bytes_max: usize,
    /// How long a connection without work stays open.
    pub idle_timeout: Duration,
}

/// How many connections there may be; one more is refused and counted.
///
/// From three quarters of those of one direction on, the one that has been idle for longest is closed for each new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Incoming connections whose handshake is not finished: more than any few groups of addresses may have, so that
    /// silent ones from there keep no other address out.
    pub pending_in_max: usize,
    /// Outgoing connections whose handshake is not finished.
    pub pending_out_max: usize,
    /// Established incoming connections; fewer than the total, so that strangers cannot take every
    /// place.
    pub established_in_max: usize,
    pub established_out_max: usize,
    /// Established connections in both directions.
    pub established_max: usize,
    /// Connections with one peer: four, because both ends may dial at the same moment, and each of them dial back to
    /// find out whether the other can be reached.
    pub per_peer_max: usize,
    /// Connections, those in their handshake included, below which it does not matter how many of them one address or
    /// group of addresses has: the few nodes of a small network may all be behind one.
    pub few_max: usize,
    /// Connections with one IP address, those in their handshake included, when there are more than few.
    pub per_ip_max: usize,
    /// Connections with one /24 (IPv4) or /48 (IPv6), those in their handshake included, when there are more than few.
    pub per_group_max: usize,
    /// Connections over TCP: few, because a yamux stream may be owed 256 KiB each and QUIC may not.
    pub tcp_max: usize,
}

/// What the transports grant to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportLimits {
    /// Yamux streams of one connection.
    pub yamux_streams_max: usize,
    /// QUIC streams that a peer may have open: one for items, and those of identify and of reachability now and then.
    /// Memory for as many is taken with each connection.
    pub quic_streams_max: u32,
    /// Bytes that may be in flight on one QUIC stream: more than the largest frame, so that one can be read whole.
    pub quic_stream_bytes_max: u32,
    /// Bytes that may be in flight on one QUIC connection: little more than one stream's, since all that is long
    /// comes on one, and what strangers send and no task reads waits in memory.
    pub quic_connection_bytes_max: u32,
    /// Incoming streams of one connection whose protocol is not yet agreed on.
    pub negotiating_max: usize,
}

impl NetLimits {
    /// Returns the limits of a personal node.
    pub const fn personal() -> Self {
        Self {
            connections: ConnectionLimits {
                pending_in_max: 144,
                pending_out_max: 16,
                established_in_max: 144,
                established_out_max: 64,
                established_max: 208,
                per_peer_max: 4,
                few_max: 48,
                per_ip_max: 4,
                per_group_max: 8,
                tcp_max: 32,
            },
            transport: TransportLimits {
                yamux_streams_max: 32,
                quic_streams_max: 16,
                quic_stream_bytes_max: 256 << 10,
                quic_connection_bytes_max: 512 << 10,
                negotiating_max: 16,
            },
            queued_bytes_max: 64 << 20,
            idle_timeout: Duration::from_secs(30),
        }
    }

    /// Returns the limits of a community server.
    pub const fn community() -> Self {
        Self {
            connections: ConnectionLimits {
                pending_in_max: 256,
                pending_out_max: 64,
                established_in_max: 4096,
                established_out_max: 256,
                established_max: 4352,
                per_peer_max: 4,
                few_max: 64,
                per_ip_max: 8,
                per_group_max: 32,
                tcp_max: 256,
            },
            transport: TransportLimits {
                yamux_streams_max: 64,
                quic_streams_max: 16,
                quic_stream_bytes_max: 128 << 10,
                quic_connection_bytes_max: 160 << 10,
                negotiating_max: 32,
            },
            queued_bytes_max: 512 << 20,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Bytes of a frame after its length field: the largest envelope or chunk (64 KiB) and its proofs.
pub const FRAME_BYTES_MAX: usize = 72 << 10;
/// Bytes of a frame's kind and request id, which the length field counts.
pub const FRAME_HEAD_BYTES: usize = 1 + 8;
/// Bytes of a frame's length field.
pub const FRAME_LENGTH_BYTES: usize = 4;
/// Bytes of payload that fit a frame.
pub const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - FRAME_HEAD_BYTES;
/// Time from a frame's first byte to its last: a slower sender holds a buffer for nothing.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which a reader must take at least one byte of what waits for it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes read from a stream at a time; a buffer grows by what arrived, never by what was announced.
pub const READ_BYTES: usize = 8 << 10;
/// Bytes that a read from a peer's own stream has to bring on average: fewer than any request has. Who sends less at
/// a time costs much and asks nothing, and loses the connection.
pub const SHORT_READ_BYTES: u64 = 32;
/// Reads without a byte that a connection may cause beyond that, at once.
pub const SHORT_READS_MAX: u64 = 256;
/// How many of them are forgiven in a second.
pub const SHORT_READS_PER_SECOND: u64 = 50;
/// Streams that a peer may open on one connection at once; those beyond wait, and so do those that it would open then.
pub const STREAMS_AT_ONCE: u64 = 32;
/// Streams more that it may open in each second.
pub const STREAMS_PER_SECOND: u64 = 4;
/// How long no connection is taken from an address after one from there had to be closed because its peer broke the
/// protocol.
pub const SHUNNED_FOR: Duration = Duration::from_secs(10);
/// Addresses that are shunned, at most.
pub const SHUNNED_MAX: usize = 4_096;
/// Bytes of small frames that are joined into one write.
pub const WRITE_JOIN_BYTES: usize = 16 << 10;

/// Requests of one substream that have no answer yet, or one that waits to be written; at this
/// count the acceptor stops reading.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 64;
/// Requests that wait at the opener behind those in flight; one more fails.
pub const REQUESTS_WAITING_MAX: usize = 64;
/// Requests of one substream whose deadline passed without an answer; a peer that reaches this is
/// not answering at all and is given up.
pub const REQUESTS_EXPIRED_MAX: usize = 256;
/// Places among the outgoing connections in their handshake that requests and lookups leave to others.
pub const DIALS_RESERVED: usize = 4;
/// Peers that requests may wait for while they are dialled.
pub const DIALLED_PEERS_MAX: usize = 256;
/// How long a substream on which nothing was asked stays open at its opener, who does not hold the connection: the
/// other end leaves it to the opener to close the connection, and both would wait for each other.
pub const OUTBOUND_UNUSED_MAX: Duration = Duration::from_secs(15);
/// Pushes that may wait on one substream, beside the answers.
pub const PUSHES_WAITING_MAX: usize = 64;
/// Bytes that may wait on one substream when a push is added.
pub const PUSH_BYTES_MAX: usize = 1 << 20;

/// Commands from the handles that wait for the network task; the next caller waits for a place.
pub const COMMANDS_MAX: usize = 256;
/// Events that wait for their consumer.
pub const EVENTS_MAX: usize = 512;
/// Places among [`EVENTS_MAX`] that requests and pushes may not take.
pub const EVENTS_RESERVED: usize = 64;
/// Events about connections that wait while the queue to the consumer is full.
pub const EVENTS_KEPT_MAX: usize = 4096;
/// What the item behaviour may hold for the swarm before the task stops taking commands.
pub const ITEM_EVENTS_MAX: usize = 256;
/// Lookups with a caller that have not begun; one more is refused.
pub const LOOKUPS_MAX: usize = 64;

/// Length of a network's name.
pub const NETWORK_NAME_BYTES_MAX: usize = 32;
/// Addresses kept of one peer.
pub const ADDRESSES_PER_PEER_MAX: usize = 8;
/// Addresses believed of what one answer says of a node: one for each transport. What several say is joined.
pub const ADDRESSES_HEARD_MAX: usize = 2;
/// Nodes that a lookup has heard of and not asked, of which it remembers where they are.
pub const HEARD_NODES_MAX: usize = 512;
/// Peers in the address book, which holds what lookups found and the routing table did not take.
pub const BOOK_PEERS_MAX: usize = 1024;
/// Addresses the user or the configuration named, which may be dialled although not public.
pub const TRUSTED_ADDRESSES_MAX: usize = 256;
/// Addresses of our own that others say they saw and that are tested in the life of a process; hostile peers invent
/// them.
pub const CANDIDATES_MAX: usize = 32;
/// How often it is looked which addresses of our own are to be tested.
pub const CANDIDATE_INTERVAL: Duration = Duration::from_secs(10);
/// Time for one test of an address: for the dial, and for 100 kB that the other end may want first.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time after which a tester that took a test and says nothing more has failed to reach the address: it gives up when
/// its dial does.
pub const TEST_SILENCE_MIN: Duration = Duration::from_secs(5);
/// Tests in a row that fail before a claimed address counts as false.
pub const TEST_FAILURES: usize = 3;
/// Nodes that must have failed, where there are as many: one alone may lie, or have no way there.
pub const TESTERS_WANTED: usize = 2;
/// Time until a claimed address that others do not reach is tested again.
pub const TEST_AGAIN: Duration = Duration::from_secs(600);
/// Time until a claimed address that others reach is tested again.
pub const TEST_AGAIN_REACHED: Duration = Duration::from_secs(6 * 3_600);
/// Pause after a test that came to nothing.
pub const TEST_PAUSE: Duration = Duration::from_secs(30);
/// Pause after a dial that was made only to have somebody to ask; each further one is twice as long.
pub const TESTER_PAUSE: Duration = Duration::from_secs(20);
/// Longest of these pauses.
pub const TESTER_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Entries of a full bucket that the nodes of one /16 (IPv4) or /32 (IPv6) keep when nodes of rarer ones come; while
/// there is room in the bucket they may be any number.
pub const BUCKET_GROUP_KEPT: usize = 2;
/// Entries of the whole table beyond which they give way in each full bucket.
pub const TABLE_GROUP_KEPT: usize = 3;
/// Nodes a lookup for a caller wants, at least: as many as may hold an item.
pub const LOOKUP_NODES_MIN: usize = CANDIDATES;
/// Lookups that run at the same time; the others wait for their turn.
pub const LOOKUPS_AT_ONCE: usize = 8;
/// Lookups for the routing table's sake that wait; one more is left out.
pub const REFRESHES_MAX: usize = 8;
/// Nodes a look for what has changed wants: any three neighbours know a new one, and on the way to any three nodes far
/// away the table meets others at every distance.
pub const REFRESH_NODES: usize = 3;
/// Time for one question of a lookup, connecting included.
pub const QUESTION_TIMEOUT: Duration = Duration::from_millis(QUESTION_MS);
/// Pause before a node first looks for the nodes closest to it; each further one is six times as
/// long.
pub const REFRESH_NEAR_MIN: Duration = Duration::from_millis(300);
/// Longest pause between two looks for the nodes closest to a node.
pub const REFRESH_NEAR_MAX: Duration = Duration::from_secs(1_800);
/// Pause before a node looks for nodes at every distance; each further one is eight times as long.
pub const REFRESH_WHOLE_MIN: Duration = Duration::from_secs(600);
/// Pause before a node that knows few others looks for all of them, because one has come that it did not know.
pub const REFRESH_ALL_AFTER: Duration = Duration::from_secs(15);
/// Lookups of random addresses in a look for nodes at every distance.
pub const REFRESH_FAR_LOOKUPS: usize = 4;
/// Longest pause between two looks for nodes at every distance.
pub const REFRESH_WHOLE_MAX: Duration = Duration::from_secs(7_200);
/// Longest pause between two looks of a node that does not serve: nobody looks for it, and what it looks for itself, a
/// dozen points a day, keeps its table fresh.
pub const REFRESH_CLIENT_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Time between two questions who a connected peer is; what changes it tells by itself.
pub const IDENTIFY_INTERVAL: Duration = Duration::from_secs(3_600);
/// Time after which one ping counts as lost, and with it the connection.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time for a transport handshake: three times there and back over the worst of lines.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How much later a peer is dialled over TCP than over QUIC: as long as a handshake takes over most lines.
pub const TCP_PAUSE: Duration = Duration::from_millis(250);
/// Silence after which a QUIC connection is given up, counted from the first packet that was not answered: a keep-alive
/// that is lost is sent again four times or so meanwhile.
pub const QUIC_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence after which a QUIC keep-alive is sent: the longest that every router keeps a way back open for, some of
/// which forget it after 30 s. It costs two packets of 60 bytes, 17 KB an hour for each connection.
pub const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(25);
/// Time to agree on a protocol for a new stream.
pub const NEGOTIATE_TIMEOUT: Duration = Duration::from_secs(10);

/// First pause before the entry points are dialled again.
pub const JOIN_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause before the entry points are dialled again.
pub const JOIN_PAUSE_MAX: Duration = Duration::from_secs(300);
/// Pause between two attempts of a node that knows others: it may be on one side of a partition that
/// has healed.
pub const JOIN_REVIEW: Duration = Duration::from_secs(600);
/// That pause of a node that knows [`JOIN_MANY`] others: of as many, some look at any time.
pub const JOIN_REVIEW_RARE: Duration = Duration::from_secs(3_600);
/// That pause of a node that does not serve: it follows its keepers, which look.
pub const JOIN_REVIEW_CLIENT: Duration = Duration::from_secs(21_600);
/// Nodes in the routing table from which on others can be left to look whether a partition has healed.
pub const JOIN_MANY: usize = 64;
/// Known peers dialled in one attempt of a node that knows no other, beside all configured entry points.
pub const JOIN_KNOWN_MAX: usize = 8;
/// Entry points, and known peers, dialled in one attempt of a node that knows others: it is there in case a partition
/// has healed, and any of them will do.
pub const JOIN_REVIEW_MAX: usize = 1;
/// Entry points taken from the configuration.
pub const JOIN_ENTRIES_MAX: usize = 32;
/// Peers that are remembered over a restart.
pub const KNOWN_PEERS_MAX: usize = 64;

const _: () = assert!(
    PAYLOAD_BYTES_MAX >= 66 << 10,
    "a 64 KiB item and its proofs fit a frame"
);
const _: () = assert!(EVENTS_RESERVED < EVENTS_MAX);
const _: () = assert!(HANDSHAKE_TIMEOUT.as_millis() < QUESTION_TIMEOUT.as_millis());
const _: () = assert!(DIALS_RESERVED < NetLimits::personal().connections.pending_out_max);
const _: () = assert!(QUIC_KEEP_ALIVE.as_secs() < QUIC_IDLE_TIMEOUT.as_secs());
const _: () =
    assert!(FRAME_BYTES_MAX <= NetLimits::personal().transport.quic_stream_bytes_max as usize);
const _: () = assert!(BUCKET_GROUP_KEPT <= TABLE_GROUP_KEPT);
