//! From what was counted to what is told.

use super::World;
use crate::model::{
    report::{ByteReport, LatencyReport, LookupReport, Messages, RepairReport, Report, Waiting},
    stats::Histogram,
    tally::{LatencyTally, LookupTally, RepairTally, Tally},
};
use crate::statistics::share;

impl World<'_> {
    /// Returns what the run found out.
    pub(crate) fn findings(&self) -> Report {
        let options = self.options;
        let tally = &self.tally;
        Report {
            nodes: options.nodes,
            duration_ms: options.duration_ms,
            events: tally.events,
            turns: tally.turns,
            messages: Messages {
                written: tally.written,
                stored: tally.stored,
                delivered: tally.delivered,
                known: tally.known,
                expired: tally.expired,
                never_stored: tally.never_stored,
                lost: tally.lost,
                waiting: tally.written - tally.delivered - tally.expired - tally.lost,
                twice: tally.twice,
                delivery: share(tally.delivered, tally.written),
                loss: share(tally.lost, tally.stored),
                visits: tally.visits,
                visits_in_vain: tally.visits_in_vain,
            },
            stored_ms: tally.stored_ms.quantiles(),
            shown_ms: tally.shown_ms.quantiles(),
            online_ms: tally.online_ms.quantiles(),
            after_return_ms: tally.after_return_ms.quantiles(),
            latency: options.latency.then(|| latency_of(&tally.latency)),
            copies: tally.copies.clone(),
            repair: repair_of(&tally.repair),
            lookups: lookups_of(&tally.lookups),
            bytes: bytes_of(tally),
            copies_per_keeper: tally.copies_max.quantiles(),
        }
    }
}

fn lookups_of(tally: &LookupTally) -> LookupReport {
    let questions = tally.questions.quantiles();
    let asked = questions.mean * questions.count as f64;
    LookupReport {
        count: tally.count,
        exact: tally.exact,
        questions,
        unanswered: tally.unanswered as f64 / asked.max(1.0),
        hops: tally.hops.quantiles(),
        nearest_ms: tally.nearest_ms.quantiles(),
        end_ms: tally.end_ms.quantiles(),
    }
}

fn latency_of(tally: &LatencyTally) -> LatencyReport {
    let waiting = |took: &Histogram, least: &Histogram| Waiting {
        took_ms: took.quantiles(),
        least_ms: least.quantiles(),
    };
    LatencyReport {
        deposit: waiting(&tally.deposit_ms, &tally.deposit_least_ms),
        again: waiting(&tally.again_ms, &tally.again_least_ms),
        shown: waiting(&tally.shown_ms, &tally.shown_least_ms),
        card: waiting(&tally.card_ms, &tally.card_least_ms),
    }
}

fn repair_of(repair: &RepairTally) -> RepairReport {
    let least = repair.lost + repair.filled;
    RepairReport {
        checks: repair.checks,
        nobody_up: repair.nobody,
        copies: repair.copies,
        copies_lost: repair.lost,
        copies_added: repair.filled,
        bytes: repair.bytes,
        over_least: repair.copies as f64 / least.max(1) as f64,
    }
}

fn bytes_of(tally: &Tally) -> ByteReport {
    let bytes = &tally.bytes;
    ByteReport {
        total: bytes.total,
        lookups: bytes.lookups,
        deposits: bytes.deposits,
        offers: bytes.offers,
        collecting: bytes.collecting,
        delivery_receipts: bytes.delivery_receipts,
        repair: tally.repair.bytes,
        held: bytes.held,
        per_message: bytes.total as f64 / tally.written.max(1) as f64,
        per_node: tally.moved.quantiles(),
    }
}
