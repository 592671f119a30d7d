//! What a person's node asks the world to do, and what it lets the checkers know.

use bytes::Bytes;
use restante_proto::{
    Address, ItemId, NodeId, envelope::Envelope, keys::PublicKey, message::MessageId,
    placement::Standing, request::Request, time::UnixMillis,
};

/// What a person's node asks the world to do.
pub(crate) enum Act {
    /// Look up the closest keepers.
    Lookup {
        call: u64,
        address: Address,
        count: usize,
    },
    /// Send a keeper a request.
    Ask {
        call: u64,
        keeper: NodeId,
        request: Box<Request>,
    },
    /// Let so much time pass.
    Work { call: u64, ms: u64 },
    /// Let the checkers know.
    Tell(Fact),
}

/// What a person's node lets the checkers know.
pub(crate) enum Fact {
    /// Somebody has written something; nothing of it has left yet.
    Written {
        message: MessageId,
        to: PublicKey,
        body: Bytes,
    },
    /// An envelope is committed, and about to leave.
    Sealed {
        message: MessageId,
        to: PublicKey,
        text: bool,
        envelope: Envelope,
    },
    /// A sender's idea of where an envelope is has changed.
    Standing {
        message: MessageId,
        envelope: ItemId,
        standing: Standing,
    },
    /// A sender has the recipient's word.
    Delivered { message: MessageId },
    /// A sender has given up.
    Expired { message: MessageId },
    /// A recipient was told to open this.
    Opening { envelope: ItemId, known: bool },
    /// A recipient has committed a message, and shows it.
    Shown {
        sender: PublicKey,
        message: MessageId,
        body: Bytes,
        expires: UnixMillis,
    },
    /// A recipient has committed that an envelope is done with.
    Taken { envelope: ItemId },
    /// An envelope did not open.
    Worthless { envelope: ItemId, why: String },
    /// The card is at so many locators.
    Published { locators: usize, of: usize },
}

/// Returns the first bytes of a message's name, enough to tell two apart in a trace.
pub(crate) fn name_of(message: &MessageId) -> String {
    message.to_string().chars().take(10).collect()
}
