//! Figures with what the whole truth may be: 95 % intervals over runs with different seeds.
//!
//! Runs are independent of each other, messages of one run are not. Means over runs take Student's t; percentiles of
//! all messages together are resampled by whole runs; shares of all messages take Wilson's interval, which also says
//! something when nothing or everything happened, and is too narrow where the messages of a run stand or fall together.

use restante_sim_population::draw;

use crate::random::randomness;

#[cfg(test)]
mod tests;

/// Normal deviate of a two-sided interval of 95 %.
const Z95: f64 = 1.959_963_984_540_054;
/// Student's t for two-sided intervals of 95 %, for 1 to 30 degrees of freedom.
const T95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];
/// How often runs are drawn anew for the interval of a percentile.
const RESAMPLES: usize = 2_000;

/// A figure with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The figure.
    pub(crate) value: f64,
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// Upper end of the interval.
    pub(crate) high: f64,
}

/// Returns the mean of independent figures with Student's interval; nothing for none.
///
/// A single figure has an interval without end, which stands as the figure itself on both sides.
pub(crate) fn mean(values: &[f64]) -> Option<Estimate> {
    let n = number(values.len());
    if values.is_empty() {
        return None;
    }
    let value = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    let half = match values.len() - 1 {
        0 => 0.0,
        free => student(free) * (squares / number(free) / n).sqrt(),
    };
    Some(Estimate {
        value,
        low: value - half,
        high: value + half,
    })
}

/// Returns the share of `count` in `of` with Wilson's interval; nothing for a share of nothing.
pub(crate) fn share(count: u64, of: u64) -> Option<Estimate> {
    if of == 0 {
        return None;
    }
    let (n, value) = (whole(of), whole(count) / whole(of));
    let z2 = Z95 * Z95;
    let middle = (value + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 / (1.0 + z2 / n) * (value * (1.0 - value) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Estimate {
        value,
        low: if count == 0 { 0.0 } else { middle - half },
        high: if count == of { 1.0 } else { middle + half },
    })
}

/// Returns a percentile of the figures of all groups together, with an interval from drawing whole groups anew;
/// nothing without figures.
///
/// The same groups always give the same interval.
pub(crate) fn percentile(groups: &[Vec<f64>], percent: usize) -> Option<Estimate> {
    let all = groups.iter().flatten().copied().collect();
    let value = rank(all, percent)?;
    let mut random = randomness(groups.len() as u64, "resampling");
    let mut drawn = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let picks = (0..groups.len())
            .filter_map(|_| groups.get(draw::below(&mut random, groups.len() as u64) as usize));
        drawn.extend(rank(picks.flatten().copied().collect(), percent));
    }
    drawn.sort_by(f64::total_cmp);
    let end = |per_mille: usize| drawn.get(drawn.len() * per_mille / 1_000).copied();
    Some(Estimate {
        value,
        low: end(25).unwrap_or(value),
        high: end(975).unwrap_or(value),
    })
}

/// Returns the smallest figure that `percent` of all are not above; nothing for none.
pub(crate) fn rank(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.sort_by(f64::total_cmp);
    values.get(place).copied()
}

/// Returns Student's t for so many degrees of freedom; of many, nearly the normal deviate.
fn student(free: usize) -> f64 {
    match T95.get(free.saturating_sub(1)) {
        Some(t) => *t,
        // The first terms of the expansion around the normal deviate are exact to three digits here.
        None => Z95 + (Z95.powi(3) + Z95) / (4.0 * number(free)),
    }
}

fn number(count: usize) -> f64 {
    whole(count as u64)
}

/// Returns a count; beyond 2^53 its last digits are lost, and nobody sees them.
#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
pub(crate) const fn whole(count: u64) -> f64 {
    count as f64
}
