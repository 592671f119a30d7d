//! What a run has shown when it ends, held against what its scenario expects.

use crate::observed::{Causes, Upkeep};
use crate::report::{Counts, Effect};
use crate::scenario::{Bound, Expectations, Ms, Quantity, Scenario, Side, Unit};

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outturn<'a> {
    /// What became of messages.
    pub(crate) counts: &'a Counts,
    /// Nodes, people's included.
    pub(crate) nodes: usize,
    /// Virtual milliseconds that passed.
    pub(crate) virtual_ms: u64,
    /// Milliseconds from the end of the faults until all was as it should be, if it was.
    pub(crate) settled_after_ms: Option<u64>,
    /// Copies that keepers lost and made.
    pub(crate) upkeep: Upkeep,
    /// What keepers and people sent and received.
    pub(crate) causes: &'a [Causes],
}

/// Looks for a fault that changed nothing, and for what the scenario expects and did not get.
pub(crate) fn at_last(
    scenario: &Scenario,
    outturn: &Outturn<'_>,
    effects: &[Effect],
) -> Option<(&'static str, String)> {
    let mut idle = effects.iter().filter(|effect| effect.changed == 0);
    if let Some(idle) = idle.next().filter(|_| !scenario.expect.idle_faults) {
        let what = format!("{} changed nothing", idle.fault);
        return Some(("fault-without-effect", what));
    }
    let missed = outturn.missed(&scenario.expect);
    missed.map(|what| ("expectation", what))
}

impl Outturn<'_> {
    /// Returns the first expectation that is missed: what was seen, and what was wanted.
    pub(crate) fn missed(&self, expected: &Expectations) -> Option<String> {
        let mut bounds = expected.bounds.iter();
        bounds.find_map(|bound| self.misses(*bound))
    }

    fn misses(&self, bound: Bound) -> Option<String> {
        let (name, unit) = bound.quantity.name_and_unit();
        let seen = self.seen(bound.quantity);
        let holds = seen.is_some_and(|seen| match bound.side {
            Side::Least => seen >= bound.limit,
            Side::Most => seen <= bound.limit,
            Side::Exactly => seen == bound.limit,
        });
        if holds {
            return None;
        }
        let seen = seen.map_or_else(|| "unknown".to_owned(), |seen| shown(unit, seen));
        let wanted = shown(unit, bound.limit);
        let side = match bound.side {
            Side::Least => "at least ",
            Side::Most => "at most ",
            Side::Exactly => "",
        };
        Some(format!("`{name}` is {seen}, expected was {side}{wanted}"))
    }

    fn seen(&self, quantity: Quantity) -> Option<u64> {
        let counts = self.counts;
        match quantity {
            Quantity::Written => Some(counts.written),
            Quantity::Stored => Some(counts.stored),
            Quantity::Shown => Some(counts.shown),
            Quantity::Delivered => Some(counts.delivered),
            Quantity::Expired => Some(counts.expired),
            Quantity::Burnt => Some(counts.burnt),
            Quantity::Lost => Some(counts.lost),
            Quantity::RefusedBusy => Some(counts.refused_busy),
            Quantity::RefusedClock => Some(counts.refused_clock),
            Quantity::Duplicates => Some(counts.duplicates),
            Quantity::ShownAfterP50 => (counts.shown > 0).then_some(counts.shown_after_p50_ms),
            Quantity::ShownAfterP99 => (counts.shown > 0).then_some(counts.shown_after_p99_ms),
            Quantity::SettledAfter => self.settled_after_ms,
            Quantity::BytesPerMessage => per(counts.bytes, counts.shown),
            Quantity::BytesPerNodeSecond => per(
                counts.bytes.saturating_mul(1_000),
                self.virtual_ms.saturating_mul(self.nodes as u64),
            ),
            Quantity::BytesPerKeeperHour => self.bytes_an_hour("keepers"),
            Quantity::BytesPerPersonHour => self.bytes_an_hour("people"),
            Quantity::KeepersKnown => self.of("keepers").map(|causes| causes.keepers_known),
            Quantity::CopiesMade => per(self.upkeep.made.saturating_mul(100), self.upkeep.lost),
        }
    }
}

impl Outturn<'_> {
    fn bytes_an_hour(&self, who: &str) -> Option<u64> {
        self.of(who).map(|causes| causes.bytes_an_hour)
    }

    fn of(&self, who: &str) -> Option<&Causes> {
        self.causes.iter().find(|causes| causes.who == who)
    }
}

/// Divides and rounds up.
fn per(whole: u64, parts: u64) -> Option<u64> {
    (parts > 0).then(|| whole.div_ceil(parts))
}

fn shown(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Messages | Unit::Bytes => amount.to_string(),
        Unit::Percent => format!("{amount} %"),
        Unit::Milliseconds => Ms(amount).to_string(),
    }
}
