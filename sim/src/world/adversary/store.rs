//! A keeper's store that may lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use restante::keeper::store::{KeeperStore, StoreCounters};
use restante_proto::keeper::{Expired, ItemStore, StoreError, StoreLayer, StoreOp, StoreOutcome};
use restante_proto::keys::PublicKey;
use restante_proto::limits::HOUR_MS;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::{Character, Conduct};

/// How far behind a store lags that forgets ends, in milliseconds.
const LAG_MS: u64 = 2 * HOUR_MS;

/// A keeper's store under somebody's influence; an honest one does what `S` does.
pub(in crate::world) struct Kept<S> {
    store: S,
    character: Character,
    /// What it has said that it keeps and does not, with the end.
    pretended: BTreeMap<(Address, ItemId), UnixMillis>,
    /// Cards of which it keeps the first.
    cards: BTreeSet<(Address, PublicKey)>,
    /// Acks that it has forgotten.
    acked: BTreeSet<(Address, ItemId)>,
}

/// What is done with one operation.
enum Turn {
    /// The store does it.
    Pass(StoreOp),
    /// The store does it and what it finds is not told.
    Hide(StoreOp),
    /// It is not done.
    Say(StoreOutcome),
}

impl<S: ItemStore> Kept<S> {
    pub(in crate::world) const fn new(store: S, character: Character) -> Self {
        Self {
            store,
            character,
            pretended: BTreeMap::new(),
            cards: BTreeSet::new(),
            acked: BTreeSet::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn deeds(&self) -> &super::Deeds {
        &self.character.deeds
    }

    fn turn(&mut self, op: StoreOp) -> Turn {
        match self.character.conduct {
            Conduct::Honest => Turn::Pass(op),
            Conduct::Drop => Turn::Say(self.pretend(&op)),
            Conduct::Stale => self.lag(op),
        }
    }

    /// Says what an honest keeper would say, and does nothing.
    fn pretend(&mut self, op: &StoreOp) -> StoreOutcome {
        let deeds = &self.character.deeds;
        // What is new would be pushed to whoever waits for it.
        let new = false;
        match op {
            StoreOp::PutEnvelope {
                address,
                id,
                expires,
                ..
            } => {
                count(&deeds.false_words);
                self.pretended.insert((*address, *id), *expires);
                let until = *expires;
                StoreOutcome::Held { until, new }
            }
            StoreOp::PutCard { record, .. } => {
                count(&deeds.false_words);
                let until = record.expires;
                StoreOutcome::Held { until, new }
            }
            StoreOp::PutChunk { expires, .. } => {
                count(&deeds.false_words);
                let until = *expires;
                StoreOutcome::Held { until, new }
            }
            StoreOp::Offer { address, id } => match self.pretended.get(&(*address, *id)) {
                Some(until) => {
                    count(&deeds.false_words);
                    let until = *until;
                    StoreOutcome::Held { until, new }
                }
                None => StoreOutcome::Unknown,
            },
            StoreOp::List { address, .. } => {
                let from = (*address, ItemId::new([0; 32]));
                let mut rest = self.pretended.range(from..);
                if rest.next().is_some_and(|((at, _), _)| at == address) {
                    count(&deeds.hidden);
                }
                StoreOutcome::Listing {
                    items: Vec::new(),
                    more: false,
                }
            }
            StoreOp::Get { .. } => StoreOutcome::Envelopes(Vec::new()),
            StoreOp::Cards { .. } => {
                count(&deeds.hidden);
                StoreOutcome::Cards(Vec::new())
            }
            StoreOp::Chunk { .. } => StoreOutcome::Unknown,
            StoreOp::Ack { .. } | StoreOp::DeleteChunk { .. } | StoreOp::ApplyTombstone(_) => {
                StoreOutcome::Done
            }
            StoreOp::Export { .. } => StoreOutcome::Replicas(Vec::new()),
            StoreOp::Lacking { .. } => StoreOutcome::Lacking(Vec::new()),
        }
    }

    /// Forgets acks and new cards, and hides half of the mailboxes.
    fn lag(&mut self, op: StoreOp) -> Turn {
        let deeds = &self.character.deeds;
        match op {
            StoreOp::Ack {
                address, entries, ..
            } => {
                count(&deeds.false_words);
                let acked = entries.iter().map(|entry| (address, entry.id));
                self.acked.extend(acked);
                Turn::Say(StoreOutcome::Done)
            }
            StoreOp::PutCard { ref record, .. } => {
                let place = (record.locator, record.writer);
                if self.cards.insert(place) {
                    return Turn::Pass(op);
                }
                count(&deeds.false_words);
                let until = record.expires;
                Turn::Say(StoreOutcome::Held { until, new: true })
            }
            StoreOp::List { address, .. } if address.as_bytes()[0] % 2 == 0 => Turn::Hide(op),
            op => Turn::Pass(op),
        }
    }

    /// Returns the clock that the store goes by.
    fn clock(&self, now: UnixMillis) -> UnixMillis {
        match self.character.conduct {
            Conduct::Stale => now.minus(LAG_MS),
            Conduct::Honest | Conduct::Drop => now,
        }
    }

    /// Counts what is handed over though it was acked or has ended.
    fn on_told(&self, now: UnixMillis, note: &Note, outcome: &StoreOutcome) {
        let is_old = match (note, outcome) {
            (Note::Listing(address), StoreOutcome::Listing { items, .. }) => items
                .iter()
                .any(|item| item.expires <= now || self.acked.contains(&(*address, item.id))),
            (_, StoreOutcome::Envelopes(items)) => items.iter().any(|item| item.expires <= now),
            _ => false,
        };
        if is_old {
            count(&self.character.deeds.old);
        }
    }
}

impl<S: ItemStore> StoreLayer for Kept<S> {
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
        let notes: Vec<Note> = ops.iter().map(Note::of).collect();
        let turns: Vec<Turn> = ops.into_iter().map(|op| self.turn(op)).collect();
        let mut hidden = Vec::new();
        let (mut passed, mut said) = (Vec::new(), Vec::new());
        for turn in turns {
            let (op, word, hides) = match turn {
                Turn::Pass(op) => (Some(op), None, false),
                Turn::Hide(op) => (Some(op), None, true),
                Turn::Say(outcome) => (None, Some(outcome), false),
            };
            passed.extend(op);
            said.push(word);
            hidden.push(hides);
        }
        let done = if passed.is_empty() {
            Vec::new()
        } else {
            self.store.apply(self.clock(now), passed)?
        };
        let mut done = done.into_iter();
        let mut outcomes = Vec::with_capacity(said.len());
        for ((word, hides), note) in said.into_iter().zip(hidden).zip(&notes) {
            let Some(mut outcome) = word.or_else(|| done.next()) else {
                break;
            };
            if hides && let StoreOutcome::Listing { items, more } = &mut outcome {
                if !items.is_empty() {
                    count(&self.character.deeds.hidden);
                }
                items.clear();
                *more = false;
            }
            self.on_told(now, note, &outcome);
            note.tell(&self.character, &outcome);
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.pretended.retain(|_, until| *until > now);
        self.store.sweep(self.clock(now), limit)
    }

    fn date(&self, now: UnixMillis) -> UnixMillis {
        self.clock(now)
    }
}

impl<S: KeeperStore> KeeperStore for Kept<S> {
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}

/// What of an operation others may want to know once it is done.
enum Note {
    Envelope(UnixMillis, (Address, ItemId)),
    Cards(Address),
    Listing(Address),
    Nothing,
}

impl Note {
    const fn of(op: &StoreOp) -> Self {
        match op {
            StoreOp::PutEnvelope {
                address,
                id,
                expires,
                ..
            } => Self::Envelope(*expires, (*address, *id)),
            StoreOp::Cards { locator } => Self::Cards(*locator),
            StoreOp::List { address, .. } => Self::Listing(*address),
            _ => Self::Nothing,
        }
    }

    fn tell(&self, character: &Character, outcome: &StoreOutcome) {
        let Some((keeper, witness)) = &character.witness else {
            return;
        };
        match self {
            Self::Envelope(expires, which) if matches!(outcome, StoreOutcome::Held { .. }) => {
                witness.on_receipt(*keeper, *expires, *which);
            }
            Self::Cards(locator) => witness.on_asked(character.conduct, locator),
            _ => {}
        }
    }
}

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}
