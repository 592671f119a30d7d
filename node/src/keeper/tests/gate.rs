//! A store that a test holds up, or lets fail.

use std::sync::{Arc, Condvar, Mutex};

use restante_proto::{
    keeper::{ItemStore as _, MemoryStore, StoreError, StoreLayer, StoreOp, StoreOutcome},
    time::UnixMillis,
};

use crate::keeper::store::KeeperStore;

/// Lets nothing through until it is opened, and remembers how much came at once.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    error: Option<StoreError>,
    panics: bool,
    batches: Vec<usize>,
}

impl Gate {
    pub(super) fn open(&self) {
        self.0.0.lock().unwrap().is_open = true;
        self.0.1.notify_all();
    }

    pub(super) fn fail(&self, error: StoreError) {
        self.0.0.lock().unwrap().error = Some(error);
    }

    pub(super) fn mend(&self) {
        self.0.0.lock().unwrap().error = None;
    }

    pub(super) fn panic(&self) {
        self.0.0.lock().unwrap().panics = true;
    }

    pub(super) fn batches(&self) -> Vec<usize> {
        self.0.0.lock().unwrap().batches.clone()
    }

    fn pass(&self, count: usize) -> Option<StoreError> {
        let state = self.0.0.lock().unwrap();
        let mut state = self.0.1.wait_while(state, |state| !state.is_open).unwrap();
        state.batches.push(count);
        let (error, panics) = (state.error.clone(), state.panics);
        drop(state);
        assert!(!panics, "on purpose");
        error
    }
}

pub(super) struct GatedStore {
    pub(super) store: MemoryStore,
    pub(super) gate: Gate,
}

impl StoreLayer for GatedStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn inner_mut(&mut self) -> &mut MemoryStore {
        &mut self.store
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        match self.gate.pass(ops.len()) {
            Some(error) => Err(error),
            None => self.store.apply(now, ops),
        }
    }
}

impl KeeperStore for GatedStore {
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.gate.pass(0).map_or(Ok(()), Err)
    }
}
