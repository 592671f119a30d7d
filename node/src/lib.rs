//! A Restante node: the protocol of `restante-proto` with libp2p, redb and people around it.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod engine_panic;
pub mod home;
pub mod keeper;
pub mod lane;
pub mod net;
pub mod node;
pub mod parts;
pub mod passphrase;
pub mod telemetry;
pub mod vault;
