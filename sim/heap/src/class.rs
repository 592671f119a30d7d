//! Sizes of blocks: multiples of 16 bytes up to 1 KiB, then four for each doubling up to 16 KiB.

use std::alloc::Layout;

/// How blocks are aligned, and the smallest of them, in bytes.
pub(crate) const GRAIN: usize = 16;
/// Largest size that grows by the grain, in bytes.
const FINE_MAX: usize = 1 << FINE_MAX_BITS;
const FINE_MAX_BITS: u32 = 10;
/// Classes up to there.
const FINE_COUNT: usize = FINE_MAX / GRAIN;
/// Largest block, in bytes.
pub(crate) const BLOCK_MAX: usize = 16 << 10;
/// Classes for each doubling beyond the fine ones.
const STEPS: usize = 4;
const STEPS_BITS: u32 = 2;
/// All classes.
pub(crate) const COUNT: usize = FINE_COUNT + STEPS * 4;

/// One size of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// Returns the class that has room for a layout; nothing for what the system serves.
    pub(crate) const fn of(layout: Layout) -> Option<Self> {
        if layout.align() > GRAIN || layout.size() > BLOCK_MAX || layout.size() == 0 {
            return None;
        }
        let last = layout.size() - 1;
        let place = if last < FINE_MAX {
            last / GRAIN
        } else {
            let bits = last.ilog2();
            let step = (last - (1 << bits)) >> (bits - STEPS_BITS);
            FINE_COUNT + (bits - FINE_MAX_BITS) as usize * STEPS + step
        };
        // Fewer than 256 classes.
        Some(Self(place as u8))
    }

    /// Returns its place among all classes.
    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }

    /// Returns the size of its blocks, in bytes.
    pub(crate) const fn size(self) -> usize {
        let place = self.place();
        if place < FINE_COUNT {
            return (place + 1) * GRAIN;
        }
        let (doubling, step) = ((place - FINE_COUNT) / STEPS, (place - FINE_COUNT) % STEPS);
        let base = FINE_MAX << doubling;
        base + (step + 1) * (base / STEPS)
    }
}
