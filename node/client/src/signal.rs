//! What one subject tells another: the arrows between them, all in one place.

use restante_interface::SendRequest;
use restante_proto::card::CardError;
use restante_proto::keys::PublicKey;
use restante_proto::message::MessageId;
use restante_proto::stamp::Stamp;

use crate::io::CallId;
use crate::job::Resolution;
use crate::model::Who;
use crate::pending::StampFor;

/// What is to be done once an ID is resolved.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Send this.
    Send(CallId, Box<(Who, SendRequest)>),
    /// Make a contact, with this petname.
    Add(CallId, Box<(Who, Option<String>)>),
    /// Send the delivery receipts due to this contact.
    Receipts(PublicKey),
}

/// Why an ID could not be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// No keeper could be asked.
    #[error("no keeper can be reached")]
    Offline,
    /// Keepers answered, and none has a valid card of this ID.
    #[error("no card is published under this ID")]
    NotFound,
    /// Keepers answered, and what they have under this ID cannot be used.
    #[error("the card that is published under this ID cannot be used: {0}")]
    Unusable(CardError),
    /// A job failed.
    #[error("the lookup was given up")]
    GivenUp,
}

/// One signal.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Look up an ID, and come back with [`Signal::Resolved`].
    Resolve(Intent),
    /// An ID was looked up.
    Resolved(Intent, Result<Box<Resolution>, ResolveError>),
    /// Make a stamp worth so much.
    OrderStamp(StampFor, u32),
    /// A stamp was made.
    Stamped(StampFor, Stamp),
    /// A message has come further, or has ended.
    Progress(MessageId),
    /// These messages have arrived at their recipient.
    Delivered(MessageId),
    /// Delivery receipts became due.
    ReceiptsDue,
    /// The inbox holds something new.
    Arrived,
}
