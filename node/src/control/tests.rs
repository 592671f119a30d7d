//! The control socket, over real sockets.

mod contents;
mod listening;
mod refusing;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use restante_interface::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::caller::PLACES_EACH;
use super::client::{CallError, call};
use super::server::ControlServer;
use super::*;
use crate::home::{Home, HomeError, HomeLock};

/// A home with a listening control socket.
struct Stage {
    home: Home,
    calls: mpsc::Receiver<ControlCall>,
    events: EventLog,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _lock: HomeLock,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (home, ()) = Home::create(&folder.path().join("home"), |home| {
            fs::write(home.unlock_file(), "x").unwrap();
            Ok::<_, HomeError>(())
        })
        .unwrap();
        let lock = home.lock().unwrap();
        let server = ControlServer::bind(&lock).unwrap();
        let (sender, calls) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
        let (stop, _) = watch::channel(false);
        let events = EventLog::new(7);
        let serving = tokio::spawn(server.serve(sender, events.clone(), stop.clone()));
        Self {
            home,
            calls,
            events,
            stop,
            serving,
            _lock: lock,
            _folder: folder,
        }
    }

    /// Makes one call in the background.
    fn call(&self, request: Request) -> JoinHandle<Result<Reply, CallError>> {
        let home = self.home.clone();
        tokio::spawn(async move { call(&home, request, |_| {}).await })
    }

    fn connect(&self) -> impl Future<Output = UnixStream> + use<> {
        let path = self.home.control_socket();
        async move { UnixStream::connect(path).await.unwrap() }
    }

    /// Writes bytes as they are and returns the answer; none if the connection ends without one.
    fn raw<B: Into<Vec<u8>>>(&self, bytes: B) -> impl Future<Output = Option<Said>> + use<B> {
        let (connecting, bytes): (_, Vec<u8>) = (self.connect(), bytes.into());
        async move {
            let mut stream = connecting.await;
            // Who is refused early may be cut off before all is written.
            let _cut = stream.write_all(&bytes).await;
            Said::of(stream).await
        }
    }

    /// Makes a request by its method and target, with further header lines and a content.
    fn ask(&self, line: &str, more: &str, content: &[u8]) -> impl Future<Output = Said> + use<> {
        let length = content.len();
        let head =
            format!("{line} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n");
        let said = self.raw([head.as_bytes(), content].concat());
        async move { said.await.expect("an answer") }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
struct Said {
    status: u16,
    head: String,
    content: Vec<u8>,
}

impl Said {
    /// Reads until the connection ends.
    async fn of(mut stream: UnixStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        let _cut = tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .expect("the node closes the connection");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content = bytes.split_off(end + 4);
        Some(Self {
            status,
            head: head.to_lowercase(),
            content,
        })
    }

    /// Returns the refusal, and checks that it comes as the interface says.
    #[track_caller]
    fn refusal(&self) -> (u16, Refusal) {
        assert!(
            self.head.contains("\r\ncontent-type: application/json") && self.status >= 400,
            "{self:?}"
        );
        assert!(self.head.contains("\r\nrestante-interface: 5"), "{self:?}");
        let refused: ErrorReply = serde_json::from_slice(&self.content).unwrap();
        (self.status, refused.error)
    }
}

/// Returns why a call was refused.
async fn refused(calling: JoinHandle<Result<Reply, CallError>>) -> Refusal {
    match calling.await.unwrap() {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Returns a content that came in chunks, each of which is text.
fn unchunked(content: &[u8]) -> String {
    let mut rest = std::str::from_utf8(content).unwrap();
    let mut text = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text.push_str(&after[..length]);
        rest = &after[length + 2..];
        if length == 0 {
            break;
        }
    }
    text
}

fn result(stored_with: u32, state: DeliveryState) -> SendResult {
    SendResult {
        message_id: "ab".repeat(32),
        state,
        stored_with,
        stored_of: 5,
        until_ms: 1,
        effort_asked: None,
        code: MessageCode::Placing,
        obstacles: Vec::new(),
        next_try_ms: None,
    }
}

fn message(id: &str, body: Vec<u8>) -> InboxMessage {
    let (text, base64) = InboxMessage::body(body);
    InboxMessage {
        id: id.to_owned(),
        from: "bob.7kq2-m9xw-3fhd".to_owned(),
        known_as: None,
        contact: true,
        blocked: false,
        read: false,
        received_ms: 2,
        sent_ms: 1,
        expires_ms: 3,
        burn_ms: None,
        text,
        base64,
        file_name: None,
        reply_to: None,
        edited_ms: None,
        unknown: false,
    }
}

fn send(body: Vec<u8>) -> Request {
    Request::Send(SendRequest {
        to: "bob.7kq2-m9xw-3fhd".to_owned(),
        body: Body::new(body),
        ttl_ms: Some(1_000),
        burn_ms: Some(5),
        file_name: Some("a.txt".to_owned()),
        effort_max: None,
        reply_to: None,
        replaces: None,
        wait: false,
    })
}

#[tokio::test]
async fn a_call_arrives_whole_and_its_reports_come_in_order_before_the_reply() {
    let mut stage = Stage::new();
    let home = stage.home.clone();
    let body: Vec<u8> = (0..61_440_u32)
        .map(|index| index.to_le_bytes()[0])
        .collect();
    let request = send(body);
    let asked = request.clone();
    let calling = tokio::spawn(async move {
        let mut reports = Vec::new();
        let reply = call(&home, asked, |report| reports.push(report.stored_with)).await;
        (reply, reports)
    });
    let got = stage.calls.recv().await.unwrap();
    assert_eq!(got.request, request);
    for stored in 0..3 {
        got.answer.progress(result(stored, DeliveryState::Waiting));
    }
    let last = result(3, DeliveryState::Stored);
    got.answer.finish(Ok(Reply::Sent(last.clone())));
    let (reply, reports) = calling.await.unwrap();
    assert_eq!(reply.unwrap(), Reply::Sent(last));
    assert_eq!(reports, [0, 1, 2]);
}

#[tokio::test]
async fn a_command_that_goes_away_is_noticed() {
    let mut stage = Stage::new();
    let calling = stage.call(Request::Inbox(InboxRequest {
        wait_ms: 60_000,
        ..InboxRequest::default()
    }));
    let mut got = stage.calls.recv().await.unwrap();
    assert!(!got.answer.is_gone());
    calling.abort();
    tokio::time::timeout(Duration::from_secs(10), got.answer.gone())
        .await
        .unwrap();
    assert!(got.answer.is_gone());
    got.answer.finish(Ok(Reply::Done));
}

#[tokio::test]
async fn one_command_too_many_is_turned_away_and_the_others_are_served() {
    let mut stage = Stage::new();
    let mut calling = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..PLACES_EACH {
        calling.push(stage.call(Request::Status));
        waiting.push(stage.calls.recv().await.unwrap());
    }
    let max = PLACES_EACH as u32;
    let turned_away = refused(stage.call(Request::Status)).await;
    assert_eq!(turned_away, Refusal::Busy { max });
    for got in waiting {
        got.answer.finish(Ok(Reply::Done));
    }
    for call in calling {
        assert_eq!(call.await.unwrap().unwrap(), Reply::Done);
    }
}

#[tokio::test]
async fn readers_who_wait_keep_nobody_out() {
    let mut stage = Stage::new();
    let wait = || {
        Request::Inbox(InboxRequest {
            wait_ms: 60_000,
            ..InboxRequest::default()
        })
    };
    let mut readers = Vec::new();
    let mut reading = Vec::new();
    for _ in 0..PLACES_EACH {
        readers.push(stage.call(wait()));
        reading.push(stage.calls.recv().await.unwrap());
    }
    let max = PLACES_EACH as u32;
    assert_eq!(refused(stage.call(wait())).await, Refusal::Busy { max });
    for request in [
        Request::Status,
        Request::Doctor,
        Request::Id,
        Request::Inbox(InboxRequest::default()),
        Request::ContactList { after: None },
    ] {
        let calling = stage.call(request.clone());
        let got = stage.calls.recv().await.unwrap();
        assert_eq!(got.request, request);
        got.answer.finish(Ok(Reply::Done));
        assert_eq!(calling.await.unwrap().unwrap(), Reply::Done);
    }
    let stopping = stage.call(Request::Stop);
    assert_eq!(stopping.await.unwrap().unwrap(), Reply::Done);
}

#[tokio::test]
async fn stop_is_answered_and_ends_the_server_and_its_socket() {
    let stage = Stage::new();
    assert_eq!(mode(&stage.home), 0o600);
    let reply = stage.call(Request::Stop).await.unwrap().unwrap();
    assert_eq!(reply, Reply::Done);
    assert!(*stage.stop.borrow());
    stage.serving.await.unwrap();
    assert!(!stage.home.control_socket().exists());
    let refused = call(&stage.home, Request::Id, |_| {}).await;
    assert!(matches!(refused, Err(CallError::NotRunning)), "{refused:?}");
}

#[tokio::test]
async fn a_socket_left_behind_is_known_for_stale_and_replaced() {
    let Stage {
        home,
        serving,
        _lock,
        _folder,
        ..
    } = Stage::new();
    serving.abort();
    let _aborted = serving.await;
    let left = std::os::unix::net::UnixListener::bind(home.control_socket()).unwrap();
    drop(left);
    assert!(home.control_socket().exists());
    let refused = call(&home, Request::Id, |_| {}).await;
    assert!(matches!(refused, Err(CallError::NotRunning)), "{refused:?}");
    ControlServer::bind(&_lock).unwrap();
}

#[tokio::test]
async fn calls_under_way_are_told_that_the_node_is_stopping() {
    let mut stage = Stage::new();
    let calling = stage.call(Request::Status);
    let got = stage.calls.recv().await.unwrap();
    stage.stop.send_replace(true);
    drop(got);
    assert_eq!(refused(calling).await, Refusal::Stopping);
    stage.serving.await.unwrap();
}

#[tokio::test]
async fn reports_nobody_reads_do_not_hold_up_the_node() {
    let (call, mut pending) = ControlCall::new(Request::Status);
    for stored in 0..10_000 {
        call.answer.progress(result(stored, DeliveryState::Waiting));
    }
    call.answer.finish(Ok(Reply::Done));
    let seen = AtomicUsize::new(0);
    while pending.progress.try_recv().is_ok() {
        seen.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(seen.into_inner(), PROGRESS_QUEUE_COUNT_MAX);
    assert_eq!(pending.outcome.await.unwrap(), Ok(Reply::Done));
}

fn mode(home: &Home) -> u32 {
    let metadata = fs::metadata(home.control_socket()).unwrap();
    metadata.permissions().mode() & 0o777
}

/// Lets the server look after its socket.
async fn let_look() {
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(3)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_control_socket_that_is_gone_comes_back() {
    let mut stage = Stage::new();
    fs::remove_file(stage.home.control_socket()).unwrap();
    let_look().await;
    let calling = stage.call(Request::Id);
    let got = stage.calls.recv().await.unwrap();
    got.answer.finish(Ok(Reply::Done));
    assert!(matches!(calling.await.unwrap(), Ok(Reply::Done)));
    let mode = fs::metadata(stage.home.control_socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_control_socket_does_not_come_back_to_a_home_of_another_node() {
    let stage = Stage::new();
    fs::remove_file(stage.home.control_socket()).unwrap();
    fs::remove_file(stage.home.lock_file()).unwrap();
    let another = stage.home.lock().unwrap();
    let_look().await;
    assert!(!stage.home.control_socket().exists());
    drop(another);
}
