//! From figures to places along an axis, and the round figures that are written beside it.

mod ticks;

use crate::Unit;
use crate::data::Axis;

/// What lies beyond is not a figure of anything here, and would leave no precision for the rest.
const LARGEST: f64 = 1e18;

/// One direction of a plot: which figures it shows and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The figure at its beginning.
    pub(crate) low: f64,
    /// The figure at its end.
    pub(crate) high: f64,
    /// Whether equal distances are equal ratios.
    pub(crate) log: bool,
    /// The figures that are written beside it.
    pub(crate) ticks: Vec<Tick>,
}

/// One figure beside an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The figure.
    pub(crate) at: f64,
    /// How it reads.
    pub(crate) label: String,
}

/// How an axis takes in its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It begins at the first and ends at the last of them.
    Tight,
    /// It begins at zero, or at a tick, and ends at a tick.
    Round,
}

/// Whether a figure can be drawn.
pub(crate) fn usable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// The smallest round step that cuts `low` to `high` into at most `most` parts.
pub(crate) fn round_step(low: f64, high: f64, unit: Unit, most: usize) -> f64 {
    ticks::step(low, high, unit, most)
}

impl Scale {
    /// The scale of `axis` that shows all of `values`, with at most `most` ticks unless these were
    /// fewer than three.
    pub(crate) fn fit(
        axis: &Axis,
        values: impl Iterator<Item = f64>,
        ends: Ends,
        most: usize,
    ) -> Self {
        let asked = axis.range.into_iter().flat_map(|(from, to)| [from, to]);
        let values: Vec<f64> = values.chain(asked).filter(|value| usable(*value)).collect();
        if axis.log && values.iter().any(|value| *value > 0.0) {
            return Self::ratios(axis, &values, most);
        }
        let (mut low, high) = extent(&values).unwrap_or((0.0, 0.0));
        if ends == Ends::Round && axis.range.is_none() {
            low = low.min(0.0);
        }
        let (low, high) = ticks::widen(low, high.max(low), axis.unit);
        let (low, high, ticks) = ticks::linear(low, high, axis.unit, ends, most);
        Self {
            low,
            high,
            log: false,
            ticks,
        }
    }

    fn ratios(axis: &Axis, values: &[f64], most: usize) -> Self {
        let positive: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| *value > 0.0)
            .collect();
        let (low, high) = extent(&positive).unwrap_or((1.0, 10.0));
        // Figures that are nearly the same need some room around them.
        let (low, high) = if high / low < 4.0 {
            (low / 2.0, high * 2.0)
        } else {
            (low, high)
        };
        // Below one there is no part of a whole thing, and so no tick.
        let least = if axis.unit.is_whole() { 5.0 } else { 1e-8 };
        let (low, high) = (low.max(1e-9), high.max(least));
        Self {
            low,
            high,
            log: true,
            ticks: ticks::ratios(low, high, axis.unit, most),
        }
    }

    /// Where a figure lies, from 0 at the beginning to 1 at the end; not beyond.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }
}

fn extent(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    let high = values.iter().copied().max_by(f64::total_cmp)?;
    Some((low, high))
}

#[cfg(test)]
mod tests;
