//! What is to happen, in the order of its moments and, within one, of its making.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[cfg(test)]
mod tests;

/// Length of one slice of time, in milliseconds.
const SLICE_MS: u64 = 1 << 16;
/// Slices that are kept apart; what lies further ahead waits together.
const SLICES: u64 = 4_096;

/// A calendar queue: a heap for the present slice of time, unsorted lists for the next three days,
/// and one list for all that lies beyond. Most events of a large network lie hours ahead and are
/// moved twice, not sorted.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    present: BinaryHeap<Reverse<Entry<E>>>,
    slices: Vec<Vec<Entry<E>>>,
    beyond: Vec<Entry<E>>,
    /// The number of the slice that `present` holds.
    slice: u64,
    made: u64,
    len: usize,
}

/// One event; two are compared by moment and number alone.
#[derive(Debug)]
struct Entry<E> {
    at_ms: u64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.number) == (other.at_ms, other.number)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            present: BinaryHeap::new(),
            slices: (0..SLICES).map(|_| Vec::new()).collect(),
            beyond: Vec::new(),
            slice: 0,
            made: 0,
            len: 0,
        }
    }

    /// Adds an event; one in the past happens next.
    pub(crate) fn push(&mut self, at_ms: u64, event: E) {
        let number = self.made;
        self.made += 1;
        self.len += 1;
        self.place(Entry {
            at_ms,
            number,
            event,
        });
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        if self.len == 0 {
            return None;
        }
        while self.present.is_empty() {
            self.turn();
        }
        let Reverse(entry) = self.present.pop()?;
        self.len -= 1;
        Some((entry.at_ms, entry.event))
    }

    /// Returns how many events were ever added.
    pub(crate) const fn made(&self) -> u64 {
        self.made
    }

    fn place(&mut self, entry: Entry<E>) {
        let slice = entry.at_ms / SLICE_MS;
        if slice <= self.slice {
            self.present.push(Reverse(entry));
        } else if slice / SLICES == self.slice / SLICES {
            self.slices[(slice % SLICES) as usize].push(entry);
        } else {
            self.beyond.push(entry);
        }
    }

    /// Goes on to the next slice; at the end of a round, sorts what waited beyond it into the next
    /// one.
    fn turn(&mut self) {
        self.slice += 1;
        if self.slice.is_multiple_of(SLICES) {
            for entry in std::mem::take(&mut self.beyond) {
                self.place(entry);
            }
        }
        let due = std::mem::take(&mut self.slices[(self.slice % SLICES) as usize]);
        self.present.extend(due.into_iter().map(Reverse));
    }
}
