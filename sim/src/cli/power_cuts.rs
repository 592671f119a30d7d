//! `restante-sim power-cuts`.

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use super::progress::Progress;
use super::words::brief;
use super::{Failure, closed, unwritten};
use crate::power_cuts::{Plan, run};

#[derive(Debug, clap::Args)]
pub(super) struct PowerCutsArgs {
    /// How many cuts.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    cuts: u64,
    /// The seed of the first disk.
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// Lets one sync in this many do nothing, to see that it is noticed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    skip_sync: Option<u64>,
    /// How many disks at once; one on each core if it is not said.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Where to write the figures as JSON; `-` is standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
}

/// Cuts the power under the keeper's store, and says what became of its promises.
pub(super) fn power_cuts(out: &mut impl Write, args: &PowerCutsArgs) -> Result<(), Failure> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let plan = Plan {
        cuts: args.cuts,
        from: args.from,
        skip_sync: args.skip_sync,
        jobs: args.jobs.map_or_else(cores, NonZero::get),
    };
    let progress = Progress::start();
    let tally = run(plan, |cuts| progress.on_cuts(cuts, plan.cuts));
    progress.clear();
    let json =
        serde_json::to_string_pretty(&tally).map_err(|error| Failure::Failed(error.to_string()))?;
    match &args.json {
        Some(path) if path.as_os_str() == "-" => writeln!(out, "{json}").map_err(closed)?,
        path => {
            if let Some(path) = path {
                fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
            }
            let (cuts, second, undone) = (tally.cuts, tally.second_cuts, tally.undone);
            let (batches, items, broken) = (tally.batches, tally.looked_for, tally.broken);
            let took = brief(progress.elapsed());
            writeln!(
                out,
                "{cuts} cuts, {second} of them with a second one in recovery, {undone} undid a batch; \
                 {batches} batches were acknowledged, {items} items and acks were looked for; \
                 {broken} stores broke a promise; {took}"
            )
            .map_err(closed)?;
            for (seed, finding) in &tally.findings {
                writeln!(out, "disk {seed}: {finding}").map_err(closed)?;
            }
        }
    }
    if tally.broken > 0 {
        return Err(Failure::Broken);
    }
    Ok(())
}
