//! Round figures.

use super::{Ends, Tick};
use crate::Unit;
use crate::unit::{DAY, HOUR, MINUTE};

/// How many ticks an axis has at least.
pub(super) const TICKS_MIN: usize = 3;
/// How many it has at most, if fewer would be fewer than [`TICKS_MIN`].
pub(super) const TICKS_MAX: usize = 8;

/// Makes room for three ticks.
pub(super) fn widen(low: f64, high: f64, unit: Unit) -> (f64, f64) {
    // An interval of less than three may have two whole figures only.
    let few = unit.is_whole() && high - low < 3.0;
    let (low, high) = if few {
        (low.floor(), high.ceil())
    } else {
        (low, high)
    };
    let magnitude = low.abs().max(high.abs());
    let least = if unit.is_whole() { 2.0_f64 } else { 0.0 }.max(magnitude * 1e-6);
    if high - low > 1e-12 && high - low >= least {
        return (low, high);
    }
    if magnitude == 0.0 {
        return (0.0, least.max(1.0));
    }
    let room = (least / 2.0).max(magnitude * 0.1).max(1e-9);
    let below = if low >= 0.0 {
        (low - room).max(0.0)
    } else {
        low - room
    };
    let above = if unit == Unit::Share && high <= 1.0 {
        (high + room).min(1.0)
    } else {
        high + room
    };
    (below, above.max(below + least))
}

/// Ticks that are equally far apart, and from where to where the axis goes.
pub(super) fn linear(
    low: f64,
    high: f64,
    unit: Unit,
    ends: Ends,
    most: usize,
) -> (f64, f64, Vec<Tick>) {
    let steps = steps(unit);
    let fits = |most: usize| {
        steps
            .iter()
            .map(|step| multiples(low, high, *step, ends))
            .position(|(first, last)| {
                let many = last - first + 1.0;
                many <= most as f64 && many >= TICKS_MIN as f64
            })
    };
    let place = fits(most)
        .or_else(|| fits(TICKS_MAX))
        .unwrap_or(steps.len() - 1);
    let step = steps[place];
    let (first, last) = multiples(low, high, step, ends);
    let (low, high) = match ends {
        Ends::Tight => (low, high),
        Ends::Round => (first * step, last * step),
    };
    let many = (last - first).max(0.0) as u32;
    let values: Vec<f64> = (0..=many)
        .map(|index| ((first + f64::from(index)) * step).clamp(low, high))
        .collect();
    let labels = unit.show_ticks(&values, step);
    let ticks = values
        .into_iter()
        .zip(labels)
        .map(|(at, label)| Tick { at, label })
        .collect();
    (low, high, ticks)
}

/// Ticks for an axis of ratios.
pub(super) fn ratios(low: f64, high: f64, unit: Unit, most: usize) -> Vec<Tick> {
    let within = |values: Vec<f64>| -> Vec<f64> {
        let slack = 1e-9;
        let inside = |value: &f64| *value >= low * (1.0 - slack) && *value <= high * (1.0 + slack);
        values
            .into_iter()
            .filter(inside)
            .map(|value| value.clamp(low, high))
            .collect()
    };
    let levels: Vec<Vec<f64>> = [Level::Dense, Level::Middle, Level::Sparse]
        .into_iter()
        .map(|level| within(level.values(unit)))
        .collect();
    let fits = |most: usize| {
        levels
            .iter()
            .find(|values| (TICKS_MIN..=most).contains(&values.len()))
            .cloned()
    };
    let sparse = levels
        .last()
        .filter(|values| values.len() > most)
        .map(|values| {
            values
                .iter()
                .copied()
                .step_by(values.len().div_ceil(most))
                .collect::<Vec<_>>()
        });
    let sparse = sparse.filter(|values| values.len() >= TICKS_MIN);
    match fits(most).or(sparse).or_else(|| fits(TICKS_MAX)) {
        Some(values) => values
            .into_iter()
            .map(|at| Tick {
                at,
                label: unit.show(at),
            })
            .collect(),
        None => linear(low, high, unit, Ends::Tight, TICKS_MAX).2,
    }
}

/// How near to each other the ticks of an axis of ratios are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// 1, 2, 5, 10.
    Dense,
    /// 1, 3, 10.
    Middle,
    /// 1, 10.
    Sparse,
}

impl Level {
    fn values(self, unit: Unit) -> Vec<f64> {
        let digits: &[f64] = match self {
            Self::Dense => &[1.0, 2.0, 5.0],
            Self::Middle => &[1.0, 3.0],
            Self::Sparse => &[1.0],
        };
        match unit {
            Unit::Seconds => self.seconds(digits),
            Unit::Bytes | Unit::BytesPerSecond => {
                let every = match self {
                    Self::Dense => 1,
                    Self::Middle => 2,
                    Self::Sparse => 5,
                };
                (0..=60)
                    .step_by(every)
                    .map(|power| 2.0_f64.powi(power))
                    .collect()
            }
            Unit::Count => decimals(digits, 0, 18),
            Unit::Share | Unit::Number => decimals(digits, -9, 18),
        }
    }

    fn seconds(self, digits: &[f64]) -> Vec<f64> {
        let mut values = decimals(digits, -9, 0);
        let clock: &[f64] = match self {
            Self::Dense => &[
                1., 2., 5., 10., 20., 60., 120., 300., 600., 1200., 3600., 7200.,
            ],
            Self::Middle => &[
                1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 10_800.0,
            ],
            Self::Sparse => &[1.0, 10.0, 60.0, 600.0, 3600.0],
        };
        values.extend(clock);
        match self {
            Self::Dense => values.extend([5.0 * HOUR, 12.0 * HOUR]),
            Self::Middle => values.push(10.0 * HOUR),
            Self::Sparse => {}
        }
        values.extend(decimals(digits, 0, 9).into_iter().map(|days| days * DAY));
        values
    }
}

/// Steps that read well, from the smallest to the largest. None is more than 2.5 times the one
/// before: so there are always three ticks where eight are allowed.
fn steps(unit: Unit) -> Vec<f64> {
    const DIGITS: [f64; 3] = [1.0, 2.0, 5.0];
    match unit {
        Unit::Seconds => {
            let mut steps = decimals(&DIGITS, -12, 0);
            steps.extend([1.0, 2.0, 5.0, 10.0, 15.0, 30.0]);
            steps.extend([1.0, 2.0, 5.0, 10.0, 15.0, 30.0].map(|minutes| minutes * MINUTE));
            steps.extend([1.0, 2.0, 3.0, 6.0, 12.0].map(|hours| hours * HOUR));
            steps.extend(decimals(&DIGITS, 0, 14).into_iter().map(|days| days * DAY));
            steps
        }
        Unit::Bytes | Unit::BytesPerSecond => (0..=60).map(|power| 2.0_f64.powi(power)).collect(),
        Unit::Count => decimals(&DIGITS, 0, 19),
        Unit::Share | Unit::Number => decimals(&DIGITS, -12, 19),
    }
}

/// The smallest step that cuts `low` to `high` into at most `most` parts.
pub(super) fn step(low: f64, high: f64, unit: Unit, most: usize) -> f64 {
    let (low, high) = if low < high {
        (low, high)
    } else {
        widen(low, high, unit)
    };
    let parts = |step: &f64| (high / step).floor() - (low / step).floor() + 1.0;
    let steps = steps(unit);
    let last = steps.last().copied().unwrap_or(1.0);
    steps
        .into_iter()
        .find(|step| parts(step) <= most as f64)
        .unwrap_or(last)
}

/// Each of `digits` times each power of ten from `from` up to, not with, `to`.
fn decimals(digits: &[f64], from: i32, to: i32) -> Vec<f64> {
    let powers = from..to;
    powers
        .flat_map(|power| {
            // A quotient of two whole numbers is the nearest there is to the decimal figure.
            let ten = 10.0_f64.powi(power.abs());
            digits
                .iter()
                .map(move |digit| if power < 0 { digit / ten } else { digit * ten })
        })
        .collect()
}

/// The first and the last multiple of `step` that an axis shows.
fn multiples(low: f64, high: f64, step: f64, ends: Ends) -> (f64, f64) {
    let (low, high) = (low / step, high / step);
    match ends {
        Ends::Tight => ((low - 1e-9).ceil(), (high + 1e-9).floor()),
        Ends::Round => ((low + 1e-9).floor(), (high - 1e-9).ceil()),
    }
}
