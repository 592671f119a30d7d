//! What can go wrong with a disk, and how often it did.

use crate::content::{Content, Page};
use crate::stored::Fate;

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read bytes.
    Read,
    /// Write bytes, or change a length or a name.
    Write,
    /// Make a file durable.
    Sync,
}

/// What goes wrong from now on; the default is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Every operation takes so many times as long.
    pub slow_factor: f64,
    /// Probability that a read fails.
    pub read_error: f64,
    /// Probability that a write or a change of length or name fails; some of a write may have
    /// happened.
    pub write_error: f64,
    /// Probability that a sync fails.
    pub sync_error: f64,
    /// A failed sync gives up what it should have written: later syncs succeed without it, and it
    /// is seen until a crash. Else a later sync makes good.
    pub sync_error_drops: bool,
    /// Probability that a sync succeeds without doing anything. What was lied about is made durable
    /// once this is zero again.
    pub lying_sync: f64,
}

/// How often each fault changed something since the disk was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effects {
    /// Writes refused for want of room.
    pub full: u64,
    /// Operations that took longer because the disk is slow.
    pub slowed: u64,
    /// Reads that failed.
    pub read_errors: u64,
    /// Writes and changes of lengths and names that failed.
    pub write_errors: u64,
    /// Syncs that failed while there was something to sync.
    pub sync_errors: u64,
    /// Syncs that lied while there was something to sync.
    pub lies: u64,
    /// Bits flipped at rest.
    pub flipped_bits: u64,
    /// Reads that returned bytes of a page with flipped bits.
    pub rotten_reads: u64,
    /// Operations refused after the power was cut.
    pub cut_off: u64,
    /// Crashes and kills.
    pub crashes: u64,
    /// Those of them after which the disk was not as the process saw it.
    pub crashes_with_loss: u64,
    /// Calls on a file that was opened before the last crash.
    pub stale_calls: u64,
}

/// What a crash did to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashEffect {
    /// Writes that would have begun only after it.
    pub unissued_writes: u64,
    /// Writes of which nothing survived.
    pub lost_writes: u64,
    /// Writes of which some sectors survived.
    pub torn_writes: u64,
    /// Lost or torn writes that a sync had said to be durable.
    pub lied_writes: u64,
    /// Changes of a file's length that did not survive.
    pub lost_lengths: u64,
    /// Changes of names that did not survive.
    pub lost_names: u64,
    /// Sectors that read differently than before.
    pub changed_sectors: u64,
    /// Files that are longer or shorter than before.
    pub changed_lengths: u64,
}

/// Why a disk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The file was opened by a process that is gone.
    #[error("the simulated host has crashed since")]
    Crashed,
    /// The power is cut, and the host has yet to crash.
    #[error("the simulated power is cut")]
    PowerCut,
    /// An error was asked for.
    #[error("the simulated disk failed")]
    Injected,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            slow_factor: 1.0,
            read_error: 0.0,
            write_error: 0.0,
            sync_error: 0.0,
            sync_error_drops: false,
            lying_sync: 0.0,
        }
    }
}

impl CrashEffect {
    /// Tells whether the disk is as the process last saw it.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.changed_sectors == 0 && self.changed_lengths == 0 && self.lost_names == 0
    }

    pub(crate) fn count_difference(&mut self, before: &Content, after: &Content) {
        self.changed_lengths += u64::from(before.len() != after.len());
        let hole = Page::default();
        let mut numbers: Vec<u32> = before.pages().keys().copied().collect();
        numbers.extend(after.pages().keys().filter(|n| before.page(**n).is_none()));
        for number in numbers {
            let before = before.page(number).unwrap_or(&hole);
            self.changed_sectors += before.differing(after.page(number).unwrap_or(&hole));
        }
    }

    pub(crate) fn count_fates(&mut self, fates: impl Iterator<Item = Fate>) {
        for fate in fates.filter(|fate| fate.is_lost) {
            if fate.is_kept {
                self.torn_writes += 1;
            } else {
                self.lost_writes += 1;
            }
            self.lied_writes += u64::from(fate.is_lied_about);
        }
    }
}

impl From<Failure> for std::io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}
