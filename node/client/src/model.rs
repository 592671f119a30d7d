//! What a person's data is. How it lies on a disk, and how others are told of it, stands elsewhere.

mod account;
mod contact;
mod inbox;
mod membership;
mod outgoing;
mod reaction;
mod who;

pub use self::account::{Account, FORMER_MAX, FormerDevice, OwnCard};
pub use self::contact::{
    CARD_FRESH_MS, CONTACT_IDS_MAX, Contact, ContactIds, FoundCard, KnownId, Wishes,
};
pub use self::inbox::{Header, HeaderDraft, SLOT_BYTES, Slot};
pub use self::membership::{Membership, OwnPackage};
pub use self::outgoing::{OutgoingEnvelope, Payment, Sent, Words};
pub use self::reaction::Reaction;
pub use self::who::{InvalidWho, Who, link_of};
