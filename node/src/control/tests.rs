//! The control socket, over real sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use restante_client::model::CONTACT_IDS_MAX;
use restante_interface::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::{CallError, call};
use super::frame::{ANSWER_BYTES_MAX, AnswerFrame, REQUEST_BYTES_MAX, RequestFrame};
use super::server::{ControlServer, PLACES_EACH};
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
    fn call(&self, request: Request) -> JoinHandle<Result<Reply, CallError>> {
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

/// Returns why a call was refused.
async fn refused(calling: JoinHandle<Result<Reply, CallError>>) -> Refusal {
    match calling.await.unwrap() {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
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
async fn a_refusal_keeps_its_facts_and_an_unanswered_call_is_a_defect() {
    let mut stage = Stage::new();
    let calling = stage.call(Request::Id);
    let got = stage.calls.recv().await.unwrap();
    let unknown = Refusal::UnknownId {
        id: "bob.7kq2-m9xw-3fhd".to_owned(),
    };
    got.answer.refuse(unknown.clone());
    assert_eq!(refused(calling).await, unknown);

    let calling = stage.call(Request::Id);
    drop(stage.calls.recv().await.unwrap());
    let refusal = refused(calling).await;
    assert!(matches!(refusal, Refusal::Internal { .. }), "{refusal:?}");
}

#[tokio::test]
async fn junk_is_refused_and_the_next_command_is_served() {
    let mut stage = Stage::new();
    let version = VERSION;
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
        let malformed = matches!(
            answer,
            Some(AnswerFrame::Refusal(Refusal::Malformed { .. }))
        );
        assert!(malformed, "{answer:?}");
    }
    // Nothing at all, and half a frame, are people who went away.
    assert_eq!(stage.raw(b"").await, None);
    assert_eq!(stage.raw(&[0, 0]).await, None);
    assert_eq!(stage.raw(&framed(b"{\"version\"")[..8]).await, None);

    let calling = stage.call(Request::Status);
    let got = stage.calls.recv().await.unwrap();
    assert_eq!(got.request, Request::Status);
    got.answer.finish(Ok(Reply::Done));
    assert_eq!(calling.await.unwrap().unwrap(), Reply::Done);
}

#[tokio::test]
async fn another_version_is_told_so() {
    let stage = Stage::new();
    let other = framed(b"{\"version\":999,\"request\":{\"unheard\":\"of\"}}");
    let versions = Refusal::Version {
        node: VERSION,
        command: 999,
    };
    assert_eq!(
        stage.raw(&other).await,
        Some(AnswerFrame::Refusal(versions))
    );
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
async fn a_page_of_messages_is_cut_to_what_a_frame_holds() {
    let mut stage = Stage::new();
    // NULs are the worst case: valid UTF-8, and six characters each in JSON.
    let messages: Vec<_> = (0..5)
        .map(|index| message(&index.to_string(), vec![0; 61_440]))
        .collect();
    let calling = stage.call(Request::Inbox(InboxRequest::default()));
    let got = stage.calls.recv().await.unwrap();
    got.answer.finish(Ok(Reply::Inbox(InboxPage {
        messages: messages.clone(),
        more: false,
        deaf: None,
    })));
    let Ok(Reply::Inbox(page)) = calling.await.unwrap() else {
        panic!("no page");
    };
    assert!(page.more);
    assert_eq!(page.messages, messages[..page.messages.len()]);
    assert!(!page.messages.is_empty());
}

fn longest_contact(id: &str) -> ContactInfo {
    ContactInfo {
        id: id.to_owned(),
        other_ids: vec![id.to_owned(); CONTACT_IDS_MAX - 1],
        petname: Some("\u{1f600}".repeat(64)),
        state: ContactState::Terminated,
        verified: false,
        fingerprint: Some("ab".repeat(32)),
        added_ms: u64::MAX,
        last_seen_ms: Some(u64::MAX),
    }
}

/// An entry of the outbox that is as long as one gets.
fn longest_entry(id: &str) -> OutboxEntry {
    OutboxEntry {
        message_id: "ab".repeat(32),
        to: id.to_owned(),
        state: DeliveryState::Delivered,
        stored_with: u32::MAX,
        stored_of: u32::MAX,
        until_ms: u64::MAX,
        effort_asked: Some(u32::MAX),
        code: MessageCode::Refused,
        obstacles: vec![
            Obstacle {
                reason: ObstacleReason::Unavailable,
                keepers: u32::MAX
            };
            OBSTACLES_MAX
        ],
        attempts: u32::MAX,
        next_try_ms: Some(u64::MAX),
    }
}

/// Returns a status with as much in it as there may be.
fn longest_status(id: String) -> Reply {
    let entry = longest_entry(&id);
    Reply::Status(Box::new(StatusInfo {
        id,
        network: "n".repeat(32),
        mode: NodeMode::Server,
        peers: u32::MAX,
        routing_table: u32::MAX,
        listen: vec!["/dns4/".repeat(100); 32],
        errors: (0..64).map(|n| (format!("{n:032}"), u64::MAX)).collect(),
        keeper: KeeperStatus::default(),
        outbox: vec![entry; OUTBOX_COUNT_MAX],
        outbox_count: u32::MAX,
        mailboxes: MailboxStatus::default(),
        unread: u32::MAX,
        card_published_ms: Some(u64::MAX),
        card_effort_asked: Some(u32::MAX),
        stamp_effort_max: u32::MAX,
        account_read_only: Some(StoreTrouble::DiskFailed {
            why: "the disk failed".into(),
        }),
        account_recovered_ms: Some(u64::MAX),
        account_lost: u32::MAX,
        clock: Some(ClockInfo::Contradicted {
            ahead_ms: i64::MIN,
            keepers: u32::MAX,
        }),
        copy: Some(CopyInfo {
            newest: false,
            others: u32::MAX,
            renewed_ms: Some(u64::MAX),
            left: u32::MAX,
            shut_out: false,
        }),
        entry_points: vec![
            EntryPoint {
                address: "/dns4/".repeat(100),
                state: EntryPointState::NameUnresolved,
            };
            32
        ],
        network_load: Default::default(),
        invite: vec!["/dns4/".repeat(100); 32],
        states: vec![
            State::ReachPartial {
                addresses: vec!["/dns4/".repeat(100); 32],
                refuted: vec!["/dns4/".repeat(100); 32],
            };
            8
        ],
        traffic: Default::default(),
        uptime_ms: u64::MAX,
    }))
}

#[tokio::test]
async fn full_pages_of_short_things_fit_a_frame() {
    let item = HoldingItem {
        address: "ab".repeat(32),
        kind: "envelope".to_owned(),
        size_class: 65_536,
        expires_ms: u64::MAX,
    };
    let holdings = Reply::Holdings(HoldingsPage {
        items: vec![item; HOLDINGS_PAGE_COUNT_MAX],
        total_items: u64::MAX,
        total_bytes: u64::MAX,
        next: Some("ab".repeat(64)),
    });
    let id = format!("{}.7kq2-m9xw-3fhd", "a".repeat(32));
    let contacts = Reply::Contacts(ContactPage {
        contacts: vec![longest_contact(&id); CONTACT_PAGE_COUNT_MAX],
        next: Some(id.clone()),
    });
    let status = longest_status(id);
    let mut stage = Stage::new();
    for reply in [holdings, contacts, status] {
        let calling = stage.call(Request::Status);
        let got = stage.calls.recv().await.unwrap();
        got.answer.finish(Ok(reply.clone()));
        assert_eq!(calling.await.unwrap().unwrap(), reply);
    }
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
        let (outcome, ()) = tokio::join!(call(&home, Request::Id, |_| {}), stranger);
        match outcome {
            Err(CallError::Garbled) => assert!(garbled),
            Err(CallError::Ended) => assert!(!garbled),
            other => panic!("{other:?}"),
        }
    }
}

fn mode(home: &Home) -> u32 {
    let metadata = fs::metadata(home.control_socket()).unwrap();
    metadata.permissions().mode() & 0o777
}

proptest! {
    #[test]
    fn any_body_survives_json(bytes: Vec<u8>) {
        let request = RequestFrame { version: VERSION, request: send(bytes.clone()) };
        let encoded = frame::encode(&request, REQUEST_BYTES_MAX).unwrap();
        prop_assert_eq!(frame::decode::<RequestFrame>(&encoded).unwrap(), request);
        let messages = vec![message("1", bytes)];
        let page = Reply::Inbox(InboxPage {
            messages,
            more: true,
            deaf: None,
        });
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
