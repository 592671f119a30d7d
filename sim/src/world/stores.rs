//! What keepers' stores say, seen from outside, and what they must never say.
//!
//! Each store of a run is wrapped ([`Watch::observe`]), whatever it is; what it is told and what it answers is held
//! against a [`Oracle`] of what it must hold. A run is broken, by the name of the rule, when a store
//!
//! - `durable-receipt`: says of something that it is durable and does not have it later, after a crash or without one;
//! - `acked`: hands over, lists or takes anew what was acked at it, or forgets an ack before its time;
//! - `expiry`: hands over or lists what has ended by the keeper's own clock, or keeps it a minute longer;
//! - `right-mailbox`: hands over or lists what was never brought there;
//! - `rollback`: lets a card give way to an older one, or the end of an account to anything;
//! - `budget`: holds more than its mailboxes or its operator allow;
//!
//! and when a card shows a prekey that another has shown (`prekey`), or a sender counts more receipts than stores
//! have given (`receipts-counted`). Whose disk is damaged or lies is excused ([`Watch::excuse`]), and who means harm
//! counts as having given every receipt ([`Watch::distrust`]).
//!
//! The oracles take about a twentieth of what the disks take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restante_proto::account::PersonId;
use restante_proto::keeper::{ElementKind, Expired, Replica, StoreError, StoreOutcome, Usage};
use restante_proto::time::UnixMillis;
use tokio::sync::Notify;

use self::asked::Asked;
use self::cards::Cards;
use self::oracle::{Finding, Oracle};
use super::since;
use crate::clock::Instant;
use crate::observed::Upkeep;

mod asked;
mod cards;
mod observed;
mod opening;
mod oracle;
#[cfg(test)]
mod tests;

pub(super) use self::observed::ObservedStore;

/// How long a keeper may be gone without its copies being lost: others wait as long before they make new ones.
const GRACE: Duration = Duration::from_secs(300);
/// Lines for the trace that wait for the director before it is woken.
const LINES_WAKE: usize = 256;
/// Lines for the trace that wait for the director, at most; further ones are lost.
const LINES_MAX: usize = 65_536;
/// Ends of envelopes that are remembered, at most.
const ENDS_MAX: usize = 100_000;

/// All stores of a run; clones are the same.
#[derive(Clone)]
pub(super) struct Stores {
    state: Arc<Mutex<State>>,
    base: tokio::time::Instant,
    /// From when on copies are counted: what a network costs that is only just coming up is something else.
    counted_from: Duration,
    news: Arc<Notify>,
}

/// One machine's view of [`Stores`].
#[derive(Clone)]
pub(super) struct Watch {
    stores: Stores,
    name: Arc<str>,
}

#[derive(Default)]
struct State {
    oracles: BTreeMap<Arc<str>, Oracle>,
    lines: Vec<(Instant, String)>,
    broken: Option<(Instant, &'static str, String)>,
    cards: Cards,
    /// Who has ever taken an envelope with this end, and from when on it was durable there.
    ///
    /// A sender chooses the end to the millisecond, so that it tells which message an envelope is.
    takers: BTreeMap<UnixMillis, BTreeMap<Arc<str>, Duration>>,
    /// Those of whom it is not known yet when that is.
    taking: Vec<(UnixMillis, Arc<str>)>,
    upkeep: Upkeep,
    /// Those whose process has ended: since when, and how many items they had.
    gone: BTreeMap<Arc<str>, (Duration, u64)>,
    excused: BTreeSet<Arc<str>>,
    distrusted: BTreeSet<Arc<str>>,
}

impl Stores {
    pub(super) fn new(base: tokio::time::Instant, counted_from: Duration) -> Self {
        Self {
            state: Arc::default(),
            base,
            counted_from,
            news: Arc::default(),
        }
    }

    /// Returns the view of the machine that goes by this name.
    pub(super) fn watch(&self, name: &str) -> Watch {
        Watch {
            stores: self.clone(),
            name: name.into(),
        }
    }

    /// Learns a person's ID, by which cards are opened.
    pub(super) fn learn(&self, person: usize, id: &PersonId, start: UnixMillis) {
        self.lock().cards.learn(person, id, start);
    }

    /// Waits until there is something to hear that does not wait.
    pub(super) async fn told(&self) {
        self.news.notified().await;
    }

    /// Returns the lines for the trace since the last call.
    pub(super) fn take_lines(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut self.lock().lines)
    }

    /// Returns the first thing that was wrong: when, by which rule, and what.
    pub(super) fn take_broken(&self) -> Option<(Instant, &'static str, String)> {
        self.lock().broken.take()
    }

    /// Returns how many stores, at most, can have given a receipt by now for an envelope that ends then.
    pub(super) fn takers(&self, end: UnixMillis) -> usize {
        let now = self.base.elapsed();
        let state = self.lock();
        let takers = state.takers.get(&end).into_iter().flatten();
        takers.filter(|(_, from)| **from <= now).count() + state.distrusted.len()
    }

    /// Returns how many copies were lost and made.
    pub(super) fn upkeep(&self) -> Upkeep {
        let now = self.base.elapsed();
        let state = self.lock();
        let gone = state.gone.values();
        let lost = gone.filter(|(since, _)| now.saturating_sub(*since) >= GRACE);
        let lost: u64 = lost.map(|(_, items)| items).sum();
        Upkeep {
            lost: state.upkeep.lost + lost,
            ..state.upkeep
        }
    }

    /// Returns how much the store of that name must hold.
    pub(super) fn held(&self, name: &str) -> u64 {
        let state = self.lock();
        state
            .oracles
            .get(name)
            .map_or(0, |oracle| oracle.items.len() as u64)
    }

    /// Returns the names of all whose stores have ever taken an envelope that ends then.
    pub(super) fn taken_by(&self, end: UnixMillis) -> BTreeSet<Arc<str>> {
        let state = self.lock();
        let takers = state.takers.get(&end).into_iter().flatten();
        takers.map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the run anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Nothing is expected of the store any more: its disk is at fault.
    pub(super) fn excuse(&self) {
        let mut state = self.stores.lock();
        if state.excused.insert(Arc::clone(&self.name)) {
            state.oracles.remove(&self.name);
        }
    }

    /// The keeper may give receipts without its store.
    pub(super) fn distrust(&self) {
        let mut state = self.stores.lock();
        state.distrusted.insert(Arc::clone(&self.name));
    }

    /// The process that has the store ends.
    fn on_gone(&self, now: UnixMillis) {
        let since = self.stores.base.elapsed();
        if since < self.stores.counted_from {
            return;
        }
        let mut state = self.stores.lock();
        let oracle = state.oracles.get(&self.name);
        let live = oracle.into_iter().flat_map(|oracle| oracle.items.values());
        let items = live
            .filter(|entry| entry.is_live(now) && !entry.is_ack())
            .count();
        state
            .gone
            .insert(Arc::clone(&self.name), (since, items as u64));
    }

    /// A process has opened the store.
    fn on_back(&self) {
        let now = self.stores.base.elapsed();
        let mut state = self.stores.lock();
        if let Some((since, items)) = state.gone.remove(&self.name)
            && now.saturating_sub(since) >= GRACE
        {
            state.upkeep.lost += items;
        }
    }

    /// What the store has done since the last call becomes durable once this has passed.
    pub(super) fn on_cost(&self, cost: Duration) {
        let done = self.stores.base.elapsed() + cost;
        let mut state = self.stores.lock();
        for (end, taker) in std::mem::take(&mut state.taking) {
            let from = state.takers.entry(end).or_default().entry(taker);
            from.or_insert(done);
        }
        if state.takers.len() > ENDS_MAX {
            state.takers.pop_first();
        }
        if let Some(oracle) = state.oracles.get_mut(&self.name) {
            oracle.on_cost(done);
        }
    }

    /// The power is cut.
    pub(super) fn on_crash(&self) {
        let now = self.stores.base.elapsed();
        let mut state = self.stores.lock();
        let lost = state.oracles.get_mut(&self.name);
        for end in lost.map(|oracle| oracle.on_crash(now)).unwrap_or_default() {
            state.forget_taker(end, &self.name);
        }
    }

    fn on_applied(
        &self,
        now: UnixMillis,
        asked: Vec<Asked>,
        done: &Result<Vec<StoreOutcome>, StoreError>,
        usage: Usage,
    ) {
        let since = self.stores.base.elapsed();
        if let Ok(outcomes) = done {
            self.note(now, &asked, outcomes);
        }
        self.judge(|oracle| {
            oracle.forget_done(since);
            oracle.on_time(now, since)?;
            let Ok(outcomes) = done else {
                asked.iter().for_each(|asked| oracle.on_failed(asked));
                return Ok(());
            };
            let mut all = asked.iter().zip(outcomes);
            all.try_for_each(|(asked, outcome)| oracle.on_outcome(now, asked, outcome))?;
            oracle.on_usage(usage)
        });
    }

    fn on_swept(&self, now: UnixMillis, done: &Result<Expired, StoreError>, usage: Usage) {
        let since = self.stores.base.elapsed();
        self.judge(|oracle| match done {
            Ok(expired) => oracle.on_swept(now, since, expired.more, usage),
            Err(_) => {
                oracle.on_not_swept(since);
                Ok(())
            }
        });
    }

    /// Lets `rule` judge, and writes down the first thing it finds.
    fn judge(&self, rule: impl FnOnce(&mut Oracle) -> Result<(), Finding>) {
        let mut state = self.stores.lock();
        if state.excused.contains(&self.name) {
            return;
        }
        let oracle = state.oracles.entry(Arc::clone(&self.name)).or_default();
        if let Err((rule, what)) = rule(oracle) {
            state.violate(
                since(self.stores.base),
                rule,
                format!("{} {what}", self.name),
            );
            self.stores.news.notify_one();
        }
    }

    /// Writes down what the store has done.
    fn note(&self, now: UnixMillis, asked: &[Asked], outcomes: &[StoreOutcome]) {
        let at = since(self.stores.base);
        let counted = self.stores.base.elapsed() >= self.stores.counted_from;
        let mut state = self.stores.lock();
        for (asked, outcome) in asked.iter().zip(outcomes) {
            match (asked, outcome) {
                (Asked::Mail(mail), StoreOutcome::Held { .. }) => {
                    state.taking.push((mail.expires, Arc::clone(&self.name)));
                }
                (Asked::Export, StoreOutcome::Replicas(replicas)) if counted => {
                    replicas
                        .iter()
                        .for_each(|replica| state.upkeep.count(replica));
                }
                (Asked::Card(record), StoreOutcome::Held { new: true, .. }) => {
                    if let Some(what) = state.cards.on_record(now, record) {
                        state.violate(at, "prekey", what);
                    }
                }
                _ => {}
            }
            if state.lines.len() < LINES_MAX {
                let lines = asked.lines(outcome).into_iter();
                let lines = lines.map(|what| (at, format!("{} {what}", self.name)));
                state.lines.extend(lines);
            }
        }
        if state.broken.is_some() || state.lines.len() >= LINES_WAKE {
            self.stores.news.notify_one();
        }
    }
}

impl Upkeep {
    fn count(&mut self, replica: &Replica) {
        if matches!(replica.key.kind, ElementKind::Ack | ElementKind::Deletion) {
            self.acks += 1;
        } else {
            self.made += 1;
            self.made_bytes += (replica.item.len() + replica.proof.len()) as u64;
        }
    }
}

impl State {
    fn violate(&mut self, at: Instant, rule: &'static str, what: String) {
        self.broken.get_or_insert((at, rule, what));
    }

    fn forget_taker(&mut self, end: UnixMillis, name: &Arc<str>) {
        if let Some(takers) = self.takers.get_mut(&end) {
            takers.remove(name);
        }
    }
}
