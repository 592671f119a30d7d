//! How a node is doing, and what it keeps for others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BackupStatus, DeliveryState, MessageCode, Obstacle, State, StoreTrouble};

/// Entries of the outbox in one [`StatusInfo`], at most.
pub const OUTBOX_COUNT_MAX: usize = 200;
/// Items in one [`HoldingsPage`], at most.
pub const HOLDINGS_PAGE_COUNT_MAX: usize = 1_000;

/// How the node is doing: the output of `restante status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusInfo {
    /// The account's ID; empty on a node without an account.
    pub id: String,
    /// The network it belongs to.
    pub network: String,
    /// Whether it serves others.
    pub mode: NodeMode,
    /// How many peers it is connected to.
    pub peers: u32,
    /// How many peers its routing table holds.
    pub routing_table: u32,
    /// The addresses it listens at, peer identity included, ready for another node's `bootstrap`.
    pub listen: Vec<String>,
    /// What the network layer refused or gave up since the start, by reason; reasons that never
    /// happened are not in it.
    pub errors: BTreeMap<String, u64>,
    /// What it keeps for others.
    pub keeper: KeeperStatus,
    /// Messages that were sent, at most [`OUTBOX_COUNT_MAX`]: those under way, oldest first, then for a
    /// week those that were delivered or have expired, newest first.
    pub outbox: Vec<OutboxEntry>,
    /// How many messages are under way in all.
    pub outbox_count: u32,
    /// Its own mailboxes.
    pub mailboxes: MailboxStatus,
    /// How many messages were not read.
    pub unread: u32,
    /// When its card was last published with enough receipts, if ever in this run.
    pub card_published_ms: Option<u64>,
    /// The effort of a stamp that keepers ask for before they take its card, where that is more than it pays unasked.
    #[serde(default)]
    pub card_effort_asked: Option<u32>,
    /// The highest effort of a stamp that it pays unasked; 0 on a node without an account.
    #[serde(default)]
    pub stamp_effort_max: u32,
    /// Why the account's own store takes nothing in at present, if that is so: meanwhile the node takes no new messages
    /// from its person and none from its keepers; what it has can be read, and what is under way is offered on.
    #[serde(default)]
    pub account_read_only: Option<StoreTrouble>,
    /// When the account's own store last went on by itself after such a time, if ever in this run.
    #[serde(default)]
    pub account_recovered_ms: Option<u64>,
    /// How many messages were lost before this start, their keys being gone.
    #[serde(default)]
    pub account_lost: u32,
    /// How far it relies on the date; nothing on a node without an account.
    #[serde(default)]
    pub clock: Option<ClockInfo>,
    /// This home beside other copies of it; nothing on a node without an account.
    #[serde(default)]
    pub copy: Option<CopyInfo>,
    /// The backups that it writes by itself; nothing where none are set.
    #[serde(default)]
    pub backup: Option<BackupStatus>,
    /// What its network layer holds in memory for others.
    #[serde(default)]
    pub network_load: NetworkLoad,
    /// The entry points of its configuration.
    #[serde(default)]
    pub entry_points: Vec<EntryPoint>,
    /// The addresses at which others join the network through it, peer identity included; none when it is not there for
    /// others.
    #[serde(default)]
    pub invite: Vec<String>,
    /// How it is doing, one state for each [`Subject`](crate::Subject) that it has: what `doctor` examines.
    #[serde(default)]
    pub states: Vec<State>,
    /// What its bytes on the network were for since the start, by cause: `handshake`, `keep_alive`, `identify`,
    /// `reachability`, `ping`, `lookup`, `subscribe`, `list`, `get`, `push`, `ack`, `deposit`, `offer`, `publish`,
    /// `cards`, `chunks`, `compare`, `copy`, `leave`, `other`; causes that never came up are not in it. What packets,
    /// acknowledgements, handshakes and keep-alives add to the bytes of streams is estimated.
    #[serde(default)]
    pub traffic: BTreeMap<String, Traffic>,
    /// How long it has been running.
    pub uptime_ms: u64,
}

/// Bytes on the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Bytes that the node sent.
    pub sent_bytes: u64,
    /// Bytes that arrived.
    pub received_bytes: u64,
}

impl Traffic {
    /// Returns the bytes of both directions.
    pub const fn bytes(&self) -> u64 {
        self.sent_bytes.saturating_add(self.received_bytes)
    }
}

/// An entry point, and how its last dial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryPoint {
    /// Its address, as it is configured.
    pub address: String,
    /// What is known of it.
    pub state: EntryPointState,
}

/// How the last dial of an entry point ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryPointState {
    /// It was not dialled yet.
    NotTried,
    /// It was reached.
    Reached,
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

impl EntryPointState {
    /// Tells whether the entry point could not be used.
    pub const fn is_failed(self) -> bool {
        !matches!(self, Self::NotTried | Self::Reached)
    }
}

/// What a node's network layer holds in memory for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkLoad {
    /// Established connections.
    pub connections: u64,
    /// Bytes of answers and pushes that wait for their readers.
    pub queued_bytes: u64,
    /// How many such bytes there may be; a reader whose next answer does not fit is cut off.
    pub queued_bytes_max: u64,
}

/// Whether a node serves others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeMode {
    /// It keeps no items for others: it is not confirmed reachable, or was told not to.
    Client,
    /// It is confirmed reachable and keeps items for others.
    Server,
}

/// What a node keeps for others, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeeperStatus {
    /// How many items.
    pub items: u64,
    /// Bytes of these items.
    pub bytes: u64,
    /// Bytes it is willing to keep.
    pub cap_bytes: u64,
    /// Why its store takes nothing in at present, if that is so.
    pub read_only: Option<StoreTrouble>,
    /// When its store last went on by itself after such a time, if ever in this run.
    #[serde(default)]
    pub recovered_ms: Option<u64>,
    /// Requests it refused since the start, by reason; reasons that never happened are not in it.
    pub refusals: BTreeMap<String, u64>,
    /// What it has under way and remembers of those who ask.
    #[serde(default)]
    pub load: KeeperLoad,
    /// How it keeps items together with other keepers.
    #[serde(default)]
    pub repair: RepairStatus,
}

/// What a keeper has under way, and remembers of those who ask; all of it is bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeeperLoad {
    /// Requests that wait for their turn.
    pub waiting: u64,
    /// Their bytes, and 2 KiB for each.
    pub waiting_bytes: u64,
    /// Groups of addresses they came from.
    pub waiting_sources: u64,
    /// Operations that wait for the disk.
    pub ready: u64,
    /// Operations under way, those that wait for the disk included.
    pub store_ops: u64,
    /// Mailboxes with a subscriber.
    pub subscriptions: u64,
    /// Groups of addresses whose rate of requests is remembered.
    pub rates: u64,
    /// Groups of addresses whose stored bytes are remembered, for an hour.
    pub depositors: u64,
    /// Pairs of a first-contact mailbox and a group of addresses that deposited there, for a day.
    pub strangers: u64,
}

/// What a keeper does together with others, since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RepairStatus {
    /// Keepers with whom it shares items.
    pub partners: u64,
    /// Comparisons with them that came to their end.
    pub compared: u64,
    /// Comparisons that did not.
    pub failed: u64,
    /// Items copied from others, acks included.
    pub copied: u64,
    /// Bytes of these items.
    pub copied_bytes: u64,
    /// Items handed over to others, acks included.
    pub handed_over: u64,
}

/// One message under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxEntry {
    /// The message, in hexadecimal.
    pub message_id: String,
    /// The recipient's ID.
    pub to: String,
    /// Where it is.
    pub state: DeliveryState,
    /// How many keepers have given a receipt.
    pub stored_with: u32,
    /// How many keepers it is deposited at.
    pub stored_of: u32,
    /// When it expires.
    pub until_ms: u64,
    /// With [`MessageCode::TooDear`]: the effort of a stamp that would get it stored.
    #[serde(default)]
    pub effort_asked: Option<u32>,
    /// How it stands, more exactly.
    pub code: MessageCode,
    /// What stood in its way at the last try, the most frequent first.
    pub obstacles: Vec<Obstacle>,
    /// How often it was offered.
    pub attempts: u32,
    /// When it is offered again, if it will be.
    pub next_try_ms: Option<u64>,
}

/// How far a node relies on the date of its machine: what a date ends it destroys by one it relies on, and by no other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ClockInfo {
    /// Keepers agree with it, or nothing speaks against it.
    Sure,
    /// Nobody has confirmed it since the start, or since it was set.
    #[default]
    Unconfirmed,
    /// It is wrong by what keepers say, or by what is on the disk: nothing is destroyed or published.
    Contradicted {
        /// By how much it is ahead, in milliseconds; negative if it is behind.
        ahead_ms: i64,
        /// Keepers that say so; none if it is the disk alone.
        keepers: u32,
    },
}

/// What is known of other copies of a home, and of other devices of its account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopyInfo {
    /// No other copy of this home is further on; until that is known it acks, publishes and answers nothing.
    pub newest: bool,
    /// Other devices of the account, as its card shows them.
    pub others: u32,
    /// When this home found that it was an older copy, and went on as a device of its own.
    pub renewed_ms: Option<u64>,
    /// Envelopes that wait and do not open here: another copy may have their keys.
    pub left: u32,
    /// The account goes on elsewhere, by its recovery phrase, without this home.
    #[serde(default)]
    pub shut_out: bool,
}

/// A node's own mailboxes, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailboxStatus {
    /// How many mailboxes it watches.
    pub watched: u32,
    /// How many of them have at least one keeper subscribed to.
    pub subscribed: u32,
}

/// One page of what a node keeps for others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldingsPage {
    /// The items, at most [`HOLDINGS_PAGE_COUNT_MAX`], ordered by address.
    pub items: Vec<HoldingItem>,
    /// How many items there are in all.
    pub total_items: u64,
    /// Bytes of these items.
    pub total_bytes: u64,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One item kept for others, and all that is known of it: one line of the output of `restante
/// holdings --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldingItem {
    /// The address it is kept at, in hexadecimal.
    pub address: String,
    /// What it is: `card`, `envelope` or `chunk`.
    pub kind: String,
    /// Its padded size, in bytes.
    pub size_class: u64,
    /// When it expires.
    pub expires_ms: u64,
}
