//! Runs the core: carries its outputs out and brings back what comes of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restante_client::job::{self, Costs, Job};
use restante_client::records::Loaded;
use restante_client::{CallId, CommitError, Core, Input, Output, Token};
use restante_interface::{
    DoctorReport, Examined, Finding, Refusal, Reply, Request, StatusInfo, Verdict,
};
use restante_proto::placement::CANDIDATES;
use restante_proto::request::{self, Push, Response};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, NodeId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use super::disk::AccountDisk;
use crate::clock::Clock;
use crate::control::{Answer, ControlCall};
use crate::keeper::KeeperHandle;
use crate::net::{Heard, NetHandle, Search};
use crate::node::person::Workers;
use crate::node::status::{
    entry_points_finding, holdings_page, keeper_finding, keeper_status, network_finding,
    network_status,
};
use crate::node::{ClientEvent, stopped};
use crate::parts::part;
use crate::worker::WorkerEnded;

/// How long a keeper may take to answer, connecting to it included.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The longest sleep, so that a clock set forward is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// Handles to everything outside the core.
#[derive(Clone)]
pub struct Services {
    /// Both times.
    pub clock: Clock,
    /// The network.
    pub net: NetHandle,
    /// This node's own keeper, where others deposit for its person too.
    pub keeper: Option<KeeperHandle>,
    /// The account's disk.
    pub disk: Arc<dyn AccountDisk>,
    /// Where blocking work runs.
    pub workers: Workers,
    /// What IDs and stamps cost on this network.
    pub costs: Costs,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Services(..)")
    }
}

/// What the person set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The network's name, for `status`.
    pub network: String,
    /// How long received messages are kept at most, in milliseconds.
    pub retention_ms: u64,
    /// How long a message lives whose sender says nothing else, in milliseconds.
    pub ttl_ms: u64,
    /// The highest effort of a stamp that is paid without asking.
    pub effort_max: u32,
}

/// The core with what drives it.
pub struct Driver {
    core: Core,
    services: Services,
    network: String,
    calls: BTreeMap<CallId, Answer>,
    next_call: u64,
    work: JoinSet<Came>,
    started: MonoMillis,
}

/// What came of something that was carried out beside.
enum Came {
    Input(Input),
    /// A search goes on.
    Near(Token, Vec<NodeId>, Search),
    Nothing,
}

impl Driver {
    /// Makes a core of what was on the disk.
    pub fn new(loaded: Loaded, services: Services, settings: Settings) -> Self {
        let now = services.clock.both();
        let core_settings = restante_client::Settings {
            retention_ms: settings.retention_ms,
            ttl_ms: settings.ttl_ms,
            effort_max: settings.effort_max,
            own_keeper: services.keeper.as_ref().map(KeeperHandle::node),
        };
        Self {
            core: Core::new(now, core_settings, loaded),
            services,
            network: settings.network,
            calls: BTreeMap::new(),
            next_call: 0,
            work: JoinSet::new(),
            started: now.mono,
        }
    }

    /// Runs until `stop` holds `true`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing that was committed; what was under way is done again after a restart.
    pub async fn run(
        mut self,
        mut calls: mpsc::Receiver<ControlCall>,
        mut events: mpsc::Receiver<ClientEvent>,
        mut stop: watch::Receiver<bool>,
    ) {
        // Before the first subscription, so that no push of one's own keeper is missed.
        let mut own_pushes = match &self.services.keeper {
            Some(keeper) => keeper.local_pushes().await,
            None => None,
        };
        let own = self.services.keeper.as_ref().map(KeeperHandle::node);
        self.handle(Input::Start);
        loop {
            let pause = self.pause();
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(call) = calls.recv() => self.on_call(call),
                Some(came) = self.work.join_next() => match came {
                    Ok(came) => self.on_came(came),
                    Err(error) => error!(%error, "something done beside the account's task panicked"),
                },
                Some((own, payload)) = own_push(own, &mut own_pushes) => self.on_push(own, &payload),
                Some(event) = events.recv() => self.on_event(event),
                () = tokio::time::sleep(pause) => self.handle(Input::Timer),
            }
            self.forget_gone();
        }
        info!("the account's side has stopped");
    }

    /// Carries something out beside.
    fn spawn(&mut self, work: impl Future<Output = Came> + Send + 'static) {
        self.work.spawn(part(work));
    }

    fn handle(&mut self, input: Input) {
        let now = self.services.clock.both();
        for output in self.core.handle(now, &mut rand::rng(), input) {
            self.carry_out(output);
        }
    }

    /// Returns how long nothing is due.
    fn pause(&self) -> Duration {
        let now = self.services.clock.both();
        let due = self.core.next_timeout(now);
        let wait = due.map_or(u64::MAX, |due| due.since(now.mono));
        Duration::from_millis(wait).min(SLEEP_MAX)
    }

    fn on_call(&mut self, call: ControlCall) {
        let ControlCall { request, answer } = call;
        match request {
            Request::Status => self.tell_status(answer),
            Request::Doctor => self.examine(answer),
            Request::Holdings { after } => {
                let keeper = self.services.keeper.clone();
                self.spawn(async move {
                    answer.finish(
                        holdings_page(keeper.as_ref(), after)
                            .await
                            .map(Reply::Holdings),
                    );
                    Came::Nothing
                });
            }
            // The control server answers this one itself.
            Request::Stop => answer.finish(Ok(Reply::Done)),
            request => {
                let call = CallId(self.next_call);
                self.next_call += 1;
                self.calls.insert(call, answer);
                self.handle(Input::Call(call, request));
            }
        }
    }

    /// Tells the core of askers that have gone away.
    fn forget_gone(&mut self) {
        let gone = self.calls.iter().filter(|(_, answer)| answer.is_gone());
        let gone: Vec<CallId> = gone.map(|(call, _)| *call).collect();
        for call in gone {
            self.calls.remove(&call);
            self.handle(Input::CallGone(call));
        }
    }

    fn on_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Push(keeper, payload) => self.on_push(keeper, &payload),
            ClientEvent::Lost(keeper) => self.handle(Input::Lost(keeper)),
            ClientEvent::NetworkUp => self.handle(Input::NetworkUp),
        }
    }

    fn on_push(&mut self, keeper: NodeId, payload: &[u8]) {
        match Push::decode(payload) {
            Ok(push) => self.handle(Input::Push(keeper, push)),
            Err(error) => debug!(%error, "a keeper's push does not decode"),
        }
    }

    fn on_came(&mut self, came: Came) {
        match came {
            Came::Input(Input::Committed(token, result)) => {
                if let Err(error) = &result {
                    warn!(%error, "the account's store refuses; see `doctor`");
                }
                self.handle(Input::Committed(token, result));
            }
            Came::Input(input) => self.handle(input),
            Came::Near(token, nodes, search) => {
                self.spawn(hear(token, search));
                self.handle(Input::Near(token, nodes));
            }
            Came::Nothing => {}
        }
    }

    fn carry_out(&mut self, output: Output) {
        let services = self.services.clone();
        match output {
            Output::Ask(token, keeper, request) => {
                self.spawn(async move {
                    Came::Input(Input::Answer(token, ask(&services, keeper, &request).await))
                });
            }
            Output::Search(token, address, count) => {
                self.spawn(async move {
                    match services.net.search(address, count).await {
                        Ok(search) => hear(token, search).await,
                        Err(_) => Came::Input(Input::Found(token, Vec::new())),
                    }
                });
            }
            Output::Neighbours(token, node, address) => {
                self.spawn(async move {
                    let nodes = neighbours(&services, node, address).await;
                    Came::Input(Input::Found(token, nodes))
                });
            }
            Output::Compute(token, job) => self.compute(token, *job),
            Output::Commit(token, changes) => {
                self.spawn(async move {
                    let (disk, worker) = (services.disk, services.workers.disk);
                    let done = worker.run(move || disk.commit(&changes)).await;
                    let result = done.unwrap_or_else(|WorkerEnded| Err(worker_gone()));
                    Came::Input(Input::Committed(token, result))
                });
            }
            Output::Read(token, places) => {
                self.spawn(async move {
                    let (disk, worker) = (services.disk, services.workers.disk);
                    let done = worker.run(move || disk.bodies(&places)).await;
                    let bodies = done.ok().and_then(Result::ok);
                    Came::Input(Input::Bodies(token, bodies))
                });
            }
            Output::Hold(node, held) => {
                self.spawn(async move {
                    let _stopping = match held {
                        true => services.net.hold(node).await,
                        false => services.net.release(node).await,
                    };
                    Came::Nothing
                });
            }
            Output::Reply(call, reply) => {
                if let Some(answer) = self.calls.remove(&call) {
                    answer.finish(reply);
                }
            }
            Output::Progress(call, result) => {
                if let Some(answer) = self.calls.get(&call) {
                    answer.progress(result);
                }
            }
            Output::Event(event) => debug!(?event, "an event"),
        }
    }

    fn compute(&mut self, token: Token, job: Job) {
        let workers = &self.services.workers;
        let worker = match job.worker() {
            job::Worker::Processor => workers.processor.clone(),
            job::Worker::Stamps => workers.stamps.clone(),
        };
        let costs = self.services.costs.clone();
        self.spawn(async move {
            let done = worker.run(move || job.run(&costs, &mut rand::rng())).await;
            Came::Input(Input::Done(token, done.ok().flatten()))
        });
    }

    /// Tells how the node is doing, beside: network and keeper are asked.
    fn tell_status(&mut self, answer: Answer) {
        let status = self.status();
        self.spawn(async move {
            answer.finish(Ok(Reply::Status(Box::new(status.await))));
            Came::Nothing
        });
    }

    fn examine(&mut self, answer: Answer) {
        let status = self.status();
        self.spawn(async move {
            answer.finish(Ok(Reply::Doctor(findings(&status.await))));
            Came::Nothing
        });
    }

    fn status(&self) -> impl Future<Output = StatusInfo> + use<> {
        let now: Now = self.services.clock.both();
        let account = self.core.overview(now);
        let id = self.core.account().id.to_string();
        let uptime_ms = now.mono.since(self.started);
        let (services, network) = (self.services.clone(), self.network.clone());
        async move {
            StatusInfo {
                id,
                keeper: keeper_status(services.keeper.as_ref()).await,
                outbox_count: account.outbox_count,
                outbox: account.outbox,
                mailboxes: account.mailboxes,
                unread: account.unread,
                card_published_ms: account.card_published.map(UnixMillis::get),
                card_effort_asked: account.card_effort_asked,
                stamp_effort_max: account.effort_max,
                account_read_only: account.stopped,
                uptime_ms,
                ..network_status(&services.net, &network).await
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

fn worker_gone() -> CommitError {
    CommitError {
        why: "the store's worker has ended".to_owned(),
        is_final: true,
    }
}

/// Waits for what a search says next.
async fn hear(token: Token, mut search: Search) -> Came {
    match search.next().await {
        Heard::Near(nodes) => Came::Near(token, nodes, search),
        Heard::Found(found) => Came::Input(Input::Found(token, found.unwrap_or_default())),
    }
}

/// Asks a keeper; none when no answer comes that decodes.
async fn ask(services: &Services, keeper: NodeId, request: &request::Request) -> Option<Response> {
    let payload = request.encode();
    let own = services.keeper.as_ref().filter(|own| own.node() == keeper);
    let answer = match own {
        Some(own) => own.local(payload).await?,
        None => services
            .net
            .request(keeper, payload, ANSWER_DEADLINE)
            .await
            .inspect_err(|error| debug!(%error, "a keeper did not answer"))
            .ok()?,
    };
    Response::decode(&answer)
        .inspect_err(|error| debug!(%error, "a keeper's answer does not decode"))
        .ok()
}

/// Asks a node which nodes it knows nearest to an address beside itself, nearest first; none when it does not answer.
async fn neighbours(services: &Services, node: NodeId, address: Address) -> Vec<NodeId> {
    let is_own = services
        .keeper
        .as_ref()
        .is_some_and(|own| own.node() == node);
    if is_own {
        let known = services.net.closest_known(address, CANDIDATES).await;
        return known.unwrap_or_default();
    }
    let named = services.net.neighbours(node, address, ANSWER_DEADLINE);
    named.await.unwrap_or_default()
}

/// Waits for a push of one's own keeper; none if there is no such keeper.
async fn own_push(
    own: Option<NodeId>,
    pushes: &mut Option<mpsc::Receiver<Bytes>>,
) -> Option<(NodeId, Bytes)> {
    let payload = pushes.as_mut()?.recv().await?;
    Some((own?, payload))
}

/// Returns what a status shows that a person should look at.
fn findings(status: &StatusInfo) -> DoctorReport {
    let finding = |verdict, what| Finding { verdict, what };
    let card = Examined::Card {
        published_ms: status.card_published_ms,
        effort_asked: status.card_effort_asked,
    };
    let mailboxes = Examined::Mailboxes {
        watched: status.mailboxes.watched,
        subscribed: status.mailboxes.subscribed,
    };
    let ok_if = |ok, otherwise| if ok { Verdict::Ok } else { otherwise };
    let mut findings = vec![
        network_finding(status),
        finding(
            ok_if(status.card_published_ms.is_some(), Verdict::Warn),
            card,
        ),
        finding(
            ok_if(status.mailboxes.subscribed > 0, Verdict::Warn),
            mailboxes,
        ),
        keeper_finding(status),
    ];
    findings.extend(entry_points_finding(status));
    findings.extend(work_of(status).map(|work| finding(Verdict::Warn, work)));
    if let Some(stopped) = status.account_read_only.clone() {
        findings.push(finding(Verdict::Fail, Examined::Account { stopped }));
    }
    DoctorReport { findings }
}

/// Returns what is to be said of messages that wait for work; nothing when there are none.
fn work_of(status: &StatusInfo) -> Option<Examined> {
    let asked = status.outbox.iter().filter_map(|entry| entry.effort_asked);
    let effort_asked = asked.clone().max()?;
    Some(Examined::Work {
        messages: u32::try_from(asked.count()).unwrap_or(u32::MAX),
        effort_asked,
        effort_max: status.stamp_effort_max,
    })
}

/// Kept so that an unanswered call says why.
impl Drop for Driver {
    fn drop(&mut self) {
        for (_, answer) in std::mem::take(&mut self.calls) {
            answer.finish(Err(Refusal::Stopping));
        }
    }
}
