//! `restante-sim soak` and `restante-sim ci`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use restante_proto::limits::MINUTE_MS;

use super::progress::Progress;
use super::shrink::ShrinkArgs;
use super::source::{Source, draw, load, load_with_seeds};
use super::stopwatch::Stopwatch;
use super::words::{brief, broken};
use super::{Failure, closed, complain};
use crate::observed::{Observed, Upkeep};
use crate::parallel::in_parallel;
use crate::report::{Report, Tier};
use crate::scenario::SHIPPED;
use crate::soak::{self, Job, Origin, SEEDS};
use crate::swarm;

/// Seeds of each scenario that decide whether a change lands, on the fast tier.
const CI_SEEDS_FAST: u64 = 5;
/// Seeds of each scenario that decide whether a change lands, on what the scenario says.
const CI_SEEDS: u64 = 2;
/// Real time after which a drawn scenario is given up.
const SWARM_LIMIT: Duration = Duration::from_secs(300);
/// Failures that are made smaller, at most; one for each rule and tier.
const SHRUNK_MAX: usize = 4;
/// A kind of fault that was drawn so often has to have changed something at least once.
const DRAWN_MIN: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct SoakArgs {
    /// Scenario files or names; all shipped ones if there is none, but for the heavy ones. One with `=N` behind it is
    /// run with N seeds.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// How many seeds each scenario is run with.
    #[arg(long, value_name = "N")]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// Draws a scenario of its own from each seed.
    #[arg(long, conflicts_with = "scenarios")]
    swarm: bool,
    /// full: whole nodes; fast: without libp2p, redb and files; otherwise what each scenario says.
    #[arg(long, value_parser = Tier::parse)]
    tier: Option<Tier>,
    /// Sets a key in all scenarios, as `away.0.lasts=5d`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// Prints a table with a line for each run.
    #[arg(long)]
    each: bool,
    /// How many runs at once; one on each core if it is not said.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    #[command(flatten)]
    shrink: ShrinkArgs,
}

/// Runs to make, of scenarios that are kept elsewhere.
struct Batch<'a> {
    jobs: Vec<Job<'a>>,
    /// Which scenario each belongs to.
    sources: Vec<&'a Source>,
    /// How many once failed.
    known: usize,
}

impl<'a> Batch<'a> {
    /// Lists runs of scenarios with names: those that once failed, then the first seeds from `from` on of each tier,
    /// or of what each scenario says.
    fn named(all: &'a [Source], tiers: &[(Option<Tier>, u64)], from: u64) -> Result<Self, Failure> {
        let mut batch = Self {
            jobs: Vec::new(),
            sources: Vec::new(),
            known: 0,
        };
        let tier_of = |tier: Option<Tier>, source: &Source| tier.unwrap_or(source.scenario.tier);
        for (tier, name, seed) in soak::known_seeds(SEEDS).map_err(Failure::Usage)? {
            let named = all.iter().find(|source| source.scenario.name == name);
            let is_wanted = |source: &&Source| {
                let mut tiers = tiers.iter();
                tiers.any(|(wanted, _)| tier_of(*wanted, source) == tier)
            };
            if let Some(source) = named.filter(is_wanted) {
                batch.add(Job::named(&source.scenario, tier, seed), source);
            }
        }
        batch.known = batch.jobs.len();
        for (tier, seeds) in tiers {
            for source in all {
                let tier = tier_of(*tier, source);
                if source.scenario.missing_on(tier).is_some() {
                    continue;
                }
                let seeds = source.seeds.unwrap_or(*seeds);
                for seed in from..from.saturating_add(seeds) {
                    batch.add(Job::named(&source.scenario, tier, seed), source);
                }
            }
        }
        Ok(batch)
    }

    /// Lists one run of each drawn scenario.
    fn drawn(all: &'a [Source], seeds: impl IntoIterator<Item = u64>) -> Self {
        let job = |(source, seed): (&'a Source, u64)| Job {
            scenario: &source.scenario,
            origin: Origin::Text(&source.text),
            tier: source.scenario.tier,
            seed,
            limit: Some(SWARM_LIMIT),
        };
        Self {
            jobs: all.iter().zip(seeds).map(job).collect(),
            sources: all.iter().collect(),
            known: 0,
        }
    }

    /// Puts runs that once failed before all others.
    fn after(mut self, known: Self) -> Self {
        self.known += known.jobs.len();
        self.jobs.splice(0..0, known.jobs);
        self.sources.splice(0..0, known.sources);
        self
    }

    fn add(&mut self, job: Job<'a>, source: &'a Source) {
        if !self.jobs.contains(&job) {
            self.jobs.push(job);
            self.sources.push(source);
        }
    }
}

/// Runs what decides whether a change lands.
pub(super) fn ci(out: &mut impl Write) -> Result<(), Failure> {
    let sources = light(&[])?;
    let tiers = [(Some(Tier::Fast), CI_SEEDS_FAST), (None, CI_SEEDS)];
    let batch = Batch::named(&sources, &tiers, 1)?;
    let known = soak::known_seeds(SEEDS).map_err(Failure::Usage)?;
    let known = known
        .into_iter()
        .filter(|(_, name, _)| *name == swarm::SEEDS_NAME);
    let (mut drawn, mut seeds) = (Vec::new(), Vec::new());
    for (tier, _, seed) in known {
        drawn.push(draw(seed, Some(tier), &[])?);
        seeds.push(seed);
    }
    let batch = batch.after(Batch::drawn(&drawn, seeds));
    run_many(out, &batch, None, false, None)
}

/// Runs many seeds.
pub(super) fn soak_all(out: &mut impl Write, args: &SoakArgs) -> Result<(), Failure> {
    let overrides = &args.overrides;
    let sources: Result<Vec<Source>, Failure> = if args.swarm {
        let seeds = args.from..args.from.saturating_add(args.seeds);
        seeds.map(|seed| draw(seed, args.tier, overrides)).collect()
    } else if args.scenarios.is_empty() {
        light(overrides)
    } else {
        let names = args.scenarios.iter();
        names.map(|name| load_with_seeds(name, overrides)).collect()
    };
    let sources = sources?;
    let batch = if args.swarm {
        Batch::drawn(&sources, args.from..)
    } else {
        Batch::named(&sources, &[(args.tier, args.seeds)], args.from)?
    };
    run_many(out, &batch, args.jobs, args.each, Some(&args.shrink))
}

/// Reads all scenarios that are shipped, but for those that take long.
fn light(overrides: &[String]) -> Result<Vec<Source>, Failure> {
    let all = SHIPPED.iter().map(|(name, _)| load(name, overrides));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let light = all.into_iter().filter(|source| !source.scenario.heavy);
    Ok(light.collect())
}

/// Makes many runs and says what came of them.
fn run_many(
    out: &mut impl Write,
    batch: &Batch<'_>,
    threads: Option<NonZero<usize>>,
    each: bool,
    shrink: Option<&ShrinkArgs>,
) -> Result<(), Failure> {
    let progress = Progress::start();
    let longest: Mutex<(Duration, String)> = Mutex::default();
    let runs = batch.jobs.len();
    let reports = in_parallel(&batch.jobs, threads, &|job| {
        let watch = Stopwatch::start();
        let mut report = job.run();
        // Pictures are for single runs, and many would be too much to remember.
        report.observed = report.observed.take().map(|seen| Observed {
            upkeep: seen.upkeep,
            ..Observed::default()
        });
        progress.on_report(&report, runs);
        if !report.passed() {
            // At once: whoever waits for the end of many runs need not.
            progress.clear();
            complain(&broken(&report, &job.scenario.overrides), 1);
        }
        let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
        let took = watch.elapsed();
        if took > longest.0 {
            *longest = (took, report.scenario.clone());
        }
        report
    });
    let took = progress.elapsed();
    progress.clear();
    let is_swarm = batch.jobs.iter().all(|job| job.origin != Origin::Name);
    if each {
        table(out, &reports).map_err(closed)?;
    }
    summarise(out, &reports).map_err(closed)?;
    let bad = reports.iter().filter(|report| !report.passed()).count();
    let events: u64 = reports.iter().map(|report| report.events).sum();
    let (longest, which) = longest.into_inner().unwrap_or_else(PoisonError::into_inner);
    writeln!(
        out,
        "{runs} runs, {} of them from seeds.txt, {events} events in {}, {:.2} s a run, at most {:.1} s ({which}): \
         {bad} failed",
        batch.known,
        brief(took),
        took.as_secs_f64() / runs.max(1) as f64,
        longest.as_secs_f64(),
    )
    .map_err(closed)?;
    let idle = if is_swarm {
        effects(out, &reports).map_err(closed)?
    } else {
        Vec::new()
    };
    out.flush().map_err(closed)?;
    if let Some(shrink) = shrink {
        write_failures(batch, &reports, shrink)?;
    }
    for kind in &idle {
        complain(
            &format!("{kind}: drawn often, and it never changed anything"),
            1,
        );
    }
    if bad == 0 && idle.is_empty() {
        Ok(())
    } else {
        Err(Failure::Broken)
    }
}

/// Writes down the scenarios that failed, and the smallest that fails as the first of each rule.
fn write_failures(
    batch: &Batch<'_>,
    reports: &[Report],
    shrink: &ShrinkArgs,
) -> Result<(), Failure> {
    let mut rules = BTreeSet::new();
    for (report, source) in reports.iter().zip(&batch.sources) {
        let Some(violation) = report.violation() else {
            continue;
        };
        let (name, seed) = (&report.scenario, report.seed);
        complain(&format!("{name}, seed {seed}: {}", violation.rule), 1);
        complain(&shrink.save(report, source)?, 1);
        if rules.len() < SHRUNK_MAX && rules.insert((report.tier.name(), &violation.rule)) {
            complain(&shrink.shrink(report, source)?, 1);
        }
    }
    Ok(())
}

/// One line for each run.
fn table(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    writeln!(
        out,
        "{:<18} {:>6} {:>6} {:>7} {:>7} {:>7} {:>5} {:>5} {:>8} {:>8} {:>6} {:>8}",
        "scenario",
        "seed",
        "nodes",
        "written",
        "stored",
        "shown",
        "lost",
        "twice",
        "copies-",
        "copies+",
        "+/-",
        "MiB"
    )?;
    for report in reports {
        let counts = &report.counts;
        let seen = report
            .observed
            .as_ref()
            .map_or_else(Upkeep::default, |seen| seen.upkeep);
        let ratio = match seen.lost {
            0 => "-".to_owned(),
            lost => format!("{:.2}", seen.made as f64 / lost as f64),
        };
        writeln!(
            out,
            "{:<18} {:>6} {:>6} {:>7} {:>7} {:>7} {:>5} {:>5} {:>8} {:>8} {ratio:>6} {:>8.1} {}",
            report.scenario,
            report.seed,
            report.nodes,
            counts.written,
            counts.stored,
            counts.shown,
            counts.lost,
            counts.duplicates,
            seen.lost,
            seen.made,
            seen.made_bytes as f64 / 1_048_576.0,
            if report.passed() { "" } else { "FAILED" },
        )?;
    }
    Ok(())
}

/// One line for each scenario, or, for drawn ones, for each tier.
fn summarise(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let mut scenarios: BTreeMap<(&str, &str), Vec<&Report>> = BTreeMap::new();
    for report in reports {
        let name = match swarm::seed_of(&report.scenario) {
            Some(_) => swarm::SEEDS_NAME,
            None => &*report.scenario,
        };
        let name = (name, report.tier.name());
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

/// Says how often faults of each kind were drawn and changed something; returns those that never did.
fn effects(out: &mut impl Write, reports: &[Report]) -> io::Result<Vec<String>> {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for report in reports {
        for effect in &report.effects {
            // Without its number: "crash (fault 2)".
            let kind = effect.fault.split(" (").next().unwrap_or_default();
            let kind = format!("{} {kind}", report.tier.name());
            let (drawn, acted) = kinds.entry(kind).or_default();
            *drawn += 1;
            *acted += usize::from(effect.changed > 0);
        }
    }
    for (kind, (drawn, acted)) in &kinds {
        writeln!(out, "  {kind}: {drawn} times, {acted} changed something")?;
    }
    let never = kinds.into_iter();
    let never = never.filter(|(_, (drawn, acted))| *drawn >= DRAWN_MIN && *acted == 0);
    Ok(never.map(|(kind, _)| kind).collect())
}
