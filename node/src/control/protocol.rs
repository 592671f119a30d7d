//! What travels over the control socket: requests, replies and faults.

use serde::{Deserialize, Serialize};

use super::report::{
    Body, ContactInfo, ContactPage, DoctorReport, HoldingsPage, IdInfo, InboxPage, SendResult,
    StatusInfo, VerifyInfo,
};

/// Version of the control protocol; a command and a node of different versions refuse to talk.
pub const CONTROL_VERSION: u32 = 1;
/// Largest request frame, in bytes: a body of 60 KiB as base64, with room for the rest.
pub const REQUEST_BYTES_MAX: usize = 128 * 1024;
/// Largest answer frame, in bytes: a body of 60 KiB of control characters, which JSON writes six
/// times as long.
pub const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// Messages one [`ControlRequest::MarkRead`] names, at most.
pub const MARK_READ_COUNT_MAX: usize = 256;

const _: () = assert!(6 * restante_proto::limits::BODY_BYTES_MAX + 8_192 < ANSWER_BYTES_MAX);
const _: () = assert!(4 * restante_proto::limits::BODY_BYTES_MAX / 3 + 8_192 < REQUEST_BYTES_MAX);
const _: () = assert!(MARK_READ_COUNT_MAX * 68 + 8_192 < REQUEST_BYTES_MAX);

/// What a command asks of the running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Asks who this node's account is; answered with [`ControlReply::Id`].
    Id,
    /// Sends one message; answered with [`ControlReply::Sent`], after any number of progress
    /// reports.
    Send(SendRequest),
    /// Asks for messages; answered with [`ControlReply::Inbox`].
    Inbox(InboxRequest),
    /// Marks messages as read, after the command has shown them; answered with
    /// [`ControlReply::Done`].
    ///
    /// A message that is to be burnt after reading is burnt counting from here. Unknown identifiers
    /// are ignored.
    MarkRead {
        /// The messages, as in [`InboxMessage::id`](super::report::InboxMessage::id).
        ids: Vec<String>,
    },
    /// Adds a contact by ID or link; answered with [`ControlReply::Contact`].
    ContactAdd {
        /// An ID or a `restante:` link.
        who: String,
        /// A private name for the contact.
        petname: Option<String>,
    },
    /// Asks for one page of the contacts; answered with [`ControlReply::Contacts`].
    ContactList {
        /// The page starts after this cursor, as in [`ContactPage::next`].
        after: Option<String>,
    },
    /// Accepts a stranger who wrote; answered with [`ControlReply::Contact`].
    ContactAccept {
        /// The stranger's ID.
        who: String,
    },
    /// Refuses everything from somebody from now on; answered with [`ControlReply::Contact`].
    ContactBlock {
        /// The ID of whoever is blocked.
        who: String,
    },
    /// Asks for the short code two people compare; answered with [`ControlReply::Verify`].
    ContactVerify {
        /// The contact's ID.
        who: String,
    },
    /// Records that the codes were compared and match; answered with [`ControlReply::Contact`].
    ContactVerified {
        /// The contact's ID.
        who: String,
    },
    /// Asks how the node is doing; answered with [`ControlReply::Status`].
    Status,
    /// Asks for one page of what this node keeps for others; answered with
    /// [`ControlReply::Holdings`].
    Holdings {
        /// The page starts after this cursor, as in [`HoldingsPage::next`].
        after: Option<String>,
    },
    /// Asks the running node to examine itself; answered with [`ControlReply::Doctor`].
    Doctor,
    /// Asks the node to end in good order; the server answers this itself with
    /// [`ControlReply::Done`].
    Stop,
}

/// One message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// The recipient: an ID or a `restante:` link.
    pub to: String,
    /// The text, or the content of the file, byte for byte.
    pub body: Body,
    /// How long the message may live, in milliseconds.
    pub ttl_ms: u64,
    /// How long the message lives once it was read, in milliseconds.
    pub burn_ms: Option<u64>,
    /// The name of the file, when the body is one; no folder, at most 255 bytes.
    pub file_name: Option<String>,
    /// Whether to answer only once the message is stored or has expired; otherwise the node answers
    /// within [`SEND_ANSWER_MS`], with whatever has been reached by then.
    pub wait: bool,
}

/// How long the node tries before it answers a `send` without `--wait`, in milliseconds.
pub const SEND_ANSWER_MS: u64 = 20_000;

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
    /// [`InboxMessage::id`](super::report::InboxMessage::id).
    pub after: Option<String>,
}

/// The answer of the node to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlReply {
    /// It was done, and there is nothing to say about it.
    Done,
    /// Who this account is.
    Id(IdInfo),
    /// What became of a message so far.
    Sent(SendResult),
    /// One page of messages, oldest first.
    Inbox(InboxPage),
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
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ControlFault {
    /// What kind of reason; decides the exit code.
    pub code: FaultCode,
    /// What happened, in one line, lower case, without a full stop.
    pub message: String,
    /// What to do next, in one line; empty if there is nothing to do.
    pub hint: String,
}

impl ControlFault {
    /// Returns a fault.
    pub fn new(code: FaultCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// What kind of reason a fault has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The request itself is wrong, and will be wrong again: exit code 2.
    BadRequest,
    /// No valid card was found for the ID: mistyped, expired, or its owner was never online.
    UnknownId,
    /// The contact or message named is not known here.
    NotFound,
    /// The account was terminated by its owner.
    Terminated,
    /// The contact is blocked here.
    Blocked,
    /// The network cannot be reached at the moment.
    Offline,
    /// A bound was reached: outbox, disk cap, too many commands at once.
    Full,
    /// The disk refused.
    Disk,
    /// It took too long.
    TimedOut,
    /// The node is ending.
    Stopping,
    /// A defect of the node.
    Internal,
}

/// The outermost layer of a request frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFrame {
    /// [`CONTROL_VERSION`] of the command.
    pub(crate) version: u32,
    /// What is asked.
    pub(crate) request: ControlRequest,
}

/// The part of a request frame that is the same in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct RequestVersion {
    /// [`CONTROL_VERSION`] of the command.
    pub(crate) version: u32,
}

/// The outermost layer of an answer frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerFrame {
    /// How far a `send` has come; more follows.
    Progress(SendResult),
    /// The final reply.
    Reply(ControlReply),
    /// The request was not carried out.
    Fault(ControlFault),
}
