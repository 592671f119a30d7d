//! The life of one node: its stays, one after another, until it leaves for good.

use rand::Rng;

use crate::{
    churn::{Churn, FOREVER_MS, Habit, Stay},
    draw,
};

#[cfg(test)]
mod tests;

/// The stays of one node; the iterator ends when the node leaves for good, or does not end.
#[derive(Debug)]
pub struct Sessions<'a, R> {
    churn: &'a Churn,
    rng: R,
    habit: Habit,
    at_ms: u64,
    leaves_ms: u64,
    next: Stay,
}

impl<'a, R: Rng> Sessions<'a, R> {
    /// Begins the stays of a node that was there before the simulation began.
    ///
    /// `mean_life_ms` is after how long nodes leave for good, on average and exponentially, in
    /// milliseconds; none for nodes that come back for ever. `node` is the node's number, which
    /// only a trace looks at.
    pub fn settled(churn: &'a Churn, mean_life_ms: Option<u64>, node: u32, mut rng: R) -> Self {
        let leaves_ms = life_ms(mean_life_ms, &mut rng);
        let (habit, next) = churn.settle(node, &mut rng);
        Self {
            churn,
            rng,
            habit,
            at_ms: 0,
            leaves_ms,
            next,
        }
    }

    /// Begins the stays of a node that comes up for the first time at `at_ms`.
    pub fn arriving(
        churn: &'a Churn,
        mean_life_ms: Option<u64>,
        node: u32,
        at_ms: u64,
        mut rng: R,
    ) -> Self {
        let leaves_ms = at_ms.saturating_add(life_ms(mean_life_ms, &mut rng));
        let (habit, next) = churn.arrive(node, at_ms, &mut rng);
        Self {
            churn,
            rng,
            habit,
            at_ms,
            leaves_ms,
            next,
        }
    }

    /// Returns when the node leaves for good, in milliseconds from the start; [`FOREVER_MS`] when
    /// it does not.
    pub const fn leaves_ms(&self) -> u64 {
        self.leaves_ms
    }
}

impl<R: Rng> Iterator for Sessions<'_, R> {
    type Item = Stay;

    fn next(&mut self) -> Option<Stay> {
        if self.at_ms >= self.leaves_ms {
            return None;
        }
        let mut stay = self.next;
        let left_ms = match self.leaves_ms {
            FOREVER_MS => FOREVER_MS,
            leaves_ms => leaves_ms - self.at_ms,
        };
        stay.lasts_ms = stay.lasts_ms.min(left_ms);
        self.at_ms = self.at_ms.saturating_add(stay.lasts_ms);
        if self.at_ms < self.leaves_ms {
            self.next = self
                .churn
                .next(self.habit, stay.up, self.at_ms, &mut self.rng);
        }
        Some(stay)
    }
}

/// Draws the life of a node, in milliseconds.
fn life_ms<R: Rng + ?Sized>(mean_life_ms: Option<u64>, rng: &mut R) -> u64 {
    mean_life_ms.map_or(FOREVER_MS, |mean| {
        (libm::round(mean as f64 * draw::exponential(rng)) as u64).max(1)
    })
}
