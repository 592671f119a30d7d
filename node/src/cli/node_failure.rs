//! The words for why a node cannot be made or run.

use std::error::Error;

use restante_interface::Refusal;

use super::failure::chain;
use super::{Failure, Program};
use crate::account::backup::{BackupError, RestoreError};
use crate::account::{AccountStoreError, ShredError};
use crate::net::SpawnError;
use crate::node::NodeError;
use crate::node::person::PersonError;
use crate::vault::archive::ArchiveError;
use crate::vault::{BodyError, DbError, DiskError, KeyError, UnlockError, VaultError};

const FREE_SPACE: &str = "free some disk space and start it again; nothing that was stored is lost";
const CLOSE_OTHERS: &str = "close other programs and try again";
const RESTORE: &str = "put back a copy of the home folder made while the node was stopped, or make a new home of a \
                       backup with `restante restore FILE`";
const OTHER_BACKUP: &str = "use another backup";

impl From<PersonError> for Failure {
    fn from(error: PersonError) -> Self {
        let message = chain(&error);
        match error {
            PersonError::Vault(error) => of_vault(message, &error),
            PersonError::Store(error) => of_store(message, &error),
            PersonError::Node(error) => error.into(),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::Exists(path) => Refusal::FileExists {
                path: path.display().to_string(),
            }
            .into(),
            BackupError::NotWritten { path, source } => Refusal::FileNotWritten {
                path: path.display().to_string(),
                why: source.to_string(),
            }
            .into(),
            BackupError::Store(error) => of_store(message, &error),
            BackupError::NotRead { .. } | BackupError::NoHome => {
                Self::failed(message, RESTORE).coded("home_damaged")
            }
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let message = error.to_string();
        match error {
            RestoreError::Archive { source, .. } => match source {
                ArchiveError::Unlock(error @ UnlockError::WrongPassphrase) => {
                    of_unlock(error.to_string(), &error)
                }
                ArchiveError::Unlock(UnlockError::OutOfMemory { .. }) => {
                    Self::failed(message, CLOSE_OTHERS).coded("out_of_memory")
                }
                ArchiveError::Io(_) => {
                    Self::failed(message, "see to the disk").coded("backup_unreadable")
                }
                _ => Self::usage(message, OTHER_BACKUP).coded("backup_damaged"),
            },
            RestoreError::Newer(_) => {
                Self::usage(message, "use the newest version of restante").coded("backup_newer")
            }
            RestoreError::Senseless { .. } => {
                Self::usage(message, OTHER_BACKUP).coded("backup_damaged")
            }
            RestoreError::Vault(error) => of_vault(message, &error),
            RestoreError::Commit(_) | RestoreError::File { .. } => Self::failed(
                message,
                "see to the disk, then try again; nothing was written",
            )
            .coded("restore_failed"),
        }
    }
}

impl From<ShredError> for Failure {
    fn from(error: ShredError) -> Self {
        let message = error.to_string();
        match error {
            ShredError::Store(error) => of_store(message, &error),
            ShredError::Vault(error) => of_vault(message, &error),
            ShredError::Commit(_) => Self::failed(
                message,
                "make room for a second copy on the disk, then try again; nothing was changed",
            )
            .coded("shred_failed"),
            ShredError::Differs => {
                Self::failed(message, "try again, and report this; nothing was changed")
                    .coded("shred_failed")
            }
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let message = chain(&error);
        match &error {
            NodeError::Keeper(_) => Self::failed(
                message,
                "see that no other node uses this home and that the disk has room; if the file is \
                 from a newer version, use that version",
            )
            .coded("keeper_store_unusable"),
            NodeError::NodeKey { .. } => Self::usage(message, RESTORE).coded("node_key_unusable"),
            NodeError::Net(SpawnError::Listen { address, source }) => Self::failed(
                format!("cannot listen on {address}: {}", root(&**source)),
                "see which program uses that port, or choose another address with --listen",
            )
            .coded("listen_refused"),
            NodeError::Net(_) => Self::usage(
                message,
                format!(
                    "check `listen`, `external` and `network` with `{} run --print-config`",
                    Program::this().name()
                ),
            )
            .coded("network_settings_wrong"),
            NodeError::Thread(_) | NodeError::Worker(_) => {
                Self::failed(message, CLOSE_OTHERS).coded("out_of_threads")
            }
        }
    }
}

/// Returns the innermost cause; libp2p repeats it at every layer.
fn root<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

fn of_vault(message: String, error: &VaultError) -> Failure {
    match error {
        VaultError::Leftover { .. } => Failure::usage(message, RESTORE).coded("home_incomplete"),
        VaultError::Unlock(error) => of_unlock(message, error),
        VaultError::Db(error) => of_db(message, error),
        VaultError::Keys(error) => of_keys(message, error),
    }
}

fn of_unlock(message: String, error: &UnlockError) -> Failure {
    match error {
        UnlockError::WrongPassphrase => Failure::usage(
            message,
            "try again; nobody can bring back a forgotten pass phrase",
        )
        .coded("passphrase_wrong"),
        UnlockError::Changing => {
            Failure::failed(message, "try again when it is done").coded("passphrase_changing")
        }
        UnlockError::Missing | UnlockError::Damaged { .. } => {
            Failure::failed(message, RESTORE).coded("home_damaged")
        }
        UnlockError::Disk(error) => of_disk(message, error),
        _ => Failure::failed(message, CLOSE_OTHERS).coded("out_of_memory"),
    }
}

fn of_store(message: String, error: &AccountStoreError) -> Failure {
    match error {
        AccountStoreError::Vault(error) => of_vault(message, error),
        AccountStoreError::Db(error) => of_db(message, error),
        AccountStoreError::Keys(error) | AccountStoreError::Body(BodyError::Keys(error)) => {
            of_keys(message, error)
        }
        AccountStoreError::Row(_) | AccountStoreError::NoAccount | AccountStoreError::Body(_) => {
            Failure::failed(message, RESTORE).coded("home_damaged")
        }
    }
}

fn of_db(message: String, error: &DbError) -> Failure {
    match error {
        DbError::InUse => {
            Failure::failed(message, "stop the other node first").coded("home_in_use")
        }
        DbError::Disk(error) => of_disk(message, error),
        _ => Failure::failed(message, RESTORE).coded("home_damaged"),
    }
}

fn of_keys(message: String, error: &KeyError) -> Failure {
    match error {
        KeyError::InUse => {
            Failure::failed(message, "stop the other node first").coded("home_in_use")
        }
        KeyError::Disk(error) => of_disk(message, error),
        _ => Failure::failed(message, RESTORE).coded("home_damaged"),
    }
}

fn of_disk(message: String, error: &DiskError) -> Failure {
    match error {
        DiskError::Full => Failure::failed(message, FREE_SPACE).coded("disk_full"),
        DiskError::Io { .. } => {
            Failure::failed(message, "check the disk, then start it again").coded("disk_failed")
        }
    }
}
