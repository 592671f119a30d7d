//! The requests that wait for the keeper.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use restante_proto::keeper::{FairQueue, QueueBounds, QueueUsage, Source};
use tokio::sync::Notify;

use super::port::{KeeperPort, KeeperRequest};

/// What may wait. A source has as much room as a few of its connections may leave unanswered
/// (64 requests each), so that it is their bound that holds it back, not a refusal that costs both
/// sides more than waiting does.
pub(super) const WAITING: QueueBounds = QueueBounds {
    count: 4_096,
    cost: 32 << 20,
    source_count: 512,
    source_cost: 8 << 20,
};
/// What a request costs beside its bytes: two signatures to check take as long as handling this many
/// bytes.
const REQUEST_COST: u64 = 2_048;
/// How long the requests of sources that asked too often wait before they are looked at again.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns what a request costs: about as much work as handling this many bytes.
pub(super) const fn cost_of(payload: &Bytes) -> u64 {
    REQUEST_COST + payload.len() as u64
}

/// A request that waits, without its source.
#[derive(Debug)]
pub(super) struct QueuedRequest<P: KeeperPort> {
    pub(super) conn: P::Conn,
    pub(super) token: P::Token,
    pub(super) payload: Bytes,
}

/// Requests of all sources, shared out by source, between the network that brings them and the
/// keeper that takes them.
pub(super) struct RequestQueue<P: KeeperPort> {
    inside: Mutex<Inside<P>>,
    changed: Notify,
}

struct Inside<P: KeeperPort> {
    queue: FairQueue<QueuedRequest<P>>,
    is_closed: bool,
    /// Requests that found no room.
    refused: u64,
}

impl<P: KeeperPort> RequestQueue<P> {
    pub(super) const fn new() -> Self {
        let inside = Inside {
            queue: FairQueue::new(WAITING),
            is_closed: false,
            refused: 0,
        };
        Self {
            inside: Mutex::new(inside),
            changed: Notify::const_new(),
        }
    }

    /// Lets a request wait; hands back the token of the one that found no room, this or another.
    pub(super) fn push(&self, request: KeeperRequest<P>) -> Result<(), P::Token> {
        let KeeperRequest {
            conn,
            source,
            token,
            payload,
        } = request;
        let cost = cost_of(&payload);
        let request = QueuedRequest {
            conn,
            token,
            payload,
        };
        let mut inside = self.lock();
        if inside.is_closed {
            return Err(request.token);
        }
        let pushed = inside.queue.push(P::source(source), cost, request);
        inside.refused += u64::from(pushed.is_err());
        drop(inside);
        self.changed.notify_one();
        pushed.map_err(|refused| refused.token)
    }

    /// Returns the next request of a source that is `ready`, as soon as there is one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken when the future is dropped.
    pub(super) async fn next(
        &self,
        mut ready: impl FnMut(Source) -> bool,
    ) -> (Source, QueuedRequest<P>) {
        loop {
            let is_empty = {
                let mut inside = self.lock();
                if let Some(taken) = inside.queue.pop(&mut ready) {
                    return taken;
                }
                inside.queue.is_empty()
            };
            if is_empty {
                self.changed.notified().await;
            } else {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }

    /// Drops the requests of substreams that are gone.
    pub(super) fn discard(&self, gone: impl Fn(&P::Conn) -> bool) {
        self.lock().queue.discard(|request| gone(&request.conn));
    }

    /// Refuses whatever comes from now on, and drops what waits.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        inside.is_closed = true;
        inside.queue.discard(|_| true);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Returns how many requests found no room.
    pub(super) fn refused(&self) -> u64 {
        self.lock().refused
    }

    pub(super) fn usage(&self) -> QueueUsage {
        self.lock().queue.usage()
    }

    fn lock(&self) -> MutexGuard<'_, Inside<P>> {
        // The state machine within returns or panics; it is whole after a panic elsewhere.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
