//! Conversations: an MLS group (RFC 9420) for one or two accounts and all their devices, whose commits nobody orders.
//!
//! A [`Conversation`] holds the epochs that are known, as a tree, speaks in the one that all pick ([`epoch`]), and
//! opens what was said in any. It does no I/O and knows no clock: what happens is told to it, what has to be stored
//! comes out as [`rows::Change`]s, and what has to be sent as bytes. After a transaction that failed it is dropped and
//! read again: it must never go on from an older copy of a state whose keys were used.
//!
//! The protocol is section 15 of `proto/SPEC.md`.

mod conflict;
pub mod conversation;
mod ending;
pub mod envelope;
pub mod epoch;
pub mod error;
mod group;
pub mod key_package;
mod label;
mod library;
pub mod member;
mod model;
pub mod outer;
mod past;
pub mod rows;
pub mod rules;
mod storage;
pub mod suite;
#[cfg(test)]
mod tests;

pub use conversation::{Conversation, ConversationId, Turn};
pub use epoch::EpochName;
pub use error::ConversationError;
pub use member::Member;
pub use rules::Accounts;
pub use storage::Secret;
