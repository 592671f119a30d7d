//! The lines of `restante status`.

use std::collections::BTreeMap;

use restante_interface::*;

use super::super::status;

fn outbox() -> Vec<OutboxEntry> {
    let waiting = OutboxEntry {
        message_id: "0123456789abcdef0123".into(),
        to: "bob.7kq2-m9xw-3fhd".into(),
        state: DeliveryState::Waiting,
        stored_with: 1,
        stored_of: 5,
        until_ms: 86_400_000,
        effort_asked: None,
        code: MessageCode::Placing,
        obstacles: Vec::new(),
        attempts: 1,
        next_try_ms: Some(30_000),
    };
    let delivered = OutboxEntry {
        message_id: "fedcba98765432100123".into(),
        state: DeliveryState::Delivered,
        code: MessageCode::Delivered,
        stored_with: 0,
        stored_of: 0,
        next_try_ms: None,
        ..waiting.clone()
    };
    vec![waiting, delivered]
}

fn traffic() -> BTreeMap<String, Traffic> {
    let causes = [
        ("keep_alive", 5_000),
        ("lookup", 3_000),
        ("list", 1_000),
        ("get", 900),
        ("ack", 100),
    ];
    let traffic = |bytes: u64| Traffic {
        sent_bytes: bytes / 4,
        received_bytes: bytes - bytes / 4,
    };
    let named = causes.into_iter();
    named
        .map(|(cause, bytes)| (cause.to_owned(), traffic(bytes)))
        .collect()
}

/// A node in trouble.
fn status_info() -> StatusInfo {
    StatusInfo {
        id: "alice.7kq2-m9xw-3fhd".into(),
        mode: NodeMode::Server,
        listen: vec!["/ip4/8.8.8.8/tcp/1/p2p/x".into()],
        invite: vec!["/ip4/8.8.8.8/tcp/1/p2p/x".into()],
        keeper: KeeperStatus {
            repair: RepairStatus {
                partners: 9,
                copied: 2,
                ..RepairStatus::default()
            },
            ..KeeperStatus::default()
        },
        outbox: outbox(),
        outbox_count: 3,
        states: vec![
            State::NetworkJoined {
                peers: 12,
                keepers: 40,
            },
            State::KeeperStopped {
                items: 3,
                trouble: StoreTrouble::DiskFull,
            },
            State::OutboxUnderWay { messages: 3 },
        ],
        traffic: traffic(),
        uptime_ms: 3_661_000,
        ..crate::fixture::status()
    }
}

#[test]
fn status_for_people() {
    let mut info = status_info();
    let person = [
        "id          alice.7kq2-m9xw-3fhd",
        "network     main",
        "mode        server: keeps items for others",
        "up          1 h 1 min",
        "listens at  /ip4/8.8.8.8/tcp/1/p2p/x",
        "join at     /ip4/8.8.8.8/tcp/1/p2p/x",
        "peers       12 nodes connected, 40 keepers known",
        "keeps       3 items of others; the disk is full: nothing new is kept for others, and what is kept cannot be \
         deleted; shared with 9 other keepers, 2 copied from there; make room on the disk; the node goes on by itself",
        "under way   3 messages",
        "traffic     about 9.6 KiB an hour: keep alive 50%, lookup 30%, list 10%, get 9%",
        "unread      0",
        "  0123456789abcdef  to bob.7kq2-m9xw-3fhd  is with 1 of 5 keepers, others are being asked  \
         expires in 1 d  offered again in 30 s",
        "  and 2 more",
        "sent before",
        "  fedcba9876543210  to bob.7kq2-m9xw-3fhd  is delivered",
    ];
    assert_eq!(status::describe(&info, 0), person);
    // Of the first minutes nothing follows for an hour.
    let early = StatusInfo {
        uptime_ms: 3_599_999,
        ..info.clone()
    };
    let lines = status::describe(&early, 0);
    assert!(lines.iter().all(|line| !line.starts_with("traffic")));
    info.id.clear();
    (info.outbox, info.outbox_count) = (Vec::new(), 0);
    assert_eq!(status::describe(&info, 0), person[1..10]);
}

#[test]
fn status_tells_that_a_disk_is_in_order_again() {
    let mut info = status_info();
    info.states = vec![
        State::KeeperOpen {
            items: 3,
            bytes: 6_144,
            cap_bytes: 1 << 30,
            recovered_ms: Some(1_000),
        },
        State::AccountOpen {
            recovered_ms: Some(2_000),
        },
    ];
    let lines = status::describe(&info, 61_000);
    for (line, begins) in [
        (
            &lines[6],
            "keeps       3 items of others, 6 KiB of 1 GiB; a disk that took nothing was in order again ",
        ),
        (
            &lines[7],
            "account     what arrives is stored; a disk that took nothing was in order again ",
        ),
    ] {
        assert!(line.starts_with(begins), "{line}");
    }
}

#[test]
fn status_says_when_keepers_ask_for_more_work() {
    let mut info = status_info();
    let allowed = 128;
    info.states = vec![
        State::CardTooDear {
            at_ms: None,
            effort: 512,
            allowed,
        },
        State::OutboxTooDear {
            messages: 3,
            waiting: 1,
            effort: 256,
            allowed,
        },
    ];
    let waiting = &mut info.outbox[0];
    (waiting.code, waiting.effort_asked) = (MessageCode::TooDear, Some(256));
    let dearer = status::describe(&info, 0);
    let lines = [
        "card        not published yet in this run: keepers ask for more work (effort 512) than this node does unasked \
         (128); set `stamp_effort_max` to that effort and restart the node, or wait until there is room again",
        "under way   3 messages, of which 1 waits: keepers ask for more work (effort 256) than this node does unasked \
         (128); set `stamp_effort_max` to that effort and restart the node, or wait until there is room again",
        "  0123456789abcdef  to bob.7kq2-m9xw-3fhd  waits with 1 of 5 keepers: others ask for more work than is \
         allowed for it (effort 256)  expires in 1 d  offered again in 30 s",
    ];
    for line in lines {
        assert!(dearer.contains(&line.to_owned()), "{line}: {dearer:#?}");
    }
}
