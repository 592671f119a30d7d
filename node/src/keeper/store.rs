//! A keeper's items on the disk.
//!
//! [`RedbStore`] does what [`MemoryStore`] does, durably: one
//! batch of operations is one transaction, committed in two phases with an fsync each, so that
//! whatever [`RedbStore::apply`] returned outlives a power cut.
//!
//! An error closes the store until it is opened again ([`KeeperStore::reopen`]): after a failed fsync it is
//! unknown what is on the disk, and the kernel does not say it twice. What would run into a full disk is
//! refused before, where that can be known: then what is stored can be read on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use redb::{
    Builder, Database, Durability, Error, ReadableDatabase, ReadableTable as _,
    ReadableTableMetadata as _, StorageBackend, TableHandle as _,
};
use restante_proto::{
    keeper::{
        ElementKey, ElementPage, Expired, HoldingKey, HoldingsPage, ItemStore, MemoryStore,
        StoreError, StoreOp, StoreOutcome, Usage, rules,
    },
    time::UnixMillis,
};

mod batch;
mod error;
mod file;
mod packs;
mod reader;
mod room;
mod salvage;
mod tables;
#[cfg(test)]
mod tests;
mod upkeep;

pub use self::file::{OpenReport, Salvaged};
use self::{
    batch::Batch,
    error::{guarded, io_error},
    packs::Sums,
    reader::{Reader, Snapshot},
    room::{CappedFile, FreePages, Room},
    tables::{
        FORMAT, INDEX, KEY_BYTES, META, META_BYTES, META_CHANGED, META_FORMAT, META_FREE,
        META_ITEMS, META_NEXT, META_PACK_BYTES, META_STALE, META_SWEPT, META_TOMBSTONES, PACKS,
        Pointer, TALLIES, TOMBSTONES,
    },
    upkeep::Upkeep,
};

/// How much of the file redb keeps in memory, at most.
///
/// # Units
///
/// Bytes. redb's own default is 1 GiB; the index of a GiB of small envelopes fits into this.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// The same for a storage that is no file: it lies in memory, or sees to its own speed.
///
/// # Units
///
/// Bytes.
const BACKEND_CACHE_BYTES: usize = 256 * 1024;

/// Damaged items remembered for the next sweep, at most; the rest is found again when it is next
/// asked for.
const DAMAGED_COUNT_MAX: usize = 1_024;

/// Why a store cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the keeper's store is in use by another process")]
    InUse,
    /// It was written by another version, or is some other database.
    #[error("the keeper's store has format {}, this version knows format {FORMAT}", show(*.found))]
    UnknownFormat {
        /// The format it says it has, if it says any.
        found: Option<u64>,
    },
    /// The disk refused, or what is on it is no sound store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether opening reads the whole file, about a second for each GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Trust what was committed.
    Trust,
    /// Verify the checksum of every page, and find damage before it is served or built upon.
    Whole,
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Transactions committed.
    pub commits: u64,
    /// Items found damaged when read, dropped from the answer and then from the store; each counts
    /// once a read.
    pub damaged_items: u64,
}

/// A store as the keeper's task needs it.
pub trait KeeperStore: ItemStore + Send + 'static {
    /// Opens the store again after it has failed, with everything that was acknowledged.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it still takes nothing in.
    fn reopen(&mut self) -> Result<(), StoreError>;

    /// Returns what it did since it was opened.
    fn counters(&self) -> StoreCounters {
        StoreCounters::default()
    }
}

impl KeeperStore for MemoryStore {
    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Items on the disk; see the module's documentation.
pub struct RedbStore {
    /// `None` once closed.
    database: Option<Database>,
    sums: Sums,
    error: OnceLock<StoreError>,
    damaged: BTreeSet<ElementKey>,
    counters: StoreCounters,
    upkeep: Upkeep,
    /// The file and how much it may take, if it is a file.
    file: Option<CappedFile>,
    /// Where it is opened again.
    source: Source,
    /// A file that is there while the store is open, and stays after a crash or an error.
    mark: Option<PathBuf>,
}

/// Where a store is.
enum Source {
    /// In the file at this path.
    File(PathBuf),
    /// On a storage that can be had once more.
    Backend(Box<dyn Fn() -> Result<RedbStore, OpenError> + Send>),
    /// It has no place of its own yet.
    Nowhere,
}

impl RedbStore {
    /// Opens a store on a storage of any kind, or makes one on an empty one, that takes up to
    /// `cap_bytes`. `storage` is asked for it now, and once more whenever the store is opened again.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Never panics, whatever the storage holds.
    pub fn open_on<B: StorageBackend>(
        storage: impl Fn() -> std::io::Result<B> + Send + 'static,
        cap_bytes: u64,
        check: Check,
    ) -> Result<Self, OpenError> {
        let open = move |check| {
            let backend = storage().map_err(|error| io_error(&error))?;
            Self::open_cached(backend, BACKEND_CACHE_BYTES, cap_bytes, check)
        };
        let mut store = open(check)?;
        store.source = Source::Backend(Box::new(move || open(Check::Whole)));
        Ok(store)
    }

    fn open_cached(
        backend: impl StorageBackend,
        cache_bytes: usize,
        cap_bytes: u64,
        check: Check,
    ) -> Result<Self, OpenError> {
        let opened = guarded(|| {
            let opened = Builder::new()
                .set_cache_size(cache_bytes)
                .set_check_integrity_on_open(check == Check::Whole)
                .create_with_backend(backend);
            match opened {
                Err(error) => match error.into() {
                    Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => Ok(None),
                    error => Err(error),
                },
                Ok(database) => Ok(Some(database)),
            }
        })?;
        let database = opened.ok_or(OpenError::InUse)?;
        let mut store = Self {
            database: Some(database),
            sums: Sums::default(),
            error: OnceLock::new(),
            damaged: BTreeSet::new(),
            counters: StoreCounters::default(),
            upkeep: Upkeep::default(),
            file: None,
            source: Source::Nowhere,
            mark: None,
        };
        store.sums = match store.load()? {
            Loaded::Sums(sums) => sums,
            Loaded::Nothing => {
                store.initialise()?;
                Sums::default()
            }
            Loaded::Format(found) => return Err(OpenError::UnknownFormat { found }),
        };
        store.sums.usage.cap_bytes = cap_bytes;
        Ok(store)
    }

    /// Returns why nothing can be stored or read before the store is opened again, if that is so.
    pub fn error(&self) -> Option<&StoreError> {
        self.error.get()
    }

    /// Closes what has failed and takes the place of it with what is on the disk.
    fn open_again(&mut self) -> Result<(), StoreError> {
        // What was committed is there; whether closing works says nothing. The file is locked until then.
        let mark = self.mark.take();
        let _failed = self.shut_down();
        (self.mark, self.file) = (mark, None);
        let opened = match &self.source {
            Source::File(path) => file::reopen(path, self.sums.usage.cap_bytes),
            Source::Backend(open) => open(),
            Source::Nowhere => return Err(StoreError::Io("it has no place".into())),
        };
        let mut opened = opened.map_err(|error| match error {
            OpenError::Store(error) => error,
            OpenError::UnknownFormat { .. } => StoreError::Damaged(error.to_string()),
            OpenError::InUse => StoreError::Io(error.to_string()),
        })?;
        self.database = opened.database.take();
        self.file = opened.file.take();
        self.sums = opened.sums;
        self.error = OnceLock::new();
        self.upkeep = Upkeep::default();
        if let Some(mark) = &self.mark {
            file::trust(mark);
        }
        Ok(())
    }

    /// Returns what may be added to the file, unless the disk has no room for what a transaction rewrites.
    fn room(&self) -> Result<Option<Room>, StoreError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let room = file
            .room()
            .map_err(|error| self.error.get_or_init(|| error).clone())?;
        if room.is_disk_full() {
            return Err(StoreError::DiskFull);
        }
        Ok(Some(room))
    }

    /// Closes the store, so that the next start finds it cleanly shut down.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; whatever was committed stays so.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.shut_down()
    }

    /// Counts everything anew and tells what the sums should be; a test compares them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    pub fn recount(&self) -> Result<Usage, StoreError> {
        let mut sums = Sums::default();
        sums.usage.cap_bytes = self.sums.usage.cap_bytes;
        self.watch(|| {
            let tx = self.database()?.begin_read()?;
            let tallies = tx.open_table(TALLIES)?;
            for entry in tx.open_table(INDEX)?.iter()? {
                let (key, value) = entry?;
                let pointer = Pointer::from_value(value.value());
                let key = ElementKey::from_bytes(key.value());
                let is_left_over = self.sums.stale > 0 && tallies.get(pointer.pack())?.is_none();
                if let Some(key) = key.filter(|_| !is_left_over) {
                    sums.usage.add(key.kind, u64::from(pointer.size_bytes));
                }
            }
            Ok(sums.usage)
        })
    }

    fn load(&self) -> Result<Loaded, StoreError> {
        self.watch(|| {
            let tx = self.database()?.begin_read()?;
            let tables: BTreeSet<String> = tx
                .list_tables()?
                .map(|table| table.name().to_owned())
                .collect();
            if tables.is_empty() {
                return Ok(Loaded::Nothing);
            }
            if !tables.contains(META.name()) {
                return Ok(Loaded::Format(None));
            }
            let meta = tx.open_table(META)?;
            let format = meta.get(META_FORMAT)?.map(|format| format.value());
            if format != Some(FORMAT) {
                return Ok(Loaded::Format(format));
            }
            let number = |word| -> Result<u64, Error> {
                let found = meta.get(word)?.map(|number| number.value());
                found.ok_or_else(|| Error::Corrupted("its sums are missing".into()))
            };
            let usage = Usage {
                items: number(META_ITEMS)?,
                bytes: number(META_BYTES)?,
                tombstones: number(META_TOMBSTONES)?,
                cap_bytes: 0,
            };
            let mut free = FreePages::default();
            for (word, count) in META_FREE.into_iter().zip(&mut free.0) {
                *count = number(word)?;
            }
            Ok(Loaded::Sums(Sums {
                usage,
                next: number(META_NEXT)?,
                changed: UnixMillis::new(number(META_CHANGED)?),
                pack_bytes: number(META_PACK_BYTES)?,
                lines: tx.open_table(INDEX)?.len()?,
                stale: number(META_STALE)?,
                swept: UnixMillis::new(number(META_SWEPT)?),
                free,
            }))
        })
    }

    fn initialise(&self) -> Result<(), StoreError> {
        self.watch(|| {
            let tx = begin_durable(self.database()?)?;
            tx.open_table(META)?.insert(META_FORMAT, FORMAT)?;
            Batch::open(&tx, UnixMillis::default(), Sums::default(), None)?.finish(&tx)?;
            tx.commit()?;
            Ok(())
        })
    }

    /// Runs `work` on a snapshot; returns with it which items it found damaged.
    fn read<T>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, Error>,
    ) -> Result<(T, Vec<ElementKey>), StoreError> {
        self.watch(|| {
            let tx = self.database()?.begin_read()?;
            let reader = Reader {
                packs: &tx.open_table(PACKS)?,
                tombstones: &tx.open_table(TOMBSTONES)?,
                tallies: &tx.open_table(TALLIES)?,
                index: &tx.open_table(INDEX)?,
                open: None,
                swept: self.sums.swept_if_stale(),
            };
            let damaged = Vec::new();
            let mut snapshot = Snapshot { reader, damaged };
            let done = work(&mut snapshot)?;
            Ok((done, snapshot.damaged))
        })
    }

    /// Runs `work` in a transaction; when this returns, what it changed is durable.
    fn write<T>(
        &mut self,
        now: UnixMillis,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        if let Some(error) = self.error.get() {
            return Err(error.clone());
        }
        let room = self.room()?;
        let (done, sums, damaged) = self.watch(|| {
            let tx = begin_durable(self.database()?)?;
            let mut batch = Batch::open(&tx, now, self.sums, room)?;
            let done = work(&mut batch)?;
            let damaged = std::mem::take(&mut batch.damaged);
            let sums = if batch.changed {
                let sums = batch.finish(&tx)?;
                tx.commit()?;
                Some(sums)
            } else {
                // Nothing to make durable: what the outcomes tell of was committed before.
                drop(batch);
                tx.abort()?;
                None
            };
            Ok((done, sums, damaged))
        })?;
        if let Some(sums) = sums {
            self.upkeep.forget_first();
            self.sums = sums;
            self.counters.commits += 1;
        }
        self.note_damaged(damaged);
        Ok(done)
    }

    /// Runs calls into redb; the first error closes the store for writing.
    fn watch<T>(&self, calls: impl FnOnce() -> Result<T, Error>) -> Result<T, StoreError> {
        guarded(calls).map_err(|error| {
            let first = self.error.get_or_init(|| {
                if let Some(mark) = &self.mark {
                    file::distrust(mark);
                }
                error
            });
            first.clone()
        })
    }

    fn shut_down(&mut self) -> Result<(), StoreError> {
        let Some(database) = self.database.take() else {
            return Ok(());
        };
        if let Some(error @ StoreError::Damaged(_)) = self.error.get() {
            // Closing writes, and on pages that contradict each other redb can panic while it
            // panics.
            std::mem::forget(database);
            return Err(error.clone());
        }
        self.watch(|| Ok(database.close()?))?;
        if let Some(mark) = self.mark.take().filter(|_| self.error.get().is_none()) {
            // A mark that stays makes the next start read more than it needs to.
            let _stays = std::fs::remove_file(mark);
        }
        Ok(())
    }

    fn note_damaged(&mut self, keys: Vec<ElementKey>) {
        self.counters.damaged_items += keys.len() as u64;
        let room = DAMAGED_COUNT_MAX.saturating_sub(self.damaged.len());
        self.damaged.extend(keys.into_iter().take(room));
    }

    fn database(&self) -> Result<&Database, Error> {
        self.database.as_ref().ok_or(Error::DatabaseClosed)
    }
}

impl ItemStore for RedbStore {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        if ops.iter().any(StoreOp::may_change) {
            return self.write(now, |batch| {
                let ops = ops.into_iter();
                ops.map(|op| rules::apply(batch, now, op)).collect()
            });
        }
        let (outcomes, damaged) = self.read(|rows| {
            let answers = ops.iter().map(|op| rules::answer(rows, now, op));
            // Each of them is answered, since none of them changes anything.
            answers
                .map(|answer| Ok(answer?.unwrap_or(StoreOutcome::Unknown)))
                .collect()
        })?;
        self.note_damaged(damaged);
        Ok(outcomes)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.keep_up(now, limit)
    }

    fn usage(&self) -> Usage {
        self.sums.usage
    }

    fn changed(&self) -> UnixMillis {
        self.sums.changed
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreError> {
        let page = self.read(|rows| rules::holdings(rows, now, after, limit));
        Ok(page?.0)
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        let page = self.read(|rows| rules::elements(rows, now, after, limit));
        Ok(page?.0)
    }
}

impl KeeperStore for RedbStore {
    fn reopen(&mut self) -> Result<(), StoreError> {
        match self.error.get() {
            Some(error) if !error.may_pass() => return Err(error.clone()),
            Some(_) => self.open_again()?,
            None => {}
        }
        // A full disk can be read; it is not written to before there is room.
        self.room().map(drop)
    }

    fn counters(&self) -> StoreCounters {
        self.counters
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // What was committed is on the disk; a failure here costs the next start a repair.
        let _unclean = self.shut_down();
    }
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore")
            .field("usage", &self.sums.usage)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What was found when a store was opened.
enum Loaded {
    Sums(Sums),
    Nothing,
    Format(Option<u64>),
}

/// Begins a transaction whose commit returns once everything is on the disk.
fn begin_durable(database: &Database) -> Result<redb::WriteTransaction, Error> {
    let mut tx = database.begin_write()?;
    tx.set_durability(Durability::Immediate)?;
    // Strangers choose what is written: one phase trusts a checksum that they could aim at.
    tx.set_two_phase_commit(true);
    Ok(tx)
}

fn show(format: Option<u64>) -> String {
    format.map_or_else(|| "unknown".to_owned(), |format| format.to_string())
}
