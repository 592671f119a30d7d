//! Envelopes of epochs that are not known yet: the commit that makes one may still be under way (SPEC 15.6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use restante_conversation::ConversationId;
use restante_proto::limits::SECOND_MS;
use restante_proto::request::Waiting;
use restante_proto::time::{MonoMillis, UnixMillis};
use restante_proto::{Address, ItemId};

use crate::records::OuterIndex;

/// How long an envelope waits for its epoch before its conversation counts as lost, in milliseconds.
const LOST_AFTER_MS: u64 = 20 * SECOND_MS;
/// Envelopes that are kept, at most; others are asked for again now and then.
const WAITING_MAX: usize = 512;
/// Their bytes, at most.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Envelopes that wait for an epoch. They are at their keepers still.
#[derive(Debug, Default)]
pub(super) struct WaitingForEpoch {
    held: BTreeMap<(Address, ItemId), Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    item: Waiting,
    tried: Arc<OuterIndex>,
    /// The conversation that it is of, as its hint says, and when that was found; none once it was told to be lost.
    of: Option<(ConversationId, MonoMillis)>,
}

impl WaitingForEpoch {
    /// Keeps an envelope that none of these epochs opens.
    pub(super) fn hold(
        &mut self,
        place: (Address, ItemId),
        item: Waiting,
        tried: &Arc<OuterIndex>,
        of: Option<(ConversationId, MonoMillis)>,
    ) {
        let bytes = item.envelope.len();
        if let Some(held) = self.held.get_mut(&place) {
            held.tried = Arc::clone(tried);
            return;
        }
        if self.held.len() >= WAITING_MAX || self.bytes + bytes > WAITING_BYTES_MAX {
            return;
        }
        let tried = Arc::clone(tried);
        self.held.insert(place, Held { item, tried, of });
        self.bytes += bytes;
    }

    /// Takes the conversations whose envelopes have waited too long for their epoch.
    pub(super) fn take_lost(&mut self, now: MonoMillis) -> BTreeSet<ConversationId> {
        let mut lost = BTreeSet::new();
        for held in self.held.values_mut() {
            if let Some((id, _)) = held
                .of
                .take_if(|(_, since)| since.plus(LOST_AFTER_MS) <= now)
            {
                lost.insert(id);
            }
        }
        lost
    }

    /// Returns when a conversation counts as lost next.
    pub(super) fn next_timeout(&self) -> Option<MonoMillis> {
        let since = self.held.values().filter_map(|held| held.of);
        since.map(|(_, since)| since.plus(LOST_AFTER_MS)).min()
    }

    /// Takes those for which there are epochs now that were not tried, by their mailboxes.
    pub(super) fn take_untried(
        &mut self,
        epochs: &Arc<OuterIndex>,
    ) -> BTreeMap<Address, Vec<(ItemId, Waiting)>> {
        let mut untried: BTreeMap<Address, Vec<(ItemId, Waiting)>> = BTreeMap::new();
        for ((mailbox, id), held) in &mut self.held {
            if !Arc::ptr_eq(&held.tried, epochs) {
                held.tried = Arc::clone(epochs);
                let items = untried.entry(*mailbox).or_default();
                items.push((*id, held.item.clone()));
            }
        }
        untried
    }

    /// Lets go of an envelope that was opened, or given up.
    pub(super) fn release(&mut self, place: &(Address, ItemId)) {
        if let Some(held) = self.held.remove(place) {
            self.bytes -= held.item.envelope.len();
        }
    }

    /// Forgets those that have ended.
    pub(super) fn tidy(&mut self, date: UnixMillis) {
        let is_over = |_: &(Address, ItemId), held: &mut Held| held.item.expires <= date;
        for (_, held) in self.held.extract_if(.., is_over) {
            self.bytes -= held.item.envelope.len();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}
