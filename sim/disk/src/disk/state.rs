//! A disk's files, time and chances.

mod control;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::DiskOptions;
use crate::content::{Content, FILE_BYTES_MAX, PAGE_BYTES, pieces, split};
use crate::fault::{Effects, Failure, Faults, Operation};
use crate::names::{FileId, NameChange, Names};
use crate::stored::Stored;

#[derive(Debug)]
pub(crate) struct State {
    rng: StdRng,
    options: DiskOptions,
    names: Names,
    files: BTreeMap<FileId, Stored>,
    next_file: FileId,
    next_write: u64,
    /// Which life of the host's process this is.
    life: u64,
    time: Time,
    trouble: Trouble,
    effects: Effects,
    sync_count: u64,
}

#[derive(Debug, Default)]
struct Time {
    now: Duration,
    /// When everything asked for so far will be done.
    free_at: Duration,
    /// Something was done since the cost was last taken.
    is_owed: bool,
}

#[derive(Debug, Default)]
struct Trouble {
    faults: Faults,
    reads_to_fail: u64,
    writes_to_fail: u64,
    syncs_to_fail: u64,
    changes_before_cut: Option<u64>,
    changes_before_failure: Option<u64>,
    /// When the power was cut.
    cut_at: Option<Duration>,
    /// Pages with flipped bits.
    rotten: BTreeSet<(FileId, u32)>,
}

/// When an operation would begin and end, and whether it is to fail.
struct Turn {
    start: Duration,
    end: Duration,
    fails: bool,
}

impl State {
    pub(super) fn new(image: &BTreeMap<String, Content>, seed: u64, options: DiskOptions) -> Self {
        let mut next_file = 0;
        let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (name, content) in image {
            names.insert(name.clone(), next_file);
            files.insert(next_file, Stored::with_content(content.clone()));
            next_file += 1;
        }
        Self {
            rng: StdRng::seed_from_u64(seed),
            options,
            names: Names::new(names),
            files,
            next_file,
            next_write: 0,
            life: 0,
            time: Time::default(),
            trouble: Trouble::default(),
            effects: Effects::default(),
            sync_count: 0,
        }
    }

    pub(super) fn restore(&mut self, image: &BTreeMap<String, Content>, restored: &[&str]) {
        let mut names = self.names.live().clone();
        names.retain(|name, _| !restored.contains(&name.as_str()));
        for (name, content) in image {
            if restored.contains(&name.as_str()) {
                names.insert(name.clone(), self.next_file);
                let stored = Stored::with_content(content.clone());
                self.files.insert(self.next_file, stored);
                self.next_file += 1;
            }
        }
        self.life += 1;
        self.names = Names::new(names);
    }

    /// Makes durable what has become so by `now`.
    pub(super) fn advance(&mut self, now: Duration) {
        self.time.now = self.time.now.max(now);
        let now = self.time.now;
        for file in self.files.values_mut() {
            file.settle(now);
        }
        if !self.names.is_settled() {
            self.names.settle(now);
            self.forget_nameless();
        }
    }

    pub(super) fn open(&mut self, name: &str) -> io::Result<(FileId, u64)> {
        let id = match self.names.live().get(name).copied() {
            Some(id) => {
                self.check_power()?;
                id
            }
            None => {
                let turn = self.name_turn()?;
                let id = self.new_file();
                self.change_names(&turn, NameChange::Link(name.to_owned(), id));
                id
            }
        };
        let file = self.files.entry(id).or_default();
        if file.is_open {
            return Err(ErrorKind::WouldBlock.into());
        }
        file.is_open = true;
        Ok((id, self.life))
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.names.live().contains_key(name)
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.named(name)?;
        let turn = self.name_turn()?;
        self.change_names(&turn, NameChange::Unlink(name.to_owned()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.named(from)?;
        let turn = self.name_turn()?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        self.change_names(&turn, change);
        Ok(())
    }

    pub(super) fn read_small(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Ok(id) = self.named(name) else {
            self.check_power()?;
            return Ok(None);
        };
        let length = self.files.get(&id).map_or(0, |file| file.live().len());
        let length = usize::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        self.read(self.life, id, 0, &mut bytes)?;
        Ok(Some(bytes))
    }

    pub(super) fn write_small(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let old = self.named(name).ok();
        if old.is_some_and(|id| self.files.get(&id).is_some_and(|file| file.is_open)) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let id = self.new_file();
        let written = self
            .write(self.life, id, 0, bytes)
            .and_then(|()| self.sync(self.life, id))
            .and_then(|()| self.name_turn());
        match written {
            Ok(turn) => {
                self.change_names(&turn, NameChange::Link(name.to_owned(), id));
                Ok(())
            }
            Err(error) => {
                self.files.remove(&id);
                Err(error)
            }
        }
    }

    pub(crate) fn len(&mut self, life: u64, id: FileId) -> io::Result<u64> {
        self.check_life(life)?;
        self.check_power()?;
        Ok(self.stored(id)?.live().len())
    }

    pub(crate) fn read(
        &mut self,
        life: u64,
        id: FileId,
        offset: u64,
        out: &mut [u8],
    ) -> io::Result<()> {
        self.check_life(life)?;
        let turn = self.turn(Operation::Read, out.len())?;
        if turn.fails {
            self.effects.read_errors += 1;
            return Err(Failure::Injected.into());
        }
        let live = self.stored(id)?.live();
        let end = offset.saturating_add(out.len() as u64);
        if end > live.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        live.read(offset, out);
        if !self.trouble.rotten.is_empty() {
            let rotten = &self.trouble.rotten;
            let is_rotten =
                pieces(offset, out.len()).any(|(page, ..)| rotten.contains(&(id, page)));
            self.effects.rotten_reads += u64::from(is_rotten);
        }
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        life: u64,
        id: FileId,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.check_life(life)?;
        let end = offset.saturating_add(bytes.len() as u64);
        if end > FILE_BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let turn = self.turn(Operation::Write, bytes.len())?;
        let count = pieces(offset, bytes.len()).count();
        let (count, mut result) = if turn.fails {
            self.effects.write_errors += 1;
            let written = self.rng.random_range(0..=count);
            (written, Err(Failure::Injected.into()))
        } else {
            (count, Ok(()))
        };
        let room = self
            .options
            .capacity_bytes
            .saturating_sub(self.used_bytes());
        let mut room = room / PAGE_BYTES as u64;
        let write = self.next_write;
        self.next_write += 1;
        let file = self.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        let mut done = 0;
        for (number, at, length) in pieces(offset, bytes.len()).take(count) {
            if file.live().page(number).is_none() {
                if room == 0 {
                    self.effects.full += 1;
                    result = Err(ErrorKind::StorageFull.into());
                    break;
                }
                room -= 1;
            }
            let piece = &bytes[done..done + length];
            file.write(turn.start, write, number, at, piece);
            // A page that was written anew is sound again; one written in part is not.
            if length == PAGE_BYTES {
                self.trouble.rotten.remove(&(id, number));
            }
            done += length;
        }
        let len = file.live().len().max(offset + done as u64);
        if done > 0 {
            file.set_len(turn.start, len);
        }
        result
    }

    pub(crate) fn set_len(&mut self, life: u64, id: FileId, len: u64) -> io::Result<()> {
        self.check_life(life)?;
        if len > FILE_BYTES_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let turn = self.turn(Operation::Write, 0)?;
        if turn.fails {
            self.effects.write_errors += 1;
            return Err(Failure::Injected.into());
        }
        let file = self.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        file.set_len(turn.start, len);
        let (first_gone, rest) = split(len.next_multiple_of(PAGE_BYTES as u64));
        debug_assert_eq!(rest, 0);
        let rotten = &mut self.trouble.rotten;
        rotten.retain(|(file, number)| *file != id || *number < first_gone);
        Ok(())
    }

    pub(crate) fn sync(&mut self, life: u64, id: FileId) -> io::Result<()> {
        self.check_life(life)?;
        let turn = self.turn(Operation::Sync, 0)?;
        let lying = self.trouble.faults.lying_sync;
        let lies = lying > 0.0 && self.rng.random_bool(lying.min(1.0));
        let drops = self.trouble.faults.sync_error_drops;
        let file = self.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        let is_synced = file.is_synced();
        if turn.fails {
            self.effects.sync_errors += 1;
            if drops {
                file.settle(turn.start);
                file.give_up(&mut self.rng);
            }
            return Err(Failure::Injected.into());
        }
        self.sync_count += 1;
        if lies && !is_synced {
            self.effects.lies += 1;
            file.lie(turn.start);
        } else {
            file.sync(turn.start, turn.end);
        }
        Ok(())
    }

    pub(crate) fn unlock(&mut self, life: u64, id: FileId) {
        if life == self.life
            && let Some(file) = self.files.get_mut(&id)
        {
            file.is_open = false;
            self.forget_nameless();
        }
    }

    /// Takes the disk's next free moment for an operation.
    fn turn(&mut self, operation: Operation, bytes: usize) -> io::Result<Turn> {
        self.check_power()?;
        if operation != Operation::Read {
            self.count_change()?;
        }
        let latency = match operation {
            Operation::Read => self.options.read_us.clone(),
            Operation::Write => self.options.write_us.clone(),
            Operation::Sync => self.options.sync_us.clone(),
        };
        let mut cost = self.draw_latency(latency);
        if let Some(nanos) = (bytes as u64)
            .saturating_mul(1_000_000_000)
            .checked_div(self.options.bytes_per_s)
        {
            cost += Duration::from_nanos(nanos);
        }
        let factor = self.trouble.faults.slow_factor;
        if factor > 1.0 && !cost.is_zero() {
            self.effects.slowed += 1;
            cost = cost.mul_f64(factor);
        }
        let start = self.time.now.max(self.time.free_at);
        let end = start + cost;
        self.time.free_at = end;
        self.time.is_owed = true;
        let fails = self.draw_failure(operation);
        Ok(Turn { start, end, fails })
    }

    /// Takes a moment for a change of names, which takes a sync.
    fn name_turn(&mut self) -> io::Result<Turn> {
        let write = self.turn(Operation::Write, 0)?;
        if write.fails {
            self.effects.write_errors += 1;
            return Err(Failure::Injected.into());
        }
        let sync = self.draw_latency(self.options.sync_us.clone());
        let end = write.end + sync.mul_f64(self.trouble.faults.slow_factor.max(1.0));
        self.time.free_at = end;
        Ok(Turn { end, ..write })
    }

    fn draw_latency(&mut self, micros: RangeInclusive<u32>) -> Duration {
        let drawn = if micros.start() < micros.end() {
            self.rng.random_range(micros)
        } else {
            *micros.start()
        };
        Duration::from_micros(drawn.into())
    }

    fn draw_failure(&mut self, operation: Operation) -> bool {
        let trouble = &mut self.trouble;
        if operation != Operation::Read
            && let Some(left) = &mut trouble.changes_before_failure
        {
            if *left == 0 {
                return true;
            }
            *left -= 1;
        }
        let (left, chance) = match operation {
            Operation::Read => (&mut trouble.reads_to_fail, trouble.faults.read_error),
            Operation::Write => (&mut trouble.writes_to_fail, trouble.faults.write_error),
            Operation::Sync => (&mut trouble.syncs_to_fail, trouble.faults.sync_error),
        };
        if *left > 0 {
            *left -= 1;
            return true;
        }
        chance > 0.0 && self.rng.random_bool(chance.min(1.0))
    }

    fn count_change(&mut self) -> io::Result<()> {
        match &mut self.trouble.changes_before_cut {
            Some(0) => {
                self.trouble.cut_at = Some(self.time.now.max(self.time.free_at));
                self.check_power()
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn check_power(&mut self) -> io::Result<()> {
        if self.trouble.cut_at.is_some() {
            self.effects.cut_off += 1;
            return Err(Failure::PowerCut.into());
        }
        Ok(())
    }

    fn check_life(&mut self, life: u64) -> io::Result<()> {
        if life != self.life {
            self.effects.stale_calls += 1;
            return Err(Failure::Crashed.into());
        }
        Ok(())
    }

    fn stored(&self, id: FileId) -> io::Result<&Stored> {
        self.files
            .get(&id)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn named(&self, name: &str) -> io::Result<FileId> {
        let id = self.names.live().get(name).copied();
        id.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn new_file(&mut self) -> FileId {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, Stored::default());
        id
    }

    fn change_names(&mut self, turn: &Turn, change: NameChange) {
        self.names.change(turn.start, turn.end, change);
    }

    /// Frees what no name leads to and nobody has open.
    fn forget_nameless(&mut self) {
        let named = self.names.files();
        self.files
            .retain(|id, file| file.is_open || named.contains(id));
        let files = &self.files;
        self.trouble.rotten.retain(|(id, _)| files.contains_key(id));
    }
}
