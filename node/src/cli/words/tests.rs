//! Every code has words.

use super::*;

/// Returns a list of values that names every variant, or does not compile.
macro_rules! every {
    ($type:ident { $($variant:ident { $($field:tt)* },)* }) => {{
        let _every_variant_is_listed = |value: &$type| match value {
            $($type::$variant { .. } => (),)*
        };
        vec![$($type::$variant { $($field)* }),*]
    }};
}

fn every_refusal() -> Vec<Refusal> {
    let id = || "bob.7kq2-m9xw-3fhd".to_owned();
    let why = || "that is why".to_owned();
    let mut refusals = every!(Refusal {
        InvalidId { text: "Bob".to_owned(), why: why() },
        InvalidLifetime { max_ms: 2_592_000_000 },
        TooLong { max_bytes: 61_440 },
        OwnId {},
        NoAccount {},
        InvalidParameter { name: "after".to_owned() },
        Version { node: 2, command: 1 },
        Malformed { why: why() },
        UnknownId { id: id() },
        UnusableCard { id: id(), why: why() },
        LinkMismatch { id: id() },
        NotAContact { id: id() },
        Terminated { id: id() },
        Blocked { id: id() },
        StaleKeys { id: id() },
        MessageGone {},
        Offline {},
        OutboxFull { waiting: 1_000 },
        ContactsFull { max: 10_000 },
        Busy { max: 32 },
        NotStored { what: Stored::Message },
        NotRead { what: Stored::Inbox },
        TimedOut {},
        Stopping {},
        Internal { why: why() },
    });
    let stored = every!(Stored { Message {}, Contact {}, ReadMarks {}, Inbox {}, Holdings {}, });
    for what in stored {
        refusals.push(Refusal::NotStored { what });
        refusals.push(Refusal::NotRead { what });
    }
    refusals
}

fn every_examined() -> Vec<Examined> {
    let why = || "the disk is full".to_owned();
    let mut examined = every!(Examined {
        Network { peers: 3, keepers: 2 },
        ServerNetwork { peers: 3, keepers: 2 },
        EntryPoints {
            failed: vec![EntryPoint {
                address: "/e".into(),
                state: EntryPointState::NoAnswer,
            }],
            of: 2,
        },
        Card { published_ms: Some(1), effort_asked: None },
        Work { messages: 1, effort_asked: 256, effort_max: 128 },
        Mailboxes { watched: 4, subscribed: 2 },
        Keeper { items: 5, stopped: None },
        Account { stopped: why() },
    });
    examined.extend([
        Examined::Network {
            peers: 0,
            keepers: 0,
        },
        Examined::ServerNetwork {
            peers: 0,
            keepers: 0,
        },
        Examined::Card {
            published_ms: None,
            effort_asked: None,
        },
        Examined::Card {
            published_ms: None,
            effort_asked: Some(256),
        },
        Examined::Mailboxes {
            watched: 4,
            subscribed: 0,
        },
        Examined::Keeper {
            items: 5,
            stopped: Some(why()),
        },
    ]);
    examined
}

/// Checks a message by the rules for all of them.
#[track_caller]
fn is_message(text: &str) {
    assert!(!text.is_empty());
    assert!(!text.starts_with(char::is_uppercase), "{text}");
    assert!(!text.ends_with(['.', '!', '?', ' ']), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[track_caller]
fn is_hint(text: &str) {
    if !text.is_empty() {
        is_message(text);
    }
}

#[test]
fn every_refusal_says_what_happened_and_what_to_do() {
    let unhinted = [Refusal::OwnId, Refusal::MessageGone, Refusal::Stopping];
    for code in every_refusal() {
        let (message, hint) = refusal(&code);
        is_message(&message);
        is_hint(&hint);
        assert_eq!(hint.is_empty(), unhinted.contains(&code), "{code:?}");
    }
}

#[test]
fn no_two_refusals_say_the_same() {
    let mut messages: Vec<(String, Refusal)> = every_refusal()
        .into_iter()
        .map(|code| (refusal(&code).0, code))
        .collect();
    messages.sort_by(|one, other| one.0.cmp(&other.0));
    messages.dedup_by(|one, other| one == other);
    for pair in messages.windows(2) {
        assert_ne!(pair[0].0, pair[1].0);
    }
}

#[test]
fn facts_of_a_refusal_are_in_its_words() {
    let cases = [
        (
            Refusal::InvalidId {
                text: "\u{1b}x".repeat(100),
                why: "no tag".to_owned(),
            },
            format!("\"{}\" is not an ID: no tag", "\\u{1b}x".repeat(32)),
            "copy it from the other person's `restante id`",
        ),
        (
            Refusal::InvalidLifetime {
                max_ms: 2_592_000_000,
            },
            "a message lives between one second and 30 d".to_owned(),
            "choose another --ttl",
        ),
        (
            Refusal::Blocked {
                id: "bob.7kq2-m9xw-3fhd".to_owned(),
            },
            "bob.7kq2-m9xw-3fhd is blocked".to_owned(),
            "unblock with `restante contact accept bob.7kq2-m9xw-3fhd`",
        ),
        (
            Refusal::Version {
                node: 2,
                command: 1,
            },
            "the command speaks version 1 of the local interface, the running node 2".to_owned(),
            "restart the node with the same version of restante",
        ),
        (
            Refusal::NotRead {
                what: Stored::Holdings,
            },
            "what is kept for others cannot be read from the disk".to_owned(),
            "run `restante doctor`, then restart the node",
        ),
    ];
    for (code, message, hint) in cases {
        assert_eq!(refusal(&code), (message, hint.to_owned()));
    }
}

#[test]
fn every_finding_has_a_detail_and_a_fix_where_one_is_due() {
    for what in every_examined() {
        for verdict in every!(Verdict { Ok {}, Warn {}, Fail {}, }) {
            let check = finding(&Finding {
                verdict,
                what: what.clone(),
            });
            is_message(&check.detail);
            is_hint(&check.fix);
            assert_eq!(check.verdict, verdict);
            assert_eq!(check.fix.is_empty(), verdict == Verdict::Ok, "{check:?}");
            assert!(
                check.name.chars().all(|c| c.is_ascii_lowercase()),
                "{check:?}"
            );
        }
    }
}

#[test]
fn every_note_is_a_sentence() {
    let result = SendResult {
        message_id: "0123456789abcdef0123".to_owned(),
        state: DeliveryState::Waiting,
        stored_with: 2,
        stored_of: 4,
        until_ms: 0,
        effort_asked: Some(256),
        note: None,
    };
    for code in every!(SendNote {
        NoKeeperYet {},
        TooFewKeepers {},
        MoreWorkAsked {},
        SmallNetwork {},
    }) {
        is_message(&note(code, &result));
    }
    assert_eq!(
        note(SendNote::SmallNetwork, &result),
        "the network is small: 4 keepers are in reach"
    );
    let dear = note(SendNote::MoreWorkAsked, &result);
    assert!(
        dear.contains("(effort 256)") && dear.contains("--effort 256"),
        "{dear}"
    );
    assert!(standing(&result).contains("ask for more work"));
}

#[test]
fn every_state_of_a_message_is_told() {
    let states = every!(DeliveryState { Waiting {}, Stored {}, Delivered {}, Expired {}, });
    for (state, word) in states
        .into_iter()
        .zip(["asked", "stored", "delivered", "expired"])
    {
        let line = standing(&SendResult {
            message_id: "0123456789abcdef0123".to_owned(),
            state,
            stored_with: 2,
            stored_of: 5,
            until_ms: 0,
            effort_asked: None,
            note: None,
        });
        is_message(&line);
        assert!(line.contains(word), "{line}");
        assert!(line.starts_with("message 0123456789abcdef "), "{line}");
    }
}
