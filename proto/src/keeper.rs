//! The keeper: what a node does for strangers, as a state machine (SPEC 8).
//!
//! [`Keeper::handle`] takes one input and the time, and returns the actions to perform: answer,
//! store, push. It reads no clock, no disk and no socket. The disk is behind [`ItemStore`]: a
//! receipt leaves only after the store said that the item is durable.
//!
//! Checks run cheapest first: size and form, rate, dates, stamp, capability, disk.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Address, NodeId,
    dates::{DateStanding, Dates},
    keys::SecretKey,
    limits::{SECOND_MS, SOURCE_OPS_MAX, STORE_OPS_MAX},
    pauses::PAUSE_MAX_MS,
    receipt::Receipt,
    request::{Push, Reason, Refusal, Request, Response},
    stamp::StampScheme,
    time::{MonoMillis, Now, UnixMillis},
};

mod admission;
mod budget;
mod certificates;
mod element;
mod fair_queue;
mod import;
mod interface;
mod leaky_bucket;
mod memory;
mod quotas;
mod rate;
pub mod rules;
mod store;
mod subscriptions;
#[cfg(test)]
mod tests;
mod then;
mod trouble;

#[cfg(test)]
pub(crate) use self::admission::card_terms;
use self::{
    admission::Admission,
    certificates::Certificates,
    quotas::{Charge, Quotas},
    rate::RateLimiter,
    subscriptions::Subscriptions,
    then::{Then, then_of, weight_of, writes},
    trouble::Trouble,
};
pub use self::{
    budget::{Budget, mailbox_budget, price_factor},
    element::{
        ADMISSION_PROOF_BYTES_MAX, AdmissionProof, Element, ElementKey, ElementKind, ElementPage,
        Replica,
    },
    fair_queue::{FairQueue, QueueBounds, QueueUsage, ROUND_COST},
    interface::{CallId, ConnId, Counters, Input, Load, Output, Policy, Source, Ticket},
    memory::MemoryStore,
    store::{
        Expired, Holding, HoldingKey, HoldingKind, HoldingsPage, ItemStore, StoreError, StoreLayer,
        StoreOp, StoreOutcome, Usage,
    },
};

/// How often expired items are swept out, in milliseconds: well under the minute they may stay.
pub const SWEEP_INTERVAL_MS: u64 = 10 * SECOND_MS;
/// What a refused depositor is told to wait when a queue or the disk is full, in milliseconds.
const RETRY_BUSY_MS: u64 = 5 * SECOND_MS;
/// What a refused depositor is told to wait when a mailbox is full, in milliseconds.
const RETRY_FULL_MS: u64 = 600 * SECOND_MS;
/// Bytes of a request that are carried for one token, beside its own: to carry them takes about as long as the rest.
const BYTES_PER_TOKEN: u64 = 8 << 10;

/// A request that waits for the store.
#[derive(Debug)]
struct Pending {
    call: CallId,
    source: Source,
    then: Then,
    charge: Option<Charge>,
}

/// The keeper's state: rates, subscriptions and what is under way; everything stored is in the
/// store.
pub struct Keeper {
    key: SecretKey,
    node: NodeId,
    policy: Policy,
    scheme: Arc<dyn StampScheme>,
    rates: RateLimiter,
    quotas: Quotas,
    subscriptions: Subscriptions,
    certificates: Certificates,
    pending: BTreeMap<Ticket, Pending>,
    /// How many of those each source has.
    pending_of: BTreeMap<Source, usize>,
    imports: import::Imports,
    next_ticket: u64,
    next_sweep: MonoMillis,
    /// None before the first input.
    dates: Option<Dates>,
    trouble: Trouble,
    counters: Counters,
}

impl Keeper {
    /// Makes a keeper that signs receipts with `key`, its node's key.
    pub fn new(key: SecretKey, policy: Policy, scheme: Arc<dyn StampScheme>) -> Self {
        let node = NodeId::new(*key.public().as_bytes());
        Self {
            key,
            node,
            policy,
            scheme,
            rates: RateLimiter::new(policy.requests_per_second, policy.requests_burst),
            quotas: Quotas::new(),
            subscriptions: Subscriptions::default(),
            certificates: Certificates::default(),
            pending: BTreeMap::new(),
            pending_of: BTreeMap::new(),
            imports: import::Imports::default(),
            next_ticket: 0,
            next_sweep: MonoMillis::default(),
            dates: None,
            trouble: Trouble::default(),
            counters: Counters::default(),
        }
    }

    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        // What is taken from now on is taken by the date as it is; only a store that holds something knows better.
        let dates = self.dates.get_or_insert_with(|| Dates::new(now, now.date));
        dates.look(now);
        match input {
            Input::Opened(newest) => {
                *dates = Dates::new(now, newest);
                Vec::new()
            }
            Input::Date(keeper, theirs) => {
                dates.on_heard(now, keeper, theirs);
                Vec::new()
            }
            Input::Request {
                conn,
                call,
                source,
                payload,
            } => {
                self.counters.requests += 1;
                match self.on_request(now, conn, call, source, &payload) {
                    Ok(outputs) => outputs,
                    Err(refusal) => vec![self.refuse(call, refusal)],
                }
            }
            Input::Stored { ticket, result } => self.on_stored(now, ticket, result),
            Input::StoreFailed(error) => {
                self.trouble.on_failed(now.mono, error);
                Vec::new()
            }
            Input::Reopened(result) => {
                self.trouble.on_reopened(now, result);
                Vec::new()
            }
            Input::Closed(conn) => {
                self.subscriptions.close(conn);
                Vec::new()
            }
            Input::Import { call, replicas } => self.import(now, call, replicas),
            Input::Timer => self.on_timer(now),
        }
    }

    /// Returns the node that gives the receipts.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Returns how far the date can be relied on.
    pub fn date_standing(&self, now: Now) -> DateStanding {
        let dates = self.dates.as_ref();
        dates.map_or(DateStanding::Unconfirmed, |dates| dates.standing(now))
    }

    /// Returns the latest date that has certainly come: what ended before is over.
    pub fn settled(&self, now: Now) -> UnixMillis {
        let dates = self.dates.as_ref();
        dates.map_or(now.date, |dates| dates.settled(now))
    }

    /// Returns when [`Input::Timer`] is due.
    pub fn next_timeout(&self) -> MonoMillis {
        let retry = self.trouble.next_timeout();
        retry.map_or(self.next_sweep, |retry| retry.min(self.next_sweep))
    }

    /// Returns what happened since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns why nothing is stored at present, if that is so.
    pub const fn read_only(&self) -> Option<&StoreError> {
        self.trouble.error()
    }

    /// Returns when the store last went on after it had failed, if it ever has.
    pub const fn recovered(&self) -> Option<UnixMillis> {
        self.trouble.recovered()
    }

    /// Returns how many subscriptions are held.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Returns how much is under way and remembered.
    pub fn load(&self) -> Load {
        let (depositors, strangers) = self.quotas.remembered();
        Load {
            store_ops: self.pending.len(),
            subscriptions: self.subscriptions.len(),
            rates: self.rates.len(),
            depositors,
            strangers,
        }
    }

    /// Tells a keeper how full its store is: prices and quotas follow it.
    pub const fn on_usage(&mut self, usage: Usage) {
        self.quotas.on_usage(usage);
    }

    /// Tells whether a request of `source` would be looked at now, and not refused because too much
    /// is under way: the caller lets it wait in its queue until then.
    pub fn is_ready_for(&mut self, now: MonoMillis, source: Source) -> bool {
        let own = self.pending_of.get(&source).copied().unwrap_or(0);
        self.pending.len() < STORE_OPS_MAX
            && own < SOURCE_OPS_MAX
            && self.rates.would_admit(now, source)
    }

    /// Tells whether a stream has a subscription, and is to be kept open for it.
    pub fn is_subscribed(&self, conn: ConnId) -> bool {
        self.subscriptions.is_subscribed(conn)
    }

    fn on_timer(&mut self, moment: Now) -> Vec<Output> {
        let now = moment.mono;
        let mut outputs = Vec::new();
        if self.trouble.begin_retry(now) {
            outputs.push(Output::Reopen);
        }
        if now >= self.next_sweep {
            self.next_sweep = now.plus(SWEEP_INTERVAL_MS);
            self.subscriptions.expire(now);
            self.rates.forget_idle(now);
            self.quotas.forget_idle(now);
            outputs.push(Output::Sweep(self.settled(moment)));
        }
        outputs
    }

    /// Refuses what the store cannot do at present.
    fn unavailable(&self) -> Refusal {
        let passes = self.trouble.error().is_none_or(StoreError::may_pass);
        let retry_ms = if passes { PAUSE_MAX_MS } else { RETRY_FULL_MS };
        Refusal::until(Reason::Unavailable, retry_ms)
    }

    fn on_request(
        &mut self,
        now: Now,
        conn: ConnId,
        call: CallId,
        source: Source,
        payload: &[u8],
    ) -> Result<Vec<Output>, Refusal> {
        if !self.rates.admit(now.mono, source, 1) {
            return Err(Refusal::until(Reason::Busy, SECOND_MS));
        }
        // What arrived was carried, whatever it is.
        self.rates
            .charge(source, payload.len() as u64 / BYTES_PER_TOKEN);
        let request = Request::decode(payload).map_err(|_| Refusal::of(Reason::Malformed))?;
        if !self.rates.admit(now.mono, source, weight_of(&request)) {
            return Err(Refusal::until(Reason::Busy, SECOND_MS));
        }
        if self.pending.len() >= STORE_OPS_MAX {
            return Err(Refusal::until(Reason::Busy, RETRY_BUSY_MS));
        }
        if self.trouble.error().is_some() && writes(&request) {
            return Err(self.unavailable());
        }
        if let Request::Subscribe { mailbox, proof } = &request {
            admission::owner(
                now.date,
                &self.node,
                mailbox,
                proof,
                crate::mailbox::OwnerRequest::Subscribe,
            )?;
            return self.subscribe(now, conn, call, mailbox.address());
        }
        let then = then_of(&request);
        let charge = Charge::of(&request);
        if charge.is_some_and(|charge| !self.quotas.allow(now.mono, source, charge)) {
            return Err(Refusal::until(Reason::Full, RETRY_FULL_MS));
        }
        let op = self.admission(now.date).admit(request)?;
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let pending = Pending {
            call,
            source,
            then,
            charge,
        };
        self.begin(now.mono, ticket, pending);
        Ok(vec![Output::Store { ticket, op }])
    }

    /// Adds or renews a subscription. The other subscribers of the mailbox are told of a new one: it may be a copy of
    /// its owner's home.
    fn subscribe(
        &mut self,
        now: Now,
        conn: ConnId,
        call: CallId,
        mailbox: Address,
    ) -> Result<Vec<Output>, Refusal> {
        // It would never push: its reader asks others instead.
        if self.trouble.error().is_some() {
            return Err(self.unavailable());
        }
        let others = self.subscriptions.of(now.mono, &mailbox);
        let until = self.subscriptions.add(now, conn, mailbox)?;
        let mut outputs = vec![Output::Respond {
            call,
            response: Response::Done { until: Some(until) },
        }];
        if !others.contains(&conn) {
            let push = |conn| {
                let item = None;
                let push = Push { mailbox, item };
                Output::Push { conn, push }
            };
            outputs.extend(others.into_iter().map(push));
        }
        Ok(outputs)
    }

    /// Writes down what is under way; what is deposited counts from now on, so that no source can
    /// have more under way than its share.
    fn begin(&mut self, now: MonoMillis, ticket: Ticket, pending: Pending) {
        if let Some(charge) = pending.charge {
            self.quotas.take(now, pending.source, charge);
        }
        *self.pending_of.entry(pending.source).or_default() += 1;
        self.pending.insert(ticket, pending);
    }

    /// Takes what is done off the books; a deposit that took no new room costs its source nothing.
    fn end(&mut self, ticket: Ticket, is_new: bool) -> Option<(CallId, Then)> {
        let Pending {
            call,
            source,
            then,
            charge,
        } = self.pending.remove(&ticket)?;
        if let Some(count) = self.pending_of.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.pending_of.remove(&source);
            }
        }
        if let Some(charge) = charge.filter(|_| !is_new) {
            self.quotas.undo(source, charge);
        }
        Some((call, then))
    }

    fn admission(&mut self, now: UnixMillis) -> Admission<'_> {
        Admission {
            now,
            node: &self.node,
            policy: &self.policy,
            scheme: &*self.scheme,
            price_factor: self.quotas.price_factor(),
            certificates: &mut self.certificates,
        }
    }

    fn on_stored(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<StoreOutcome, StoreError>,
    ) -> Vec<Output> {
        let is_new = matches!(result, Ok(StoreOutcome::Held { new: true, .. }));
        let Some((call, then)) = self.end(ticket, is_new) else {
            return Vec::new();
        };
        if let Then::Import { push } = then {
            return self.on_imported(now.mono, call, push, result);
        }
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                self.trouble.on_failed(now.mono, error);
                return vec![self.refuse(call, self.unavailable())];
            }
        };
        let response = match outcome {
            StoreOutcome::Held { until, new } => {
                return self.on_held(now.mono, call, then, until, new);
            }
            StoreOutcome::Refused(Reason::Stamp) => {
                let effort = self
                    .policy
                    .card_effort
                    .saturating_mul(self.quotas.price_factor());
                return vec![self.refuse(call, Refusal::stamp(effort))];
            }
            StoreOutcome::Unpaid { effort } => {
                return vec![self.refuse(call, Refusal::stamp(effort))];
            }
            StoreOutcome::Refused(reason) => {
                let retry = if reason.may_pass() { RETRY_FULL_MS } else { 0 };
                return vec![self.refuse(call, Refusal::until(reason, retry))];
            }
            StoreOutcome::Done => Response::Done { until: None },
            StoreOutcome::Unknown => Response::Unknown,
            // The disk took its time: what has expired since is not served.
            StoreOutcome::Listing { mut items, more } => {
                items.retain(|item| item.expires > now.date);
                let more = more && !items.is_empty();
                Response::Listing { items, more }
            }
            StoreOutcome::Envelopes(mut items) => {
                items.retain(|item| item.expires > now.date);
                Response::Envelopes(items)
            }
            StoreOutcome::Cards(mut records) => {
                records.retain(|record| record.expires > now.date);
                Response::Cards(records)
            }
            StoreOutcome::Chunk { expires, .. } if expires <= now.date => Response::Unknown,
            StoreOutcome::Chunk { chunk, expires } => Response::Chunk { chunk, expires },
            // No request asks for them.
            StoreOutcome::Replicas(_) | StoreOutcome::Lacking(_) => Response::Unknown,
        };
        vec![Output::Respond { call, response }]
    }

    fn on_held(
        &mut self,
        now: MonoMillis,
        call: CallId,
        then: Then,
        until: UnixMillis,
        new: bool,
    ) -> Vec<Output> {
        let Then::Receipt { claim, push } = then else {
            return vec![Output::Respond {
                call,
                response: Response::Done { until: None },
            }];
        };
        self.counters.receipts += 1;
        let receipt = Receipt::sign(&self.key, &claim, until);
        let mut outputs = vec![Output::Respond {
            call,
            response: Response::Receipt(receipt),
        }];
        if let Some(push) = push.filter(|_| new) {
            outputs.extend(self.push(now, &push));
        }
        outputs
    }

    fn on_imported(
        &mut self,
        now: MonoMillis,
        call: CallId,
        push: Option<Push>,
        result: Result<StoreOutcome, StoreError>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        let is_taken = matches!(result, Ok(StoreOutcome::Held { .. } | StoreOutcome::Done));
        if let (Some(push), Ok(StoreOutcome::Held { new: true, .. })) = (&push, &result) {
            outputs.extend(self.push(now, push));
        }
        if let Err(error) = result {
            self.trouble.on_failed(now, error);
        }
        let taken = self.imports.on_done(call, is_taken);
        outputs.extend(taken.map(|taken| Output::Imported { call, taken }));
        outputs
    }

    /// Sends an envelope to its subscribers.
    fn push(&mut self, now: MonoMillis, push: &Push) -> Vec<Output> {
        let conns = self.subscriptions.of(now, &push.mailbox);
        self.counters.pushes += conns.len() as u64;
        let push_to = |conn| Output::Push {
            conn,
            push: push.clone(),
        };
        conns.into_iter().map(push_to).collect()
    }

    fn refuse(&mut self, call: CallId, refusal: Refusal) -> Output {
        *self.counters.refusals.entry(refusal.reason).or_default() += 1;
        Output::Respond {
            call,
            response: Response::Refusal(refusal),
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("pending", &self.pending.len())
            .field("subscriptions", &self.subscriptions.len())
            .finish_non_exhaustive()
    }
}
