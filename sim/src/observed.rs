//! What was seen of a run on whole nodes, beside what became of its messages.

use serde::{Deserialize, Serialize};

/// Everything that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// How the run stood, again and again.
    pub samples: Vec<Sample>,
    /// Milliseconds from writing to showing, of each message that was shown, in order.
    pub waits_ms: Vec<u64>,
    /// When faults and absences began and ended, at the first hundred machines.
    pub spans: Vec<Span>,
    /// How many more there were at others.
    #[serde(default)]
    pub more_spans: u64,
    /// What each machine sent and received.
    pub machines: Vec<Traffic>,
    /// Milliseconds of virtual time at which the faults end.
    pub healed_ms: u64,
    /// Milliseconds from the recipient's return to showing, of each message that waited for it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_return_ms: Vec<u64>,
    /// What waited for those who came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<Return>,
    /// Copies of items that were lost and made.
    #[serde(default)]
    pub upkeep: Upkeep,
    /// What adversaries did, in sum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deeds: Vec<Deed>,
}

/// How a run stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Virtual milliseconds.
    pub at_ms: u64,
    /// Messages written so far.
    pub written: u64,
    /// Of these, those with enough receipts.
    pub stored: u64,
    /// Of these, those shown.
    pub shown: u64,
    /// Keepers whose process runs.
    pub keepers_up: u64,
    /// Items that running keepers hold, cards included, copies counted each.
    pub copies: u64,
    /// Connections, half closed ones included.
    pub connections: u64,
    /// Bytes that all machines together sent so far.
    pub sent_bytes: u64,
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What it was.
    pub what: String,
    /// Whom it concerned.
    pub who: String,
    /// When it began, in virtual milliseconds.
    pub from_ms: u64,
    /// When it ended; nothing if it did not.
    pub to_ms: Option<u64>,
}

/// What waited for somebody who came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// Messages that senders' nodes had taken and that had not been shown.
    pub waiting: u64,
    /// Keepers that had taken one of them and were running, summed over these messages.
    pub copies: u64,
}

/// Copies of items, cards included and acks not, that keepers lost and copied from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// Copies that keepers had whose process ended and was not there again five minutes later.
    pub lost: u64,
    /// Copies that keepers made from those of others.
    pub made: u64,
    /// Their bytes.
    pub made_bytes: u64,
    /// Acks and deletions that keepers took over.
    pub acks: u64,
}

/// What a machine sent and received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Its name: `k7` a keeper, `p2` a person.
    pub name: String,
    /// Bytes sent.
    pub up_bytes: u64,
    /// Bytes that arrived.
    pub down_bytes: u64,
}

/// What an adversary did, or what others had to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// How often.
    pub count: u64,
}

impl Deed {
    pub(crate) fn new(who: &str, what: &str, count: u64) -> Self {
        Self {
            who: who.to_owned(),
            what: what.to_owned(),
            count,
        }
    }
}
