//! Restante in virtual time: the shipped node over a simulated network, replayable by seed.
//!
//! A run has one thread whose time jumps from one timer to the next, no clock and no socket. The same scenario and seed
//! give the same trace hash in any process on any machine. Rules look at every step; the first that is broken ends the
//! run. [`world`] says what is real in a run and what is not.

pub mod cli;
mod clock;
mod fault;
mod ideal;
pub mod observed;
mod outturn;
mod page;
mod parallel;
pub mod planted;
mod power_cuts;
mod random;
mod report;
pub mod scenario;
mod shrink;
mod soak;
mod swarm;
mod trace;
mod workload;
pub mod world;

pub use report::{Counts, Effect, Outcome, Report, Tier, Violation};
pub use scenario::Scenario;
pub use world::simulate;
