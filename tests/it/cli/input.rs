//! What a person can get wrong.

use std::fs;
use std::process::Stdio;

use restante_tests::{Cluster, Node, Said, Site};

/// Longest body of one message, in bytes.
const BODY_BYTES_MAX: usize = 61_440;

#[test]
fn wrong_input_is_refused_in_one_line_and_the_node_goes_on() {
    let cluster = Cluster::of_servers(0);
    let mut alice = cluster.person("alice");
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();

    let nobody = "nobody.7kq2-m9xw-3fhd";
    alice.say(&["send", nobody, "hello"]).refused(1, &[nobody]);
    alice.say(&["contact", "add", nobody]).refused(1, &[nobody]);
    let other = with_another_tag(&bob_id);
    alice.say(&["send", &other, "hello"]).refused(1, &[&other]);
    let malformed = ["bob", "bob.", ".7kq2-m9xw-3fhd", "bob.7kq2-m9xw", "@", ""];
    for id in malformed {
        alice
            .say(&["send", id, "hello"])
            .refused(2, &["is not an ID", "restante id"]);
    }
    let capitals = "NOBODY.7KQ2M9XW3FHD";
    alice
        .say(&["send", capitals, "hello"])
        .refused(1, &[nobody]);
    for ttl in ["0", "0s", "31d", "-1s", "soon"] {
        alice
            .say(&["send", &bob_id, "hello", &format!("--ttl={ttl}")])
            .refused(2, &["--ttl"]);
    }
    let long = vec![b'x'; BODY_BYTES_MAX + 1];
    let mut command = alice.command(&["send", &bob_id, "-"]);
    Said::by(&mut command, &long).refused(2, &["61440 bytes", "send it in parts"]);
    Said::by(&mut command, b"").refused(2, &["empty"]);
    let file = cluster.site.file("too long");
    fs::write(&file, &long).unwrap();
    let file = file.to_str().unwrap();
    alice
        .say(&["send", &bob_id, "--file", file])
        .refused(2, &["61440 bytes"]);
    alice
        .say(&["send", &bob_id, "--file", "/nowhere"])
        .refused(2, &["/nowhere"]);
    alice.say(&["contact", "verify", nobody]).refused(1, &[]);

    // Nothing of it was sent, and both nodes go on.
    assert_eq!(alice.status().outbox_count, 0);
    alice.send(&bob_id, &long[1..], &[]);
    let got = bob.inbox_until(1);
    assert_eq!(got[0].text.as_ref().unwrap().0.len(), BODY_BYTES_MAX);

    // What a terminal cannot show is not read by that: it would burn unseen.
    let picture = cluster.site.file("picture");
    fs::write(&picture, [0xff; 9]).unwrap();
    let picture = picture.to_str().unwrap();
    bob.say(&["inbox", "--json"]).done();
    alice
        .say(&["send", &bob_id, "--file", picture, "--burn", "1s"])
        .done();
    bob.say(&["inbox", "--peek", "--wait", "30"]).done();
    let mut unseen = bob.command(&["inbox", "--json"]);
    unseen.stdout(Stdio::null()).status().unwrap();
    for _ in 0..2 {
        let shown = bob.say(&["inbox"]).done();
        assert!(shown.contains("9 B that are not text"), "{shown}");
    }
    let shown = bob.say(&["inbox", "--json"]).done();
    assert!(shown.contains(r#""base64":"////////////""#), "{shown}");
    let shown = bob.say(&["inbox"]).done();
    assert!(shown.contains("no new messages"), "{shown}");
    alice.assert_alive();
    bob.assert_alive();
}

#[test]
fn a_home_is_opened_by_its_pass_phrase_and_by_one_node_at_a_time() {
    let site = Site::new();
    let mut alice = site.person("alice");
    let missing = [
        &["run"][..],
        &["id"],
        &["inbox"],
        &["status"],
        &["send", "bob.7kq2-m9xw-3fhd", "x"],
    ];
    for arguments in missing {
        alice
            .say(arguments)
            .refused(2, &["no Restante home at", "init --handle"]);
    }
    for handle in ["Alice", "", "alice smith", "+41791234567", "0123456789"] {
        let said = alice.say(&["init", "--handle", handle]);
        said.refused(2, &["is not a handle"]);
    }
    assert!(!alice.home().exists(), "nothing is made of bad input");
    alice.init(&[]);
    Said::by(&mut alice.init_command(&[]), &[]).refused(2, &["is a Restante home already"]);
    alice
        .say(&["status"])
        .refused(1, &["the node is not running", "restante --home"]);

    let right = alice.passphrase().to_owned();
    for wrong in [
        "the pass phrase of nobody",
        &right[1..],
        &format!("{right} "),
    ] {
        alice.set_passphrase(wrong);
        Said::by(&mut alice.run_command(&[]), &[]).refused(2, &["pass phrase"]);
    }
    alice.set_passphrase(&right);
    Said::by(&mut alice.run_command(&["--ttl", "1y"]), &[]).refused(2, &["ttl"]);
    alice.run(&[]);
    Said::by(&mut alice.run_command(&[]), &[]).refused(1, &["running", "stop"]);
    alice.assert_alive();
    let id = alice.id();
    alice.stop();
    alice.run(&[]);
    assert_eq!(alice.id(), id);
}

#[test]
fn a_community_server_refuses_as_clearly() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let second = Said::by(&mut server.run_command(&[]), &[]);
    second.refused(1, &["running", "stop"]);
    server.say(&["id"]).refused(2, &["no account"]);
    server
        .say(&["send", "bob.7kq2-m9xw-3fhd", "x"])
        .refused(2, &["no account"]);
    server.stop();
    let mut person = Node::person(site.path(), "server");
    person
        .say(&["run"])
        .refused(2, &["community server", "restante-bootstrap"]);
    person.may_complain();
}

/// Returns an ID that differs in one character of its tag.
fn with_another_tag(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}
