//! What follows once changes are durable, or have failed.

use restante_conversation::ConversationId;
use restante_interface::Stored;
use restante_proto::keys::PublicKey;
use restante_proto::message::MessageId;
use restante_proto::stamp::Stamp;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use crate::io::CallId;
use crate::model::HeaderDraft;

/// One continuation.
#[derive(Debug)]
pub enum Then {
    /// Envelopes may leave.
    Send(Sealed),
    /// Envelopes were taken from a mailbox.
    Take(Taken),
    /// A contact is as somebody asked; answer with it.
    AnswerContact(CallId, PublicKey),
    /// Answer that it is done.
    AnswerDone(CallId, Stored),
    /// Messages were taken back: answer, and offer these no longer.
    Recalled(CallId, Vec<MessageId>),
    /// The home is another device now.
    Renewed,
    /// The card that was made may be published.
    PublishCard,
    /// A stamp is there: go on with the envelope.
    EnterOutbox(ItemId, Box<Stamp>),
    /// A stamp is there: publish at the locator.
    PublishAt(Address, Box<Stamp>),
    /// So many messages are destroyed.
    Destroyed(usize),
}

impl Then {
    /// Tells whether a person waits for it.
    pub(crate) const fn is_asked(&self) -> bool {
        match self {
            Self::Send(sealed) => matches!(sealed.what, SealedFor::Person(..)),
            Self::AnswerContact(..) | Self::AnswerDone(..) | Self::Recalled(..) => true,
            _ => false,
        }
    }
}

/// Envelopes of one message, sealed and staged.
#[derive(Debug)]
pub struct Sealed {
    /// The envelopes.
    pub envelopes: Vec<ItemId>,
    /// What they are for.
    pub what: SealedFor,
}

/// What envelopes were sealed for.
#[derive(Debug)]
pub enum SealedFor {
    /// A message that a person waits for.
    Person(MessageId, OwnSend),
    /// Delivery receipts.
    Receipts,
    /// Something about messages.
    Notice,
    /// New keys in a conversation.
    Renewal,
    /// Messages for another device of this recipient.
    OtherDevice(PublicKey),
}

/// Somebody who waits for a message of their own.
#[derive(Debug)]
pub struct OwnSend {
    /// Whom to answer.
    pub call: CallId,
    /// Whether to wait until it is stored.
    pub wait: bool,
}

/// Envelopes of one mailbox, their effects staged.
#[derive(Debug)]
pub struct Taken {
    /// The mailbox.
    pub mailbox: Address,
    /// The envelopes, each with its end.
    pub envelopes: Vec<(ItemId, UnixMillis)>,
    /// Messages among them, in the order of their slots.
    pub messages: Vec<Arriving>,
    /// Conversations that this device has joined, each with whose invitation it was.
    pub joined: Vec<(ConversationId, PublicKey)>,
    /// Devices of contacts that cannot follow a conversation any more, each with its account first.
    pub lost: Vec<(PublicKey, PublicKey)>,
    /// Messages of one's own that have arrived, by what they say.
    pub delivered: Vec<MessageId>,
}

/// A message on its way into the inbox.
#[derive(Debug)]
pub struct Arriving {
    /// Its place.
    pub arrival: u64,
    /// The name its sender gave it; its header has that of the message that it replaces.
    pub message: MessageId,
    /// It takes the place of one that is there, or on its way.
    pub replaces: bool,
    /// Its header.
    pub header: HeaderDraft,
    /// Its delivery receipt is staged with it.
    pub is_due: bool,
}
