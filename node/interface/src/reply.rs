//! What a running node answers.
//!
//! Times are milliseconds since 1970-01-01T00:00:00Z, durations are milliseconds, hashes are
//! lower-case hexadecimal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    BackupInfo, Body, ConversationPage, DoctorReport, HistoryPage, HoldingsPage, MessageCode,
    Obstacle, Redacted, Refusal, State, StatusInfo,
};

/// Messages in one [`InboxPage`], at most; a page is cut further when it does not fit one answer.
pub const INBOX_PAGE_COUNT_MAX: usize = 64;
/// Contacts in one [`ContactPage`], at most.
pub const CONTACT_PAGE_COUNT_MAX: usize = 500;

/// The answer of the node to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The request was carried out.
    Done,
    /// Who this account is.
    Id(IdInfo),
    /// What became of a message so far.
    Sent(SendResult),
    /// One page of messages, oldest first.
    Inbox(InboxPage),
    /// A part of what was said with a contact, the newest first.
    History(HistoryPage),
    /// One page of conversations.
    Conversations(ConversationPage),
    /// One contact as it is now.
    Contact(ContactInfo),
    /// One page of contacts, ordered by ID.
    Contacts(ContactPage),
    /// The code two people compare.
    Verify(VerifyInfo),
    /// How the node is doing.
    Status(Box<StatusInfo>),
    /// One page of what the node keeps for others.
    Holdings(HoldingsPage),
    /// What the node found when it examined itself.
    Doctor(DoctorReport),
    /// A backup that was written.
    Backup(BackupInfo),
}

/// Who this account is: the output of `restante id --json` and `restante init --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// With [`MessageCode::TooDear`]: the effort of a stamp that would get it stored.
    #[serde(default)]
    pub effort_asked: Option<u32>,
    /// How it stands, more exactly.
    pub code: MessageCode,
    /// What stood in its way at the last try, the most frequent first.
    pub obstacles: Vec<Obstacle>,
    /// When it is offered again, if it will be.
    pub next_try_ms: Option<u64>,
}

/// One line of the answer to a message that is sent, where the asker wants to hear how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SendLine {
    /// How far it has come; more lines follow.
    Progress(SendResult),
    /// What became of it; the last line.
    Sent(SendResult),
    /// Why it is not sent, or why nothing more is known of it; the last line.
    Error(Refusal),
}

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxPage {
    /// The messages, oldest first, at most [`INBOX_PAGE_COUNT_MAX`].
    pub messages: Vec<InboxMessage>,
    /// Whether there are more behind the last one.
    pub more: bool,
    /// Why the node takes no messages in at present, or not all, if so: there may be others at the keepers.
    #[serde(default)]
    pub deaf: Option<State>,
}

/// One received message: one line of the output of `restante inbox --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxMessage {
    /// The message, in hexadecimal.
    pub id: String,
    /// The ID that the sender wrote under.
    pub from: String,
    /// The ID that the sender is listed under among the contacts, if that is another one.
    #[serde(default)]
    pub known_as: Option<String>,
    /// Whether the sender is a contact; `false` is a request from a stranger.
    pub contact: bool,
    /// Whether the sender was blocked since.
    #[serde(default)]
    pub blocked: bool,
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
    #[schema(value_type = Option<String>)]
    pub text: Option<Redacted<String>>,
    /// The body as base64 when it is not UTF-8; otherwise `null`.
    #[schema(value_type = Option<String>, format = Byte)]
    pub base64: Option<Body>,
    /// The name of the file, when the body is one.
    pub file_name: Option<String>,
    /// The message that it answers, which may be gone.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// When the sender says that its words were changed last.
    #[serde(default)]
    pub edited_ms: Option<u64>,
    /// It is of a kind that a later version knows, and its body is shown as it came.
    #[serde(default)]
    pub unknown: bool,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactPage {
    /// The contacts, ordered by ID, at most [`CONTACT_PAGE_COUNT_MAX`].
    pub contacts: Vec<ContactInfo>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One contact: one line of the output of `restante contact list --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactInfo {
    /// The ID it is listed under.
    pub id: String,
    /// The other IDs that it goes by: all lead to the same account.
    #[serde(default)]
    pub other_ids: Vec<String>,
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
    /// How long messages to it live, in milliseconds, if nothing else is said.
    #[serde(default)]
    pub ttl_ms: Option<u64>,
    /// How long they live once they were read, in milliseconds, if nothing else is said.
    #[serde(default)]
    pub burn_ms: Option<u64>,
    /// Whether it is told that its messages were read.
    #[serde(default)]
    pub tells_read: bool,
    /// Whether its messages are to make no stir.
    #[serde(default)]
    pub muted: bool,
    /// Whether it stands before the others.
    #[serde(default)]
    pub pinned: bool,
}

/// How this account and another stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyInfo {
    /// The contact's ID.
    pub id: String,
    /// The code, the same on both sides.
    pub code: String,
    /// Whether the codes were compared before.
    pub verified: bool,
}
