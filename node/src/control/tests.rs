//! The control socket, over real sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::{CallError, call};
use super::protocol::*;
use super::report::*;
use super::server::{CONNECTION_COUNT_MAX, ControlServer};
use super::*;
use crate::home::{Home, HomeError, HomeLock};

/// A home with a listening control socket.
struct Stage {
    home: Home,
    calls: mpsc::Receiver<ControlCall>,
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
        let serving = tokio::spawn(server.serve(sender, stop.clone()));
        Self {
            home,
            calls,
            stop,
            serving,
            _lock: lock,
            _folder: folder,
        }
    }

    /// Makes one call in the background.
    fn call(&self, request: ControlRequest) -> JoinHandle<Result<ControlReply, CallError>> {
        let home = self.home.clone();
        tokio::spawn(async move { call(&home, request, |_| {}).await })
    }

    /// Writes bytes as they are and returns what the server makes of them.
    async fn raw(&self, bytes: &[u8]) -> Option<AnswerFrame> {
        let mut stream = UnixStream::connect(self.home.control_socket())
            .await
            .unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = frame::read(&mut stream, ANSWER_BYTES_MAX).await.unwrap()?;
        Some(frame::decode(&answer).unwrap())
    }
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

fn result(stored_with: u32, state: DeliveryState) -> SendResult {
    SendResult {
        message_id: "ab".repeat(32),
        state,
        stored_with,
        stored_of: 5,
        until_ms: 1,
        note: String::new(),
    }
}

fn message(id: &str, body: Vec<u8>) -> InboxMessage {
    let (text, base64) = InboxMessage::body(body);
    InboxMessage {
        id: id.to_owned(),
        from: "bob.7kq2-m9xw-3fhd".to_owned(),
        contact: true,
        read: false,
        received_ms: 2,
        sent_ms: 1,
        expires_ms: 3,
        burn_ms: None,
        text,
        base64,
        file_name: None,
    }
}

fn send(body: Vec<u8>) -> ControlRequest {
    ControlRequest::Send(SendRequest {
        to: "bob.7kq2-m9xw-3fhd".to_owned(),
        body: Body::new(body),
        ttl_ms: 1_000,
        burn_ms: Some(5),
        file_name: Some("a.txt".to_owned()),
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
    got.answer.finish(Ok(ControlReply::Sent(last.clone())));
    let (reply, reports) = calling.await.unwrap();
    assert_eq!(reply.unwrap(), ControlReply::Sent(last));
    assert_eq!(reports, [0, 1, 2]);
}

#[tokio::test]
async fn a_fault_keeps_its_code_and_an_unanswered_call_is_a_fault() {
    let mut stage = Stage::new();
    let calling = stage.call(ControlRequest::Id);
    let got = stage.calls.recv().await.unwrap();
    got.answer
        .refuse(FaultCode::UnknownId, "no card", "ask for the ID again");
    let Err(CallError::Fault(fault)) = calling.await.unwrap() else {
        panic!("not a fault");
    };
    assert_eq!(
        fault,
        ControlFault::new(FaultCode::UnknownId, "no card", "ask for the ID again")
    );

    let calling = stage.call(ControlRequest::Id);
    drop(stage.calls.recv().await.unwrap());
    let Err(CallError::Fault(fault)) = calling.await.unwrap() else {
        panic!("not a fault");
    };
    assert_eq!(fault.code, FaultCode::Internal);
}

#[tokio::test]
async fn junk_is_refused_and_the_next_command_is_served() {
    let mut stage = Stage::new();
    let version = CONTROL_VERSION;
    let junk: Vec<Vec<u8>> = vec![
        framed(b""),
        framed(b"null"),
        framed(b"{}"),
        framed(b"\xff\xfe\x00"),
        framed(format!("{{\"version\":{version},\"request\":\"dance\"}}").as_bytes()),
        framed(format!("{{\"version\":{version},\"request\":\"id\",\"more\":1}}").as_bytes()),
        framed(format!("{{\"version\":{version},\"request\":{{\"inbox\":{{}}}}}}").as_bytes()),
        framed("[".repeat(REQUEST_BYTES_MAX).as_bytes()),
        u32::MAX.to_be_bytes().to_vec(),
        u32::try_from(REQUEST_BYTES_MAX + 1)
            .unwrap()
            .to_be_bytes()
            .to_vec(),
    ];
    for bytes in junk {
        let answer = stage.raw(&bytes).await;
        let Some(AnswerFrame::Fault(fault)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(fault.code, FaultCode::BadRequest, "{fault:?}");
    }
    // Nothing at all, and half a frame, are people who went away.
    assert_eq!(stage.raw(b"").await, None);
    assert_eq!(stage.raw(&[0, 0]).await, None);
    assert_eq!(stage.raw(&framed(b"{\"version\"")[..8]).await, None);

    let calling = stage.call(ControlRequest::Status);
    let got = stage.calls.recv().await.unwrap();
    assert_eq!(got.request, ControlRequest::Status);
    got.answer.finish(Ok(ControlReply::Done));
    assert_eq!(calling.await.unwrap().unwrap(), ControlReply::Done);
}

#[tokio::test]
async fn another_version_is_told_so() {
    let stage = Stage::new();
    let other = framed(b"{\"version\":999,\"request\":{\"unheard\":\"of\"}}");
    let Some(AnswerFrame::Fault(fault)) = stage.raw(&other).await else {
        panic!("not a fault");
    };
    assert!(fault.message.contains("version 999"), "{fault:?}");
}

#[tokio::test]
async fn a_command_that_goes_away_is_noticed() {
    let mut stage = Stage::new();
    let calling = stage.call(ControlRequest::Inbox(InboxRequest {
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
    got.answer.finish(Ok(ControlReply::Done));
}

#[tokio::test]
async fn one_command_too_many_is_turned_away_and_the_others_are_served() {
    let mut stage = Stage::new();
    let mut calling = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..CONNECTION_COUNT_MAX {
        calling.push(stage.call(ControlRequest::Status));
        waiting.push(stage.calls.recv().await.unwrap());
    }
    let Err(CallError::Fault(fault)) = stage.call(ControlRequest::Status).await.unwrap() else {
        panic!("not turned away");
    };
    assert_eq!(fault.code, FaultCode::Full);
    for got in waiting {
        got.answer.finish(Ok(ControlReply::Done));
    }
    for call in calling {
        assert_eq!(call.await.unwrap().unwrap(), ControlReply::Done);
    }
}

#[tokio::test]
async fn a_page_of_messages_is_cut_to_what_a_frame_holds() {
    let mut stage = Stage::new();
    // NULs are the worst case: valid UTF-8, and six characters each in JSON.
    let messages: Vec<_> = (0..5)
        .map(|index| message(&index.to_string(), vec![0; 61_440]))
        .collect();
    let calling = stage.call(ControlRequest::Inbox(InboxRequest::default()));
    let got = stage.calls.recv().await.unwrap();
    got.answer.finish(Ok(ControlReply::Inbox(InboxPage {
        messages: messages.clone(),
        more: false,
    })));
    let Ok(ControlReply::Inbox(page)) = calling.await.unwrap() else {
        panic!("no page");
    };
    assert!(page.more);
    assert_eq!(page.messages, messages[..page.messages.len()]);
    assert!(!page.messages.is_empty());
}

#[tokio::test]
async fn full_pages_of_short_things_fit_a_frame() {
    let item = HoldingItem {
        address: "ab".repeat(32),
        kind: "envelope".to_owned(),
        size_class: 65_536,
        expires_ms: u64::MAX,
    };
    let holdings = ControlReply::Holdings(HoldingsPage {
        items: vec![item; HOLDINGS_PAGE_COUNT_MAX],
        total_items: u64::MAX,
        total_bytes: u64::MAX,
        next: Some("ab".repeat(64)),
    });
    let id = format!("{}.7kq2-m9xw-3fhd", "a".repeat(32));
    let contact = ContactInfo {
        id: id.clone(),
        petname: Some("\u{1f600}".repeat(64)),
        state: ContactState::Terminated,
        verified: false,
        fingerprint: Some("ab".repeat(32)),
        added_ms: u64::MAX,
        last_seen_ms: Some(u64::MAX),
    };
    let contacts = ControlReply::Contacts(ContactPage {
        contacts: vec![contact; CONTACT_PAGE_COUNT_MAX],
        next: Some(id.clone()),
    });
    let entry = OutboxEntry {
        message_id: "ab".repeat(32),
        to: id.clone(),
        state: DeliveryState::Delivered,
        stored_with: u32::MAX,
        stored_of: u32::MAX,
        until_ms: u64::MAX,
        attempts: u32::MAX,
        next_try_ms: Some(u64::MAX),
    };
    let status = ControlReply::Status(Box::new(StatusInfo {
        id,
        network: "n".repeat(32),
        mode: NodeMode::Server,
        peers: u32::MAX,
        routing_table: u32::MAX,
        listen: vec!["/dns4/".repeat(100); 32],
        faults: (0..64).map(|n| (format!("{n:032}"), u64::MAX)).collect(),
        keeper: KeeperStatus::default(),
        outbox: vec![entry; OUTBOX_COUNT_MAX],
        outbox_count: u32::MAX,
        mailboxes: MailboxStatus::default(),
        unread: u32::MAX,
        card_published_ms: Some(u64::MAX),
        account_read_only: Some("the disk failed".into()),
        network_load: Default::default(),
        uptime_ms: u64::MAX,
    }));
    let mut stage = Stage::new();
    for reply in [holdings, contacts, status] {
        let calling = stage.call(ControlRequest::Status);
        let got = stage.calls.recv().await.unwrap();
        got.answer.finish(Ok(reply.clone()));
        assert_eq!(calling.await.unwrap().unwrap(), reply);
    }
}

#[tokio::test]
async fn stop_is_answered_and_ends_the_server_and_its_socket() {
    let stage = Stage::new();
    assert_eq!(mode(&stage.home), 0o600);
    let reply = stage.call(ControlRequest::Stop).await.unwrap().unwrap();
    assert_eq!(reply, ControlReply::Done);
    assert!(*stage.stop.borrow());
    stage.serving.await.unwrap();
    assert!(!stage.home.control_socket().exists());
    let refused = call(&stage.home, ControlRequest::Id, |_| {}).await;
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
    let refused = call(&home, ControlRequest::Id, |_| {}).await;
    assert!(matches!(refused, Err(CallError::NotRunning)), "{refused:?}");
    ControlServer::bind(&_lock).unwrap();
}

#[tokio::test]
async fn calls_under_way_are_told_that_the_node_is_stopping() {
    let mut stage = Stage::new();
    let calling = stage.call(ControlRequest::Status);
    let got = stage.calls.recv().await.unwrap();
    stage.stop.send_replace(true);
    drop(got);
    let Err(CallError::Fault(fault)) = calling.await.unwrap() else {
        panic!("not a fault");
    };
    assert_eq!(fault.code, FaultCode::Stopping);
    stage.serving.await.unwrap();
}

#[tokio::test]
async fn reports_nobody_reads_do_not_hold_up_the_node() {
    let (call, mut pending) = ControlCall::new(ControlRequest::Status);
    for stored in 0..10_000 {
        call.answer.progress(result(stored, DeliveryState::Waiting));
    }
    call.answer.finish(Ok(ControlReply::Done));
    let seen = AtomicUsize::new(0);
    while pending.progress.try_recv().is_ok() {
        seen.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(seen.into_inner(), PROGRESS_QUEUE_COUNT_MAX);
    assert_eq!(pending.outcome.await.unwrap(), Ok(ControlReply::Done));
}

#[tokio::test]
async fn a_garbled_answer_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (home, ()) = Home::create(&folder.path().join("home"), |home| {
        fs::write(home.unlock_file(), "x").unwrap();
        Ok::<_, HomeError>(())
    })
    .unwrap();
    let listener = tokio::net::UnixListener::bind(home.control_socket()).unwrap();
    for (answer, garbled) in [
        (u32::MAX.to_be_bytes().to_vec(), true),
        (framed(b"{\"reply\":\"unheard\"}"), true),
        (vec![0, 0], false),
        (vec![], false),
    ] {
        let stranger = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut prefix = [0; 4];
            stream.read_exact(&mut prefix).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(call(&home, ControlRequest::Id, |_| {}), stranger);
        match outcome {
            Err(CallError::Garbled) => assert!(garbled),
            Err(CallError::Ended) => assert!(!garbled),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn bodies_are_never_shown_by_debug() {
    let request = send(b"the plain text".to_vec());
    let shown = format!("{request:?} {:?}", message("1", b"the plain text".to_vec()));
    assert!(!shown.contains("plain"), "{shown}");
    assert!(!shown.contains("dGhlIHBsYWlu"), "{shown}");
}

#[test]
fn json_of_a_message_is_stable() {
    let text = serde_json::to_string(&message("m", b"a\0\"\n\xf0\x9f\x98\x80".to_vec())).unwrap();
    assert_eq!(
        text,
        "{\"id\":\"m\",\"from\":\"bob.7kq2-m9xw-3fhd\",\"contact\":true,\"read\":false,\
         \"received_ms\":2,\"sent_ms\":1,\"expires_ms\":3,\"burn_ms\":null,\
         \"text\":\"a\\u0000\\\"\\n\u{1f600}\",\"base64\":null,\"file_name\":null}"
    );
    let binary = serde_json::to_string(&message("m", vec![0xff, 0])).unwrap();
    assert!(
        binary.contains("\"text\":null,\"base64\":\"/wA=\""),
        "{binary}"
    );
}

fn mode(home: &Home) -> u32 {
    let metadata = fs::metadata(home.control_socket()).unwrap();
    metadata.permissions().mode() & 0o777
}

proptest! {
    #[test]
    fn any_body_survives_json(bytes: Vec<u8>) {
        let request = RequestFrame { version: CONTROL_VERSION, request: send(bytes.clone()) };
        let encoded = frame::encode(&request, REQUEST_BYTES_MAX).unwrap();
        prop_assert_eq!(frame::decode::<RequestFrame>(&encoded).unwrap(), request);
        let messages = vec![message("1", bytes)];
        let page = ControlReply::Inbox(InboxPage { messages, more: true });
        let answer = AnswerFrame::Reply(page);
        let encoded = frame::encode(&answer, ANSWER_BYTES_MAX).unwrap();
        prop_assert_eq!(frame::decode::<AnswerFrame>(&encoded).unwrap(), answer);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
        let _never_panics = frame::decode::<RequestFrame>(&bytes);
        let _never_panics = frame::decode::<AnswerFrame>(&bytes);
    }
}
