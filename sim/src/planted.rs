//! Bugs that a test plants, one at a time, to see whether the simulator's rules catch them.
//!
//! They stand around the shipped code, never in it. Their names are here; what they do is in builds of the simulator
//! with debug assertions alone.

use std::sync::OnceLock;

/// The environment variable that names the bug.
pub const VARIABLE: &str = "RESTANTE_PLANTED";

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A keeper answers a deposit before it hands it to its store.
    ReceiptBeforeCommit,
    /// A keeper's store says that something is durable before it was synced.
    ReceiptBeforeFsync,
    /// A recipient does not remember what it has taken.
    NoDedup,
    /// A keeper deletes what is acked and does not remember it.
    AckForgotten,
    /// A keeper serves everything for an hour longer.
    LateExpiry,
    /// A keeper's repair brings back what was acked.
    Resurrection,
    /// A sender counts each receipt for two.
    ReceiptsTwice,
    /// A node knows no more than three others of one group of addresses.
    GroupLimit,
    /// An old copy of a home takes itself for the newest, and acks what does not open.
    AckUnopened,
}

impl Planted {
    pub const ALL: [Self; 9] = [
        Self::ReceiptBeforeCommit,
        Self::ReceiptBeforeFsync,
        Self::NoDedup,
        Self::AckForgotten,
        Self::LateExpiry,
        Self::Resurrection,
        Self::ReceiptsTwice,
        Self::GroupLimit,
        Self::AckUnopened,
    ];

    /// Returns its name, as [`VARIABLE`] has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReceiptBeforeCommit => "receipt-before-commit",
            Self::ReceiptBeforeFsync => "receipt-before-fsync",
            Self::NoDedup => "no-dedup",
            Self::AckForgotten => "ack-forgotten",
            Self::LateExpiry => "late-expiry",
            Self::Resurrection => "resurrection",
            Self::ReceiptsTwice => "receipts-twice",
            Self::GroupLimit => "group-limit",
            Self::AckUnopened => "ack-unopened",
        }
    }

    /// Tells whether this process has it.
    pub fn is_here(self) -> bool {
        static HERE: OnceLock<Option<Planted>> = OnceLock::new();
        let here = || {
            let name = std::env::var_os(VARIABLE)?;
            Self::ALL.into_iter().find(|bug| name == bug.name())
        };
        *HERE.get_or_init(here) == Some(self)
    }
}
