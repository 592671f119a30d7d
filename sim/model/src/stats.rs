//! Distributions and confidence intervals, in whole numbers as far as they go.

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Buckets for each power of two: values are known to better than one percent.
const PARTS: u64 = 128;
/// Pace of the steps of a distribution that is told, in thousandths.
const STEP_PER_MILLE: u64 = 5;
/// Normal deviate of a two-sided interval of 95 %.
const Z95: f64 = 1.959_963_984_540_054;

/// Counts values; small ones exactly, larger ones to better than one percent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

/// What is told of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Quantiles {
    /// How many values there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half of them are not above this.
    pub p50: u64,
    /// 90 % are not above this.
    pub p90: u64,
    /// 95 % are not above this.
    pub p95: u64,
    /// 99 % are not above this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// One point of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Step {
    /// The value.
    pub value: u64,
    /// So many of a thousand values are not above it.
    pub per_mille: u64,
}

/// A share of cases, with what the whole truth may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Share {
    /// Cases that did.
    pub count: u64,
    /// All cases.
    pub of: u64,
    /// The share.
    pub share: f64,
    /// Lower end of the 95 % confidence interval (Wilson).
    pub low: f64,
    /// Upper end of the 95 % confidence interval (Wilson).
    pub high: f64,
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Returns the largest value of the bucket in which the share `part` of all values is reached.
    fn quantile(&self, part: f64) -> u64 {
        let wanted = (part * self.count as f64).ceil() as u64;
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if *count > 0 && below >= wanted {
                return last_of(bucket).min(self.max);
            }
        }
        self.max
    }

    /// Returns the distribution in steps of half a percent; nothing if there are no values.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let per_mille = if self.count == 0 { 0 } else { 1_000 };
        let steps = (1..=per_mille / STEP_PER_MILLE).map(|step| step * STEP_PER_MILLE);
        steps
            .map(|per_mille| Step {
                value: self.quantile(per_mille as f64 / 1_000.0),
                per_mille,
            })
            .collect()
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count,
            mean: self.sum as f64 / self.count.max(1) as f64,
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            max: self.max,
        }
    }
}

fn bucket_of(value: u64) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let shift = value.ilog2() - PARTS.ilog2();
    // The first bit is known; the next seven tell the buckets of one power apart.
    (u64::from(shift + 1) * PARTS + ((value >> shift) - PARTS)) as usize
}

fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let first = (PARTS + bucket % PARTS) << shift;
    first + ((1 << shift) - 1)
}

impl Share {
    /// Returns the share with the Wilson score interval of 95 %.
    pub fn of(count: u64, of: u64) -> Self {
        if of == 0 {
            return Self {
                high: 1.0,
                ..Self::default()
            };
        }
        let (n, share) = (of as f64, count as f64 / of as f64);
        let z2 = Z95 * Z95;
        let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        Self {
            count,
            of,
            share,
            low: if count == 0 { 0.0 } else { middle - half },
            high: if count == of { 1.0 } else { middle + half },
        }
    }
}
