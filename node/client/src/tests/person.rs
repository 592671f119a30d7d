//! A person: a core, its disk, and what is under way.

use std::collections::BTreeMap;

use restante_interface::{Refusal, Reply, StoreTrouble};
use restante_proto::limits::DAY_MS;
use restante_proto::stamp::EFFORT_UNASKED;
use restante_proto::time::Now;

use super::super::memory::MemoryDisk;
use super::super::model::Account;
use super::super::{CallId, Core, Settings};
use super::world::Flying;

const SETTINGS: Settings = Settings {
    retention_ms: 30 * DAY_MS,
    ttl_ms: 6 * DAY_MS,
    effort_max: EFFORT_UNASKED,
    own_keeper: None,
    is_first: false,
};

pub(super) struct Person {
    pub(super) core: Core,
    pub(super) settings: Settings,
    pub(super) disk: MemoryDisk,
    /// What keeps its disk from taking anything in.
    pub(super) trouble: Option<StoreTrouble>,
    /// Commits that were tried.
    pub(super) commits: u64,
    pub(super) flying: Vec<Flying>,
    pub(super) replies: BTreeMap<CallId, Result<Reply, Refusal>>,
    /// By how much the date is off, in milliseconds.
    pub(super) ahead_ms: i64,
    /// How long its timers have stood still, in milliseconds.
    pub(super) slept_ms: u64,
    pub(super) calls: u64,
    /// The life of the process, so that late answers of an earlier one are void.
    pub(super) lives: u64,
}

impl Person {
    pub(super) fn new(now: Now, account: Account) -> Self {
        let settings = SETTINGS;

        let disk = MemoryDisk::new(account);
        let core = Core::new(now, settings, disk.load());
        Self {
            core,
            settings,
            disk,
            trouble: None,
            commits: 0,
            flying: Vec::new(),
            replies: BTreeMap::new(),
            ahead_ms: 0,
            slept_ms: 0,
            calls: 0,
            lives: 1,
        }
    }

    pub(super) fn restart(&mut self, now: Now) {
        self.flying.clear();
        let loaded = self.disk.load();
        self.core = Core::new(now, self.settings, loaded);
        self.lives += 1;
    }
}
