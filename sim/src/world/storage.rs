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
use restante_proto::keeper::{
    ElementKey, ElementPage, Expired, HoldingKey, HoldingsPage, ItemStore, MemoryStore, StoreError,
    StoreOp, StoreOutcome, Usage,
};
use restante_proto::time::UnixMillis;
use restante_sim_disk::{CrashEffect, Disk, Image};

use crate::random::Random;

const PEERS_FILE: &str = "peers.json";

/// The storage of a machine; clones are the same.
#[derive(Clone)]
pub(super) enum Storage {
    /// Files, on which the real databases are.
    Files(Disk),
    /// Tables: each operation takes place as a whole or not at all.
    Tables(Tables),
}

/// A storage as it was once.
pub(super) enum Snapshot {
    Files(Image),
    Tables(Box<(MemoryStore, Option<MemoryDisk>)>),
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
}

/// The power is cut.
struct NoPower;

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

    /// Returns what is stored now.
    pub(super) fn snapshot(&self) -> Snapshot {
        match self {
            Self::Files(disk) => Snapshot::Files(disk.image()),
            Self::Tables(tables) => {
                let content = tables.lock();
                Snapshot::Tables(Box::new((content.items.clone(), content.account.clone())))
            }
        }
    }

    /// Puts back what was stored once.
    pub(super) fn restore(&self, snapshot: Snapshot) {
        match (self, snapshot) {
            (Self::Files(disk), Snapshot::Files(image)) => disk.restore(&image),
            (Self::Tables(tables), Snapshot::Tables(once)) => {
                let mut content = tables.lock();
                (content.items, content.account) = *once;
            }
            _ => {}
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

impl Content {
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
        content.commit().map_err(AccountStoreError::from)?;
        Ok(content.account()?.commit(changes))
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
        content.commit()?;
        content.items.apply(now, ops)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.0.lock().items.sweep(now, limit)
    }

    fn usage(&self) -> Usage {
        self.0.lock().items.usage()
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

impl KeeperStore for TableStore {}

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
