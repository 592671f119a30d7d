//! Why a request is not carried out: codes with their facts. The asker finds the words for a person.
//!
//! [`Refusal`] has no room for unknown codes, so that the compiler asks for the words of a new one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// The text is neither an ID nor a link.
    InvalidId {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The text is no ID, and no contact is called so.
    UnknownName {
        /// The text.
        name: String,
    },
    /// Several contacts are called so.
    AmbiguousName {
        /// The text.
        name: String,
        /// Their IDs, some of them if there are many.
        ids: Vec<String>,
    },
    /// The life asked for is none that a message can have.
    InvalidLifetime {
        /// The longest one, in milliseconds.
        max_ms: u64,
    },
    /// The message would not burn: it does not live so long after it was read.
    BurnsTooLate {
        /// How long it lives, in milliseconds.
        ttl_ms: u64,
    },
    /// The message is longer than the largest envelope.
    TooLong {
        /// Bytes that fit.
        max_bytes: u64,
    },
    /// The ID is the account's own.
    OwnId,
    /// The node has no account.
    NoAccount,
    /// The cursor or the parameter of a request is none that can be.
    InvalidParameter {
        /// Which one.
        name: String,
    },
    /// The command speaks another version of this interface.
    Version {
        /// The node's.
        node: u32,
        /// The command's.
        command: u32,
    },
    /// The request is none of this interface.
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// Nothing of this interface is at the path.
    NoSuchPath,
    /// What is at the path is asked by another method.
    WrongMethod,
    /// The content of the request is of a type that is not taken there.
    WrongMedia {
        /// The type that is.
        expected: String,
    },
    /// The content of the request is longer than any that is taken.
    TooLarge {
        /// The longest, in bytes.
        max_bytes: u64,
    },
    /// The head of the request is longer, or has more fields, than any that is taken.
    HeadTooLarge {
        /// The longest, in bytes.
        max_bytes: u64,
    },
    /// The request comes from the page of another site, or is meant for another host.
    Foreign {
        /// The header that says so.
        header: String,
    },

    /// Keepers answered, and none has a valid card of this ID.
    UnknownId {
        /// The ID.
        id: String,
    },
    /// Keepers answered, and what they have under this ID is no card that this version can use.
    UnusableCard {
        /// The ID.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is a card of this ID, and by this machine's clock it is of the future or of the past.
    OtherDate {
        /// The ID.
        id: String,
    },
    /// Keepers say that this machine's clock is wrong.
    WrongClock {
        /// By how much it is ahead of theirs, in milliseconds; negative if it is behind.
        ahead_ms: i64,
    },
    /// The account goes on elsewhere, by its recovery phrase: nobody takes anything from this home any more.
    ShutOut,
    /// The account found under the ID is not the one that the link names.
    LinkMismatch {
        /// The ID.
        id: String,
    },
    /// No contact has this ID.
    NotAContact {
        /// The ID.
        id: String,
    },
    /// The account was terminated by its owner.
    Terminated {
        /// The ID.
        id: String,
    },
    /// The contact is blocked here.
    Blocked {
        /// The ID.
        id: String,
    },
    /// The recipient's card holds no key that a message can be sealed to.
    StaleKeys {
        /// The ID.
        id: String,
    },
    /// The message is not known here any more.
    MessageGone,
    /// There is no message with this identifier, or none that this can be done with.
    NoSuchMessage {
        /// The identifier.
        id: String,
    },
    /// No keeper can be reached.
    Offline,

    /// As many messages are under way as the outbox holds.
    OutboxFull {
        /// How many.
        waiting: u32,
    },
    /// There are as many contacts as there may be.
    ContactsFull {
        /// How many.
        max: u32,
    },
    /// As many commands are being answered as may be.
    Busy {
        /// How many.
        max: u32,
    },

    /// The disk did not take what was to be stored, and once it takes everything again it holds nothing of it.
    NotStored {
        /// What it was.
        what: Stored,
    },
    /// The disk did not give what is stored.
    NotRead {
        /// What it was.
        what: Stored,
    },
    /// A file is there already.
    FileExists {
        /// Its path.
        path: String,
    },
    /// A file could not be written; nothing of it is there.
    FileNotWritten {
        /// Its path.
        path: String,
        /// What the system says.
        why: String,
    },
    /// It took too long.
    TimedOut,
    /// The node is ending.
    Stopping,
    /// A defect of the node.
    Internal {
        /// What is known of it.
        why: String,
    },
}

impl Refusal {
    /// Returns its code, as JSON has it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidId { .. } => "invalid_id",
            Self::UnknownName { .. } => "unknown_name",
            Self::AmbiguousName { .. } => "ambiguous_name",
            Self::InvalidLifetime { .. } => "invalid_lifetime",
            Self::BurnsTooLate { .. } => "burns_too_late",
            Self::TooLong { .. } => "too_long",
            Self::OwnId => "own_id",
            Self::NoAccount => "no_account",
            Self::InvalidParameter { .. } => "invalid_parameter",
            Self::Version { .. } => "version",
            Self::Malformed { .. } => "malformed",
            Self::NoSuchPath => "no_such_path",
            Self::WrongMethod => "wrong_method",
            Self::WrongMedia { .. } => "wrong_media",
            Self::TooLarge { .. } => "too_large",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::Foreign { .. } => "foreign",
            Self::UnknownId { .. } => "unknown_id",
            Self::UnusableCard { .. } => "unusable_card",
            Self::OtherDate { .. } => "other_date",
            Self::WrongClock { .. } => "wrong_clock",
            Self::ShutOut => "shut_out",
            Self::LinkMismatch { .. } => "link_mismatch",
            Self::NotAContact { .. } => "not_a_contact",
            Self::Terminated { .. } => "terminated",
            Self::Blocked { .. } => "blocked",
            Self::StaleKeys { .. } => "stale_keys",
            Self::MessageGone => "message_gone",
            Self::NoSuchMessage { .. } => "no_such_message",
            Self::Offline => "offline",
            Self::OutboxFull { .. } => "outbox_full",
            Self::ContactsFull { .. } => "contacts_full",
            Self::Busy { .. } => "busy",
            Self::NotStored { .. } => "not_stored",
            Self::NotRead { .. } => "not_read",
            Self::FileExists { .. } => "file_exists",
            Self::FileNotWritten { .. } => "file_not_written",
            Self::TimedOut => "timed_out",
            Self::Stopping => "stopping",
            Self::Internal { .. } => "internal",
        }
    }

    /// Tells whether the request itself is wrong and will be wrong again.
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::InvalidId { .. }
                | Self::UnknownName { .. }
                | Self::AmbiguousName { .. }
                | Self::InvalidLifetime { .. }
                | Self::BurnsTooLate { .. }
                | Self::TooLong { .. }
                | Self::OwnId
                | Self::NoAccount
                | Self::InvalidParameter { .. }
                | Self::Version { .. }
                | Self::Malformed { .. }
                | Self::NoSuchPath
                | Self::WrongMethod
                | Self::WrongMedia { .. }
                | Self::TooLarge { .. }
                | Self::HeadTooLarge { .. }
                | Self::Foreign { .. }
                | Self::FileExists { .. }
        )
    }
}

/// How a refused request is answered: the content of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorReply {
    /// Why.
    pub error: Refusal,
}

/// What a disk holds for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// A message that leaves.
    Message,
    /// A contact.
    Contact,
    /// Marks of what was read.
    ReadMarks,
    /// Messages that have arrived.
    Inbox,
    /// What is kept for others.
    Holdings,
    /// The account, with all that is its person's.
    Account,
}
