//! The personal node's store at rest: everything encrypted under the pass phrase.
//!
//! Three files in the home folder:
//!
//! | file           | holds                                              | written          |
//! |----------------|----------------------------------------------------|------------------|
//! | `unlock`       | the store key, wrapped under the pass phrase        | replaced whole   |
//! | `client.redb`  | rows, each encrypted ([`SealedDb`])                 | copy-on-write    |
//! | `message-keys` | one random key for each message body ([`KeyFile`])  | in place         |
//!
//! # What is encrypted
//!
//! Every name, key and value of every row, and once more, under a key of its own, every message
//! body. A body opens only with its slot of the key file *and* the store key: neither the key file
//! alone nor the pass phrase alone is enough.
//!
//! # What can be seen
//!
//! By an attacker who has the disk and not the pass phrase: that this is a Restante home; the sizes
//! of the files; how many tables there are (not which) and how many rows each has; the length of
//! each row in steps of 64 bytes; how many message keys are in use and in which slots; what
//! changed between two copies of the files, and when the files were last written. The strength of
//! all else is that of the pass phrase: one guess costs [`PassCost::Production`]. Nothing here
//! hides anything from an attacker who reads the memory of a running node.
//!
//! Damage is found when the database is opened, forgery when a row is read. Putting the files back
//! to an older state, or removing rows, is not found. One flipped bit of redb's header, in a file
//! that was not closed, does the former for the last transaction.
//!
//! # What burning destroys
//!
//! [`KeyFile::burn`] overwrites the message's key where it lies and syncs. From then on neither the
//! files of this home nor the pass phrase open the body, and its ciphertext, which redb leaves in
//! the database file, is useless.
//!
//! It does not reach what is outside these files. An SSD or a flash card writes the zeros somewhere
//! else and keeps the old bytes for a time; so does a file system that copies on write or takes
//! snapshots, a backup, an image of a virtual machine. **An attacker with raw access to such a
//! medium and your pass phrase may recover burnt messages.** Rows other than bodies (who wrote,
//! when, how long) are only removed from the database; their bytes stay in its file, encrypted
//! under the store key, until redb uses the page again, or all is written anew under another key
//! ([`HomeLock::shred`](crate::home::HomeLock::shred)). Memory is wiped after use as far as that
//! can be done from here; swap and core dumps are the machine owner's to switch off. And burning
//! is a courtesy between honest clients: the other side may have kept its copy.
//!
//! # In which order to write
//!
//! - A new message: [`Vault::write_with_keys`], which makes keys, and in it [`KeyFile::seal_body`]
//!   and the rows, each naming its [`SlotId`].
//! - Burning: [`KeyFile::burn`] first, which works on a full disk too, then remove the rows. A
//!   crash in between leaves rows whose body is [`BodyError::Burnt`].
//! - At start: [`KeyFile::reconcile`] with the slots of all rows, before anything else. It burns
//!   the keys that a crash left without a row and names the rows that lost their key.

mod aead;
pub mod archive;
mod disk;
mod key_file;
mod sealed_db;
mod store_key;
pub mod unlock;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rand::CryptoRng;
use redb::StorageBackend;

pub use self::disk::DiskError;
pub use self::key_file::{
    ALLOCATE_COUNT_MAX, BODY_BYTES_MAX, BodyError, KeyError, KeyFile, MessageKey, Reconciled,
    SLOT_COUNT_MAX, SLOT_ID_BYTES, SlotId,
};
pub use self::sealed_db::{
    DbError, ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX, ReadTx, Row, SealedDb, Table, WriteTx,
};
pub use self::store_key::{KEY_BYTES, StoreKey};
pub use self::unlock::{PassCost, UnlockError};

/// The name of the unlock file in a home.
pub const UNLOCK_FILE: &str = "unlock";

/// The name of the database file in a home.
pub const DATABASE_FILE: &str = "client.redb";

/// The name of the key file in a home.
pub const KEY_FILE: &str = "message-keys";

#[derive(Debug)]
pub struct Vault {
    db: SealedDb,
    keys: KeyFile,
}

/// A home could not be created or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    #[error("{file:?} is there without an unlock file")]
    Leftover { file: &'static str },
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl Vault {
    /// Creates the three files in `home`, a folder that exists.
    ///
    /// The unlock file comes last: a crash before it leaves a home that can be created again, and
    /// only what such a crash left is ever removed.
    ///
    /// # Errors
    ///
    /// [`VaultError::Unlock`] with [`UnlockError::AlreadyThere`] when the home has a vault,
    /// [`VaultError::Leftover`] when it has part of one; else what the disk says.
    pub fn create<R: CryptoRng + ?Sized>(
        home: &Path,
        passphrase: &[u8],
        cost: PassCost,
        rng: &mut R,
    ) -> Result<Self, VaultError> {
        let unlock = home.join(UNLOCK_FILE);
        clear_unfinished(home, &unlock)?;
        let key = StoreKey::random(rng);
        let wrapped = unlock::wrap(&key, passphrase, cost, rng)?;
        let staged = unlock::stage(&unlock, &wrapped).map_err(UnlockError::from)?;
        let db = SealedDb::create(&home.join(DATABASE_FILE), &key, rng)?;
        let keys = KeyFile::create(&home.join(KEY_FILE), &key, rng)?;
        unlock::publish(&staged, &unlock)?;
        Ok(Self { db, keys })
    }

    /// Opens the vault in `home`.
    ///
    /// Costs one Argon2id and reads all of the database and the key file once.
    ///
    /// # Errors
    ///
    /// Each part's own; [`DbError::InUse`] when another process has it open.
    pub fn open<R: CryptoRng + ?Sized>(
        home: &Path,
        passphrase: &[u8],
        rng: &mut R,
    ) -> Result<Self, VaultError> {
        let key = unlock::open(&home.join(UNLOCK_FILE), passphrase)?;
        Self::open_unlocked(home, &key, rng)
    }

    /// Opens the vault in `home` without its pass phrase, as after a failure.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`], but for those of the pass phrase.
    pub fn open_unlocked<R: CryptoRng + ?Sized>(
        home: &Path,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, VaultError> {
        // The database first: its lock keeps a second opener away from the key file too.
        let db = SealedDb::open(&home.join(DATABASE_FILE), key, rng)?;
        let keys = KeyFile::open(&home.join(KEY_FILE), key)?;
        Ok(Self { db, keys })
    }

    /// Creates a vault on storage of any kind, without a pass phrase: for a simulated disk.
    ///
    /// # Errors
    ///
    /// Those of [`SealedDb::create_with_backend`] and [`KeyFile::create_on`].
    pub fn create_on<R: CryptoRng + ?Sized>(
        database: impl StorageBackend,
        keys: Box<dyn StorageBackend>,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, VaultError> {
        let db = SealedDb::create_with_backend(database, key, rng)?;
        let keys = KeyFile::create_on(keys, key, rng)?;
        Ok(Self { db, keys })
    }

    /// Opens a vault on storage of any kind.
    ///
    /// # Errors
    ///
    /// Those of [`SealedDb::open_with_backend`] and [`KeyFile::open_on`].
    pub fn open_on<R: CryptoRng + ?Sized>(
        database: impl StorageBackend,
        keys: Box<dyn StorageBackend>,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, VaultError> {
        let db = SealedDb::open_with_backend(database, key, rng)?;
        let keys = KeyFile::open_on(keys, key)?;
        Ok(Self { db, keys })
    }

    #[must_use]
    pub const fn db(&self) -> &SealedDb {
        &self.db
    }

    #[must_use]
    pub const fn keys(&self) -> &KeyFile {
        &self.keys
    }

    /// Returns the key that opens this vault again.
    #[must_use]
    pub fn store_key(&self) -> StoreKey {
        self.db.store_key()
    }

    /// Returns whether a failure has stopped it: it takes nothing in before it is opened again.
    #[must_use]
    pub fn needs_reopen(&self) -> bool {
        self.db.needs_reopen() || self.keys.needs_reopen()
    }

    /// Makes `count` message keys and commits the rows that name them.
    ///
    /// When that fails the keys are destroyed, unless the commit is in doubt: then its rows may be on the disk, and
    /// [`KeyFile::reconcile`] at the next start burns the keys that no row names.
    ///
    /// # Errors
    ///
    /// Those of [`KeyFile::allocate_batch`] and [`SealedDb::write`].
    pub fn write_with_keys<T, E, R>(
        &self,
        count: usize,
        rng: &mut R,
        work: impl FnOnce(&mut WriteTx<'_>, &[MessageKey]) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError> + From<KeyError>,
        R: CryptoRng + ?Sized,
    {
        let keys = self.keys.allocate_batch(count, rng)?;
        let done = self.db.write(|tx| work(tx, &keys));
        if done.is_err() && !self.db.needs_reopen() {
            let slots: Vec<SlotId> = keys.iter().map(MessageKey::slot).collect();
            // Should this fail too, the next start burns them.
            let _first_error_counts = self.keys.burn(&slots);
        }
        done
    }

    /// Closes both files and lets go of their locks.
    ///
    /// # Errors
    ///
    /// [`VaultError::Db`]; whatever was committed stays committed.
    pub fn close(self) -> Result<(), VaultError> {
        Ok(self.db.close()?)
    }
}

/// Changes the pass phrase of a home; the vault need not be closed.
///
/// # Errors
///
/// As [`unlock::change_passphrase`].
pub fn change_passphrase<R: CryptoRng + ?Sized>(
    home: &Path,
    old: &[u8],
    new: &[u8],
    cost: PassCost,
    rng: &mut R,
) -> Result<(), UnlockError> {
    unlock::change_passphrase(&home.join(UNLOCK_FILE), old, new, cost, rng)
}

/// Removes what a creation that never finished left behind, and nothing else.
///
/// The staged unlock file is written before the other two and renamed after them. While it is
/// there, no pass phrase ever opened what lies beside it.
fn clear_unfinished(home: &Path, unlock: &Path) -> Result<(), VaultError> {
    if is_there(unlock)? {
        return Err(UnlockError::AlreadyThere.into());
    }
    let unfinished = is_there(&unlock::staged_path(unlock))?;
    for file in [DATABASE_FILE, KEY_FILE] {
        let path: PathBuf = home.join(file);
        if !is_there(&path)? {
            continue;
        }
        if !unfinished {
            return Err(VaultError::Leftover { file });
        }
        disk::remove_if_there(&path).map_err(disk_error)?;
    }
    Ok(())
}

fn is_there(path: &Path) -> Result<bool, VaultError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk_error(error)),
    }
}

fn disk_error(error: std::io::Error) -> VaultError {
    UnlockError::from(DiskError::from(error)).into()
}

#[cfg(test)]
mod tests;
