//! The disk of an account, as its driver needs it.

use std::path::Path;

use restante_client::CommitError;
use restante_client::model::Slot;
use restante_client::records::{Change, Loaded};

use restante_interface::BackupInfo;
use restante_proto::time::UnixMillis;

use super::AccountStoreError;
use super::backup::{BackupError, Target};

/// Where an account's records and bodies are: a vault, or a simulated disk. All of it blocks and runs in a worker.
pub trait AccountDisk: Send + Sync {
    /// Reads everything but bodies.
    ///
    /// # Errors
    ///
    /// [`AccountStoreError`] when there is no readable account.
    fn load(&self) -> Result<Loaded, AccountStoreError>;

    /// Makes changes durable, all or nothing, and returns the slots of new messages, in order.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; a store that has failed is opened again by the next call.
    fn commit(&self, changes: &[Change]) -> Result<Vec<Slot>, CommitError>;

    /// Reads bodies, in order, until [`READ_BYTES_MAX`](restante_client::READ_BYTES_MAX) are read; those that were
    /// destroyed as none.
    ///
    /// # Errors
    ///
    /// [`AccountStoreError`] when one cannot be read.
    fn bodies(&self, places: &[(u64, Slot)]) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError>;

    /// Writes a backup, beside all else: commits and reads go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the disk is none in a home folder, unless it says otherwise.
    fn back_up(&self, _target: &Target, _date: UnixMillis) -> Result<BackupInfo, BackupError> {
        Err(BackupError::NoHome)
    }

    /// Returns when the newest backup of this account in a folder was made, if there is one.
    ///
    /// # Errors
    ///
    /// [`BackupError`], as for [`Self::back_up`].
    fn newest_backup(&self, _folder: &Path) -> Result<Option<UnixMillis>, BackupError> {
        Err(BackupError::NoHome)
    }
}
