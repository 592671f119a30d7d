//! What lasts of a machine from one process to the next: files of a simulated disk, or tables in memory.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restante::account::{AccountDisk, AccountStoreError};
use restante::keeper::store::KeeperStore;
use restante::node::PeerList;
use restante::vault::{DbError, DiskError};
use restante_client::CommitError;
use restante_client::memory::MemoryDisk;
use restante_client::model::{Account, Slot};
use restante_client::records::{Change, Loaded};
use restante_interface::StoreTrouble;
use restante_proto::keeper::{
    ElementKey, ElementPage, Expired, HoldingKey, HoldingsPage, ItemStore, MemoryStore, StoreError,
    StoreOp, StoreOutcome, Usage,
};
use restante_proto::time::UnixMillis;
use restante_sim_disk::{CrashEffect, Disk, DiskOptions, Effects, Faults, Image};

use super::machine::{HOME_FILES, KEEPER_FILE};
use crate::random::Random;
use crate::scenario::DiskTrouble;

const PEERS_FILE: &str = "peers.json";
/// How much longer everything takes on a slow disk.
const SLOW_FACTOR: f64 = 100.0;
/// Bits that flip on a disk that rots.
const ROTTEN_BITS: usize = 8;
/// One commit to tables in so many fails while their disk does.
const FAILURE_ONE_IN: u64 = 8;

/// The storage of a machine; clones are the same.
#[derive(Clone)]
pub(super) enum Storage {
    /// Files, on which the real databases are.
    Files(Disk),
    /// Tables: each operation takes place as a whole or not at all.
    Tables(Tables),
}

/// A home as it was once; what is kept for others beside it is not in it.
pub(super) enum Snapshot {
    Files(Image),
    Tables(Option<Box<MemoryDisk>>),
}

/// Tables in memory; clones are the same.
#[derive(Clone)]
pub(super) struct Tables(Arc<Mutex<Content>>);

struct Content {
    items: MemoryStore,
    account: Option<MemoryDisk>,
    /// How long a commit takes, in microseconds.
    sync_us: RangeInclusive<u64>,
    random: Random,
    /// What was done since it was asked last takes so long.
    cost: Duration,
    /// Commits until the power is cut.
    power: Option<u64>,
    /// Commits that the power cut has kept from taking place.
    refused: u64,
    /// What is wrong with the disk that the tables stand for.
    trouble: Option<DiskTrouble>,
    effects: Effects,
}

/// The power is cut.
struct NoPower;

/// What becomes of a commit to tables.
enum Fate {
    Done,
    NoPower,
    /// It is not begun.
    Full,
    /// It is said to fail, and took place or not.
    Fails {
        took_place: bool,
    },
}

impl Storage {
    pub(super) fn files(&self) -> Option<&Disk> {
        match self {
            Self::Files(disk) => Some(disk),
            Self::Tables(_) => None,
        }
    }

    /// Cuts the power after so many more writes.
    pub(super) fn cut_power_after(&self, writes: u64) {
        match self {
            Self::Files(disk) => disk.cut_power_after(writes),
            Self::Tables(tables) => tables.lock().power = Some(writes),
        }
    }

    pub(super) fn is_power_cut(&self) -> bool {
        match self {
            Self::Files(disk) => disk.is_power_cut(),
            Self::Tables(tables) => tables.lock().power == Some(0),
        }
    }

    /// Ends what is under way, as a power cut does, and puts the power on again; returns what that did.
    pub(super) fn crash(&self) -> CrashEffect {
        match self {
            Self::Files(disk) => disk.crash(),
            Self::Tables(tables) => {
                let mut content = tables.lock();
                content.power = None;
                let mut effect = CrashEffect::default();
                effect.unissued_writes = std::mem::take(&mut content.refused);
                effect
            }
        }
    }

    /// Returns the home as it is now.
    pub(super) fn snapshot(&self) -> Snapshot {
        match self {
            Self::Files(disk) => Snapshot::Files(disk.image()),
            Self::Tables(tables) => Snapshot::Tables(tables.lock().account.clone().map(Box::new)),
        }
    }

    /// Puts a home back to what it was once.
    pub(super) fn restore(&self, snapshot: Snapshot) {
        match (self, snapshot) {
            (Self::Files(disk), Snapshot::Files(image)) => disk.restore(&image, &HOME_FILES),
            (Self::Tables(tables), Snapshot::Tables(once)) => {
                tables.lock().account = once.map(|once| *once);
            }
            _ => {}
        }
    }

    /// Returns an empty storage of the same kind, on a disk without faults.
    pub(super) fn another(&self, mut random: Random, base: tokio::time::Instant) -> Self {
        match self {
            Self::Files(_) => {
                let seed = u64::from_be_bytes(random.bytes());
                let now = move || base.elapsed();
                Self::Files(Disk::new(seed, DiskOptions::default(), now))
            }
            Self::Tables(tables) => {
                let (cap, sync_us) = (u64::MAX, tables.lock().sync_us.clone());
                Self::Tables(Tables::new(cap, sync_us, random))
            }
        }
    }

    /// Lets something be wrong with the disk from now on; returns how it is called.
    pub(super) fn spoil(&self, what: DiskTrouble) -> &'static str {
        match self {
            Self::Files(disk) => spoil(disk, what),
            Self::Tables(tables) => tables.lock().trouble = Some(what),
        }
        match what {
            DiskTrouble::Full => "full",
            DiskTrouble::Slow => "slow",
            DiskTrouble::Errors => "failing",
            DiskTrouble::LostSyncs => "lying",
            DiskTrouble::Rot => "rotting",
        }
    }

    /// Puts the disk in order.
    pub(super) fn mend(&self) {
        match self {
            Self::Files(disk) => {
                disk.set_faults(Faults::default());
                disk.set_capacity(DiskOptions::default().capacity_bytes);
            }
            Self::Tables(tables) => tables.lock().trouble = None,
        }
    }

    /// Returns how often each fault changed something.
    pub(super) fn effects(&self) -> Effects {
        match self {
            Self::Files(disk) => disk.effects(),
            Self::Tables(tables) => tables.lock().effects,
        }
    }

    /// Closes what a process has left open.
    pub(super) fn close_all(&self) {
        if let Self::Files(disk) = self {
            disk.close_all();
        }
    }

    /// Makes all that was written last, long before the run.
    pub(super) fn settle(&self) {
        if let Self::Files(disk) = self {
            disk.settle();
        }
    }

    /// Returns how long what was done since the last call takes.
    pub(super) fn take_cost(&self) -> Duration {
        match self {
            Self::Files(disk) => disk.take_cost(),
            Self::Tables(tables) => std::mem::take(&mut tables.lock().cost),
        }
    }
}

impl Tables {
    pub(super) fn new(cap_bytes: u64, sync_us: RangeInclusive<u64>, random: Random) -> Self {
        Self(Arc::new(Mutex::new(Content {
            items: MemoryStore::new(cap_bytes),
            account: None,
            sync_us,
            random,
            cost: Duration::ZERO,
            power: None,
            refused: 0,
            trouble: None,
            effects: Effects::default(),
        })))
    }

    /// Puts an account on empty tables.
    pub(super) fn put_account(&self, account: Account) {
        self.lock().account = Some(MemoryDisk::new(account));
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // A panic elsewhere ends the run anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spoil(disk: &Disk, what: DiskTrouble) {
    let faults = Faults::default();
    match what {
        DiskTrouble::Full => disk.set_capacity(disk.used_bytes()),
        DiskTrouble::Slow => disk.set_faults(Faults {
            slow_factor: SLOW_FACTOR,
            ..faults
        }),
        DiskTrouble::Errors => disk.set_faults(Faults {
            read_error: 0.002,
            write_error: 0.02,
            sync_error: 0.1,
            ..faults
        }),
        DiskTrouble::LostSyncs => disk.set_faults(Faults {
            lying_sync: 1.0,
            ..faults
        }),
        DiskTrouble::Rot => {
            disk.rot(KEEPER_FILE, ROTTEN_BITS);
        }
    }
}

impl Content {
    /// Decides what becomes of a commit.
    fn fate(&mut self, changes: bool) -> Fate {
        if self.commit().is_err() {
            return Fate::NoPower;
        }
        match self.trouble {
            Some(DiskTrouble::Full) if changes => {
                self.effects.full += 1;
                Fate::Full
            }
            Some(DiskTrouble::Errors) if self.random.between(1, FAILURE_ONE_IN) == 1 => {
                self.effects.sync_errors += 1;
                let took_place = self.random.between(0, 1) == 1;
                Fate::Fails { took_place }
            }
            _ => Fate::Done,
        }
    }

    /// Takes note of a commit, unless the power is cut before it.
    fn commit(&mut self) -> Result<(), NoPower> {
        if let Some(left) = &mut self.power {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.refused += 1;
                return Err(NoPower);
            }
        }
        let (shortest, longest) = (*self.sync_us.start(), *self.sync_us.end());
        self.cost += Duration::from_micros(self.random.between(shortest, longest));
        Ok(())
    }

    fn account(&mut self) -> Result<&mut MemoryDisk, AccountStoreError> {
        self.account.as_mut().ok_or(AccountStoreError::NoAccount)
    }
}

impl From<NoPower> for AccountStoreError {
    fn from(_: NoPower) -> Self {
        Self::Db(DbError::Disk(DiskError::Io {
            kind: std::io::ErrorKind::Other,
        }))
    }
}

impl From<NoPower> for StoreError {
    fn from(_: NoPower) -> Self {
        Self::Io("the power is cut".to_owned())
    }
}

impl AccountDisk for Tables {
    fn load(&self) -> Result<Loaded, AccountStoreError> {
        let mut content = self.lock();
        content.commit()?;
        Ok(content.account()?.load())
    }

    fn commit(&self, changes: &[Change]) -> Result<Vec<Slot>, CommitError> {
        let mut content = self.lock();
        let fate = content.fate(true);
        let failed = |why: &str| {
            let why = why.to_owned();
            Err(CommitError::of(StoreTrouble::DiskFailed { why }, true))
        };
        let account = content.account().map_err(|error| CommitError {
            why: error.to_string(),
            trouble: None,
            in_doubt: false,
        })?;
        match fate {
            Fate::Done => Ok(account.commit(changes)),
            Fate::NoPower => failed("the power is cut"),
            Fate::Full => Err(CommitError::of(StoreTrouble::DiskFull, false)),
            Fate::Fails { took_place } => {
                if took_place {
                    account.commit(changes);
                }
                failed("a sync failed")
            }
        }
    }

    fn bodies(&self, places: &[(u64, Slot)]) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError> {
        Ok(self.lock().account()?.bodies(places))
    }
}

/// The keeper's store in a machine's tables.
pub(super) struct TableStore(pub(super) Tables);

impl ItemStore for TableStore {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        let mut content = self.0.lock();
        match content.fate(ops.iter().any(StoreOp::may_change)) {
            Fate::Done => content.items.apply(now, ops),
            Fate::NoPower => Err(NoPower.into()),
            Fate::Full => Err(StoreError::DiskFull),
            Fate::Fails { took_place } => {
                if took_place {
                    content.items.apply(now, ops)?;
                }
                Err(StoreError::Io("a sync failed".to_owned()))
            }
        }
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.0.lock().items.sweep(now, limit)
    }

    fn usage(&self) -> Usage {
        self.0.lock().items.usage()
    }

    fn changed(&self) -> UnixMillis {
        self.0.lock().items.changed()
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreError> {
        self.0.lock().items.holdings(now, after, limit)
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        self.0.lock().items.elements(now, after, limit)
    }
}

impl KeeperStore for TableStore {
    fn reopen(&mut self) -> Result<(), StoreError> {
        match self.0.lock().fate(true) {
            Fate::Done => Ok(()),
            Fate::NoPower => Err(NoPower.into()),
            Fate::Full => Err(StoreError::DiskFull),
            Fate::Fails { .. } => Err(StoreError::Io("a sync failed".to_owned())),
        }
    }
}

/// The list of known peers, where a machine has files.
pub(super) struct PeersOnDisk(pub(super) Storage);

impl PeerList for PeersOnDisk {
    fn read(&self) -> Option<Vec<u8>> {
        let disk = self.0.files()?;
        disk.read_small(PEERS_FILE).ok().flatten()
    }

    fn write(&self, text: &[u8]) -> std::io::Result<()> {
        match self.0.files() {
            Some(disk) => disk.write_small(PEERS_FILE, text),
            None => Ok(()),
        }
    }
}
