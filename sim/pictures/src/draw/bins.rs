//! Bins for a histogram.

use super::Unusable;
use crate::Unit;
use crate::data::{Axis, Bin, Bins};
use crate::scale::{round_step, usable};

/// How many bins are drawn at most.
const BINS_MAX: usize = 40;

/// The bins in their order, without those that cannot be drawn.
pub(super) fn bins(axis: &Axis, bins: &Bins, unusable: &mut Unusable) -> Vec<Bin> {
    match bins {
        Bins::Each(values) => {
            let values = unusable.sort(values);
            if axis.log {
                by_ratio(&values)
            } else {
                by_step(&values, axis.unit)
            }
        }
        Bins::Counted(bins) => {
            let fits = |bin: &&Bin| usable(bin.from) && usable(bin.to) && bin.from < bin.to;
            let mut kept: Vec<Bin> = bins.iter().filter(fits).copied().collect();
            unusable.0 += bins.len() - kept.len();
            kept.sort_by(|a, b| a.from.total_cmp(&b.from));
            merged(kept)
        }
    }
}

/// How many bins suit so many figures: twice the cube root (Rice's rule).
fn suitable(many: usize) -> usize {
    ((many as f64).cbrt() * 2.0)
        .ceil()
        .clamp(5.0, BINS_MAX as f64) as usize
}

fn by_step(values: &[f64], unit: Unit) -> Vec<Bin> {
    let (Some(low), Some(high)) = (values.first(), values.last()) else {
        return Vec::new();
    };
    let step = round_step(*low, *high, unit, suitable(values.len()));
    let first = (low / step).floor();
    let many = ((high / step).floor() - first) as usize + 1;
    let mut bins: Vec<Bin> = (0..many)
        .map(|index| (first + index as f64) * step)
        .map(|from| Bin {
            from,
            to: from + step,
            count: 0,
        })
        .collect();
    for value in values {
        let index = ((value / step).floor() - first) as usize;
        bins[index.min(many - 1)].count += 1;
    }
    bins
}

fn by_ratio(values: &[f64]) -> Vec<Bin> {
    let positive = || values.iter().copied().filter(|value| *value > 0.0);
    let (Some(low), Some(high)) = (positive().next(), values.last().copied()) else {
        return Vec::new();
    };
    let (low, high) = if high / low < 1.1 {
        (low / 1.1, high * 1.1)
    } else {
        (low, high)
    };
    let many = suitable(values.len());
    let ratio = (high / low).ln() / many as f64;
    let edge = |index: usize| low * (ratio * index as f64).exp();
    let mut bins: Vec<Bin> = (0..many)
        .map(|index| Bin {
            from: edge(index),
            to: edge(index + 1),
            count: 0,
        })
        .collect();
    for value in positive() {
        let index = ((value / low).ln() / ratio).max(0.0) as usize;
        bins[index.min(many - 1)].count += 1;
    }
    bins
}

/// Puts neighbours together until there are few enough.
fn merged(bins: Vec<Bin>) -> Vec<Bin> {
    let group = bins.len().div_ceil(BINS_MAX * 3).max(1);
    let put = |bins: &[Bin]| {
        let (first, last) = (bins.first()?, bins.last()?);
        let count = bins.iter().map(|bin| bin.count).sum();
        Some(Bin {
            from: first.from,
            to: last.to,
            count,
        })
    };
    bins.chunks(group).filter_map(put).collect()
}

#[cfg(test)]
mod tests;
