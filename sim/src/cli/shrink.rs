//! Makes a failing run smaller before people are told of it, and writes it down.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Table;

use super::source::Source;
use super::stopwatch::Stopwatch;
use super::words::replay;
use super::{Failure, unwritten};
use crate::parallel::cores;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::shrink::{Case, Shrinking};
use crate::soak::{Job, Origin};
use crate::swarm;

/// Runs for one failure, at most.
const RUNS_MAX: usize = 1_000;
/// Seeds that each smaller scenario is tried with, at most.
const SEEDS_MAX: u64 = 4;
/// Real time after which a smaller scenario is given up.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// Rules that say something of the scenario: with less in it, they would be broken by design.
const NOT_SHRUNK: [&str; 4] = [
    "expectation",
    "fault-without-effect",
    "too-slow",
    "no-report",
];

/// How failures are made smaller.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ShrinkArgs {
    /// How much real time is spent on making a failing scenario smaller; 0s: none.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    shrink_for: Duration,
    /// Folder for failing scenarios.
    #[arg(long, value_name = "DIR", default_value = "found")]
    found: PathBuf,
}

impl ShrinkArgs {
    /// Writes a failing scenario down as it is, and returns what people are told of that.
    pub(super) fn save(&self, failed: &Report, source: &Source) -> Result<String, Failure> {
        let file = self.file(failed, "");
        self.write(&file, &format!("{}{}", heading(failed), source.text))?;
        Ok(format!("  scenario: {}", file.display()))
    }

    /// Makes a failing scenario smaller, writes it down, and returns what people are told of that.
    pub(super) fn shrink(&self, failed: &Report, source: &Source) -> Result<String, Failure> {
        let Some(violation) = failed.violation() else {
            return Ok(String::new());
        };
        let rule = &*violation.rule;
        let Ok(table) = source.text.parse::<Table>() else {
            return Ok("  not shrunk: its text is not what was run".to_owned());
        };
        if NOT_SHRUNK.contains(&rule) || self.shrink_for.is_zero() {
            return Ok("  not shrunk".to_owned());
        }
        let watch = Stopwatch::start();
        let (scenario, tier) = (&source.scenario, failed.tier);
        let read = |table: &Table| {
            let overrides = &scenario.overrides;
            Scenario::parse_with(&scenario.name, &table.to_string(), None, overrides).ok()
        };
        let was_fair = swarm::unfair(scenario).is_none();
        let run = |table: &Table, seed: u64| {
            let (scenario, text) = (read(table)?, table.to_string());
            let job = Job {
                scenario: &scenario,
                origin: Origin::Text(&text),
                tier,
                seed,
                limit: Some(RUN_LIMIT),
            };
            Some(job.run())
        };
        let fails = |table: &Table, seed: u64| {
            let report = run(table, seed)?;
            report.violation().map(|broken| broken.rule.to_string())
        };
        let shrinking = Shrinking {
            fails: &fails,
            allowed: &|table| {
                let fair = |one: &Scenario| !was_fair || swarm::unfair(one).is_none();
                read(table).is_some_and(|one| one.missing_on(tier).is_none() && fair(&one))
            },
            more: &|runs| runs < RUNS_MAX && watch.elapsed() < self.shrink_for,
            seeds: (cores().get() as u64).min(SEEDS_MAX),
        };
        let seed = failed.seed;
        let shrunk = shrinking.shrink(Case { table, seed }, rule);
        let file = self.file(failed, "-small");
        let small = run(&shrunk.case.table, shrunk.case.seed);
        let small = Report {
            scenario: file.display().to_string(),
            seed: shrunk.case.seed,
            ..small.unwrap_or_else(|| failed.clone())
        };
        let text = format!("{}{}", heading(&small), shrunk.case.table);
        self.write(&file, &text)?;
        let end = if shrunk.finished {
            "no step makes it smaller"
        } else {
            "there was no time for more"
        };
        Ok(format!(
            "  shrunk in {} runs, {end}: {}",
            shrunk.runs,
            replay(&small, &scenario.overrides)
        ))
    }

    fn file(&self, failed: &Report, end: &str) -> PathBuf {
        let stem = Path::new(&failed.scenario).file_stem();
        let stem = stem.map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy());
        let (tier, seed) = (failed.tier.name(), failed.seed);
        let name = match swarm::seed_of(&failed.scenario) {
            Some(drawn) if drawn == seed => format!("{stem}-{tier}{end}.toml"),
            _ => format!("{stem}-{tier}-{seed}{end}.toml"),
        };
        self.found.join(name)
    }

    fn write(&self, file: &Path, text: &str) -> Result<(), Failure> {
        fs::create_dir_all(&self.found).map_err(|error| unwritten(&self.found, &error))?;
        fs::write(file, text).map_err(|error| unwritten(file, &error))
    }
}

/// Returns what stands above a failing scenario.
fn heading(failed: &Report) -> String {
    let Some(violation) = failed.violation() else {
        return String::new();
    };
    // What was said may have many lines.
    let what = violation.what.lines().next().unwrap_or_default();
    let (rule, tier, seed) = (&violation.rule, failed.tier.name(), failed.seed);
    format!("# Breaks `{rule}` on the {tier} tier with seed {seed}: {what}\n")
}
