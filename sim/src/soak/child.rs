//! A run in a process of its own.
//!
//! Whole nodes take numbers from counters that are the process's, in libp2p and tokio among others, so only the first
//! run of a process is the same as in any other process.

use std::env;
use std::process::{Command, Stdio};

use super::Job;
use crate::report::Report;

/// Runs this program for one job and reads its report.
///
/// # Errors
///
/// A sentence on why there is no report.
pub(super) fn run(job: &Job<'_>) -> Result<Report, String> {
    let (name, seed, tier) = (&job.scenario.name, job.seed, job.tier.name());
    let failed = |what: String| format!("{name}, seed {seed}, {tier}: {what}");
    let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
    let output = Command::new(program)
        .args(["run", name, "--tier", tier, "--json", "-", "--seed"])
        .arg(seed.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        failed(format!("no report ({}): {}", output.status, said.trim()))
    })
}
