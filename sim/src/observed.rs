//! What a run on whole nodes shows beside what becomes of its messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Samples over time, and sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Taken at equal distances.
    pub samples: Vec<Sample>,
    /// Milliseconds from writing to showing, of each message that was shown, in order.
    pub waits_ms: Vec<u64>,
    /// Faults and absences at the first hundred machines that had any.
    pub spans: Vec<Span>,
    /// Faults and absences at others.
    #[serde(default)]
    pub more_spans: u64,
    /// What each machine sent and received.
    pub machines: Vec<Traffic>,
    /// What the bytes were for, of keepers and of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Causes>,
    /// When the planned time, and with it the faults, ends, in virtual milliseconds.
    pub healed_ms: u64,
    /// Milliseconds from the recipient's return to showing, of each message that waited for it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_return_ms: Vec<u64>,
    /// What waited for those who came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<Return>,
    /// What was left at keepers when some of them were gone for good at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<Survivors>,
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
    pub what: String,
    /// A machine (`k7` a keeper, `p2` a person), or a fault of the network (`partition 1`).
    pub who: String,
    /// In virtual milliseconds.
    pub from_ms: u64,
    /// `None` if it did not end.
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

/// What was left at keepers when some of them were gone for good at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivors {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// Keepers that ran.
    pub keepers: u64,
    /// How many of them were gone.
    pub gone: u64,
    /// Messages that waited at keepers with enough receipts.
    pub waiting: u64,
    pub copies: u64,
    /// Messages of which a copy was left.
    pub survived: u64,
    /// How many would have survived on average, in thousandths of a message: with n copies, each is gone with the
    /// same chance as its keeper.
    pub expected_millis: u64,
}

/// Copies of items, cards included and acks not, that keepers lost and copied from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// Copies that keepers had whose process ended and was not there again five minutes later.
    pub lost: u64,
    /// Copies that keepers made from those of others.
    pub made: u64,
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

/// What bytes were for, of some machines on average.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Causes {
    /// `keepers` or `people`.
    pub who: String,
    /// How many they are.
    pub machines: u64,
    /// Bytes that each sent and received in an hour, in the last 24 hours of the planned time.
    pub bytes_an_hour: u64,
    /// Bytes by what they were for, as the processes count them that run at the end, since each was started.
    pub by_cause: BTreeMap<String, u64>,
    /// The fewest keepers that one of them knows at the end, of those whose processes run.
    #[serde(default)]
    pub keepers_known: u64,
}

/// What an adversary did, or what others had to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    pub who: String,
    pub what: String,
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
