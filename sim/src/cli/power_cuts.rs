//! `restante-sim power-cuts`.

use std::io::Write;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};

use super::progress::Progress;
use super::words::brief;
use super::{Failure, closed};
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
}

/// Cuts the power under the keeper's store, and says what became of its promises.
pub(super) fn power_cuts(out: &mut impl Write, args: &PowerCutsArgs) -> Result<(), Failure> {
    let plan = Plan {
        cuts: args.cuts,
        from: args.from,
        skip_sync: args.skip_sync,
        jobs: args.jobs,
    };
    let progress = Progress::start();
    let done = AtomicU64::new(0);
    let tally = run(plan, &|cuts| {
        let before = done.fetch_add(cuts, Ordering::Relaxed);
        progress.on_cuts(before + cuts, plan.cuts);
    });
    progress.clear();
    let (cuts, second, undone) = (tally.cuts, tally.second_cuts, tally.undone);
    let (items, broken) = (tally.looked_for, tally.broken);
    let took = brief(progress.elapsed());
    writeln!(
        out,
        "{cuts} cuts, {second} of them with a second one in recovery, {undone} undid a batch; \
         {items} items and acks were looked for; {broken} stores broke a promise; {took}"
    )
    .map_err(closed)?;
    for (seed, finding) in &tally.findings {
        writeln!(out, "disk {seed}: {finding}").map_err(closed)?;
    }
    if tally.broken > 0 {
        return Err(Failure::Broken);
    }
    Ok(())
}
