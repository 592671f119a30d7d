//! Faults by name, and what each has changed: one that changed nothing was not injected.

use crate::{
    options::{FaultOptions, Who},
    random::Random,
    report::Effect,
    scenario::Scenario,
};

/// One, in a million.
const ONE_PPM: u64 = 1_000_000;

/// Counts what faults change.
pub(crate) struct Effects {
    names: Vec<String>,
    changed: Vec<u64>,
    faults: usize,
    away: usize,
}

/// One thing that goes wrong in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The `[[fault]]` of this number.
    Fault(usize),
    /// The `[[away]]` of this number.
    Away(usize),
    /// The `[[adversary]]` of this number.
    Adversary(usize),
}

impl Effects {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let faults = scenario.faults.iter().enumerate();
        let faults = faults.map(|(number, fault)| {
            let kind = fault.kind.name();
            format!("{kind} (fault {})", number + 1)
        });
        let away = scenario.away.iter().enumerate().map(|(number, away)| {
            let who = match away.who {
                Who::Senders => "senders",
                Who::Recipients => "recipients",
                Who::Everybody => "everybody",
            };
            format!("{who} away (away {})", number + 1)
        });
        let adversaries = scenario.adversaries.iter().enumerate();
        let adversaries = adversaries.map(|(number, adversary)| {
            let kind = adversary.kind.name();
            format!("{kind} (adversary {})", number + 1)
        });
        let names: Vec<String> = faults.chain(away).chain(adversaries).collect();
        Self {
            changed: vec![0; names.len()],
            names,
            faults: scenario.faults.len(),
            away: scenario.away.len(),
        }
    }

    /// Notes that a fault has changed `count` things.
    pub(crate) fn add(&mut self, source: Source, count: u64) {
        let place = match source {
            Source::Fault(number) => number,
            Source::Away(number) => self.faults + number,
            Source::Adversary(number) => self.faults + self.away + number,
        };
        if let Some(changed) = self.changed.get_mut(place) {
            *changed += count;
        }
    }

    /// Returns what each fault has changed.
    pub(crate) fn all(&self) -> Vec<Effect> {
        let pairs = self.names.iter().zip(&self.changed);
        pairs
            .map(|(fault, changed)| Effect {
                fault: fault.clone(),
                changed: *changed,
            })
            .collect()
    }
}

/// Chooses whom a fault hits among those it may hit.
pub(crate) fn choose<T>(mut choice: Vec<T>, fault: &FaultOptions, random: &mut Random) -> Vec<T> {
    random.shuffle(&mut choice);
    choice.truncate(fault.count);
    choice
}

/// Chooses a share of all, in a million, rounded up.
pub(crate) fn choose_share<T>(mut all: Vec<T>, share_ppm: u64, random: &mut Random) -> Vec<T> {
    random.shuffle(&mut all);
    let count = (all.len() as u64 * share_ppm).div_ceil(ONE_PPM);
    all.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    all
}
