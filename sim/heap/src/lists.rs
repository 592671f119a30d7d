//! One thread's free blocks, and the memory that was never used.

use std::ptr;

use crate::class::{COUNT, Class};

mod region;
mod stack;

use stack::Stack;

/// Bytes asked of the system at a time.
const REGION_BYTES: usize = 64 << 20;
/// Bytes that a class takes of a region at a time.
const RUN_BYTES: usize = 64 << 10;

/// Whether somebody may have written to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody: it is zero.
    Fresh,
    /// Somebody.
    Used,
}

/// All classes of a thread.
pub(crate) struct Lists {
    classes: [Run; COUNT],
    region: Run,
}

/// Memory of one kind: blocks that came back, and a piece that was never used.
struct Run {
    free: Stack,
    next: *mut u8,
    left: usize,
}

impl Run {
    const EMPTY: Self = Self {
        free: Stack::EMPTY,
        next: ptr::null_mut(),
        left: 0,
    };

    /// Takes so many bytes of the unused piece, if it has them.
    fn cut(&mut self, bytes: usize) -> Option<*mut u8> {
        let left = self.left.checked_sub(bytes)?;
        let block = self.next;
        // SAFETY: `left + bytes` bytes lie behind `next`, in one piece of the system's.
        self.next = unsafe { block.add(bytes) };
        self.left = left;
        Some(block)
    }
}

impl Lists {
    pub(crate) const fn new() -> Self {
        Self {
            classes: [const { Run::EMPTY }; COUNT],
            region: Run::EMPTY,
        }
    }

    /// Takes a block; null when the system has no memory.
    pub(crate) fn take(&mut self, class: Class) -> (*mut u8, Origin) {
        let run = &mut self.classes[class.place()];
        if let Some(block) = run.free.pop() {
            return (block, Origin::Used);
        }
        let block = match run.cut(class.size()) {
            Some(block) => block,
            None => self.begin_run(class),
        };
        (block, Origin::Fresh)
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// The block was taken for this class, on any thread, and nobody uses it any more.
    pub(crate) unsafe fn give(&mut self, block: *mut u8, class: Class) {
        // SAFETY: the caller's promise.
        unsafe { self.classes[class.place()].free.push(block, class) };
    }

    /// Takes a block off a new run; what was left of the one before is lost, less than a block.
    fn begin_run(&mut self, class: Class) -> *mut u8 {
        let next = match self.region.cut(RUN_BYTES) {
            Some(next) => next,
            None => match self.begin_region() {
                Some(next) => next,
                None => return ptr::null_mut(),
            },
        };
        let run = &mut self.classes[class.place()];
        (run.next, run.left) = (next, RUN_BYTES);
        // A run holds four of the largest blocks.
        run.cut(class.size()).unwrap_or(ptr::null_mut())
    }

    fn begin_region(&mut self) -> Option<*mut u8> {
        (self.region.next, self.region.left) = region::map(REGION_BYTES)?;
        self.region.cut(RUN_BYTES)
    }
}
