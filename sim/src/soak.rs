//! Many seeds on all cores.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{report::Report, scenario::Scenario, world::simulate};

#[cfg(test)]
mod tests;

/// Seeds that once failed, one line each: scenario, seed, and the bug after `#`.
pub(crate) const SEEDS: &str = include_str!("../seeds.txt");

/// One run to make.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seed: u64,
}

/// Reads the list of seeds that once failed.
///
/// # Errors
///
/// A sentence with the line that is wrong.
pub(crate) fn known_seeds(text: &str) -> Result<Vec<(&str, u64)>, String> {
    let mut seeds = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let parsed = entry
            .split_once(char::is_whitespace)
            .and_then(|(scenario, seed)| Some((scenario, seed.trim().parse().ok()?)));
        let wrong = || {
            format!(
                "seeds.txt:{}:1: {entry:?} is not a scenario and a seed",
                place + 1
            )
        };
        seeds.push(parsed.ok_or_else(wrong)?);
    }
    Ok(seeds)
}

/// Makes all runs, in parallel, and returns the reports in the order of the jobs.
///
/// `told` hears of each report as it comes in.
pub(crate) fn soak(
    jobs: &[Job<'_>],
    threads: Option<NonZero<usize>>,
    told: &(dyn Fn(&Report) + Sync),
) -> Vec<Report> {
    let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let threads = threads.unwrap_or(cores).get().min(jobs.len());
    let next = AtomicUsize::new(0);
    let reports: Mutex<Vec<(usize, Report)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    // Without a sink there is nothing that could fail.
                    let Ok(report) = simulate(job.scenario, job.seed, None) else {
                        continue;
                    };
                    told(&report);
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
