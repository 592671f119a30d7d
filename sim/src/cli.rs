//! The command line: `run`, `list` and `soak`.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File},
    io::{self, BufWriter, IsTerminal as _, Write},
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, error::ErrorKind};
use restante_proto::limits::MINUTE_MS;

use crate::{
    full, page,
    report::{Outcome, Report, Tier},
    scenario::{SHIPPED, Scenario},
    soak::{self, Job, SEEDS, soak},
    world::simulate,
};

mod stopwatch;

use self::stopwatch::Stopwatch;

/// Seeds of each scenario that decide whether a change lands, on the state machines alone.
const CI_SEEDS_PROTOCOL: u64 = 20;
/// Seeds of each scenario that decide whether a change lands, on what the scenario says.
const CI_SEEDS: u64 = 2;

/// Runs Restante in virtual time, replayable by seed.
#[derive(Debug, Parser)]
#[command(
    name = "restante-sim",
    version,
    after_help = "Example:\n  \
        restante-sim run hello --seed 7\n  \
        restante-sim soak --seeds 200\n\n\
        Exit codes: 0 done, 1 a rule was broken, 2 wrong usage or scenario."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one scenario with one seed.
    #[command(after_help = "Example:\n  restante-sim run sim/scenarios/hello.toml --seed 7")]
    Run(RunArgs),
    /// Lists the scenarios that come with the simulator.
    List,
    /// Runs what decides whether a change lands: seeds that once failed, and twenty of each
    /// scenario.
    Ci,
    /// Runs many seeds, after those that once failed, on all cores.
    #[command(after_help = "Example:\n  restante-sim soak --seeds 200 --from 1000 lossy")]
    Soak(SoakArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// A scenario file, or the name of a shipped scenario.
    #[arg(value_name = "SCENARIO")]
    scenario: String,
    /// What all randomness of the run comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many nodes there are, people's included, instead of what the scenario says.
    #[arg(long)]
    nodes: Option<usize>,
    /// full: whole nodes; protocol: the state machines alone; otherwise what the scenario says.
    #[arg(long, value_parser = Tier::parse)]
    tier: Option<Tier>,
    /// Where to write the report as JSON; - is standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Where to write a page of pictures that stands alone.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// What the nodes log to standard error, for example `info` or `restante=debug,libp2p_kad=trace`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Where to write the trace, one line for each thing that happens.
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct SoakArgs {
    /// Scenario files or names; all shipped ones if there is none.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// How many seeds each scenario is run with.
    #[arg(long, value_name = "N")]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// full: whole nodes; protocol: the state machines alone; otherwise what each scenario says.
    #[arg(long, value_parser = Tier::parse)]
    tier: Option<Tier>,
    /// How many runs at once; one on each core if it is not said.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
}

/// Many runs to make.
struct Batch {
    /// Scenario files or names; all shipped ones if there is none.
    scenarios: Vec<String>,
    /// Tiers, nothing for what the scenario says, each with the number of seeds.
    tiers: Vec<(Option<Tier>, u64)>,
    /// The first seed.
    from: u64,
    /// How many at once.
    jobs: Option<NonZero<usize>>,
}

impl Batch {
    /// Returns what decides whether a change lands.
    fn ci() -> Self {
        Self {
            scenarios: Vec::new(),
            tiers: vec![(Some(Tier::Protocol), CI_SEEDS_PROTOCOL), (None, CI_SEEDS)],
            from: 1,
            jobs: None,
        }
    }

    /// Lists the runs, those that once failed first, and says how many these are.
    fn jobs<'a>(&self, scenarios: &'a [Scenario]) -> Result<(Vec<Job<'a>>, usize), Failure> {
        let tier_of = |tier: Option<Tier>, scenario: &Scenario| tier.unwrap_or(scenario.tier);
        let mut jobs = Vec::new();
        for (tier, name, seed) in soak::known_seeds(SEEDS).map_err(Failure::Usage)? {
            let named = scenarios.iter().find(|scenario| scenario.name == name);
            let is_wanted = |scenario: &&Scenario| {
                let mut tiers = self.tiers.iter();
                tiers.any(|(wanted, _)| tier_of(*wanted, scenario) == tier)
            };
            jobs.extend(named.filter(is_wanted).map(|scenario| Job {
                scenario,
                tier,
                seed,
            }));
        }
        let known = jobs.len();
        for (tier, seeds) in &self.tiers {
            for scenario in scenarios {
                let tier = tier_of(*tier, scenario);
                if scenario.missing_on(tier).is_some() {
                    continue;
                }
                let seeds = self.from..self.from.saturating_add(*seeds);
                let new = seeds.map(|seed| Job {
                    scenario,
                    tier,
                    seed,
                });
                let new: Vec<Job<'_>> = new.filter(|job| !jobs.contains(job)).collect();
                jobs.extend(new);
            }
        }
        Ok((jobs, known))
    }
}

impl From<SoakArgs> for Batch {
    fn from(args: SoakArgs) -> Self {
        Self {
            scenarios: args.scenarios,
            tiers: vec![(args.tier, args.seeds)],
            from: args.from,
            jobs: args.jobs,
        }
    }
}

/// Why a command did not end well.
enum Failure {
    /// A rule was broken, and that has been said.
    Broken,
    /// Something else failed.
    Failed(String),
    /// The command or the scenario is wrong.
    Usage(String),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _closed = error.print();
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if asked { 0 } else { 2 });
        }
    };
    let mut out = BufWriter::new(io::stdout());
    let done = match arguments.command {
        Command::Run(run) => run_one(&mut out, &run),
        Command::List => list(&mut out),
        Command::Ci => run_many(&mut out, &Batch::ci()),
        Command::Soak(args) => run_many(&mut out, &args.into()),
    };
    let done = done.and_then(|()| out.flush().map_err(closed));
    let _closed = out.flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Broken) => ExitCode::from(1),
        Err(Failure::Failed(text)) => complain(&text, 1),
        Err(Failure::Usage(text)) => complain(&text, 2),
    }
}

fn run_one(out: &mut impl Write, args: &RunArgs) -> Result<(), Failure> {
    let mut scenario = load(&args.scenario)?;
    if let Some(nodes) = args.nodes {
        scenario
            .set_nodes(nodes)
            .map_err(|fault| Failure::Usage(format!("--nodes: {fault}")))?;
    }
    let tier = args.tier.unwrap_or(scenario.tier);
    check_tier(&scenario, tier)?;
    if let Some(filter) = &args.log {
        start_log(filter)?;
    }
    let watch = Stopwatch::start();
    let report = match &args.trace {
        Some(path) => {
            let file = File::create(path).map_err(|error| unwritten(path, &error))?;
            let mut sink = BufWriter::new(file);
            run_on(tier, &scenario, args.seed, Some(&mut sink))
                .map_err(|error| unwritten(path, &error))
        }
        None => run_on(tier, &scenario, args.seed, None)
            .map_err(|error| Failure::Failed(error.to_string())),
    }?;
    let took = watch.elapsed();
    let piped = args.json.as_deref() == Some(Path::new("-"));
    if let Some(path) = &args.json {
        let json = serde_json::to_string(&report)
            .map_err(|error| Failure::Failed(format!("the report cannot be written: {error}")))?;
        if piped {
            writeln!(out, "{json}").map_err(closed)?;
        } else {
            fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
        }
    }
    if let Some(path) = &args.html {
        let text = text_of(&args.scenario).unwrap_or_default();
        let html = page::page(&report, text, replay(&report, args.nodes)).html();
        fs::write(path, html).map_err(|error| unwritten(path, &error))?;
    }
    if !piped {
        show(out, &report, took).map_err(closed)?;
    }
    match &report.outcome {
        Outcome::Passed => Ok(()),
        Outcome::Violated(_) => {
            complain(&broken(&report, args.nodes), 1);
            Err(Failure::Broken)
        }
    }
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
        .map_err(|fault| Failure::Usage(format!("--log: {fault}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

/// Runs a scenario on one tier.
fn run_on(
    tier: Tier,
    scenario: &Scenario,
    seed: u64,
    sink: Option<&mut (dyn Write + Send)>,
) -> io::Result<Report> {
    match tier {
        Tier::Full => full::simulate(scenario, seed, sink, &|progress| far(progress)),
        Tier::Protocol => simulate(scenario, seed, sink.map(|sink| sink as &mut dyn Write)),
    }
}

/// Tells a person at a terminal how far a run is.
fn far(progress: full::Progress) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let virtually = Duration::from_secs(progress.virtual_ms / 1_000);
        let _closed = write!(
            stderr,
            "\r{} of virtual time, {} messages written, {} shown    ",
            humantime::format_duration(virtually),
            progress.written,
            progress.shown
        );
    }
}

fn list(out: &mut impl Write) -> Result<(), Failure> {
    for (name, _) in SHIPPED {
        let scenario = load(name)?;
        let (nodes, people) = (scenario.nodes, scenario.people);
        let (about, tier) = (&scenario.about, scenario.tier.name());
        writeln!(
            out,
            "{name:<18} {tier:<8} {nodes:>5} nodes, {people:>3} people  {about}"
        )
        .map_err(closed)?;
    }
    Ok(())
}

fn run_many(out: &mut impl Write, batch: &Batch) -> Result<(), Failure> {
    let all = SHIPPED.map(|(name, _)| name.to_owned());
    let names = if batch.scenarios.is_empty() {
        &all[..]
    } else {
        &batch.scenarios
    };
    let scenarios = names
        .iter()
        .map(|name| load(name))
        .collect::<Result<Vec<_>, _>>()?;
    let (jobs, known) = batch.jobs(&scenarios)?;
    let watch = Stopwatch::start();
    let reports = soak(&jobs, batch.jobs, &progress).map_err(Failure::Failed)?;
    let took = watch.elapsed();
    summarise(out, &reports).map_err(closed)?;
    let failed: Vec<&Report> = reports.iter().filter(|report| !report.passed()).collect();
    let events: u64 = reports.iter().map(|report| report.events).sum();
    let (runs, bad, seconds) = (reports.len(), failed.len(), took.as_secs_f64());
    writeln!(
        out,
        "{runs} runs, {known} of them from seeds.txt, {events} events in {seconds:.1} s: \
         {bad} failed"
    )
    .map_err(closed)?;
    out.flush().map_err(closed)?;
    for report in &failed {
        complain(&broken(report, None), 1);
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Broken)
    }
}

/// Tells a person at a terminal that one more run has ended.
fn progress(report: &Report) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let Report { scenario, seed, .. } = report;
        let _closed = write!(stderr, "\r{scenario} seed {seed}          ");
    }
}

/// Returns the text of a scenario.
fn text_of(name: &str) -> Option<String> {
    let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
    match shipped {
        Some((_, text)) => Some((*text).to_owned()),
        None => fs::read_to_string(name).ok(),
    }
}

/// Reads a scenario from a file or from those that are shipped.
fn load(name: &str) -> Result<Scenario, Failure> {
    if let Some(shipped) = Scenario::shipped(name) {
        return shipped.map_err(|fault| Failure::Usage(fault.to_string()));
    }
    let text = fs::read_to_string(name).map_err(|error| {
        let known = SHIPPED.map(|(name, _)| name).join(", ");
        Failure::Usage(format!("{name}: {error}; shipped scenarios are {known}"))
    })?;
    Scenario::parse(name, &text).map_err(|fault| Failure::Usage(fault.to_string()))
}

fn show(out: &mut impl Write, report: &Report, took: Duration) -> io::Result<()> {
    let Report {
        scenario,
        seed,
        nodes,
        counts,
        virtual_ms,
        events,
        ..
    } = report;
    let virtually = Duration::from_millis(*virtual_ms);
    let speed = virtually.as_secs_f64() / took.as_secs_f64().max(0.001);
    writeln!(
        out,
        "{scenario}, seed {seed}, {nodes} nodes, {} tier",
        report.tier.name()
    )?;
    writeln!(
        out,
        "  {} of virtual time, {events} events, in {:.2} s: {speed:.0} times as fast",
        humantime::format_duration(virtually),
        took.as_secs_f64()
    )?;
    writeln!(
        out,
        "  messages: {} written, {} stored, {} shown, {} delivered, {} expired",
        counts.written, counts.stored, counts.shown, counts.delivered, counts.expired
    )?;
    writeln!(
        out,
        "  shown after: half within {}, 99 of 100 within {}",
        seconds(counts.shown_after_p50_ms),
        seconds(counts.shown_after_p99_ms)
    )?;
    writeln!(
        out,
        "  network: {} packets, {} bytes, {} overtaken; keepers hold {} bytes at the end",
        counts.packets, counts.bytes, counts.overtaken, counts.held_bytes
    )?;
    if let Some(ms) = report.settled_after_ms {
        writeln!(
            out,
            "  settled {} minutes after the last fault",
            ms / 60_000
        )?;
    }
    for effect in &report.effects {
        writeln!(out, "  {}: changed {} things", effect.fault, effect.changed)?;
    }
    writeln!(
        out,
        "  trace: {} ({} lines)",
        report.trace_hash, report.trace_lines
    )?;
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    writeln!(out, "  {verdict}")
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// One line for each scenario.
fn summarise(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let mut scenarios: BTreeMap<(&str, &str), Vec<&Report>> = BTreeMap::new();
    for report in reports {
        let name = (&*report.scenario, report.tier.name());
        scenarios.entry(name).or_default().push(report);
    }
    for ((name, tier), reports) in scenarios {
        let sum = |of: fn(&Report) -> u64| reports.iter().map(|report| of(report)).sum::<u64>();
        let failed = sum(|report| u64::from(!report.passed()));
        let written = sum(|report| report.counts.written);
        let shown = sum(|report| report.counts.shown);
        let expired = sum(|report| report.counts.expired);
        let slowest = reports
            .iter()
            .filter_map(|report| report.settled_after_ms)
            .max();
        let minutes = slowest.unwrap_or(0) / MINUTE_MS;
        let runs = reports.len();
        writeln!(
            out,
            "{name:<18} {tier:<8} {runs:>4} runs, {failed} failed; {written} messages, {shown} shown, \
             {expired} expired; settled within {minutes} min"
        )?;
    }
    Ok(())
}

/// Says what was broken, and how to see it again.
fn broken(report: &Report, nodes: Option<usize>) -> String {
    let Report {
        scenario,
        seed,
        outcome,
        ..
    } = report;
    let Outcome::Violated(violation) = outcome else {
        return String::new();
    };
    format!(
        "{scenario}, seed {seed}: {} at {}: {}\n  replay: {}",
        violation.rule,
        seconds(violation.at_ms),
        violation.what,
        replay(report, nodes)
    )
}

/// Returns the command that makes a run again.
fn replay(report: &Report, nodes: Option<usize>) -> String {
    let (scenario, tier, seed) = (&report.scenario, report.tier.name(), report.seed);
    let nodes = nodes
        .map(|nodes| format!(" --nodes {nodes}"))
        .unwrap_or_default();
    format!("restante-sim run {scenario} --tier {tier} --seed {seed}{nodes}")
}

fn complain(text: &dyn Display, code: u8) -> ExitCode {
    let _closed = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be written: {error}", path.display()))
}

/// A reader that has gone away, as `head` does, ends the command quietly.
fn closed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::Broken;
    }
    Failure::Failed(format!("standard output cannot be written: {error}"))
}
