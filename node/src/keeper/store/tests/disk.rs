//! A disk in memory that loses unsynced writes, tears them, fills up, fails and lies.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use redb::StorageBackend;

const BLOCK_BYTES: u64 = 4_096;
const SECTOR_BYTES: usize = 512;

/// A handle on one simulated file; clones are handles on the same file.
#[derive(Clone, Debug, Default)]
pub(super) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    blocks: BTreeSet<u64>,
    blocks_max: Option<usize>,
    calls_left: Option<u64>,
    lies_every: Option<u64>,
    syncs: u64,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl TestDisk {
    pub(super) fn with_bytes(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state();
            state.blocks = (0..(bytes.len() as u64).div_ceil(BLOCK_BYTES)).collect();
            state.durable.clone_from(&bytes);
            state.live = bytes;
        }
        disk
    }

    /// What a program sees now.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.state().live.clone()
    }

    pub(super) fn length(&self) -> usize {
        self.state().live.len()
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// What is left after a power cut: everything synced, and any part of the rest.
    pub(super) fn after_power_cut(&self, rng: &mut StdRng) -> Self {
        let state = self.state();
        let mut bytes = state.durable.clone();
        let kept_percent = [0, 10, 50, 90, 100][rng.random_range(0..5_usize)];
        for change in &state.unsynced {
            match change {
                Change::SetLen(length) if rng.random_range(0..100) < kept_percent => {
                    bytes.resize(*length, 0);
                }
                Change::SetLen(_) => {}
                Change::Write(offset, written) => {
                    tear(&mut bytes, *offset, written, kept_percent, rng);
                }
            }
        }
        let lies_every = state.lies_every;
        let left = Self::with_bytes(bytes);
        left.state().lies_every = lies_every;
        left
    }

    /// Lets the next `calls` writes, growths and syncs succeed, and no later one.
    pub(super) fn fail_after(&self, calls: u64) {
        self.state().calls_left = Some(calls);
    }

    /// Leaves room for `blocks` more blocks of 4 KiB than are in use now.
    pub(super) fn leave_room(&self, blocks: usize) {
        let mut state = self.state();
        state.blocks_max = Some(state.blocks.len() + blocks);
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.calls_left = None;
        state.blocks_max = None;
    }

    /// Makes one sync in `every` succeed without doing anything.
    pub(super) fn lie(&self, every: u64) {
        self.state().lies_every = Some(every);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => Err(io::Error::other("the simulated disk failed")),
            Some(calls) => {
                *calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.call()?;
        let last = (offset + bytes.len() as u64).div_ceil(BLOCK_BYTES);
        for block in offset / BLOCK_BYTES..last {
            let is_full = self.blocks_max.is_some_and(|max| self.blocks.len() >= max);
            if is_full && !self.blocks.contains(&block) {
                return Err(ErrorKind::StorageFull.into());
            }
            self.blocks.insert(block);
        }
        put(&mut self.live, offset as usize, bytes);
        self.unsynced
            .push(Change::Write(offset as usize, bytes.to_vec()));
        Ok(())
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let state = self.state();
        let bytes = state.live.get(start..start.saturating_add(out.len()));
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        if length > 1 << 32 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        state.live.resize(length as usize, 0);
        state.blocks.retain(|block| block * BLOCK_BYTES < length);
        state.unsynced.push(Change::SetLen(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.syncs += 1;
        if state
            .lies_every
            .is_some_and(|every| state.syncs.is_multiple_of(every))
        {
            return Ok(());
        }
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                Change::Write(offset, bytes) => put(&mut state.durable, offset, &bytes),
                Change::SetLen(length) => state.durable.resize(length, 0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.state().write(offset, bytes)
    }
}

pub(super) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn put(bytes: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    let end = offset + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(piece);
}

/// Keeps some sectors of a write, and cuts some of them in the middle.
fn tear(bytes: &mut Vec<u8>, offset: usize, written: &[u8], kept_percent: u32, rng: &mut StdRng) {
    let mut at = 0;
    while at < written.len() {
        let step = (SECTOR_BYTES - (offset + at) % SECTOR_BYTES).min(written.len() - at);
        if rng.random_range(0..100) < kept_percent {
            let is_torn = kept_percent < 100 && rng.random_range(0..8) == 0;
            let kept = if is_torn {
                rng.random_range(0..=step)
            } else {
                step
            };
            put(bytes, offset + at, &written[at..at + kept]);
        }
        at += step;
    }
}
