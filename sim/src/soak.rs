//! Many runs on all cores.

use std::time::Duration;

use crate::report::{Counts, Outcome, Report, Tier, Violation};
use crate::scenario::Scenario;

mod child;

#[cfg(test)]
mod tests;

/// Seeds that once failed, one line each: tier, scenario, seed, and the bug after `#`.
pub(crate) const SEEDS: &str = include_str!("../seeds.txt");

/// One run to make.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Job<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) origin: Origin<'a>,
    pub(crate) tier: Tier,
    pub(crate) seed: u64,
    /// After how much real time it is given up, if it runs in a process of its own.
    pub(crate) limit: Option<Duration>,
}

/// Where another process gets a scenario from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Origin<'a> {
    Name,
    Text(&'a str),
}

impl<'a> Job<'a> {
    /// A run of a scenario that has a name.
    pub(crate) const fn named(scenario: &'a Scenario, tier: Tier, seed: u64) -> Self {
        Self {
            scenario,
            origin: Origin::Name,
            tier,
            seed,
            limit: None,
        }
    }

    /// Makes the run; one that ends without a report has a report that says so.
    pub(crate) fn run(&self) -> Report {
        child::run(self).unwrap_or_else(|violation| self.without_report(violation))
    }

    fn without_report(&self, violation: Violation) -> Report {
        Report {
            scenario: self.scenario.name.clone(),
            tier: self.tier,
            seed: self.seed,
            nodes: self.scenario.population.nodes,
            outcome: Outcome::Violated(violation),
            trace_hash: String::new(),
            trace_lines: 0,
            events: 0,
            virtual_ms: 0,
            settled_after_ms: None,
            counts: Counts::default(),
            effects: Vec::new(),
            observed: None,
        }
    }
}

/// A run that could not tell by itself what was wrong.
fn unreported(rule: &'static str, what: String) -> Violation {
    Violation {
        rule: rule.into(),
        what,
        at_ms: 0,
    }
}

/// Reads the list of seeds that once failed: tier, scenario and seed of each.
///
/// # Errors
///
/// A sentence with the line that is wrong.
pub(crate) fn known_seeds(text: &str) -> Result<Vec<(Tier, &str, u64)>, String> {
    let mut seeds = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let words: Vec<&str> = entry.split_whitespace().collect();
        let parsed = match words[..] {
            [tier, scenario, seed] => Tier::parse(tier)
                .ok()
                .and_then(|tier| Some((tier, scenario, seed.parse().ok()?))),
            _ => None,
        };
        let wrong = || {
            let line = place + 1;
            format!("seeds.txt:{line}:1: {entry:?} is not a tier, a scenario and a seed")
        };
        seeds.push(parsed.ok_or_else(wrong)?);
    }
    Ok(seeds)
}
