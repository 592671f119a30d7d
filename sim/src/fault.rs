//! Faults by name, and what each has changed: one that changed nothing was not injected.

use crate::{
    options::{FaultKind, Who},
    report::Effect,
    scenario::Scenario,
};

/// Counts what faults change.
pub(crate) struct Effects {
    names: Vec<String>,
    changed: Vec<u64>,
    faults: usize,
}

/// One thing that goes wrong in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The `[[fault]]` of this number.
    Fault(usize),
    /// The `[[away]]` of this number.
    Away(usize),
}

impl Effects {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let faults = scenario.faults.iter().enumerate().map(|(number, fault)| {
            let kind = match fault.kind {
                FaultKind::Crash { .. } => "crash",
                FaultKind::Kill { .. } => "kill",
                FaultKind::Partition { .. } => "partition",
            };
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
        let names: Vec<String> = faults.chain(away).collect();
        Self {
            changed: vec![0; names.len()],
            names,
            faults: scenario.faults.len(),
        }
    }

    /// Notes that a fault has changed `count` things.
    pub(crate) fn add(&mut self, source: Source, count: u64) {
        let place = match source {
            Source::Fault(number) => number,
            Source::Away(number) => self.faults + number,
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
