//! Every code has words.

use restante_interface::{EntryPoint, MessageCode, Obstacle, ObstacleReason, StoreTrouble};

use super::*;
use crate::fixture::refusals::{every, every_refusal};

/// Every state, with facts as they come, and as they must not be believed.
#[expect(clippy::too_many_lines, reason = "one list, an entry for each state")]
fn every_state() -> Vec<State> {
    let at = || vec!["/ip4/8.8.8.8/tcp/1".to_owned()];
    let entries = |count| {
        vec![
            EntryPoint {
                address: "/e".into(),
                state: EntryPointState::NoAnswer
            };
            count
        ]
    };
    let full = |keepers| {
        vec![Obstacle {
            reason: ObstacleReason::Full,
            keepers,
        }]
    };
    let mut states = every!(State {
        NetworkAlone {},
        NetworkJoining { peers: 1 },
        NetworkFirst { peers: 2 },
        NetworkPrivate { peers: 1 },
        NetworkSmall { peers: 3, keepers: 1 },
        NetworkJoined { peers: 3, keepers: 12 },
        ReachOff {},
        ReachLocal {},
        ReachClient {},
        ReachUnknown {},
        ReachPrivate { addresses: at() },
        ReachClaimed { addresses: at() },
        ReachConfirmed { addresses: at() },
        ReachPartial { addresses: at(), refuted: at() },
        ReachRefuted { refuted: at(), seen_from: vec!["9.9.9.9".into()] },
        EntriesUnset {},
        EntriesUsable { of: 1 },
        EntriesFailed { failed: entries(2), of: 2, retry_in_ms: 40_000 },
        EntriesFailedSome { failed: entries(1), of: 2 },
        CardUnpublished {},
        CardTooDear { at_ms: None, effort: 512, allowed: 128 },
        CardPublished { at_ms: 1 },
        MailboxesUnwatched {},
        MailboxesDeaf { watched: 4 },
        MailboxesOwn { watched: 4 },
        MailboxesPartly { watched: 4, subscribed: 2 },
        MailboxesHeard { watched: 4 },
        KeeperOff {},
        KeeperOpen { items: 1, bytes: 2_048, cap_bytes: 1 << 30, recovered_ms: None },
        KeeperStopped { items: 5, trouble: StoreTrouble::DiskFull },
        AccountOpen { recovered_ms: None },
        AccountLost { messages: 2 },
        AccountStopped { trouble: StoreTrouble::DiskFull },
        ClockSure {},
        ClockUnconfirmed {},
        ClockContradicted { ahead_ms: 7_200_000, keepers: 3 },
        ClockBeforeDisk { behind_ms: 7_200_000 },
        CopiesUnknown { left: 1 },
        CopiesNewest { others: 1 },
        CopiesRenewed { at_ms: 1, left: 2 },
        CopiesShutOut {},
        OutboxEmpty {},
        OutboxUnderWay { messages: 1 },
        OutboxRefused { messages: 3, waiting: 1, obstacles: full(5) },
        OutboxTooDear { messages: 3, waiting: 1, effort: 256, allowed: 128 },
        BackupNone {},
        BackupMade { at_ms: 1 },
        BackupFailed { at_ms: None, failed_ms: 1, why: "no such folder".into() },
    });
    states.extend([
        State::NetworkJoining { peers: 0 },
        State::ReachRefuted {
            refuted: at(),
            seen_from: Vec::new(),
        },
        State::ReachPartial {
            addresses: Vec::new(),
            refuted: at(),
        },
        State::EntriesFailed {
            failed: entries(6),
            of: 5,
            retry_in_ms: 1_000,
        },
        State::MailboxesPartly {
            watched: 5,
            subscribed: 6,
        },
        State::KeeperOpen {
            items: 2,
            bytes: 6 << 30,
            cap_bytes: 5 << 30,
            recovered_ms: Some(1_000),
        },
        State::AccountOpen {
            recovered_ms: Some(1_000),
        },
        State::CopiesNewest { others: 0 },
        State::BackupFailed {
            at_ms: Some(1),
            failed_ms: 2,
            why: "no such folder".into(),
        },
        State::CardTooDear {
            at_ms: Some(1),
            effort: 512,
            allowed: 128,
        },
        State::OutboxTooDear {
            messages: 5,
            waiting: 6,
            effort: 256,
            allowed: 128,
        },
        State::OutboxRefused {
            messages: 5,
            waiting: 6,
            obstacles: Vec::new(),
        },
    ]);
    states
}

fn every_message_code() -> Vec<MessageCode> {
    every!(MessageCode {
        Stamping {},
        Unplaced {},
        Placing {},
        TooDear {},
        Refused {},
        Stored {},
        StoredFew {},
        StoredOutdated {},
        Delivered {},
        Read {},
        Recalled {},
        Expired {},
    })
}

fn every_obstacle() -> Vec<Obstacle> {
    let reasons = every!(ObstacleReason {
        Malformed {},
        TooLarge {},
        Expired {},
        Lifetime {},
        Stamp {},
        Capability {},
        Signature {},
        Sequence {},
        Epoch {},
        Clock {},
        Full {},
        Busy {},
        Unavailable {},
        NoAnswer {},
    });
    let keepers = 2;
    let obstacle = |reason| Obstacle { reason, keepers };
    reasons.into_iter().map(obstacle).collect()
}

/// Checks that no sentence counts more than there is, such as "6 of 5".
#[track_caller]
fn counts_rightly(text: &str) {
    let words: Vec<&str> = text.split([' ', ',', ';', ':']).collect();
    for window in words.windows(3).filter(|window| window[1] == "of") {
        if let (Ok(with), Ok(of)) = (window[0].parse::<u64>(), window[2].parse::<u64>()) {
            assert!(with <= of, "{text}");
            assert!(of > 0, "{text}");
        }
    }
    // Sizes have their unit between.
    for window in words.windows(5).filter(|window| window[2] == "of") {
        let [with, unit, _, of, other] = window else {
            continue;
        };
        if let (Ok(with), Ok(of), true) = (with.parse::<u64>(), of.parse::<u64>(), unit == other) {
            assert!(with <= of, "{text}");
        }
    }
    for wrong in [
        "1 keepers",
        "1 nodes",
        "1 messages",
        "1 items",
        "1 entry points",
    ] {
        assert!(
            !text
                .split([' ', ','])
                .collect::<Vec<_>>()
                .join(" ")
                .contains(&format!(" {wrong}")),
            "{text}"
        );
        assert!(!text.starts_with(wrong), "{text}");
    }
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
            "`restante doctor` says why; try again when that is over",
        ),
    ];
    for (code, message, hint) in cases {
        assert_eq!(refusal(&code), (message, hint.to_owned()));
    }
}

#[test]
fn what_waits_for_a_clock_that_is_wrong_says_so() {
    let wrong = State::ClockContradicted {
        ahead_ms: 7_200_000,
        keepers: 3,
    };
    let all = [State::CardUnpublished, wrong.clone()];
    assert!(finding(&all[0], &all).fix.contains("clock"));
    assert!(!finding(&all[0], &[]).fix.contains("clock"));
    assert_eq!(finding(&wrong, &all).fix, fix(&wrong));
}

#[test]
fn every_state_has_one_code_one_sentence_and_a_fix_where_one_is_due() {
    let mut sentences = std::collections::BTreeMap::new();
    for state in every_state() {
        let check = finding(&state, &[]);
        is_message(&check.detail);
        is_hint(&check.fix);
        counts_rightly(&check.detail);
        assert_eq!((check.code, check.verdict), (state.code(), state.verdict()));
        assert_eq!(
            check.fix.is_empty(),
            state.verdict() == Verdict::Ok,
            "{check:?}"
        );
        let json = serde_json::to_value(&state).unwrap();
        assert_eq!(json["code"], state.code());
        // No two codes share a sentence, but for what is as bad with company as alone.
        let code = state.code().trim_end_matches("_some");
        let before = sentences.insert(check.detail.clone(), code);
        assert!(
            before.is_none_or(|before| before == code),
            "{check:?} {before:?}"
        );
    }
    let said: std::collections::BTreeSet<&str> = sentences.values().copied().collect();
    for code in State::CODES {
        assert!(
            said.contains(code.trim_end_matches("_some")),
            "{code} has no sentence"
        );
    }
}

#[test]
fn every_way_a_message_stands_has_one_code_and_one_sentence() {
    let obstacles = every_obstacle();
    let mut codes = std::collections::BTreeSet::new();
    for code in every_message_code() {
        let json = serde_json::to_string(&code).unwrap();
        assert!(
            codes.insert(json.clone()) && json.starts_with("\"message_"),
            "{json}"
        );
        assert!(!State::CODES.contains(&json.trim_matches('"')), "{json}");
        for (with, of) in [
            (0, 0),
            (0, 1),
            (1, 1),
            (3, 0),
            (2, 5),
            (5, 5),
            (6, 5),
            (5, 2),
        ] {
            for obstacles in [&obstacles[..], &[]] {
                let said = message(
                    code,
                    Facts {
                        with,
                        of,
                        effort: None,
                        obstacles,
                    },
                );
                is_message(&said);
                counts_rightly(&said);
            }
        }
    }
}

#[test]
fn what_stands_in_the_way_is_named_with_its_count() {
    let mut said = std::collections::BTreeSet::new();
    for obstacle in every_obstacle() {
        let text = states::obstacles(&[obstacle]);
        assert!(text.ends_with(" at 2 keepers"), "{text}");
        assert!(said.insert(text));
    }
    let full = Obstacle {
        reason: ObstacleReason::Full,
        keepers: 5,
    };
    let silent = Obstacle {
        reason: ObstacleReason::NoAnswer,
        keepers: 1,
    };
    let facts = Facts {
        with: 0,
        of: 5,
        effort: None,
        obstacles: &[full, silent],
    };
    assert_eq!(
        message(MessageCode::Refused, facts),
        "waits with 0 of 5 keepers: no room (the recipient's mailbox there is full, or the disk) at 5 keepers, \
         no answer at 1 keeper"
    );
}

#[test]
fn what_is_said_of_a_message_that_was_sent() {
    let result = SendResult {
        message_id: "0123456789abcdef0123".to_owned(),
        state: DeliveryState::Waiting,
        stored_with: 0,
        stored_of: 5,
        until_ms: 0,
        effort_asked: None,
        code: MessageCode::Placing,
        obstacles: Vec::new(),
        next_try_ms: Some(0),
    };
    let line = standing(&result);
    is_message(&line);
    assert!(
        line.starts_with(
            "message 0123456789abcdef is with 0 of 5 keepers, others are being asked, expires "
        ),
        "{line}"
    );
    assert!(line.contains("is offered again"), "{line}");
    let dear = SendResult {
        code: MessageCode::TooDear,
        effort_asked: Some(256),
        ..result.clone()
    };
    assert!(
        standing(&dear).starts_with(
            "message 0123456789abcdef waits with 0 of 5 keepers: others ask for more work than is allowed for it \
             (effort 256), expires "
        ),
        "{}",
        standing(&dear)
    );
    let more = while_waiting(&dear);
    is_message(&more);
    assert!(more.contains("--effort 256"), "{more}");
    is_message(&while_waiting(&result));
    let over = SendResult {
        state: DeliveryState::Delivered,
        code: MessageCode::Delivered,
        ..result
    };
    assert_eq!(standing(&over), "message 0123456789abcdef is delivered");
    assert_eq!(while_waiting(&over), "");
}
