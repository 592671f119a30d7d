//! What a command gets to know, and with it every `--json` output.
//!
//! The fields are a contract with scripts: they may be added to, never renamed or removed. Times
//! are milliseconds since 1970-01-01T00:00:00Z, durations are milliseconds, hashes are lower-case
//! hexadecimal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Messages in one [`InboxPage`], at most; the server cuts a page further when it does not fit one
/// frame.
pub const INBOX_PAGE_COUNT_MAX: usize = 64;
/// Contacts in one [`ContactPage`], at most.
pub const CONTACT_PAGE_COUNT_MAX: usize = 500;
/// Entries of the outbox in one [`StatusInfo`], at most.
pub const OUTBOX_COUNT_MAX: usize = 200;
/// Items in one [`HoldingsPage`], at most.
pub const HOLDINGS_PAGE_COUNT_MAX: usize = 1_000;

/// Who this account is: the output of `restante id --json` and `restante init --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdInfo {
    /// The ID, for example `alice.7kq2-m9xw-3fhd`.
    pub id: String,
    /// The link that also carries the hash of the account key,
    /// `restante:alice.7kq2-m9xw-3fhd?k=...`.
    pub link: String,
    /// The hash of the account key, in hexadecimal.
    pub fingerprint: String,
}

/// What became of a message so far: the output of `restante send --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResult {
    /// The message, in hexadecimal.
    pub message_id: String,
    /// Where it is.
    pub state: DeliveryState,
    /// How many keepers have given a receipt.
    pub stored_with: u32,
    /// How many keepers it is deposited at.
    pub stored_of: u32,
    /// When it expires.
    pub until_ms: u64,
    /// What a person should know about it, in one sentence; empty if nothing.
    pub note: String,
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// In this node's outbox; too few keepers have given a receipt.
    Waiting,
    /// Durably stored at enough keepers; this node may go away.
    Stored,
    /// The recipient's own device has confirmed it.
    Delivered,
    /// Its time ran out before the recipient confirmed it.
    Expired,
}

/// One page of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxPage {
    /// The messages, oldest first, at most [`INBOX_PAGE_COUNT_MAX`].
    pub messages: Vec<InboxMessage>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// One received message: one line of the output of `restante inbox --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// The message, in hexadecimal.
    pub id: String,
    /// The sender's ID.
    pub from: String,
    /// Whether the sender is a contact; `false` is a request from a stranger.
    pub contact: bool,
    /// Whether it was read before.
    pub read: bool,
    /// When this node received it.
    pub received_ms: u64,
    /// When the sender says it was sent.
    pub sent_ms: u64,
    /// When it expires and is destroyed.
    pub expires_ms: u64,
    /// How long it lives once it was read, if its sender asked for that.
    pub burn_ms: Option<u64>,
    /// The body, exactly, when it is UTF-8; otherwise `null`.
    pub text: Option<Redacted<String>>,
    /// The body as base64 when it is not UTF-8; otherwise `null`.
    pub base64: Option<Body>,
    /// The name of the file, when the body is one.
    pub file_name: Option<String>,
}

impl InboxMessage {
    /// Returns the fields `text` and `base64` for a body: exactly one of them is set.
    pub fn body(bytes: Vec<u8>) -> (Option<Redacted<String>>, Option<Body>) {
        match String::from_utf8(bytes) {
            Ok(text) => (Some(Redacted(text)), None),
            Err(error) => (None, Some(Body::new(error.into_bytes()))),
        }
    }
}

/// One page of contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPage {
    /// The contacts, ordered by ID, at most [`CONTACT_PAGE_COUNT_MAX`].
    pub contacts: Vec<ContactInfo>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One contact: one line of the output of `restante contact list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactInfo {
    /// The ID.
    pub id: String,
    /// The private name given to it.
    pub petname: Option<String>,
    /// How the two stand.
    pub state: ContactState,
    /// Whether the short codes were compared.
    pub verified: bool,
    /// The hash of the account key, in hexadecimal, once a card was seen.
    pub fingerprint: Option<String>,
    /// When the contact was added.
    pub added_ms: u64,
    /// When something from the contact was last received.
    pub last_seen_ms: Option<u64>,
}

/// How this account and another stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// Somebody who wrote without being known.
    Request,
    /// Added here, or accepted.
    Accepted,
    /// Nothing from them is taken.
    Blocked,
    /// They have terminated their account.
    Terminated,
}

/// The code two people compare: the output of `restante contact verify --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyInfo {
    /// The contact's ID.
    pub id: String,
    /// The code, the same on both sides.
    pub code: String,
    /// Whether the codes were compared before.
    pub verified: bool,
}

/// How the node is doing: the output of `restante status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub faults: BTreeMap<String, u64>,
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
    /// Why the account's own store takes nothing in any more, if it does not: until the node is started again nothing
    /// can be sent, and nothing that arrives is taken from its keepers.
    #[serde(default)]
    pub account_read_only: Option<String>,
    /// How long it has been running.
    pub uptime_ms: u64,
}

/// Whether a node serves others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeMode {
    /// It asks, and keeps nothing for others: not confirmed reachable, or told not to.
    Client,
    /// It is confirmed reachable and keeps items for others.
    Server,
}

/// What a node keeps for others, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperStatus {
    /// How many items.
    pub items: u64,
    /// Bytes of these items.
    pub bytes: u64,
    /// Bytes it is willing to keep.
    pub cap_bytes: u64,
    /// Why it takes no new items at the moment, if it does not.
    pub read_only: Option<String>,
    /// Requests it refused since the start, by reason; reasons that never happened are not in it.
    pub refusals: BTreeMap<String, u64>,
    /// How it keeps items together with other keepers.
    #[serde(default)]
    pub repair: RepairStatus,
}

/// What a keeper does together with others, since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How often it was offered.
    pub attempts: u32,
    /// When it is offered again, if it will be.
    pub next_try_ms: Option<u64>,
}

/// A node's own mailboxes, in sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxStatus {
    /// How many mailboxes it watches.
    pub watched: u32,
    /// How many of them have at least one keeper subscribed to.
    pub subscribed: u32,
}

/// One page of what a node keeps for others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What an examination found: the output of `restante doctor --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// One entry for each thing examined.
    pub checks: Vec<DoctorCheck>,
}

/// One thing examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorCheck {
    /// What was examined.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What to do about it; empty if nothing.
    pub fix: String,
}

impl DoctorCheck {
    /// Returns a check that found nothing wrong.
    pub fn ok(name: &str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, detail, "")
    }

    /// Returns a check that found something a person should look at.
    pub fn warn(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warn, detail, fix)
    }

    /// Returns a check that found something broken.
    pub fn fail(name: &str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, Verdict::Fail, detail, fix)
    }

    fn new(
        name: &str,
        verdict: Verdict,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            detail: detail.into(),
            fix: fix.into(),
        }
    }
}

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing wrong.
    Ok,
    /// It works, but a person should look at it.
    Warn,
    /// It does not work.
    Fail,
}

/// Something private: serialised as it is, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(pub T);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Bytes of a message: base64 in JSON, never shown by `Debug`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body(Redacted<Vec<u8>>);

impl Body {
    /// Wraps the bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(Redacted(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }

    /// Unwraps the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.0
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = BASE64
            .decode(text.as_bytes())
            .map_err(|_| serde::de::Error::custom("the body is not base64"))?;
        Ok(Self::new(bytes))
    }
}
