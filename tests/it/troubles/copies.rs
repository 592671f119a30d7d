//! Homes that are not the newest, or not the only one: what is sent afterwards arrives all the same.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use restante_interface::{DeliveryState, InboxMessage};
use restante_tests::{Cluster, Node, Said, eventually, eventually_within};

/// Within what time two homes of one device know of each other.
const KNOWN: Duration = Duration::from_secs(60);

/// Copies the files of a home.
fn copy(home: &Path, to: &Path) {
    DirBuilder::new().mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(home).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Copies a home whose node runs, as it is at one moment.
fn copy_running(home: &Path, to: &Path) {
    let changed = || -> Vec<SystemTime> {
        let files = ["client.redb", "message-keys"].into_iter();
        let changed = files.map(|name| fs::metadata(home.join(name)).unwrap().modified());
        changed.collect::<Result<_, _>>().unwrap()
    };
    eventually("the home is left alone while it is copied", || {
        let before = changed();
        copy(home, to);
        if changed() == before {
            return Some(());
        }
        fs::remove_dir_all(to).unwrap();
        None
    });
}

/// Returns all texts of a home, sorted.
#[track_caller]
fn texts(node: &Node) -> Vec<String> {
    let said = node.say(&["inbox", "--all", "--json"]).done();
    let messages = said
        .lines()
        .map(|line| serde_json::from_str::<InboxMessage>(line).unwrap());
    let mut texts: Vec<String> = messages
        .filter_map(|message| Some(message.text?.0))
        .collect();
    texts.sort_unstable();
    texts
}

#[track_caller]
fn await_text(node: &Node, text: &str) {
    let what = format!("{} reads {text:?}", node.name());
    eventually(&what, || {
        texts(node).iter().any(|one| one == text).then_some(())
    });
}

/// Makes two people contacts of each other; both have heard of all that was sent.
fn befriend(alice: &Node, bob: &Node) {
    let (alice_id, bob_id) = (alice.id(), bob.id());
    alice.send(&bob_id, b"from a stranger", &[]);
    await_text(bob, "from a stranger");
    bob.say(&["contact", "accept", &alice_id]).done();
    bob.send(&alice_id, b"welcome", &[]);
    await_text(alice, "welcome");
    alice.say(&["contact", "accept", &bob_id]).done();
    let sent = alice.send(&bob_id, b"to a friend", &[]);
    await_text(bob, "to a friend");
    alice.until("she hears that it has arrived", |status| {
        let of_sent = |id: &str| id == sent.message_id;
        let mut outbox = status.outbox.iter();
        !outbox.any(|entry| of_sent(&entry.message_id) && entry.state != DeliveryState::Delivered)
    });
}

#[test]
fn after_an_old_backup_is_put_back_messages_arrive_both_ways() {
    let cluster = Cluster::of_servers(2);
    let (alice, mut bob) = (cluster.person("alice"), cluster.person("bob"));
    for person in [&alice, &bob] {
        Cluster::await_card(person);
    }
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.stop();
    let backup = cluster.site.file("backup");
    copy(bob.home(), &backup);
    bob.run(&[]);
    befriend(&alice, &bob);

    bob.kill9();
    fs::remove_dir_all(bob.home()).unwrap();
    copy(&backup, bob.home());
    bob.run(&[]);
    alice.send(&bob_id, b"after the backup", &["--ttl", "1h"]);
    await_text(&bob, "after the backup");
    bob.until("it knows that no other copy is further on", |status| {
        status.copy.is_some_and(|copy| copy.newest)
    });
    bob.send(&alice_id, b"and back", &["--ttl", "1h"]);
    await_text(&alice, "and back");
    for person in [&alice, &bob] {
        let all = texts(person);
        assert!(
            all.windows(2).all(|pair| pair[0] != pair[1]),
            "twice: {all:?}"
        );
    }
}

#[test]
fn a_home_that_runs_twice_is_known_to_both_and_both_are_written_to() {
    let cluster = Cluster::of_servers(2);
    let (alice, bob) = (cluster.person("alice"), cluster.person("bob"));
    for person in [&alice, &bob] {
        Cluster::await_card(person);
    }
    befriend(&alice, &bob);
    let mut twin = cluster.site.person("twin");
    twin.set_passphrase(bob.passphrase());
    copy_running(bob.home(), twin.home());
    twin.run(&[]);
    let bob_id = bob.id();
    assert_eq!(twin.id(), bob_id);
    for home in [&bob, &twin] {
        eventually_within(KNOWN, "it knows of another device", || {
            let copy = home.status().copy.expect("it has an account");
            (copy.newest && copy.others > 0).then_some(())
        });
    }
    alice.send(&bob_id, b"to both", &[]);
    for home in [&bob, &twin] {
        await_text(home, "to both");
    }
}

#[test]
fn an_account_is_brought_back_by_its_recovery_phrase_and_the_lost_home_is_worth_nothing() {
    let cluster = Cluster::of_servers(2);
    let (alice, mut lost) = (cluster.person("alice"), cluster.site.person("bob"));
    let settings = ["--serve", "never", "--bootstrap", &cluster.entry];
    let said = Said::by(&mut lost.init_command(&settings), &[]).done();
    let made: serde_json::Value = serde_json::from_str(&said).unwrap();
    let phrase = made["phrase"].as_str().unwrap().to_owned();
    lost.run(&[]);
    for person in [&alice, &lost] {
        Cluster::await_card(person);
    }
    befriend(&alice, &lost);
    lost.kill9();

    // A delegation is told from one that is older by the minute it was made in.
    let mut found = cluster.site.person("found");
    let mut command = found.recover_command("bob", &settings);
    let said = Said::by(&mut command, phrase.as_bytes()).done();
    let info: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(info["id"], made["id"]);
    assert_eq!(info.get("phrase"), None, "it is not shown again");
    found.run(&[]);
    Cluster::await_card(&found);
    let bob_id = found.id();
    alice.send(&bob_id, b"are you back?", &[]);
    await_text(&found, "are you back?");

    lost.run(&[]);
    lost.until(
        "it knows that it is none of the account's devices",
        |status| status.copy.is_some_and(|copy| copy.shut_out),
    );
    let refused = lost.say(&["send", &alice.id(), "it is me"]);
    refused.refused(1, &["goes on elsewhere"]);
}
