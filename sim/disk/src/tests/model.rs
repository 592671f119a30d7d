//! Random operations and crashes against a reference that knows what may survive.

use std::time::Duration;

use proptest::prelude::*;
use redb::StorageBackend as _;

use super::Clock;
use crate::{Disk, DiskFile, SECTOR_BYTES};

const NAME: &str = "file";

#[derive(Clone, Debug)]
enum Step {
    Write { offset: u64, len: usize, fill: u8 },
    SetLen(u64),
    Sync,
    Wait,
    WaitPercent(u32),
    CutPowerAfter(u64),
    Crash,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..30_000_u64, 1..9_000_usize, 1..=255_u8)
        .prop_map(|(offset, len, fill)| Step::Write { offset, len, fill });
    let step = prop_oneof![
        8 => write,
        2 => (0..40_000_u64).prop_map(Step::SetLen),
        5 => Just(Step::Sync),
        3 => Just(Step::Wait),
        2 => (0..100_u32).prop_map(Step::WaitPercent),
        1 => (0..6_u64).prop_map(Step::CutPowerAfter),
        2 => Just(Step::Crash),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..60)
}

/// Every state since the last that is certain to be durable, each with its number.
struct Model {
    states: Vec<(u64, Vec<u8>)>,
    next: u64,
    /// The last state that a sync returned for.
    synced: u64,
    /// When all that was asked for will be done.
    done_at: Duration,
}

impl Model {
    fn seen(&self) -> &[u8] {
        &self.states[self.states.len() - 1].1
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.states.push((self.next, bytes));
        self.next += 1;
    }

    /// Whoever waited for a sync may rely on it.
    fn rely_on_sync(&mut self) {
        let synced = self.synced;
        self.states.retain(|(number, _)| *number >= synced);
    }

    fn check_left(&self, left: &[u8]) {
        let mut lens = self.states.iter().map(|(_, bytes)| bytes.len());
        assert!(lens.any(|len| len == left.len()), "a length");
        for (number, sector) in left.chunks(SECTOR_BYTES).enumerate() {
            let at = number * SECTOR_BYTES;
            let was_so = (0..self.states.len()).any(|then| self.was_so(then, at, sector));
            assert!(was_so, "sector {number} was never so");
        }
    }

    /// Tells whether a sector was so then, or is what a later change of length left of it.
    fn was_so(&self, then: usize, at: usize, sector: &[u8]) -> bool {
        let bytes = &self.states[then].1;
        self.states[then..].iter().any(|(_, later)| {
            let end = bytes.len().min(later.len());
            let (kept, zeros) = sector.split_at(end.saturating_sub(at).min(sector.len()));
            bytes[at.min(end)..].starts_with(kept) && zeros.iter().all(|byte| *byte == 0)
        })
    }
}

struct Run {
    clock: Clock,
    disk: Disk,
    file: DiskFile,
    model: Model,
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = Clock::default();
        let disk = clock.disk(seed);
        let file = disk.file(NAME).unwrap();
        clock.wait(&disk);
        let model = Model {
            states: vec![(0, Vec::new())],
            next: 1,
            synced: 0,
            done_at: clock.now(),
        };
        Self {
            clock,
            disk,
            file,
            model,
        }
    }

    fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0xaa; self.file.len().unwrap() as usize];
        self.file.read(0, &mut bytes).unwrap();
        bytes
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write { offset, len, fill } => {
                let piece = vec![fill; len];
                let mut bytes = self.model.seen().to_vec();
                let end = offset as usize + len;
                bytes.resize(bytes.len().max(end), 0);
                bytes[offset as usize..end].copy_from_slice(&piece);
                if self.file.write(offset, &piece).is_ok() {
                    self.model.push(bytes);
                }
            }
            Step::SetLen(len) => {
                let mut bytes = self.model.seen().to_vec();
                bytes.resize(len as usize, 0);
                if self.file.set_len(len).is_ok() {
                    self.model.push(bytes);
                }
            }
            Step::Sync => {
                if self.file.sync_data().is_ok() {
                    self.model.synced = self.model.next - 1;
                }
            }
            Step::Wait => self.wait(100),
            Step::WaitPercent(percent) => self.wait(percent),
            Step::CutPowerAfter(count) => self.disk.cut_power_after(count),
            Step::Crash => self.end_life(true),
            Step::Kill => self.end_life(false),
        }
        if !self.disk.is_power_cut() {
            assert!(self.read() == self.model.seen());
        }
    }

    fn wait(&mut self, percent: u32) {
        let cost = self.disk.take_cost();
        self.model.done_at = self.model.done_at.max(self.clock.now() + cost);
        let left = self.model.done_at - self.clock.now();
        self.clock.advance(left * percent / 100);
        if percent == 100 {
            self.model.rely_on_sync();
            self.model.done_at = self.clock.now();
        }
    }

    fn end_life(&mut self, is_power_gone: bool) {
        let cost = self.disk.take_cost();
        let is_all_done = self.model.done_at.max(self.clock.now() + cost) <= self.clock.now();
        let is_power_gone = is_power_gone || self.disk.is_power_cut();
        if self.disk.is_power_cut() {
            // What was done before the cut has taken its time.
            self.model.rely_on_sync();
        }
        let effect = if is_power_gone {
            self.disk.crash()
        } else {
            self.disk.kill()
        };
        assert!(self.file.len().is_err() && self.file.write(0, b"late").is_err());
        self.file = self.disk.file(NAME).unwrap();
        let left = self.read();
        self.model.check_left(&left);
        assert_eq!(effect.is_nothing(), left == self.model.seen(), "{effect:?}");
        if is_power_gone {
            self.model.states.clear();
        } else {
            assert!(!is_all_done || effect.is_nothing());
            // Perhaps the sync was not even begun.
            self.model.synced = 0;
        }
        self.model.push(left);
        self.model.done_at = self.clock.now();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn synced_bytes_stay_and_sectors_are_never_mixed(seed: u64, steps in steps()) {
        let mut run = Run::new(seed);
        for step in &steps {
            run.step(step);
        }
        run.end_life(true);
    }

    #[test]
    fn the_same_seed_leaves_the_same_bytes_at_the_same_cost(seed: u64, steps in steps()) {
        let result = |seed| {
            let mut run = Run::new(seed);
            steps.iter().for_each(|step| run.step(step));
            run.end_life(true);
            (run.disk.image(), run.disk.effects(), run.clock.now())
        };
        prop_assert_eq!(result(seed), result(seed));
    }
}
