//! The Restante protocol, without socket, disk or clock.

#![warn(
    missing_docs,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

pub mod account;
pub mod bucket;
pub mod card;
pub mod collector;
pub mod context;
pub mod dates;
pub mod envelope;
#[cfg(test)]
mod fixture;
pub mod ids;
pub mod keeper;
pub mod keys;
pub mod limits;
pub mod mailbox;
pub mod message;
pub mod outbox;
pub mod pauses;
pub mod person;
pub mod phrase;
pub mod placement;
pub mod prekey;
pub mod publisher;
pub mod receipt;
pub mod repair;
pub mod request;
pub mod routing;
pub mod stamp;
pub mod time;
#[cfg(test)]
mod vectors;
pub mod wire;

pub use ids::{Address, ItemId, NodeId};
