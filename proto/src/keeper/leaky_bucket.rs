//! Leaky buckets: what each of many may still take of something, given back evenly over a period.

use std::collections::BTreeMap;

use crate::time::MonoMillis;

#[cfg(test)]
mod tests;

/// Leaky buckets of one size; a key that is not remembered has taken nothing.
#[derive(Debug)]
pub(super) struct LeakyBuckets<K> {
    /// What one may take at once, and in a period.
    size: u64,
    period_ms: u64,
    /// How many are remembered, at most. Beyond that newcomers are not counted: the bounds of all
    /// together hold without this, and a newcomer must not suffer for others.
    keys_max: usize,
    taken: BTreeMap<K, Taken>,
}

/// What one has taken and was not given back.
#[derive(Debug)]
struct Taken {
    /// In parts of a unit, as many as the period has milliseconds: a millisecond then gives back
    /// `size` of them, a whole number.
    parts: u128,
    updated: MonoMillis,
}

impl<K: Copy + Ord> LeakyBuckets<K> {
    pub(super) const fn new(size: u64, period_ms: u64, keys_max: usize) -> Self {
        Self {
            size,
            period_ms,
            keys_max,
            taken: BTreeMap::new(),
        }
    }

    /// Changes what one may take.
    pub(super) const fn resize(&mut self, size: u64) {
        self.size = size;
    }

    /// Tells whether `key` may take `amount`.
    pub(super) fn allows(&mut self, now: MonoMillis, key: K, amount: u64) -> bool {
        let (size, period_ms) = (self.size, self.period_ms);
        let parts = self.taken.get_mut(&key).map_or(0, |taken| {
            taken.give_back(now, size);
            taken.parts
        });
        parts + in_parts(amount, period_ms) <= in_parts(size, period_ms)
    }

    /// Writes down that `key` takes `amount`.
    pub(super) fn take(&mut self, now: MonoMillis, key: K, amount: u64) {
        if self.taken.len() >= self.keys_max && !self.taken.contains_key(&key) {
            self.forget_idle(now);
            if self.taken.len() >= self.keys_max {
                return;
            }
        }
        let nothing = Taken {
            parts: 0,
            updated: now,
        };
        let taken = self.taken.entry(key).or_insert(nothing);
        taken.give_back(now, self.size);
        taken.parts += in_parts(amount, self.period_ms);
    }

    /// Takes back what [`take`](Self::take) wrote down.
    pub(super) fn undo(&mut self, key: K, amount: u64) {
        if let Some(taken) = self.taken.get_mut(&key) {
            let parts = in_parts(amount, self.period_ms);
            taken.parts = taken.parts.saturating_sub(parts);
        }
    }

    /// Removes entries that have drained.
    pub(super) fn forget_idle(&mut self, now: MonoMillis) {
        let size = self.size;
        self.taken.retain(|_, taken| {
            taken.give_back(now, size);
            taken.parts > 0
        });
    }

    /// Returns how many are remembered.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }
}

fn in_parts(amount: u64, period_ms: u64) -> u128 {
    u128::from(amount) * u128::from(period_ms)
}

impl Taken {
    fn give_back(&mut self, now: MonoMillis, size: u64) {
        let gained = in_parts(size, now.since(self.updated));
        self.parts = self.parts.saturating_sub(gained);
        self.updated = now;
    }
}
