//! Makes a failing scenario smaller for as long as it fails in the same way: fewer faults, machines, people and
//! messages, less time, a simpler network.
//!
//! A smaller scenario is another run, in which chance falls otherwise; so each is tried with some seeds. The first step
//! that helps is taken, and all begin again, until none helps or time is up.

use std::collections::BTreeSet;
use std::thread;

use toml::Table;

mod steps;
#[cfg(test)]
mod tests;

/// A scenario that fails with a seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// The scenario.
    pub(crate) table: Table,
    /// The seed.
    pub(crate) seed: u64,
}

/// What it takes to shrink.
pub(crate) struct Shrinking<'a> {
    /// Runs a scenario with a seed and returns the rule that was broken, if one was.
    pub(crate) fails: &'a (dyn Fn(&Table, u64) -> Option<String> + Sync),
    /// Tells whether a scenario may be run at all.
    pub(crate) allowed: &'a dyn Fn(&Table) -> bool,
    /// Tells, from the number of runs so far, whether there may be more.
    pub(crate) more: &'a dyn Fn(usize) -> bool,
    /// Seeds that each scenario is tried with, at once.
    pub(crate) seeds: u64,
}

/// What shrinking has led to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shrunk {
    /// The smallest case that still breaks the rule.
    pub(crate) case: Case,
    /// Runs made.
    pub(crate) runs: usize,
    /// Whether no step makes it smaller.
    pub(crate) finished: bool,
}

impl Shrinking<'_> {
    /// Shrinks a case that breaks `rule`.
    pub(crate) fn shrink(&self, case: Case, rule: &str) -> Shrunk {
        let mut seen = BTreeSet::from([case.table.to_string()]);
        let mut shrunk = Shrunk {
            case,
            runs: 0,
            finished: false,
        };
        while let Some(smaller) = self.step(&mut shrunk, &mut seen, rule) {
            shrunk.case = smaller;
        }
        shrunk
    }

    /// Returns a smaller case that breaks the rule, if there is one and time is left.
    fn step(&self, shrunk: &mut Shrunk, seen: &mut BTreeSet<String>, rule: &str) -> Option<Case> {
        for table in steps::smaller(&shrunk.case.table) {
            if !seen.insert(table.to_string()) || !(self.allowed)(&table) {
                continue;
            }
            if !(self.more)(shrunk.runs) {
                return None;
            }
            let seeds: Vec<u64> = (0..self.seeds.max(1))
                .map(|more| shrunk.case.seed.wrapping_add(more))
                .collect();
            shrunk.runs += seeds.len();
            let found = self.first_failing(&table, &seeds, rule);
            if let Some(seed) = found {
                return Some(Case { table, seed });
            }
        }
        shrunk.finished = true;
        None
    }

    /// Runs a scenario with some seeds at once and returns the first that breaks the rule.
    fn first_failing(&self, table: &Table, seeds: &[u64], rule: &str) -> Option<u64> {
        let fails = |seed: u64| (self.fails)(table, seed).is_some_and(|broken| broken == rule);
        let fails = &fails;
        thread::scope(|scope| {
            let runs: Vec<_> = seeds
                .iter()
                .map(|seed| (*seed, scope.spawn(move || fails(*seed))))
                .collect();
            // All are waited for, and a run that panics has not failed as it should.
            let ended = runs.into_iter().map(|(seed, run)| (seed, run.join()));
            let ended: Vec<(u64, bool)> = ended.map(|(s, run)| (s, run.unwrap_or(false))).collect();
            ended
                .into_iter()
                .find(|(_, failed)| *failed)
                .map(|(s, _)| s)
        })
    }
}
