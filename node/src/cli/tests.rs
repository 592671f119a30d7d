//! What people type and read.

use std::collections::BTreeMap;

use clap::{Command as Clap, CommandFactory};
use proptest::prelude::*;
use restante_interface::*;

use super::args::Arguments;
use super::doctor::Report;
use super::terminal::{align, escape, escape_json, escape_line, relative};
use super::words::Check;
use super::*;
use crate::config::ConfigErrors;
use crate::control::client::CallError;
use crate::home::HomeError;

/// Calls `visit` for a command and every command below it.
fn walk(command: &mut Clap, path: &str, visit: &mut impl FnMut(&str, &mut Clap)) {
    visit(path, command);
    for below in command.get_subcommands_mut() {
        // Put in by the library once a help text is drawn.
        if below.get_name() != "help" {
            let path = format!("{path} {}", below.get_name());
            walk(below, &path, visit);
        }
    }
}

#[test]
fn the_definitions_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_an_example_that_parses() {
    let mut commands = Vec::new();
    walk(
        &mut Arguments::command(),
        "restante",
        &mut |path, command| {
            let help = command.render_long_help().to_string();
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(about.len() > 10, "{path} says nothing about itself");
            let (_, example) = help
                .split_once("Example:\n")
                .expect("an example in every help text");
            let lines: Vec<_> = example
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty())
                .map(str::to_owned)
                .collect();
            assert!(
                lines.iter().any(|line| line.contains(path)),
                "{path} is not in its example"
            );
            for line in lines {
                parses(&line);
            }
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{path}: {} has no help",
                    argument.get_id()
                );
            }
            commands.push(path.to_owned());
        },
    );
    for expected in [
        "demo",
        "init",
        "run",
        "id",
        "send",
        "inbox",
        "contact",
        "contact add",
        "contact list",
        "contact accept",
        "contact block",
        "contact verify",
        "status",
        "doctor",
        "holdings",
        "completions",
    ] {
        assert!(
            commands.contains(&format!("restante {expected}")),
            "{expected} is missing"
        );
    }
}

/// Checks that a line of an example is one this program takes.
fn parses(line: &str) {
    let line = line.split("  #").next().unwrap().trim_end();
    let command = line.rsplit("| ").next().unwrap();
    let command = command.split(" >").next().unwrap().trim_end_matches(" &");
    let (plain, quoted) = command.split_once('"').unwrap_or((command, ""));
    let mut words: Vec<_> = plain.split_whitespace().map(str::to_owned).collect();
    words.extend(quoted.strip_suffix('"').map(str::to_owned));
    if let Err(error) = Arguments::command().try_get_matches_from(words) {
        panic!("{line}: {error}");
    }
}

#[test]
fn home_and_pass_phrase_are_taken_before_and_behind_the_command() {
    for line in [
        "restante --home /h --passphrase-file /p inbox",
        "restante inbox --home /h --passphrase-file /p",
        "restante contact list --home /h --passphrase-file /p",
    ] {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(arguments.common.home.unwrap().to_str(), Some("/h"));
        assert_eq!(
            arguments.common.passphrase_file.unwrap().to_str(),
            Some("/p")
        );
    }
}

#[test]
fn the_contract_of_arguments() {
    let taken = [
        "send a.7kq2-m9xw-3fhd one two --ttl 6d --burn 30s --json --wait",
        "send a.7kq2-m9xw-3fhd -",
        "send a.7kq2-m9xw-3fhd --file /x",
        "send a.7kq2-m9xw-3fhd -- --ttl",
        "inbox --json --wait 10 --all",
        "run --print-config --listen /a --listen /b",
        "id --json",
        "completions zsh",
    ];
    for line in taken {
        let words = ["restante"].into_iter().chain(line.split(' '));
        Arguments::try_parse_from(words).unwrap();
    }
    let refused = [
        "",
        "dance",
        "send",
        "send a.7kq2-m9xw-3fhd",
        "send a.7kq2-m9xw-3fhd text --file /x",
        "send a.7kq2-m9xw-3fhd --unknown text",
        "inbox --wait -1",
        "inbox --wait soon",
        "id --json --qr",
        "init",
        "contact",
        "completions tcsh",
    ];
    for line in refused {
        let words = ["restante"].into_iter().chain(line.split_whitespace());
        let error = Arguments::try_parse_from(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn who_is_checked_before_anybody_is_asked() {
    for text in [
        "bob.7kq2-m9xw-3fhd",
        " bob.7kq2-m9xw-3fhd\n",
        "restante:bob.7kq2-m9xw-3fhd?k=abc",
        "restante:bob.7kq2-m9xw-3fhd",
    ] {
        assert_eq!(check::who(text).unwrap(), text.trim());
    }
    let long = "a".repeat(100_000);
    for text in [
        "",
        "bob",
        "bob.",
        "bob.7kq2",
        "bob.7kq2-m9xw-3fhu",
        "\u{1b}[2J",
        &long,
    ] {
        let failure = check::who(text).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.len() < 300, "{}", failure.message);
        assert!(!failure.message.contains('\u{1b}'), "{}", failure.message);
        assert!(!failure.hint.is_empty());
    }
}

#[test]
fn times_and_bodies_are_checked_before_anybody_is_asked() {
    assert_eq!(check::ttl_ms("30d"), Ok(2_592_000_000));
    for text in ["0s", "0", "31d", "-1d", "soon", ""] {
        assert_eq!(check::ttl_ms(text).unwrap_err().exit, Exit::Usage, "{text}");
    }
    assert_eq!(check::burn_ms("30s"), Ok(30_000));
    for text in ["0s", "soon"] {
        assert_eq!(
            check::burn_ms(text).unwrap_err().exit,
            Exit::Usage,
            "{text}"
        );
    }
    assert_eq!(check::body(vec![7; 61_440], "it").unwrap().len(), 61_440);
    for length in [0, 61_441] {
        let failure = check::body(vec![7; length], "it").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{length}");
    }
}

#[test]
fn a_terminal_is_not_moved_by_other_peoples_words() {
    let cases = [
        ("plain text", "plain text"),
        ("two\nlines", "two\nlines"),
        ("tab\tbed", "tab bed"),
        ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
        ("back\u{8}\r\u{9b}31m", "back\\u{8}\\u{d}\\u{9b}31m"),
        ("abc\u{202e}cba", "abc\\u{202e}cba"),
        (
            "\u{1f468}\u{200d}\u{1f469} \u{e9}",
            "\u{1f468}\u{200d}\u{1f469} \u{e9}",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(escape(text), expected);
    }
    assert_eq!(escape_line("two\nlines"), "two\\nlines");
}

#[test]
fn rows_are_aligned() {
    let rows = [vec!["a", "bb", "c"], vec!["aaa", "b"], vec![]];
    let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
    assert_eq!(align(&rows), ["a    bb  c", "aaa  b", ""]);
}

#[test]
fn moments_are_told_from_now() {
    let now = 1_000_000_000;
    let cases = [
        (now, "now"),
        (now - 999, "now"),
        (now - 61_000, "1 min 1 s ago"),
        (now + 500, "in less than 1 s"),
        (now + 517_000_000, "in 5 d 23 h"),
    ];
    for (moment, expected) in cases {
        assert_eq!(relative(now, moment), expected);
    }
}

#[test]
fn a_message_cannot_pass_for_a_heading_or_reach_the_terminal() {
    let body = b"hi\x1b]0;x\x07\nfrom alice.7kq2-m9xw-3fhd, sent now\n".to_vec();
    let (text, base64) = InboxMessage::body(body);
    let message = InboxMessage {
        id: "00".into(),
        from: "bob.7kq2-m9xw-3fhd".into(),
        contact: false,
        read: false,
        received_ms: 0,
        sent_ms: 0,
        expires_ms: 517_000_000,
        burn_ms: Some(30_000),
        text,
        base64,
        file_name: Some("a\nb\u{1b}.txt".into()),
    };
    let lines = inbox::describe(&message, 0);
    assert_eq!(
        lines,
        [
            "from bob.7kq2-m9xw-3fhd (a stranger: `restante contact accept` or `block`), \
             sent now, expires in 5 d 23 h, burns 30 s after reading",
            "  [file a\\nb\\u{1b}.txt]",
            "  hi\\u{1b}]0;x\\u{7}",
            "  from alice.7kq2-m9xw-3fhd, sent now",
        ]
    );
}

fn outbox() -> Vec<OutboxEntry> {
    let waiting = OutboxEntry {
        message_id: "0123456789abcdef0123".into(),
        to: "bob.7kq2-m9xw-3fhd".into(),
        state: DeliveryState::Waiting,
        stored_with: 1,
        stored_of: 5,
        until_ms: 86_400_000,
        attempts: 1,
        next_try_ms: Some(30_000),
    };
    let delivered = OutboxEntry {
        message_id: "fedcba98765432100123".into(),
        state: DeliveryState::Delivered,
        stored_with: 0,
        stored_of: 0,
        next_try_ms: None,
        ..waiting.clone()
    };
    vec![waiting, delivered]
}

fn entry_points() -> Vec<EntryPoint> {
    let entry = |address: &str, state| EntryPoint {
        address: address.into(),
        state,
    };
    vec![
        entry("/dns4/a.example.org/tcp/1", EntryPointState::Reached),
        entry("/dns4/b.example.org/tcp/1", EntryPointState::NameUnresolved),
    ]
}

#[test]
fn json_says_the_same_without_what_terminals_act_upon() {
    let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}b\u{e0001}\n\u{e9}\u{1f469}\u{200d}\u{1f680}";
    let json = serde_json::to_string(text).unwrap();
    let escaped = escape_json(&json);
    assert_eq!(escape(&escaped), escaped);
    assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
    assert!(
        escaped.contains("\\u009b") && escaped.contains("\\u007f") && escaped.contains("\u{e9}")
    );
}

#[test]
fn what_was_typed_is_shown_safely() {
    let error = Arguments::command()
        .try_get_matches_from(["restante", "\u{1b}]0;x\u{7}"])
        .unwrap_err();
    let shown = escape(&error.render().to_string());
    assert!(shown.contains("\\u{1b}]0;x\\u{7}"), "{shown}");
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

#[test]
fn status_for_people() {
    let mut info = StatusInfo {
        id: "alice.7kq2-m9xw-3fhd".into(),
        network: "main".into(),
        mode: NodeMode::Server,
        peers: 12,
        routing_table: 40,
        listen: vec!["/ip4/192.0.2.1/tcp/1/p2p/x".into()],
        errors: Default::default(),
        keeper: KeeperStatus {
            items: 3,
            bytes: 6_144,
            cap_bytes: 1 << 30,
            read_only: Some("the disk is full".into()),
            repair: RepairStatus {
                partners: 9,
                copied: 2,
                ..RepairStatus::default()
            },
            ..KeeperStatus::default()
        },
        outbox: outbox(),
        outbox_count: 3,
        mailboxes: MailboxStatus {
            watched: 4,
            subscribed: 2,
        },
        unread: 0,
        card_published_ms: None,
        account_read_only: Some("the disk failed".into()),
        network_load: Default::default(),
        traffic: traffic(),
        entry_points: entry_points(),
        uptime_ms: 61_000,
    };
    let person = [
        "id          alice.7kq2-m9xw-3fhd",
        "network     main",
        "mode        server: keeps items for others",
        "up          1 min 1 s",
        "peers       12 connected, 40 known",
        "listens at  /ip4/192.0.2.1/tcp/1/p2p/x",
        "entry       /dns4/b.example.org/tcp/1: its name does not resolve",
        "traffic     about 576.3 KiB an hour: keep alive 50%, lookup 30%, list 10%, get 9%",
        "keeps       3 items, 6 KiB of 1 GiB; shared with 9 keepers, 2 copied from them; \
         takes no new ones: the disk is full",
        "mailboxes   2 of 4 subscribed",
        "card        not published yet: nobody can find you by your ID",
        "account     takes nothing in any more: the disk failed; restart the node once the disk is in order",
        "unread      0",
        "under way   3 messages",
        "  0123456789abcdef  to bob.7kq2-m9xw-3fhd  waiting, with 1 of 5  expires in 1 d  \
         offered again in 30 s",
        "  and 2 more",
        "sent before",
        "  fedcba9876543210  to bob.7kq2-m9xw-3fhd  delivered",
    ];
    assert_eq!(status::describe(&info, 0), person);
    info.id.clear();
    (info.outbox, info.outbox_count) = (Vec::new(), 0);
    assert_eq!(status::describe(&info, 0), person[1..9]);
}

#[test]
fn what_the_doctor_found_for_people() {
    let report = Report {
        checks: vec![
            Check::ok("disk", "1 GiB free"),
            Check::warn("clock", "odd\nline", "set it"),
            Check::fail("home", "gone", "make one"),
        ],
    };
    assert_eq!(
        serde_json::to_string(&report.checks[1]).unwrap(),
        r#"{"name":"clock","verdict":"warn","detail":"odd\nline","fix":"set it"}"#
    );
    let lines = doctor::describe(&report);
    let expected = [
        "ok    disk   1 GiB free",
        "look  clock  odd\\nline; set it",
        "FAIL  home   gone; make one",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn failures_map_to_exit_codes() {
    let id = || "bob.7kq2-m9xw-3fhd".to_owned();
    let cases: Vec<(Failure, Exit)> = vec![
        (HomeError::Missing("/x".into()).into(), Exit::Usage),
        (
            HomeError::InUse {
                path: "/x".into(),
                pid: Some(7),
            }
            .into(),
            Exit::Failed,
        ),
        (
            crate::passphrase::PassphraseError::NoTerminal.into(),
            Exit::Usage,
        ),
        (ConfigErrors(Vec::new()).into(), Exit::Usage),
        (CallError::NotRunning.into(), Exit::Failed),
        (CallError::Ended.into(), Exit::Failed),
        (CallError::Refused(Refusal::OwnId).into(), Exit::Usage),
        (Refusal::NoAccount.into(), Exit::Usage),
        (Refusal::UnknownId { id: id() }.into(), Exit::Failed),
        (Refusal::StaleKeys { id: id() }.into(), Exit::Failed),
        (Refusal::Offline.into(), Exit::Failed),
    ];
    for (failure, exit) in cases {
        assert_eq!(failure.exit, exit, "{failure:?}");
    }
    assert_eq!(
        [Exit::Done, Exit::Failed, Exit::Usage].map(Exit::code),
        [0, 1, 2]
    );
}

#[test]
fn the_cause_is_named_once_and_the_home_is_in_the_hint() {
    let source = io::Error::from(io::ErrorKind::StorageFull);
    let path = "/x/unlock".into();
    let failure = Failure::from(HomeError::Io {
        doing: "write",
        path,
        source,
    });
    assert_eq!(failure.message, "cannot write /x/unlock: no storage space");
    assert_eq!(failure.hint, "make room on the disk and try again");
    let busy = Failure::from(HomeError::InUse {
        path: "/x".into(),
        pid: Some(7),
    });
    assert_eq!(busy.message, "a node is running on /x already (process 7)");
}

proptest! {
    #[test]
    fn nothing_escaped_controls_a_terminal(text in "\\PC{0,20}\\pC{0,20}") {
        let escaped = escape(&text);
        prop_assert!(escaped.chars().all(|character| character == '\n' || !character.is_control()));
        prop_assert!(!escape_line(&text).contains('\n'));
    }

    #[test]
    fn any_two_moments_have_words(now: u64, moment: u64) {
        prop_assert!(!relative(now, moment).is_empty());
    }
}
