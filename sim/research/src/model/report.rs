//! What a run found out.

use crate::model::stats::Quantiles;
use crate::statistics::Estimate;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Virtual time, in milliseconds.
    pub(crate) now_ms: u64,
    /// Virtual time at which the run ends, in milliseconds.
    pub(crate) until_ms: u64,
    /// Messages written.
    pub(crate) written: u64,
    /// Messages delivered.
    pub(crate) delivered: u64,
    /// Messages delivered, expired or lost.
    pub(crate) ended: u64,
    /// Lookups made.
    pub(crate) lookups: u64,
    /// Events made.
    pub(crate) events: u64,
}

/// What a run found out; the same options and seed give the same report, bit for bit, on every
/// machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// Nodes at a time.
    pub(crate) nodes: u32,
    /// Virtual time, in milliseconds.
    pub(crate) duration_ms: u64,
    /// Things that happened.
    pub(crate) events: u64,
    /// Times that a node came or went.
    pub(crate) turns: u64,
    /// What became of the messages.
    pub(crate) messages: Messages,
    /// From writing a message to enough receipts, in milliseconds.
    pub(crate) stored_ms: Quantiles,
    /// From writing a message to its delivery, in milliseconds.
    pub(crate) shown_ms: Quantiles,
    /// From writing a message to its delivery to a recipient who was there, in milliseconds.
    pub(crate) online_ms: Quantiles,
    /// From a recipient's return to the delivery of what was written before, in milliseconds.
    pub(crate) after_return_ms: Quantiles,
    /// What people wait for, if that was measured.
    pub(crate) latency: Option<LatencyReport>,
    /// Copies over time.
    pub(crate) copies: Vec<CopiesAt>,
    /// Repair.
    pub(crate) repair: RepairReport,
    /// Lookups.
    pub(crate) lookups: LookupReport,
    /// Bytes.
    pub(crate) bytes: ByteReport,
    /// The most copies a node kept at a time, over all nodes that were ever up.
    pub(crate) copies_per_keeper: Quantiles,
}

/// What people wait for.
///
/// The least possible is what somebody would wait for who knows beforehand which nodes are nearest and up: a handshake
/// and one exchange with each of them at once where there is no connection, the exchange alone where there is one; the
/// keeper's disk is included, the work of people's own devices is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LatencyReport {
    /// From a message to enough receipts, from somebody who knows nobody near its mailbox.
    pub(crate) deposit: Waiting,
    /// The same for another message to this mailbox, five seconds later.
    pub(crate) again: Waiting,
    /// From that other message to its showing to a recipient who is there.
    pub(crate) shown: Waiting,
    /// From the wish for a card to records at enough of its locators.
    pub(crate) card: Waiting,
}

/// How long somebody waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) took_ms: Quantiles,
    /// The least that it could have taken.
    pub(crate) least_ms: Quantiles,
}

/// What became of the messages: each ended delivered, expired or lost, or waits still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Messages {
    /// Messages written.
    pub(crate) written: u64,
    /// Those with enough receipts.
    pub(crate) stored: u64,
    /// Those that their recipient took.
    pub(crate) delivered: u64,
    /// Those whose sender knows of it.
    pub(crate) known: u64,
    /// Those that nobody took in time, with a copy left or never stored.
    pub(crate) expired: u64,
    /// Those among `expired` that were never stored.
    pub(crate) never_stored: u64,
    /// Those that were stored and of which no copy was left at their end.
    pub(crate) lost: u64,
    /// Those that still live at the end of the run and were not taken.
    pub(crate) waiting: u64,
    /// Those that were taken twice: always 0, or the run is wrong.
    pub(crate) twice: u64,
    /// Share that was delivered.
    pub(crate) delivery: Option<Estimate>,
    /// Share of those stored that was lost.
    pub(crate) loss: Option<Estimate>,
    /// Times a recipient came to look for a message.
    pub(crate) visits: u64,
    /// Those at which it went again without it: no copy was up, or near enough.
    pub(crate) visits_in_vain: u64,
}

/// Copies at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CopiesAt {
    /// The moment, in milliseconds.
    pub(crate) at_ms: u64,
    /// Copies on nodes that have not left for good, those of messages that were taken included.
    pub(crate) copies: u64,
    /// Messages that are stored and not taken.
    pub(crate) waiting: u64,
    /// Their copies on nodes that have not left for good.
    pub(crate) waiting_copies: u64,
    /// Those of which no copy is up.
    pub(crate) out_of_reach: u64,
}

/// What repair did, and the least that it could have done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RepairReport {
    /// Times the keepers of a message looked.
    pub(crate) checks: u64,
    /// Those at which none of them was up.
    pub(crate) nobody_up: u64,
    /// Copies made.
    pub(crate) copies: u64,
    /// Copies of waiting messages that were lost with their node.
    pub(crate) copies_lost: u64,
    /// Copies made because keepers are to hold more than the sender placed.
    pub(crate) copies_added: u64,
    /// Bytes moved.
    pub(crate) bytes: u64,
    /// Copies made, over the least possible: one for each that was lost or added.
    pub(crate) over_least: f64,
}

/// What lookups took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LookupReport {
    /// Lookups.
    pub(crate) count: u64,
    /// Those that found exactly the nearest nodes that are up, as many as a message has copies.
    pub(crate) exact: u64,
    /// Questions a lookup asked.
    pub(crate) questions: Quantiles,
    /// Share of all questions that were asked of nodes that do not answer.
    pub(crate) unanswered: f64,
    /// How far away the nearest node was first heard of: 0 is the own table.
    pub(crate) hops: Quantiles,
    /// Until the nearest node was first heard of, in milliseconds.
    pub(crate) nearest_ms: Quantiles,
    /// Until the lookup ended, in milliseconds.
    pub(crate) end_ms: Quantiles,
}

/// Bytes of payloads between people and nodes, and between nodes, for messages alone: what it takes
/// to stay connected and keep tables fresh is not simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ByteReport {
    pub(crate) total: u64,
    /// For lookups, estimated.
    pub(crate) lookups: u64,
    /// For deposits.
    pub(crate) deposits: u64,
    /// For offers.
    pub(crate) offers: u64,
    /// For subscribing, listing, getting, pushing and acking.
    pub(crate) collecting: u64,
    /// For delivery receipts, beside lookups.
    pub(crate) delivery_receipts: u64,
    /// For repair.
    pub(crate) repair: u64,
    /// On the disks of nodes at the end, in whole envelopes.
    pub(crate) held: u64,
    /// All, over messages written.
    pub(crate) per_message: f64,
    /// Sent and received by a node that was ever up.
    pub(crate) per_node: Quantiles,
}
