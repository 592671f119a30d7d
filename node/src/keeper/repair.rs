//! Keeping items together with other keepers: the task's side of `restante_proto::repair`.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use restante_proto::{
    NodeId,
    keeper::{self, CallId, ROUND_COST, Source, StoreError, Ticket},
    repair::{Input, Output, Repair, RepairCounters, RepairResponse},
    time::MonoMillis,
};
use tokio::sync::oneshot;
use tracing::debug;

use super::disk::Chore;
use super::port::{KeeperPort, RepairCall};
use super::task::KeeperTask;

/// Marks the tickets of repair among those of the keeper, which begin at 0.
const REPAIR_TICKET: u64 = 1 << 63;
/// The source of what keepers do together, which has its turn like any other; no group of network
/// addresses is it.
pub(super) const REPAIR_SOURCE: Source = Source(u64::MAX - 1);

/// What a keeper's task knows of repair.
pub(super) struct Repairs<P: KeeperPort> {
    engine: Repair,
    /// Requests of other keepers that wait for their answers.
    calls: BTreeMap<CallId, P::Token>,
    next_call: u64,
    /// Answers of other keepers, as they come.
    pub(super) answers: FuturesUnordered<BoxFuture<'static, (Ticket, Option<Bytes>)>>,
    /// Who waits until all is taken over.
    leaving: Option<oneshot::Sender<()>>,
}

impl<P: KeeperPort> Repairs<P> {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            engine: Repair::new(me, rand::random()),
            calls: BTreeMap::new(),
            next_call: 0,
            answers: FuturesUnordered::new(),
            leaving: None,
        }
    }

    pub(super) fn next_timeout(&self) -> MonoMillis {
        let never = MonoMillis::new(u64::MAX);
        self.engine.next_timeout().unwrap_or(never)
    }

    pub(super) fn partners(&self) -> Vec<NodeId> {
        self.engine.partners().copied().collect()
    }

    pub(super) const fn counters(&self) -> &RepairCounters {
        self.engine.counters()
    }

    pub(super) fn on_leave(&mut self, reply: oneshot::Sender<()>) {
        self.leaving = Some(reply);
    }

    /// Says what has come of a comparison, if one has ended.
    fn tell(&self, before: &RepairCounters) {
        let now = self.counters();
        if now.compared > before.compared || now.failed > before.failed {
            let (whole, copied) = (now.compared > before.compared, now.copied);
            debug!(
                whole,
                copied,
                partners = self.partners().len(),
                "compared with another keeper"
            );
        }
    }

    /// Returns the name that an operation has for repair, if repair asked for it.
    pub(super) fn own_ticket(ticket: Ticket) -> Option<Ticket> {
        ticket.0.checked_sub(REPAIR_TICKET).map(Ticket)
    }
}

impl<P: KeeperPort> KeeperTask<P> {
    /// Takes another keeper's request.
    pub(super) async fn on_repair(&mut self, request: RepairCall<P>) {
        let RepairCall {
            from,
            token,
            payload,
        } = request;
        self.repairs.next_call += 1;
        let call = CallId(self.repairs.next_call);
        self.repairs.calls.insert(call, token);
        self.repair(Input::Request {
            call,
            from,
            payload,
        })
        .await;
    }

    /// Feeds the state machine of repair and does what it says, until it says nothing more.
    pub(super) async fn repair(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let before = *self.repairs.counters();
            let outputs = self.repairs.engine.handle(self.clock.both(), input);
            self.repairs.tell(&before);
            for output in outputs {
                match output {
                    Output::Respond(call, response) => self.answer(call, &response).await,
                    Output::Scan(ticket, scan) => {
                        if !self.chore(Chore::Scan(ticket, scan)) {
                            inputs.push_back(Input::Scanned(ticket, Err(no_room())));
                        }
                    }
                    Output::Store(ticket, op) => {
                        let named = Ticket(ticket.0 | REPAIR_TICKET);
                        self.store(REPAIR_SOURCE, ROUND_COST, named, op);
                    }
                    Output::Import(ticket, replicas) => {
                        let call = CallId(ticket.0);
                        let import = keeper::Input::Import { call, replicas };
                        inputs.extend(self.step_keeper(import).await);
                    }
                    Output::Date(keeper, date) => {
                        inputs.extend(self.step_keeper(keeper::Input::Date(keeper, date)).await);
                    }
                    Output::Ask(ticket, keeper, request) => {
                        let answer = self.port.ask(keeper, request.encode());
                        let answer = answer.map(move |answer| (ticket, answer));
                        self.repairs.answers.push(answer.boxed());
                    }
                    Output::Left => {
                        if let Some(reply) = self.repairs.leaving.take() {
                            // The asker may have gone away.
                            let _unwanted = reply.send(());
                        }
                    }
                }
            }
        }
    }

    async fn answer(&mut self, call: CallId, response: &RepairResponse) {
        if let Some(token) = self.repairs.calls.remove(&call) {
            self.port.respond(token, response.encode()).await;
        }
    }
}

/// The disk has more to do than it can; the comparison is made again later.
fn no_room() -> StoreError {
    debug!("repair waits, since the disk is busy");
    StoreError::Io("the disk is busy".into())
}
