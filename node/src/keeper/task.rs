//! The task that feeds the state machine and does what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use restante_proto::{
    keeper::{
        CallId, ConnId, FairQueue, Input, Keeper, Output, QueueBounds, ROUND_COST, Source,
        StoreError, StoreOp, Ticket,
    },
    limits::STORE_OPS_MAX,
    repair,
    request::{Reason, Response},
    time::UnixMillis,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use super::disk::{BATCH_OPS_MAX, Chore, DiskQueue, DiskReport, DiskState};
use super::handle::{Inlets, KeeperReport, Query};
use super::port::{KeeperPort, LOCAL_SOURCE, RepairCall};
use super::repair::{REPAIR_SOURCE, Repairs};
use super::request_queue::{QueuedRequest, cost_of};
use crate::clock::Clock;

/// The stream of the node's own person; the names of peers' substreams begin at 1.
const LOCAL_CONN: ConnId = ConnId(0);
/// Operations that may wait for the disk: the state machines have no more under way.
const READY: QueueBounds = QueueBounds {
    count: STORE_OPS_MAX + repair::OPS_MAX,
    cost: u64::MAX,
    source_count: STORE_OPS_MAX + repair::OPS_MAX,
    source_cost: u64::MAX,
};

/// A keeper at work.
pub(super) struct KeeperTask<P: KeeperPort> {
    keeper: Keeper,
    pub(super) port: P,
    inlets: Inlets<P>,
    /// Operations that wait for the next commit.
    ready: FairQueue<(Ticket, StoreOp)>,
    /// A commit is under way.
    committing: bool,
    /// Operations that the disk will not do.
    lost: Vec<Ticket>,
    pub(super) disk: DiskQueue,
    reports: mpsc::Receiver<DiskReport>,
    disk_task: JoinHandle<()>,
    disk_state: DiskState,
    pub(super) clock: Clock,
    /// A slice is being swept.
    sweeping: bool,
    /// Every handle is gone.
    orphaned: bool,
    peers: Peers<P>,
    /// Where pushes for the node's own person go.
    local_pushes: Option<mpsc::Sender<Bytes>>,
    pub(super) repairs: Repairs<P>,
}

/// Peers' substreams and requests under the names the state machine has for them.
struct Peers<P: KeeperPort> {
    ids: BTreeMap<P::Conn, ConnId>,
    conns: BTreeMap<ConnId, P::Conn>,
    /// Substreams kept open for a subscription.
    kept: BTreeSet<ConnId>,
    calls: BTreeMap<CallId, Call<P>>,
    /// The next name, of either kind.
    next: u64,
}

struct Call<P: KeeperPort> {
    reply: Reply<P>,
    conn: ConnId,
}

/// Where the answer to a request goes.
enum Reply<P: KeeperPort> {
    Peer(P::Token),
    Local(oneshot::Sender<Bytes>),
}

enum Event<P: KeeperPort> {
    Timer,
    Report(DiskReport),
    Query(Query),
    Closed(BTreeSet<P::Conn>),
    Request(Source, QueuedRequest<P>),
    Orphaned,
    Repair(RepairCall<P>),
    /// Another keeper has answered, or not.
    Answered(Ticket, Option<Bytes>),
    End,
}

impl<P: KeeperPort> KeeperTask<P> {
    pub(super) fn new(
        keeper: Keeper,
        port: P,
        inlets: Inlets<P>,
        disk: (DiskQueue, mpsc::Receiver<DiskReport>, JoinHandle<()>),
        disk_state: DiskState,
        clock: Clock,
    ) -> Self {
        let (disk, reports, disk_task) = disk;
        let peers = Peers {
            ids: BTreeMap::new(),
            conns: BTreeMap::new(),
            kept: BTreeSet::new(),
            calls: BTreeMap::new(),
            next: 0,
        };
        let repairs = Repairs::new(keeper.node());
        let mut keeper = keeper;
        keeper.on_usage(disk_state.usage);
        Self {
            keeper,
            port,
            inlets,
            ready: FairQueue::new(READY),
            committing: false,
            lost: Vec::new(),
            disk,
            reports,
            disk_task,
            disk_state,
            clock,
            sweeping: false,
            orphaned: false,
            peers,
            local_pushes: None,
            repairs,
        }
    }

    /// Works until every handle is gone or one of them says to stop.
    pub(super) async fn run(mut self) {
        let mut told = None;
        loop {
            match self.next().await {
                Event::Timer => {
                    self.step(Input::Timer).await;
                    self.release_idle().await;
                    self.repair(repair::Input::Timer).await;
                }
                Event::Report(report) => self.on_report(report).await,
                Event::Query(query) => {
                    told = self.on_query(query).await;
                    if told.is_some() {
                        break;
                    }
                }
                Event::Closed(conns) => self.on_closed(&conns).await,
                Event::Request(source, request) => self.on_request(source, request).await,
                Event::Orphaned => self.orphaned = true,
                Event::Repair(call) => self.on_repair(call).await,
                Event::Answered(ticket, answer) => {
                    self.repair(repair::Input::Answered(ticket, answer)).await;
                }
                Event::End => break,
            }
        }
        self.finish(told).await;
    }

    async fn next(&mut self) -> Event<P> {
        if let Some(report) = self.lost_report() {
            return Event::Report(report);
        }
        let due = self.keeper.next_timeout().min(self.repairs.next_timeout());
        let wait = due.since(self.clock.mono());
        let Inlets {
            requests,
            repairs,
            queries,
            closed,
        } = &mut self.inlets;
        if self.orphaned && requests.is_empty() {
            return Event::End;
        }
        let (keeper, clock) = (&mut self.keeper, &self.clock);
        let ready = |source| keeper.is_ready_for(clock.mono(), source);
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_millis(wait)) => Event::Timer,
            Some(report) = self.reports.recv() => Event::Report(report),
            query = queries.recv(), if !self.orphaned => {
                query.map_or(Event::Orphaned, Event::Query)
            }
            conns = closed.next() => Event::Closed(conns),
            Some((ticket, answer)) = self.repairs.answers.next() => Event::Answered(ticket, answer),
            Some(call) = repairs.recv() => Event::Repair(call),
            (source, request) = requests.next(ready) => Event::Request(source, request),
        }
    }

    /// Answers a question; hands back whom to tell of the end when that is what is asked for.
    async fn on_query(&mut self, query: Query) -> Option<oneshot::Sender<()>> {
        match query {
            Query::Status(reply) => {
                // The asker may have gone away; so below.
                let _unwanted = reply.send(self.status());
            }
            Query::Local { payload, reply } => {
                let call = self.peers.call(LOCAL_CONN, Reply::Local(reply));
                self.step(Input::Request {
                    conn: LOCAL_CONN,
                    call,
                    source: LOCAL_SOURCE,
                    payload,
                })
                .await;
            }
            Query::LocalPushes(pushes) => self.local_pushes = Some(pushes),
            Query::Holdings {
                after,
                limit,
                reply,
            } => {
                self.chore(Chore::Holdings {
                    after,
                    limit,
                    reply,
                });
            }
            Query::Neighbours(nearest, reply) => {
                self.repair(repair::Input::Neighbours(nearest)).await;
                let _unwanted = reply.send(self.repairs.partners());
            }
            Query::Leave(reply) => {
                self.repairs.on_leave(reply);
                self.repair(repair::Input::Leave).await;
            }
            Query::Shutdown(reply) => return Some(reply),
        }
        None
    }

    async fn on_request(&mut self, source: Source, request: QueuedRequest<P>) {
        let QueuedRequest {
            conn,
            token,
            payload,
        } = request;
        let (conn, call) = self.peers.admit(conn, token);
        self.step(Input::Request {
            conn,
            call,
            source,
            payload,
        })
        .await;
    }

    async fn on_closed(&mut self, closed: &BTreeSet<P::Conn>) {
        // Requests that came before may still be waiting; a subscription among them would outlive
        // its substream.
        self.inlets.requests.discard(|conn| closed.contains(conn));
        for conn in closed {
            if let Some(id) = self.peers.forget(conn) {
                self.step(Input::Closed(id)).await;
            }
        }
    }

    async fn on_report(&mut self, report: DiskReport) {
        match report {
            DiskReport::Stored(results, state) => {
                self.note(state);
                self.committing = false;
                // The disk goes on while the answers are made.
                self.commit_next();
                for (ticket, result) in results {
                    match Repairs::<P>::own_ticket(ticket) {
                        Some(own) => self.repair(repair::Input::Stored(own, result)).await,
                        None => self.step(Input::Stored { ticket, result }).await,
                    }
                }
            }
            DiskReport::Scanned(ticket, result) => {
                if let Err(error) = &result {
                    self.step(Input::StoreFailed(error.clone())).await;
                }
                self.repair(repair::Input::Scanned(ticket, result)).await;
            }
            DiskReport::Reopened(result, state) => {
                self.note(state);
                self.step(Input::Reopened(result)).await;
            }
            DiskReport::Swept(done, state) => {
                self.note(state);
                self.sweeping = false;
                match done {
                    Ok(expired) => {
                        if expired.items > 0 {
                            debug!(
                                items = expired.items,
                                bytes = expired.bytes,
                                "items expired"
                            );
                        }
                        if expired.more {
                            let settled = self.keeper.settled(self.clock.both());
                            self.sweep(settled);
                        }
                    }
                    Err(error) => {
                        debug!(%error, "what has expired cannot be dropped");
                        self.step(Input::StoreFailed(error)).await;
                    }
                }
            }
        }
    }

    fn note(&mut self, state: DiskState) {
        self.disk_state = state;
        self.keeper.on_usage(state.usage);
    }

    /// Lets an operation of a source wait for the disk.
    pub(super) fn store(&mut self, source: Source, cost: u64, ticket: Ticket, op: StoreOp) {
        if let Err((ticket, _)) = self.ready.push(source, cost, (ticket, op)) {
            self.lost.push(ticket);
        }
        self.commit_next();
    }

    /// Returns what the disk would say of operations it will not do, if there are any.
    fn lost_report(&mut self) -> Option<DiskReport> {
        let lost = std::mem::take(&mut self.lost).into_iter();
        let results: Vec<_> = lost.map(|lost| (lost, Err(StoreError::Ended))).collect();
        (!results.is_empty()).then_some(DiskReport::Stored(results, self.disk_state))
    }

    /// Begins the next commit unless one is under way.
    fn commit_next(&mut self) {
        if self.committing || self.ready.is_empty() {
            return;
        }
        let ready = std::iter::from_fn(|| self.ready.pop(|_| true));
        let batch: Vec<_> = ready.map(|(_, op)| op).take(BATCH_OPS_MAX).collect();
        match self.disk.batches.try_send(batch) {
            Ok(()) => self.committing = true,
            // There is always room for one: the disk's task has ended.
            Err(lost) => {
                let lost = lost.into_inner().into_iter();
                self.lost.extend(lost.map(|(ticket, _)| ticket));
            }
        }
    }

    /// Feeds the state machine and does what it says, until it says nothing more.
    async fn step(&mut self, input: Input) {
        if let Some(imported) = self.step_keeper(input).await {
            Box::pin(self.repair(imported)).await;
        }
    }

    /// The same; returns what repair is to know.
    pub(super) async fn step_keeper(&mut self, input: Input) -> Option<repair::Input> {
        let mut imported = None;
        let trouble = self.keeper.read_only().cloned();
        let (source, cost) = match &input {
            Input::Request {
                source, payload, ..
            } => (*source, cost_of(payload)),
            // What is taken over from other keepers.
            _ => (REPAIR_SOURCE, ROUND_COST),
        };
        for output in self.keeper.handle(self.clock.both(), input) {
            match output {
                Output::Respond { call, response } => self.respond(call, &response).await,
                Output::Store { ticket, op } => {
                    self.store(source, cost, ticket, op);
                }
                Output::Push { conn, push } if conn == LOCAL_CONN => {
                    if let Some(pushes) = &self.local_pushes {
                        // What finds no room is still in the mailbox.
                        let _dropped = pushes.try_send(push.encode());
                    }
                }
                Output::Push { conn, push } => {
                    if let Some(conn) = self.peers.conns.get(&conn) {
                        self.port.push(*conn, push.encode()).await;
                    }
                }
                Output::Imported { call, taken } => {
                    imported = Some(repair::Input::Imported(Ticket(call.0), taken));
                }
                Output::Sweep(date) => self.sweep(date),
                Output::Reopen => self.reopen(),
            }
        }
        self.log_trouble(trouble.as_ref());
        imported
    }

    /// Logs when the store begins to refuse, and when that is over.
    fn log_trouble(&self, before: Option<&StoreError>) {
        match (before, self.keeper.read_only()) {
            (Some(_), None) => info!("the keeper takes everything in again"),
            (None, Some(error)) if error.may_pass() => {
                warn!(%error, "the keeper takes nothing in; retrying, see `doctor`");
            }
            (before, Some(error)) if !error.may_pass() && before != Some(error) => {
                error!(%error, "the keeper takes nothing in any more; see `doctor`");
            }
            _ => {}
        }
    }

    async fn respond(&mut self, call: CallId, response: &Response) {
        let Some(Call { reply, conn }) = self.peers.calls.remove(&call) else {
            return;
        };
        let is_subscribed = matches!(response, Response::Done { until: Some(_) });
        if let Some(via) = self.peers.conns.get(&conn).filter(|_| is_subscribed)
            && self.peers.kept.insert(conn)
        {
            self.port.keep(*via, true).await;
        }
        let payload = response.encode();
        match reply {
            Reply::Peer(token) => self.port.respond(token, payload).await,
            Reply::Local(reply) => {
                let _unwanted = reply.send(payload);
            }
        }
    }

    /// Lets go of substreams whose subscriptions are over.
    async fn release_idle(&mut self) {
        let keeper = &self.keeper;
        for id in self
            .peers
            .kept
            .extract_if(.., |id| !keeper.is_subscribed(*id))
        {
            if let Some(conn) = self.peers.conns.get(&id) {
                self.port.keep(*conn, false).await;
            }
        }
    }

    fn sweep(&mut self, date: UnixMillis) {
        if !self.sweeping {
            self.sweeping = self.chore(Chore::Sweep(date));
        }
    }

    /// Has the store opened again; where there is no room for that, it is tried later.
    fn reopen(&mut self) {
        if !self.chore(Chore::Reopen) {
            let refused = StoreError::Io("its worker is busy".into());
            let _nothing = self
                .keeper
                .handle(self.clock.both(), Input::Reopened(Err(refused)));
        }
    }

    /// Asks the store's worker for a chore; one that finds no room is dropped, which its asker sees.
    pub(super) fn chore(&self, chore: Chore) -> bool {
        self.disk.chores.try_send(chore).is_ok()
    }

    fn status(&self) -> KeeperReport {
        let mut counters = self.keeper.counters().clone();
        let refused = self.inlets.requests.refused();
        if refused > 0 {
            *counters.refusals.entry(Reason::Busy).or_default() += refused;
        }
        KeeperReport {
            usage: self.disk_state.usage,
            counters,
            store: self.disk_state.counters,
            subscriptions: self.keeper.subscriptions(),
            waiting: self.inlets.requests.usage(),
            ready: self.ready.usage(),
            load: self.keeper.load(),
            read_only: self.keeper.read_only().cloned(),
            recovered: self.keeper.recovered(),
            date: self.keeper.date_standing(self.clock.both()),
            repair: *self.repairs.counters(),
            partners: self.repairs.partners().len(),
        }
    }

    /// Answers what was stored in the meantime and closes the store.
    async fn finish(mut self, told: Option<oneshot::Sender<()>>) {
        self.inlets.requests.close();
        if let Some(report) = self.lost_report() {
            self.on_report(report).await;
        }
        while self.committing {
            match self.reports.recv().await {
                Some(report) => self.on_report(report).await,
                None => break,
            }
        }
        // Without the queue's other end the disk finishes what waits, and ends.
        let (batches, _none) = mpsc::channel(1);
        let (chores, _none) = mpsc::channel(1);
        self.disk = DiskQueue { batches, chores };
        while let Some(report) = self.reports.recv().await {
            self.on_report(report).await;
        }
        if self.disk_task.await.is_err() {
            debug!("the disk's task has failed");
        }
        if let Some(told) = told {
            let _unwanted = told.send(());
        }
    }
}

impl<P: KeeperPort> Peers<P> {
    /// Names a request, and its substream if that is new.
    fn admit(&mut self, conn: P::Conn, token: P::Token) -> (ConnId, CallId) {
        let conn = match self.ids.get(&conn) {
            Some(id) => *id,
            None => {
                let id = ConnId(self.name());
                self.ids.insert(conn, id);
                self.conns.insert(id, conn);
                id
            }
        };
        (conn, self.call(conn, Reply::Peer(token)))
    }

    /// Names a request.
    fn call(&mut self, conn: ConnId, reply: Reply<P>) -> CallId {
        let call = CallId(self.name());
        self.calls.insert(call, Call { reply, conn });
        call
    }

    fn forget(&mut self, conn: &P::Conn) -> Option<ConnId> {
        let id = self.ids.remove(conn)?;
        self.conns.remove(&id);
        self.kept.remove(&id);
        Some(id)
    }

    const fn name(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
