//! Runs the core: carries its outputs out and brings back what comes of them.

mod backing_up;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restante_client::job::{self, Costs, Job};
use restante_client::records::Loaded;
use restante_client::{CallId, CommitError, Core, Input, Output, Token};
use restante_interface::{
    CopyInfo, DoctorReport, MailboxStatus, Obstacle, Refusal, Reply, Request, State, StatusInfo,
    StoreTrouble,
};
use restante_proto::limits::REPLICAS;
use restante_proto::request::{self, Push, Response};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, NodeId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use super::backup::{Done, Plan, Schedule};
use super::disk::AccountDisk;
use crate::clock::Clock;
use crate::control::{Answer, ControlCall, EventLog};
use crate::keeper::KeeperHandle;
use crate::net::{Heard, NetHandle, Search};
use crate::node::person::Workers;
use crate::node::status::{
    Role, clock_state, holdings_page, keeper_state, keeper_status, network_status,
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
    /// Where it is told what happens to the person.
    pub events: EventLog,
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
    /// No entry point is known.
    pub is_first: bool,
    /// What is set about backups that are made without being asked for.
    pub backups: Option<Plan>,
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
    backups: Option<Schedule>,
}

/// What came of something that was carried out beside.
enum Came {
    Input(Input),
    /// A search goes on.
    Near(Token, Vec<NodeId>, Search),
    Backup(Done),
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
            is_first: settings.is_first,
            // Not before nothing is lost in one when a home is set back: SPEC 15.7 says what is open.
        };
        Self {
            core: Core::new(now, core_settings, loaded),
            services,
            network: settings.network,
            calls: BTreeMap::new(),
            next_call: 0,
            work: JoinSet::new(),
            started: now.mono,
            backups: settings.backups.map(Schedule::new),
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
            self.back_up_if_due();
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
        let backup = self.backups.as_ref().and_then(|backups| backups.due(now));
        let due = self.core.next_timeout(now).into_iter().chain(backup).min();
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
            Request::Backup(request) => self.back_up(request, answer),
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
            Came::Input(input @ Input::Committed(..)) => self.on_committed(input),
            Came::Input(input) => self.handle(input),
            Came::Near(token, nodes, search) => {
                self.spawn(hear(token, search));
                self.handle(Input::Near(token, nodes));
            }
            Came::Backup(done) => self.on_backup(done),
            Came::Nothing => {}
        }
    }

    /// Takes what came of a commit, and logs when the store begins to refuse and when that is over.
    fn on_committed(&mut self, committed: Input) {
        if let Input::Committed(_, Err(error)) = &committed
            && error.trouble.is_none()
        {
            warn!(%error, "the account's store refuses a change");
        }
        let before = self.core.trouble().cloned();
        self.handle(committed);
        match (before, self.core.trouble()) {
            (Some(_), None) => info!("the account's store takes everything in again"),
            (None, Some(trouble)) => tell_trouble(trouble),
            (Some(before), Some(trouble)) if before.passes() && !trouble.passes() => {
                tell_trouble(trouble);
            }
            _ => {}
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
            Output::Event(event) => {
                debug!(?event, "an event");
                services.events.append(event);
            }
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
            let findings = status.await.states;
            answer.finish(Ok(Reply::Doctor(DoctorReport { findings })));
            Came::Nothing
        });
    }

    fn status(&self) -> impl Future<Output = StatusInfo> + use<> {
        let now: Now = self.services.clock.both();
        let account = self.core.overview(now);
        let id = self.core.account().id.to_string();
        let backup = self.backups.as_ref().map(|backups| backups.status(now));
        let uptime_ms = now.mono.since(self.started);
        let (services, network) = (self.services.clone(), self.network.clone());
        async move {
            let mut info = StatusInfo {
                id,
                keeper: keeper_status(services.keeper.as_ref()).await,
                outbox_count: account.outbox_count,
                outbox: account.outbox,
                mailboxes: account.mailboxes,
                unread: account.unread,
                card_published_ms: account.card_published.map(UnixMillis::get),
                card_effort_asked: account.card_effort_asked,
                stamp_effort_max: account.effort_max,
                account_read_only: account.trouble,
                account_recovered_ms: account.recovered.map(UnixMillis::get),
                account_lost: account.lost,
                clock: Some(account.clock),
                copy: Some(account.copy),
                backup,
                uptime_ms,
                ..network_status(&services.net, &network, Role::Person).await
            };
            add_states(&mut info, (account.refused_count, account.obstacles));
            info
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

fn worker_gone() -> CommitError {
    CommitError::of(StoreTrouble::Ended, true)
}

fn tell_trouble(trouble: &StoreTrouble) {
    match trouble.passes() {
        true => {
            warn!(%trouble, "the account's store takes nothing in; retrying, see `doctor`");
        }
        false => error!(%trouble, "the account's store takes nothing in any more; see `doctor`"),
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
        let known = services.net.closest_known(address, REPLICAS).await;
        return known.unwrap_or_default();
    }
    let question = (address, REPLICAS);
    let named = services.net.neighbours(node, question, ANSWER_DEADLINE);
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

/// Adds the states of the account to those of the network, in the order in which they are shown.
fn add_states(info: &mut StatusInfo, refused: (u32, Vec<Obstacle>)) {
    let MailboxStatus {
        watched,
        subscribed,
    } = info.mailboxes;
    let has_keeper = info.keeper.cap_bytes > 0;
    info.states.extend([
        card_state(info),
        match subscribed {
            _ if watched == 0 => State::MailboxesUnwatched,
            0 => State::MailboxesDeaf { watched },
            _ if info.peers == 0 => match has_keeper {
                true => State::MailboxesOwn { watched },
                false => State::MailboxesDeaf { watched },
            },
            _ if subscribed < watched => State::MailboxesPartly {
                watched,
                subscribed,
            },
            _ => State::MailboxesHeard { watched },
        },
        keeper_state(&info.keeper),
        match info.account_read_only.clone() {
            None if info.account_lost > 0 => State::AccountLost {
                messages: info.account_lost,
            },
            None => State::AccountOpen {
                recovered_ms: info.account_recovered_ms,
            },
            Some(trouble) => State::AccountStopped { trouble },
        },
        clock_state(info.clock.unwrap_or_default()),
        copies_state(info.copy.unwrap_or_default()),
        outbox_state(info, refused),
    ]);
    info.states
        .extend(info.backup.as_ref().map(backing_up::state));
}

/// Returns how a home stands beside other copies of it.
const fn copies_state(copy: CopyInfo) -> State {
    let left = copy.left;
    match (copy.newest, copy.renewed_ms) {
        _ if copy.shut_out => State::CopiesShutOut,
        (false, _) => State::CopiesUnknown { left },
        (true, Some(at_ms)) => State::CopiesRenewed { at_ms, left },
        (true, None) => State::CopiesNewest {
            others: copy.others,
        },
    }
}

/// Returns how the card stands.
const fn card_state(info: &StatusInfo) -> State {
    match (info.card_effort_asked, info.card_published_ms) {
        (Some(effort), at_ms) => State::CardTooDear {
            at_ms,
            effort,
            allowed: info.stamp_effort_max,
        },
        (None, None) => State::CardUnpublished,
        (None, Some(at_ms)) => State::CardPublished { at_ms },
    }
}

/// Returns how the messages under way stand, with those that keepers do not take. That more work is asked for comes
/// first: only the person can allow it, while others are offered again in any case.
fn outbox_state(info: &StatusInfo, (waiting, obstacles): (u32, Vec<Obstacle>)) -> State {
    let messages = info.outbox_count;
    let asked = info.outbox.iter().filter_map(|entry| entry.effort_asked);
    match asked.clone().max() {
        _ if messages == 0 => State::OutboxEmpty,
        Some(effort) => State::OutboxTooDear {
            messages,
            waiting: u32::try_from(asked.count()).unwrap_or(u32::MAX),
            effort,
            allowed: info.stamp_effort_max,
        },
        None if waiting > 0 => State::OutboxRefused {
            messages,
            waiting,
            obstacles,
        },
        None => State::OutboxUnderWay { messages },
    }
}

/// Kept so that an unanswered call says why, and a message that was taken is not sent again by who waits for it.
impl Drop for Driver {
    fn drop(&mut self) {
        let now = self.services.clock.both();
        for output in self.core.handle(now, &mut rand::rng(), Input::Stopping) {
            if let Output::Reply(call, reply) = output
                && let Some(answer) = self.calls.remove(&call)
            {
                answer.finish(reply);
            }
        }
        for (_, answer) in std::mem::take(&mut self.calls) {
            answer.finish(Err(Refusal::Stopping));
        }
    }
}
