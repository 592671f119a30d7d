//! What each injected fault has changed: one that changed nothing was not injected.

use std::collections::{BTreeMap, BTreeSet};

use crate::random::Random;
use crate::report::Effect;
use crate::scenario::{ONE_PPM, Scenario, Share};

/// Counts what faults change.
pub(crate) struct Effects(BTreeMap<Source, Seen>);

/// One thing that goes wrong in a scenario, by its place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Fault(usize),
    Away(usize),
    Adversary(usize),
}

struct Seen {
    name: String,
    changed: u64,
    machines: BTreeSet<String>,
    cut_short: u64,
}

impl Effects {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let faults = scenario.faults.iter().enumerate().map(|(number, fault)| {
            let name = format!("{} (fault {})", fault.kind.name(), number + 1);
            (Source::Fault(number), name)
        });
        let away = scenario.away.iter().enumerate().map(|(number, away)| {
            let name = format!("{} away (away {})", away.who.name(), number + 1);
            (Source::Away(number), name)
        });
        let adversaries = scenario.adversaries.iter().enumerate();
        let adversaries = adversaries.map(|(number, adversary)| {
            let name = format!("{} (adversary {})", adversary.kind.name(), number + 1);
            (Source::Adversary(number), name)
        });
        let all = faults.chain(away).chain(adversaries);
        let nothing_yet = |name| Seen {
            name,
            changed: 0,
            machines: BTreeSet::new(),
            cut_short: 0,
        };
        Self(
            all.map(|(source, name)| (source, nothing_yet(name)))
                .collect(),
        )
    }

    /// Notes that a fault has changed `count` things.
    pub(crate) fn add(&mut self, source: Source, count: u64) {
        if let Some(seen) = self.0.get_mut(&source) {
            seen.changed += count;
        }
    }

    /// Notes that a fault has hit a machine, whether or not that changed something.
    pub(crate) fn hit(&mut self, source: Source, machine: String) {
        if let Some(seen) = self.0.get_mut(&source) {
            seen.machines.insert(machine);
        }
    }

    /// Notes that the end of all faults came before that of this one.
    pub(crate) fn cut_short(&mut self, source: Source) {
        if let Some(seen) = self.0.get_mut(&source) {
            seen.cut_short += 1;
        }
    }

    pub(crate) fn all(&self) -> Vec<Effect> {
        let effect = |seen: &Seen| Effect {
            fault: seen.name.clone(),
            changed: seen.changed,
            machines: seen.machines.len() as u64,
            cut_short: seen.cut_short,
        };
        self.0.values().map(effect).collect()
    }
}

/// Chooses so many of those that a fault may hit.
pub(crate) fn choose<T>(mut choice: Vec<T>, count: usize, random: &mut Random) -> Vec<T> {
    random.shuffle(&mut choice);
    choice.truncate(count);
    choice
}

/// Chooses a share of all, rounded up.
pub(crate) fn choose_share<T>(mut all: Vec<T>, share: Share, random: &mut Random) -> Vec<T> {
    random.shuffle(&mut all);
    let count = (all.len() as u64 * share.ppm()).div_ceil(ONE_PPM);
    all.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    all
}
