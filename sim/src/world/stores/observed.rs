//! A store that tells what it is asked and what it answers.

use restante::keeper::store::{KeeperStore, StoreCounters};
use restante_proto::keeper::{Expired, StoreError, StoreLayer, StoreOp, StoreOutcome};
use restante_proto::time::UnixMillis;

use super::Watch;
use super::asked::Asked;

/// A store under observation; it does what the one inside does.
pub(in crate::world) struct ObservedStore<S> {
    pub(super) store: S,
    pub(super) watch: Watch,
    /// The keeper's time at the last call.
    pub(super) now: UnixMillis,
    /// Tells whether its disk is at fault.
    pub(super) is_excused: Box<dyn Fn() -> bool + Send>,
}

impl<S> ObservedStore<S> {
    fn excuse(&self) {
        if (self.is_excused)() {
            self.watch.excuse();
        }
    }
}

impl<S: KeeperStore> StoreLayer for ObservedStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.store
    }

    fn inner_mut(&mut self) -> &mut S {
        &mut self.store
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        self.now = now;
        let asked = ops.iter().map(Asked::of).collect();
        let done = self.store.apply(now, ops);
        self.excuse();
        self.watch.on_applied(now, asked, &done, self.store.usage());
        done
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.now = now;
        let done = self.store.sweep(now, limit);
        self.excuse();
        self.watch.on_swept(now, &done, self.store.usage());
        done
    }
}

impl<S> Drop for ObservedStore<S> {
    fn drop(&mut self) {
        self.watch.on_gone(self.now);
    }
}

impl<S: KeeperStore> KeeperStore for ObservedStore<S> {
    fn reopen(&mut self) -> Result<(), StoreError> {
        let done = self.store.reopen();
        self.excuse();
        if done.is_ok() {
            self.watch.on_reopened(self.now, &mut self.store);
        }
        done
    }

    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}
