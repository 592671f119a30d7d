//! A command's side of the control socket.

use std::io;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Request as HttpRequest, Response as HttpResponse, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use restante_interface::{
    ErrorReply, Event, Refusal, Reply, Request, SEND_ANSWER_MS, SendLine, SendResult, VERSION,
};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::wire::{
    ANSWER_BYTES_MAX, Asked, Expected, JSON, JSON_LINES, REQUEST_BYTES_MAX, VERSION_HEADER,
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

impl From<hyper::Error> for CallError {
    fn from(error: hyper::Error) -> Self {
        match error.is_parse() {
            true => Self::Garbled,
            false => Self::Ended,
        }
    }
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
        talk(stream, &request, &mut on_progress).await
    };
    match patience {
        None => talk.await,
        Some(patience) => tokio::time::timeout(patience, talk)
            .await
            .map_err(|_late| CallError::TimedOut(patience))?,
    }
}

/// Listens to what happens at the node that runs on `home`, until that ends.
///
/// # Errors
///
/// As [`call`]; [`CallError::Ended`] when the node has ended.
///
/// # Cancel safety
///
/// Dropping the future ends the listening.
pub async fn listen(home: &Home, mut on_event: impl FnMut(Event)) -> Result<(), CallError> {
    let stream = connect(home).await?;
    let request = put(Asked::events())?;
    let (mut node, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = node.send_request(request).await?;
    if response.status() != StatusCode::OK {
        let content = whole(response).await?;
        let refused: ErrorReply =
            serde_json::from_slice(&content).map_err(|_| CallError::Garbled)?;
        return Err(CallError::Refused(refused.error));
    }
    let mut lines = Lines::of(response.into_body());
    loop {
        let line = lines.next().await?;
        // Kinds of a later version are passed over.
        let data = line.strip_prefix(b"data:");
        if let Some(Ok(event)) = data.map(serde_json::from_slice) {
            on_event(event);
        }
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
    stream: UnixStream,
    request: &Request,
    on_progress: &mut impl FnMut(SendResult),
) -> Result<Reply, CallError> {
    let asked = Asked::of(request).map_err(|_| CallError::Garbled)?;
    let expected = asked.expected;
    let request = put(asked)?;
    let (mut node, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ended with this call.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = node.send_request(request).await?;
    let status = response.status();
    if status == StatusCode::NO_CONTENT {
        return Ok(Reply::Done);
    }
    if expected == Expected::Sent && status == StatusCode::OK {
        return read_lines(response.into_body(), on_progress).await;
    }
    let content = whole(response).await?;
    let garbled = |_| CallError::Garbled;
    match status {
        StatusCode::OK => expected.read(&content).map_err(garbled),
        _ => {
            let refused: ErrorReply = serde_json::from_slice(&content).map_err(garbled)?;
            Err(CallError::Refused(refused.error))
        }
    }
}

fn put(asked: Asked) -> Result<HttpRequest<Full<Bytes>>, CallError> {
    let request = HttpRequest::builder()
        .method(asked.method)
        .uri(asked.target)
        .header(HOST, "localhost")
        .header(VERSION_HEADER, VERSION);
    let request = match asked.expected {
        Expected::Sent => request.header(ACCEPT, JSON_LINES),
        _ => request.header(ACCEPT, JSON),
    };
    let content = match asked.content {
        None => {
            return request
                .body(Full::default())
                .map_err(|_| CallError::Garbled);
        }
        Some(content) if content.len() > REQUEST_BYTES_MAX => return Err(CallError::Garbled),
        Some(content) => Full::new(Bytes::from_owner(content)),
    };
    request
        .header(CONTENT_TYPE, HeaderValue::from_static(JSON))
        .body(content)
        .map_err(|_| CallError::Garbled)
}

/// Reads a content to its end.
async fn whole(response: HttpResponse<Incoming>) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let content = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
    match content.await {
        Ok(content) => Ok(Zeroizing::new(content.to_bytes().to_vec())),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err((*error).into()),
            Err(_too_long) => Err(CallError::Garbled),
        },
    }
}

/// Reads lines until the last one.
async fn read_lines(
    content: Incoming,
    on_progress: &mut impl FnMut(SendResult),
) -> Result<Reply, CallError> {
    let mut lines = Lines::of(content);
    loop {
        let line = lines.next().await?;
        match serde_json::from_slice(&line).map_err(|_| CallError::Garbled)? {
            SendLine::Progress(report) => on_progress(report),
            SendLine::Sent(result) => return Ok(Reply::Sent(result)),
            SendLine::Error(refusal) => return Err(CallError::Refused(refusal)),
        }
    }
}

/// A content that comes line by line.
struct Lines {
    content: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    const fn of(content: Incoming) -> Self {
        let rest = Vec::new();
        Self { content, rest }
    }

    /// Waits for the next line; it is at most as long as an answer.
    async fn next(&mut self) -> Result<Vec<u8>, CallError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Ok(self.rest.drain(..=end).collect());
            }
            if self.rest.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Garbled);
            }
            let Some(frame) = self.content.frame().await.transpose()? else {
                return Err(CallError::Ended);
            };
            let data = frame.into_data().unwrap_or_default();
            self.rest.extend_from_slice(&data);
        }
    }
}

/// Returns how long to wait for an answer; `None` is for ever.
const fn patience(request: &Request) -> Option<Duration> {
    let asked_ms = match request {
        Request::Send(send) if send.wait => return None,
        // A large inbox, or a slow disk.
        Request::Backup(_) => return None,
        Request::Send(_) => SEND_ANSWER_MS,
        Request::Inbox(inbox) => inbox.wait_ms,
        _ => 0,
    };
    Some(ANSWER_TIMEOUT.saturating_add(Duration::from_millis(asked_ms)))
}
