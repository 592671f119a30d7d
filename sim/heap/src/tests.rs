use proptest::prelude::*;

use super::*;
use crate::class::{BLOCK_MAX, GRAIN};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

#[test]
fn every_size_finds_a_class_that_is_not_much_larger() {
    for size in 1..=BLOCK_MAX {
        let class = Class::of(layout(size)).unwrap();
        assert!(class.size() >= size, "{size}");
        assert!(
            class.size() <= (size + GRAIN).max(size + size / 4),
            "{size}: {}",
            class.size()
        );
        assert_eq!(Class::of(layout(class.size())), Some(class));
    }
    assert_eq!(Class::of(layout(BLOCK_MAX + 1)), None);
    assert_eq!(Class::of(Layout::from_size_align(64, 32).unwrap()), None);
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    TakeZeroed(usize),
    Give(usize),
    Resize(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![1..200_usize, 1..20_000_usize];
    prop_oneof![
        size.clone().prop_map(Step::Take),
        size.clone().prop_map(Step::TakeZeroed),
        any::<usize>().prop_map(Step::Give),
        (any::<usize>(), size).prop_map(|(which, size)| Step::Resize(which, size)),
    ]
}

/// A block that is in use, and the byte it is full of.
struct Held {
    block: *mut u8,
    size: usize,
    mark: u8,
}

impl Held {
    fn fill(&self) {
        // SAFETY: the block has `size` bytes and is in use here alone.
        unsafe { self.block.write_bytes(self.mark, self.size) };
    }

    fn assert_whole(&self, size: usize, mark: u8) {
        // SAFETY: `size` bytes of the block were written.
        let bytes = unsafe { std::slice::from_raw_parts(self.block, size) };
        assert!(bytes.iter().all(|byte| *byte == mark));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn blocks_in_use_keep_what_was_written(steps in proptest::collection::vec(step(), 1..400)) {
        let mut held: Vec<Held> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let mark = number as u8;
            match step {
                Step::Take(size) => {
                    // SAFETY: no layout is empty here.
                    let block = unsafe { Heap.alloc(layout(size)) };
                    prop_assert_eq!(block as usize % 8, 0);
                    held.push(Held { block, size, mark });
                }
                Step::TakeZeroed(size) => {
                    // SAFETY: as above.
                    let block = unsafe { Heap.alloc_zeroed(layout(size)) };
                    held.push(Held { block, size, mark });
                    held[held.len() - 1].assert_whole(size, 0);
                }
                Step::Give(which) if !held.is_empty() => {
                    let one = held.swap_remove(which % held.len());
                    one.assert_whole(one.size, one.mark);
                    // SAFETY: it was taken with this layout and is not used below.
                    unsafe { Heap.dealloc(one.block, layout(one.size)) };
                }
                Step::Resize(which, size) if !held.is_empty() => {
                    let place = which % held.len();
                    let one = &mut held[place];
                    // SAFETY: it was taken with this layout; the old place is not used below.
                    one.block = unsafe { Heap.realloc(one.block, layout(one.size), size) };
                    one.assert_whole(one.size.min(size), one.mark);
                    one.size = size;
                    one.mark = mark;
                }
                Step::Give(_) | Step::Resize(..) => {}
            }
            if let Some(last) = held.last() {
                last.fill();
            }
            held.iter().for_each(Held::fill);
        }
        for one in held {
            one.assert_whole(one.size, one.mark);
            // SAFETY: it was taken with this layout and is not used below.
            unsafe { Heap.dealloc(one.block, layout(one.size)) };
        }
    }
}

/// Returns the memory that this process really has, in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

#[cfg(target_os = "linux")]
#[test]
fn room_that_nobody_writes_to_costs_nothing_even_when_it_comes_back() {
    // On a thread of its own, so that all blocks are new.
    let grown = || {
        let before = resident();
        let mut blocks = Vec::with_capacity(16_384);
        for _ in 0..16_384 {
            // SAFETY: the layout is not empty.
            let block = unsafe { Heap.alloc(layout(6_600)) };
            assert!(!block.is_null());
            blocks.push(block);
        }
        for block in blocks {
            // SAFETY: it was taken with this layout and is not used below.
            unsafe { Heap.dealloc(block, layout(6_600)) };
        }
        resident().saturating_sub(before)
    };
    let grown = std::thread::scope(|scope| scope.spawn(grown).join().unwrap());
    assert!(grown < 8 << 20, "{grown} bytes for 103 MiB of room");
}
