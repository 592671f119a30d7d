//! How much of the disk the file may take, and whether one more item would make it take more.
//!
//! redb gives out pages of 4 KiB and powers of two of them, keeps what was freed for later, and puts neighbours
//! together again. So the file takes more of the disk than its items have bytes, and what was freed is worth
//! something only to what fits into it. A store with a cap on its file therefore asks the system what the file
//! takes before each commit, and knows which pages it has itself given up and not taken again.
//!
//! What an item needs may be added to the file as long as a reserve is left. Beyond that it is taken in if a page
//! of its size or a larger one was given up; or else, while half of the reserve is left, in the hope of pages put
//! together again: if there are none, the file grows, and half of the reserve is the price of finding out.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use restante_proto::keeper::StoreError;

use super::error::io_error;
use crate::disk_space;

/// The unit in which the file is given out, in bytes, and powers of two of it.
pub(super) const PAGE_BYTES: u64 = 4_096;
/// What a page holds beside the value of its only entry, in bytes.
const VALUE_OVERHEAD_BYTES: usize = 64;
/// Sizes of pages that a pack can take: the largest item takes 128 KiB.
pub(super) const ORDERS: usize = 6;
/// When packs take no more than this part of the file, most of it is in large pages again, whatever was there before.
const EMPTY_PART: u64 = 64;
/// What a line of the index takes of the file, about, with half-filled pages and what leads to them, in bytes.
const LINE_BYTES: u64 = 256;
/// The size of blocks in which the system counts, in bytes.
const BLOCK_BYTES: u64 = 512;
/// What the disk itself must have free beside what a transaction adds, in bytes: for what it rewrites, and so that acks
/// and deletions go on when nothing more is taken in.
const DISK_RESERVE_BYTES: u64 = 3 * 1024 * 1024;
/// What the disk itself must have free for any transaction, in bytes.
const DISK_BYTES_MIN: u64 = 1024 * 1024;
/// The reserve in bytes, and as a part of the cap: for what commits rewrite, for acks, and for the hope of free pages.
const RESERVE_BYTES: u64 = 3 * 1024 * 1024;
const RESERVE_PART: u64 = 16;

/// Pages that were given up and not taken again, by the logarithm of their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FreePages(pub(super) [u64; ORDERS]);

impl FreePages {
    /// Notes that a page was given up.
    pub(super) fn give(&mut self, order: usize) {
        if let Some(count) = self.0.get_mut(order) {
            *count += 1;
        }
    }

    /// Takes a page of this size, or out of a larger one; false if there is none.
    pub(super) fn take(&mut self, order: usize) -> bool {
        let Some(larger) = (order..ORDERS).find(|larger| self.0[*larger] > 0) else {
            return false;
        };
        self.0[larger] -= 1;
        for rest in order..larger {
            self.0[rest] += 1;
        }
        true
    }

    /// Notes that a page was taken, wherever from.
    pub(super) fn note_taken(&mut self, order: usize) {
        if self.take(order) {
            return;
        }
        // Smaller ones were put together for it, unless the file has grown: then there are more than this says.
        let mut pages = 1_u64 << order;
        for smaller in (0..order.min(ORDERS)).rev() {
            let taken = self.0[smaller].min(pages >> smaller);
            self.0[smaller] -= taken;
            pages -= taken << smaller;
        }
    }

    /// Returns the largest size of which there are some.
    fn largest(&self) -> usize {
        self.0.iter().rposition(|count| *count > 0).unwrap_or(0)
    }
}

/// A file with a cap.
#[derive(Debug)]
pub(super) struct CappedFile {
    pub(super) file: File,
    pub(super) cap_bytes: u64,
}

impl CappedFile {
    /// Returns what of the cap is left.
    pub(super) fn room(&self) -> Result<Room, StoreError> {
        let metadata = self.file.metadata().map_err(|error| io_error(&error))?;
        Ok(Room {
            cap_bytes: self.cap_bytes,
            disk_bytes: metadata.blocks() * BLOCK_BYTES,
            free_bytes: disk_space::free_beside(&self.file).unwrap_or(u64::MAX),
            added_bytes: 0,
        })
    }
}

/// What one transaction may add to the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    cap_bytes: u64,
    /// What the file takes of the disk.
    disk_bytes: u64,
    /// What the disk has free.
    free_bytes: u64,
    /// What the transaction adds to what everything takes of the file.
    added_bytes: u64,
}

impl Room {
    const fn reserve_bytes(&self) -> u64 {
        RESERVE_BYTES + self.cap_bytes / RESERVE_PART
    }

    /// Tells whether the disk has no room for any transaction.
    pub(super) const fn is_disk_full(&self) -> bool {
        self.free_bytes < DISK_BYTES_MIN
    }

    /// Tells whether so much more leaves a part of the cap.
    const fn leaves(&self, added_bytes: u64, left_bytes: u64) -> bool {
        self.disk_bytes + added_bytes + left_bytes <= self.cap_bytes
    }

    /// Returns the size of pages that packs should not exceed.
    pub(super) fn order_max(&self, free: &FreePages) -> usize {
        if self.leaves(self.reserve_bytes() / 4, self.reserve_bytes() / 2) {
            return ORDERS;
        }
        free.largest()
    }

    /// Makes room for an item's row; false if there is none.
    ///
    /// `used_bytes` is what everything takes of the file.
    pub(super) fn take(&mut self, row_bytes: usize, used_bytes: u64, free: &mut FreePages) -> bool {
        let (order, bytes) = (order_of(row_bytes), page_bytes(row_bytes));
        let (added, reserve) = (self.added_bytes + bytes + LINE_BYTES, self.reserve_bytes());
        let has_disk = self.free_bytes >= added + DISK_RESERVE_BYTES;
        if !has_disk || used_bytes + added + reserve > self.cap_bytes {
            return false;
        }
        let fits =
            self.leaves(added, reserve) || free.take(order) || self.leaves(added, reserve / 2);
        if fits {
            self.added_bytes = added;
        }
        fits
    }

    /// Counts what is free anew when next to nothing is left between it.
    pub(super) fn join(&self, pack_bytes: u64, free: &mut FreePages) {
        if pack_bytes <= self.disk_bytes / EMPTY_PART {
            let largest = ORDERS - 1;
            *free = FreePages::default();
            // One page in the middle of each of the others may be in use.
            free.0[largest] = self.disk_bytes / 2 / (PAGE_BYTES << largest);
        }
    }

    /// Tells whether memories of deletions fit, which have half of what is left over to themselves.
    ///
    /// They count more than they take (`TOMBSTONE_BYTES`), and lie many to a page.
    pub(super) const fn has_for_tombstones(&self, grown_bytes: u64, used_bytes: u64) -> bool {
        used_bytes + 2 * grown_bytes + self.reserve_bytes() / 2 <= self.cap_bytes
    }
}

/// Returns how long a pack may be that takes a page of this size.
pub(super) const fn capacity_of(order: usize) -> usize {
    ((PAGE_BYTES as usize) << order) - VALUE_OVERHEAD_BYTES
}

/// Returns the size of the page that a pack of `length` bytes takes.
pub(super) const fn order_of(length: usize) -> usize {
    let pages = (length + VALUE_OVERHEAD_BYTES).div_ceil(PAGE_BYTES as usize);
    pages.next_power_of_two().trailing_zeros() as usize
}

/// Tells whether a pack is so small that others share its page.
pub(super) const fn is_shared(length: usize) -> bool {
    2 * (length + VALUE_OVERHEAD_BYTES) <= PAGE_BYTES as usize
}

/// Returns what a pack of `length` bytes takes of the file.
pub(super) const fn page_bytes(length: usize) -> u64 {
    if is_shared(length) {
        return 2 * (length + VALUE_OVERHEAD_BYTES) as u64;
    }
    PAGE_BYTES << order_of(length)
}

/// Returns what everything takes of the file, given what the packs take and how many lines the index has.
pub(super) const fn used_bytes(pack_bytes: u64, lines: u64) -> u64 {
    pack_bytes + lines * LINE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_little_room_takes_no_items_and_one_with_less_nothing() {
        let with_free = |free_bytes| Room {
            cap_bytes: 1 << 30,
            disk_bytes: 0,
            free_bytes,
            added_bytes: 0,
        };
        let takes = |free_bytes, rows: usize| {
            let (mut room, mut free) = (with_free(free_bytes), FreePages::default());
            (0..rows).all(|_| room.take(100_000, 0, &mut free))
        };
        assert!(takes(DISK_RESERVE_BYTES + 1_000_000, 1));
        assert!(!takes(DISK_RESERVE_BYTES + 100_000, 1));
        // What one transaction takes in counts together.
        assert!(takes(DISK_RESERVE_BYTES + 1_000_000, 7));
        assert!(!takes(DISK_RESERVE_BYTES + 1_000_000, 8));
        assert!(!with_free(DISK_BYTES_MIN).is_disk_full());
        assert!(with_free(DISK_BYTES_MIN - 1).is_disk_full());
    }
}
