//! `restante-sim run`.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::shrink::ShrinkArgs;
use super::source::{Source, draw, load};
use super::words::{broken, replay, show};
use super::{Failure, closed, complain, unwritten};
use crate::report::{Report, Tier};
use crate::scenario::Scenario;
use crate::trace::{Filter, Filtered};
use crate::{page, world};

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// A scenario file, the name of a shipped scenario, or - for standard input.
    #[arg(value_name = "SCENARIO", required_unless_present = "swarm")]
    scenario: Option<String>,
    /// Draws the scenario from this seed, as `soak --swarm` does.
    #[arg(long, value_name = "SEED", conflicts_with = "scenario")]
    swarm: Option<u64>,
    /// What all randomness of the run comes from: 1, or the seed of --swarm, if it is not said.
    #[arg(long)]
    seed: Option<u64>,
    /// How many nodes there are, people's included, instead of what the scenario says.
    #[arg(long)]
    nodes: Option<usize>,
    /// Sets a key in the scenario, as `away.0.lasts=5d`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// full: whole nodes; fast: without libp2p, redb and files; otherwise what the scenario says.
    #[arg(long, value_parser = Tier::parse)]
    tier: Option<Tier>,
    /// Where to write the scenario that is run.
    #[arg(long, value_name = "OUT")]
    save: Option<PathBuf>,
    /// Where to write the report as JSON; - is standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Where to write a page of pictures that stands alone.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// What the nodes log to standard error, for example `info` or `restante=debug,libp2p_swarm=trace`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Where to write the trace, one line for each thing that happens.
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
    /// Of the trace, only lines with one of these names, at one of these times: `p2`, `k7`, `m3`, `10m..20m`.
    #[arg(long, value_name = "WHAT", requires = "trace")]
    trace_only: Vec<String>,
    /// If a rule is broken, makes the scenario smaller for as long as it still is.
    #[arg(long)]
    shrink: bool,
    #[command(flatten)]
    shrinking: ShrinkArgs,
}

impl RunArgs {
    /// Returns keys that are set in the scenario.
    fn overrides(&self) -> Vec<String> {
        let nodes = self.nodes.map(|nodes| format!("population.nodes={nodes}"));
        self.overrides.iter().cloned().chain(nodes).collect()
    }

    fn source(&self) -> Result<Source, Failure> {
        let overrides = self.overrides();
        match (self.swarm, &self.scenario) {
            (Some(seed), _) => draw(seed, self.tier, &overrides),
            (None, name) => load(name.as_deref().unwrap_or("-"), &overrides),
        }
    }
}

/// Runs one scenario with one seed.
pub(super) fn run_one(out: &mut impl Write, args: &RunArgs) -> Result<(), Failure> {
    let source = args.source()?;
    if let Some(path) = &args.save {
        fs::write(path, source.as_run().as_bytes()).map_err(|error| unwritten(path, &error))?;
    }
    let tier = args.tier.unwrap_or(source.scenario.tier);
    check_tier(&source.scenario, tier)?;
    if let Some(filter) = &args.log {
        start_log(filter)?;
    }
    let progress = Progress::start();
    let report = simulate_one(args, &source.scenario, tier, &progress)?;
    let took = progress.elapsed();
    progress.clear();
    let piped = args.json.as_deref() == Some(Path::new("-"));
    write_report(out, args, &source, &report)?;
    if !piped {
        show(out, &report, took).map_err(closed)?;
    }
    if report.passed() {
        return Ok(());
    }
    complain(&broken(&report, &source.scenario.overrides), 1);
    if args.shrink {
        out.flush().map_err(closed)?;
        complain(&args.shrinking.shrink(&report, &source)?, 1);
    }
    Err(Failure::Broken)
}

fn simulate_one(
    args: &RunArgs,
    scenario: &Scenario,
    tier: Tier,
    progress: &Progress,
) -> Result<Report, Failure> {
    let seed = args.seed.or(args.swarm).unwrap_or(1);
    let told = |run| progress.on_run(run);
    match &args.trace {
        Some(path) => {
            let file = File::create(path).map_err(|error| unwritten(path, &error))?;
            let filter = Filter::parse(&args.trace_only)
                .map_err(|error| Failure::Usage(format!("--trace-only: {error}")))?;
            let mut sink = Filtered::new(filter, BufWriter::new(file));
            let report = world::simulate(scenario, tier, seed, Some(&mut sink), &told);
            report.map_err(|error| unwritten(path, &error))
        }
        None => world::simulate(scenario, tier, seed, None, &told)
            .map_err(|error| Failure::Failed(error.to_string())),
    }
}

/// Writes the report wherever somebody wants it.
fn write_report(
    out: &mut impl Write,
    args: &RunArgs,
    source: &Source,
    report: &Report,
) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        let json = serde_json::to_string(report)
            .map_err(|error| Failure::Failed(format!("the report cannot be written: {error}")))?;
        if path == Path::new("-") {
            writeln!(out, "{json}").map_err(closed)?;
        } else {
            fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
        }
    }
    if let Some(path) = &args.html {
        let again = replay(report, &source.scenario.overrides);
        let html = page::page(report, source.text.clone(), again).html();
        fs::write(path, html).map_err(|error| unwritten(path, &error))?;
    }
    Ok(())
}

/// Refuses a tier that does not have what a scenario is about.
fn check_tier(scenario: &Scenario, tier: Tier) -> Result<(), Failure> {
    match scenario.missing_on(tier) {
        None => Ok(()),
        Some(missing) => Err(Failure::Usage(format!(
            "{}: the {} tier has no {missing}; leave --tier out",
            scenario.name,
            tier.name()
        ))),
    }
}

/// Writes what the nodes log to standard error; the times are those of the run.
fn start_log(filter: &str) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| Failure::Usage(format!("--log: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
