//! One keeper: the protocol's keeper with its disk; a crash ends the one and leaves the other.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use restante_proto::{
    Address, ItemId, NodeId,
    keeper::{
        CallId, ConnId, Input, ItemStore as _, Keeper, MemoryStore, Output, Policy, Source,
        StoreOp, StoreOutcome, Ticket,
    },
    keys::SecretKey,
    request::Request,
    stamp::CheapForTests,
    time::{MonoMillis, Now, UnixMillis},
};

use crate::{
    clock::{Clock, Instant},
    random::Random,
    scenario::Disk as DiskOptions,
};

/// Items dropped in one step of a sweep.
const SWEEP_COUNT: usize = 256;

/// A person's node between two of its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whom {
    pub(crate) number: usize,
    pub(crate) incarnation: u64,
}

/// A request that a keeper has not answered yet.
pub(crate) struct Asked {
    pub(crate) from: Whom,
    pub(crate) call: u64,
    /// What was asked, if it decodes.
    pub(crate) request: Option<Request>,
}

/// An operation on its way to the disk.
struct Write {
    ticket: Ticket,
    op: StoreOp,
    at: Instant,
}

/// One keeper with its disk.
pub(crate) struct Host {
    pub(crate) node: NodeId,
    pub(crate) clock: Clock,
    /// Counts starts; what was meant for an earlier one is void.
    pub(crate) incarnation: u64,
    /// When it was started or stopped last.
    pub(crate) since: Instant,
    /// Gone for good, with its disk.
    pub(crate) dead: bool,
    key: SecretKey,
    keeper: Option<Keeper>,
    store: MemoryStore,
    options: DiskOptions,
    random: Random,
    writes: VecDeque<Write>,
    calls: BTreeMap<CallId, Asked>,
    next_call: u64,
    /// Nothing on the disk ends before.
    next_end: UnixMillis,
}

impl Host {
    pub(crate) fn new(clock: Clock, options: DiskOptions, mut random: Random) -> Self {
        let key = SecretKey::from_seed(&random.bytes());
        Self {
            node: NodeId::new(*key.public().as_bytes()),
            clock,
            incarnation: 0,
            since: Instant::default(),
            dead: false,
            key,
            keeper: None,
            store: MemoryStore::new(options.cap.0),
            options,
            random,
            writes: VecDeque::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            next_end: UnixMillis::new(u64::MAX),
        }
    }

    /// Starts the process on the disk as it is; tells whether it did.
    pub(crate) fn start(&mut self, now: Instant) -> bool {
        if self.dead || self.keeper.is_some() {
            return false;
        }
        let scheme = Arc::new(CheapForTests);
        self.keeper = Some(Keeper::new(self.key.clone(), Policy::default(), scheme));
        self.incarnation += 1;
        self.since = now;
        true
    }

    /// Tells whether the process runs.
    pub(crate) const fn is_up(&self) -> bool {
        self.keeper.is_some()
    }

    /// Tells whether something is on its way to the disk.
    pub(crate) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Ends the process; of what was on its way to the disk, some first part may have arrived
    /// there.
    ///
    /// Returns what was lost with it: operations, requests without an answer and subscriptions.
    pub(crate) fn crash(&mut self, now: Instant) -> (u64, Vec<StoreOp>) {
        let Some(keeper) = self.keeper.take() else {
            return (0, Vec::new());
        };
        self.incarnation += 1;
        self.since = now;
        let lost = self.writes.len() + self.calls.len() + keeper.subscriptions();
        self.calls.clear();
        let arrived = self.random.index(self.writes.len() + 1);
        let date = self.clock.read(now);
        let ops: Vec<StoreOp> = std::mem::take(&mut self.writes)
            .into_iter()
            .take(arrived)
            .map(|w| w.op)
            .collect();
        for op in &ops {
            self.apply(date, op.clone());
        }
        (lost as u64, ops)
    }

    /// Destroys the disk.
    pub(crate) fn destroy(&mut self) {
        self.dead = true;
        self.store = MemoryStore::new(0);
    }

    /// Takes a request from the network.
    pub(crate) fn on_request(
        &mut self,
        now: Instant,
        conn: ConnId,
        asked: Asked,
        payload: Bytes,
    ) -> Vec<Output> {
        let both = self.both(now);
        let Some(keeper) = &mut self.keeper else {
            return Vec::new();
        };
        let call = CallId(self.next_call);
        self.next_call += 1;
        let source = Source(asked.from.number as u64);
        self.calls.insert(call, asked);
        let input = Input::Request {
            conn,
            call,
            source,
            payload,
        };
        keeper.handle(both, input)
    }

    /// Gives the keeper any other input.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let now = self.both(now);
        self.keeper
            .as_mut()
            .map(|keeper| keeper.handle(now, input))
            .unwrap_or_default()
    }

    /// Returns whom an answer is for.
    pub(crate) fn asked(&mut self, call: CallId) -> Option<Asked> {
        self.calls.remove(&call)
    }

    /// Starts an operation, and returns when it will be durable.
    pub(crate) fn write(&mut self, now: Instant, ticket: Ticket, op: StoreOp) -> Instant {
        let soonest = now.plus(self.random.between(1, self.options.latency.get()));
        // The log is written in order: nothing overtakes.
        let at = self
            .writes
            .back()
            .map_or(soonest, |last| last.at.max(soonest));
        self.writes.push_back(Write { ticket, op, at });
        at
    }

    /// Ends the oldest operation; returns it with what came of it, and the keeper's outputs.
    pub(crate) fn on_durable(
        &mut self,
        now: Instant,
    ) -> Option<(StoreOp, StoreOutcome, Vec<Output>)> {
        let Write { ticket, op, .. } = self.writes.pop_front()?;
        let date = self.clock.read(now);
        let outcome = self.apply(date, op.clone())?;
        let input = Input::Stored {
            ticket,
            result: Ok(outcome.clone()),
        };
        Some((op, outcome, self.handle(now, input)))
    }

    /// Drops what has expired, and returns how many items that were.
    pub(crate) fn sweep(&mut self, now: Instant) -> u64 {
        let date = self.clock.read(now);
        if date < self.next_end {
            return 0;
        }
        let mut dropped = 0;
        while let Ok(expired) = self.store.sweep(date, SWEEP_COUNT) {
            dropped += expired.items;
            if !expired.more {
                break;
            }
        }
        let left = self.store.holdings(UnixMillis::default(), None, usize::MAX);
        let ends = left
            .iter()
            .flat_map(|page| &page.items)
            .map(|held| held.expires);
        self.next_end = ends.min().unwrap_or(UnixMillis::new(u64::MAX));
        dropped
    }

    /// Returns when the keeper wants to be woken.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let due = self.keeper.as_ref().map(Keeper::next_timeout);
        due.map(|due| Instant(due.get()))
    }

    const fn both(&self, now: Instant) -> Now {
        Now::new(MonoMillis::new(now.0), self.clock.read(now))
    }

    /// Returns how many items are on the disk, and acks with them.
    pub(crate) fn held(&self) -> u64 {
        let usage = self.store.usage();
        usage.items + usage.tombstones
    }

    /// Returns how many bytes are on the disk.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.store.usage().bytes
    }

    /// Returns the disk, to look at.
    pub(crate) const fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Tells whether an envelope is on the disk, or its owner's ack is.
    pub(crate) fn holds(&mut self, date: UnixMillis, address: Address, id: ItemId) -> bool {
        let outcome = self.apply(date, StoreOp::Offer { address, id });
        matches!(outcome, Some(StoreOutcome::Held { .. }))
    }

    /// Tells whether an envelope would be handed over.
    pub(crate) fn would_serve(&mut self, date: UnixMillis, address: Address, id: ItemId) -> bool {
        let outcome = self.apply(
            date,
            StoreOp::Get {
                address,
                ids: vec![id],
            },
        );
        matches!(outcome, Some(StoreOutcome::Envelopes(items)) if !items.is_empty())
    }

    /// Tells whether a card record is on the disk.
    pub(crate) fn holds_card(&mut self, date: UnixMillis, locator: Address, id: ItemId) -> bool {
        match self.apply(date, StoreOp::Cards { locator }) {
            Some(StoreOutcome::Cards(records)) => records.iter().any(|record| record.id() == id),
            _ => false,
        }
    }

    /// Puts an envelope onto the disk, past the keeper.
    #[cfg(test)]
    pub(crate) fn put_for_tests(
        &mut self,
        date: UnixMillis,
        address: Address,
        bytes: Bytes,
        expires: UnixMillis,
    ) {
        let id = restante_proto::envelope::id_of(&bytes);
        let budget = restante_proto::keeper::Budget {
            count: u32::MAX,
            bytes: u64::MAX,
            effort: 0,
            shared: true,
        };
        self.apply(
            date,
            StoreOp::PutEnvelope {
                address,
                id,
                bytes,
                expires,
                budget,
                proof: Bytes::new(),
            },
        );
    }

    fn apply(&mut self, date: UnixMillis, op: StoreOp) -> Option<StoreOutcome> {
        let end = match &op {
            StoreOp::PutEnvelope { expires, .. } | StoreOp::PutChunk { expires, .. } => *expires,
            StoreOp::PutCard { record, .. } => record.expires,
            _ => self.next_end,
        };
        self.next_end = self.next_end.min(end);
        self.store.apply(date, vec![op]).ok()?.pop()
    }
}
