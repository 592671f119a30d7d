//! A million nodes as a model, for planning capacity.
//!
//! Every node comes and goes, is somewhere in the world, and keeps what it is given. Lookups, senders
//! and recipients are the protocol's own state machines: `Lookup`, `Placement` and `Collector` of
//! `restante-proto` decide whom to ask for what and when to try again, among routing tables with
//! Kademlia's shape, and sizes are those of its encoding. Keepers are counted,
//! not run: they hold a message from its deposit to its ack or its end, give receipts, push, and
//! never take back what was acked.
//!
//! # What is not in the model
//!
//! - Joining, refreshing tables and staying connected: tables are as good as they can be, but for
//!   nodes that have just gone (`stale_ms`) and dead ones ([`Options::dead_share`]).
//! - Bandwidth, loss and queues of links; NATs and relays; budgets, rates and full disks; lies.
//! - The sender's and the recipient's own devices are no nodes: each uses the table of a node drawn
//!   by chance.
//! - Every message has a mailbox of its own, in which nothing else waits, unless it follows another one to measure what
//!   people wait for ([`Options::latency`]); other mailboxes that a device looks into when it returns cost nothing
//!   here.
//! - The delivery receipt takes its time and its bytes, and is never lost. Repair takes bytes and
//!   no time.
//! - A recipient learns that a keeper that would push has gone when it compares, not when the
//!   connection breaks.

mod bits;
mod cost;
mod event;
mod keyspace;
mod links;
mod lookup;
mod message;
mod nodes;
mod options;
mod queue;
mod report;
mod stats;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod world;

use self::world::World;
pub(crate) use self::{
    options::{Options, OptionsError, Recipients, Repair, Senders, Span},
    report::{LatencyReport, Progress, Report},
};

/// Runs a model from its start to its end; the same options and seed give the same report on every machine.
///
/// # Errors
///
/// [`OptionsError`], before anything is done.
pub(crate) fn run(
    options: &Options,
    seed: u64,
    told: &mut dyn FnMut(&Progress),
) -> Result<Report, OptionsError> {
    options.check()?;
    let mut world = World::new(options, seed);
    world.run(told);
    Ok(world.findings())
}
