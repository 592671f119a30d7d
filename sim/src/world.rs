//! A run: the shipped node on many machines, in virtual time.
//!
//! On the full tier every simulated machine runs what people and operators run: libp2p's swarm with identify, ping
//! and AutoNAT, routing and the item protocol, the keeper on redb, and for people the client on its vault. Four
//! things are replaced, each where the node meets the machine: the clock and randomness (`restante-virtual-time`),
//! the transport (`restante-sim-network`), the disk (`restante-sim-disk`), and the price of IDs and stamps, which is
//! waited out instead of computed. On the fast tier the network task, redb and the vault are replaced too, at the
//! node's seams ([`ideal`](crate::ideal), `storage`); everything else is the same.
//!
//! The director stands outside. It starts, stops and crashes machines, does what a person does through the same calls
//! as the command line, and knows of messages only what people are shown. All of it runs on one thread whose time jumps
//! from one timer to the next, so that a seed gives the same run everywhere.

use std::io::{self, Write};
use std::time::Duration;

use crate::clock::Instant;
use crate::random::Random;
use crate::report::{Report, Tier};
use crate::scenario::Scenario;

mod adversary;
mod burns;
mod director;
mod ledger;
mod machine;
mod panics;
mod person;
#[cfg(debug_assertions)]
mod planted;
mod storage;
mod stores;

/// What a run tells about itself while it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual milliseconds that have passed.
    pub virtual_ms: u64,
    /// Virtual milliseconds after which the faults end; it goes on until all is settled.
    pub end_ms: u64,
    /// Messages written.
    pub written: u64,
    /// Messages shown.
    pub shown: u64,
}

/// Runs a scenario on a tier.
///
/// # Errors
///
/// What goes wrong with writing the trace; and when this program cannot give a run its own time.
pub fn simulate(
    scenario: &Scenario,
    tier: Tier,
    seed: u64,
    sink: Option<&mut (dyn Write + Send)>,
    told: &(dyn Fn(Progress) + Sync),
) -> io::Result<Report> {
    let mut random = Random::of(seed, "full plan");
    let start = scenario.time.start(&mut random);
    let wall_start = Duration::from_millis(start.get());
    panics::note();
    let run = move || async move {
        let sink = sink.map(|sink| sink as &mut dyn Write);
        let director = director::Director::new(scenario, (tier, seed), random, sink, told);
        let director = director.map_err(io::Error::other)?;
        director.run().await
    };
    restante_virtual_time::run(seed, wall_start, run).map_err(io::Error::other)?
}

/// Returns the virtual time since `base`.
fn since(base: tokio::time::Instant) -> Instant {
    moment(base, tokio::time::Instant::now())
}

/// Returns the virtual time from `base` to `at`.
fn moment(base: tokio::time::Instant, at: tokio::time::Instant) -> Instant {
    let elapsed = at.duration_since(base).as_millis();
    Instant(u64::try_from(elapsed).unwrap_or(u64::MAX))
}
