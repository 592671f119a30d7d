//! What a running node finds when it examines itself.

use serde::{Deserialize, Serialize};

use crate::{ClockInfo, CopyInfo, EntryPoint, StoreTrouble};

/// The findings of a [`Request::Doctor`](crate::Request::Doctor).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    /// One for each thing examined.
    pub findings: Vec<Finding>,
}

/// One thing examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What was seen.
    #[serde(flatten)]
    pub what: Examined,
}

/// What was examined, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Examined {
    /// The network around a personal node.
    Network {
        /// Connected peers.
        peers: u32,
        /// Keepers in the routing table.
        keepers: u32,
    },
    /// The network around a community server, which others join first.
    ServerNetwork {
        /// Connected peers.
        peers: u32,
        /// Keepers in the routing table.
        keepers: u32,
    },
    /// The entry points of the configuration, when some could not be used.
    EntryPoints {
        /// Those.
        failed: Vec<EntryPoint>,
        /// How many there are.
        of: u32,
    },
    /// Publication of the account's card.
    Card {
        /// When it was last stored at all its locators in this run.
        published_ms: Option<u64>,
    },
    /// The account's mailboxes.
    Mailboxes {
        /// Mailboxes watched.
        watched: u32,
        /// Of these, mailboxes with a keeper that pushes.
        subscribed: u32,
    },
    /// What the node keeps for others.
    Keeper {
        /// Items held.
        items: u64,
        /// Why its store takes nothing in at present, if that is so.
        trouble: Option<StoreTrouble>,
        /// When its store last went on by itself after such a time.
        recovered_ms: Option<u64>,
    },
    /// The machine's clock, by what keepers say.
    Clock {
        /// How far it can be relied on.
        clock: ClockInfo,
    },
    /// This home beside other copies of it.
    Copy {
        /// What is known of them.
        copy: CopyInfo,
    },
    /// The account's own store.
    Account {
        /// Why it takes nothing in at present, if that is so.
        trouble: Option<StoreTrouble>,
        /// When it last went on by itself after such a time.
        recovered_ms: Option<u64>,
    },
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// It works, but a person should look at it.
    Warn,
    /// It does not work.
    Fail,
}
