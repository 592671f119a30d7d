//! The person's side of a node as a state machine: resolving, sending, conversations, placing, collecting, receipts,
//! contacts, stamps, publication, expiry and burning.
//!
//! [`Core::handle`] takes one input, with both times and a source of randomness, and returns the actions to perform. It
//! reads no clock, no disk and no socket: whoever drives it asks keepers, searches, computes and commits, and brings
//! the results back as inputs. The node drives it with libp2p and a vault, the simulator with virtual networks and
//! disks.
//!
//! # How the parts fit
//!
//! ```text
//! Input -> core -> one subject -> changes of `records` (staged), questions (`pending`), signals to other subjects
//!                                      |                            |                      |
//!                     Output::Commit <-+      Output::Ask, Search ... <+          core -> another subject
//!                     Input::Committed -> core -> `Then`: what had to wait until it is durable
//! ```
//!
//! Each subject owns its state and its file; what two of them have to do with each other passes through the core as a
//! `Signal`. [`Records`](records::Records) is what the disk holds. Nothing counts as done before its commit has come
//! back.

mod about;
mod change;
mod collecting;
mod contacts;
mod conversing;
mod copies;
mod core;
mod cx;
mod dates;
mod deposit;
mod history;
mod io;
pub mod job;
pub mod memory;
pub mod model;
mod obstacles;
mod overview;
mod pending;
mod placing;
mod publishing;
mod reading;
mod receipts;
mod rechecking;
pub mod records;
mod resolving;
mod restoring;
mod sealing;
mod sending;
mod settings;
mod signal;
mod stamps;
#[cfg(test)]
mod tests;
mod then;

pub use self::core::Core;
pub use self::dates::DateStanding;
pub use self::io::{CallId, CommitError, Input, Output, READ_BYTES_MAX, Token};
pub use self::overview::{Overview, clock_info, clock_state, id_info};
pub use self::receipts::GATHER_MS as RECEIPTS_GATHER_MS;
pub use self::restoring::{Restored, restored};
pub use self::settings::Settings;
