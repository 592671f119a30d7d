//! What a run counts while it goes on.

use crate::model::{lookup::Walk, report::CopiesAt, stats::Histogram};

/// All counters of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    /// Times that a node came or went.
    pub(crate) turns: u64,
    pub(crate) written: u64,
    pub(crate) stored: u64,
    pub(crate) delivered: u64,
    pub(crate) known: u64,
    pub(crate) twice: u64,
    pub(crate) expired: u64,
    pub(crate) never_stored: u64,
    pub(crate) lost: u64,
    pub(crate) visits: u64,
    pub(crate) visits_in_vain: u64,
    pub(crate) stored_ms: Histogram,
    pub(crate) shown_ms: Histogram,
    pub(crate) online_ms: Histogram,
    pub(crate) after_return_ms: Histogram,
    pub(crate) latency: LatencyTally,
    pub(crate) repair: RepairTally,
    pub(crate) lookups: LookupTally,
    pub(crate) bytes: ByteTally,
    pub(crate) copies: Vec<CopiesAt>,
    pub(crate) moved: Histogram,
    pub(crate) copies_max: Histogram,
    /// Memory that is used again and again.
    pub(crate) closest: Vec<(u64, u32)>,
}

/// What people waited for, each with the least that it could have been; in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct LatencyTally {
    pub(crate) deposit_ms: Histogram,
    pub(crate) deposit_least_ms: Histogram,
    pub(crate) again_ms: Histogram,
    pub(crate) again_least_ms: Histogram,
    pub(crate) shown_ms: Histogram,
    pub(crate) shown_least_ms: Histogram,
    pub(crate) card_ms: Histogram,
    pub(crate) card_least_ms: Histogram,
}

#[derive(Debug, Default)]
pub(crate) struct RepairTally {
    pub(crate) checks: u64,
    /// Checks at which no keeper was up.
    pub(crate) nobody: u64,
    pub(crate) copies: u64,
    pub(crate) bytes: u64,
    /// Copies that were beyond what the sender had placed.
    pub(crate) filled: u64,
    /// Copies of waiting messages on nodes that left for good.
    pub(crate) lost: u64,
}

#[derive(Debug, Default)]
pub(crate) struct LookupTally {
    pub(crate) count: u64,
    pub(crate) exact: u64,
    pub(crate) questions: Histogram,
    pub(crate) unanswered: u64,
    pub(crate) hops: Histogram,
    pub(crate) nearest_ms: Histogram,
    pub(crate) end_ms: Histogram,
}

impl LookupTally {
    pub(crate) fn add(&mut self, walk: Walk, is_exact: bool) {
        self.count += 1;
        self.exact += u64::from(is_exact);
        self.questions.add(u64::from(walk.questions));
        self.unanswered += u64::from(walk.unanswered);
        self.hops.add(u64::from(walk.hops));
        self.nearest_ms.add(walk.nearest_ms);
        self.end_ms.add(walk.end_ms);
    }
}

#[derive(Debug, Default)]
pub(crate) struct ByteTally {
    pub(crate) total: u64,
    pub(crate) lookups: u64,
    pub(crate) deposits: u64,
    pub(crate) offers: u64,
    pub(crate) collecting: u64,
    pub(crate) delivery_receipts: u64,
    pub(crate) held: u64,
}
