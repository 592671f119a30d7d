//! What the store in memory does wrong when a test plants it.

use super::MemoryStore;
use crate::{
    Address, ItemId,
    planted::{Planted, keepers_date},
    request::Waiting,
    time::UnixMillis,
};

impl MemoryStore {
    /// Begins a batch at the date that this returns, after a repair that finds nothing wrong with what was acked.
    pub(super) fn planted_step(&mut self, now: UnixMillis) -> UnixMillis {
        for (key, held) in std::mem::take(&mut self.graves) {
            if held.expires > now {
                self.envelopes.insert(key, held);
            }
        }
        keepers_date(now)
    }

    /// Tells whether an ack is to be remembered.
    pub(super) fn planted_ack(&mut self, key: (Address, ItemId), held: Option<&Waiting>) -> bool {
        if Planted::Resurrection.is_here() {
            self.graves.extend(held.map(|held| (key, held.clone())));
        }
        !Planted::AckForgotten.is_here()
    }
}
