//! Collecting what waits in one's own mailboxes, as a state machine (SPEC 10.4).
//!
//! Each watched mailbox is looked up, its nearest keepers are subscribed to, and what they list is compared with what
//! was already taken. An envelope is acked only after its recipient has committed it, at every keeper known for the
//! mailbox; a keeper that lists it later (it was away, or the ack was lost) is told again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    Address, ItemId, NodeId,
    limits::{ACK_COUNT_MAX, CLOCK_SKEW_MS, DAY_MS, EPOCHS_PAST_MAX, GET_COUNT_MAX, MINUTE_MS},
    mailbox::Mailbox,
    placement::{CANDIDATES, jittered},
    request::{Listed, Waiting},
    time::{Epoch, MonoMillis, Now, UnixMillis},
};

#[cfg(test)]
mod tests;
mod watch;

use watch::{RETRY_MS, Stage, Watch};

/// Lookups under way at once.
const FINDING_MAX: usize = 8;
/// Pages of one mailbox's list taken from one keeper at a time: an honest mailbox has two at most.
const PAGES_MAX: u32 = 4;
/// How long a round may take before the next lookup, in milliseconds.
const ROUND_MS: u64 = MINUTE_MS;
/// Envelopes being opened at once, at most; further ones stay where they are.
const OPENING_MAX: usize = 256;
/// Envelopes remembered as taken, at most, each under its mailbox, since a keeper may hand over one mailbox's envelope
/// as another's, where it does not open; one that is forgotten is opened again and dropped by its message's name.
pub const TAKEN_MAX: usize = 131_072;

/// Envelopes remembered as left, at most; one that is forgotten is asked for and left again.
const LEFT_MAX: usize = 16_384;

/// How long after its end an envelope is still remembered as taken, in milliseconds: a clock that was ahead for a while
/// must not make an envelope new again.
const TAKEN_AFTER_MS: u64 = 7 * DAY_MS;

/// What enters a collector.
#[derive(Clone, Debug)]
pub enum Input {
    /// Watch these mailboxes, and no others; to be said again whenever [`watched_epochs`] are others.
    Watch(Vec<Mailbox>),
    /// The keepers closest to a mailbox, nearest first; none if the lookup failed.
    Found(Address, Vec<NodeId>),
    /// The nodes that a keeper knows nearest to a mailbox beside itself, nearest first; none if it did not answer.
    Neighbours(Address, NodeId, Vec<NodeId>),
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
    /// A keeper did not list a mailbox.
    NotListed(Address, NodeId),
    /// A keeper did not answer when asked for these envelopes.
    NotGot(Address, NodeId, Vec<ItemId>),
    /// Envelopes a keeper handed over.
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
    /// An envelope that a keeper sent unasked.
    Pushed(Address, NodeId, ItemId, Waiting),
    /// These envelopes are committed, or worth nothing: they may go. Each with its expiry.
    Taken(Address, Vec<(ItemId, UnixMillis)>),
    /// This envelope could not be committed: it stays where it is and is tried again.
    Deferred(Address, ItemId),
    /// This envelope does not open here, and another copy of the account may have the key: it stays where it is until
    /// its expiry and is not asked for again before [`Input::Reconsider`].
    Left(Address, ItemId, UnixMillis),
    /// What was left may be opened or acked now, and acks that were held back may leave.
    Reconsider,
    /// What was deferred in this mailbox can be committed now.
    Again(Address),
    /// A keeper did not take an ack: it may still list what is done with.
    NotAcked(Address),
    /// A keeper does not push.
    NotSubscribed(Address, NodeId),
    /// A keeper's connection is gone, and its subscriptions with it.
    Lost(NodeId),
    /// The network has just come up.
    NetworkUp,
    /// The process did not run for a while, or its clock was set: what keepers had promised to push may have lapsed.
    Resumed,
    /// The time asked for by [`Collector::next_timeout`] has come.
    Timer,
}

/// What leaves a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Look up the keepers closest to this mailbox.
    Find(Mailbox),
    /// Ask a keeper, which is connected, for the nodes it knows nearest to this mailbox.
    AskNeighbours(Mailbox, NodeId),
    /// Subscribe at a keeper; the list is asked for after it, so that what arrives between the two comes twice, never
    /// not at all.
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

impl Output {
    /// Returns the keeper that is asked for what waits.
    fn keeper(&self) -> Option<NodeId> {
        match self {
            Self::Subscribe(_, keeper) | Self::List(_, keeper, _) => Some(*keeper),
            _ => None,
        }
    }
}

/// All watched mailboxes and what was taken from them.
#[derive(Debug, Default)]
pub struct Collector {
    watches: BTreeMap<Address, Watch>,
    taken: BTreeMap<(Address, ItemId), UnixMillis>,
    /// Envelopes that stay where they are, until they expire.
    left: BTreeMap<(Address, ItemId), UnixMillis>,
    opening: BTreeSet<(Address, ItemId)>,
    /// Envelopes asked for and not here yet, so that no two keepers send the same.
    getting: BTreeMap<(Address, ItemId), NodeId>,
    queue: VecDeque<Address>,
    finding: BTreeSet<Address>,
}

impl Collector {
    /// Makes a collector that remembers what was taken before a restart.
    pub fn new(taken: impl IntoIterator<Item = ((Address, ItemId), UnixMillis)>) -> Self {
        Self {
            taken: taken.into_iter().take(TAKEN_MAX).collect(),
            ..Self::default()
        }
    }

    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        match input {
            Input::Watch(mailboxes) => self.on_watch(now, mailboxes),
            Input::Found(at, keepers) => self.on_found(now, at, keepers),
            Input::Neighbours(at, keeper, nodes) => self.on_neighbours(now, at, keeper, &nodes),
            Input::Subscribed(at, keeper, until) => {
                let Some(watch) = self.watches.get_mut(&at) else {
                    return Vec::new();
                };
                watch.on_subscribed(now, keeper, until);
                vec![Output::List(watch.mailbox, keeper, None)]
            }
            Input::NotSubscribed(at, keeper) => {
                let Some(watch) = self.watches.get_mut(&at) else {
                    return Vec::new();
                };
                watch.subscribed.remove(&keeper);
                // It may hold something all the same.
                vec![Output::List(watch.mailbox, keeper, None)]
            }
            Input::Listed {
                mailbox,
                keeper,
                items,
                more,
            } => self.on_listed(now, mailbox, keeper, &items, more),
            Input::NotListed(at, keeper) => {
                if let Some(watch) = self.watches.get_mut(&at) {
                    watch.on_answer(now, keeper, false);
                }
                Vec::new()
            }
            Input::Got {
                mailbox,
                keeper,
                asked,
                items,
            } => self.on_got(now, mailbox, keeper, &asked, items),
            Input::NotGot(at, keeper, asked) => {
                self.release(now, at, keeper, &asked);
                Vec::new()
            }
            Input::Pushed(at, keeper, id, item) => self.on_pushed(at, keeper, id, item),
            Input::Taken(at, ids) => self.on_taken(now, at, ids),
            Input::Deferred(at, id) => {
                self.opening.remove(&(at, id));
                self.left.remove(&(at, id));
                Vec::new()
            }
            Input::Left(at, id, until) => self.on_left((at, id), until),
            Input::Reconsider => self.on_reconsider(now),
            Input::Again(at) => {
                if let Some(watch) = self.watches.get_mut(&at) {
                    watch.hasten(now.mono);
                }
                self.on_timer(now)
            }
            Input::NotAcked(at) => {
                if let Some(watch) = self.watches.get_mut(&at) {
                    watch.owe_acks();
                }
                Vec::new()
            }
            Input::Lost(keeper) => {
                self.on_lost(now, keeper);
                self.start_lookups()
            }
            Input::NetworkUp => self.on_network_up(now),
            Input::Resumed => self.on_resumed(now),
            Input::Timer => self.on_timer(now),
        }
    }

    /// Returns when [`Input::Timer`] is due.
    pub fn next_timeout(&self) -> Option<MonoMillis> {
        self.watches
            .values()
            .filter(|watch| !watch.finding)
            .map(|watch| watch.due)
            .min()
    }

    /// Returns how many mailboxes are watched, and at how many of them somebody pushes.
    pub fn watched(&self, now: Now) -> (usize, usize) {
        let pushed = |watch: &&Watch| watch.subscribed.values().any(|until| *until > now.mono);
        (
            self.watches.len(),
            self.watches.values().filter(pushed).count(),
        )
    }

    /// Returns the keepers that push for at least one mailbox.
    pub fn pushing(&self, now: Now) -> BTreeSet<NodeId> {
        let subscribed = self.watches.values().flat_map(|watch| &watch.subscribed);
        let pushing = subscribed.filter(|(_, until)| **until > now.mono);
        pushing.map(|(keeper, _)| *keeper).collect()
    }

    /// Tells whether every watched mailbox has been compared with its keepers at least once.
    pub fn has_caught_up(&self) -> bool {
        self.watches.values().all(|watch| watch.compared)
    }

    /// Returns a mailbox that is watched.
    pub fn mailbox(&self, at: &Address) -> Option<Mailbox> {
        self.watches.get(at).map(|watch| watch.mailbox)
    }

    /// Returns how many envelopes wait that do not open here.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    fn on_left(&mut self, place: (Address, ItemId), until: UnixMillis) -> Vec<Output> {
        self.opening.remove(&place);
        if self.left.len() < LEFT_MAX {
            self.left.insert(place, until);
        }
        Vec::new()
    }

    fn on_reconsider(&mut self, now: Now) -> Vec<Output> {
        self.left.clear();
        for watch in self.watches.values_mut() {
            watch.owe_acks();
            if !watch.finding {
                watch.hasten(now.mono);
            }
        }
        self.on_timer(now)
    }

    fn on_network_up(&mut self, now: Now) -> Vec<Output> {
        let idle = |watch: &&mut Watch| !watch.finding && (watch.failures > 0 || !watch.compared);
        for watch in self.watches.values_mut().filter(idle) {
            watch.hasten(now.mono);
        }
        self.on_timer(now)
    }

    fn on_resumed(&mut self, now: Now) -> Vec<Output> {
        for watch in self.watches.values_mut() {
            watch.subscribed.clear();
            // What failed may have failed for a date that was wrong.
            watch.failures = 0;
            if !watch.finding {
                watch.hasten(now.mono);
            }
        }
        self.on_timer(now)
    }

    fn on_watch(&mut self, now: Now, mailboxes: Vec<Mailbox>) -> Vec<Output> {
        let wanted: BTreeMap<Address, Mailbox> = mailboxes
            .into_iter()
            .map(|mailbox| (mailbox.address(), mailbox))
            .collect();
        self.watches.retain(|at, _| wanted.contains_key(at));
        for (at, mailbox) in wanted {
            self.watches
                .entry(at)
                .or_insert_with(|| Watch::new(mailbox, now.mono))
                .catch_up(now);
        }
        self.queue.retain(|at| self.watches.contains_key(at));
        self.on_timer(now)
    }

    fn on_timer(&mut self, now: Now) -> Vec<Output> {
        self.taken
            .retain(|_, until| until.plus(TAKEN_AFTER_MS) > now.date);
        self.left.retain(|_, until| *until > now.date);
        let mut due: Vec<(Stage, Address)> = self
            .watches
            .iter()
            .filter(|(_, watch)| !watch.finding && watch.due <= now.mono)
            .map(|(at, watch)| (watch.stage(now), *at))
            .collect();
        // Mail of the present epoch first.
        due.sort_unstable();
        let mut outputs = Vec::new();
        for (stage, at) in due {
            if let Some(watch) = self.watches.get_mut(&at) {
                let neighbour = watch.neighbour(now);
                watch.finding = true;
                watch.hastened = None;
                watch.due = now.mono.plus(stage.compare_ms());
                match neighbour {
                    Some(keeper) => outputs.push(Output::AskNeighbours(watch.mailbox, keeper)),
                    None => self.queue.push_back(at),
                }
            }
        }
        outputs.extend(self.start_lookups());
        outputs
    }

    /// Begins a brief round if the keepers are still those that were found last, and a whole one otherwise.
    fn on_neighbours(
        &mut self,
        now: Now,
        at: Address,
        keeper: NodeId,
        nodes: &[NodeId],
    ) -> Vec<Output> {
        let Some(watch) = self.watches.get_mut(&at).filter(|watch| watch.finding) else {
            return Vec::new();
        };
        // It may have been lost meanwhile, or the process may have slept.
        let is_calm = watch.neighbour(now).is_some();
        if is_calm && !nodes.is_empty() && watch.knows(nodes) {
            watch.finding = false;
            watch.due = now.mono.plus(ROUND_MS);
            return watch.ask_some(now, keeper);
        }
        self.queue.push_back(at);
        self.start_lookups()
    }

    fn start_lookups(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while self.finding.len() < FINDING_MAX {
            let Some(at) = self.queue.pop_front() else {
                break;
            };
            if let Some(watch) = self.watches.get(&at) {
                self.finding.insert(at);
                outputs.push(Output::Find(watch.mailbox));
            }
        }
        outputs
    }

    fn on_found(&mut self, now: Now, at: Address, keepers: Vec<NodeId>) -> Vec<Output> {
        self.finding.remove(&at);
        let mut outputs = Vec::new();
        if let Some(watch) = self.watches.get_mut(&at) {
            watch.finding = false;
            if keepers.is_empty() {
                // Late answers of the last round say nothing about this one.
                watch.awaited.clear();
                let pause = RETRY_MS << watch.failures.min(7);
                watch.failures = watch.failures.saturating_add(1);
                watch.due = now.mono.plus(jittered(pause, &at, watch.failures));
            } else {
                watch.due = now.mono.plus(ROUND_MS);
                watch.keepers = keepers.into_iter().take(CANDIDATES).collect();
                outputs = watch.ask_all(now);
            }
        }
        outputs.extend(self.start_lookups());
        outputs
    }

    fn on_listed(
        &mut self,
        now: Now,
        at: Address,
        keeper: NodeId,
        items: &[Listed],
        more: bool,
    ) -> Vec<Output> {
        let Some(watch) = self.watches.get_mut(&at) else {
            return Vec::new();
        };
        watch.on_answer(now, keeper, true);
        let pages = watch.pages.entry(keeper).or_default();
        *pages += 1;
        let more = more && *pages < PAGES_MAX;
        let taken = |item: &&Listed| self.taken.contains_key(&(at, item.id));
        let again: Vec<ItemId> = items.iter().filter(taken).map(|item| item.id).collect();
        let passed_over = watch.passed_over.contains(&keeper);
        let new = |item: &&Listed| {
            let place = (at, item.id);
            let known = taken(item) || self.left.contains_key(&place);
            let known = known || self.opening.contains(&place);
            !known && !self.getting.contains_key(&place) && !passed_over
        };
        let mut wanted: Vec<ItemId> = items.iter().filter(new).map(|item| item.id).collect();
        let room = OPENING_MAX.saturating_sub(self.opening.len() + self.getting.len());
        watch.again |= wanted.len() > room;
        if watch.is_brief() && !wanted.is_empty() {
            // Nobody pushed it.
            watch.distrust(now);
        }
        wanted.truncate(room);
        self.getting
            .extend(wanted.iter().map(|id| ((at, *id), keeper)));
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
        now: Now,
        at: Address,
        keeper: NodeId,
        asked: &[ItemId],
        items: Vec<(ItemId, Waiting)>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut rest: BTreeSet<ItemId> = asked.iter().copied().collect();
        for (id, item) in items {
            // Only what this keeper was asked for, and each once.
            if rest.remove(&id) && self.getting.remove(&(at, id)).is_some() {
                outputs.extend(self.on_item(at, id, item));
            }
        }
        let rest: Vec<ItemId> = rest.into_iter().collect();
        let Some(watch) = self.watches.get(&at) else {
            self.release(now, at, keeper, &rest);
            return outputs;
        };
        // A response that is full leaves a rest; one that brought nothing will bring nothing.
        if rest.len() < asked.len() && !rest.is_empty() {
            outputs.push(Output::Get(watch.mailbox, keeper, rest));
        } else {
            self.release(now, at, keeper, &rest);
        }
        outputs
    }

    /// Gives up getting envelopes from a keeper; another one is asked soon.
    fn release(&mut self, now: Now, at: Address, keeper: NodeId, asked: &[ItemId]) {
        for id in asked {
            self.getting.remove(&(at, *id));
        }
        let missing = asked.iter().any(|id| {
            let place = (at, *id);
            let is_done = self.taken.contains_key(&place) || self.left.contains_key(&place);
            !is_done && !self.opening.contains(&place)
        });
        if let Some(watch) = self.watches.get_mut(&at).filter(|_| missing) {
            watch.unhelpful.insert(keeper);
            if !watch.finding {
                watch.hasten(now.mono.plus(RETRY_MS));
            }
        }
    }

    fn on_pushed(&mut self, at: Address, keeper: NodeId, id: ItemId, item: Waiting) -> Vec<Output> {
        let pushes = |watch: &&Watch| watch.subscribed.contains_key(&keeper);
        let Some(watch) = self.watches.get(&at).filter(pushes) else {
            return Vec::new();
        };
        if self.taken.contains_key(&(at, id)) {
            // It was deposited there after the ack, or with it; nobody lists at those who push for an hour.
            return vec![Output::Ack(watch.mailbox, keeper, vec![id])];
        }
        self.on_item(at, id, item).into_iter().collect()
    }

    /// Passes an envelope on to be opened, unless it was taken or is being opened.
    fn on_item(&mut self, at: Address, id: ItemId, item: Waiting) -> Option<Output> {
        let watch = self.watches.get(&at)?;
        if self.opening.len() >= OPENING_MAX {
            // The next comparison brings it again.
            self.watches.get_mut(&at)?.again = true;
            return None;
        }
        let is_done = self.taken.contains_key(&(at, id)) || self.left.contains_key(&(at, id));
        if is_done || !self.opening.insert((at, id)) {
            return None;
        }
        Some(Output::Open(watch.mailbox, id, item))
    }

    fn on_taken(&mut self, now: Now, at: Address, ids: Vec<(ItemId, UnixMillis)>) -> Vec<Output> {
        for (id, until) in &ids {
            self.opening.remove(&(at, *id));
            self.left.remove(&(at, *id));
            if self.taken.len() < TAKEN_MAX {
                self.taken.insert((at, *id), *until);
            }
        }
        for watch in self
            .watches
            .values_mut()
            .filter(|watch| watch.again && !watch.finding)
        {
            watch.again = false;
            watch.hasten(now.mono);
        }
        let Some(watch) = self.watches.get(&at) else {
            return Vec::new();
        };
        let ids: Vec<ItemId> = ids.into_iter().map(|(id, _)| id).collect();
        let mut outputs = Vec::new();
        for keeper in &watch.keepers {
            for part in ids.chunks(ACK_COUNT_MAX) {
                outputs.push(Output::Ack(watch.mailbox, *keeper, part.to_vec()));
            }
        }
        outputs
    }

    fn on_lost(&mut self, now: Now, keeper: NodeId) {
        for watch in self.watches.values_mut() {
            if watch.subscribed.remove(&keeper).is_some() && !watch.finding {
                watch.hasten(now.mono.plus(RETRY_MS));
            }
        }
    }
}

/// How long before an epoch begins its mailboxes are watched, in milliseconds: what two clocks may differ, and as much
/// again to find their keepers in.
const AHEAD_MS: u64 = 2 * CLOCK_SKEW_MS;

/// Returns the epochs whose mailboxes may hold mail for somebody whose account exists since `since`, the latest first:
/// the next one shortly before it begins, the present one, and as many past ones as an envelope can live.
pub fn watched_epochs(now: UnixMillis, since: Epoch) -> impl Iterator<Item = Epoch> {
    let last = now.plus(AHEAD_MS).epoch();
    let first = now.epoch().minus(EPOCHS_PAST_MAX).max(since).min(last);
    (first.get()..=last.get()).rev().map(Epoch::new)
}

/// Returns when [`watched_epochs`] will next be others.
pub fn watched_until(now: UnixMillis) -> UnixMillis {
    let begins = now.epoch().plus(1).start();
    let ahead = begins.minus(AHEAD_MS);
    if ahead > now { ahead } else { begins }
}
