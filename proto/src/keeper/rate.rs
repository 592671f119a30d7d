//! Token buckets, one for each group of network addresses.

use std::collections::BTreeMap;

use super::Source;
use crate::time::MonoMillis;

#[cfg(test)]
mod tests;

/// Groups whose buckets are remembered, at most; while so many are busy at once, new groups wait.
const SOURCES_MAX: usize = 16_384;
/// Tokens are counted in thousandths, so that a millisecond adds a whole number of them.
const TOKEN: i64 = 1_000;

/// How many requests each group of addresses may still make.
#[derive(Debug)]
pub(super) struct RateLimiter {
    per_second: u64,
    burst: i64,
    buckets: BTreeMap<Source, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Below zero while it is in debt.
    tokens: i64,
    updated: MonoMillis,
}

impl RateLimiter {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: u64::from(per_second),
            burst: i64::from(burst) * TOKEN,
            buckets: BTreeMap::new(),
        }
    }

    /// Takes `tokens` tokens from the bucket of `source`, if they are there.
    pub(super) fn admit(&mut self, now: MonoMillis, source: Source, tokens: u64) -> bool {
        let price = price_of(tokens);
        if self.buckets.len() >= SOURCES_MAX && !self.buckets.contains_key(&source) {
            self.forget_idle(now);
            if self.buckets.len() >= SOURCES_MAX {
                return false;
            }
        }
        let burst = self.burst;
        let fresh = Bucket {
            tokens: burst,
            updated: now,
        };
        let bucket = self.buckets.entry(source).or_insert(fresh);
        bucket.refill(now, self.per_second, burst);
        if bucket.tokens < price {
            return false;
        }
        bucket.tokens -= price;
        true
    }

    /// Takes `tokens` tokens from the bucket of `source`, which was let in just before, whether they are there or not:
    /// the next request waits until the debt is paid.
    pub(super) fn charge(&mut self, source: Source, tokens: u64) {
        if let Some(bucket) = self.buckets.get_mut(&source) {
            bucket.tokens = bucket.tokens.saturating_sub(price_of(tokens));
        }
    }

    /// Tells whether a single request of `source` would be let in.
    pub(super) fn would_admit(&mut self, now: MonoMillis, source: Source) -> bool {
        let (per_second, burst) = (self.per_second, self.burst);
        self.buckets.get_mut(&source).is_none_or(|bucket| {
            bucket.refill(now, per_second, burst);
            // One whose bucket can never fill is let in to be told so.
            bucket.tokens >= TOKEN.min(burst)
        })
    }

    /// Returns how many groups are remembered.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Forgets the groups whose buckets are full again.
    pub(super) fn forget_idle(&mut self, now: MonoMillis) {
        let (per_second, burst) = (self.per_second, self.burst);
        self.buckets.retain(|_, bucket| {
            bucket.refill(now, per_second, burst);
            bucket.tokens < burst
        });
    }
}

/// Returns as many tokens in thousandths.
fn price_of(tokens: u64) -> i64 {
    i64::try_from(tokens)
        .unwrap_or(i64::MAX)
        .saturating_mul(TOKEN)
}

impl Bucket {
    fn refill(&mut self, now: MonoMillis, per_second: u64, burst: i64) {
        // `per_second` tokens a second are as many thousandths a millisecond.
        let gained = now.since(self.updated).saturating_mul(per_second);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_add(gained).min(burst);
        self.updated = now;
    }
}
