//! What must come out of a run, besides what the checkers always want.

use std::time::Duration;

use crate::observed::Upkeep;
use crate::report::Counts;

#[cfg(test)]
mod tests;

/// What must come out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    /// Each thing that must be so, in the order of the scenario's keys.
    pub(crate) bounds: Vec<Bound>,
    /// Whether a fault or an absence may change nothing, as in scenarios that nobody has planned.
    pub(crate) idle_faults: bool,
}

/// A limit of something that a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// What.
    pub(crate) quantity: Quantity,
    /// From which side.
    pub(crate) side: Side,
    /// The limit, in the quantity's own unit.
    pub(crate) limit: u64,
}

/// From which side something is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Least,
    Most,
    Exactly,
}

/// What a quantity is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Messages,
    Bytes,
    Milliseconds,
    Percent,
}

/// Something that a run shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Written,
    Stored,
    Shown,
    Delivered,
    Expired,
    Lost,
    Duplicates,
    ShownAfterP50,
    ShownAfterP99,
    SettledAfter,
    BytesPerMessage,
    BytesPerNodeSecond,
    CopiesMade,
    RefusedBusy,
    RefusedClock,
}

/// What a run has shown when it ends.
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
}

impl Quantity {
    /// All quantities with their names and units.
    pub(crate) const ALL: [(&'static str, Self, Unit); 15] = [
        ("written", Self::Written, Unit::Messages),
        ("stored", Self::Stored, Unit::Messages),
        ("shown", Self::Shown, Unit::Messages),
        ("delivered", Self::Delivered, Unit::Messages),
        ("expired", Self::Expired, Unit::Messages),
        ("lost", Self::Lost, Unit::Messages),
        ("duplicates", Self::Duplicates, Unit::Messages),
        ("shown_after_p50", Self::ShownAfterP50, Unit::Milliseconds),
        ("shown_after_p99", Self::ShownAfterP99, Unit::Milliseconds),
        ("settled_after", Self::SettledAfter, Unit::Milliseconds),
        ("bytes_per_message", Self::BytesPerMessage, Unit::Bytes),
        (
            "bytes_per_node_second",
            Self::BytesPerNodeSecond,
            Unit::Bytes,
        ),
        ("copies_made", Self::CopiesMade, Unit::Percent),
        ("refused_busy", Self::RefusedBusy, Unit::Messages),
        ("refused_clock", Self::RefusedClock, Unit::Messages),
    ];

    fn name_and_unit(self) -> (&'static str, Unit) {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, quantity, _)| *quantity == self);
        found.map_or(("", Unit::Messages), |(name, _, unit)| (name, *unit))
    }

    /// Returns how much of it there was; nothing if it cannot be said.
    fn seen(self, outturn: &Outturn<'_>) -> Option<u64> {
        let counts = outturn.counts;
        match self {
            Self::Written => Some(counts.written),
            Self::Stored => Some(counts.stored),
            Self::Shown => Some(counts.shown),
            Self::Delivered => Some(counts.delivered),
            Self::Expired => Some(counts.expired),
            Self::Lost => Some(counts.lost),
            Self::RefusedBusy => Some(counts.refused_busy),
            Self::RefusedClock => Some(counts.refused_clock),
            Self::Duplicates => Some(counts.duplicates),
            Self::ShownAfterP50 => (counts.shown > 0).then_some(counts.shown_after_p50_ms),
            Self::ShownAfterP99 => (counts.shown > 0).then_some(counts.shown_after_p99_ms),
            Self::SettledAfter => outturn.settled_after_ms,
            Self::BytesPerMessage => per(counts.bytes, counts.shown),
            Self::BytesPerNodeSecond => per(
                counts.bytes.saturating_mul(1_000),
                outturn.virtual_ms.saturating_mul(outturn.nodes as u64),
            ),
            Self::CopiesMade => per(outturn.upkeep.made.saturating_mul(100), outturn.upkeep.lost),
        }
    }
}

impl Expectations {
    /// Returns the first thing that is not as it must be: what was seen, and what was wanted.
    pub(crate) fn missed(&self, outturn: &Outturn<'_>) -> Option<String> {
        self.bounds.iter().find_map(|bound| bound.missed(outturn))
    }
}

impl Bound {
    fn missed(&self, outturn: &Outturn<'_>) -> Option<String> {
        let (name, unit) = self.quantity.name_and_unit();
        let seen = self.quantity.seen(outturn);
        let holds = seen.is_some_and(|seen| match self.side {
            Side::Least => seen >= self.limit,
            Side::Most => seen <= self.limit,
            Side::Exactly => seen == self.limit,
        });
        if holds {
            return None;
        }
        let seen = seen.map_or_else(|| "nothing".to_owned(), |seen| shown(unit, seen));
        let wanted = shown(unit, self.limit);
        let side = match self.side {
            Side::Least => "at least ",
            Side::Most => "at most ",
            Side::Exactly => "",
        };
        Some(format!("`{name}` is {seen}, expected was {side}{wanted}"))
    }
}

/// Divides and rounds up; nothing over nothing is nothing that can be said.
fn per(whole: u64, parts: u64) -> Option<u64> {
    (parts > 0).then(|| whole.div_ceil(parts))
}

fn shown(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Messages | Unit::Bytes => amount.to_string(),
        Unit::Percent => format!("{amount} %"),
        Unit::Milliseconds => humantime::format_duration(Duration::from_millis(amount)).to_string(),
    }
}
