//! `restante-sim table`.

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use super::progress::Progress;
use super::source::{Source, load};
use super::words::brief;
use super::{Failure, closed, complain, unwritten};
use crate::delivery::{self, ROWS, Row, Sample};
use crate::report::{Report, Tier};
use crate::soak::{Job, soak};

/// The scenario whose first absence is made longer and longer.
const SCENARIO: &str = "offline-recipient";

#[derive(Debug, clap::Args)]
pub(super) struct TableArgs {
    /// How many seeds each row is run with.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seeds: u64,
    /// How many seeds the longest row is run with.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds_longest: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// Absences of the recipients, a row each, the longest last: 1h, 1d and 5d if there is none.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    away: Vec<Duration>,
    /// Sets a key in all runs, as `population.nodes=60`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// How many runs at once; one on each core if it is not said.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Where to write a page of pictures that stands alone.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Where to write the table as JSON.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Prints it as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// One row to make: the scenario with messages and without.
struct Planned {
    away: Duration,
    seeds: u64,
    with: Source,
    without: Source,
}

impl TableArgs {
    fn plan(&self) -> Result<Vec<Planned>, Failure> {
        let rows = if self.away.is_empty() {
            &ROWS[..]
        } else {
            &self.away
        };
        let planned = rows.iter().enumerate().map(|(place, away)| {
            let lasts = format!("away.0.lasts={}", humantime::format_duration(*away));
            let mut overrides = self.overrides.clone();
            overrides.push(lasts);
            let with = load(SCENARIO, &overrides)?;
            overrides.push("workload.messages=0".to_owned());
            overrides.push("expect={ idle_faults = true }".to_owned());
            Ok(Planned {
                away: *away,
                seeds: if place + 1 == rows.len() && place > 0 {
                    self.seeds_longest
                } else {
                    self.seeds
                },
                with,
                without: load(SCENARIO, &overrides)?,
            })
        });
        planned.collect()
    }

    /// Returns the command that makes the table again.
    fn again(&self) -> String {
        let (seeds, longest, from) = (self.seeds, self.seeds_longest, self.from);
        let mut again =
            format!("restante-sim table --seeds {seeds} --seeds-longest {longest} --from {from}");
        for away in &self.away {
            again += &format!(
                " --away {}",
                humantime::format_duration(*away)
                    .to_string()
                    .replace(' ', "")
            );
        }
        for set in &self.overrides {
            again += &format!(" --set '{set}'");
        }
        again
    }
}

/// Runs a scenario with recipients who are away for longer and longer, and prints what came of it.
pub(super) fn table(out: &mut impl Write, args: &TableArgs) -> Result<(), Failure> {
    let planned = args.plan()?;
    let mut jobs = Vec::new();
    // The longest first, so that no core waits for the last of them alone.
    for row in planned.iter().rev() {
        for seed in args.from..args.from.saturating_add(row.seeds) {
            for source in [&row.with, &row.without] {
                jobs.push(Job::named(&source.scenario, Tier::Full, seed));
            }
        }
    }
    let progress = Progress::start();
    let runs = jobs.len();
    let reports = soak(&jobs, args.jobs, &|job| {
        let report = slim(job.run());
        progress.on_report(&report, runs);
        report
    });
    let took = brief(progress.elapsed());
    progress.clear();
    let rows = rows(&planned, &reports)?;
    let text = if args.markdown {
        delivery::markdown(&rows)
    } else {
        delivery::plain(&rows)
    };
    write!(out, "{text}").map_err(closed)?;
    if !args.markdown {
        writeln!(out, "{runs} runs in {took}; in brackets: 95 % intervals").map_err(closed)?;
    }
    out.flush().map_err(closed)?;
    save(args, &planned, &rows)?;
    tell_broken(&rows);
    if rows.iter().all(|row| row.broken.is_empty()) {
        Ok(())
    } else {
        Err(Failure::Broken)
    }
}

/// Leaves out what only pictures of single runs need, up to the end of the faults.
fn slim(mut report: Report) -> Report {
    if let Some(seen) = &mut report.observed {
        seen.spans = Vec::new();
        seen.machines = Vec::new();
        seen.waits_ms = Vec::new();
    }
    report
}

/// Sums up the reports, which come in the order of the jobs.
fn rows(planned: &[Planned], reports: &[Report]) -> Result<Vec<Row>, Failure> {
    let mut pairs = reports.chunks_exact(2);
    let mut rows = Vec::new();
    for plan in planned.iter().rev() {
        let mut samples = Vec::new();
        for _ in 0..plan.seeds {
            let Some([report, idle]) = pairs.next() else {
                continue;
            };
            let sample = Sample::of(report, idle).ok_or_else(|| no_report(report, idle))?;
            samples.push(sample);
        }
        rows.push(delivery::row(plan.away, &samples));
    }
    rows.reverse();
    Ok(rows)
}

fn no_report(report: &Report, idle: &Report) -> Failure {
    let what = [report, idle].into_iter().find_map(Report::violation);
    let what = what.map_or_else(|| "it saw nothing".to_owned(), |one| one.what.clone());
    Failure::Failed(format!("{SCENARIO}, seed {}: {what}", report.seed))
}

fn save(args: &TableArgs, planned: &[Planned], rows: &[Row]) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        let json = serde_json::to_string(rows)
            .map_err(|error| Failure::Failed(format!("the table cannot be written: {error}")))?;
        fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
    }
    if let Some(path) = &args.html {
        let text = planned.first().map(|row| row.with.text.clone());
        let page = delivery::page(rows, text.unwrap_or_default(), args.from, args.again());
        fs::write(path, page.html()).map_err(|error| unwritten(path, &error))?;
    }
    Ok(())
}

fn tell_broken(rows: &[Row]) {
    for row in rows {
        let away = humantime::format_duration(Duration::from_secs(row.away_s));
        for (seed, rule) in &row.broken {
            let lasts = away.to_string().replace(' ', "");
            let what = format!(
                "away for {away}, seed {seed}: {rule}\n  \
                 replay: restante-sim run {SCENARIO} --tier full --seed {seed} --set away.0.lasts={lasts}"
            );
            complain(&what, 1);
        }
    }
}
