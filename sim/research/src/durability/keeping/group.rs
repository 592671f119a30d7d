//! The copies of one message, simulated with delays as they are.

use rand::Rng;
use restante_sim_population::draw;

use super::{Delay, Keeping, Law};

/// One message and those who hold it, or are about to.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    keeping: &'a Keeping,
    law: Law,
    now_ms: f64,
    holding: usize,
    /// When each of those who copy it after a loss has done so.
    copying: Vec<f64>,
    /// When each of those whom the sender did not reach has copied it.
    behind: Vec<f64>,
}

impl<'a> Group<'a> {
    /// Returns a message that has just been deposited.
    pub(super) fn new<R: Rng + ?Sized>(keeping: &'a Keeping, law: Law, rng: &mut R) -> Self {
        let mut group = Self {
            keeping,
            law,
            now_ms: 0.0,
            holding: keeping.receipts,
            copying: Vec::new(),
            behind: Vec::new(),
        };
        for _ in keeping.receipts..keeping.copies {
            let after_ms = match law {
                Law::Uniform => drawn(keeping.catch_up, rng),
                Law::Exponential => keeping.catch_up.mean_ms() * draw::exponential(rng),
            };
            group.behind.push(after_ms);
        }
        group
    }

    /// Goes on until no more than so many hold the message, and tells whether that comes before its end.
    pub(super) fn falls_to<R: Rng + ?Sized>(&mut self, holders: usize, rng: &mut R) -> bool {
        let end_ms = self.keeping.lasts_ms as f64;
        while self.holding > holders {
            let leaving = self.holding as f64;
            let replaced = match self.law {
                Law::Uniform => self.copying.len() as f64 * self.keeping.replacements(),
                Law::Exponential => 0.0,
            };
            let wait = draw::exponential(rng) * self.keeping.life_ms as f64;
            let leaves_ms = self.now_ms + wait / (leaving + replaced);
            if self.copied_before(leaves_ms.min(end_ms)) {
                continue;
            }
            self.now_ms = leaves_ms.min(end_ms);
            if leaves_ms >= end_ms {
                return false;
            }
            if draw::uniform(rng) * (leaving + replaced) <= leaving {
                self.holding -= 1;
                self.repair(rng);
            } else {
                let which = draw::below(rng, self.copying.len() as u64) as usize;
                self.copying[which] = self.now_ms + drawn(self.keeping.repair, rng);
            }
        }
        true
    }

    /// Lets the next of those who copy the message have it, if that comes before a moment.
    ///
    /// Lives are exponential: what was drawn for after that moment may be drawn anew.
    fn copied_before(&mut self, moment_ms: f64) -> bool {
        let first = |list: &[f64]| {
            let places = list.iter().enumerate();
            places
                .min_by(|one, other| one.1.total_cmp(other.1))
                .map(|(place, at)| (place, *at))
        };
        let (copied, caught_up) = (first(&self.copying), first(&self.behind));
        let at = |next: Option<(usize, f64)>| next.map_or(f64::INFINITY, |(_, at_ms)| at_ms);
        if at(copied).min(at(caught_up)) >= moment_ms {
            return false;
        }
        let (list, next) = if at(copied) <= at(caught_up) {
            (&mut self.copying, copied)
        } else {
            (&mut self.behind, caught_up)
        };
        if let Some((place, at_ms)) = next {
            list.swap_remove(place);
            self.now_ms = at_ms;
            self.holding += 1;
        }
        true
    }

    /// Lets others copy it after a loss, by the rule.
    fn repair<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        if self.holding >= self.keeping.below {
            return;
        }
        while self.holding + self.copying.len() + self.behind.len() < self.keeping.copies {
            let after_ms = match self.law {
                Law::Uniform => drawn(self.keeping.repair, rng),
                Law::Exponential => self.keeping.empty_ms() * draw::exponential(rng),
            };
            self.copying.push(self.now_ms + after_ms);
        }
    }
}

/// Multiplies the odds of falling from each number of holders to the next.
pub(super) fn split<R: Rng + ?Sized>(
    keeping: &Keeping,
    law: Law,
    messages: usize,
    rng: &mut R,
) -> f64 {
    let mut groups: Vec<Group<'_>> = (0..messages)
        .map(|_| Group::new(keeping, law, rng))
        .collect();
    let mut odds = 1.0;
    for holders in (0..keeping.receipts).rev() {
        let mut fallen = Vec::new();
        for mut group in groups {
            if group.falls_to(holders, rng) {
                fallen.push(group);
            }
        }
        odds *= fallen.len() as f64 / messages as f64;
        if fallen.is_empty() {
            return 0.0;
        }
        let pick = |_| fallen[draw::below(rng, fallen.len() as u64) as usize].clone();
        groups = (0..messages).map(pick).collect();
    }
    odds
}

fn drawn<R: Rng + ?Sized>(delay: Delay, rng: &mut R) -> f64 {
    let (least, most) = (delay.least_ms as f64, delay.most_ms as f64);
    least + (most - least) * draw::uniform(rng)
}
