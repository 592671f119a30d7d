//! A fair queue: work of many sources, shared out by source (SPEC 8.5).
//!
//! Deficit round-robin: the sources that wait for something stand in a ring; the one in front gets a credit of
//! [`ROUND_COST`], does what the credit pays for, and goes to the end. However much one of them sends, another waits
//! for one round, and while only one has work it has all of the machine. What waits is bounded for each source and in
//! sum; where the sum is reached, the source with the most waiting loses its last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Source;

#[cfg(test)]
mod tests;

/// Work that a source is given in each round, in units of cost: about one small deposit.
pub const ROUND_COST: u64 = 4_096;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Things of all sources.
    pub count: usize,
    /// Cost of all things.
    pub cost: u64,
    /// Things of one source.
    pub source_count: usize,
    /// Cost of the things of one source.
    pub source_cost: u64,
}

/// What waits, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueUsage {
    /// Things.
    pub count: usize,
    /// Their cost.
    pub cost: u64,
    /// Sources they came from.
    pub sources: usize,
}

/// Things that wait, by source.
#[derive(Debug)]
pub struct FairQueue<T> {
    bounds: QueueBounds,
    lines: BTreeMap<Source, Line<T>>,
    /// Every source with a line, the next one in front.
    ring: VecDeque<Source>,
    /// Every line by its cost.
    by_cost: BTreeSet<(u64, Source)>,
    count: usize,
    cost: u64,
}

/// What waits of one source; never empty.
#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<(u64, T)>,
    cost: u64,
    /// What is left of what it was given in this round.
    credit: u64,
}

impl<T> FairQueue<T> {
    /// Makes an empty queue.
    pub const fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            lines: BTreeMap::new(),
            ring: VecDeque::new(),
            by_cost: BTreeSet::new(),
            count: 0,
            cost: 0,
        }
    }

    /// Lets a thing wait.
    ///
    /// # Errors
    ///
    /// What found no room: this thing, or the last one of the source that has most waiting.
    pub fn push(&mut self, source: Source, cost: u64, thing: T) -> Result<(), T> {
        let (count, waiting) = self
            .lines
            .get(&source)
            .map_or((0, 0), |line| (line.waiting.len(), line.cost));
        let own = waiting.saturating_add(cost);
        if count >= self.bounds.source_count || own > self.bounds.source_cost {
            return Err(thing);
        }
        let fits = |queue: &Self| {
            queue.count < queue.bounds.count && queue.cost.saturating_add(cost) <= queue.bounds.cost
        };
        if fits(self) {
            self.add(source, cost, thing);
            return Ok(());
        }
        let louder = self.by_cost.last().filter(|(most, _)| *most > own);
        let louder = louder.map(|(_, source)| *source);
        let Some((louder, lost, last)) = louder.and_then(|louder| self.take(louder, true)) else {
            return Err(thing);
        };
        if !fits(self) {
            // It takes the room of more than one, and no source loses two things for one.
            self.add(louder, lost, last);
            return Err(thing);
        }
        self.add(source, cost, thing);
        Err(last)
    }

    /// Returns the next thing of a source that is `ready`, if any is.
    ///
    /// A source that is not ready keeps its place and gets no credit.
    pub fn pop(&mut self, mut ready: impl FnMut(Source) -> bool) -> Option<(Source, T)> {
        let mut passed = 0;
        while passed < self.ring.len() {
            let source = *self.ring.front()?;
            if !ready(source) {
                self.ring.rotate_left(1);
                passed += 1;
                continue;
            }
            passed = 0;
            let line = self.lines.get_mut(&source)?;
            let (cost, _) = line.waiting.front()?;
            if line.credit < *cost {
                line.credit += ROUND_COST;
            }
            if line.credit < *cost {
                self.ring.rotate_left(1);
                continue;
            }
            line.credit -= *cost;
            let goes_on = line
                .waiting
                .get(1)
                .is_some_and(|(next, _)| *next <= line.credit);
            let (_, _, thing) = self.take(source, false)?;
            if !goes_on && self.ring.front() == Some(&source) {
                self.ring.rotate_left(1);
            }
            return Some((source, thing));
        }
        None
    }

    /// Drops what is no longer wanted.
    pub fn discard(&mut self, mut unwanted: impl FnMut(&T) -> bool) {
        for line in self.lines.values_mut() {
            line.waiting.retain(|(_, thing)| !unwanted(thing));
            line.cost = line.waiting.iter().map(|(cost, _)| *cost).sum();
        }
        self.lines.retain(|_, line| !line.waiting.is_empty());
        let lines = &self.lines;
        self.ring.retain(|source| lines.contains_key(source));
        self.by_cost = lines
            .iter()
            .map(|(source, line)| (line.cost, *source))
            .collect();
        self.count = lines.values().map(|line| line.waiting.len()).sum();
        self.cost = lines.values().map(|line| line.cost).sum();
    }

    /// Tells whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns what waits, in sum.
    pub fn usage(&self) -> QueueUsage {
        QueueUsage {
            count: self.count,
            cost: self.cost,
            sources: self.lines.len(),
        }
    }

    fn add(&mut self, source: Source, cost: u64, thing: T) {
        if !self.lines.contains_key(&source) {
            self.ring.push_back(source);
        }
        let line = self.lines.entry(source).or_insert_with(|| Line {
            waiting: VecDeque::new(),
            cost: 0,
            credit: 0,
        });
        self.by_cost.remove(&(line.cost, source));
        line.waiting.push_back((cost, thing));
        line.cost += cost;
        self.by_cost.insert((line.cost, source));
        self.count += 1;
        self.cost += cost;
    }

    /// Takes the first or the last thing of a line, and the line out of the ring when it was the
    /// only one.
    fn take(&mut self, source: Source, last: bool) -> Option<(Source, u64, T)> {
        let line = self.lines.get_mut(&source)?;
        let (cost, thing) = if last {
            line.waiting.pop_back()?
        } else {
            line.waiting.pop_front()?
        };
        self.by_cost.remove(&(line.cost, source));
        line.cost -= cost;
        self.count -= 1;
        self.cost -= cost;
        if line.waiting.is_empty() {
            // A source that waits for nothing saves no credit up.
            self.lines.remove(&source);
            if let Some(place) = self.ring.iter().position(|other| *other == source) {
                self.ring.remove(place);
            }
        } else {
            self.by_cost.insert((line.cost, source));
        }
        Some((source, cost, thing))
    }
}
