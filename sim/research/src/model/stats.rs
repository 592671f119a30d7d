//! Distributions, in whole numbers as far as they go.

#[cfg(test)]
mod tests;

/// Buckets for each power of two: values are known to better than one percent.
const PARTS: u64 = 128;
/// Counts values; small ones exactly, larger ones to better than one percent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

/// What is told of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quantiles {
    /// How many values there are.
    pub(crate) count: u64,
    /// Their mean.
    pub(crate) mean: f64,
    /// Half of them are not above this.
    pub p50: u64,
    /// 90 % are not above this.
    pub p90: u64,
    /// 95 % are not above this.
    pub p95: u64,
    /// 99 % are not above this.
    pub p99: u64,
    /// The largest.
    pub(crate) max: u64,
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
