//! What was said with a contact, on both sides.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::number::whole;
use crate::{Body, ContactInfo, MessageCode, Redacted};

/// Messages in one [`HistoryPage`], at most; a page is cut further when it does not fit one answer.
pub const HISTORY_PAGE_COUNT_MAX: usize = 64;
/// Conversations in one [`ConversationPage`], at most.
pub const CONVERSATION_PAGE_COUNT_MAX: usize = 100;

/// Which messages of a conversation to return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryRequest {
    /// The contact: an ID, a link or what it is called.
    pub who: String,
    /// Return what stands before this message only, as in [`HistoryMessage::id`]; left out: the newest.
    pub before: Option<String>,
    /// How many, 1 to [`HISTORY_PAGE_COUNT_MAX`]; left out: as many as may be.
    pub count: Option<u32>,
}

/// A part of what was said with a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// The messages, the newest first, at most [`HISTORY_PAGE_COUNT_MAX`].
    pub messages: Vec<HistoryMessage>,
    /// Whether there are more before the last one.
    pub more: bool,
}

/// One message of a conversation: one line of the output of `restante history --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryMessage {
    /// The message, in hexadecimal.
    pub id: String,
    /// Whether it is this account's own.
    pub own: bool,
    /// When its sender says it was sent.
    pub sent_ms: u64,
    /// When this node received it; of one's own, when it was sent.
    pub received_ms: u64,
    /// When it expires and is destroyed.
    pub expires_ms: u64,
    /// How long it lives once it was read, if that ends it.
    pub burn_ms: Option<u64>,
    /// When it was read, here or, of one's own, by its recipient as far as that was told.
    pub read_ms: Option<u64>,
    /// Of one's own: how it stands.
    pub code: Option<MessageCode>,
    /// The words, exactly, when they are UTF-8; otherwise, and once they are gone, `null`. What burns and was not read
    /// is opened as what arrives is, and shows none before.
    #[schema(value_type = Option<String>)]
    pub text: Option<Redacted<String>>,
    /// The words as base64 when they are not UTF-8; otherwise `null`.
    #[schema(value_type = Option<String>, format = Byte)]
    pub base64: Option<Body>,
    /// The name of the file, when it is one.
    pub file_name: Option<String>,
    /// The message that it answers, which may be gone.
    pub reply_to: Option<String>,
    /// When its sender says that its words were changed last.
    pub edited_ms: Option<u64>,
    /// When its sender took it back.
    pub recalled_ms: Option<u64>,
    /// It is of a kind that a later version knows.
    pub unknown: bool,
    /// What the two feel about it.
    pub reactions: Vec<ReactionInfo>,
}

/// What somebody feels about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReactionInfo {
    /// Whether it is this account's own.
    pub own: bool,
    /// One emoji.
    pub emoji: String,
}

/// One page of conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// The conversations: those that are pinned first, then by their last message, the newest first; at most
    /// [`CONVERSATION_PAGE_COUNT_MAX`].
    pub conversations: Vec<ConversationInfo>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// One conversation: one line of the output of `restante conversations --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationInfo {
    /// With whom.
    pub contact: ContactInfo,
    /// How many messages are unread.
    pub unread: u32,
    /// When something was said last.
    pub last_ms: Option<u64>,
    /// What was said last, as far as it is there still.
    pub last: Option<HistoryMessage>,
}

/// What is to be changed about a contact; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactChange {
    /// A private name; empty for none.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub petname: Option<String>,
    /// How long messages to it live, in milliseconds, if nothing else is said; 0: as long as the node is set to.
    #[serde(default, deserialize_with = "whole")]
    #[schema(maximum = 2_592_000_000_usize)]
    pub ttl_ms: Option<u64>,
    /// How long they live once they were read, in milliseconds, if nothing else is said; 0: reading ends none.
    #[serde(default, deserialize_with = "whole")]
    #[schema(maximum = 2_592_000_000_usize)]
    pub burn_ms: Option<u64>,
    /// Whether it is told that its messages were read.
    #[serde(default)]
    pub tells_read: Option<bool>,
    /// Whether its messages are to make no stir.
    #[serde(default)]
    pub muted: Option<bool>,
    /// Whether it stands before the others.
    #[serde(default)]
    pub pinned: Option<bool>,
}
