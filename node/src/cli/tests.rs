//! What people type and read.

mod status_lines;

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
        "backup",
        "restore",
        "shred",
        "passphrase",
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
        "BOB.7KQ2M9XW3FHD",
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
        assert_eq!((failure.exit, failure.code), (Exit::Usage, "invalid_id"));
        assert!(failure.message.len() < 300, "{}", failure.message);
        assert!(!failure.message.contains('\u{1b}'), "{}", failure.message);
        assert!(!failure.hint.is_empty());
    }
}

#[test]
fn what_may_be_a_name_is_the_nodes_to_find() {
    for text in ["bob", " Bob ", "B\u{f6}b the 2nd", "bob.7kq2-m9xw-3fhd"] {
        assert_eq!(check::somebody(text).unwrap(), text.trim());
    }
    for text in [
        "",
        " ",
        "bob.7kq2",
        "a\u{1b}b",
        &"b".repeat(65),
        "restante:bob",
    ] {
        assert_eq!(check::somebody(text).unwrap_err().code, "invalid_id");
    }
}

#[test]
fn times_and_bodies_are_checked_before_anybody_is_asked() {
    assert_eq!(check::ttl_ms("30d"), Ok(2_592_000_000));
    for text in ["0s", "0", "31d", "-1d", "soon", ""] {
        assert_eq!(check::ttl_ms(text).unwrap_err().exit, Exit::Usage, "{text}");
    }
    assert_eq!(check::effort("256"), Ok(256));
    for text in ["0", "4097", "-1", "much", ""] {
        assert_eq!(check::effort(text).unwrap_err().exit, Exit::Usage, "{text}");
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
        (now, "just now"),
        (now - 999, "just now"),
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
    let body = b"hi\x1b]0;x\x07\nfrom alice.7kq2-m9xw-3fhd, sent just now\n".to_vec();
    let (text, base64) = InboxMessage::body(body);
    let message = InboxMessage {
        id: "00".into(),
        from: "bob.7kq2-m9xw-3fhd".into(),
        known_as: None,
        contact: false,
        blocked: false,
        read: false,
        received_ms: 0,
        sent_ms: 0,
        expires_ms: 517_000_000,
        burn_ms: Some(30_000),
        text,
        base64,
        file_name: Some("a\nb\u{1b}.txt".into()),
        reply_to: None,
        edited_ms: None,
        unknown: false,
    };
    let lines = inbox::describe(&message, 0);
    assert_eq!(
        lines,
        [
            "from bob.7kq2-m9xw-3fhd (a stranger: `restante contact accept` or `block`), \
             sent just now, expires in 5 d 23 h, burns 30 s after reading",
            "  [file a\\nb\\u{1b}.txt]",
            "  hi\\u{1b}]0;x\\u{7}",
            "  from alice.7kq2-m9xw-3fhd, sent just now",
        ]
    );
}

#[test]
fn a_contact_under_another_id_is_told_with_both() {
    let contact = ContactInfo {
        id: "bob.7kq2-m9xw-3fhd".into(),
        other_ids: vec!["robert.0000-0000-0001".into()],
        petname: None,
        state: ContactState::Accepted,
        verified: false,
        fingerprint: None,
        added_ms: 0,
        last_seen_ms: None,
        ttl_ms: None,
        burn_ms: None,
        tells_read: false,
        muted: false,
        pinned: false,
    };
    let both = "bob.7kq2-m9xw-3fhd (also robert.0000-0000-0001)";
    assert_eq!(contact::row(&contact, 0)[0], both);
    let (text, base64) = InboxMessage::body(b"hi".to_vec());
    let message = InboxMessage {
        id: "00".into(),
        from: "robert.0000-0000-0001".into(),
        known_as: Some("bob.7kq2-m9xw-3fhd".into()),
        contact: true,
        blocked: false,
        read: false,
        received_ms: 0,
        sent_ms: 0,
        expires_ms: 517_000_000,
        burn_ms: None,
        text,
        base64,
        file_name: None,
        reply_to: None,
        edited_ms: None,
        unknown: false,
    };
    assert_eq!(
        inbox::describe(&message, 0)[0],
        "from robert.0000-0000-0001, whom you know as bob.7kq2-m9xw-3fhd, sent just now, expires in 5 d 23 h"
    );
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

#[test]
fn what_the_doctor_found_for_people() {
    let report = Report {
        checks: vec![
            Check::ok(("disk", "disk_free"), "1 GiB free"),
            Check::warn(("clock", "clock_odd"), "odd\nline", "set it"),
            Check::fail(("home", "home_gone"), "gone", "make one"),
        ],
    };
    assert_eq!(
        serde_json::to_string(&report.checks[1]).unwrap(),
        r#"{"name":"clock","code":"clock_odd","verdict":"warn","detail":"odd\nline","fix":"set it"}"#
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
fn a_failure_is_written_as_json_with_its_code() {
    let failure = Failure::from(Refusal::Offline);
    assert_eq!(
        serde_json::to_string(&failure).unwrap(),
        concat!(
            r#"{"code":"offline","message":"no keeper can be reached","#,
            r#""hint":"check the connection and `bootstrap` with `restante doctor`, then try again"}"#,
        )
    );
    let failure = Failure::failed("it did not", "").coded("odd");
    assert_eq!(
        serde_json::to_string(&failure).unwrap(),
        r#"{"code":"odd","message":"it did not","hint":""}"#
    );
}

/// Returns the addresses in a help text, each with the word before it.
fn addresses(help: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = help.split_whitespace().collect();
    let pairs = words.windows(2);
    let named = pairs.map(|pair| (pair[0], pair[1].trim_matches(['"', '.', ','])));
    let named = named.filter(|(_, word)| {
        ["/ip4/", "/ip6/", "/dns"]
            .iter()
            .any(|it| word.starts_with(it))
    });
    named
        .map(|(before, word)| (before.to_owned(), word.to_owned()))
        .collect()
}

#[test]
fn addresses_in_help_are_ones_that_a_node_accepts() {
    let mut seen = 0;
    walk(
        &mut Arguments::command(),
        "restante",
        &mut |path, command| {
            for (before, address) in addresses(&command.render_long_help().to_string()) {
                let name = match before.as_str() {
                    "--bootstrap" => "bootstrap",
                    _ if address.contains("/p2p/") => "bootstrap",
                    _ => "external",
                };
                let mut flags = crate::config::RawConfig::default();
                flags.flag(name, std::slice::from_ref(&address));
                let read = flags.resolve(&crate::config::Config::default());
                assert!(read.is_ok(), "{path}: {before} {address}: {read:?}");
                seen += 1;
            }
        },
    );
    assert!(seen >= 3, "{seen} addresses were found");
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
