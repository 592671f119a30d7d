//! Where requests wait until it is their source's turn.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use restante_proto::keeper::{Source, TurnBounds, TurnUsage, Turns};
use tokio::sync::Notify;

use super::handle::KeeperRequest;
use super::port::KeeperPort;

/// What may wait. A source has as much room as a few of its connections may leave unanswered
/// (64 requests each), so that it is their bound that holds it back, not a refusal that costs both
/// sides more than waiting does.
pub(super) const WAITING: TurnBounds = TurnBounds {
    count: 4_096,
    cost: 32 << 20,
    source_count: 512,
    source_cost: 8 << 20,
};
/// What a request costs beside its bytes: two signatures to check take as long as handling this many
/// bytes.
const REQUEST_COST: u64 = 2_048;
/// How long those who asked too often are let be before they are looked at again.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns what a request costs: about as much work as handling this many bytes.
pub(super) const fn cost_of(payload: &Bytes) -> u64 {
    REQUEST_COST + payload.len() as u64
}

/// A request that waits, without its source.
#[derive(Debug)]
pub(super) struct Visitor<P: KeeperPort> {
    pub(super) conn: P::Conn,
    pub(super) token: P::Token,
    pub(super) payload: Bytes,
}

/// Requests of all sources, shared out by source, between the network that brings them and the
/// keeper that takes them.
pub(super) struct Lobby<P: KeeperPort> {
    inside: Mutex<Inside<P>>,
    changed: Notify,
}

struct Inside<P: KeeperPort> {
    turns: Turns<Visitor<P>>,
    is_closed: bool,
    /// Requests that found no room.
    refused: u64,
}

impl<P: KeeperPort> Lobby<P> {
    pub(super) const fn new() -> Self {
        let inside = Inside {
            turns: Turns::new(WAITING),
            is_closed: false,
            refused: 0,
        };
        Self {
            inside: Mutex::new(inside),
            changed: Notify::const_new(),
        }
    }

    /// Lets a request wait; hands back the token of the one that found no room, this or another.
    pub(super) fn enter(&self, request: KeeperRequest<P>) -> Result<(), P::Token> {
        let KeeperRequest {
            conn,
            source,
            token,
            payload,
        } = request;
        let cost = cost_of(&payload);
        let visitor = Visitor {
            conn,
            token,
            payload,
        };
        let mut inside = self.lock();
        if inside.is_closed {
            return Err(visitor.token);
        }
        let entered = inside.turns.push(P::source(source), cost, visitor);
        inside.refused += u64::from(entered.is_err());
        drop(inside);
        self.changed.notify_one();
        entered.map_err(|refused| refused.token)
    }

    /// Returns the request whose turn it is, of a source that is `ready`, as soon as there is one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken when the future is dropped.
    pub(super) async fn next(&self, mut ready: impl FnMut(Source) -> bool) -> (Source, Visitor<P>) {
        loop {
            let is_empty = {
                let mut inside = self.lock();
                if let Some(taken) = inside.turns.pop(&mut ready) {
                    return taken;
                }
                inside.turns.is_empty()
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
        self.lock().turns.discard(|visitor| gone(&visitor.conn));
    }

    /// Lets nobody in any more, and drops those who wait.
    pub(super) fn close(&self) {
        let mut inside = self.lock();
        inside.is_closed = true;
        inside.turns.discard(|_| true);
    }

    /// Tells whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().turns.is_empty()
    }

    /// Returns how many requests found no room.
    pub(super) fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Returns how much waits.
    pub(super) fn usage(&self) -> TurnUsage {
        self.lock().turns.usage()
    }

    fn lock(&self) -> MutexGuard<'_, Inside<P>> {
        // The state machine within returns or panics; it is whole after a panic elsewhere.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
