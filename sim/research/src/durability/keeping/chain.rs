//! The copies of a message as a Markov chain: what may come next depends on nothing but how many there are.

use std::collections::BTreeMap;

use super::Keeping;

/// Terms of the exponential series; for arguments up to 1 the rest is nothing beside any of them.
const TERMS: u32 = 40;

/// How many nodes hold the message, how many are copying it after a loss, and how many that the sender did not reach
/// have still to learn of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    holding: usize,
    copying: usize,
    behind: usize,
}

/// All states that can be, with what leads from one to another.
pub(super) struct Chain {
    /// For each state where it leads, and how often in a millisecond.
    moves: Vec<Vec<(usize, f64)>>,
    /// The state in which nobody holds it.
    end: usize,
}

impl Chain {
    /// Returns the chain of a message, which begins with its first state.
    pub(super) fn of(keeping: &Keeping) -> Self {
        let start = State {
            holding: keeping.receipts,
            copying: 0,
            behind: keeping.copies - keeping.receipts,
        };
        let mut places = BTreeMap::from([(start, 0)]);
        let mut states = vec![start];
        let mut moves = Vec::new();
        while let Some(state) = states.get(moves.len()).copied() {
            let mut to = Vec::new();
            for (next, rate) in state.moves(keeping) {
                let place = *places.entry(next).or_insert_with(|| {
                    states.push(next);
                    states.len() - 1
                });
                to.push((place, rate));
            }
            moves.push(to);
        }
        let end = states.iter().position(|state| state.holding == 0);
        Self {
            moves,
            // Somebody may always leave, so that there is such a state.
            end: end.unwrap_or(0),
        }
    }

    /// Returns the probability that the end is reached within a time in milliseconds.
    ///
    /// The transition matrix of a short time is a sum of products of numbers that are not negative, and so is its
    /// square, that of twice the time: no digits are ever lost.
    pub(super) fn absorbed(&self, lasts_ms: f64) -> f64 {
        let out = |to: &Vec<(usize, f64)>| to.iter().map(|(_, rate)| rate).sum::<f64>();
        let fastest = self.moves.iter().map(out).fold(0.0, f64::max);
        let mut doublings = 0;
        let mut part_ms = lasts_ms;
        while fastest * part_ms > 1.0 {
            part_ms /= 2.0;
            doublings += 1;
        }
        let mut matrix = self.short(fastest, part_ms);
        for _ in 0..doublings {
            matrix = product(&matrix, &matrix);
        }
        matrix
            .first()
            .and_then(|row| row.get(self.end))
            .copied()
            .unwrap_or_default()
    }

    /// Returns the transition matrix of a time in which about one thing happens.
    fn short(&self, fastest: f64, part_ms: f64) -> Vec<Vec<f64>> {
        let size = self.moves.len();
        let mut step = vec![vec![0.0; size]; size];
        for (from, to) in self.moves.iter().enumerate() {
            let out: f64 = to.iter().map(|(_, rate)| rate).sum();
            step[from][from] += 1.0 - out / fastest;
            for (place, rate) in to {
                step[from][*place] += rate / fastest;
            }
        }
        let mut power = identity(size);
        let mut sum = vec![vec![0.0; size]; size];
        let mut weight = libm::exp(-fastest * part_ms);
        for term in 0..TERMS {
            for (row, adds) in sum.iter_mut().zip(&power) {
                for (cell, add) in row.iter_mut().zip(adds) {
                    *cell += weight * add;
                }
            }
            power = product(&power, &step);
            weight *= fastest * part_ms / f64::from(term + 1);
        }
        sum
    }
}

impl State {
    /// Returns what may come next, and how often in a millisecond.
    fn moves(self, keeping: &Keeping) -> Vec<(Self, f64)> {
        let Self {
            holding,
            copying,
            behind,
        } = self;
        if holding == 0 {
            return Vec::new();
        }
        let mut moves = Vec::new();
        let mut add = |count: usize, mean_ms: f64, next: Self| {
            if count > 0 {
                moves.push((next.repaired(keeping), count as f64 / mean_ms));
            }
        };
        let fewer = holding - 1;
        let lost = Self {
            holding: fewer,
            ..self
        };
        add(holding, keeping.life_ms as f64, lost);
        let more = holding + 1;
        let copied = Self {
            holding: more,
            copying: copying.saturating_sub(1),
            ..self
        };
        add(copying, keeping.empty_ms(), copied);
        let caught_up = Self {
            holding: more,
            behind: behind.saturating_sub(1),
            ..self
        };
        add(behind, keeping.catch_up.mean_ms(), caught_up);
        moves
    }

    /// Returns what follows from the rule of repair. All states without a holder are one.
    fn repaired(mut self, keeping: &Keeping) -> Self {
        if self.holding == 0 {
            (self.copying, self.behind) = (0, 0);
        } else if self.holding < keeping.below {
            self.copying = keeping.copies - self.holding - self.behind;
        }
        self
    }
}

fn identity(size: usize) -> Vec<Vec<f64>> {
    let row = |one| (0..size).map(move |place| f64::from(u8::from(place == one)));
    (0..size).map(|one| row(one).collect()).collect()
}

fn product(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let size = right.len();
    let row = |of: &Vec<f64>| {
        let mut sums = vec![0.0; size];
        for (factor, others) in of.iter().zip(right).filter(|(factor, _)| **factor > 0.0) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += factor * other;
            }
        }
        sums
    };
    left.iter().map(row).collect()
}
