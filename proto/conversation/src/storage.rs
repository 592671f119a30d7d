//! What the library reads and writes in one call: rows of one epoch, handed over before it and taken back after it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mls_rs_core::group::{EpochRecord, GroupState, GroupStateStorage};
use mls_rs_core::key_package::{KeyPackageData, KeyPackageStorage};
use zeroize::Zeroizing;

/// Bytes that are wiped when they are dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// The rows of one epoch.
#[derive(Clone, Default)]
pub(crate) struct EpochRows(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    state: Option<Secret>,
    /// A past epoch by its number, as it is or has become.
    past: Option<(u64, Secret)>,
}

impl EpochRows {
    /// Hands over the state of an epoch.
    pub(crate) fn of_state(state: Secret) -> Self {
        let state = Some(state);
        Self(Arc::new(Mutex::new(Rows { state, past: None })))
    }

    /// Adds what is left of a past epoch.
    pub(crate) fn add_past(&self, number: u64, record: Secret) {
        self.rows().past = Some((number, record));
    }

    /// Takes the state back.
    pub(crate) fn take_state(&self) -> Option<Secret> {
        self.rows().state.take()
    }

    /// Takes what is left of the past epoch with this number.
    pub(crate) fn take_past(&self, number: u64) -> Option<Secret> {
        let past = self.rows().past.take();
        past.filter(|(of, _)| *of == number)
            .map(|(_, record)| record)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupStateStorage for EpochRows {
    type Error = Infallible;

    fn state(&self, _group: &[u8]) -> Result<Option<Secret>, Infallible> {
        Ok(self.rows().state.clone())
    }

    fn epoch(&self, _group: &[u8], number: u64) -> Result<Option<Secret>, Infallible> {
        let rows = self.rows();
        let past = rows.past.as_ref().filter(|(of, _)| *of == number);
        Ok(past.map(|(_, record)| record.clone()))
    }

    fn write(
        &mut self,
        state: GroupState,
        inserted: Vec<EpochRecord>,
        updated: Vec<EpochRecord>,
    ) -> Result<(), Infallible> {
        let mut rows = self.rows();
        rows.state = Some(state.data);
        if let Some(record) = inserted.into_iter().chain(updated).last() {
            rows.past = Some((record.id, record.data));
        }
        Ok(())
    }

    fn max_epoch_id(&self, _group: &[u8]) -> Result<Option<u64>, Infallible> {
        // Epochs are a tree here, in which numbers repeat.
        Ok(None)
    }
}

/// The private halves of key packages. One can be used until it expires: anybody may fetch it from the card.
#[derive(Clone, Default)]
pub(crate) struct Packages(Arc<Mutex<BTreeMap<Vec<u8>, KeyPackageData>>>);

impl Packages {
    pub(crate) fn add(&self, id: Vec<u8>, package: KeyPackageData) {
        self.packages().insert(id, package);
    }

    /// Takes one out.
    pub(crate) fn take(&self) -> Option<(Vec<u8>, KeyPackageData)> {
        self.packages().pop_first()
    }

    fn packages(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, KeyPackageData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyPackageStorage for Packages {
    type Error = Infallible;

    fn delete(&mut self, _id: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, package: KeyPackageData) -> Result<(), Infallible> {
        self.add(id, package);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Infallible> {
        Ok(self.packages().get(id).cloned())
    }
}
