//! Bugs that a test plants, one at a time, to see whether the simulator's checkers catch them.
//!
//! Nothing of this is in a program that anybody runs: the feature `planted` is asked for by one package's tests alone,
//! and a build without debug assertions has no planted bug whatever the features are.

use std::sync::OnceLock;

use crate::prekey::PrekeySecret;

/// The environment variable that names the bug.
pub const VARIABLE: &str = "RESTANTE_PLANTED";

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A keeper answers a deposit before it hands it to its store.
    ReceiptBeforeCommit,
    /// A keeper's store says that something is durable before it was synced.
    ReceiptBeforeFsync,
    /// A recipient takes what it has taken before.
    NoDedup,
    /// A keeper deletes what is acked and does not remember it.
    AckForgotten,
    /// A keeper serves everything for an hour longer.
    LateExpiry,
    /// A keeper's repair brings back what was acked.
    Resurrection,
    /// A sender counts each receipt for two.
    ReceiptsTwice,
    /// A new card shows the prekey of the last one.
    PrekeyReused,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReceiptBeforeCommit,
        Self::ReceiptBeforeFsync,
        Self::NoDedup,
        Self::AckForgotten,
        Self::LateExpiry,
        Self::Resurrection,
        Self::ReceiptsTwice,
        Self::PrekeyReused,
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
            Self::PrekeyReused => "prekey-reused",
        }
    }

    /// Tells whether this process has it.
    pub fn is_here(self) -> bool {
        static HERE: OnceLock<Option<Planted>> = OnceLock::new();
        if !cfg!(debug_assertions) {
            return false;
        }
        let here = || {
            let name = std::env::var_os(VARIABLE)?;
            Self::ALL.into_iter().find(|bug| name == bug.name())
        };
        *HERE.get_or_init(here) == Some(self)
    }
}

/// Returns the prekey that a new card shows, given those there are.
pub fn prekey_of_card(fresh: PrekeySecret, all: &[PrekeySecret]) -> PrekeySecret {
    let last = all.last().filter(|_| Planted::PrekeyReused.is_here());
    let (issued, expires) = (fresh.public().issued, fresh.public().expires);
    let again = last.map(|last| zeroize::Zeroizing::new(*last.seed()));
    again
        .and_then(|seed| PrekeySecret::from_seed(seed, issued, expires).ok())
        .unwrap_or(fresh)
}
