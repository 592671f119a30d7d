//! What requests and answers hold.

use futures::future::join;
use proptest::prelude::*;
use restante_client::model::CONTACT_IDS_MAX;
use utoipa::OpenApi as _;

use super::super::routes::Description;
use super::super::wire::{Asked, Expected};
use super::*;

/// The description of the interface that lies in the tree.
const DESCRIPTION: &str = include_str!("../../../interface/openapi.json");

fn text(text: &str) -> String {
    text.to_owned()
}

/// Returns requests of every kind, with everything in them that has to be written in a way of its own.
fn every_request() -> Vec<Request> {
    let id = || "0123456789abcdef0123456789abcdef".to_owned();
    let link = || "restante:bob.7kq2-m9xw-3fhd?k=a/b+c%20&d".to_owned();
    vec![
        Request::Id,
        send(vec![0, 0xff]),
        Request::Inbox(InboxRequest::default()),
        Request::Inbox(InboxRequest {
            wait_ms: u64::MAX,
            all: true,
            after: Some(id()),
            only: Some(id()),
        }),
        Request::MarkRead {
            ids: vec![id(); MARK_READ_COUNT_MAX],
        },
        Request::ContactAdd {
            who: link(),
            petname: Some(text("B\u{f6}b & \"Co\"")),
        },
        Request::ContactList {
            after: Some(text("a&b=c d+e%")),
        },
        Request::ContactAccept { who: link() },
        Request::ContactBlock {
            who: "..".to_owned(),
        },
        Request::ContactVerify {
            who: "B\u{f6}b \u{1f600}".to_owned(),
        },
        Request::ContactVerified {
            who: "/".to_owned(),
        },
        Request::Status,
        Request::Holdings {
            after: Some(text("00")),
        },
        Request::Doctor,
        Request::Backup(BackupRequest {
            path: "/home/b\u{f6}b/a b".to_owned(),
            force: true,
        }),
    ]
}

#[tokio::test]
async fn every_request_arrives_as_it_was_made() {
    let mut stage = Stage::new();
    for request in every_request() {
        let calling = stage.call(request.clone());
        let got = stage.calls.recv().await.unwrap();
        assert_eq!(got.request, request);
        got.answer.finish(Ok(Reply::Done));
        let reply = calling.await.unwrap();
        let is_sent = matches!(request, Request::Send(_));
        assert!(is_sent || matches!(reply, Ok(Reply::Done)), "{reply:?}");
    }
}

#[tokio::test]
async fn a_file_is_sent_and_given_byte_for_byte() {
    let mut stage = Stage::new();
    let bytes: Vec<u8> = (0..61_440_u32)
        .map(|index| index.to_le_bytes()[0])
        .collect();
    let line = "POST /v1/messages/file?to=bob&name=a%20b.bin&ttl_ms=5&burn_ms=2&wait=true";
    let kind = "content-type: application/octet-stream\r\n";
    let sending = stage.ask(line, kind, &bytes);
    let node = async {
        let got = stage.calls.recv().await.unwrap();
        got.answer.progress(result(1, DeliveryState::Waiting));
        got.answer
            .finish(Ok(Reply::Sent(result(3, DeliveryState::Stored))));
        got.request
    };
    let (said, request) = join(sending, node).await;
    assert_eq!(said.status, 200, "{said:?}");
    let sent: SendResult = serde_json::from_slice(&said.content).unwrap();
    assert_eq!(sent, result(3, DeliveryState::Stored));
    let expected = SendRequest {
        to: "bob".to_owned(),
        body: Body::new(bytes.clone()),
        ttl_ms: Some(5),
        burn_ms: Some(2),
        file_name: Some(text("a b.bin")),
        effort_max: None,
        reply_to: None,
        replaces: None,
        wait: true,
    };
    assert_eq!(request, Request::Send(expected));

    for content in [bytes, b"text".to_vec()] {
        let id = "0123456789abcdef0123456789abcdef";
        let asking = stage.ask(&format!("GET /v1/inbox/{id}/file"), "", b"");
        let node = async {
            let got = stage.calls.recv().await.unwrap();
            let page = InboxPage {
                messages: vec![message(id, content.clone())],
                ..InboxPage::default()
            };
            got.answer.finish(Ok(Reply::Inbox(page)));
            got.request
        };
        let (said, request) = join(asking, node).await;
        let only = InboxRequest {
            all: true,
            only: Some(text(id)),
            ..InboxRequest::default()
        };
        assert_eq!(request, Request::Inbox(only));
        assert_eq!(said.content, content);
        for header in [
            "content-type: application/octet-stream",
            "x-content-type-options: nosniff",
            "content-disposition: attachment",
            "cache-control: no-store",
        ] {
            assert!(said.head.contains(header), "{}", said.head);
        }
    }
}

#[tokio::test]
async fn who_asks_for_lines_is_told_how_far_a_message_has_come() {
    let mut stage = Stage::new();
    let request = serde_json::to_vec(&match send(b"x".to_vec()) {
        Request::Send(send) => send,
        _ => unreachable!(),
    })
    .unwrap();
    let head = "content-type: application/json\r\naccept: application/x-ndjson;q=1, */*\r\n";
    for refused in [false, true] {
        let asking = stage.ask("POST /v1/messages", head, &request);
        let node = async {
            let got = stage.calls.recv().await.unwrap();
            got.answer.progress(result(0, DeliveryState::Waiting));
            got.answer.progress(result(1, DeliveryState::Waiting));
            got.answer.finish(match refused {
                false => Ok(Reply::Sent(result(3, DeliveryState::Stored))),
                true => Err(Refusal::Offline),
            });
        };
        let (said, ()) = join(asking, node).await;
        assert!(
            said.head.contains("content-type: application/x-ndjson"),
            "{}",
            said.head
        );
        let lines = unchunked(&said.content);
        let lines: Vec<SendLine> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = match refused {
            false => SendLine::Sent(result(3, DeliveryState::Stored)),
            true => SendLine::Error(Refusal::Offline),
        };
        let reports =
            [0, 1].map(|stored| SendLine::Progress(result(stored, DeliveryState::Waiting)));
        assert_eq!(lines, [&reports[..], &[last]].concat());
    }
    // What is refused at once is refused like anything else.
    let asking = stage.ask("POST /v1/messages", head, &request);
    let node = async {
        stage
            .calls
            .recv()
            .await
            .unwrap()
            .answer
            .refuse(Refusal::OwnId)
    };
    let (said, ()) = join(asking, node).await;
    assert_eq!(said.refusal(), (422, Refusal::OwnId));
}

#[tokio::test]
async fn the_description_in_the_tree_is_that_of_the_types() {
    let made = Description::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/interface/openapi.json");
        fs::write(path, &made).unwrap();
    } else {
        assert!(
            made == DESCRIPTION,
            "run this test with RESTANTE_BLESS=1 and look at what changes"
        );
    }
    let version = format!("\"version\": \"{VERSION}\"");
    assert!(made.contains(&version), "it is of another version");
    let said = Stage::new().ask("GET /v1/openapi.json", "", b"").await;
    let served: serde_json::Value = serde_json::from_slice(&said.content).unwrap();
    assert_eq!(
        served,
        serde_json::from_str::<serde_json::Value>(&made).unwrap()
    );
}

#[tokio::test]
async fn a_page_of_messages_is_cut_to_what_an_answer_holds() {
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
        ttl_ms: None,
        burn_ms: None,
        tells_read: false,
        muted: false,
        pinned: false,
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
        backup: Some(BackupStatus {
            folder: "/folder".repeat(500),
            last_ms: Some(u64::MAX),
            failed_ms: Some(u64::MAX),
            failed_why: Some("why".repeat(100)),
            next_ms: Some(u64::MAX),
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
async fn full_pages_of_short_things_fit_an_answer() {
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
    for (request, reply) in [
        (Request::Holdings { after: None }, holdings),
        (Request::ContactList { after: None }, contacts),
        (Request::Status, status),
    ] {
        let calling = stage.call(request);
        let got = stage.calls.recv().await.unwrap();
        got.answer.finish(Ok(reply.clone()));
        assert_eq!(calling.await.unwrap().unwrap(), reply);
    }
}

proptest! {
    #[test]
    fn any_body_survives_the_way(bytes: Vec<u8>) {
        let request = send(bytes.clone());
        let asked = Asked::of(&request).unwrap();
        let read: SendRequest = serde_json::from_slice(&asked.content.unwrap()).unwrap();
        prop_assert_eq!(Request::Send(read), request);
        let page = InboxPage {
            messages: vec![message("1", bytes)],
            more: true,
            deaf: None,
        };
        let encoded = answer::encoded(&page).unwrap();
        prop_assert_eq!(Expected::Inbox.read(&encoded).unwrap(), Reply::Inbox(page));
    }
}
