//! What is asked of a running node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::number::whole;
use crate::{BackupRequest, Body, ContactChange, HistoryRequest};

/// Messages one [`Request::MarkRead`] names, at most.
pub const MARK_READ_COUNT_MAX: usize = 256;
/// How long the node tries before it answers a [`Request::Send`] that does not wait, in milliseconds.
pub const SEND_ANSWER_MS: u64 = 20_000;

/// One request, answered with one [`Reply`](crate::Reply) or [`Refusal`](crate::Refusal).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Asks who this node's account is; answered with [`crate::Reply::Id`].
    Id,
    /// Sends one message; answered with [`crate::Reply::Sent`], after any number of progress
    /// reports.
    Send(SendRequest),
    /// Asks for messages; answered with [`crate::Reply::Inbox`].
    Inbox(InboxRequest),
    /// Marks messages as read, after the command has shown them; answered with
    /// [`crate::Reply::Done`].
    ///
    /// A message that is to be burnt after reading is burnt counting from here. Unknown identifiers
    /// are ignored.
    MarkRead {
        /// The messages, as in [`InboxMessage::id`](crate::InboxMessage::id).
        ids: Vec<String>,
    },
    /// Adds a contact by ID or link; answered with [`crate::Reply::Contact`].
    ContactAdd {
        /// An ID or a `restante:` link.
        who: String,
        /// A private name for the contact.
        petname: Option<String>,
    },
    /// Asks for one page of the contacts; answered with [`crate::Reply::Contacts`].
    ContactList {
        /// The page starts after this cursor, as in [`crate::ContactPage::next`].
        after: Option<String>,
    },
    /// Accepts a stranger who wrote; answered with [`crate::Reply::Contact`].
    ContactAccept {
        /// The stranger's ID.
        who: String,
    },
    /// Refuses everything from an account from now on; answered with [`crate::Reply::Contact`].
    ContactBlock {
        /// The account's ID.
        who: String,
    },
    /// Changes what is kept of a contact; answered with [`crate::Reply::Contact`].
    ContactSet {
        /// The contact's ID.
        who: String,
        /// What is to change.
        change: ContactChange,
    },
    /// Forgets a contact, with all that was said with it; answered with [`crate::Reply::Done`].
    ContactRemove {
        /// The contact's ID.
        who: String,
    },
    /// Asks for one page of the conversations; answered with [`crate::Reply::Conversations`].
    Conversations {
        /// The page starts after this cursor, as in [`crate::ConversationPage::next`].
        after: Option<String>,
    },
    /// Asks for what was said with a contact; answered with [`crate::Reply::History`].
    History(HistoryRequest),
    /// Tells a contact what this account feels about a message; answered with [`crate::Reply::Done`].
    React {
        /// The message, as in [`HistoryMessage::id`](crate::HistoryMessage::id).
        id: String,
        /// One emoji; empty to take the one before back.
        emoji: String,
    },
    /// Takes messages of one's own back, everywhere; answered with [`crate::Reply::Done`].
    Recall {
        /// The messages, as in [`HistoryMessage::id`](crate::HistoryMessage::id).
        ids: Vec<String>,
    },
    /// Destroys messages here and nowhere else; answered with [`crate::Reply::Done`].
    Delete {
        /// The messages, as in [`HistoryMessage::id`](crate::HistoryMessage::id). Unknown ones are ignored.
        ids: Vec<String>,
    },
    /// Asks for the short code two people compare; answered with [`crate::Reply::Verify`].
    ContactVerify {
        /// The contact's ID.
        who: String,
    },
    /// Records that the codes were compared and match; answered with [`crate::Reply::Contact`].
    ContactVerified {
        /// The contact's ID.
        who: String,
    },
    /// Asks how the node is doing; answered with [`crate::Reply::Status`].
    Status,
    /// Asks for one page of what this node keeps for others; answered with
    /// [`crate::Reply::Holdings`].
    Holdings {
        /// The page starts after this cursor, as in [`crate::HoldingsPage::next`].
        after: Option<String>,
    },
    /// Asks the running node to examine itself; answered with [`crate::Reply::Doctor`].
    Doctor,
    /// Writes a backup; answered with [`crate::Reply::Backup`].
    Backup(BackupRequest),
    /// Asks the node to end in good order; the server answers this itself with
    /// [`crate::Reply::Done`].
    Stop,
}

/// One message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// The recipient: an ID, a `restante:` link or what a contact is called; empty where `replaces` names a message,
    /// which says whose it is.
    #[schema(max_length = 512)]
    pub to: String,
    /// The text, or the content of the file, byte for byte.
    #[schema(value_type = String, format = Byte, min_length = 1)]
    pub body: Body,
    /// How long the message may live, in milliseconds; left out: as long as the node is set to.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 2_592_000_000_usize)]
    pub ttl_ms: Option<u64>,
    /// How long the message lives once it was read, in milliseconds.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 2_592_000_000_usize)]
    pub burn_ms: Option<u64>,
    /// The name of the file, when the body is one; no folder, at most 255 bytes.
    #[schema(max_length = 255, pattern = "^[^/\\x00]+$")]
    pub file_name: Option<String>,
    /// The highest effort of a stamp that may be paid for this message, from 1 to 4,096; left out: as much as the node
    /// is set to.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 4_096)]
    pub effort_max: Option<u32>,
    /// The message that it answers, as in [`HistoryMessage::id`](crate::HistoryMessage::id), or how that begins.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{8,32}$")]
    pub reply_to: Option<String>,
    /// The message of one's own, to the same recipient, whose words it changes; it ends and burns as that one does.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{8,32}$")]
    pub replaces: Option<String>,
    /// Whether to answer only once the message is stored or has expired; otherwise the node answers
    /// within [`SEND_ANSWER_MS`], with whatever has been reached by then.
    #[serde(default)]
    pub wait: bool,
}

/// Which messages to return.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxRequest {
    /// How long to wait for a message when there is none to return, in milliseconds; 0 answers at
    /// once.
    pub wait_ms: u64,
    /// Whether to return messages that were read as well.
    pub all: bool,
    /// Return what comes after this message only, as in
    /// [`InboxMessage::id`](crate::InboxMessage::id).
    pub after: Option<String>,
    /// Return this message only, as in [`InboxMessage::id`](crate::InboxMessage::id).
    #[serde(default)]
    pub only: Option<String>,
}
