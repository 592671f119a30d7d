//! End to end: real processes, real sockets on loopback, real disks.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which fail by panicking"
)]

mod cli;
mod delivery;
mod demo;
mod expiry;
mod hostile;
mod keepers;
mod privacy;
mod restart;
mod tidy;
