//! One file: what a program sees, what is on the platter, and what happened in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::content::{Content, Page, footprint_of, sectors, split};
use crate::fault::CrashEffect;

/// A file of a disk.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// What a program sees.
    live: Content,
    /// The durable state of the pages in which it may differ from what a program sees.
    before: BTreeMap<u32, Option<Page>>,
    durable_len: u64,
    /// What is not durable yet, in order.
    log: Vec<Entry>,
    /// When the first sync of the log ends.
    due: Option<Duration>,
    /// A failed sync gave changes up: they are seen, and in no log.
    diverged: bool,
    /// A handle on it is open.
    pub(crate) is_open: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    start: Duration,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    /// Some sectors of a page; `write` tells which call they belong to.
    Sectors {
        write: u64,
        number: u32,
        sectors: u8,
        page: Page,
    },
    Len(u64),
    Sync {
        end: Duration,
    },
    /// A sync that only said so.
    Lie,
}

impl Entry {
    const fn page(&self) -> Option<u32> {
        match self.change {
            Change::Sectors { number, .. } => Some(number),
            _ => None,
        }
    }
}

impl Stored {
    pub(crate) fn with_content(content: Content) -> Self {
        Self {
            durable_len: content.len(),
            live: content,
            ..Self::default()
        }
    }

    pub(crate) const fn live(&self) -> &Content {
        &self.live
    }

    /// Tells whether there is nothing that a sync would make durable.
    pub(crate) fn is_synced(&self) -> bool {
        let mut log = self.log.iter().rev();
        log.next()
            .is_none_or(|last| matches!(last.change, Change::Sync { .. }))
    }

    /// Writes one page's part of a write.
    pub(crate) fn write(
        &mut self,
        start: Duration,
        write: u64,
        number: u32,
        at: usize,
        piece: &[u8],
    ) {
        let old = self.live.page(number);
        let page = match old {
            Some(old) => old.with(at, piece),
            None => Page::default().with(at, piece),
        };
        self.remember(number);
        self.live.put(number, Some(page.clone()));
        let change = Change::Sectors {
            write,
            number,
            sectors: sectors(at, piece.len()),
            page,
        };
        self.log.push(Entry { start, change });
    }

    pub(crate) fn set_len(&mut self, start: Duration, len: u64) {
        if len == self.live.len() {
            return;
        }
        self.cut_live(len);
        let change = Change::Len(len);
        self.log.push(Entry { start, change });
    }

    pub(crate) fn sync(&mut self, start: Duration, end: Duration) {
        if !self.is_synced() {
            let change = Change::Sync { end };
            self.log.push(Entry { start, change });
            self.due.get_or_insert(end);
        }
    }

    /// Notes that a sync claims to have happened.
    pub(crate) fn lie(&mut self, start: Duration) {
        let change = Change::Lie;
        self.log.push(Entry { start, change });
    }

    /// Does what was lied about.
    pub(crate) fn end_lies(&mut self, now: Duration) {
        for entry in &mut self.log {
            if matches!(entry.change, Change::Lie) {
                entry.change = Change::Sync { end: now };
            }
        }
        self.find_due();
    }

    /// Gives up what is not synced, as a kernel does after a failed sync: some of it is on the
    /// platter, the rest is seen until a crash, and no later sync writes it.
    pub(crate) fn give_up(&mut self, rng: &mut StdRng) {
        self.survive(rng, &mut CrashEffect::default());
        self.due = None;
        self.tidy();
    }

    /// Makes durable what syncs have made so by now.
    pub(crate) fn settle(&mut self, now: Duration) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let is_done = |entry: &Entry| matches!(entry.change, Change::Sync { end } if end <= now);
        let last = self.log.iter().rposition(is_done);
        if let Some(last) = last {
            self.make_durable(last);
        }
        self.find_due();
    }

    /// Makes the log durable up to its sync at `last`.
    fn make_durable(&mut self, last: usize) {
        if last + 1 == self.log.len() && !self.diverged {
            self.log.clear();
            self.before.clear();
            self.durable_len = self.live.len();
            return;
        }
        let done: Vec<Entry> = self.log.drain(..=last).collect();
        for Entry { change, .. } in done {
            match change {
                Change::Sectors {
                    number,
                    sectors,
                    page,
                    ..
                } => self.put_durable(number, &page, sectors),
                Change::Len(len) => self.set_durable_len(len),
                Change::Sync { .. } | Change::Lie => {}
            }
        }
        self.tidy();
    }

    /// Loses what can be lost at the moment of a crash.
    pub(crate) fn crash(&mut self, moment: Duration, rng: &mut StdRng, effect: &mut CrashEffect) {
        self.settle(moment);
        self.drop_unissued(moment, effect);
        let is_sync = |entry: &Entry| matches!(entry.change, Change::Sync { .. });
        // The disk does one thing after the other, so there is one at most.
        if let Some(under_way) = self.log.iter().rposition(is_sync)
            && rng.random()
        {
            self.make_durable(under_way);
        }
        self.survive(rng, effect);
        let mut left = self.live.clone();
        for (number, page) in std::mem::take(&mut self.before) {
            left.put(number, page);
        }
        left.set_len(self.durable_len);
        effect.count_difference(&self.live, &left);
        self.live = left;
        self.due = None;
        self.diverged = false;
        self.is_open = false;
    }

    /// Undoes what the process would have begun only after its end.
    pub(crate) fn kill(&mut self, moment: Duration, effect: &mut CrashEffect) {
        self.settle(moment);
        let seen = self.live.clone();
        let before = self.log.len();
        self.drop_unissued(moment, effect);
        if self.log.len() != before {
            for (number, page) in &self.before {
                self.live.put(*number, page.clone());
            }
            self.live.set_len(self.durable_len);
            for Entry { start, change } in std::mem::take(&mut self.log) {
                self.redo(start, change);
            }
            effect.count_difference(&seen, &self.live);
        }
        self.is_open = false;
    }

    /// Flips a bit of a page at rest; returns which page, if there is any.
    pub(crate) fn rot(&mut self, rng: &mut StdRng) -> Option<u32> {
        let at_rest =
            |(number, page): &(&u32, &Page)| page.stored() > 0 && !self.before.contains_key(number);
        let count = self.live.pages().iter().filter(at_rest).count();
        if count == 0 {
            return None;
        }
        let chosen = rng.random_range(0..count);
        let (number, page) = self.live.pages().iter().filter(at_rest).nth(chosen)?;
        let (number, bit) = (*number, rng.random_range(0..page.stored() * 8));
        let page = page.with_bit_flipped(bit);
        self.live.put(number, Some(page));
        Some(number)
    }

    pub(crate) fn footprint_bytes(&self) -> usize {
        let logged = self.log.iter().filter_map(|entry| match &entry.change {
            Change::Sectors { page, .. } => Some(page),
            _ => None,
        });
        let pages = self.live.pages().values();
        let pages = pages.chain(self.before.values().flatten()).chain(logged);
        footprint_of(pages) + self.log.capacity() * size_of::<Entry>() + size_of::<Self>()
    }

    fn redo(&mut self, start: Duration, change: Change) {
        match &change {
            Change::Sectors {
                number,
                sectors,
                page,
                ..
            } => {
                self.remember(*number);
                let old = self.live.page(*number).cloned().unwrap_or_default();
                let new = old.with_sectors(page, *sectors);
                self.live.put(*number, Some(new));
            }
            Change::Len(len) => self.cut_live(*len),
            Change::Sync { .. } | Change::Lie => {}
        }
        self.log.push(Entry { start, change });
    }

    /// Returns when the last sync under way ends.
    pub(crate) fn busy_until(&self) -> Option<Duration> {
        self.log.iter().rev().find_map(|entry| match entry.change {
            Change::Sync { end } => Some(end),
            _ => None,
        })
    }

    fn find_due(&mut self) {
        self.due = self.log.iter().find_map(|entry| match entry.change {
            Change::Sync { end } => Some(end),
            _ => None,
        });
    }

    fn drop_unissued(&mut self, moment: Duration, effect: &mut CrashEffect) {
        let issued = self.log.partition_point(|entry| entry.start <= moment);
        let mut last = None;
        for Entry { change, .. } in self.log.drain(issued..) {
            if let Change::Sectors { write, .. } = change
                && last.replace(write) != Some(write)
            {
                effect.unissued_writes += 1;
            }
        }
        self.find_due();
    }

    /// Chooses what of the log survives, and makes that durable.
    fn survive(&mut self, rng: &mut StdRng, effect: &mut CrashEffect) {
        let log = std::mem::take(&mut self.log);
        if log.is_empty() {
            return;
        }
        let kept_percent = [0, 10, 50, 90, 100][rng.random_range(0..5_usize)];
        let lens = log.iter().filter(|e| matches!(e.change, Change::Len(_)));
        let mut lens_kept = match (kept_percent, lens.count()) {
            (0, _) => 0,
            (100, count) => count,
            (_, count) => rng.random_range(0..=count),
        };
        let lied_about = log.iter().rposition(|e| matches!(e.change, Change::Lie));
        let mut fates: BTreeMap<u64, Fate> = BTreeMap::new();
        for (index, Entry { change, .. }) in log.into_iter().enumerate() {
            match change {
                Change::Sectors {
                    write,
                    number,
                    sectors,
                    page,
                } => {
                    let kept = (0..u8::BITS)
                        .filter(|_| rng.random_range(0..100) < kept_percent)
                        .fold(0, |kept, sector| kept | 1 << sector);
                    let fate = fates.entry(write).or_default();
                    fate.is_kept |= sectors & kept != 0;
                    fate.is_lost |= sectors & !kept != 0;
                    fate.is_lied_about |= lied_about.is_some_and(|lie| index < lie);
                    self.put_durable(number, &page, sectors & kept);
                }
                Change::Len(len) if lens_kept > 0 => {
                    lens_kept -= 1;
                    self.set_durable_len(len);
                }
                Change::Len(_) => effect.lost_lengths += 1,
                Change::Sync { .. } | Change::Lie => {}
            }
        }
        effect.count_fates(fates.into_values());
    }

    /// Forgets the durable state of pages in which it is what a program sees.
    fn tidy(&mut self) {
        let logged: BTreeSet<u32> = self.log.iter().filter_map(Entry::page).collect();
        let live = &self.live;
        self.before
            .retain(|number, page| logged.contains(number) || live.page(*number) != page.as_ref());
        if self.log.is_empty() {
            self.diverged = !self.before.is_empty() || self.durable_len != self.live.len();
        }
    }

    fn remember(&mut self, number: u32) {
        let live = &self.live;
        self.before
            .entry(number)
            .or_insert_with(|| live.page(number).cloned());
    }

    fn cut_live(&mut self, len: u64) {
        let (first, _) = split(len);
        let touched: Vec<u32> = match len < self.live.len() {
            true => self.live.pages().range(first..).map(|(n, _)| *n).collect(),
            false => Vec::new(),
        };
        for number in touched {
            self.remember(number);
        }
        self.live.set_len(len);
    }

    fn put_durable(&mut self, number: u32, page: &Page, sectors: u8) {
        if sectors == 0 {
            return;
        }
        let old = self.before.get(&number).cloned().flatten();
        let new = old.unwrap_or_default().with_sectors(page, sectors);
        self.before.insert(number, Some(new));
    }

    /// Every durable page behind `len` is in `before`: whatever was cut or written was remembered.
    fn set_durable_len(&mut self, len: u64) {
        let (first, rest) = split(len);
        if len < self.durable_len {
            for (number, page) in self.before.range_mut(first..) {
                *page = match page.take() {
                    Some(page) if *number == first && rest > 0 => Some(page.cut(rest)),
                    _ => None,
                };
            }
        }
        self.durable_len = len;
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) is_kept: bool,
    pub(crate) is_lost: bool,
    pub(crate) is_lied_about: bool,
}
