//! What a backup is made of.

use std::path::Path;

use restante_client::records::Loaded;
use restante_proto::time::UnixMillis;

use super::{AccountStoreError, BackupError, VaultDisk, backup, read_all};
use crate::vault::StoreKey;

impl VaultDisk {
    /// Returns the folder that the vault is in, if it is in one.
    pub(in crate::account) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Reads all rows as they are at one moment, and the key that they are sealed under; changes nothing.
    pub(in crate::account) fn snapshot(&self) -> Result<(Loaded, StoreKey), AccountStoreError> {
        self.vault
            .with(|vault| Ok((read_all(vault)?, vault.store_key())))
    }

    pub(super) fn newest_backup_in(
        &self,
        folder: &Path,
    ) -> Result<Option<UnixMillis>, BackupError> {
        let key = self.vault.with(|vault| Ok(vault.store_key()))?;
        backup::newest(folder, &key).map_err(|source| BackupError::NotRead {
            path: folder.to_owned(),
            source,
        })
    }
}
