//! The person's side of a node: the account, its messages and its contacts.
//!
//! One task owns all of it. It drives three state machines of the protocol, the [`Outbox`], the [`Collector`] and the
//! [`Publisher`], answers the person's commands, and commits to the vault before anything leaves or is acked. Whatever
//! takes time, a request to a keeper, a stamp, an Argon2id, runs beside it and comes back as a [`Done`].

mod asking;
mod calls;
mod collecting;
mod contacts;
mod directory;
mod exchange;
mod placing;
mod publishing;
mod reading;
pub(crate) mod report;
mod rows;
mod sending;
mod services;
mod stamping;
mod store;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use restante_proto::account::PersonId;
use restante_proto::collector::{self, Collector, watched_until};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DAY_MS, HOUR_MS, SECOND_MS};
use restante_proto::message::MessageId;
use restante_proto::outbox::{self, Outbox};
use restante_proto::prekey::PrekeySecret;
use restante_proto::publisher::{self, Publisher};
use restante_proto::request::{Listed, Waiting};
use restante_proto::stamp::Stamp;
use restante_proto::time::{Epoch, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

pub(crate) use self::report::id_info;
pub use self::rows::Account;
pub use self::services::Services;
pub use self::store::StoreFault;
pub(crate) use self::store::{create_account, read_account};
pub use self::words::GATHER_MS as WORDS_GATHER_MS;

use self::collecting::Opened;
use self::directory::{Resolution, ResolveFault};
use self::exchange::Deposited;
use self::publishing::MadeCard;
use self::reading::InboxWaiter;
use self::rows::{Contact, Header, OutgoingEnvelope, OwnCard, Sent};
use self::sending::{Intent, SendWaiter};
use self::stamping::{StampOrder, StampQueue};
use self::store::MailStore;
use crate::control::ControlCall;
use crate::keeper::KeeperHandle;
use crate::net::Search;
use crate::node::stopped;
use crate::vault::Vault;

/// Things done beside the client's task at once; more wait in line.
const WORK_MAX: usize = 64;
/// The longest sleep, so that a clock set forward is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// How long changes of the network are passed over after one was acted on, in milliseconds: every retry has its own
/// pause, and only the first change after a quiet time shortens it.
const NETWORK_UP_MS: u64 = 10 * SECOND_MS;
/// How long after its end a message that was sent is still shown with what became of it, in milliseconds.
const SENT_SHOWN_MS: u64 = 7 * DAY_MS;
/// How often rows that only remember things are looked through, in milliseconds.
const TIDY_MS: u64 = HOUR_MS;

/// What the network tells the client.
#[derive(Debug)]
pub enum ClientEvent {
    /// A keeper sent an envelope unasked.
    Push(NodeId, Bytes),
    /// Subscriptions at this keeper are gone.
    Lost(NodeId),
    /// There are peers to ask, after there were none.
    NetworkUp,
}

/// What came of something that was done beside the client's task.
enum Done {
    Resolved(Box<Intent>, Result<Box<Resolution>, ResolveFault>),
    OutboxNear(ItemId, Vec<NodeId>, Search),
    OutboxFound(ItemId, Vec<NodeId>),
    OutboxAnswer(ItemId, NodeId, Deposited),
    Stamped(StampOrder, Option<Stamp>),
    CardMade(Option<Box<MadeCard>>),
    CardFound(Address, Vec<NodeId>),
    CardNeighbours(Address, NodeId, Vec<NodeId>),
    CardAnswer(Address, NodeId, Deposited),
    Neighbours(Address, NodeId, Vec<NodeId>),
    NotAcked(Address),
    MailFound(Address, Vec<NodeId>),
    Subscribed(Address, NodeId, Option<UnixMillis>),
    Listed(Address, NodeId, Option<(Vec<Listed>, bool)>),
    Got(Address, NodeId, Vec<ItemId>, Option<Vec<(ItemId, Waiting)>>),
    Opened(Address, Vec<Opened>),
    NotOpened(Address, Vec<ItemId>),
    NotStored(StoreFault),
    Nothing,
}

type Work = BoxFuture<'static, Done>;

/// The client's state.
pub struct Client {
    services: Services,
    store: MailStore,
    /// Why it takes nothing in any more.
    store_fault: OnceLock<StoreFault>,
    settings: Settings,
    account: Arc<Account>,
    prekeys: Arc<Vec<PrekeySecret>>,
    card: Option<OwnCard>,
    card_stamps: BTreeMap<Address, Stamp>,
    card_published: Option<UnixMillis>,
    /// Envelopes with postage for which the outbox had no room.
    behind: BTreeSet<ItemId>,
    /// When failed lookups were last hurried because the network changed.
    network_up: UnixMillis,
    /// When a stamp for the next salt epoch may be made.
    later_due: Option<UnixMillis>,
    stamps: StampQueue,
    contacts: BTreeMap<PublicKey, Contact>,
    known_ids: Arc<BTreeMap<PublicKey, PersonId>>,
    outgoing: BTreeMap<ItemId, OutgoingEnvelope>,
    /// Keepers that were found last for mailboxes that were written to.
    keepers: BTreeMap<Address, Vec<NodeId>>,
    /// Envelopes that left the outbox and are still on the disk.
    ended: Vec<(ItemId, MessageId, Option<Sent>)>,
    sent: BTreeMap<MessageId, Sent>,
    inbox: BTreeMap<u64, Header>,
    seen: BTreeMap<(PublicKey, MessageId), UnixMillis>,
    words: BTreeSet<(PublicKey, MessageId)>,
    words_due: Option<UnixMillis>,
    outbox: Outbox,
    collector: Collector,
    publisher: Publisher,
    /// The epochs whose mailboxes are watched, from and to, and whether contacts have mailboxes of their own.
    watching: Option<(Epoch, Epoch, bool)>,
    held: BTreeSet<NodeId>,
    sends: Vec<SendWaiter>,
    readers: Vec<InboxWaiter>,
    work: JoinSet<Done>,
    /// Never locked, only borrowed mutably: the lock makes the client `Sync`, which futures are not.
    backlog: Mutex<VecDeque<Work>>,
    next_tidy: UnixMillis,
    started: UnixMillis,
}

/// What the person set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The network's name, for `status`.
    pub network: String,
    /// How long received messages are kept at most, in milliseconds.
    pub retention_ms: u64,
}

impl Client {
    /// Reads the vault and makes a client of what is in it.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] when the vault does not hold a readable account.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the vault as it is, or tidied.
    pub async fn open(
        vault: Vault,
        services: Services,
        settings: Settings,
    ) -> Result<Self, OpenFault> {
        let store = MailStore::new(vault);
        let now = services.clock.now();
        let reader = store.clone();
        let loaded = services.disk.run(move || reader.load(now)).await??;
        let card_stamps = loaded.stamps.into_iter().collect();
        let contacts = loaded
            .contacts
            .into_iter()
            .map(|contact| (contact.account, contact));
        let outgoing = loaded
            .outbox
            .into_iter()
            .map(|out| (out.envelope.id(), out));
        let mut client = Self {
            services,
            store,
            settings,
            account: Arc::new(loaded.account),
            prekeys: Arc::new(loaded.prekeys),
            card: loaded.card,
            card_stamps,
            card_published: None,
            later_due: None,
            stamps: StampQueue::default(),
            behind: BTreeSet::new(),
            store_fault: OnceLock::new(),
            network_up: UnixMillis::default(),
            contacts: contacts.collect(),
            known_ids: Arc::default(),
            outgoing: outgoing.collect(),
            keepers: BTreeMap::new(),
            ended: Vec::new(),
            sent: loaded.sent,
            inbox: loaded.inbox,
            seen: loaded.seen,
            words: loaded.words.into_iter().collect(),
            words_due: None,
            outbox: Outbox::default(),
            collector: Collector::new(loaded.taken),
            publisher: Publisher::default(),
            watching: None,
            held: BTreeSet::new(),
            sends: Vec::new(),
            readers: Vec::new(),
            work: JoinSet::new(),
            backlog: Mutex::default(),
            next_tidy: now.plus(TIDY_MS),
            started: now,
        };
        client.index_contacts();
        Ok(client)
    }

    /// Returns the account this client belongs to.
    pub fn account(&self) -> &Account {
        &self.account
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
        self.start();
        loop {
            self.refill();
            let pause = self.pause();
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(call) = calls.recv() => self.on_call(call).await,
                Some(done) = self.work.join_next() => match done {
                    Ok(done) => self.on_done(done).await,
                    Err(fault) => error!(%fault, "something done beside the account's task panicked"),
                },
                Some((own, payload)) = own_push(own, &mut own_pushes) => {
                    self.on_push(self.services.clock.now(), own, &payload);
                }
                Some(event) = events.recv() => self.on_event(event),
                () = tokio::time::sleep(pause) => {}
            }
            self.on_timer(self.services.clock.now()).await;
            self.hold_pushing();
        }
        info!("the account's side has stopped");
    }

    fn start(&mut self) {
        let now = self.services.clock.now();
        self.resume_outbox(now);
        self.resume_card(now);
        if !self.words.is_empty() {
            self.words_due = Some(now);
        }
    }

    /// Runs `work` beside this task, now or when there is room.
    fn spawn(&mut self, work: impl Future<Output = Done> + Send + 'static) {
        self.line().push_back(Box::pin(work));
    }

    /// Starts what waits in line as far as there is room.
    fn refill(&mut self) {
        while self.work.len() < WORK_MAX {
            let Some(work) = self.line().pop_front() else {
                break;
            };
            self.work.spawn(work);
        }
    }

    fn line(&mut self) -> &mut VecDeque<Work> {
        self.backlog
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn on_event(&mut self, event: ClientEvent) {
        let now = self.services.clock.now();
        match event {
            ClientEvent::Push(keeper, payload) => self.on_push(now, keeper, &payload),
            ClientEvent::Lost(keeper) => self.collect(now, collector::Input::Lost(keeper)),
            ClientEvent::NetworkUp if now.since(self.network_up) < NETWORK_UP_MS => {}
            ClientEvent::NetworkUp => {
                self.network_up = now;
                self.collect(now, collector::Input::NetworkUp);
                self.publish(now, publisher::Input::NetworkUp);
                self.send_out(now, outbox::Input::NetworkUp);
            }
        }
    }

    async fn on_done(&mut self, done: Done) {
        let now = self.services.clock.now();
        match done {
            Done::Resolved(intent, result) => self.on_resolved(now, *intent, result).await,
            Done::OutboxNear(id, keepers, search) => self.on_near(now, id, keepers, search),
            Done::OutboxFound(id, keepers) => self.on_found(now, id, keepers),
            Done::OutboxAnswer(id, keeper, answer) => self.on_deposited(now, id, keeper, answer),
            Done::Stamped(order, stamp) => self.on_stamp(now, order, stamp).await,
            Done::CardMade(made) => self.on_card_made(now, made).await,
            Done::CardFound(at, keepers) => {
                self.publish(now, publisher::Input::Found(at, keepers));
            }
            Done::CardNeighbours(at, keeper, nodes) => {
                self.publish(now, publisher::Input::Neighbours(at, keeper, nodes));
            }
            Done::CardAnswer(at, keeper, answer) => self.on_card_answer(now, at, keeper, answer),
            Done::NotAcked(at) => self.collect(now, collector::Input::NotAcked(at)),
            Done::Neighbours(at, keeper, nodes) => {
                self.collect(now, collector::Input::Neighbours(at, keeper, nodes));
            }
            Done::MailFound(at, keepers) => {
                self.collect(now, collector::Input::Found(at, keepers));
            }
            Done::Subscribed(at, keeper, until) => {
                let input = match until {
                    Some(until) => collector::Input::Subscribed(at, keeper, until),
                    None => collector::Input::NotSubscribed(at, keeper),
                };
                self.collect(now, input);
            }
            Done::Listed(mailbox, keeper, listing) => {
                let input = match listing {
                    Some((items, more)) => collector::Input::Listed {
                        mailbox,
                        keeper,
                        items,
                        more,
                    },
                    None => collector::Input::NotListed(mailbox, keeper),
                };
                self.collect(now, input);
            }
            Done::Got(mailbox, keeper, asked, items) => {
                let input = match items {
                    Some(items) => collector::Input::Got {
                        mailbox,
                        keeper,
                        asked,
                        items,
                    },
                    None => collector::Input::NotGot(mailbox, keeper, asked),
                };
                self.collect(now, input);
            }
            Done::NotOpened(mailbox, ids) => self.defer(now, mailbox, ids),
            // An ack that was lost is made again when the keeper lists the envelope the next time.
            Done::NotStored(fault) => self.on_store_fault(fault),
            Done::Nothing => {}
            Done::Opened(mailbox, opened) => self.on_opened(now, mailbox, opened).await,
        }
    }

    /// Does what is due at `now`.
    async fn on_timer(&mut self, now: UnixMillis) {
        self.watch_mailboxes(now);
        if self.outbox.next_timeout().is_some_and(|due| due <= now) {
            self.send_out(now, outbox::Input::Timer);
        }
        if self.collector.next_timeout().is_some_and(|due| due <= now) {
            self.collect(now, collector::Input::Timer);
        }
        if self.publisher.next_timeout().is_some_and(|due| due <= now) {
            self.publish(now, publisher::Input::Timer);
        }
        if self.words_due.is_some_and(|due| due <= now) {
            self.send_words(now).await;
        }
        if self.later_due.is_some_and(|due| due <= now) {
            self.stamp_later(now);
        }
        self.bring_up_the_rear(now);
        self.end_outgoing().await;
        self.destroy_due(now).await;
        self.answer_late_waiters(now).await;
        if self.next_tidy <= now {
            self.tidy(now).await;
        }
    }

    /// Returns how long nothing is due.
    fn pause(&self) -> Duration {
        let now = self.services.clock.now();
        let due = [
            self.outbox.next_timeout(),
            self.collector.next_timeout(),
            self.publisher.next_timeout(),
            self.words_due,
            self.later_due,
            self.inbox.values().map(Header::destroy_at).min(),
            self.next_waiter(),
            Some(self.next_tidy),
            Some(watched_until(now)),
        ];
        let wait = due.into_iter().flatten().map(|due| due.since(now)).min();
        Duration::from_millis(wait.unwrap_or(u64::MAX)).min(SLEEP_MAX)
    }

    async fn tidy(&mut self, now: UnixMillis) {
        self.next_tidy = now.plus(TIDY_MS);
        self.sent
            .retain(|_, sent| sent.expires.plus(SENT_SHOWN_MS) > now);
        self.seen.retain(|_, until| *until > now);
        if self.prekeys.iter().any(|prekey| prekey.destroy_at() <= now) {
            let mut prekeys = (*self.prekeys).clone();
            prekeys.retain(|prekey| prekey.destroy_at() > now);
            self.prekeys = Arc::new(prekeys);
        }
        self.forget_strangers().await;
        let store = self.store.clone();
        self.commit(move || store.drop_over(now)).await;
    }

    /// Runs a write in the disk lane; what went wrong is logged, and returned as nothing.
    async fn commit<T: Send + 'static>(
        &self,
        write: impl FnOnce() -> Result<T, StoreFault> + Send + 'static,
    ) -> Option<T> {
        match self.services.disk.run(write).await {
            Ok(Ok(value)) => Some(value),
            Ok(Err(fault)) => {
                self.on_store_fault(fault);
                None
            }
            Err(fault) => {
                warn!(%fault, "the account's store is gone");
                None
            }
        }
    }

    /// Remembers the fault that stopped the store, and says so once.
    fn on_store_fault(&self, fault: StoreFault) {
        if self.store_fault.get().is_some() {
            debug!(%fault, "the account's store refuses");
            return;
        }
        warn!(%fault, "the account's store refuses; restart the node once the disk is in order");
        if fault.is_final() {
            self.store_fault.get_or_init(|| fault);
        }
    }

    /// Keeps connections open to exactly those keepers that push.
    fn hold_pushing(&mut self) {
        let mut pushing = self.collector.pushing();
        if let Some(own) = self.services.keeper.as_ref().map(KeeperHandle::node) {
            pushing.remove(&own);
        }
        if pushing == self.held {
            return;
        }
        let added: Vec<NodeId> = pushing.difference(&self.held).copied().collect();
        let gone: Vec<NodeId> = self.held.difference(&pushing).copied().collect();
        self.held = pushing;
        let net = self.services.net.clone();
        self.spawn(async move {
            for keeper in added {
                let _stopping = net.hold(keeper).await;
            }
            for keeper in gone {
                let _stopping = net.release(keeper).await;
            }
            Done::Nothing
        });
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("outgoing", &self.outgoing.len())
            .field("inbox", &self.inbox.len())
            .finish_non_exhaustive()
    }
}

/// Waits for a push of one's own keeper; nothing if there is none.
async fn own_push(
    own: Option<NodeId>,
    pushes: &mut Option<mpsc::Receiver<Bytes>>,
) -> Option<(NodeId, Bytes)> {
    let payload = pushes.as_mut()?.recv().await?;
    Some((own?, payload))
}

/// Why a client could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// The vault's content.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The disk lane has ended.
    #[error(transparent)]
    Lane(#[from] crate::lane::LaneClosed),
}
