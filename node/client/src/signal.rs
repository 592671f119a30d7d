//! What one subject tells another: the arrows between them, all in one place.

use restante_proto::message::MessageId;
use restante_proto::stamp::Stamp;

use crate::job::Resolution;
use crate::resolving::{Intent, ResolveError};
use crate::stamps::StampFor;

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
