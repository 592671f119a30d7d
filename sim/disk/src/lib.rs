//! A simulated disk: what was not synced can be lost or torn, and it can fill up, fail, be slow or
//! lie.
//!
//! A [`Disk`] is the disk of one host. Its files serve as redb's storage and as the vault's key
//! file; what the host's process does with them costs virtual time, which [`Disk::take_cost`] tells
//! and the caller waits for.
//!
//! # What a crash leaves
//!
//! Work is done at once and its cost is waited for afterwards, so an operation has a moment at
//! which it would have begun and one at which it would have ended: the disk does one after the
//! other, beginning now or when it is free. A crash at some moment ([`Disk::crash`]) means:
//!
//! - whatever would have begun later has not happened;
//! - a sync that ended keeps all that its file took before; one that is under way does, or does
//!   not;
//! - of the rest, each sector of 512 bytes is as it was at some moment since: every write survives
//!   or not, sector by sector. A file's length is one of those it had; lengths change in order;
//! - names change in order, each as soon as its cost has elapsed.
//!
//! [`Disk::kill`] ends the process alone: what was not synced stays, and can still be lost.
//!
//! # Determinism
//!
//! The same seed, clock and calls give the same bytes, costs and losses. There is no other source
//! of time or chance.

mod content;
mod disk;
mod fault;
mod file;
mod names;
mod stored;
#[cfg(test)]
mod tests;

pub use self::{
    content::{PAGE_BYTES, SECTOR_BYTES},
    disk::{Disk, DiskOptions, Image},
    fault::{CrashEffect, Effects, Failure, Faults, Operation},
    file::DiskFile,
};
