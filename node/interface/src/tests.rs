//! The contract with everything that talks to a node: each kind of value with its exact JSON.
//!
//! A change here that is more than an added field needs a new [`VERSION`](crate::VERSION).

use std::collections::{BTreeMap, BTreeSet};
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
            effort_max: Some(3),
            reply_to: Some(text("m")),
            replaces: Some(text("n")),
            wait: true,
        } } => concat!(
            r#"{"send":{"to":"bob.7kq2-m9xw-3fhd","#,
            r#""body":"/wA=","ttl_ms":1,"burn_ms":2,"file_name":"a.txt","effort_max":3,"#,
            r#""reply_to":"m","replaces":"n","wait":true}}"#,
        ),
        Inbox { 0: InboxRequest { wait_ms: 1, all: true, after: Some(text("m")), only: None } }
            => r#"{"inbox":{"wait_ms":1,"all":true,"after":"m","only":null}}"#,
        MarkRead { ids: vec![text("m"), text("n")] } => r#"{"mark_read":{"ids":["m","n"]}}"#,
        ContactAdd { who: text("b"), petname: None } => r#"{"contact_add":{"who":"b","petname":null}}"#,
        ContactList { after: Some(text("b")) } => r#"{"contact_list":{"after":"b"}}"#,
        ContactAccept { who: text("b") } => r#"{"contact_accept":{"who":"b"}}"#,
        ContactBlock { who: text("b") } => r#"{"contact_block":{"who":"b"}}"#,
        ContactSet { who: text("b"), change: ContactChange {
            petname: Some(text("Bob")),
            ttl_ms: Some(1),
            burn_ms: Some(0),
            tells_read: Some(true),
            muted: None,
            pinned: Some(false),
        } } => concat!(
            r#"{"contact_set":{"who":"b","change":{"petname":"Bob","ttl_ms":1,"burn_ms":0,"#,
            r#""tells_read":true,"muted":null,"pinned":false}}}"#,
        ),
        ContactRemove { who: text("b") } => r#"{"contact_remove":{"who":"b"}}"#,
        Conversations { after: Some(text("b")) } => r#"{"conversations":{"after":"b"}}"#,
        History { 0: HistoryRequest { who: text("b"), before: Some(text("m")), count: Some(3) } }
            => r#"{"history":{"who":"b","before":"m","count":3}}"#,
        React { id: text("m"), emoji: text("+") } => r#"{"react":{"id":"m","emoji":"+"}}"#,
        Recall { ids: vec![text("m")] } => r#"{"recall":{"ids":["m"]}}"#,
        Delete { ids: vec![text("m")] } => r#"{"delete":{"ids":["m"]}}"#,
        ContactVerify { who: text("b") } => r#"{"contact_verify":{"who":"b"}}"#,
        ContactVerified { who: text("b") } => r#"{"contact_verified":{"who":"b"}}"#,
        Status {} => r#""status""#,
        Holdings { after: None } => r#"{"holdings":{"after":null}}"#,
        Doctor {} => r#""doctor""#,
        Backup { 0: BackupRequest { path: text("/b"), force: true } }
            => r#"{"backup":{"path":"/b","force":true}}"#,
        Stop {} => r#""stop""#,
    });
}

#[test]
fn a_message_may_leave_out_what_is_not_needed_and_write_numbers_as_others_do() {
    let read = |json: &str| serde_json::from_str::<SendRequest>(json);
    let bare = read(r#"{"to":"b","body":"/w=="}"#).unwrap();
    assert_eq!(
        (bare.ttl_ms, bare.effort_max, bare.wait),
        (None, None, false)
    );
    let numbers = r#"{"to":"b","body":"/w==","ttl_ms":589.0,"burn_ms":null,"effort_max":7e1}"#;
    let numbers = read(numbers).unwrap();
    assert_eq!(
        (numbers.ttl_ms, numbers.burn_ms, numbers.effort_max),
        (Some(589), None, Some(70))
    );
    for number in [
        "1.5",
        "-1",
        "-1.0",
        "1e300",
        "\"1\"",
        "4294967296",
        "4294967296.0",
    ] {
        let json = format!(r#"{{"to":"b","body":"/w==","effort_max":{number}}}"#);
        assert!(read(&json).is_err(), "{json}");
    }
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
#[expect(clippy::too_many_lines, reason = "a table")]
fn replies() {
    contract!(Reply {
        Done {} => r#""done""#,
        Id { 0: IdInfo { id: text("a"), link: text("restante:a?k=b"), fingerprint: text("00") } }
            => r#"{"id":{"id":"a","link":"restante:a?k=b","fingerprint":"00"}}"#,
        Sent { 0: sent() } => concat!(
            r#"{"sent":{"message_id":"m","state":"stored","stored_with":3,"stored_of":4,"until_ms":5,"#,
            r#""effort_asked":6,"code":"message_stored_few","#,
            r#""obstacles":[{"reason":"full","keepers":1}],"next_try_ms":6}}"#,
        ),
        Inbox { 0: InboxPage {
            messages: vec![message(b"a\0".to_vec()), message(vec![0xff])],
            more: true,
            deaf: Some(State::AccountStopped { trouble: StoreTrouble::DiskFull }),
        } }
            => concat!(
                r#"{"inbox":{"messages":["#,
                r#"{"id":"m","from":"b","known_as":"c","contact":true,"blocked":false,"read":false,"received_ms":2,"#,
                r#""sent_ms":1,"expires_ms":3,"burn_ms":null,"text":"a\u0000","base64":null,"file_name":null,"#,
                r#""reply_to":null,"edited_ms":null,"unknown":false},"#,
                r#"{"id":"m","from":"b","known_as":"c","contact":true,"blocked":false,"read":false,"received_ms":2,"#,
                r#""sent_ms":1,"expires_ms":3,"burn_ms":null,"text":null,"base64":"/w==","file_name":null,"#,
                r#""reply_to":null,"edited_ms":null,"unknown":false}"#,
                r#"],"more":true,"deaf":{"code":"account_stopped","trouble":{"code":"disk_full"}}}}"#,
            ),
        Contact { 0: contact() } => concat!(
            r#"{"contact":{"id":"b","other_ids":["c"],"petname":"Bob","state":"accepted","verified":true,"#,
            r#""fingerprint":null,"added_ms":1,"last_seen_ms":2,"#,
            r#""ttl_ms":null,"burn_ms":null,"tells_read":false,"muted":false,"pinned":false}}"#,
        ),
        History { 0: HistoryPage { messages: vec![said()], more: true } } => concat!(
            r#"{"history":{"messages":[{"id":"m","own":true,"sent_ms":1,"received_ms":2,"expires_ms":3,"#,
            r#""burn_ms":4,"read_ms":5,"code":"message_read","text":"Hi","base64":null,"file_name":null,"#,
            r#""reply_to":"n","edited_ms":6,"recalled_ms":null,"unknown":false,"#,
            r#""reactions":[{"own":true,"emoji":"+"}]}],"more":true}}"#,
        ),
        Conversations { 0: ConversationPage {
            conversations: vec![ConversationInfo {
                contact: contact(),
                unread: 3,
                last_ms: Some(4),
                last: None,
            }],
            next: Some(text("b")),
        } } => concat!(
            r#"{"conversations":{"conversations":[{"contact":"#,
            r#"{"id":"b","other_ids":["c"],"petname":"Bob","state":"accepted","verified":true,"#,
            r#""fingerprint":null,"added_ms":1,"last_seen_ms":2,"#,
            r#""ttl_ms":null,"burn_ms":null,"tells_read":false,"muted":false,"pinned":false},"#,
            r#""unread":3,"last_ms":4,"last":null}],"next":"b"}}"#,
        ),
        Contacts { 0: ContactPage { contacts: vec![], next: Some(text("b")) } }
            => r#"{"contacts":{"contacts":[],"next":"b"}}"#,
        Verify { 0: VerifyInfo { id: text("b"), code: text("1234"), verified: false } }
            => r#"{"verify":{"id":"b","code":"1234","verified":false}}"#,
        Status { 0: Box::new(status()) } => concat!(
            r#"{"status":{"id":"a","network":"main","mode":"server","peers":1,"routing_table":2,"#,
            r#""listen":["/x"],"errors":{"late":3},"#,
            r#""keeper":{"items":4,"bytes":5,"cap_bytes":6,"read_only":{"code":"disk_full"},"#,
            r#""recovered_ms":11,"refusals":{"full":7},"#,
            r#""load":{"waiting":1,"waiting_bytes":2,"waiting_sources":3,"ready":4,"store_ops":5,"#,
            r#""subscriptions":6,"rates":7,"depositors":8,"strangers":9},"#,
            r#""repair":{"partners":1,"compared":2,"failed":3,"copied":4,"copied_bytes":5,"handed_over":6}},"#,
            r#""outbox":[{"message_id":"m","to":"b","state":"waiting","stored_with":1,"stored_of":2,"#,
            r#""until_ms":3,"effort_asked":4,"code":"message_placing","obstacles":[],"attempts":4,"#,
            r#""next_try_ms":5}],"outbox_count":1,"#,
            r#""mailboxes":{"watched":2,"subscribed":1},"unread":8,"card_published_ms":9,"#,
            r#""card_effort_asked":256,"stamp_effort_max":128,"#,
            r#""account_read_only":null,"account_recovered_ms":12,"account_lost":1,"clock":{"state":"unconfirmed"},"#,
            r#""copy":{"newest":false,"others":0,"renewed_ms":null,"left":0,"shut_out":false},"#,
            r#""backup":{"folder":"/f","last_ms":1,"failed_ms":2,"failed_why":"x","next_ms":3},"#,
            r#""network_load":{"connections":1,"queued_bytes":2,"queued_bytes_max":3},"#,
            r#""entry_points":[{"address":"/e","state":"no_answer"}],"invite":["/x/p2p/y"],"#,
            r#""states":[{"code":"card_unpublished"}],"#,
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
        Doctor { 0: DoctorReport { findings: vec![State::CardPublished { at_ms: 1 }] } }
            => r#"{"doctor":{"findings":[{"code":"card_published","at_ms":1}]}}"#,
        Backup { 0: written() } => concat!(
            r#"{"backup":{"path":"/b","made_ms":1,"bytes":2,"messages":3,"contacts":4,"#,
            r#""unreadable":5}}"#,
        ),
    });
}

#[test]
fn refusals() {
    contract!(Refusal {
        InvalidId { text: text("bob"), why: text("no tag") }
            => r#"{"code":"invalid_id","text":"bob","why":"no tag"}"#,
        UnknownName { name: text("bob") } => r#"{"code":"unknown_name","name":"bob"}"#,
        AmbiguousName { name: text("bob"), ids: vec![text("b")] }
            => r#"{"code":"ambiguous_name","name":"bob","ids":["b"]}"#,
        InvalidLifetime { max_ms: 1 } => r#"{"code":"invalid_lifetime","max_ms":1}"#,
        BurnsTooLate { ttl_ms: 1 } => r#"{"code":"burns_too_late","ttl_ms":1}"#,
        TooLong { max_bytes: 1 } => r#"{"code":"too_long","max_bytes":1}"#,
        OwnId {} => r#"{"code":"own_id"}"#,
        NoAccount {} => r#"{"code":"no_account"}"#,
        InvalidParameter { name: text("after") } => r#"{"code":"invalid_parameter","name":"after"}"#,
        Version { node: 2, command: 1 } => r#"{"code":"version","node":2,"command":1}"#,
        Malformed { why: text("x") } => r#"{"code":"malformed","why":"x"}"#,
        NoSuchPath {} => r#"{"code":"no_such_path"}"#,
        WrongMethod {} => r#"{"code":"wrong_method"}"#,
        WrongMedia { expected: text("a/b") } => r#"{"code":"wrong_media","expected":"a/b"}"#,
        TooLarge { max_bytes: 1 } => r#"{"code":"too_large","max_bytes":1}"#,
        HeadTooLarge { max_bytes: 1 } => r#"{"code":"head_too_large","max_bytes":1}"#,
        Foreign { header: text("origin") } => r#"{"code":"foreign","header":"origin"}"#,
        UnknownId { id: text("b") } => r#"{"code":"unknown_id","id":"b"}"#,
        UnusableCard { id: text("b"), why: text("x") }
            => r#"{"code":"unusable_card","id":"b","why":"x"}"#,
        OtherDate { id: text("b") } => r#"{"code":"other_date","id":"b"}"#,
        WrongClock { ahead_ms: -5 } => r#"{"code":"wrong_clock","ahead_ms":-5}"#,
        ShutOut {} => r#"{"code":"shut_out"}"#,
        LinkMismatch { id: text("b") } => r#"{"code":"link_mismatch","id":"b"}"#,
        NotAContact { id: text("b") } => r#"{"code":"not_a_contact","id":"b"}"#,
        Terminated { id: text("b") } => r#"{"code":"terminated","id":"b"}"#,
        Blocked { id: text("b") } => r#"{"code":"blocked","id":"b"}"#,
        StaleKeys { id: text("b") } => r#"{"code":"stale_keys","id":"b"}"#,
        MessageGone {} => r#"{"code":"message_gone"}"#,
        NoSuchMessage { id: text("2f") } => r#"{"code":"no_such_message","id":"2f"}"#,
        Offline {} => r#"{"code":"offline"}"#,
        OutboxFull { waiting: 1 } => r#"{"code":"outbox_full","waiting":1}"#,
        ContactsFull { max: 1 } => r#"{"code":"contacts_full","max":1}"#,
        Busy { max: 1 } => r#"{"code":"busy","max":1}"#,
        NotStored { what: Stored::Message } => r#"{"code":"not_stored","what":"message"}"#,
        NotRead { what: Stored::Inbox } => r#"{"code":"not_read","what":"inbox"}"#,
        FileExists { path: text("/b") } => r#"{"code":"file_exists","path":"/b"}"#,
        FileNotWritten { path: text("/b"), why: text("x") }
            => r#"{"code":"file_not_written","path":"/b","why":"x"}"#,
        TimedOut {} => r#"{"code":"timed_out"}"#,
        Stopping {} => r#"{"code":"stopping"}"#,
        Internal { why: text("x") } => r#"{"code":"internal","why":"x"}"#,
    });
}

#[test]
fn a_refusal_tells_its_code_as_json_has_it() {
    for refusal in [
        Refusal::OwnId,
        Refusal::OutboxFull { waiting: 1 },
        Refusal::Offline,
    ] {
        let json = serde_json::to_value(&refusal).unwrap();
        assert_eq!(json["code"], refusal.code());
    }
}

#[test]
fn lines_of_a_message_that_is_sent() {
    let stands = concat!(
        r#"{"message_id":"m","state":"stored","stored_with":3,"stored_of":4,"until_ms":5,"#,
        r#""effort_asked":6,"code":"message_stored_few","#,
        r#""obstacles":[{"reason":"full","keepers":1}],"next_try_ms":6}"#,
    );
    contract!(SendLine {
        Progress { 0: sent() } => &format!(r#"{{"progress":{stands}}}"#),
        Sent { 0: sent() } => &format!(r#"{{"sent":{stands}}}"#),
        Error { 0: Refusal::Stopping } => r#"{"error":{"code":"stopping"}}"#,
    });
    let refused = ErrorReply {
        error: Refusal::Busy { max: 1 },
    };
    check(&refused, r#"{"error":{"code":"busy","max":1}}"#);
}

#[test]
fn events() {
    contract!(Event {
        Received { id: text("m") } => r#"{"event":"received","id":"m"}"#,
        Changed { id: text("m") } => r#"{"event":"changed","id":"m"}"#,
        Destroyed { count: 2 } => r#"{"event":"destroyed","count":2}"#,
        Sent { 0: sent() } => concat!(
            r#"{"event":"sent","message_id":"m","state":"stored","stored_with":3,"stored_of":4,"until_ms":5,"#,
            r#""effort_asked":6,"code":"message_stored_few","#,
            r#""obstacles":[{"reason":"full","keepers":1}],"next_try_ms":6}"#,
        ),
        Published {} => r#"{"event":"published"}"#,
        Reset {} => r#"{"event":"reset"}"#,
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn states() {
    let entries = || {
        vec![EntryPoint {
            address: text("/e"),
            state: EntryPointState::OtherIdentity,
        }]
    };
    contract!(State {
        NetworkAlone {} => r#"{"code":"network_alone"}"#,
        NetworkJoining { peers: 1 } => r#"{"code":"network_joining","peers":1}"#,
        NetworkFirst { peers: 1 } => r#"{"code":"network_first","peers":1}"#,
        NetworkPrivate { peers: 1 } => r#"{"code":"network_private","peers":1}"#,
        NetworkSmall { peers: 1, keepers: 2 } => r#"{"code":"network_small","peers":1,"keepers":2}"#,
        NetworkJoined { peers: 1, keepers: 2 } => r#"{"code":"network_joined","peers":1,"keepers":2}"#,
        ReachOff {} => r#"{"code":"reach_off"}"#,
        ReachLocal {} => r#"{"code":"reach_local"}"#,
        ReachClient {} => r#"{"code":"reach_client"}"#,
        ReachUnknown {} => r#"{"code":"reach_unknown"}"#,
        ReachPrivate { addresses: vec![text("/a")] } => r#"{"code":"reach_private","addresses":["/a"]}"#,
        ReachClaimed { addresses: vec![text("/a")] } => r#"{"code":"reach_claimed","addresses":["/a"]}"#,
        ReachConfirmed { addresses: vec![text("/a")] } => r#"{"code":"reach_confirmed","addresses":["/a"]}"#,
        ReachPartial { addresses: vec![text("/a")], refuted: vec![text("/b")] }
            => r#"{"code":"reach_partial","addresses":["/a"],"refuted":["/b"]}"#,
        ReachRefuted { refuted: vec![text("/b")], seen_from: vec![text("::1")] }
            => r#"{"code":"reach_refuted","refuted":["/b"],"seen_from":["::1"]}"#,
        EntriesUnset {} => r#"{"code":"entries_unset"}"#,
        EntriesUsable { of: 2 } => r#"{"code":"entries_usable","of":2}"#,
        EntriesFailed { failed: entries(), of: 2, retry_in_ms: 3 }
        => r#"{"code":"entries_failed","failed":[{"address":"/e","state":"other_identity"}],"of":2,"retry_in_ms":3}"#,
        EntriesFailedSome { failed: entries(), of: 2 }
            => r#"{"code":"entries_failed_some","failed":[{"address":"/e","state":"other_identity"}],"of":2}"#,
        CardUnpublished {} => r#"{"code":"card_unpublished"}"#,
        CardTooDear { at_ms: None, effort: 512, allowed: 128 }
            => r#"{"code":"card_too_dear","at_ms":null,"effort":512,"allowed":128}"#,
        CardPublished { at_ms: 1 } => r#"{"code":"card_published","at_ms":1}"#,
        MailboxesUnwatched {} => r#"{"code":"mailboxes_unwatched"}"#,
        MailboxesDeaf { watched: 2 } => r#"{"code":"mailboxes_deaf","watched":2}"#,
        MailboxesOwn { watched: 2 } => r#"{"code":"mailboxes_own","watched":2}"#,
        MailboxesPartly { watched: 2, subscribed: 1 }
            => r#"{"code":"mailboxes_partly","watched":2,"subscribed":1}"#,
        MailboxesHeard { watched: 2 } => r#"{"code":"mailboxes_heard","watched":2}"#,
        KeeperOff {} => r#"{"code":"keeper_off"}"#,
        KeeperOpen { items: 1, bytes: 2, cap_bytes: 3, recovered_ms: None }
            => r#"{"code":"keeper_open","items":1,"bytes":2,"cap_bytes":3,"recovered_ms":null}"#,
        KeeperStopped { items: 1, trouble: StoreTrouble::DiskFull }
            => r#"{"code":"keeper_stopped","items":1,"trouble":{"code":"disk_full"}}"#,
        AccountOpen { recovered_ms: Some(1) } => r#"{"code":"account_open","recovered_ms":1}"#,
        AccountLost { messages: 2 } => r#"{"code":"account_lost","messages":2}"#,
        AccountStopped { trouble: StoreTrouble::Ended }
            => r#"{"code":"account_stopped","trouble":{"code":"ended"}}"#,
        ClockSure {} => r#"{"code":"clock_sure"}"#,
        ClockUnconfirmed {} => r#"{"code":"clock_unconfirmed"}"#,
        ClockContradicted { ahead_ms: -7, keepers: 3 }
            => r#"{"code":"clock_contradicted","ahead_ms":-7,"keepers":3}"#,
        ClockBeforeDisk { behind_ms: 7 } => r#"{"code":"clock_before_disk","behind_ms":7}"#,
        CopiesUnknown { left: 1 } => r#"{"code":"copies_unknown","left":1}"#,
        CopiesNewest { others: 1 } => r#"{"code":"copies_newest","others":1}"#,
        CopiesRenewed { at_ms: 1, left: 2 } => r#"{"code":"copies_renewed","at_ms":1,"left":2}"#,
        CopiesShutOut {} => r#"{"code":"copies_shut_out"}"#,
        OutboxEmpty {} => r#"{"code":"outbox_empty"}"#,
        OutboxUnderWay { messages: 1 } => r#"{"code":"outbox_under_way","messages":1}"#,
        OutboxRefused {
            messages: 2,
            waiting: 1,
            obstacles: vec![Obstacle { reason: ObstacleReason::Full, keepers: 5 }],
        } => concat!(
            r#"{"code":"outbox_refused","messages":2,"waiting":1,"#,
            r#""obstacles":[{"reason":"full","keepers":5}]}"#,
        ),
        OutboxTooDear { messages: 2, waiting: 1, effort: 256, allowed: 128 }
            => r#"{"code":"outbox_too_dear","messages":2,"waiting":1,"effort":256,"allowed":128}"#,
        BackupNone {} => r#"{"code":"backup_none"}"#,
        BackupMade { at_ms: 1 } => r#"{"code":"backup_made","at_ms":1}"#,
        BackupFailed { at_ms: None, failed_ms: 2, why: text("x") }
            => r#"{"code":"backup_failed","at_ms":null,"failed_ms":2,"why":"x"}"#,
    });
}

#[test]
fn no_two_codes_are_the_same() {
    let messages = message_codes();
    let codes = State::CODES.iter().copied();
    let all: Vec<&str> = codes
        .chain(messages.iter().map(|(_, code)| *code))
        .collect();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
    let subject_of = |code: &str| code.split('_').next().unwrap_or_default().to_owned();
    for state in [
        State::NetworkAlone,
        State::ReachOff,
        State::CardUnpublished,
        State::MailboxesUnwatched,
        State::KeeperOff,
        State::AccountOpen { recovered_ms: None },
        State::OutboxEmpty,
        State::BackupNone,
    ] {
        // A code begins with what it is about, so that it stays the only one.
        let subject = serde_json::to_string(&state.subject()).unwrap();
        assert_eq!(subject, format!("\"{}\"", subject_of(state.code())));
    }
}

fn message_codes() -> Vec<(MessageCode, &'static str)> {
    vec![
        (MessageCode::Stamping, "message_stamping"),
        (MessageCode::Unplaced, "message_unplaced"),
        (MessageCode::Placing, "message_placing"),
        (MessageCode::TooDear, "message_too_dear"),
        (MessageCode::Refused, "message_refused"),
        (MessageCode::Stored, "message_stored"),
        (MessageCode::StoredFew, "message_stored_few"),
        (MessageCode::StoredOutdated, "message_stored_outdated"),
        (MessageCode::Delivered, "message_delivered"),
        (MessageCode::Expired, "message_expired"),
    ]
}

#[test]
fn what_keeps_a_store_from_taking_anything_in() {
    contract!(StoreTrouble {
        DiskFull {} => r#"{"code":"disk_full"}"#,
        DiskFailed { why: text("x") } => r#"{"code":"disk_failed","why":"x"}"#,
        Damaged { why: text("x") } => r#"{"code":"damaged","why":"x"}"#,
        Ended {} => r#"{"code":"ended"}"#,
    });
}

#[test]
fn names_of_message_states() {
    contract!(MessageCode {
        Stamping {} => r#""message_stamping""#,
        Unplaced {} => r#""message_unplaced""#,
        Placing {} => r#""message_placing""#,
        TooDear {} => r#""message_too_dear""#,
        Refused {} => r#""message_refused""#,
        Stored {} => r#""message_stored""#,
        StoredFew {} => r#""message_stored_few""#,
        StoredOutdated {} => r#""message_stored_outdated""#,
        Delivered {} => r#""message_delivered""#,
        Read {} => r#""message_read""#,
        Recalled {} => r#""message_recalled""#,
        Expired {} => r#""message_expired""#,
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
        OtherNetwork {} => r#""other_network""#,
    });
    contract!(ObstacleReason {
        Malformed {} => r#""malformed""#,
        TooLarge {} => r#""too_large""#,
        Expired {} => r#""expired""#,
        Lifetime {} => r#""lifetime""#,
        Stamp {} => r#""stamp""#,
        Capability {} => r#""capability""#,
        Signature {} => r#""signature""#,
        Sequence {} => r#""sequence""#,
        Epoch {} => r#""epoch""#,
        Clock {} => r#""clock""#,
        Full {} => r#""full""#,
        Busy {} => r#""busy""#,
        Unavailable {} => r#""unavailable""#,
        NoAnswer {} => r#""no_answer""#,
    });
    contract!(Subject {
        Network {} => r#""network""#,
        Reach {} => r#""reach""#,
        Entries {} => r#""entries""#,
        Card {} => r#""card""#,
        Mailboxes {} => r#""mailboxes""#,
        Keeper {} => r#""keeper""#,
        Account {} => r#""account""#,
        Clock {} => r#""clock""#,
        Copies {} => r#""copies""#,
        Outbox {} => r#""outbox""#,
        Backup {} => r#""backup""#,
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
        Account {} => r#""account""#,
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
        effort_asked: Some(6),
        code: MessageCode::StoredFew,
        obstacles: vec![Obstacle {
            reason: ObstacleReason::Full,
            keepers: 1,
        }],
        next_try_ms: Some(6),
    }
}

fn message(body: Vec<u8>) -> InboxMessage {
    let (text, base64) = InboxMessage::body(body);
    InboxMessage {
        id: "m".to_owned(),
        from: "b".to_owned(),
        known_as: Some("c".to_owned()),
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

fn said() -> HistoryMessage {
    HistoryMessage {
        id: text("m"),
        own: true,
        sent_ms: 1,
        received_ms: 2,
        expires_ms: 3,
        burn_ms: Some(4),
        read_ms: Some(5),
        code: Some(MessageCode::Read),
        text: Some(Redacted(text("Hi"))),
        base64: None,
        file_name: None,
        reply_to: Some(text("n")),
        edited_ms: Some(6),
        recalled_ms: None,
        unknown: false,
        reactions: vec![ReactionInfo {
            own: true,
            emoji: text("+"),
        }],
    }
}

fn contact() -> ContactInfo {
    ContactInfo {
        id: text("b"),
        other_ids: vec![text("c")],
        petname: Some(text("Bob")),
        state: ContactState::Accepted,
        verified: true,
        fingerprint: None,
        added_ms: 1,
        last_seen_ms: Some(2),
        ttl_ms: None,
        burn_ms: None,
        tells_read: false,
        muted: false,
        pinned: false,
    }
}

fn load() -> KeeperLoad {
    KeeperLoad {
        waiting: 1,
        waiting_bytes: 2,
        waiting_sources: 3,
        ready: 4,
        store_ops: 5,
        subscriptions: 6,
        rates: 7,
        depositors: 8,
        strangers: 9,
    }
}

const fn traffic() -> Traffic {
    Traffic {
        sent_bytes: 1,
        received_bytes: 2,
    }
}

fn written() -> BackupInfo {
    BackupInfo {
        path: text("/b"),
        made_ms: 1,
        bytes: 2,
        messages: 3,
        contacts: 4,
        unreadable: 5,
    }
}

fn backup() -> BackupStatus {
    BackupStatus {
        folder: text("/f"),
        last_ms: Some(1),
        failed_ms: Some(2),
        failed_why: Some(text("x")),
        next_ms: Some(3),
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
            read_only: Some(StoreTrouble::DiskFull),
            recovered_ms: Some(11),
            refusals: BTreeMap::from([(text("full"), 7)]),
            load: load(),
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
            effort_asked: Some(4),
            code: MessageCode::Placing,
            obstacles: Vec::new(),
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
        card_effort_asked: Some(256),
        stamp_effort_max: 128,
        account_read_only: None,
        account_recovered_ms: Some(12),
        account_lost: 1,
        clock: Some(ClockInfo::Unconfirmed),
        copy: Some(CopyInfo::default()),
        backup: Some(backup()),
        network_load: NetworkLoad {
            connections: 1,
            queued_bytes: 2,
            queued_bytes_max: 3,
        },
        entry_points: vec![EntryPoint {
            address: text("/e"),
            state: EntryPointState::NoAnswer,
        }],
        invite: vec![text("/x/p2p/y")],
        states: vec![State::CardUnpublished],
        traffic: BTreeMap::from([(text("lookup"), traffic())]),
        uptime_ms: 10,
    }
}
