//! What one subject tells another: the arrows between them, all in one place.

use restante_conversation::ConversationId;
use restante_interface::SendRequest;
use restante_proto::card::{CardDevice, CardError};
use restante_proto::keys::PublicKey;
use restante_proto::message::MessageId;
use restante_proto::stamp::Stamp;

use crate::io::CallId;
use crate::job::Resolution;
use crate::model::Who;
use crate::pending::StampFor;

/// Whether what a lookup found is all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Enough keepers of enough locators have answered: a card that was stored is among what they said.
    Sure,
    /// There may be another card at keepers that did not answer.
    Unsure,
}

/// What a resolved ID is for.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Send this.
    Send(CallId, Box<(Who, SendRequest)>),
    /// Make a contact, with this petname.
    Add(CallId, Box<(Who, Option<String>)>),
    /// Send the delivery receipts due to this contact.
    Receipts(PublicKey),
    /// See whether this contact has a device that messages under way were not sealed for.
    Recheck(PublicKey),
    /// See what keepers hold as the card of this account.
    Own,
}

/// Why an ID could not be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// No keeper could be asked.
    #[error("no keeper can be reached")]
    Offline,
    /// There is a card of this ID that would be good at another date.
    #[error("the card under this ID is of another date")]
    OtherDate,
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
    Resolved(Intent, Result<Box<Resolution>, ResolveError>, Certainty),
    /// Make a stamp worth so much.
    OrderStamp(StampFor, u32),
    /// A stamp was made.
    Stamped(StampFor, Stamp),
    /// See after a while whether the recipient has a device that this message was not sealed for.
    Recheck(MessageId),
    /// A message has come further, or has ended.
    Progress(MessageId),
    /// These messages have arrived at their recipient.
    Delivered(MessageId),
    /// These messages are offered no longer.
    Withdrawn(Vec<MessageId>),
    /// Delivery receipts became due.
    ReceiptsDue,
    /// A sender is to hear, some time soon, that its message was read.
    ReadDue,
    /// This device has joined a conversation with an account.
    Joined(ConversationId, PublicKey),
    /// This device cannot follow a conversation any more.
    Lost(ConversationId),
    /// A device of an account, named second, has lost what it was sent inside a conversation.
    Resend(PublicKey, PublicKey),
    /// The inbox holds something new.
    Arrived,
    /// A new card is wanted.
    CardWanted,
    /// Make a card with a sequence above this one, which shows these other devices too.
    MakeCard { above: u64, others: Vec<CardDevice> },
    /// Another device has published a card that shows the newest prekey of this one.
    PublishedElsewhere,
    /// The card does not show what it should.
    CardOutdated,
    /// A keeper holds a newer record of this account.
    Superseded,
    /// No other copy of this home is further on: it may ack, answer and publish.
    Confirmed,
}
