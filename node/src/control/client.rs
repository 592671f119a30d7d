//! A command's side of the control socket.

use std::io;
use std::time::Duration;

use restante_interface::{Refusal, Reply, Request, SEND_ANSWER_MS, SendResult, VERSION};
use tokio::net::UnixStream;

use super::frame::{
    self, ANSWER_BYTES_MAX, AnswerFrame, FrameError, REQUEST_BYTES_MAX, RequestFrame,
};
use crate::home::{Home, HomeError};

/// How long a command waits for an answer beyond what it asked the node to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A call to the running node did not come to an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No node runs on this home.
    #[error("the node is not running")]
    NotRunning,
    /// The node answered that it does not do it.
    #[error("the node refuses: {0:?}")]
    Refused(Refusal),
    /// The node ended before it had answered.
    #[error("the node ended before it had answered")]
    Ended,
    /// The node did not answer in time.
    #[error("the node did not answer within {0:?}")]
    TimedOut(Duration),
    /// The home or its socket cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Something that is not a node of this version answers at the socket.
    #[error("what answers at the control socket is not understood")]
    Garbled,
}

/// Makes one call to the node that runs on `home`, passing reports on the way to `on_progress`.
///
/// # Errors
///
/// [`CallError::Refused`] is the node's own answer; the others say that none came.
///
/// # Cancel safety
///
/// Dropping the future takes the call back if the node has not begun it, and otherwise leaves its
/// answer unread.
pub async fn call(
    home: &Home,
    request: Request,
    mut on_progress: impl FnMut(SendResult),
) -> Result<Reply, CallError> {
    let patience = patience(&request);
    let talk = async {
        let stream = connect(home).await?;
        talk(stream, request, &mut on_progress).await
    };
    match patience {
        None => talk.await,
        Some(patience) => tokio::time::timeout(patience, talk)
            .await
            .map_err(|_late| CallError::TimedOut(patience))?,
    }
}

async fn connect(home: &Home) -> Result<UnixStream, CallError> {
    let address = home.socket_address()?;
    UnixStream::connect(address.path())
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => CallError::NotRunning,
            _ => CallError::Home(HomeError::Io {
                doing: "connect to",
                path: home.control_socket(),
                source: error,
            }),
        })
}

async fn talk(
    mut stream: UnixStream,
    request: Request,
    on_progress: &mut impl FnMut(SendResult),
) -> Result<Reply, CallError> {
    let request = RequestFrame {
        version: VERSION,
        request,
    };
    let request = frame::encode(&request, REQUEST_BYTES_MAX).map_err(|_| CallError::Garbled)?;
    // A node with no place for another command answers without reading: then this fails and the
    // answer is there.
    let _turned_away = frame::write(&mut stream, &request).await;
    loop {
        let bytes = match frame::read(&mut stream, ANSWER_BYTES_MAX).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(FrameError::Io(_)) => return Err(CallError::Ended),
            Err(FrameError::TooLong { .. } | FrameError::Malformed(_)) => {
                return Err(CallError::Garbled);
            }
        };
        match frame::decode(&bytes).map_err(|_| CallError::Garbled)? {
            AnswerFrame::Progress(report) => on_progress(report),
            AnswerFrame::Reply(reply) => return Ok(reply),
            AnswerFrame::Refusal(refusal) => return Err(CallError::Refused(refusal)),
        }
    }
}

/// Returns how long to wait for an answer; `None` is for ever.
const fn patience(request: &Request) -> Option<Duration> {
    let asked_ms = match request {
        Request::Send(send) if send.wait => return None,
        Request::Send(_) => SEND_ANSWER_MS,
        Request::Inbox(inbox) => inbox.wait_ms,
        _ => 0,
    };
    Some(ANSWER_TIMEOUT.saturating_add(Duration::from_millis(asked_ms)))
}
