//! What keeps a store from taking anything in.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a store takes nothing in at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum StoreTrouble {
    /// The disk has no room; the store goes on by itself once it has.
    DiskFull,
    /// The disk has failed; the store is opened again by itself until that works.
    DiskFailed {
        /// What the system says.
        why: String,
    },
    /// What is on the disk is not what was written there: a person has to see to it.
    Damaged {
        /// What was found.
        why: String,
    },
    /// What works on the store has ended with a defect: the node has to be started again.
    Ended,
}

impl StoreTrouble {
    /// Tells whether it is over by itself once the disk is in order.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskFailed { .. })
    }
}

impl fmt::Display for StoreTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull => f.write_str("the disk is full"),
            Self::DiskFailed { why } => write!(f, "the disk failed: {why}"),
            Self::Damaged { why } => write!(f, "the store is damaged: {why}"),
            Self::Ended => f.write_str("the store's worker has ended"),
        }
    }
}
