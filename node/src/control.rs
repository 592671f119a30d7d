//! The local socket between the node that `restante run` owns and every other command.
//!
//! The local interface (`restante_interface`) over HTTP: one connection carries one request and its answer. This is the
//! only place that knows of HTTP; the node takes [`ControlCall`]s from a bounded queue and answers each through its
//! [`Answer`], and tells what happens to an [`EventLog`]. The socket lies in the home folder, which belongs to its
//! owner alone, and the server asks the operating system who is calling before it reads a byte.

mod answer;
mod caller;
pub mod checks;
pub mod client;
mod connection;
mod events;
mod extract;
mod feed;
mod lines;
mod routes;
pub mod server;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

use restante_interface::{Refusal, Reply, Request, SendResult};
use tokio::sync::{mpsc, oneshot};

pub use self::events::{EVENTS_KEPT_MAX, EventLog};

/// Calls that wait for the node's client task; the next caller waits in its connection.
pub const CALL_QUEUE_COUNT_MAX: usize = 16;

/// Progress reports of one call that wait for its connection; further ones are dropped.
const PROGRESS_QUEUE_COUNT_MAX: usize = 16;

/// One request of a command, with the way to answer it.
#[derive(Debug)]
pub struct ControlCall {
    /// What the command asks.
    pub request: Request,
    /// Where the answer goes.
    pub answer: Answer,
}

/// The way back to the command that made a call; if it is dropped unanswered, the command is told
/// [`Refusal::Internal`].
#[derive(Debug)]
pub struct Answer {
    progress: mpsc::Sender<SendResult>,
    outcome: oneshot::Sender<Result<Reply, Refusal>>,
}

/// The connection's end of an [`Answer`].
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) progress: mpsc::Receiver<SendResult>,
    pub(crate) outcome: oneshot::Receiver<Result<Reply, Refusal>>,
}

impl ControlCall {
    pub(crate) fn new(request: Request) -> (Self, Pending) {
        let (progress, progress_reports) = mpsc::channel(PROGRESS_QUEUE_COUNT_MAX);
        let (outcome, outcome_report) = oneshot::channel();
        let answer = Answer { progress, outcome };
        let pending = Pending {
            progress: progress_reports,
            outcome: outcome_report,
        };
        (Self { request, answer }, pending)
    }
}

/// Makes a call from within the node's own process, as a command does over the socket.
///
/// # Errors
///
/// The node's refusal; [`Refusal::Stopping`] when it has ended.
///
/// # Cancel safety
///
/// Dropping the future leaves the call to be carried out, and its answer unread.
pub async fn call(calls: &mpsc::Sender<ControlCall>, request: Request) -> Result<Reply, Refusal> {
    let (call, pending) = ControlCall::new(request);
    calls.send(call).await.map_err(|_| Refusal::Stopping)?;
    pending.outcome.await.map_err(|_| Refusal::Stopping)?
}

impl Answer {
    /// Reports how far a `send` has come; never waits, and a slow reader misses a report rather
    /// than hold up the node.
    pub fn progress(&self, report: SendResult) {
        // The final reply repeats whatever matters, so a report that finds no place is not worth
        // waiting for.
        let _missed = self.progress.try_send(report);
    }

    /// Gives the final answer; a command that has gone away does not get it.
    pub fn finish(self, outcome: Result<Reply, Refusal>) {
        let _gone = self.outcome.send(outcome);
    }

    /// Finishes with a refusal.
    pub fn refuse(self, refusal: Refusal) {
        self.finish(Err(refusal));
    }

    /// Tells whether the command has gone away.
    pub fn is_gone(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Waits until the command has gone away.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a later call waits for the same end.
    pub async fn gone(&mut self) {
        self.outcome.closed().await;
    }
}
