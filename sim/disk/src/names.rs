//! The names of a disk's files, which change in order and lastingly, each after a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// The number of a file, whatever its name.
pub(crate) type FileId = u32;

type Map = BTreeMap<String, FileId>;

#[derive(Debug, Default)]
pub(crate) struct Names {
    live: Map,
    /// What is durable, while that is something else.
    before: Option<Map>,
    log: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    start: Duration,
    end: Duration,
    change: NameChange,
}

#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    /// A name for a file; what had it loses it.
    Link(String, FileId),
    Unlink(String),
    Rename(String, String),
}

impl Names {
    pub(crate) fn new(names: Map) -> Self {
        Self {
            live: names,
            ..Self::default()
        }
    }

    pub(crate) const fn live(&self) -> &Map {
        &self.live
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.log.is_empty()
    }

    pub(crate) fn change(&mut self, start: Duration, end: Duration, change: NameChange) {
        self.before.get_or_insert_with(|| self.live.clone());
        apply(&mut self.live, &change);
        self.log.push(Entry { start, end, change });
    }

    pub(crate) fn settle(&mut self, now: Duration) {
        let done = self.log.partition_point(|entry| entry.end <= now);
        let done: Vec<Entry> = self.log.drain(..done).collect();
        match &mut self.before {
            Some(before) if !self.log.is_empty() => {
                for entry in done {
                    apply(before, &entry.change);
                }
            }
            _ => self.before = None,
        }
    }

    /// Returns how many changes are lost: those to come, and perhaps the one under way.
    pub(crate) fn crash(&mut self, moment: Duration, rng: &mut StdRng) -> u64 {
        let is_kept = rng.random();
        self.cut(moment, is_kept)
    }

    /// Returns how many changes are lost: those to come. The one under way is as good as done.
    pub(crate) fn kill(&mut self, moment: Duration) -> u64 {
        self.cut(moment, true)
    }

    /// Returns every file that has a name or may have one again.
    pub(crate) fn files(&self) -> BTreeSet<FileId> {
        let logged = self.log.iter().filter_map(|entry| match &entry.change {
            NameChange::Link(_, id) => Some(*id),
            _ => None,
        });
        let before = self.before.iter().flat_map(|names| names.values().copied());
        let live = self.live.values().copied();
        live.chain(before).chain(logged).collect()
    }

    fn cut(&mut self, moment: Duration, is_kept: bool) -> u64 {
        self.settle(moment);
        let mut lost = 0;
        if let Some(mut names) = self.before.take() {
            for (index, entry) in std::mem::take(&mut self.log).into_iter().enumerate() {
                // The disk does one thing after the other: only the first is under way.
                if index == 0 && entry.start <= moment && is_kept {
                    apply(&mut names, &entry.change);
                } else {
                    lost += 1;
                }
            }
            self.live = names;
        }
        lost
    }
}

fn apply(names: &mut Map, change: &NameChange) {
    match change {
        NameChange::Link(name, id) => {
            names.insert(name.clone(), *id);
        }
        NameChange::Unlink(name) => {
            names.remove(name);
        }
        NameChange::Rename(from, to) => {
            if let Some(id) = names.remove(from) {
                names.insert(to.clone(), id);
            }
        }
    }
}
