//! A vault that is closed when it has failed, and opened again when it is next needed.
//!
//! After a failure it is unknown what is on the disk, and the database takes no more calls; opening it again shows what
//! has become of the last commit. Nothing here waits: whoever is told that it does not work comes again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use restante_interface::StoreTrouble;

use super::store::{AccountStoreError, slots_of_rows};
use crate::vault::{DbError, DiskError, KeyError, SlotId, Vault, VaultError};

/// Opens the vault again.
type Open = Box<dyn Fn() -> Result<Vault, VaultError> + Send + Sync>;

/// A vault, open or closed.
pub(super) struct Reopening {
    state: Mutex<State>,
    open: Open,
}

enum State {
    Open(Vault),
    Closed,
    /// It is not opened again: a person has to see to it. Closing a database that contradicts itself would write to it.
    Damaged(
        AccountStoreError,
        #[expect(dead_code, reason = "kept open")] Option<Vault>,
    ),
}

impl Reopening {
    pub(super) fn new(vault: Vault, open: Open) -> Self {
        Self {
            state: Mutex::new(State::Open(vault)),
            open,
        }
    }

    /// Works on the vault, which is opened for it if it is closed, and closed after it if it has failed.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened, or what `work` said.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Vault) -> Result<T, AccountStoreError>,
    ) -> Result<T, AccountStoreError> {
        // A panic of `work` leaves a vault that says for itself whether it can go on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            *state = match self.reopen() {
                Ok(vault) => State::Open(vault),
                Err(error) if error.is_damage() => State::Damaged(error, None),
                Err(error) => return Err(error),
            };
        }
        let (done, is_broken) = match &*state {
            State::Open(vault) => (work(vault), vault.needs_reopen()),
            State::Damaged(error, _) => return Err(error.clone()),
            State::Closed => return Err(DbError::NeedsReopen.into()),
        };
        if is_broken {
            // Dropping what was open closes its files, which are locked until then.
            let before = std::mem::replace(&mut *state, State::Closed);
            if let (State::Open(vault), Err(error)) = (before, &done)
                && error.is_damage()
            {
                *state = State::Damaged(error.clone(), Some(vault));
            }
        }
        done
    }

    /// Opens the vault, and destroys keys that a failure has left without a row.
    fn reopen(&self) -> Result<Vault, AccountStoreError> {
        let vault = (self.open)()?;
        let live: BTreeSet<SlotId> = slots_of_rows(&vault)?;
        vault.keys().reconcile(&live)?;
        Ok(vault)
    }
}

impl fmt::Debug for Reopening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reopening(..)")
    }
}

impl AccountStoreError {
    /// Returns the trouble of the store as a whole; `None` if it refused one request.
    pub(super) fn trouble(&self) -> Option<StoreTrouble> {
        match self {
            Self::Vault(VaultError::Db(error)) | Self::Db(error) => trouble_of_db(error),
            Self::Vault(VaultError::Keys(error)) | Self::Keys(error) => trouble_of_keys(error),
            _ => None,
        }
    }

    fn is_damage(&self) -> bool {
        matches!(self.trouble(), Some(StoreTrouble::Damaged { .. }))
    }
}

fn trouble_of_db(error: &DbError) -> Option<StoreTrouble> {
    let why = error.to_string();
    match error {
        DbError::Disk(error) => Some(trouble_of_disk(*error)),
        DbError::Missing | DbError::InUse | DbError::NeedsReopen => {
            Some(StoreTrouble::DiskFailed { why })
        }
        DbError::Damaged { .. } | DbError::WrongKey => Some(StoreTrouble::Damaged { why }),
        DbError::AlreadyThere | DbError::DamagedRow { .. } | DbError::TooLong { .. } => None,
    }
}

fn trouble_of_keys(error: &KeyError) -> Option<StoreTrouble> {
    let why = error.to_string();
    match error {
        KeyError::Disk(error) => Some(trouble_of_disk(*error)),
        KeyError::Missing | KeyError::InUse | KeyError::NeedsReopen => {
            Some(StoreTrouble::DiskFailed { why })
        }
        KeyError::Damaged { .. } => Some(StoreTrouble::Damaged { why }),
        KeyError::AlreadyThere
        | KeyError::Full { .. }
        | KeyError::TooMany { .. }
        | KeyError::TooLateToReconcile => None,
    }
}

fn trouble_of_disk(error: DiskError) -> StoreTrouble {
    match error {
        DiskError::Full => StoreTrouble::DiskFull,
        DiskError::Io { kind } => StoreTrouble::DiskFailed {
            why: kind.to_string(),
        },
    }
}
