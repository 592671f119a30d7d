//! The changes that a disk makes durable.

use bytes::Bytes;
use restante_conversation::{ConversationId, rows};
use restante_proto::keys::PublicKey;
use restante_proto::message::{MessageId, Reference};
use restante_proto::prekey::PrekeySecret;
use restante_proto::stamp::Stamp;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use crate::model::{
    Account, Contact, Header, HeaderDraft, Membership, OutgoingEnvelope, OwnCard, OwnPackage,
    Reaction, Sent, Slot,
};

/// A message, by who sent it and the name its sender gave it.
pub type SenderMessage = (PublicKey, MessageId);

/// One change on the disk.
#[derive(Clone, Debug)]
pub enum Change {
    /// Store a contact.
    PutContact(Box<Contact>),
    /// Drop a contact.
    DropContact(PublicKey),
    /// Store an envelope that is under way.
    PutOutgoing(Box<OutgoingEnvelope>),
    /// Drop one.
    DropOutgoing(ItemId),
    /// Store a message of one's own with its words, under a new key; the commit tells its slot.
    PutWords(MessageId, Box<Sent>, Bytes),
    /// Store what became of it; words that it names no longer are destroyed, their key first.
    PutSent(MessageId, Sent),
    /// Forget it.
    DropSent(MessageId),
    /// Store a received message under a new key, in the place of one that may be there; the commit tells its slot.
    PutMessage {
        /// Its place in the inbox.
        arrival: u64,
        /// Its header.
        header: Box<HeaderDraft>,
        /// Its body.
        body: Bytes,
    },
    /// Store a header that has changed. Where its key is, the disk knows; a body that it names none for is destroyed.
    PutHeader(u64, Box<Header>),
    /// Destroy a message: its key first, then its rows.
    Destroy(u64, Slot),
    /// Destroy the message at this place, if there is one, whatever its slot is.
    Discard(u64),
    /// Remember an envelope as taken from a mailbox until then.
    PutTaken(Address, ItemId, UnixMillis),
    /// It was not taken.
    DropTaken(Address, ItemId),
    /// Remember a message until then, so that it is not shown twice.
    PutSeen(SenderMessage, UnixMillis),
    /// It was not shown.
    DropSeen(SenderMessage),
    /// Forget envelopes and messages that were to be remembered until before this.
    Forget(UnixMillis),
    /// A contact is to hear that its message arrived.
    PutDue(SenderMessage),
    /// It was told, or need not be.
    DropDue(SenderMessage),
    /// A contact is to hear that its message was read.
    PutReadDue(SenderMessage),
    /// It was told, or need not be.
    DropReadDue(SenderMessage),
    /// Store what an account feels about a message.
    PutReaction(Reference, PublicKey, Box<Reaction>),
    /// Forget it.
    DropReaction(Reference, PublicKey),
    /// Store the account, which goes on as another device.
    PutAccount(Box<Account>),
    /// Store one's own card.
    PutCard(Box<OwnCard>),
    /// There is none.
    DropCard,
    /// Store a prekey.
    PutPrekey(PrekeySecret),
    /// Destroy the prekey that was issued then.
    DropPrekey(UnixMillis),
    /// Store this device's part in a conversation.
    PutMembership(ConversationId, Box<Membership>),
    /// Drop it.
    DropMembership(ConversationId),
    /// Change a row of a conversation.
    Conversation(ConversationId, rows::Change),
    /// Store a key package of this device.
    PutPackage(Box<OwnPackage>),
    /// Destroy the key package that was made then.
    DropPackage(UnixMillis),
    /// Store the stamp shown at a locator.
    PutStamp(Address, Stamp),
    /// Forget it.
    DropStamp(Address),
}
