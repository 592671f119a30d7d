//! The task that feeds the state machine and does what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use restante_proto::{
    keeper::{
        CallId, ConnId, Input, Keeper, Output, SWEEP_INTERVAL_MS, Source, StoreFault, StoreOp,
        Ticket, TurnBounds, Turns,
    },
    limits::STORE_OPS_MAX,
    request::Response,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::disk::{BATCH_OPS_MAX, Chore, DiskQueue, DiskReport, DiskState};
use super::handle::{Inlets, KeeperReport, Query};
use super::lobby::{Visitor, cost_of};
use super::port::{KeeperPort, LOCAL_SOURCE};
use crate::clock::Clock;

/// The stream of the node's own person; the names of peers' substreams begin at 1.
const LOCAL_CONN: ConnId = ConnId(0);
/// Operations that may wait for the disk: the state machine has no more under way.
const READY: TurnBounds = TurnBounds {
    count: STORE_OPS_MAX,
    cost: u64::MAX,
    source_count: STORE_OPS_MAX,
    source_cost: u64::MAX,
};

/// A keeper at work.
pub(super) struct KeeperTask<P: KeeperPort> {
    keeper: Keeper,
    port: P,
    inlets: Inlets<P>,
    /// Operations that wait for the next commit.
    ready: Turns<(Ticket, StoreOp)>,
    /// A commit is under way.
    committing: bool,
    disk: DiskQueue,
    reports: mpsc::Receiver<DiskReport>,
    disk_task: JoinHandle<()>,
    disk_state: DiskState,
    clock: Clock,
    /// A slice is being swept.
    sweeping: bool,
    /// Every handle is gone.
    orphaned: bool,
    peers: Peers<P>,
    /// Where pushes for the node's own person go.
    local_pushes: Option<mpsc::Sender<Bytes>>,
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
    Request(Source, Visitor<P>),
    Orphaned,
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
        let mut keeper = keeper;
        keeper.on_usage(disk_state.usage);
        Self {
            keeper,
            port,
            inlets,
            ready: Turns::new(READY),
            committing: false,
            disk,
            reports,
            disk_task,
            disk_state,
            clock,
            sweeping: false,
            orphaned: false,
            peers,
            local_pushes: None,
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
                Event::End => break,
            }
        }
        self.finish(told).await;
    }

    async fn next(&mut self) -> Event<P> {
        // A clock that was set back must not put the timer off for as long.
        let wait = self
            .keeper
            .next_timeout()
            .since(self.clock.now())
            .min(SWEEP_INTERVAL_MS);
        let Inlets {
            lobby,
            queries,
            closed,
        } = &mut self.inlets;
        if self.orphaned && lobby.is_empty() {
            return Event::End;
        }
        let (keeper, clock) = (&mut self.keeper, &self.clock);
        let ready = |source| keeper.is_ready_for(clock.now(), source);
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_millis(wait)) => Event::Timer,
            Some(report) = self.reports.recv() => Event::Report(report),
            query = queries.recv(), if !self.orphaned => {
                query.map_or(Event::Orphaned, Event::Query)
            }
            conns = closed.next() => Event::Closed(conns),
            (source, request) = lobby.next(ready) => Event::Request(source, request),
        }
    }

    /// Answers a question; hands back whom to tell of the end when that is what is asked for.
    async fn on_query(&mut self, query: Query) -> Option<oneshot::Sender<()>> {
        match query {
            Query::Status(reply) => {
                // Whoever asked may have gone away; so below.
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
            Query::Shutdown(reply) => return Some(reply),
        }
        None
    }

    async fn on_request(&mut self, source: Source, request: Visitor<P>) {
        let Visitor {
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
        self.inlets.lobby.discard(|conn| closed.contains(conn));
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
                for input in self.commit_next() {
                    self.step(input).await;
                }
                for (ticket, result) in results {
                    self.step(Input::Stored { ticket, result }).await;
                }
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
                            self.sweep();
                        }
                    }
                    Err(fault) => debug!(%fault, "what has expired cannot be dropped"),
                }
            }
        }
    }

    fn note(&mut self, state: DiskState) {
        self.disk_state = state;
        self.keeper.on_usage(state.usage);
    }

    /// Begins the next commit unless one is under way; returns what cannot be done any more.
    fn commit_next(&mut self) -> Vec<Input> {
        if self.committing || self.ready.is_empty() {
            return Vec::new();
        }
        let ready = std::iter::from_fn(|| self.ready.pop(|_| true));
        let batch: Vec<_> = ready.map(|(_, op)| op).take(BATCH_OPS_MAX).collect();
        match self.disk.batches.try_send(batch) {
            Ok(()) => {
                self.committing = true;
                Vec::new()
            }
            // There is always room for one: the disk's task has ended.
            Err(lost) => lost.into_inner().into_iter().map(lost_op).collect(),
        }
    }

    /// Feeds the state machine and does what it says, until it says nothing more.
    async fn step(&mut self, input: Input) {
        let was_read_only = self.keeper.read_only().is_some();
        let (source, cost) = match &input {
            Input::Request {
                source, payload, ..
            } => (*source, cost_of(payload)),
            // Nothing else makes the state machine store anything.
            _ => (LOCAL_SOURCE, 1),
        };
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.keeper.handle(self.clock.now(), input) {
                match output {
                    Output::Respond { call, response } => self.respond(call, &response).await,
                    Output::Store { ticket, op } => {
                        // The state machine has no more under way than there is room for.
                        let refused = self.ready.push(source, cost, (ticket, op)).err();
                        inputs.extend(refused.map(lost_op));
                        inputs.extend(self.commit_next());
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
                    Output::Sweep => self.sweep(),
                }
            }
        }
        if let Some(fault) = self.keeper.read_only().filter(|_| !was_read_only) {
            warn!(%fault, "the keeper takes nothing in any more");
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

    fn sweep(&mut self) {
        if !self.sweeping {
            self.sweeping = self.chore(Chore::Sweep);
        }
    }

    /// Asks the disk for a chore; one that finds no room is dropped, and whoever waits for it sees
    /// that.
    fn chore(&self, chore: Chore) -> bool {
        self.disk.chores.try_send(chore).is_ok()
    }

    fn status(&self) -> KeeperReport {
        KeeperReport {
            usage: self.disk_state.usage,
            counters: self.keeper.counters().clone(),
            store: self.disk_state.counters,
            subscriptions: self.keeper.subscriptions(),
            waiting: self.inlets.lobby.usage(),
            ready: self.ready.usage(),
            load: self.keeper.load(),
            read_only: self.keeper.read_only().map(ToString::to_string),
        }
    }

    /// Answers what was stored in the meantime and closes the store.
    async fn finish(mut self, told: Option<oneshot::Sender<()>>) {
        self.inlets.lobby.close();
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

/// Returns what the state machine is told of an operation that the disk will not do.
fn lost_op((ticket, _): (Ticket, StoreOp)) -> Input {
    Input::Stored {
        ticket,
        result: Err(StoreFault::Io("its task has ended".into())),
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
