//! End to end: real processes, real sockets on loopback, real disks.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which fail by panicking"
)]
#![expect(
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a list of attacks or of damages is read from top to bottom"
)]

mod addresses;
mod cli;
mod conversation;
mod delivery;
mod expiry;
mod hostile;
mod identity;
mod interface;
mod keepers;
mod privacy;
mod repair;
mod restart;
mod tidy;
mod troubles;
