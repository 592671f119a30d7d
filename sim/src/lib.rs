//! Restante in virtual time: the protocol's own state machines over a simulated network, replayable
//! by seed.
//!
//! A run is one ordered queue of events and nothing else: no thread, no clock, no socket. The same
//! scenario and seed give the same events in the same order, and so the same trace hash, in any
//! process on any machine. Checkers look at every step; the first thing they find ends the run.

mod checker;
pub mod cli;
mod clock;
mod fault;
pub mod full;
mod host;
mod network;
pub mod observed;
mod outturn;
mod page;
mod parallel;
mod person;
mod power_cuts;
mod random;
mod report;
mod routing;
pub mod scenario;
mod shrink;
mod soak;
mod swarm;
mod trace;
mod workload;
mod world;

pub use report::{Counts, Effect, Outcome, Report, Violation};
pub use scenario::Scenario;
pub use world::simulate;
