//! Many seeds on all cores.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    report::{Report, Tier},
    scenario::Scenario,
    world::simulate,
};

mod child;

#[cfg(test)]
mod tests;

/// Seeds that once failed, one line each: scenario, seed, and the bug after `#`.
pub(crate) const SEEDS: &str = include_str!("../seeds.txt");

/// One run to make.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Job<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) tier: Tier,
    pub(crate) seed: u64,
}

impl Job<'_> {
    /// Makes the run.
    ///
    /// # Errors
    ///
    /// A sentence on why there is no report.
    fn run(&self) -> Result<Report, String> {
        match self.tier {
            Tier::Protocol => {
                simulate(self.scenario, self.seed, None).map_err(|error| error.to_string())
            }
            Tier::Full => child::run(self),
        }
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

/// Makes all runs, in parallel, and returns the reports in the order of the jobs.
///
/// `told` hears of each report as it comes in.
///
/// # Errors
///
/// A sentence on the first run that ended without a report.
pub(crate) fn soak(
    jobs: &[Job<'_>],
    threads: Option<NonZero<usize>>,
    told: &(dyn Fn(&Report) + Sync),
) -> Result<Vec<Report>, String> {
    let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let threads = threads.unwrap_or(cores).get().min(jobs.len());
    let next = AtomicUsize::new(0);
    let reports: Mutex<Vec<(usize, Result<Report, String>)>> =
        Mutex::new(Vec::with_capacity(jobs.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    let report = job.run();
                    if let Ok(report) = &report {
                        told(report);
                    }
                    reports
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((place, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}
