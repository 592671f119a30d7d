//! What a running node finds when it examines itself.

use serde::{Deserialize, Serialize};

use crate::EntryPoint;

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
        /// The effort that keepers ask for before they take it, where that is more than may be paid.
        #[serde(default)]
        effort_asked: Option<u32>,
    },
    /// Messages that wait because keepers ask for more work than may be paid for them.
    Work {
        /// How many.
        messages: u32,
        /// The highest effort that is asked for one of them.
        effort_asked: u32,
        /// What the node pays unasked.
        effort_max: u32,
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
        /// The error that stopped its store, if one did.
        stopped: Option<String>,
    },
    /// The account's own store.
    Account {
        /// The error that stopped it.
        stopped: String,
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
