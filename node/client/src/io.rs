//! What crosses the border of the core: inputs, outputs, and what they carry.

use restante_interface::{Event, Refusal, Reply, Request, SendResult, StoreTrouble};
use restante_proto::placement::CANDIDATES;
use restante_proto::request::{self, Push};
use restante_proto::{Address, NodeId};

use crate::change::Change;
use crate::job::{Job, JobDone};
use crate::model::Slot;

/// Names one question that the core asked; its answer carries it back. An answer under a token that is not open,
/// because it came twice or too late, changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one request of a person, a page or a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What enters the core.
#[derive(Debug)]
pub enum Input {
    /// Begins: takes up what was under way before a restart. The first input, once.
    Start,
    /// A request of the local interface. `Status`, `Doctor`, `Holdings`, `Backup` and `Stop` are the driver's to
    /// answer.
    Call(CallId, Request),
    /// The asker has gone away.
    CallGone(CallId),
    /// A keeper's answer; none if it did not answer in time, or what came does not decode.
    Answer(Token, Option<request::Response>),
    /// The nodes nearest to an address as far as a search has come, nearest first; the search goes on.
    Near(Token, Vec<NodeId>),
    /// The nodes nearest to an address, nearest first; none if the search failed.
    Found(Token, Vec<NodeId>),
    /// A job's result; none if it failed.
    Done(Token, Option<JobDone>),
    /// Changes are durable, with the slots of the messages in them, in order; or nothing of them is.
    Committed(Token, Result<Vec<Slot>, CommitError>),
    /// Bodies that were asked for, in order, those that were destroyed as none; or the disk refused.
    Bodies(Token, Option<Vec<Option<Vec<u8>>>>),
    /// A keeper sent an envelope unasked.
    Push(NodeId, Push),
    /// The connection to a keeper is gone, and its subscriptions with it.
    Lost(NodeId),
    /// There are peers to ask, after there were none.
    NetworkUp,
    /// The node is about to end: who waits for a message is told how far it has come.
    Stopping,
    /// The time asked for by [`Core::next_timeout`](crate::Core::next_timeout) has come.
    Timer,
}

/// What leaves the core.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Ask a keeper; answered with [`Input::Answer`].
    Ask(Token, NodeId, request::Request),
    /// Look up the nodes nearest to an address; answered with any number of [`Input::Near`] and one [`Input::Found`].
    Search(Token, Address, usize),
    /// Ask a node, which is connected, for the nodes it knows nearest to an address beside itself; answered with
    /// [`Input::Found`].
    Neighbours(Token, NodeId, Address),
    /// Compute beside; answered with [`Input::Done`].
    Compute(Token, Box<Job>),
    /// Make these changes durable, all or nothing; answered with [`Input::Committed`]. There is one commit at a time.
    Commit(Token, Vec<Change>),
    /// Read the bodies of these messages, in this order, until [`READ_BYTES_MAX`] are read; answered with
    /// [`Input::Bodies`].
    Read(Token, Vec<(u64, Slot)>),
    /// Keep the connection to a keeper open, or let it go.
    Hold(NodeId, bool),
    /// Answer a request, and forget it.
    Reply(CallId, Result<Reply, Refusal>),
    /// Tell an asker how far a message has come; an answer follows.
    Progress(CallId, SendResult),
    /// Tell everybody who listens.
    Event(Event),
}

/// Bodies that one [`Output::Read`] reads, in bytes, but for the last one: as JSON they may be six times as long.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// Nodes asked for where an item is to be placed or collected.
pub(crate) const SEARCH_COUNT: usize = CANDIDATES;

/// Why changes are not durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CommitError {
    /// What the store says.
    pub why: String,
    /// What keeps the store from taking anything in; none if it refused these changes for what they are.
    pub trouble: Option<StoreTrouble>,
    /// What was to be written may be there all the same.
    pub in_doubt: bool,
}

impl CommitError {
    /// Makes the error of a store that takes nothing in.
    pub fn of(trouble: StoreTrouble, in_doubt: bool) -> Self {
        Self {
            why: trouble.to_string(),
            trouble: Some(trouble),
            in_doubt,
        }
    }
}
