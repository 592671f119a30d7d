//! A Restante node: the protocol of `restante-proto` with libp2p, redb and people around it.
//!
//! The library is what the binaries, the simulator and the benchmarks share; it promises nothing to other programs.

// What a command line needs.
pub mod cli;
pub mod config;
pub mod control;
pub mod home;
pub mod passphrase;
mod telemetry;

// A node, and its parts.
pub mod account;
pub mod keeper;
pub mod net;
pub mod node;
pub mod vault;

// What the parts run on.
pub mod clock;
pub mod engine_panic;
#[cfg(test)]
mod fixture;
pub mod lane;
pub mod parts;
