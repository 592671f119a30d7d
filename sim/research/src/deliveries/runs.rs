//! The runs behind a table, each in a process of its own, as many at once as there are cores.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use restante_sim::Report;

use super::{Row, Sample, row};

/// The scenario whose first absence is made longer and longer.
const SCENARIO: &str = "offline-recipient";

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The program `restante-sim`.
    pub(crate) program: PathBuf,
    /// How long recipients are away, and with how many seeds, for each row.
    pub(crate) rows: Vec<(Duration, u64)>,
    /// Runs at once.
    pub(crate) jobs: NonZero<usize>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The program does not start.
    #[error("{}: {error}; build it: cargo build -p restante-sim", .program.display())]
    Program {
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A run has no report.
    #[error("{SCENARIO}, seed {seed}: no report: {said}")]
    Report {
        seed: u64,
        /// What the program said instead.
        said: String,
    },
    /// A run has not seen what a row needs.
    #[error("{SCENARIO}, seed {seed}: the run saw nothing")]
    Blind { seed: u64 },
}

impl Plan {
    /// Makes all runs and sums them up.
    ///
    /// # Errors
    ///
    /// The first of [`RunError`] that there is.
    pub(crate) fn table(&self) -> Result<Vec<Row>, RunError> {
        let mut pairs = Vec::new();
        for (place, (_, seeds)) in self.rows.iter().enumerate() {
            pairs.extend((1..=*seeds).map(|seed| (place, seed)));
        }
        // The longest first, so that no core waits for the last of them alone.
        pairs.sort_by_key(|(place, seed)| (std::cmp::Reverse(self.rows[*place].0), *seed));
        let next = AtomicUsize::new(0);
        let samples = Mutex::new(vec![Vec::new(); self.rows.len()]);
        let work = || -> Result<(), RunError> {
            while let Some((place, seed)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sample = self.sample(self.rows[*place].0, *seed)?;
                let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
                samples[*place].push(sample);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs.get()).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect::<Result<(), RunError>>()
        })?;
        let mut samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rows = self
            .rows
            .iter()
            .zip(&mut samples)
            .map(|((away, _), samples)| {
                samples.sort_by_key(|sample: &Sample| sample.seed);
                row(*away, samples)
            });
        Ok(rows.collect())
    }

    fn sample(&self, away: Duration, seed: u64) -> Result<Sample, RunError> {
        let away = format!("away.0.lasts={}s", away.as_secs());
        let with = self.run(seed, &[&away])?;
        let nothing = ["workload.messages=0", "expect={ idle_faults = true }"];
        let without = self.run(seed, &[&away, nothing[0], nothing[1]])?;
        Sample::of(&with, &without).ok_or(RunError::Blind { seed })
    }

    fn run(&self, seed: u64, overrides: &[&str]) -> Result<Report, RunError> {
        let mut command = Command::new(&self.program);
        command.args(["run", SCENARIO, "--tier", "full", "--json", "-"]);
        command.args(["--seed", &seed.to_string()]);
        command.args(overrides.iter().flat_map(|set| ["--set", set]));
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| RunError::Program {
            program: self.program.clone(),
            error,
        })?;
        serde_json::from_slice(&output.stdout).map_err(|_| RunError::Report {
            seed,
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}
