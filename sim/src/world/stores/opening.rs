//! A store that is opened again: whether it has what it must have.

use std::time::Duration;

use restante::keeper::store::KeeperStore;
use restante_proto::keeper::{ElementKind, StoreError, StoreOp, StoreOutcome};
use restante_proto::time::UnixMillis;

use super::asked::{Key, card_key, item_of};
use super::oracle::{Entry, Finding, Oracle, State, lost};
use super::{ObservedStore, Watch};

impl Watch {
    /// Observes a store that was just opened, and looks whether all is there that must be.
    ///
    /// From when on `is_excused` says so, its disk is at fault.
    pub(in crate::world) fn observe<S: KeeperStore>(
        &self,
        mut store: S,
        now: UnixMillis,
        is_excused: impl Fn() -> bool + Send + 'static,
    ) -> ObservedStore<S> {
        let since = self.stores.base.elapsed();
        if is_excused() {
            self.excuse();
        }
        self.judge(|oracle| oracle.on_opened(now, since, &mut store));
        self.on_back();
        ObservedStore {
            store,
            now,
            watch: self.clone(),
            is_excused: Box::new(is_excused),
        }
    }
}

impl Watch {
    /// Looks whether a store that has failed and goes on has all that it must have.
    pub(super) fn on_reopened<S: KeeperStore>(&self, now: UnixMillis, store: &mut S) {
        let since = self.stores.base.elapsed();
        self.judge(|oracle| oracle.on_opened(now, since, store));
    }
}

impl Oracle {
    fn on_opened<S: KeeperStore>(
        &mut self,
        now: UnixMillis,
        since: Duration,
        store: &mut S,
    ) -> Result<(), Finding> {
        self.swept = since;
        // What had ended before may be gone or not, until the next sweep has ended.
        self.sweeping = true;
        let live = self.items.iter().filter(|(_, entry)| entry.is_live(now));
        let sure: Vec<(Key, Entry)> = live
            .filter(|(key, _)| !self.doubtful.contains_key(key))
            .map(|(key, entry)| (*key, *entry))
            .collect();
        for (key, entry) in sure {
            // A disk that cannot be read is no matter of what is on it.
            let Ok(found) = read(now, store, &key) else {
                return Ok(());
            };
            check(&key, &entry, found)?;
        }
        let doubtful: Vec<Key> = self.doubtful.keys().copied().collect();
        for key in doubtful {
            // What cannot be read stays in doubt.
            let Ok(found) = read(now, store, &key) else {
                return Ok(());
            };
            let others = self.doubtful.remove(&key).unwrap_or_default();
            let written = self.items.get(&key).copied();
            self.settle(now, key, others, written, found)?;
        }
        let live = self.items.values().filter(|entry| entry.is_live(now));
        let (acks, known) = (
            live.filter(|e| e.is_ack()).count(),
            store.usage().tombstones,
        );
        if known < acks as u64 {
            return Err(("acked", format!("remembers {known} of {acks} acks")));
        }
        Ok(())
    }

    /// Decides what became of something in doubt, which must be as it was or as it was to be.
    fn settle(
        &mut self,
        now: UnixMillis,
        key: Key,
        others: Vec<Option<Entry>>,
        written: Option<Entry>,
        found: Found,
    ) -> Result<(), Finding> {
        let mut possible = others;
        possible.push(written);
        let live = |entry: &Option<Entry>| entry.filter(|entry| entry.is_live(now));
        let is_possible = |wanted: &dyn Fn(Option<Entry>) -> bool| {
            possible.iter().any(|entry| wanted(live(entry)))
        };
        match found {
            // An ack of what was never here cannot be told from nothing: it may be there, whatever else may be.
            Found::Nothing if is_possible(&|entry| entry.is_some_and(|e| !e.is_vouched_for())) => {
                self.set(key, None);
                self.doubtful.insert(key, possible);
            }
            Found::Nothing if is_possible(&|entry| entry.is_none()) => {
                self.set(key, None);
            }
            Found::Nothing => return Err(lost(&key)),
            Found::Item(item) => {
                let fits = |entry: Option<Entry>| entry.is_some_and(|e| e.state == item.state);
                if !is_possible(&fits) {
                    let what = format!("has {} as nobody left it", item_of(&key));
                    return Err(("rollback", what));
                }
                self.set(key, Some(item));
            }
            Found::Acked(until) if is_possible(&|entry| entry.is_some_and(|e| e.is_ack())) => {
                self.set(key, Some(Entry::acked(until, true)));
            }
            Found::Acked(_) => return Err(lost(&key)),
        }
        Ok(())
    }
}

/// What a store has under a key.
enum Found {
    Nothing,
    Item(Entry),
    /// An ack, and until when it is remembered.
    Acked(UnixMillis),
}

fn check(key: &Key, entry: &Entry, found: Found) -> Result<(), Finding> {
    match (entry.state, found) {
        (State::Acked { .. }, Found::Item(_)) => {
            let what = format!("has {} back, which was acked", item_of(key));
            Err(("acked", what))
        }
        (State::Acked { deposited: true }, Found::Nothing) => {
            Err(("acked", format!("forgets that {} was acked", item_of(key))))
        }
        (State::Acked { .. }, _) => Ok(()),
        (_, Found::Item(item)) if item.state == entry.state => Ok(()),
        (State::Card { .. }, Found::Item(_)) => {
            let what = format!("has another card at {} than it took last", key.address);
            Err(("rollback", what))
        }
        _ => Err(lost(key)),
    }
}

fn read<S: KeeperStore>(now: UnixMillis, store: &mut S, key: &Key) -> Result<Found, StoreError> {
    let (address, id) = (key.address, item_of(key));
    let ops = match key.kind {
        ElementKind::Envelope | ElementKind::Ack => vec![
            StoreOp::Offer { address, id },
            StoreOp::Get {
                address,
                ids: vec![id],
            },
        ],
        ElementKind::Card => vec![StoreOp::Cards { locator: address }],
        ElementKind::Chunk | ElementKind::Deletion => vec![StoreOp::Chunk { address }],
    };
    let mut acked = None;
    for outcome in store.apply(now, ops)? {
        match outcome {
            StoreOutcome::Held { until, .. } => acked = Some(until),
            StoreOutcome::Envelopes(items) => {
                if let Some(item) = items.first() {
                    let size_bytes = item.envelope.len() as u64;
                    return Ok(Found::Item(Entry::held(item.expires, size_bytes)));
                }
            }
            StoreOutcome::Cards(records) => {
                let own = records.iter().find(|record| card_key(record) == *key);
                return Ok(own.map_or(Found::Nothing, |own| Found::Item(Entry::of_card(own))));
            }
            StoreOutcome::Chunk { expires, .. } => {
                return Ok(Found::Item(Entry::held(expires, 0)));
            }
            _ => {}
        }
    }
    Ok(acked.map_or(Found::Nothing, Found::Acked))
}
