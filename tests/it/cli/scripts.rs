//! What scripts read, and the names that people type.

use restante_interface::{ContactInfo, MessageCode};
use restante_tests::{Cluster, Said, Site};
use serde_json::Value;

/// Returns the code of a command that failed, which was asked for JSON.
#[track_caller]
fn code_of(said: &Said) -> String {
    assert_ne!(
        said.status.code(),
        Some(0),
        "{}: {}",
        said.command,
        said.stdout
    );
    assert_eq!(said.stdout, "", "{}", said.command);
    let error: Value = serde_json::from_str(&said.stderr)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", said.command, said.stderr));
    let error = &error["error"];
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert!(error["hint"].is_string());
    error["code"].as_str().unwrap().to_owned()
}

#[test]
fn errors_are_json_with_their_codes_where_json_is_asked_for() {
    let site = Site::new();
    let mut alice = site.person("alice");
    assert_eq!(code_of(&alice.say(&["status", "--json"])), "home_missing");
    alice.init(&[]);
    for arguments in [
        &["status", "--json"][..],
        &["doctor", "--json", "--unknown"],
        &["dance", "--json"],
    ] {
        let code = code_of(&alice.say(arguments));
        let wanted = if arguments[0] == "status" {
            "node_not_running"
        } else {
            "usage"
        };
        assert_eq!(code, wanted);
    }
    alice.run(&[]);
    let id = alice.id();
    for (arguments, code) in [
        (&["send", "nobody", "x", "--json"][..], "unknown_name"),
        (&["send", "no.body", "x", "--json"], "invalid_id"),
        (&["send", &id, "x", "--json"], "own_id"),
        (&["contact", "block", "nobody", "--json"], "unknown_name"),
        (
            &["contact", "accept", "zed.7kq2-m9xw-3fhd", "--json"],
            "not_a_contact",
        ),
        (&["run", "--json"], "home_in_use"),
        (
            &["run", "--check", "--json", "--ttl", "1y"],
            "configuration_wrong",
        ),
    ] {
        assert_eq!(code_of(&alice.say(arguments)), code, "{arguments:?}");
    }
    let checks = alice.say(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&checks.stdout).unwrap();
    for check in report["checks"].as_array().unwrap() {
        let (name, code) = (
            check["name"].as_str().unwrap(),
            check["code"].as_str().unwrap(),
        );
        assert!(code.starts_with(name) || name == "entries", "{name} {code}");
    }
    let valid = alice.say(&["run", "--check", "--json"]).done();
    assert_eq!(valid.trim(), "{\"valid\":true,\"warnings\":[]}");
}

#[test]
fn contacts_are_called_by_their_private_names_and_by_their_handles() {
    let cluster = Cluster::of_servers(2);
    let (alice, bob) = (cluster.person("alice"), cluster.person("bob"));
    Cluster::await_card(&bob);
    let loose = bob.id().replace('-', "").to_uppercase();
    alice
        .say(&["contact", "add", &loose, "--name", "My Friend"])
        .done();
    for name in ["my friend", "My Friend", "bob", "BOB", &loose] {
        let sent = alice.send(name, name.as_bytes(), &[]);
        let is_there = matches!(
            sent.code,
            MessageCode::Stored | MessageCode::StoredFew | MessageCode::Delivered
        );
        assert!(is_there, "{sent:?}");
    }
    let texts = bob.inbox_until(5);
    assert_eq!(texts.len(), 5);
    // Who wrote and is no contact yet is not written to by handle, but can be accepted by it.
    bob.say(&["send", "alice", "x"])
        .refused(2, &["is not an ID"]);
    let accepted = bob.say(&["contact", "accept", "alice", "--json"]).done();
    let accepted: ContactInfo = serde_json::from_str(&accepted).unwrap();
    assert_eq!(accepted.id, alice.id());
    bob.send("alice", b"and back", &[]);
    assert_eq!(alice.inbox_until(1).len(), 1);
    let blocked = alice.say(&["contact", "block", "my friend"]).done();
    assert!(blocked.contains("destroyed unread"), "{blocked}");
}
