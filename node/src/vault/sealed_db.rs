//! A redb database in which every row is encrypted.
//!
//! A reader of the file sees tables under names that are keyed hashes, rows under keys that
//! are keyed hashes, and values of random-looking bytes whose length is a multiple of 64 plus a
//! constant. Rows cannot be changed, moved to another key or moved to another table unnoticed; a
//! row can be removed, and the whole file can be put back to an older state, and neither shows.
//!
//! redb is copy-on-write: an overwritten or removed row stays in the file, encrypted, until its
//! page is used again. What must become unreadable for good belongs under a key of
//! [`super::key_file`].

mod row;
mod transaction;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, StorageBackend};
use tracing::debug;

use super::disk::{self, DiskError};
use super::store_key::StoreKey;
use crate::engine_panic::guarded;

pub use self::row::{Row, Table};
pub use self::transaction::{ReadTx, WriteTx};

/// The longest natural key of a row.
///
/// # Units
///
/// Bytes. Keys are IDs, hashes and counters; this is far above all of them.
pub const ROW_KEY_BYTES_MAX: usize = 1024;

/// The longest value of a row.
///
/// # Units
///
/// Bytes. The largest rows are group states of rooms with 500 members, near 1 MiB.
pub const ROW_VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How much of the file redb keeps in memory, encrypted as it is on the disk.
///
/// # Units
///
/// Bytes. A personal store has tens of MiB; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// The same for a storage that is no file: it lies in memory, or sees to its own speed.
const BACKEND_CACHE_BYTES: usize = 128 * 1024;

/// The table of the database's own rows.
const OWN_TABLE: Table = Table::new("vault");

/// The row that shows that the store key is the right one.
const FORMAT_KEY: &[u8] = b"format";

/// The value of the format row: version 1.
const FORMAT: &[u8] = &[1];

pub struct SealedDb {
    /// Taken when it is closed or dropped, which can panic too.
    database: Option<Database>,
    key: StoreKey,
    nonce_rng: Mutex<StdRng>,
    broken: AtomicBool,
}

/// The database refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    #[error("there is no database file")]
    Missing,
    #[error("a database file is there already")]
    AlreadyThere,
    #[error("the database is in use by another process")]
    InUse,
    #[error("the database belongs to another unlock file")]
    WrongKey,
    #[error("the database file is damaged: {why}")]
    Damaged { why: &'static str },
    #[error("a row of the table {table:?} is damaged")]
    DamagedRow { table: &'static str },
    #[error("a row of the table {table:?} has {got} bytes where the limit is {limit}")]
    TooLong {
        table: &'static str,
        got: usize,
        /// [`ROW_KEY_BYTES_MAX`] or [`ROW_VALUE_BYTES_MAX`].
        limit: usize,
    },
    /// The disk refused or failed; the transaction is there entirely or not at all, which shows
    /// when the database is opened again.
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the database stopped at an earlier failure and must be opened again")]
    NeedsReopen,
}

impl SealedDb {
    /// Creates a database file, which must not exist.
    ///
    /// # Errors
    ///
    /// [`DbError::AlreadyThere`] or [`DbError::Disk`].
    pub fn create<R: CryptoRng + ?Sized>(
        path: &Path,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        let file = disk::create_new(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => DbError::AlreadyThere,
            _ => DiskError::from(error).into(),
        })?;
        let backend = FileBackend::new(file).map_err(open_error)?;
        let made = Self::create_cached(backend, CACHE_BYTES, key, rng)?;
        disk::sync_folder(path).map_err(DiskError::from)?;
        Ok(made)
    }

    /// Opens a database file.
    ///
    /// Reads the whole file to verify redb's checksums: about half a second for each GiB, or what
    /// the disk takes for it.
    ///
    /// # Errors
    ///
    /// Every [`DbError`] but `AlreadyThere`, `DamagedRow`, `TooLong` and `NeedsReopen`. Never
    /// panics, whatever the file holds.
    pub fn open<R: CryptoRng + ?Sized>(
        path: &Path,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        let open = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path);
        let file = open.map_err(|error| match error.kind() {
            ErrorKind::NotFound => DbError::Missing,
            _ => DiskError::from(error).into(),
        })?;
        let backend = FileBackend::new(file).map_err(open_error)?;
        Self::open_cached(backend, CACHE_BYTES, key, rng)
    }

    /// Creates a database on an empty storage of any kind.
    ///
    /// # Errors
    ///
    /// [`DbError::AlreadyThere`] when the storage is not empty, or [`DbError::Disk`].
    pub fn create_with_backend<R: CryptoRng + ?Sized>(
        backend: impl StorageBackend,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        Self::create_cached(backend, BACKEND_CACHE_BYTES, key, rng)
    }

    fn create_cached<R: CryptoRng + ?Sized>(
        backend: impl StorageBackend,
        cache_bytes: usize,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        if backend.len().map_err(DiskError::from)? != 0 {
            return Err(DbError::AlreadyThere);
        }
        let made = Self::start(backend, cache_bytes, key, rng)?;
        made.write(|tx| tx.put(OWN_TABLE, FORMAT_KEY, FORMAT))?;
        Ok(made)
    }

    /// Opens a database on a storage of any kind.
    ///
    /// # Errors
    ///
    /// As [`SealedDb::open`].
    pub fn open_with_backend<R: CryptoRng + ?Sized>(
        backend: impl StorageBackend,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        Self::open_cached(backend, BACKEND_CACHE_BYTES, key, rng)
    }

    fn open_cached<R: CryptoRng + ?Sized>(
        backend: impl StorageBackend,
        cache_bytes: usize,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        if backend.len().map_err(DiskError::from)? == 0 {
            // redb would make a new database of it, and everything would seem to be gone.
            return Err(DbError::Damaged { why: "it is empty" });
        }
        let opened = Self::start(backend, cache_bytes, key, rng)?;
        match opened.read(|tx| tx.get(OWN_TABLE, FORMAT_KEY)) {
            Ok(Some(format)) if format.as_slice() == FORMAT => Ok(opened),
            Ok(Some(_)) => Err(DbError::Damaged {
                why: "its format is of another version",
            }),
            Ok(None) => Err(DbError::WrongKey),
            Err(error) => Err(error),
        }
    }

    /// Runs `work` in a transaction and commits it: when this returns `Ok`, all of it is durable.
    ///
    /// An error of `work` rolls everything back, as does any error of an operation, even if `work`
    /// went on after it. Only one write runs at a time; a second one waits, and inside `work` it
    /// waits forever.
    ///
    /// # Errors
    ///
    /// What `work` returned; else the [`DbError`] of the commit. After [`DbError::Disk`] and
    /// [`DbError::Damaged`] the database refuses everything until it is opened again, and only
    /// then does it show whether this transaction took place.
    pub fn write<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check_usable()?;
        let mut tx = WriteTx::begin(self, self.lock_rng())?;
        let done = work(&mut tx);
        match (done, tx.error()) {
            (Ok(value), None) => {
                tx.commit()?;
                Ok(value)
            }
            (Ok(_), Some(error)) => {
                tx.abort();
                Err(error.into())
            }
            (Err(error), _) => {
                tx.abort();
                Err(error)
            }
        }
    }

    /// Runs `work` on a snapshot of what was last committed.
    ///
    /// # Errors
    ///
    /// What `work` returned, or the [`DbError`] of taking the snapshot.
    pub fn read<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check_usable()?;
        let database = self.database()?;
        let tx = self.watched(|| database.begin_read())?;
        work(&ReadTx::new(self, tx))
    }

    /// Returns whether a failure has stopped the database; if it was a commit that failed, opening it again shows
    /// whether that took place.
    pub fn needs_reopen(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn store_key(&self) -> StoreKey {
        self.key.copy()
    }

    /// Closes the database, so that the next open finds it cleanly shut down.
    ///
    /// # Errors
    ///
    /// [`DbError::Disk`]; whatever was committed stays committed.
    pub fn close(mut self) -> Result<(), DbError> {
        let Some(database) = self.database.take() else {
            return Ok(());
        };
        guarded(|| database.close())
            .unwrap_or(Ok(()))
            .map_err(error_of)
    }

    fn start<R: CryptoRng + ?Sized>(
        backend: impl StorageBackend,
        cache_bytes: usize,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, DbError> {
        let opened = guarded(|| {
            Builder::new()
                .set_cache_size(cache_bytes)
                // A plain open trusts a file that was closed cleanly, and panics later.
                .set_check_integrity_on_open(true)
                .create_with_backend(backend)
        });
        let database = match opened {
            Some(opened) => opened.map_err(open_error)?,
            None => return Err(DbError::Damaged { why: PANICKED }),
        };
        Ok(Self {
            database: Some(database),
            key: key.copy(),
            nonce_rng: Mutex::new(StdRng::from_rng(rng)),
            broken: AtomicBool::new(false),
        })
    }

    fn check_usable(&self) -> Result<(), DbError> {
        if self.needs_reopen() {
            Err(DbError::NeedsReopen)
        } else {
            Ok(())
        }
    }

    fn database(&self) -> Result<&Database, DbError> {
        self.database.as_ref().ok_or(DbError::NeedsReopen)
    }

    /// Runs one call into redb; after an error that says that redb's state is in doubt, the
    /// database takes no more calls.
    fn watched<T, E: Into<redb::Error>>(
        &self,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, DbError> {
        let error = match guarded(call) {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => error_of(error),
            None => DbError::Damaged { why: PANICKED },
        };
        self.broken.store(true, Ordering::Release);
        Err(error)
    }

    fn lock_rng(&self) -> MutexGuard<'_, StdRng> {
        // A generator is usable after any panic: the worst is that it was not advanced, which the
        // mixing of nonces makes up for.
        self.nonce_rng
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SealedDb {
    fn drop(&mut self) {
        // Dropping closes: it writes, and a panic of that must not meet another one.
        let _closed = guarded(|| drop(self.database.take()));
    }
}

impl std::fmt::Debug for SealedDb {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SealedDb")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

const PANICKED: &str = "its pages contradict each other";

/// Sorts a failure of opening: here a short read is the file's fault, not the disk's.
fn open_error(error: impl Into<redb::Error>) -> DbError {
    match error.into() {
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            ) =>
        {
            debug!(%error, "the database file cannot be read as one");
            DbError::Damaged {
                why: "it is cut short or is no database",
            }
        }
        error => error_of(error),
    }
}

fn error_of(error: impl Into<redb::Error>) -> DbError {
    let error = error.into();
    debug!(%error, "the database failed");
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => DbError::InUse,
        redb::Error::Io(error) => DiskError::from(error).into(),
        redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::LockPoisoned(_)
        | redb::Error::TransactionPoisoned => DbError::NeedsReopen,
        redb::Error::UpgradeRequired(_) => DbError::Damaged {
            why: "it is in a format that this program never wrote",
        },
        _ => DbError::Damaged {
            why: "its checksums do not match",
        },
    }
}

#[cfg(test)]
mod tests;
