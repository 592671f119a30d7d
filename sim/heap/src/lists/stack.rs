//! Blocks that came back, the last one first.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use crate::class::Class;

/// Smallest block that is remembered beside itself, in bytes: much of it may never have been written to, and a word in
/// it would cost a page.
const LARGE_BYTES: usize = 2 << 10;
/// Places that a list beside the blocks begins with.
const PLACES_MIN: usize = 1 << 10;

/// Blocks of one class.
pub(super) struct Stack {
    /// The small block that came back last; its first word leads to the one before.
    small: *mut u8,
    /// Large blocks, each with a place.
    large: *mut *mut u8,
    count: usize,
    places: usize,
}

impl Stack {
    pub(super) const EMPTY: Self = Self {
        small: ptr::null_mut(),
        large: ptr::null_mut(),
        count: 0,
        places: 0,
    };

    pub(super) fn pop(&mut self) -> Option<*mut u8> {
        if let Some(last) = self.count.checked_sub(1) {
            self.count = last;
            // SAFETY: the first `count` places were written by `push`.
            return Some(unsafe { self.large.add(last).read() });
        }
        let block = self.small;
        if block.is_null() {
            return None;
        }
        // SAFETY: `push` has written the block before, or null, to the first word of this one.
        self.small = unsafe { block.cast::<*mut u8>().read() };
        Some(block)
    }

    /// # Safety
    ///
    /// The block is of this class, was handed out, and nobody uses it any more.
    pub(super) unsafe fn push(&mut self, block: *mut u8, class: Class) {
        if class.size() < LARGE_BYTES || (self.count == self.places && !self.grow()) {
            // SAFETY: a block is 16 bytes long at least, aligned to 16, and the caller's to give.
            unsafe { block.cast::<*mut u8>().write(self.small) };
            self.small = block;
            return;
        }
        // SAFETY: there are more places than blocks.
        unsafe { self.large.add(self.count).write(block) };
        self.count += 1;
    }

    /// Doubles the places; says whether there are more now.
    fn grow(&mut self) -> bool {
        let wanted = (self.places * 2).max(PLACES_MIN);
        let (Ok(old), Ok(new)) = (
            Layout::array::<*mut u8>(self.places),
            Layout::array::<*mut u8>(wanted),
        ) else {
            return false;
        };
        let grown = if self.places == 0 {
            // SAFETY: the layout is not empty.
            unsafe { System.alloc(new) }
        } else {
            // SAFETY: the places came from the system with the old layout.
            unsafe { System.realloc(self.large.cast(), old, new.size()) }
        };
        if grown.is_null() {
            return false;
        }
        (self.large, self.places) = (grown.cast(), wanted);
        true
    }
}
