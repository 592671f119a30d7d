//! The contract with everything that talks to a node: each kind of value with its exact JSON.
//!
//! A change here that is more than an added field needs a new [`VERSION`](crate::VERSION).

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// Checks that each value has this JSON and is read back from it.
///
/// The list names every variant, or it does not compile.
macro_rules! contract {
    ($type:ident { $($variant:ident { $($field:tt)* } => $json:expr,)* }) => {{
        let _every_variant_is_listed = |value: &$type| match value {
            $($type::$variant { .. } => (),)*
        };
        $(check(&$type::$variant { $($field)* }, $json);)*
    }};
}

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(json).unwrap(), *value);
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn requests() {
    contract!(Request {
        Id {} => r#""id""#,
        Send { 0: SendRequest {
            to: text("bob.7kq2-m9xw-3fhd"),
            body: Body::new(vec![0xff, 0]),
            ttl_ms: Some(1),
            burn_ms: Some(2),
            file_name: Some(text("a.txt")),
            wait: true,
        } } => concat!(
            r#"{"send":{"to":"bob.7kq2-m9xw-3fhd","#,
            r#""body":"/wA=","ttl_ms":1,"burn_ms":2,"file_name":"a.txt","wait":true}}"#,
        ),
        Inbox { 0: InboxRequest { wait_ms: 1, all: true, after: Some(text("m")) } }
            => r#"{"inbox":{"wait_ms":1,"all":true,"after":"m"}}"#,
        MarkRead { ids: vec![text("m"), text("n")] } => r#"{"mark_read":{"ids":["m","n"]}}"#,
        ContactAdd { who: text("b"), petname: None } => r#"{"contact_add":{"who":"b","petname":null}}"#,
        ContactList { after: Some(text("b")) } => r#"{"contact_list":{"after":"b"}}"#,
        ContactAccept { who: text("b") } => r#"{"contact_accept":{"who":"b"}}"#,
        ContactBlock { who: text("b") } => r#"{"contact_block":{"who":"b"}}"#,
        ContactVerify { who: text("b") } => r#"{"contact_verify":{"who":"b"}}"#,
        ContactVerified { who: text("b") } => r#"{"contact_verified":{"who":"b"}}"#,
        Status {} => r#""status""#,
        Holdings { after: None } => r#"{"holdings":{"after":null}}"#,
        Doctor {} => r#""doctor""#,
        Stop {} => r#""stop""#,
    });
}

#[test]
fn requests_with_unknown_fields_are_refused() {
    for json in [
        r#"{"contact_list":{"after":null,"more":1}}"#,
        r#"{"inbox":{"wait_ms":1,"all":true,"after":null,"more":1}}"#,
        r#""dance""#,
    ] {
        assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
    }
}

#[test]
fn replies() {
    contract!(Reply {
        Done {} => r#""done""#,
        Id { 0: IdInfo { id: text("a"), link: text("restante:a?k=b"), fingerprint: text("00") } }
            => r#"{"id":{"id":"a","link":"restante:a?k=b","fingerprint":"00"}}"#,
        Sent { 0: sent() } => concat!(
            r#"{"sent":{"message_id":"m","state":"stored","stored_with":3,"stored_of":4,"until_ms":5,"#,
            r#""note":"small_network"}}"#,
        ),
        Inbox { 0: InboxPage {
            messages: vec![message(b"a\0".to_vec()), message(vec![0xff])],
            more: true,
            deaf: Some(text("why")),
        } }
            => concat!(
                r#"{"inbox":{"messages":["#,
                r#"{"id":"m","from":"b","contact":true,"read":false,"received_ms":2,"sent_ms":1,"expires_ms":3,"#,
                r#""burn_ms":null,"text":"a\u0000","base64":null,"file_name":null},"#,
                r#"{"id":"m","from":"b","contact":true,"read":false,"received_ms":2,"sent_ms":1,"expires_ms":3,"#,
                r#""burn_ms":null,"text":null,"base64":"/w==","file_name":null}"#,
                r#"],"more":true,"deaf":"why"}}"#,
            ),
        Contact { 0: contact() } => concat!(
            r#"{"contact":{"id":"b","petname":"Bob","state":"accepted","verified":true,"fingerprint":null,"#,
            r#""added_ms":1,"last_seen_ms":2}}"#,
        ),
        Contacts { 0: ContactPage { contacts: vec![], next: Some(text("b")) } }
            => r#"{"contacts":{"contacts":[],"next":"b"}}"#,
        Verify { 0: VerifyInfo { id: text("b"), code: text("1234"), verified: false } }
            => r#"{"verify":{"id":"b","code":"1234","verified":false}}"#,
        Status { 0: Box::new(status()) } => concat!(
            r#"{"status":{"id":"a","network":"main","mode":"server","peers":1,"routing_table":2,"#,
            r#""listen":["/x"],"errors":{"late":3},"#,
            r#""keeper":{"items":4,"bytes":5,"cap_bytes":6,"read_only":"why","refusals":{"full":7},"#,
            r#""load":{"waiting":1,"waiting_bytes":2,"waiting_sources":3,"ready":4,"store_ops":5,"#,
            r#""subscriptions":6,"rates":7,"depositors":8,"strangers":9},"#,
            r#""repair":{"partners":1,"compared":2,"failed":3,"copied":4,"copied_bytes":5,"handed_over":6}},"#,
            r#""outbox":[{"message_id":"m","to":"b","state":"waiting","stored_with":1,"stored_of":2,"#,
            r#""until_ms":3,"attempts":4,"next_try_ms":5}],"outbox_count":1,"#,
            r#""mailboxes":{"watched":2,"subscribed":1},"unread":8,"card_published_ms":9,"#,
            r#""account_read_only":null,"#,
            r#""network_load":{"connections":1,"queued_bytes":2,"queued_bytes_max":3},"#,
            r#""entry_points":[{"address":"/e","state":"no_answer"}],"#,
            r#""traffic":{"lookup":{"sent_bytes":1,"received_bytes":2}},"uptime_ms":10}}"#,
        ),
        Holdings { 0: HoldingsPage {
            items: vec![HoldingItem { address: text("00"), kind: text("card"), size_class: 8_192, expires_ms: 1 }],
            total_items: 2,
            total_bytes: 3,
            next: None,
        } } => concat!(
            r#"{"holdings":{"items":[{"address":"00","kind":"card","size_class":8192,"expires_ms":1}],"#,
            r#""total_items":2,"total_bytes":3,"next":null}}"#,
        ),
        Doctor { 0: DoctorReport { findings: vec![Finding {
            verdict: Verdict::Warn,
            what: Examined::Card { published_ms: None },
        }] } } => r#"{"doctor":{"findings":[{"verdict":"warn","name":"card","published_ms":null}]}}"#,
    });
}

#[test]
fn refusals() {
    contract!(Refusal {
        InvalidId { text: text("bob"), why: text("no tag") }
            => r#"{"code":"invalid_id","text":"bob","why":"no tag"}"#,
        InvalidLifetime { max_ms: 1 } => r#"{"code":"invalid_lifetime","max_ms":1}"#,
        TooLong { max_bytes: 1 } => r#"{"code":"too_long","max_bytes":1}"#,
        OwnId {} => r#"{"code":"own_id"}"#,
        NoAccount {} => r#"{"code":"no_account"}"#,
        InvalidParameter { name: text("after") } => r#"{"code":"invalid_parameter","name":"after"}"#,
        Version { node: 2, command: 1 } => r#"{"code":"version","node":2,"command":1}"#,
        Malformed { why: text("x") } => r#"{"code":"malformed","why":"x"}"#,
        UnknownId { id: text("b") } => r#"{"code":"unknown_id","id":"b"}"#,
        LinkMismatch { id: text("b") } => r#"{"code":"link_mismatch","id":"b"}"#,
        NotAContact { id: text("b") } => r#"{"code":"not_a_contact","id":"b"}"#,
        Terminated { id: text("b") } => r#"{"code":"terminated","id":"b"}"#,
        Blocked { id: text("b") } => r#"{"code":"blocked","id":"b"}"#,
        StaleKeys { id: text("b") } => r#"{"code":"stale_keys","id":"b"}"#,
        MessageGone {} => r#"{"code":"message_gone"}"#,
        Offline {} => r#"{"code":"offline"}"#,
        OutboxFull { waiting: 1 } => r#"{"code":"outbox_full","waiting":1}"#,
        ContactsFull { max: 1 } => r#"{"code":"contacts_full","max":1}"#,
        Busy { max: 1 } => r#"{"code":"busy","max":1}"#,
        NotStored { what: Stored::Message } => r#"{"code":"not_stored","what":"message"}"#,
        NotRead { what: Stored::Inbox } => r#"{"code":"not_read","what":"inbox"}"#,
        TimedOut {} => r#"{"code":"timed_out"}"#,
        Stopping {} => r#"{"code":"stopping"}"#,
        Internal { why: text("x") } => r#"{"code":"internal","why":"x"}"#,
    });
}

#[test]
fn events() {
    contract!(Event {
        Received { id: text("m") } => r#"{"event":"received","id":"m"}"#,
        Destroyed { count: 2 } => r#"{"event":"destroyed","count":2}"#,
        Sent { 0: sent() } => concat!(
            r#"{"event":"sent","message_id":"m","state":"stored","stored_with":3,"stored_of":4,"until_ms":5,"#,
            r#""note":"small_network"}"#,
        ),
        Published {} => r#"{"event":"published"}"#,
    });
}

#[test]
fn what_a_node_examines() {
    contract!(Examined {
        Network { peers: 1, keepers: 2 } => r#"{"name":"network","peers":1,"keepers":2}"#,
        ServerNetwork { peers: 1, keepers: 2 } => r#"{"name":"server_network","peers":1,"keepers":2}"#,
        EntryPoints {
            failed: vec![EntryPoint { address: text("/e"), state: EntryPointState::OtherIdentity }],
            of: 2,
        } => r#"{"name":"entry_points","failed":[{"address":"/e","state":"other_identity"}],"of":2}"#,
        Card { published_ms: Some(1) } => r#"{"name":"card","published_ms":1}"#,
        Mailboxes { watched: 2, subscribed: 1 } => r#"{"name":"mailboxes","watched":2,"subscribed":1}"#,
        Keeper { items: 1, stopped: None } => r#"{"name":"keeper","items":1,"stopped":null}"#,
        Account { stopped: text("x") } => r#"{"name":"account","stopped":"x"}"#,
    });
}

#[test]
fn names() {
    contract!(Verdict { Ok {} => r#""ok""#, Warn {} => r#""warn""#, Fail {} => r#""fail""#, });
    contract!(NodeMode { Client {} => r#""client""#, Server {} => r#""server""#, });
    contract!(DeliveryState {
        Waiting {} => r#""waiting""#,
        Stored {} => r#""stored""#,
        Delivered {} => r#""delivered""#,
        Expired {} => r#""expired""#,
    });
    contract!(EntryPointState {
        NotTried {} => r#""not_tried""#,
        Reached {} => r#""reached""#,
        NameUnresolved {} => r#""name_unresolved""#,
        OtherIdentity {} => r#""other_identity""#,
        Refused {} => r#""refused""#,
        NoAnswer {} => r#""no_answer""#,
        Unreachable {} => r#""unreachable""#,
        NoHandshake {} => r#""no_handshake""#,
        Unsupported {} => r#""unsupported""#,
    });
    contract!(SendNote {
        NoKeeperYet {} => r#""no_keeper_yet""#,
        TooFewKeepers {} => r#""too_few_keepers""#,
        SmallNetwork {} => r#""small_network""#,
    });
    contract!(ContactState {
        Request {} => r#""request""#,
        Accepted {} => r#""accepted""#,
        Blocked {} => r#""blocked""#,
        Terminated {} => r#""terminated""#,
    });
    contract!(Stored {
        Message {} => r#""message""#,
        Contact {} => r#""contact""#,
        ReadMarks {} => r#""read_marks""#,
        Inbox {} => r#""inbox""#,
        Holdings {} => r#""holdings""#,
    });
}

#[test]
fn a_body_that_is_not_base64_is_refused() {
    assert!(serde_json::from_str::<Body>(r#""/w""#).is_err());
}

#[test]
fn bodies_are_never_shown_by_debug() {
    let shown = format!(
        "{:?} {:?}",
        Body::new(b"plain".to_vec()),
        message(b"plain".to_vec())
    );
    assert!(
        !shown.contains("plain") && !shown.contains("cGxhaW4"),
        "{shown}"
    );
    assert!(!shown.contains("112, 108"), "{shown}");
}

fn sent() -> SendResult {
    SendResult {
        message_id: text("m"),
        state: DeliveryState::Stored,
        stored_with: 3,
        stored_of: 4,
        until_ms: 5,
        note: Some(SendNote::SmallNetwork),
    }
}

fn message(body: Vec<u8>) -> InboxMessage {
    let (text, base64) = InboxMessage::body(body);
    InboxMessage {
        id: "m".to_owned(),
        from: "b".to_owned(),
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

fn contact() -> ContactInfo {
    ContactInfo {
        id: text("b"),
        petname: Some(text("Bob")),
        state: ContactState::Accepted,
        verified: true,
        fingerprint: None,
        added_ms: 1,
        last_seen_ms: Some(2),
    }
}

fn status() -> StatusInfo {
    StatusInfo {
        id: text("a"),
        network: text("main"),
        mode: NodeMode::Server,
        peers: 1,
        routing_table: 2,
        listen: vec![text("/x")],
        errors: BTreeMap::from([(text("late"), 3)]),
        keeper: KeeperStatus {
            items: 4,
            bytes: 5,
            cap_bytes: 6,
            read_only: Some(text("why")),
            refusals: BTreeMap::from([(text("full"), 7)]),
            load: KeeperLoad {
                waiting: 1,
                waiting_bytes: 2,
                waiting_sources: 3,
                ready: 4,
                store_ops: 5,
                subscriptions: 6,
                rates: 7,
                depositors: 8,
                strangers: 9,
            },
            repair: RepairStatus {
                partners: 1,
                compared: 2,
                failed: 3,
                copied: 4,
                copied_bytes: 5,
                handed_over: 6,
            },
        },
        outbox: vec![OutboxEntry {
            message_id: text("m"),
            to: text("b"),
            state: DeliveryState::Waiting,
            stored_with: 1,
            stored_of: 2,
            until_ms: 3,
            attempts: 4,
            next_try_ms: Some(5),
        }],
        outbox_count: 1,
        mailboxes: MailboxStatus {
            watched: 2,
            subscribed: 1,
        },
        unread: 8,
        card_published_ms: Some(9),
        account_read_only: None,
        network_load: NetworkLoad {
            connections: 1,
            queued_bytes: 2,
            queued_bytes_max: 3,
        },
        entry_points: vec![EntryPoint {
            address: text("/e"),
            state: EntryPointState::NoAnswer,
        }],
        traffic: BTreeMap::from([(
            text("lookup"),
            Traffic {
                sent_bytes: 1,
                received_bytes: 2,
            },
        )]),
        uptime_ms: 10,
    }
}
