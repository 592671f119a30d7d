//! What a run has shown, for people and for `--json`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::observed::Observed;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it ran on.
    pub tier: Tier,
    pub seed: u64,
    /// Nodes, people's included.
    pub nodes: usize,
    /// Whether it passed.
    pub outcome: Outcome,
    /// BLAKE3 over all lines of the trace, in hexadecimal.
    pub trace_hash: String,
    pub trace_lines: u64,
    /// Events that took place.
    pub events: u64,
    /// Virtual milliseconds that passed.
    pub virtual_ms: u64,
    /// Virtual milliseconds from the end of the faults until all was as it should be, to the
    /// minute.
    pub settled_after_ms: Option<u64>,
    /// What became of messages.
    pub counts: Counts,
    /// What each fault changed.
    pub effects: Vec<Effect>,
    /// Only on whole nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

/// How much of a node a run consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Whole nodes, as they are shipped.
    #[default]
    Full,
    /// Nodes without libp2p, redb and files.
    Fast,
}

impl Tier {
    /// All tiers with their names.
    pub const ALL: [(&'static str, Self); 2] = [("full", Self::Full), ("fast", Self::Fast)];

    /// Returns the tier's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Fast => "fast",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// A sentence that lists the names there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, tier)| *tier)
            .ok_or_else(|| format!("{name:?} is none of: full, fast"))
    }
}

/// Whether a run passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No rule was broken.
    Passed,
    /// With the first broken rule.
    Violated(Violation),
}

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub rule: Cow<'static, str>,
    /// What happened.
    pub what: String,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
}

/// What became of messages, and what that took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages written.
    pub written: u64,
    /// Messages that had enough receipts at some time.
    pub stored: u64,
    /// Messages shown.
    pub shown: u64,
    /// Messages whose sender has the recipient's delivery receipt.
    pub delivered: u64,
    /// Messages whose life ended before they were shown.
    pub expired: u64,
    /// Messages that were read and then destroyed at the time their sender had asked for.
    #[serde(default)]
    pub burnt: u64,
    /// Messages that live, were taken by their sender's node, and are not shown to a recipient who is there.
    #[serde(default)]
    pub lost: u64,
    /// Messages that were shown again.
    #[serde(default)]
    pub duplicates: u64,
    /// Milliseconds from writing to showing: half of the messages took no longer.
    pub shown_after_p50_ms: u64,
    /// Milliseconds from writing to showing: 99 of 100 took no longer.
    pub shown_after_p99_ms: u64,
    /// Requests, answers and pushes sent.
    pub packets: u64,
    pub bytes: u64,
    /// Packets that were overtaken by a later one.
    pub overtaken: u64,
    /// Bytes that keepers hold at the end.
    pub held_bytes: u64,
    /// Requests that keepers, since they were last started, refused because their askers asked too much at once.
    #[serde(default)]
    pub refused_busy: u64,
    /// Requests that they refused because a date lay too far from their clocks, but for lives that were over.
    #[serde(default)]
    pub refused_clock: u64,
}

/// What one fault changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub fault: String,
    /// How many things it changed; a run in which this is 0 fails, unless the scenario allows it.
    pub changed: u64,
    /// How many machines it hit, where it hits single ones.
    #[serde(default)]
    pub machines: u64,
    /// How often it was under way when all faults ended, sooner than it would have.
    #[serde(default)]
    pub cut_short: u64,
}

impl Report {
    /// Returns the first broken rule.
    pub const fn violation(&self) -> Option<&Violation> {
        match &self.outcome {
            Outcome::Passed => None,
            Outcome::Violated(violation) => Some(violation),
        }
    }

    /// Tells whether no rule was broken.
    pub const fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed)
    }
}
