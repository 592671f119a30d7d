//! Collecting what waits in one's own mailboxes, as a state machine (SPEC 10.4).
//!
//! Each watched mailbox is looked up, its nearest keepers are subscribed to, and what they list is compared with what
//! was already taken. An envelope is acked only after its recipient has committed it, at every keeper known for the
//! mailbox; a keeper that lists it later (it was away, or the ack was lost) is told again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    Address, ItemId, NodeId,
    limits::{
        ACK_COUNT_MAX, EPOCHS_AHEAD_MAX, EPOCHS_PAST_MAX, GET_COUNT_MAX, HOUR_MS, MINUTE_MS,
        SECOND_MS,
    },
    mailbox::Mailbox,
    placement::{CANDIDATES, jittered},
    request::{Listed, Waiting},
    time::{Epoch, UnixMillis},
};

#[cfg(test)]
mod tests;

/// Keepers of one mailbox that are asked to push.
const SUBSCRIBED: usize = 2;
/// Lookups under way at once.
const FINDING_MAX: usize = 8;
/// How often a mailbox of the present epochs is compared with all its keepers, in milliseconds.
const COMPARE_LIVE_MS: u64 = 10 * MINUTE_MS;
/// How often a mailbox of a past epoch is compared with all its keepers, in milliseconds.
const COMPARE_PAST_MS: u64 = 6 * HOUR_MS;
/// The pause after a lookup that found nobody, in milliseconds.
const RETRY_MS: u64 = 5 * SECOND_MS;
/// Pages of one mailbox's list taken from one keeper at a time: an honest mailbox has two at most.
const PAGES_MAX: u32 = 4;
/// How long before its end a subscription is renewed, in milliseconds.
const RENEW_BEFORE_MS: u64 = 5 * MINUTE_MS;
/// Envelopes remembered as taken, at most, each under its mailbox, since a keeper may hand over one mailbox's envelope
/// as another's, where it does not open; one that is forgotten is opened again and dropped by its message's name.
pub const TAKEN_MAX: usize = 131_072;

/// What enters a collector.
#[derive(Clone, Debug)]
pub enum Input {
    /// Watch these mailboxes, and no others.
    Watch(Vec<Mailbox>),
    /// The keepers closest to a mailbox, nearest first; none if the lookup failed.
    Found(Address, Vec<NodeId>),
    /// A keeper will push until then.
    Subscribed(Address, NodeId, UnixMillis),
    /// What a keeper says waits.
    Listed {
        /// In this mailbox.
        mailbox: Address,
        /// At this keeper.
        keeper: NodeId,
        /// These, in the order of identifiers.
        items: Vec<Listed>,
        /// And more.
        more: bool,
    },
    /// Envelopes a keeper handed over, or none if it could not.
    Got {
        /// From this mailbox.
        mailbox: Address,
        /// By this keeper.
        keeper: NodeId,
        /// Asked for.
        asked: Vec<ItemId>,
        /// Handed over, with the identifiers their bytes have.
        items: Vec<(ItemId, Waiting)>,
    },
    /// An envelope that came unasked.
    Pushed(Address, ItemId, Waiting),
    /// These envelopes are committed, or worth nothing: they may go. Each with its expiry.
    Taken(Address, Vec<(ItemId, UnixMillis)>),
    /// This envelope could not be committed: it stays where it is and is tried again.
    Deferred(Address, ItemId),
    /// A keeper refused, lied or could not be reached.
    Failed(Address, NodeId),
    /// A keeper's connection is gone, and its subscriptions with it.
    Lost(NodeId),
    /// The network has just come up.
    NetworkUp,
    /// The time asked for by [`Collector::next_timeout`] has come.
    Timer,
}

/// What leaves a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Look up the keepers closest to this mailbox.
    Find(Mailbox),
    /// Subscribe at a keeper.
    Subscribe(Mailbox, NodeId),
    /// List a mailbox at a keeper, after an identifier.
    List(Mailbox, NodeId, Option<ItemId>),
    /// Get envelopes from a keeper.
    Get(Mailbox, NodeId, Vec<ItemId>),
    /// Open an envelope, commit what is inside, and come back with [`Input::Taken`].
    Open(Mailbox, ItemId, Waiting),
    /// Ack envelopes at a keeper.
    Ack(Mailbox, NodeId, Vec<ItemId>),
}

#[derive(Debug)]
struct Watch {
    mailbox: Mailbox,
    keepers: Vec<NodeId>,
    subscribed: BTreeMap<NodeId, UnixMillis>,
    finding: bool,
    failures: u32,
    due: UnixMillis,
    compared: bool,
    pages: BTreeMap<NodeId, u32>,
}

/// All watched mailboxes and what was taken from them.
#[derive(Debug, Default)]
pub struct Collector {
    watches: BTreeMap<Address, Watch>,
    taken: BTreeMap<(Address, ItemId), UnixMillis>,
    opening: BTreeSet<(Address, ItemId)>,
    queue: VecDeque<Address>,
    finding: BTreeSet<Address>,
}

impl Collector {
    /// Makes a collector that remembers what was taken before a restart.
    pub fn new(taken: impl IntoIterator<Item = ((Address, ItemId), UnixMillis)>) -> Self {
        Self { taken: taken.into_iter().take(TAKEN_MAX).collect(), ..Self::default() }
    }

    /// Takes an input and returns what is to be done.
    pub fn handle(&mut self, now: UnixMillis, input: Input) -> Vec<Output> {
        match input {
            Input::Watch(mailboxes) => self.on_watch(now, mailboxes),
            Input::Found(at, keepers) => self.on_found(now, at, keepers),
            Input::Subscribed(at, keeper, until) => {
                if let Some(watch) = self.watches.get_mut(&at) {
                    watch.subscribed.insert(keeper, until);
                }
                Vec::new()
            }
            Input::Listed { mailbox, keeper, items, more } => {
                self.on_listed(mailbox, keeper, &items, more)
            }
            Input::Got { mailbox, keeper, asked, items } => {
                self.on_got(mailbox, keeper, &asked, items)
            }
            Input::Pushed(at, id, item) => self.on_item(at, id, item).into_iter().collect(),
            Input::Taken(at, ids) => self.on_taken(at, ids),
            Input::Deferred(at, id) => {
                self.opening.remove(&(at, id));
                Vec::new()
            }
            Input::Failed(at, keeper) => {
                self.on_failed(now, at, keeper);
                self.start_lookups()
            }
            Input::Lost(keeper) => {
                self.on_lost(now, keeper);
                self.start_lookups()
            }
            Input::NetworkUp => {
                for watch in self.watches.values_mut().filter(|w| w.failures > 0 || !w.compared) {
                    watch.due = watch.due.min(now);
                }
                self.on_timer(now)
            }
            Input::Timer => self.on_timer(now),
        }
    }

    /// Returns when [`Input::Timer`] is due.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        self.watches.values().filter(|watch| !watch.finding).map(|watch| watch.due).min()
    }

    /// Returns how many mailboxes are watched, and at how many of them somebody pushes.
    pub fn watched(&self, now: UnixMillis) -> (usize, usize) {
        let pushed = |watch: &&Watch| watch.subscribed.values().any(|until| *until > now);
        (self.watches.len(), self.watches.values().filter(pushed).count())
    }

    /// Returns the keepers that push for at least one mailbox.
    pub fn pushing(&self) -> BTreeSet<NodeId> {
        self.watches.values().flat_map(|watch| watch.subscribed.keys()).copied().collect()
    }

    /// Tells whether every watched mailbox has been compared with its keepers at least once.
    pub fn has_caught_up(&self) -> bool {
        self.watches.values().all(|watch| watch.compared)
    }

    fn on_watch(&mut self, now: UnixMillis, mailboxes: Vec<Mailbox>) -> Vec<Output> {
        let wanted: BTreeMap<Address, Mailbox> =
            mailboxes.into_iter().map(|mailbox| (mailbox.address(), mailbox)).collect();
        self.watches.retain(|at, _| wanted.contains_key(at));
        for (at, mailbox) in wanted {
            self.watches.entry(at).or_insert_with(|| Watch {
                mailbox,
                keepers: Vec::new(),
                subscribed: BTreeMap::new(),
                finding: false,
                failures: 0,
                due: now,
                compared: false,
                pages: BTreeMap::new(),
            });
        }
        self.queue.retain(|at| self.watches.contains_key(at));
        self.on_timer(now)
    }

    fn on_timer(&mut self, now: UnixMillis) -> Vec<Output> {
        self.taken.retain(|_, until| *until > now);
        let present = now.epoch();
        let mut due: Vec<(bool, Address)> = self
            .watches
            .iter()
            .filter(|(_, watch)| !watch.finding && watch.due <= now)
            .map(|(at, watch)| (is_past(&watch.mailbox, present), *at))
            .collect();
        // Mail of the present epochs first.
        due.sort_unstable();
        for (_, at) in due {
            if let Some(watch) = self.watches.get_mut(&at) {
                watch.finding = true;
                watch.due = now.plus(compare_ms(&watch.mailbox, present));
                self.queue.push_back(at);
            }
        }
        self.start_lookups()
    }

    fn start_lookups(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while self.finding.len() < FINDING_MAX {
            let Some(at) = self.queue.pop_front() else { break };
            if let Some(watch) = self.watches.get(&at) {
                self.finding.insert(at);
                outputs.push(Output::Find(watch.mailbox));
            }
        }
        outputs
    }

    fn on_found(&mut self, now: UnixMillis, at: Address, keepers: Vec<NodeId>) -> Vec<Output> {
        self.finding.remove(&at);
        let present = now.epoch();
        let mut outputs = Vec::new();
        if let Some(watch) = self.watches.get_mut(&at) {
            watch.finding = false;
            if keepers.is_empty() {
                let pause = RETRY_MS << watch.failures.min(7);
                watch.failures = watch.failures.saturating_add(1);
                watch.due = now.plus(jittered(pause, &at, watch.failures));
            } else {
                watch.failures = 0;
                watch.compared = true;
                let compare = compare_ms(&watch.mailbox, present);
                watch.due = now.plus(jittered(compare, &at, present.get()));
                watch.keepers = keepers.into_iter().take(CANDIDATES).collect();
                outputs = watch.ask(now, present);
            }
        }
        outputs.extend(self.start_lookups());
        outputs
    }

    fn on_listed(
        &mut self,
        at: Address,
        keeper: NodeId,
        items: &[Listed],
        more: bool,
    ) -> Vec<Output> {
        let Some(watch) = self.watches.get_mut(&at) else { return Vec::new() };
        let pages = watch.pages.entry(keeper).or_default();
        *pages += 1;
        let more = more && *pages < PAGES_MAX;
        let taken = |item: &&Listed| self.taken.contains_key(&(at, item.id));
        let again: Vec<ItemId> = items.iter().filter(taken).map(|item| item.id).collect();
        let wanted: Vec<ItemId> = items
            .iter()
            .filter(|item| !taken(item) && !self.opening.contains(&(at, item.id)))
            .map(|item| item.id)
            .collect();
        let mut outputs = Vec::new();
        for ids in again.chunks(ACK_COUNT_MAX) {
            outputs.push(Output::Ack(watch.mailbox, keeper, ids.to_vec()));
        }
        for ids in wanted.chunks(GET_COUNT_MAX) {
            outputs.push(Output::Get(watch.mailbox, keeper, ids.to_vec()));
        }
        if let Some(last) = items.last().filter(|_| more) {
            outputs.push(Output::List(watch.mailbox, keeper, Some(last.id)));
        }
        outputs
    }

    fn on_got(
        &mut self,
        at: Address,
        keeper: NodeId,
        asked: &[ItemId],
        items: Vec<(ItemId, Waiting)>,
    ) -> Vec<Output> {
        let got: BTreeSet<ItemId> = items.iter().map(|(id, _)| *id).collect();
        let count = items.iter().filter(|(id, _)| asked.contains(id)).count();
        let mut outputs: Vec<Output> = items
            .into_iter()
            .filter(|(id, _)| asked.contains(id))
            .filter_map(|(id, item)| self.on_item(at, id, item))
            .collect();
        let Some(watch) = self.watches.get(&at) else { return outputs };
        // A response that is full leaves a rest; one that brought nothing says the rest is gone.
        let rest = asked.iter().filter(|id| !got.contains(id)).filter(|id| {
            let place = (at, **id);
            !self.taken.contains_key(&place) && !self.opening.contains(&place)
        });
        let rest: Vec<ItemId> = rest.copied().collect();
        if count > 0 && !rest.is_empty() {
            outputs.push(Output::Get(watch.mailbox, keeper, rest));
        }
        outputs
    }

    /// Passes an envelope on to be opened, unless it was taken or is being opened.
    fn on_item(&mut self, at: Address, id: ItemId, item: Waiting) -> Option<Output> {
        let watch = self.watches.get(&at)?;
        if self.taken.contains_key(&(at, id)) || !self.opening.insert((at, id)) {
            return None;
        }
        Some(Output::Open(watch.mailbox, id, item))
    }

    fn on_taken(&mut self, at: Address, ids: Vec<(ItemId, UnixMillis)>) -> Vec<Output> {
        for (id, until) in &ids {
            self.opening.remove(&(at, *id));
            if self.taken.len() < TAKEN_MAX {
                self.taken.insert((at, *id), *until);
            }
        }
        let Some(watch) = self.watches.get(&at) else { return Vec::new() };
        let ids: Vec<ItemId> = ids.into_iter().map(|(id, _)| id).collect();
        let mut outputs = Vec::new();
        for keeper in &watch.keepers {
            for part in ids.chunks(ACK_COUNT_MAX) {
                outputs.push(Output::Ack(watch.mailbox, *keeper, part.to_vec()));
            }
        }
        outputs
    }

    fn on_failed(&mut self, now: UnixMillis, at: Address, keeper: NodeId) {
        let Some(watch) = self.watches.get_mut(&at) else { return };
        let was_subscribed = watch.subscribed.remove(&keeper).is_some();
        if was_subscribed && !watch.finding {
            watch.due = watch.due.min(now.plus(RETRY_MS));
        }
    }

    fn on_lost(&mut self, now: UnixMillis, keeper: NodeId) {
        for watch in self.watches.values_mut() {
            if watch.subscribed.remove(&keeper).is_some() && !watch.finding {
                watch.due = watch.due.min(now.plus(RETRY_MS));
            }
        }
    }
}

impl Watch {
    /// Asks all keepers what waits, and the nearest to push from now on.
    fn ask(&mut self, now: UnixMillis, present: Epoch) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.pages.clear();
        self.subscribed.retain(|keeper, until| *until > now && self.keepers.contains(keeper));
        if !is_past(&self.mailbox, present) {
            let due = |keeper: &&NodeId| {
                self.subscribed
                    .get(*keeper)
                    .is_none_or(|until| until.since(now) < COMPARE_LIVE_MS + RENEW_BEFORE_MS)
            };
            let nearest = self.keepers.iter().take(SUBSCRIBED).filter(due);
            outputs.extend(nearest.map(|keeper| Output::Subscribe(self.mailbox, *keeper)));
        }
        // Subscribed first, then listed: what arrives between the two comes twice, never not at all.
        let lists = self.keepers.iter().map(|keeper| Output::List(self.mailbox, *keeper, None));
        outputs.extend(lists);
        outputs
    }
}

fn is_past(mailbox: &Mailbox, present: Epoch) -> bool {
    mailbox.epoch < present.minus(1)
}

fn compare_ms(mailbox: &Mailbox, present: Epoch) -> u64 {
    if is_past(mailbox, present) { COMPARE_PAST_MS } else { COMPARE_LIVE_MS }
}

/// Returns the epochs whose mailboxes may hold mail for somebody whose account exists since `since`: one ahead, the
/// present one, and as many past ones as an envelope can live.
pub fn watched_epochs(now: UnixMillis, since: Epoch) -> impl Iterator<Item = Epoch> {
    let last = now.epoch().plus(EPOCHS_AHEAD_MAX);
    let first = now.epoch().minus(EPOCHS_PAST_MAX).max(since).min(last);
    (first.get()..=last.get()).rev().map(Epoch::new)
}
