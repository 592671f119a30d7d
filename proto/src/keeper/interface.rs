//! What enters a keeper and what leaves it, and what an operator decides.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    element::Replica,
    store::{StoreError, StoreOp, StoreOutcome},
};
use crate::{
    NodeId,
    request::{Push, Reason, Response},
    stamp::EFFORT_DEFAULT,
    time::UnixMillis,
};

/// One connection's stream, as the shell names it; subscriptions end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One request waiting for its answer, as the shell names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// The group of network addresses a request came from, as the shell computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);

/// One operation under way in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What an operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Effort asked of a stamp on an envelope.
    pub envelope_effort: u32,
    /// Effort asked of a stamp for a new writer at a locator.
    pub card_effort: u32,
    /// Effort asked of a stamp on a chunk.
    pub chunk_effort: u32,
    /// Requests per second from one group of addresses, in the long run.
    pub requests_per_second: u32,
    /// Requests from one group of addresses at once.
    pub requests_burst: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            envelope_effort: EFFORT_DEFAULT,
            card_effort: EFFORT_DEFAULT,
            chunk_effort: EFFORT_DEFAULT,
            requests_per_second: 2_000,
            requests_burst: 4_000,
        }
    }
}

/// What enters a keeper.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum Input {
    /// A peer's request.
    Request {
        conn: ConnId,
        call: CallId,
        source: Source,
        payload: Bytes,
    },
    /// The store has done an operation, or failed to.
    Stored {
        ticket: Ticket,
        result: Result<StoreOutcome, StoreError>,
    },
    /// The store is open, and shows that this date has come.
    Opened(UnixMillis),
    /// Another keeper says what the date is.
    Date(NodeId, UnixMillis),
    /// A stream has closed.
    Closed(ConnId),
    /// Another keeper has handed over what this one should have too.
    Import {
        call: CallId,
        replicas: Vec<Replica>,
    },
    /// The store has failed at something that the keeper had not asked for as an operation.
    StoreFailed(StoreError),
    /// The store was opened again and takes everything in, or does not.
    Reopened(Result<(), StoreError>),
    /// The time asked for by [`Keeper::next_timeout`](super::Keeper::next_timeout) has come.
    Timer,
}

/// What leaves a keeper.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum Output {
    /// Answer a request.
    Respond { call: CallId, response: Response },
    /// Run an operation in the store, and come back with [`Input::Stored`].
    Store { ticket: Ticket, op: StoreOp },
    /// Send a subscriber an envelope.
    Push { conn: ConnId, push: Push },
    /// What was handed over by another keeper is durable, as far as it was taken or was there already.
    Imported {
        /// The call that handed it in.
        call: CallId,
        taken: u64,
    },
    /// Drop what has expired by this date. What it ends is gone for good, so that it is no later than the last sure one
    /// and the time since.
    Sweep(UnixMillis),
    /// Open the store again, which has failed, and come back with [`Input::Reopened`]; once at a time.
    Reopen,
}

/// How often each thing happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that arrived, refused ones included.
    pub requests: u64,
    /// Receipts given, repeated ones included.
    pub receipts: u64,
    /// Envelopes pushed, once for each subscriber.
    pub pushes: u64,
    /// Refusals by reason.
    pub refusals: BTreeMap<Reason, u64>,
}

/// How much a keeper has under way and remembers; everything is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Store operations under way.
    pub store_ops: usize,
    /// Subscriptions held.
    pub subscriptions: usize,
    /// Sources whose rate of requests is remembered.
    pub rates: usize,
    /// Sources whose stored bytes are remembered.
    pub depositors: usize,
    /// Pairs of a mailbox and a source whose envelopes are remembered.
    pub strangers: usize,
}
