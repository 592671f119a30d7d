//! With whom a keeper compares what it has, and when; and what it answers to those that compare with it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{
    RepairRequest, RepairResponse, SALT_BYTES, Scan, Terms,
    comparison::{Comparison, ContradictionError, Step},
    neighbourhood::{Change, Neighbourhood},
    shared::{self, Shared},
};
use crate::{
    NodeId, context,
    keeper::{CallId, Replica, StoreError, StoreOp, StoreOutcome, Ticket},
    limits::{CLOCK_SKEW_MS, COMPARED_POINTS_MAX, MINUTE_MS, SECOND_MS},
    request::{Reason, Refusal},
    routing::Point,
    time::{MonoMillis, Now, UnixMillis},
};

/// How often a keeper compares itself with each partner although nothing has happened, in milliseconds.
const INTERVAL_MS: u64 = 20 * MINUTE_MS;
/// How long after a start the first comparison is made, in milliseconds: the neighbours become known meanwhile.
const SETTLE_MS: u64 = 30 * SECOND_MS;
/// Over how long those that have gained something spread their comparisons, in milliseconds.
const SPREAD_MS: u64 = 30 * SECOND_MS;
/// The first pause after a comparison that failed, in milliseconds; it doubles.
const RETRY_MS: u64 = MINUTE_MS;
/// How long a keeper that leaves waits while nobody takes anything from it, in milliseconds.
const LEAVE_SILENCE_MS: u64 = 3 * SECOND_MS;
/// Requests of others that are under way at once, at most.
const SERVED_MAX: usize = 32;
/// Operations in the store that are under way at once, at most.
pub const OPS_MAX: usize = SERVED_MAX + 1;
/// Elements that end sooner are not compared, in milliseconds: by a partner's clock they may have ended.
const MARGIN_MS: u64 = 2 * CLOCK_SKEW_MS;

/// What enters.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum Input {
    /// The keepers nearest to this one that can be reached, as far as it knows.
    Neighbours(Vec<NodeId>),
    /// Another keeper asks.
    Request {
        call: CallId,
        from: NodeId,
        payload: Bytes,
    },
    /// A scan is over.
    Scanned(Ticket, Result<Box<Scan>, StoreError>),
    /// The store has done an operation, or failed to.
    Stored(Ticket, Result<StoreOutcome, StoreError>),
    /// So many replicas were taken, or were there already.
    Imported(Ticket, u64),
    /// Another keeper has answered, or not.
    Answered(Ticket, Option<Bytes>),
    /// The keeper is to leave.
    Leave,
    /// The time asked for by [`Repair::next_timeout`] has come.
    Timer,
}

/// What leaves.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Answer a request.
    Respond(CallId, RepairResponse),
    /// Run a scan, slice by slice, and come back with [`Input::Scanned`].
    Scan(Ticket, Box<Scan>),
    /// Run an operation in the store, and come back with [`Input::Stored`].
    Store(Ticket, StoreOp),
    /// Take replicas like deposits, and come back with [`Input::Imported`].
    Import(Ticket, Vec<Replica>),
    /// Take note of what another keeper says the date is.
    Date(NodeId, UnixMillis),
    /// Ask another keeper, and come back with [`Input::Answered`].
    Ask(Ticket, NodeId, RepairRequest),
    /// All neighbours have taken what they should have, or cannot be reached, or leave as well.
    Left,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairCounters {
    /// Comparisons that came to their end.
    pub compared: u64,
    /// Comparisons that did not.
    pub failed: u64,
    /// Replicas copied from others.
    pub copied: u64,
    /// Bytes of their items.
    pub copied_bytes: u64,
    /// Replicas handed over to others.
    pub handed_over: u64,
}

/// The state of repair at one keeper.
#[derive(Debug)]
pub struct Repair {
    neighbours: Neighbourhood,
    partners: BTreeMap<NodeId, Partner>,
    /// Those that leave and wait for an answer.
    leavers: VecDeque<(NodeId, CallId)>,
    current: Option<Current>,
    served: BTreeMap<Ticket, CallId>,
    /// Partners that were told that this keeper leaves.
    told: BTreeMap<Ticket, NodeId>,
    /// When the wait for those is given up, if this keeper leaves.
    leaving: Option<MonoMillis>,
    seed: [u8; 32],
    drawn: u64,
    next_ticket: u64,
    counters: RepairCounters,
}

#[derive(Debug, Default)]
struct Partner {
    due: MonoMillis,
    failures: u32,
}

#[derive(Debug)]
struct Current {
    ticket: Ticket,
    comparison: Comparison,
    /// Who waits for its end.
    call: Option<CallId>,
}

impl Repair {
    /// Begins for the keeper `me`; `seed` is random.
    pub fn new(me: NodeId, seed: [u8; 32]) -> Self {
        Self {
            neighbours: Neighbourhood::new(me),
            partners: BTreeMap::new(),
            leavers: VecDeque::new(),
            current: None,
            served: BTreeMap::new(),
            told: BTreeMap::new(),
            leaving: None,
            seed,
            drawn: 0,
            next_ticket: 0,
            counters: RepairCounters::default(),
        }
    }

    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        match input {
            Input::Neighbours(live) => {
                let change = self.neighbours.update(now.mono, &live);
                self.on_change(now.mono, change, SETTLE_MS);
            }
            Input::Request {
                call,
                from,
                payload,
            } => return self.on_request(now, call, from, &payload),
            Input::Scanned(ticket, result) => return self.on_scanned(now, ticket, result),
            Input::Stored(ticket, result) => return self.on_stored(now, ticket, result),
            Input::Imported(ticket, taken) => {
                let Some(current) = self.current(ticket) else {
                    return Vec::new();
                };
                let step = current.comparison.on_imported(taken);
                self.counters.copied += taken;
                return self.on_step(now, Some(step));
            }
            Input::Answered(ticket, answer) => return self.on_answered(now, ticket, answer),
            Input::Leave => return self.leave(now.mono),
            Input::Timer if self.leaving.is_some_and(|due| due <= now.mono) => {
                return self.give_up_waiting();
            }
            Input::Timer => {
                let change = self.neighbours.expire(now.mono);
                self.on_change(now.mono, change, 0);
            }
        }
        self.begin(now)
    }

    /// Returns when [`Input::Timer`] is due, if ever.
    pub fn next_timeout(&self) -> Option<MonoMillis> {
        if self.leaving.is_some() {
            return self.leaving.filter(|_| !self.told.is_empty());
        }
        let is_free = self.current.is_none();
        let due = self.partners.values().map(|partner| partner.due).min();
        let due = due.filter(|_| is_free);
        due.into_iter().chain(self.neighbours.next_expiry()).min()
    }

    /// Returns with whom this keeper shares any business: connections to them are worth keeping.
    pub fn partners(&self) -> impl Iterator<Item = &NodeId> {
        self.partners.keys()
    }

    /// Returns what was done since the start.
    pub const fn counters(&self) -> &RepairCounters {
        &self.counters
    }

    /// Tells whether a comparison is under way or due.
    pub fn is_busy(&self, now: MonoMillis) -> bool {
        self.current.is_some()
            || self
                .partners
                .values()
                .any(|partner| partner.due <= now.plus(SPREAD_MS))
    }

    fn on_change(&mut self, now: MonoMillis, change: Option<Change>, settle_ms: u64) {
        let Some(Change { partners, gained }) = change else {
            return;
        };
        self.partners.retain(|node, _| partners.contains(node));
        for node in partners {
            let is_gained = gained.contains(&node);
            let is_new = !self.partners.contains_key(&node);
            let pause = match (is_gained, is_new) {
                (true, _) => settle_ms + self.draw(SPREAD_MS),
                (false, true) => self.draw(INTERVAL_MS),
                (false, false) => continue,
            };
            let due = now.plus(pause);
            let fresh = Partner { due, failures: 0 };
            let partner = self.partners.entry(node).or_insert(fresh);
            if is_gained {
                partner.due = partner.due.min(due);
            }
        }
    }

    /// Begins the next comparison, if one is due and none is under way.
    fn begin(&mut self, now: Now) -> Vec<Output> {
        if self.current.is_some() || self.leaving.is_some() {
            return Vec::new();
        }
        let leaver = self.leavers.pop_front();
        let due = self
            .partners
            .iter()
            .filter(|(_, partner)| partner.due <= now.mono);
        let due = due
            .min_by_key(|(_, partner)| partner.due)
            .map(|(node, _)| *node);
        let Some((partner, call)) = leaver
            .map(|(node, call)| (node, Some(call)))
            .or_else(|| due.map(|node| (node, None)))
        else {
            return Vec::new();
        };
        let mut points = self.neighbours.points();
        let other = Point::of_node(&partner);
        if !points.contains(&other) {
            points.truncate(COMPARED_POINTS_MAX - 1);
            points.push(other);
        }
        let terms = Terms {
            salt: self.salt(),
            points,
            alive: now.date.plus(MARGIN_MS),
            leaving: call.is_some(),
        };
        let mut comparison = Comparison::new(partner, terms, self.neighbours.point());
        let step = comparison.next();
        let ticket = self.ticket();
        self.current = Some(Current {
            ticket,
            comparison,
            call,
        });
        self.on_step(now, Some(step))
    }

    /// Does what a comparison asks for; without a step it has failed.
    fn on_step(&mut self, now: Now, step: Option<Step>) -> Vec<Output> {
        let Some(current) = &self.current else {
            return Vec::new();
        };
        let ticket = current.ticket;
        match step {
            Some(Step::Scan(scan)) => vec![Output::Scan(ticket, Box::new(scan))],
            Some(Step::Ask(request)) => {
                vec![Output::Ask(ticket, current.comparison.partner, request)]
            }
            Some(Step::Lacking(elements)) => {
                vec![Output::Store(ticket, StoreOp::Lacking { elements })]
            }
            Some(Step::Import(replicas)) => {
                let bytes: usize = replicas.iter().map(|replica| replica.item.len()).sum();
                self.counters.copied_bytes += bytes as u64;
                vec![Output::Import(ticket, replicas)]
            }
            Some(Step::Done) => self.end(now, true),
            None => self.end(now, false),
        }
    }

    fn end(&mut self, now: Now, is_whole: bool) -> Vec<Output> {
        let Some(current) = self.current.take() else {
            return Vec::new();
        };
        let node = current.comparison.partner;
        let spread = self.draw(INTERVAL_MS * 2 / 5);
        if let Some(partner) = self.partners.get_mut(&node) {
            let pause = if is_whole {
                partner.failures = 0;
                INTERVAL_MS * 4 / 5 + spread
            } else {
                partner.failures = partner.failures.saturating_add(1);
                let doubled = RETRY_MS.saturating_mul(1 << partner.failures.min(6));
                (doubled / 2).min(INTERVAL_MS)
            };
            partner.due = now.mono.plus(pause);
        }
        self.counters.compared += u64::from(is_whole);
        self.counters.failed += u64::from(!is_whole);
        let mut outputs = Vec::new();
        outputs.extend(
            current
                .call
                .map(|call| Output::Respond(call, RepairResponse::Done)),
        );
        outputs.extend(self.begin(now));
        outputs
    }

    fn on_answered(&mut self, now: Now, ticket: Ticket, answer: Option<Bytes>) -> Vec<Output> {
        if let Some(partner) = self.told.remove(&ticket) {
            self.hear_from(now.mono, &partner);
            return self.left_if_done();
        }
        let Some(current) = self.current(ticket) else {
            return Vec::new();
        };
        let response = answer.and_then(|bytes| RepairResponse::decode(&bytes).ok());
        let partner = current.comparison.partner;
        let mut outputs = Vec::new();
        let step = match response {
            Some(RepairResponse::Compared { ranges, date }) => {
                outputs.push(Output::Date(partner, date));
                current.comparison.on_compared(ranges)
            }
            Some(RepairResponse::Replicas(replicas)) => current.comparison.on_replicas(replicas),
            Some(RepairResponse::Done | RepairResponse::Refusal(_)) | None => {
                Err(ContradictionError)
            }
        };
        outputs.extend(self.on_step(now, step.ok()));
        outputs
    }

    fn on_request(&mut self, now: Now, call: CallId, from: NodeId, payload: &[u8]) -> Vec<Output> {
        let refuse = |reason, pause| {
            vec![Output::Respond(
                call,
                RepairResponse::Refusal(Refusal::until(reason, pause)),
            )]
        };
        let Ok(request) = RepairRequest::decode(payload) else {
            return refuse(Reason::Malformed, 0);
        };
        // Only neighbours have anything to compare, and may see what lies here.
        if !self.neighbours.knows(&from) {
            return refuse(Reason::Unavailable, MINUTE_MS);
        }
        if self.served.len() + self.leavers.len() >= SERVED_MAX {
            return refuse(Reason::Busy, 5 * SECOND_MS);
        }
        self.hear_from(now.mono, &from);
        let (me, asker) = (self.neighbours.point(), Point::of_node(&from));
        match request {
            RepairRequest::Compare { terms, .. }
                if ![me, asker].iter().all(|end| terms.points.contains(end)) =>
            {
                refuse(Reason::Malformed, 0)
            }
            RepairRequest::Compare { terms, ranges } => {
                let theirs = terms.alive.minus(MARGIN_MS);
                let shared = Shared::new(&terms, asker, me).guarded(self.neighbours.points());
                let ranges = ranges.into_iter().map(|(range, sum)| (range, Some(sum)));
                let scan = Scan::new(
                    shared,
                    terms.salt,
                    terms.alive.max(now.date),
                    ranges.collect(),
                );
                let ticket = self.serve(call);
                vec![
                    Output::Date(from, theirs),
                    Output::Scan(ticket, Box::new(scan)),
                ]
            }
            RepairRequest::Copy { mut keys } => {
                let points = self.neighbours.points();
                keys.retain(|key| {
                    shared::is_business_of(&points, &asker, &Point::of_address(&key.address))
                });
                vec![Output::Store(self.serve(call), StoreOp::Export { keys })]
            }
            // Both leave: neither takes anything from the other, nor waits for it.
            RepairRequest::Leave if self.leaving.is_some() => {
                let is_waited_for = self.told.values().any(|node| *node == from);
                self.told.retain(|_, node| *node != from);
                let mut outputs = vec![Output::Respond(call, RepairResponse::Done)];
                if is_waited_for {
                    outputs.extend(self.left_if_done());
                }
                outputs
            }
            RepairRequest::Leave => {
                let change = self.neighbours.on_leave(now.mono, from);
                let gains = change
                    .as_ref()
                    .is_some_and(|change| !change.gained.is_empty());
                // What is taken from the leaver now need not be compared with the others at once.
                self.on_change(now.mono, change, 2 * SPREAD_MS);
                if !gains {
                    return vec![Output::Respond(call, RepairResponse::Done)];
                }
                self.leavers.push_back((from, call));
                self.begin(now)
            }
        }
    }

    fn on_scanned(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<Box<Scan>, StoreError>,
    ) -> Vec<Output> {
        if let Some(call) = self.served.remove(&ticket) {
            let answer = result.map(|scan| RepairResponse::Compared {
                ranges: scan.answers(),
                date: now.date,
            });
            return vec![respond(call, answer)];
        }
        let Some(current) = self.current(ticket) else {
            return Vec::new();
        };
        let step = result.map(|scan| current.comparison.on_scanned(&scan));
        self.on_step(now, step.ok())
    }

    fn on_stored(
        &mut self,
        now: Now,
        ticket: Ticket,
        result: Result<StoreOutcome, StoreError>,
    ) -> Vec<Output> {
        if let Some(call) = self.served.remove(&ticket) {
            let replicas = result.map(|outcome| match outcome {
                StoreOutcome::Replicas(replicas) => replicas,
                _ => Vec::new(),
            });
            self.counters.handed_over += replicas.as_ref().map_or(0, Vec::len) as u64;
            return vec![respond(call, replicas.map(RepairResponse::Replicas))];
        }
        let Some(current) = self.current(ticket) else {
            return Vec::new();
        };
        let step = match result {
            Ok(StoreOutcome::Lacking(lacking)) => Some(current.comparison.on_lacking(&lacking)),
            Ok(_) | Err(_) => None,
        };
        self.on_step(now, step)
    }

    fn leave(&mut self, now: MonoMillis) -> Vec<Output> {
        self.leaving = Some(now.plus(LEAVE_SILENCE_MS));
        let current = self.current.take().and_then(|current| current.call);
        let waiting = self.leavers.drain(..).map(|(_, call)| call);
        let mut outputs: Vec<Output> = current
            .into_iter()
            .chain(waiting)
            .map(|call| Output::Respond(call, RepairResponse::Done))
            .collect();
        let partners: Vec<NodeId> = self.partners.keys().copied().collect();
        for partner in partners {
            let ticket = self.ticket();
            self.told.insert(ticket, partner);
            outputs.push(Output::Ask(ticket, partner, RepairRequest::Leave));
        }
        outputs.extend(self.left_if_done());
        outputs
    }

    /// A partner that was told that this keeper leaves is at work.
    fn hear_from(&mut self, now: MonoMillis, partner: &NodeId) {
        if self.leaving.is_some() && self.told.values().any(|node| node == partner) {
            self.leaving = Some(now.plus(LEAVE_SILENCE_MS));
        }
    }

    fn give_up_waiting(&mut self) -> Vec<Output> {
        if self.told.is_empty() {
            return Vec::new();
        }
        self.told.clear();
        self.left_if_done()
    }

    fn left_if_done(&self) -> Vec<Output> {
        match self.told.is_empty() {
            true => vec![Output::Left],
            false => Vec::new(),
        }
    }

    /// Returns the comparison under way if this is its ticket.
    fn current(&mut self, ticket: Ticket) -> Option<&mut Current> {
        self.current
            .as_mut()
            .filter(|current| current.ticket == ticket)
    }

    fn serve(&mut self, call: CallId) -> Ticket {
        let ticket = self.ticket();
        self.served.insert(ticket, call);
        ticket
    }

    const fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Draws 32 bytes.
    fn bytes(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let parts: [&[u8]; 2] = [&self.seed, &self.drawn.to_be_bytes()];
        context::derive(context::JITTER, &parts)
    }

    fn salt(&mut self) -> [u8; SALT_BYTES] {
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(
            self.bytes()
                .first_chunk::<SALT_BYTES>()
                .unwrap_or(&[0; SALT_BYTES]),
        );
        salt
    }

    /// Draws a number of milliseconds below `limit_ms`.
    fn draw(&mut self, limit_ms: u64) -> u64 {
        let bytes = self.bytes();
        let drawn = bytes
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes));
        drawn % limit_ms.max(1)
    }
}

/// Answers with what the store said, or that it has failed.
fn respond(call: CallId, answer: Result<RepairResponse, StoreError>) -> Output {
    let refusal = Refusal::until(Reason::Unavailable, 10 * MINUTE_MS);
    Output::Respond(call, answer.unwrap_or(RepairResponse::Refusal(refusal)))
}
