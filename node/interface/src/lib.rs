//! The local interface of a node: what is asked of it, what it answers, and what it tells unasked.
//!
//! Plain data without logic, shared by the node, the command line and whatever else talks to a node on the same
//! machine. Requests and answers travel as JSON; [`VERSION`] changes when either changes incompatibly.
//!
//! ```
//! use restante_interface::{InboxRequest, Request};
//!
//! let request = Request::Inbox(InboxRequest { wait_ms: 5_000, ..InboxRequest::default() });
//! let json = serde_json::to_string(&request)?;
//! assert_eq!(json, r#"{"inbox":{"wait_ms":5000,"all":false,"after":null}}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod body;
mod doctor;
mod event;
mod refusal;
mod reply;
mod request;
mod status;

pub use self::body::{Body, Redacted};
pub use self::doctor::{DoctorReport, Examined, Finding, Verdict};
pub use self::event::Event;
pub use self::refusal::{Refusal, Stored};
pub use self::reply::{
    CONTACT_PAGE_COUNT_MAX, ContactInfo, ContactPage, ContactState, DeliveryState,
    INBOX_PAGE_COUNT_MAX, IdInfo, InboxMessage, InboxPage, Reply, SendNote, SendResult, VerifyInfo,
};
pub use self::request::{InboxRequest, MARK_READ_COUNT_MAX, Request, SEND_ANSWER_MS, SendRequest};
pub use self::status::{
    HOLDINGS_PAGE_COUNT_MAX, HoldingItem, HoldingsPage, KeeperLoad, KeeperStatus, MailboxStatus,
    NetworkLoad, NodeMode, OUTBOX_COUNT_MAX, OutboxEntry, RepairStatus, StatusInfo,
};

/// Version of the interface; a command and a node of different versions refuse to talk.
pub const VERSION: u32 = 2;
