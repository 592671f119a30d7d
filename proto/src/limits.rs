//! Every bound of the protocol, in one place, with unit and reason.
//!
//! A second implementation must use the same values where SPEC.md says MUST; the others are this implementation's.

/// One second in milliseconds.
pub const SECOND_MS: u64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// One hour in milliseconds.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// One day in milliseconds.
pub const DAY_MS: u64 = 24 * HOUR_MS;

// ---- Names ----

/// Characters in a handle, at most: enough for a name, short enough to read aloud.
pub const HANDLE_CHARS_MAX: usize = 32;
/// Digits from which a handle without a letter is taken for a phone number and refused.
pub const PHONE_DIGITS_MIN: usize = 5;
/// Bits of a tag: with Argon2id in front, a second pre-image costs 2^60 runs of it.
pub const TAG_BITS: u32 = 60;
/// Characters of a tag in Crockford base32, five bits each.
pub const TAG_CHARS: usize = 12;
/// Locators of one card in one salt epoch, so that no single neighbourhood of the DHT decides over a name.
pub const LOCATORS: usize = 4;
/// Length of a salt epoch of locators, in milliseconds.
pub const SALT_EPOCH_MS: u64 = 365 * DAY_MS;

// ---- Time ----

/// Length of a mailbox epoch, in milliseconds.
pub const EPOCH_MS: u64 = DAY_MS;
/// By how much two honest clocks may differ, in milliseconds.
pub const CLOCK_SKEW_MS: u64 = 10 * MINUTE_MS;
/// Life of a message and its envelope unless the sender says otherwise, in milliseconds.
pub const MESSAGE_TTL_DEFAULT_MS: u64 = 6 * DAY_MS;
/// Shortest life of a message, in milliseconds: less cannot cross the network.
pub const MESSAGE_TTL_MIN_MS: u64 = SECOND_MS;
/// Longest life of a message, an envelope or a chunk, in milliseconds.
pub const MESSAGE_TTL_MAX_MS: u64 = 30 * DAY_MS;
/// Life of a published card, in milliseconds.
pub const CARD_TTL_MS: u64 = 30 * DAY_MS;
/// Life of the tombstone of a terminated account, in milliseconds: longer than anybody's memory of the card.
pub const TOMBSTONE_TTL_MS: u64 = 3_650 * DAY_MS;
/// How often a device publishes its card again, with a fresh prekey, in milliseconds.
pub const PREKEY_ROTATION_MS: u64 = DAY_MS;
/// How long a private prekey is kept after the last card that shows it has expired, in milliseconds: the longest life
/// of an envelope sealed at the last moment, plus what two clocks may differ.
pub const PREKEY_GRACE_MS: u64 = MESSAGE_TTL_MAX_MS + 2 * CLOCK_SKEW_MS;
/// How many past epochs a deposit may still name: an envelope offered again at the end of its life.
pub const EPOCHS_PAST_MAX: u32 = 31;
/// How many epochs ahead a deposit may name: two epochs overlap.
pub const EPOCHS_AHEAD_MAX: u32 = 1;
/// How long a subscription lasts unless renewed, in milliseconds.
pub const SUBSCRIPTION_MS: u64 = HOUR_MS;

// ---- Sizes ----

/// Sizes of an envelope, in bytes: few, so that a size says little.
pub const ENVELOPE_BYTES: [usize; 4] = [2_048, 8_192, 32_768, 65_536];
/// Largest envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = ENVELOPE_BYTES[3];
/// Largest text or inline file of one message, in bytes.
pub const BODY_BYTES_MAX: usize = 61_440;
/// Largest name of an inline file, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Size of a sealed card, in bytes: up to five devices with a post-quantum prekey each.
pub const SEALED_CARD_BYTES: usize = 8_192;
/// Devices of one account, at most: what fits into a sealed card.
pub const DEVICES_MAX: usize = 5;
/// Protocol versions that a card names, at most.
pub const VERSIONS_MAX: usize = 16;
/// Largest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 65_536;
/// Largest payload of one frame, in bytes: the largest item with its admission proof, rounded up.
pub const PAYLOAD_BYTES_MAX: usize = 72 * 1024 - 9;
/// Bytes of items one `Envelopes` response may carry: one largest envelope.
pub const ENVELOPES_BYTES_MAX: usize = 65_536;
/// Entries of one `List` response, at most.
pub const LISTING_COUNT_MAX: usize = 1_000;
/// Identifiers in one `Get` request, at most: what one response can carry in the smallest size.
pub const GET_COUNT_MAX: usize = ENVELOPES_BYTES_MAX / ENVELOPE_BYTES[0];
/// Entries in one `Ack` request, at most.
pub const ACK_COUNT_MAX: usize = 256;
/// Identifiers in one end-to-end acknowledgement, at most.
pub const DELIVERED_COUNT_MAX: usize = 32;
/// Messages that one recall takes back, at most.
pub const RECALLED_COUNT_MAX: usize = 32;
/// Bytes of the emoji of a reaction, at most: the longest that are joined of several have 35.
pub const REACTION_BYTES_MAX: usize = 40;
/// Epochs one grant covers, at most; at least one.
pub const GRANT_EPOCHS_MAX: usize = 16;

/// Key packages that one message brings, at most: one for each device of an account.
pub const PACKAGES_MAX: usize = 10;
/// Bytes of a key package, at most; ours have some 2,750.
pub const PACKAGE_BYTES_MAX: usize = 4_096;
/// Bytes of a Welcome, at most: what the largest envelope holds beside the rest of a message.
pub const WELCOME_BYTES_MAX: usize = 62_000;

// ---- Routing ----

/// Nodes that one answer to a question for nodes names, and entries of one bucket of a routing table, at most: k.
pub const FOUND_NODES_MAX: usize = 20;
/// Addresses with which an answer names a node, at most.
pub const NODE_ADDRESSES_MAX: usize = 8;
/// Largest binary multiaddress in an answer, in bytes: a relay circuit over IPv6 and QUIC that names both its relay
/// and its destination, `/ip6/.../udp/.../quic-v1/p2p/.../p2p-circuit/p2p/...`. One over WebTransport, with the hash
/// of the relay's certificate and without the destination, has 105 bytes. A name of the DNS has no place in an
/// answer.
pub const NODE_ADDRESS_BYTES_MAX: usize = {
    const IP6: usize = 1 + 16;
    const UDP: usize = 2 + 2;
    const QUIC_V1: usize = 2;
    const P2P: usize = 2 + 1 + 38;
    const P2P_CIRCUIT: usize = 2;
    IP6 + UDP + QUIC_V1 + P2P + P2P_CIRCUIT + P2P
};

// ---- Keepers ----

/// Keepers an item is deposited at: R.
pub const REPLICAS: usize = 5;
/// Writers that may hold a slot at one locator: one is the person's, the others are what squatters can have.
pub const CARD_SLOTS: usize = 8;
/// Envelopes waiting in one mailbox that takes stamps, at most.
pub const STAMP_MAILBOX_COUNT_MAX: u32 = 128;
/// Bytes waiting in one mailbox that takes stamps, at most.
pub const STAMP_MAILBOX_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Envelopes waiting in one mailbox that takes capabilities, at most.
pub const CAPABILITY_MAILBOX_COUNT_MAX: u32 = 1_024;
/// Bytes waiting in one mailbox that takes capabilities, at most.
pub const CAPABILITY_MAILBOX_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Tombstones of acked envelopes kept for one mailbox, at most; more acks are refused, never forgotten early.
pub const MAILBOX_TOMBSTONES_MAX: u32 = 8_192;
/// What the tombstone of an acked envelope counts against a keeper's disk cap, in bytes: its rows in tables and
/// indexes, generously.
pub const TOMBSTONE_BYTES: u64 = 512;
/// How long the ack of an envelope that was never here is remembered, in milliseconds: no envelope sealed before it can
/// be deposited later than that.
pub const ACK_MEMORY_MS: u64 = MESSAGE_TTL_MAX_MS + CLOCK_SKEW_MS;
/// Subscriptions one keeper holds, at most.
pub const SUBSCRIPTIONS_MAX: usize = 65_536;
/// Subscriptions one connection may hold, at most: every epoch a returning device may ask for, twice.
pub const SUBSCRIPTIONS_PER_CONNECTION_MAX: usize = 128;
/// Store operations a keeper has under way, at most; further requests are told to come back.
pub const STORE_OPS_MAX: usize = 1_024;

/// Store operations of one source of requests that a keeper has under way, at most; the others wait for their turn.
pub const SOURCE_OPS_MAX: usize = 128;
/// Part of a keeper's disk cap that one source may have stored in an hour.
pub const SOURCE_CAP_PART: u64 = 16;
/// Bytes that one source may have stored in an hour, however small the cap: what one mailbox may hold.
pub const SOURCE_BYTES_MIN: u64 = CAPABILITY_MAILBOX_BYTES_MAX;
/// Envelopes that one source may have stored in one mailbox that takes stamps, at once and in a day: a quarter of it.
pub const STRANGER_SHARE_MAX: u64 = STAMP_MAILBOX_COUNT_MAX as u64 / 4;

/// Returns how many receipts make an item *stored* when `keepers` were found: W = 3 of 5, and shrinking with them.
pub const fn receipts_wanted(keepers: usize) -> usize {
    (3 * keepers).div_ceil(5)
}

// ---- Repair ----

/// Keepers that a comparison speaks of, at most.
pub const COMPARED_POINTS_MAX: usize = 20;
/// Ranges of one comparison, and parts of one range in its answer, at most.
pub const COMPARED_RANGES_MAX: usize = 16;
/// Elements of one range in an answer, at most; a range with more is answered in parts.
pub const COMPARED_ELEMENTS_MAX: usize = 32;
/// Elements asked for at once, at most.
pub const COPY_COUNT_MAX: usize = 32;
/// Bytes of the replicas in one answer, at most, each with [`REPLICA_HEAD_BYTES`].
pub const REPLICAS_BYTES_MAX: usize = 72_000;
/// Bytes that a replica counts beside its item and its proof.
pub const REPLICA_HEAD_BYTES: usize = 96;

const _: () = assert!(receipts_wanted(REPLICAS) == 3);
const _: () = assert!(receipts_wanted(1) == 1);
const _: () = assert!(BODY_BYTES_MAX < ENVELOPE_BYTES_MAX);
const _: () = assert!(ENVELOPES_BYTES_MAX >= ENVELOPE_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX > ENVELOPE_BYTES_MAX + 4_096);
const _: () = assert!(
    NODE_ADDRESS_BYTES_MAX < 1 << 7,
    "the length of an address is one byte"
);
const _: () = assert!(TAG_BITS as usize == 5 * TAG_CHARS);
