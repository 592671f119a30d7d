//! Token buckets, one for each group of network addresses.

use std::collections::BTreeMap;

use super::Source;
use crate::{bucket::Bucket, time::MonoMillis};

#[cfg(test)]
mod tests;

/// Groups whose buckets are remembered, at most; while so many are busy at once, new groups wait.
const SOURCES_MAX: usize = 16_384;

/// How many requests each group of addresses may still make.
#[derive(Debug)]
pub(super) struct RateLimiter {
    per_second: u64,
    burst: u64,
    buckets: BTreeMap<Source, Bucket>,
}

impl RateLimiter {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: u64::from(per_second),
            burst: u64::from(burst),
            buckets: BTreeMap::new(),
        }
    }

    /// Takes `tokens` tokens from the bucket of `source`, if they are there.
    pub(super) fn admit(&mut self, now: MonoMillis, source: Source, tokens: u64) -> bool {
        if self.buckets.len() >= SOURCES_MAX && !self.buckets.contains_key(&source) {
            self.forget_idle(now);
            if self.buckets.len() >= SOURCES_MAX {
                return false;
            }
        }
        let fresh = || Bucket::new(now, self.burst, self.per_second);
        self.buckets
            .entry(source)
            .or_insert_with(fresh)
            .take(now, tokens)
    }

    /// Takes `tokens` tokens from the bucket of `source`, which was let in just before, whether they are there or not:
    /// the next request waits until the debt is paid.
    pub(super) fn charge(&mut self, source: Source, tokens: u64) {
        if let Some(bucket) = self.buckets.get_mut(&source) {
            bucket.charge(tokens);
        }
    }

    /// Tells whether a single request of `source` would be let in.
    pub(super) fn would_admit(&mut self, now: MonoMillis, source: Source) -> bool {
        // One whose bucket can never fill is let in to be told so.
        let wanted = self.burst.min(1);
        self.buckets
            .get_mut(&source)
            .is_none_or(|bucket| bucket.ready(now, wanted) <= now)
    }

    /// Returns how many groups are remembered.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Forgets the groups whose buckets are full again.
    pub(super) fn forget_idle(&mut self, now: MonoMillis) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
    }
}
