//! The local socket between the node that `restante run` owns and every other command.
//!
//! One connection carries one call: a frame with a [`protocol::ControlRequest`], any number of
//! progress frames back, and one final frame with a reply or a fault. The socket lies in the home
//! folder, which belongs to its owner alone, and the server asks the operating system who is
//! calling before it reads a byte.
//!
//! The node takes [`ControlCall`]s from a bounded queue and answers each through its [`Answer`].

pub mod client;
mod frame;
pub mod protocol;
pub mod report;
pub mod server;

#[cfg(test)]
mod tests;

use tokio::sync::{mpsc, oneshot};

use protocol::{ControlFault, ControlReply, ControlRequest, FaultCode};
use report::SendResult;

/// How many calls may wait for the node's client task; the next caller waits in its connection.
pub const CALL_QUEUE_COUNT_MAX: usize = 16;

/// How many progress reports of one call may wait for its connection; further ones are dropped.
const PROGRESS_QUEUE_COUNT_MAX: usize = 16;

/// One request of a command, with the way to answer it.
#[derive(Debug)]
pub struct ControlCall {
    /// What is asked.
    pub request: ControlRequest,
    /// Where the answer goes.
    pub answer: Answer,
}

/// The way back to the command that made a call; dropped unanswered, the command is told of an
/// internal fault.
#[derive(Debug)]
pub struct Answer {
    progress: mpsc::Sender<SendResult>,
    outcome: oneshot::Sender<Result<ControlReply, ControlFault>>,
}

/// The connection's end of an [`Answer`].
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) progress: mpsc::Receiver<SendResult>,
    pub(crate) outcome: oneshot::Receiver<Result<ControlReply, ControlFault>>,
}

impl ControlCall {
    /// Returns a call and the connection's end of its answer.
    pub(crate) fn new(request: ControlRequest) -> (Self, Pending) {
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

/// Makes a call from within the node's own process, as a command would over the socket.
///
/// # Errors
///
/// What the node says; [`FaultCode::Stopping`] when it has ended.
///
/// # Cancel safety
///
/// Dropping the future leaves the call to be carried out, and its answer unread.
pub async fn call(
    calls: &mpsc::Sender<ControlCall>,
    request: ControlRequest,
) -> Result<ControlReply, ControlFault> {
    let ended = || ControlFault::new(FaultCode::Stopping, "the node has ended", "");
    let (call, pending) = ControlCall::new(request);
    calls.send(call).await.map_err(|_| ended())?;
    pending.outcome.await.map_err(|_| ended())?
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
    pub fn finish(self, outcome: Result<ControlReply, ControlFault>) {
        let _gone = self.outcome.send(outcome);
    }

    /// Answers with a fault.
    pub fn refuse(self, code: FaultCode, message: impl Into<String>, hint: impl Into<String>) {
        self.finish(Err(ControlFault::new(code, message, hint)));
    }

    /// Returns whether the command has gone away, so that nobody waits for this answer.
    pub fn is_gone(&self) -> bool {
        self.outcome.is_closed()
    }

    /// Waits until the command has gone away.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn gone(&mut self) {
        self.outcome.closed().await;
    }
}
