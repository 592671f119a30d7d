//! A disk in memory that loses unsynced writes, tears them, fills up and fails, for tests.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;

use super::disk::BlockFile;

/// A handle on one simulated file; clones are handles on the same file.
#[derive(Debug, Clone, Default)]
pub(super) struct TestDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    blocks: BTreeSet<u64>,
    capacity_blocks: Option<usize>,
    calls_until_failure: Option<u64>,
    lies_about_sync: bool,
    sync_count: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

const BLOCK_BYTES: u64 = 4096;

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

    /// What is left after a power cut: everything synced, and any part of the rest.
    pub(super) fn after_power_cut(&self, rng: &mut StdRng) -> Self {
        let state = self.state();
        let mut bytes = state.durable.clone();
        let kept_percent = *[0, 10, 50, 90, 100]
            .get(rng.random_range(0..5_usize))
            .unwrap();
        for change in &state.unsynced {
            match change {
                Change::SetLen(length) if rng.random_range(0..100) < kept_percent => {
                    bytes.resize(*length as usize, 0);
                }
                Change::SetLen(_) => {}
                Change::Write(offset, written) => {
                    tear(&mut bytes, *offset as usize, written, kept_percent, rng);
                }
            }
        }
        Self::with_bytes(bytes)
    }

    /// Lets the next `calls` writes, growths and syncs succeed, and no later one.
    pub(super) fn fail_after(&self, calls: u64) {
        self.state().calls_until_failure = Some(calls);
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.calls_until_failure = None;
        state.capacity_blocks = None;
    }

    /// Leaves room for `blocks` more blocks of 4 KiB than are in use now.
    pub(super) fn leave_room(&self, blocks: usize) {
        let mut state = self.state();
        state.capacity_blocks = Some(state.blocks.len() + blocks);
    }

    /// Makes every later sync succeed without doing anything.
    pub(super) fn lie_about_sync(&self) {
        self.state().lies_about_sync = true;
    }

    /// Changes a byte behind the program's back.
    pub(super) fn corrupt(&self, at: usize, flip: u8) {
        let mut state = self.state();
        if let Some(byte) = state.live.get_mut(at) {
            *byte ^= flip;
        }
    }

    pub(super) fn sync_count(&self) -> u64 {
        self.state().sync_count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn may_fail(&mut self) -> io::Result<()> {
        match &mut self.calls_until_failure {
            Some(0) => Err(io::Error::other("the simulated disk failed")),
            Some(calls) => {
                *calls -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(out.len());
        let bytes = self.live.get(start..end).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.may_fail()?;
        // A disk that fills up in the middle of a write keeps the blocks before.
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let block = at / BLOCK_BYTES;
            let full = self
                .capacity_blocks
                .is_some_and(|blocks| self.blocks.len() >= blocks);
            if full && !self.blocks.contains(&block) {
                return Err(ErrorKind::StorageFull.into());
            }
            self.blocks.insert(block);
            let step = (BLOCK_BYTES - at % BLOCK_BYTES).min((bytes.len() - done) as u64) as usize;
            let piece = &bytes[done..done + step];
            put(&mut self.live, at as usize, piece);
            self.unsynced.push(Change::Write(at, piece.to_vec()));
            done += step;
        }
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.may_fail()?;
        if length > 1 << 34 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.live.resize(length as usize, 0);
        self.blocks.retain(|block| block * BLOCK_BYTES < length);
        self.unsynced.push(Change::SetLen(length));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.may_fail()?;
        self.sync_count += 1;
        if !self.lies_about_sync {
            for change in std::mem::take(&mut self.unsynced) {
                match change {
                    Change::Write(offset, bytes) => {
                        put(&mut self.durable, offset as usize, &bytes);
                    }
                    Change::SetLen(length) => self.durable.resize(length as usize, 0),
                }
            }
        }
        Ok(())
    }
}

impl BlockFile for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state().read(offset, out)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.state().write(offset, bytes)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.state().set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.state().sync()
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state().read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.state().set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state().sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.state().write(offset, bytes)
    }
}

/// A generator for a test, the same on every run.
pub(super) fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Returns whether `needle` lies anywhere in `haystack`.
pub(super) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fn put(bytes: &mut Vec<u8>, offset: usize, piece: &[u8]) {
    let end = offset + piece.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(piece);
}

/// Keeps some sectors of 512 bytes of a write, and cuts some of them in the middle.
fn tear(bytes: &mut Vec<u8>, offset: usize, written: &[u8], kept_percent: u32, rng: &mut StdRng) {
    let mut at = 0;
    while at < written.len() {
        let step = (512 - (offset + at) % 512).min(written.len() - at);
        if rng.random_range(0..100) < kept_percent {
            let torn = kept_percent < 100 && rng.random_range(0..8) == 0;
            let kept = if torn {
                rng.random_range(0..=step)
            } else {
                step
            };
            put(bytes, offset + at, &written[at..at + kept]);
        }
        at += step;
    }
}
