//! A store that tells what it is asked and what it answers.

use restante::keeper::store::{KeeperStore, StoreCounters};
use restante_proto::keeper::{
    ElementKey, ElementPage, Expired, HoldingKey, HoldingsPage, ItemStore, StoreFault, StoreOp,
    StoreOutcome, Usage,
};
use restante_proto::time::UnixMillis;

use super::Watch;
use super::asked::Asked;

/// A store under observation; it does what the one inside does.
pub(in crate::full) struct ObservedStore<S> {
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

impl<S: KeeperStore> ItemStore for ObservedStore<S> {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreFault> {
        self.now = now;
        let asked = ops.iter().map(Asked::of).collect();
        let done = self.store.apply(now, ops);
        self.excuse();
        self.watch.on_applied(now, asked, &done, self.store.usage());
        done
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreFault> {
        self.now = now;
        let done = self.store.sweep(now, limit);
        self.excuse();
        self.watch.on_swept(now, &done, self.store.usage());
        done
    }

    fn usage(&self) -> Usage {
        self.store.usage()
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreFault> {
        self.store.holdings(now, after, limit)
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreFault> {
        self.store.elements(now, after, limit)
    }
}

impl<S> Drop for ObservedStore<S> {
    fn drop(&mut self) {
        self.watch.on_gone(self.now);
    }
}

impl<S: KeeperStore> KeeperStore for ObservedStore<S> {
    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}
