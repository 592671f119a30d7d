//! What the simulator does to a disk and asks of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::State;
use crate::content::{Content, PAGE_BYTES};
use crate::fault::{CrashEffect, Effects, Faults, Operation};
use crate::stored::Stored;

impl State {
    pub(in crate::disk) fn take_cost(&mut self) -> Duration {
        if std::mem::take(&mut self.time.is_owed) {
            self.time.free_at.saturating_sub(self.time.now)
        } else {
            Duration::ZERO
        }
    }

    pub(in crate::disk) fn settle(&mut self) {
        let now = self.time.now;
        self.advance(self.time.free_at);
        (self.time.now, self.time.free_at) = (now, now);
        self.time.is_owed = false;
    }

    pub(in crate::disk) fn crash(&mut self) -> CrashEffect {
        let mut effect = CrashEffect::default();
        let moment = self.end_life();
        effect.lost_names = self.names.crash(moment, &mut self.rng);
        for file in self.files.values_mut() {
            file.crash(moment, &mut self.rng, &mut effect);
        }
        self.begin_life(effect)
    }

    pub(in crate::disk) fn kill(&mut self) -> CrashEffect {
        if self.is_power_cut() {
            return self.crash();
        }
        let mut effect = CrashEffect::default();
        let moment = self.end_life();
        effect.lost_names = self.names.kill(moment);
        for file in self.files.values_mut() {
            file.kill(moment, &mut effect);
        }
        let effect = self.begin_life(effect);
        // The disk goes on with what it was told.
        let under_way = self.files.values().filter_map(Stored::busy_until).max();
        self.time.free_at = self.time.free_at.max(under_way.unwrap_or_default());
        effect
    }

    pub(in crate::disk) fn close_all(&mut self) {
        self.life += 1;
        for file in self.files.values_mut() {
            file.is_open = false;
        }
        self.forget_nameless();
    }

    pub(in crate::disk) fn set_faults(&mut self, faults: Faults) {
        if faults.lying_sync <= 0.0 {
            for file in self.files.values_mut() {
                file.end_lies(self.time.now);
            }
        }
        self.trouble.faults = faults;
    }

    pub(in crate::disk) fn fail_next(&mut self, operation: Operation, count: u64) {
        match operation {
            Operation::Read => self.trouble.reads_to_fail = count,
            Operation::Write => self.trouble.writes_to_fail = count,
            Operation::Sync => self.trouble.syncs_to_fail = count,
        }
    }

    pub(in crate::disk) fn fail_after(&mut self, count: u64) {
        self.trouble.changes_before_failure = Some(count);
    }

    pub(in crate::disk) fn mend(&mut self) {
        let trouble = &mut self.trouble;
        trouble.changes_before_failure = None;
        (
            trouble.reads_to_fail,
            trouble.writes_to_fail,
            trouble.syncs_to_fail,
        ) = (0, 0, 0);
    }

    pub(in crate::disk) const fn sync_count(&self) -> u64 {
        self.sync_count
    }

    pub(in crate::disk) fn set_capacity(&mut self, bytes: u64) {
        self.options.capacity_bytes = bytes;
    }

    pub(in crate::disk) fn used_bytes(&self) -> u64 {
        let pages = self.files.values().map(|file| file.live().pages().len());
        pages.sum::<usize>() as u64 * PAGE_BYTES as u64
    }

    pub(in crate::disk) fn cut_power_after(&mut self, count: u64) {
        self.trouble.changes_before_cut = Some(count);
    }

    pub(in crate::disk) fn is_power_cut(&self) -> bool {
        self.trouble.cut_at.is_some()
    }

    pub(in crate::disk) fn rot(&mut self, name: &str, bits: usize) -> usize {
        let Ok(id) = self.named(name) else {
            return 0;
        };
        let Some(file) = self.files.get_mut(&id) else {
            return 0;
        };
        let mut flipped = 0;
        while flipped < bits
            && let Some(page) = file.rot(&mut self.rng)
        {
            self.trouble.rotten.insert((id, page));
            flipped += 1;
        }
        self.effects.flipped_bits += flipped as u64;
        flipped
    }

    pub(in crate::disk) const fn effects(&self) -> Effects {
        self.effects
    }

    pub(in crate::disk) fn footprint_bytes(&self) -> usize {
        let files = self.files.values().map(Stored::footprint_bytes);
        files.sum::<usize>() + size_of::<Self>()
    }

    pub(in crate::disk) fn contents(&self) -> BTreeMap<String, Content> {
        let names = self.names.live().iter();
        names
            .filter_map(|(name, id)| Some((name.clone(), self.files.get(id)?.live().clone())))
            .collect()
    }

    fn end_life(&mut self) -> Duration {
        self.life += 1;
        self.trouble.changes_before_cut = None;
        let cut_at = self.trouble.cut_at.take().unwrap_or_default();
        self.time.now.max(cut_at)
    }

    fn begin_life(&mut self, effect: CrashEffect) -> CrashEffect {
        self.time.free_at = self.time.now;
        self.time.is_owed = false;
        self.effects.crashes += 1;
        self.effects.crashes_with_loss += u64::from(!effect.is_nothing());
        self.forget_nameless();
        effect
    }
}
