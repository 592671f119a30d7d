//! What an operator types.

use std::fs;

use restante_interface::State;
use restante_tests::{Site, eventually};

#[test]
fn a_server_is_looked_at_and_stopped_by_its_own_program() {
    let site = Site::new();
    let mut server = site.community("server");
    let missing = server.own_say(&["status"]);
    missing.refused(2, &["no Restante home at", "restante-bootstrap --home"]);
    server.run(&[]);
    let status = server.own_say(&["status"]).done();
    assert!(status.contains("join at"), "{status}");
    let address = server.address().to_string();
    assert!(server.status().invite.contains(&address), "{status}");
    // The first of its network is alone, which is nothing that does not work.
    let doctor = server.own_say(&["doctor"]).done();
    assert!(doctor.contains("no other node is known yet"), "{doctor}");
    server.own_say(&["holdings"]).done();
    let script = server.own_say(&["completions", "bash"]).done();
    assert!(script.contains("restante-bootstrap"), "{script}");
    let stopped = server.own_say(&["stop", "--json"]).done();
    assert_eq!(stopped.trim(), "{\"stopped\":true}");
    let again = server.own_say(&["stop"]);
    again.refused(1, &["not running", "restante-bootstrap --home"]);
}

#[test]
fn what_help_shows_of_a_server_names_its_own_program() {
    let server = Site::new().community("server");
    for command in ["status", "doctor", "holdings", "stop", "completions"] {
        let help = server.own_say(&[command, "--help"]).done();
        let example = help.lines().skip_while(|line| *line != "Example:").nth(1);
        let example = example.unwrap_or_default().trim_start();
        let wanted = format!("restante-bootstrap {command}");
        assert!(example.starts_with(&wanted), "{help}");
    }
}

#[test]
fn an_entry_point_given_by_flag_is_there_at_the_next_start_until_it_is_forgotten() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address().to_string();
    let mut alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    let has_entry = |state: &State| matches!(state, State::EntriesUsable { of: 1 });
    for settings in [&["--bootstrap", address.as_str()][..], &[]] {
        alice.run(settings);
        alice.until("it has joined", |status| {
            status.routing_table > 0 && status.states.iter().any(has_entry)
        });
        alice.stop();
        // What it knows of others from the last run is not what this is about.
        fs::remove_file(alice.home().join("peers.json")).unwrap();
    }
    assert!(alice.logged().contains("remembered for the next start"));
    fs::remove_file(alice.home().join("entry-points.toml")).unwrap();
    alice.run(&[]);
    assert!(alice.status().states.contains(&State::EntriesUnset));
    let doctor = eventually("the doctor says so", || {
        let said = alice.say(&["doctor"]);
        (said.status.code() == Some(1)).then_some(said.stdout)
    });
    assert!(
        doctor.contains("no node to join the network through is set"),
        "{doctor}"
    );
}

#[test]
fn check_refuses_what_run_refuses() {
    let site = Site::new();
    let alice = site.person("alice");
    alice.init(&[]);
    for (settings, word) in [
        (["--external", "/dns4/a.example.org/tcp/1"], "external"),
        (["--external", "nowhere"], "external"),
        (["--listen", "/dns4/a.example.org/tcp/1"], "listen"),
        (["--bootstrap", "/ip4/8.8.8.8/tcp/1"], "bootstrap"),
    ] {
        for action in [&["run", "--check"][..], &["run"]] {
            let arguments = [action, &settings].concat();
            alice.own_say(&arguments).refused(2, &[word, word]);
        }
    }
}
