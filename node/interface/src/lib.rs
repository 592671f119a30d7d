//! The local interface of a node: what is asked of it, what it answers, and what it tells unasked.
//!
//! Plain data without logic, shared by the node, the command line and whatever else talks to a node on the same
//! machine. Every [`Request`] is answered with one [`Reply`] or one [`Refusal`]; a [`Request::Send`] may be answered
//! with any number of [`SendResult`]s before that, as progress. What happened is told in codes and facts; the asker
//! makes words of them.
//!
//! All of it travels as JSON over HTTP, at the paths that `README.md` beside this crate's source explains and
//! `openapi.json` describes. Fields may be added within one [`VERSION`], never renamed or removed: the `--json` output
//! of the command line is made of the same types, and scripts depend on it.
//!
//! ```
//! use restante_interface::{InboxRequest, Request};
//!
//! let request = Request::Inbox(InboxRequest { wait_ms: 5_000, ..InboxRequest::default() });
//! let json = serde_json::to_string(&request)?;
//! assert_eq!(json, r#"{"inbox":{"wait_ms":5000,"all":false,"after":null,"only":null}}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

#![warn(missing_docs)]

mod backup;
mod body;
mod doctor;
mod event;
mod history;
mod number;
mod refusal;
mod reply;
mod request;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod trouble;

pub use self::backup::{BackupInfo, BackupRequest, BackupStatus, RestoredInfo};
pub use self::body::{Body, Redacted};
pub use self::doctor::{DoctorReport, Verdict};
pub use self::event::Event;
pub use self::history::{
    CONVERSATION_PAGE_COUNT_MAX, ContactChange, ConversationInfo, ConversationPage,
    HISTORY_PAGE_COUNT_MAX, HistoryMessage, HistoryPage, HistoryRequest, ReactionInfo,
};
pub use self::refusal::{ErrorReply, Refusal, Stored};
pub use self::reply::{
    CONTACT_PAGE_COUNT_MAX, ContactInfo, ContactPage, ContactState, DeliveryState,
    INBOX_PAGE_COUNT_MAX, IdInfo, InboxMessage, InboxPage, Reply, SendLine, SendResult, VerifyInfo,
};
pub use self::request::{InboxRequest, MARK_READ_COUNT_MAX, Request, SEND_ANSWER_MS, SendRequest};
pub use self::state::{MessageCode, OBSTACLES_MAX, Obstacle, ObstacleReason, State, Subject};
pub use self::status::{
    ClockInfo, CopyInfo, EntryPoint, EntryPointState, HOLDINGS_PAGE_COUNT_MAX, HoldingItem,
    HoldingsPage, KeeperLoad, KeeperStatus, MailboxStatus, NetworkLoad, NodeMode, OUTBOX_COUNT_MAX,
    OutboxEntry, RepairStatus, StatusInfo, Traffic,
};
pub use self::trouble::StoreTrouble;

/// Version of the interface; a command and a node of different versions refuse to talk.
pub const VERSION: u32 = 5;
