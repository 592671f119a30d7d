//! The network: how long messages take, and which never arrive.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Instant;
use crate::random::Random;
use crate::scenario::{Network as NetworkOptions, Share};

#[cfg(test)]
mod tests;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The keeper of this number.
    Keeper(usize),
    /// The person of this number.
    Person(usize),
}

/// What the network did to messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) overtaken: u64,
    pub(crate) cut: u64,
}

/// Latency, loss, duplicates and a partition; order comes about by jitter alone.
pub(crate) struct Network {
    options: NetworkOptions,
    random: Random,
    island: BTreeSet<End>,
    last: BTreeMap<(End, End), Instant>,
    pub(crate) tally: Tally,
}

impl Network {
    pub(crate) fn new(options: NetworkOptions, random: Random) -> Self {
        Self {
            options,
            random,
            island: BTreeSet::new(),
            last: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Cuts these off from all others; nobody ends the partition.
    pub(crate) fn cut_off(&mut self, island: BTreeSet<End>) {
        self.island = island;
    }

    /// Loses and doubles nothing from now on.
    pub(crate) fn heal(&mut self) {
        self.island.clear();
        self.options.loss = Share::default();
        self.options.duplicates = Share::default();
    }

    /// Tells whether two ends cannot reach each other.
    pub(crate) fn is_cut(&self, a: End, b: End) -> bool {
        self.island.contains(&a) != self.island.contains(&b)
    }

    /// Returns when a message arrives: never, once or twice.
    pub(crate) fn arrivals(
        &mut self,
        now: Instant,
        from: End,
        to: End,
        bytes: usize,
    ) -> Vec<Instant> {
        self.tally.sent += 1;
        self.tally.bytes += bytes as u64;
        if self.is_cut(from, to) {
            self.tally.cut += 1;
            return Vec::new();
        }
        if self.random.chance(self.options.loss.ppm()) {
            self.tally.lost += 1;
            return Vec::new();
        }
        let copies = if self.random.chance(self.options.duplicates.ppm()) {
            2
        } else {
            1
        };
        self.tally.duplicated += copies - 1;
        (0..copies).map(|_| self.arrival(now, from, to)).collect()
    }

    /// Returns how long a lookup takes, in milliseconds.
    pub(crate) fn lookup_ms(&mut self) -> u64 {
        let longest = self.options.lookup.get();
        self.random.between(longest / 4, longest)
    }

    /// Returns the time between a message and the word that nobody is there, in milliseconds.
    pub(crate) fn round_trip_ms(&mut self) -> u64 {
        2 * (self.options.latency_ms() + self.random.between(0, self.options.jitter_ms(false)))
    }

    fn arrival(&mut self, now: Instant, from: End, to: End) -> Instant {
        let delay =
            self.options.latency_ms() + self.random.between(0, self.options.jitter_ms(false));
        let at = now.plus(delay);
        let last = self.last.entry((from, to)).or_default();
        if *last > at {
            self.tally.overtaken += 1;
        }
        *last = at.max(*last);
        at
    }
}
