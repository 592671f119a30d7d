//! How the rest of the node speaks to its keeper.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use restante_proto::dates::DateStanding;
use restante_proto::repair::RepairCounters;
use restante_proto::time::UnixMillis;
use restante_proto::{
    Address, NodeId,
    keeper::{
        Counters, HoldingKey, HoldingKind, HoldingsPage, Load, QueueUsage, StoreError, Usage,
    },
};
use tokio::sync::{Notify, mpsc, oneshot};

use super::port::{KeeperPort, KeeperRequest, RepairCall};
use super::request_queue::RequestQueue;
use super::store::StoreCounters;
use crate::net::NetHandle;

/// Questions of the node's own that wait, at most.
const QUERIES_WAITING_MAX: usize = 16;
/// Requests of other keepers that wait, at most.
const REPAIRS_WAITING_MAX: usize = 32;

/// Pushes that wait for the node's own person, at most: 4 MiB of the largest envelopes.
pub(super) const LOCAL_PUSHES_WAITING_MAX: usize = 64;

/// What a keeper says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeeperReport {
    /// How full its store is.
    pub usage: Usage,
    /// What happened since the start.
    pub counters: Counters,
    /// What its store did since the start.
    pub store: StoreCounters,
    /// Subscriptions held.
    pub subscriptions: usize,
    /// Requests that wait for their turn; their cost is their bytes and 2 KiB each.
    pub waiting: QueueUsage,
    /// Operations that were admitted and wait for the disk.
    pub ready: QueueUsage,
    /// What is under way and remembered.
    pub load: Load,
    /// Why nothing is stored at present, if that is so.
    pub read_only: Option<StoreError>,
    /// When the store last went on after such a time, if it ever has.
    pub recovered: Option<UnixMillis>,
    /// How far its date can be relied on.
    pub date: DateStanding,
    /// What was done since the start to keep items together.
    pub repair: RepairCounters,
    /// Keepers with whom this one shares items.
    pub partners: usize,
}

/// A handle to a keeper's task; when the last one is dropped, it finishes what waits and ends.
pub struct KeeperHandle<P: KeeperPort = NetHandle> {
    node: NodeId,
    requests: Arc<RequestQueue<P>>,
    repairs: mpsc::Sender<RepairCall<P>>,
    queries: mpsc::Sender<Query>,
    closed: Arc<ClosedConns<P::Conn>>,
}

/// A question of the node's own.
#[derive(Debug)]
pub(super) enum Query {
    Status(oneshot::Sender<KeeperReport>),
    /// A request of the node's own person.
    Local {
        payload: Bytes,
        reply: oneshot::Sender<Bytes>,
    },
    /// Where pushes for the node's own person go from now on.
    LocalPushes(mpsc::Sender<Bytes>),
    Holdings {
        after: Option<HoldingKey>,
        limit: usize,
        reply: oneshot::Sender<Result<HoldingsPage, StoreError>>,
    },
    /// The keepers nearest to this one; answered by those with whom it shares items.
    Neighbours(Vec<NodeId>, oneshot::Sender<Vec<NodeId>>),
    /// Let others take over what is here; answered when they have.
    Leave(oneshot::Sender<()>),
    Shutdown(oneshot::Sender<()>),
}

/// The task's ends of a handle.
pub(super) struct Inlets<P: KeeperPort> {
    pub(super) requests: Arc<RequestQueue<P>>,
    pub(super) repairs: mpsc::Receiver<RepairCall<P>>,
    pub(super) queries: mpsc::Receiver<Query>,
    pub(super) closed: Arc<ClosedConns<P::Conn>>,
}

/// Substreams that have closed and were not noticed yet: never more than were open.
#[derive(Debug)]
pub(super) struct ClosedConns<C> {
    conns: Mutex<BTreeSet<C>>,
    changed: Notify,
}

impl<P: KeeperPort> KeeperHandle<P> {
    pub(super) fn new(node: NodeId) -> (Self, Inlets<P>) {
        let requests = Arc::new(RequestQueue::new());
        let (repairs, repairs_waiting) = mpsc::channel(REPAIRS_WAITING_MAX);
        let (queries, queries_waiting) = mpsc::channel(QUERIES_WAITING_MAX);
        let conns = Mutex::new(BTreeSet::new());
        let closed = Arc::new(ClosedConns {
            conns,
            changed: Notify::new(),
        });
        let inlets = Inlets {
            requests: Arc::clone(&requests),
            repairs: repairs_waiting,
            queries: queries_waiting,
            closed: Arc::clone(&closed),
        };
        (
            Self {
                node,
                requests,
                repairs,
                queries,
                closed,
            },
            inlets,
        )
    }

    /// Returns the node that gives this keeper's receipts, and that owner proofs for it name.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Hands a request to the keeper, without waiting.
    ///
    /// # Errors
    ///
    /// Where [`busy`](super::busy) is the answer, when too many wait or the keeper has ended: to this
    /// request, or to one of a source that has more waiting.
    pub fn try_request(&self, request: KeeperRequest<P>) -> Result<(), P::Token> {
        self.requests.push(request)
    }

    /// Hands another keeper's request to the keeper, without waiting.
    ///
    /// # Errors
    ///
    /// The request, when too many wait or the keeper has ended.
    pub fn try_repair(&self, call: RepairCall<P>) -> Result<(), RepairCall<P>> {
        self.repairs
            .try_send(call)
            .map_err(mpsc::error::TrySendError::into_inner)
    }

    /// Tells the keeper which keepers are nearest to it and can be reached; returns those with whom it shares items,
    /// `None` when it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer alone.
    pub async fn neighbours(&self, nearest: Vec<NodeId>) -> Option<Vec<NodeId>> {
        let (reply, answer) = oneshot::channel();
        self.queries
            .send(Query::Neighbours(nearest, reply))
            .await
            .ok()?;
        answer.await.ok()
    }

    /// Lets the keepers that come after this one take over what it has; returns when they have, or cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// They go on when the future is dropped.
    pub async fn leave(&self) {
        let (reply, left) = oneshot::channel();
        if self.queries.send(Query::Leave(reply)).await.is_ok() {
            // Its end is what is waited for, however it is told.
            let _left = left.await;
        }
    }

    /// Tells the keeper that a substream has closed, without waiting; after its last request.
    pub fn closed(&self, conn: P::Conn) {
        self.closed.insert(conn);
    }

    /// Returns the answer to a request of the node's own person; `None` when the keeper has ended.
    ///
    /// It is judged like any other, and waits for its turn where too many wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; the keeper may do what was asked all the same.
    pub async fn local(&self, payload: Bytes) -> Option<Bytes> {
        let (reply, answer) = oneshot::channel();
        let query = Query::Local { payload, reply };
        self.queries.send(query).await.ok()?;
        answer.await.ok()
    }

    /// Returns where the pushes for subscriptions made through [`local`](Self::local) arrive from
    /// now on, each an encoded `Push`; `None` when the keeper has ended.
    ///
    /// The receiver takes the place of the one before, which ends. Of what finds no room in it
    /// nothing is said; it is still in the mailbox. It ends with the keeper.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may end the receiver before.
    pub async fn local_pushes(&self) -> Option<mpsc::Receiver<Bytes>> {
        let (pushes, waiting) = mpsc::channel(LOCAL_PUSHES_WAITING_MAX);
        self.queries.send(Query::LocalPushes(pushes)).await.ok()?;
        Some(waiting)
    }

    /// Returns what the keeper says of itself; `None` when it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer alone.
    pub async fn status(&self) -> Option<KeeperReport> {
        let (reply, answer) = oneshot::channel();
        self.queries.send(Query::Status(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Returns at most `limit` lines of what is held, those after `after`; `None` when the keeper
    /// has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer alone.
    pub async fn holdings(
        &self,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Option<Result<HoldingsPage, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.queries
            .send(Query::Holdings {
                after,
                limit,
                reply,
            })
            .await
            .ok()?;
        answer.await.ok()
    }

    /// Ends the keeper: what waits is committed and answered, and the store is closed.
    ///
    /// # Cancel safety
    ///
    /// The keeper ends all the same when the future is dropped after its first poll.
    pub async fn shutdown(&self) {
        let (reply, ended) = oneshot::channel();
        if self.queries.send(Query::Shutdown(reply)).await.is_ok() {
            // Its end is what is waited for, however it is told.
            let _ended = ended.await;
        }
    }
}

impl<P: KeeperPort> Clone for KeeperHandle<P> {
    fn clone(&self) -> Self {
        Self {
            node: self.node,
            requests: Arc::clone(&self.requests),
            repairs: self.repairs.clone(),
            queries: self.queries.clone(),
            closed: Arc::clone(&self.closed),
        }
    }
}

impl<P: KeeperPort> std::fmt::Debug for KeeperHandle<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeeperHandle").finish_non_exhaustive()
    }
}

impl<C: Copy + Ord> ClosedConns<C> {
    /// Returns those that have closed since the last call, as soon as there is one.
    pub(super) async fn next(&self) -> BTreeSet<C> {
        loop {
            let conns = std::mem::take(&mut *self.lock());
            if !conns.is_empty() {
                return conns;
            }
            self.changed.notified().await;
        }
    }

    fn insert(&self, conn: C) {
        self.lock().insert(conn);
        self.changed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<C>> {
        // A set is whole after any panic of another thread.
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the place where a page of holdings begins as an opaque word.
#[must_use]
pub fn cursor_of(key: &HoldingKey) -> String {
    let mut bytes = vec![match key.kind {
        HoldingKind::Card => 1,
        HoldingKind::Envelope => 2,
        HoldingKind::Chunk => 3,
    }];
    bytes.extend_from_slice(key.address.as_bytes());
    bytes.extend_from_slice(&key.name);
    HEXLOWER.encode(&bytes)
}

/// Reads what [`cursor_of`] wrote.
#[must_use]
pub fn parse_cursor(text: &str) -> Option<HoldingKey> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    let (kind, rest) = bytes.split_first()?;
    let (address, name) = rest.split_first_chunk::<32>()?;
    let kind = match kind {
        1 => HoldingKind::Card,
        2 => HoldingKind::Envelope,
        3 => HoldingKind::Chunk,
        _ => return None,
    };
    Some(HoldingKey {
        kind,
        address: Address::new(*address),
        name: name.try_into().ok()?,
    })
}
