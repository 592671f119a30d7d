//! What leaves, and what became of it.

use std::collections::BTreeMap;

use restante_interface::DeliveryState;
use restante_proto::NodeId;
use restante_proto::account::PersonId;
use restante_proto::envelope::Envelope;
use restante_proto::keys::PublicKey;
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::message::{MessageId, Reference};
use restante_proto::request::Admission;
use restante_proto::time::UnixMillis;

use super::Slot;

/// What admits an envelope at keepers, once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// A stamp is still to be made.
    Due,
    /// The admission proof.
    Ready(Box<Admission>),
}

/// One sealed envelope on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingEnvelope {
    /// The message inside.
    pub message: MessageId,
    /// The recipient's account.
    pub to: PublicKey,
    /// The device of theirs that it is for.
    pub device: PublicKey,
    /// The envelope.
    pub envelope: Envelope,
    /// What admits it.
    pub payment: Payment,
    /// Keepers that hold it, and until when.
    pub receipts: BTreeMap<NodeId, UnixMillis>,
    /// When it was sealed.
    pub made: UnixMillis,
    /// The recipient's delivery receipt is awaited; not for a delivery receipt itself.
    pub awaits_receipt: bool,
}

/// A message this account sent; kept for a while after its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The recipient's account.
    pub to: PublicKey,
    /// The ID that the person wrote to.
    pub id: PersonId,
    /// The highest effort of a stamp that the person allows for it, if not the usual one.
    pub effort_max: Option<u32>,
    /// How far it has come.
    pub state: DeliveryState,
    /// When it was sent.
    pub sent: UnixMillis,
    /// Its end.
    pub expires: UnixMillis,
    /// The recipient's devices have changed since it was sealed: it may never be read.
    pub is_outdated: bool,
    /// How long it lives once read, in milliseconds; 0 if that does not end it.
    pub burn_ms: u64,
    /// The name of the file, if it is one.
    pub file_name: String,
    /// The message that it answers.
    pub reply_to: Option<Reference>,
    /// The message of one's own whose place it takes.
    pub replaces: Option<MessageId>,
    /// The one that has taken its place.
    pub replaced_by: Option<MessageId>,
    /// When its recipient said that it was read.
    pub read: Option<UnixMillis>,
    /// When it was taken back.
    pub recalled: Option<UnixMillis>,
    /// The person has destroyed it here.
    pub is_hidden: bool,
    /// Its place among all messages.
    pub place: u64,
    /// What it says.
    pub words: Words,
}

impl Sent {
    /// Returns when its words are destroyed: at its expiry, or its time after it was read if that is earlier.
    pub fn destroy_at(&self) -> UnixMillis {
        match self.read {
            Some(read) if self.burn_ms > 0 => {
                let burn = self.burn_ms.min(MESSAGE_TTL_MAX_MS);
                self.expires.min(read.plus(burn))
            }
            _ => self.expires,
        }
    }

    /// Tells whether it is on its way still.
    pub const fn is_under_way(&self) -> bool {
        let waits = matches!(self.state, DeliveryState::Waiting | DeliveryState::Stored);
        waits && self.recalled.is_none()
    }
}

/// Where the words of a message of one's own are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// On their way to the disk, which knows where they are.
    Staged,
    /// On the disk, sealed under the key in this slot.
    At(Slot),
    /// Destroyed.
    Gone,
}

impl Words {
    /// Returns where the key of words is that can be read.
    pub const fn slot(self) -> Option<Slot> {
        match self {
            Self::At(slot) => Some(slot),
            Self::Staged | Self::Gone => None,
        }
    }
}
