//! Backups of real homes, and homes that are made of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use restante_interface::{BackupInfo, InboxMessage, RestoredInfo};
use restante_tests::{Cluster, Node, Said, Site, eventually};

/// Returns all texts of a home, sorted.
#[track_caller]
fn texts(node: &Node) -> Vec<String> {
    let said = node.say(&["inbox", "--all", "--peek", "--json"]).done();
    let messages = said.lines();
    let messages = messages.map(|line| serde_json::from_str::<InboxMessage>(line).unwrap());
    let mut texts: Vec<String> = messages.filter_map(|it| Some(it.text?.0)).collect();
    texts.sort_unstable();
    texts
}

#[track_caller]
fn await_text(node: &Node, text: &str) {
    eventually(&format!("{} has {text:?}", node.name()), || {
        texts(node).iter().any(|one| one == text).then_some(())
    });
}

#[track_caller]
fn back_up(node: &Node, file: &Path, flags: &[&str]) -> BackupInfo {
    let mut command = node.command(&["backup", "--json"]);
    let said = Said::by(command.arg(file).args(flags), &[]).done();
    serde_json::from_str(&said).unwrap()
}

fn restore(node: &Node, file: &Path) -> Said {
    let mut command = node.command(&["restore", "--json"]);
    Said::by(command.arg(file), &[])
}

#[track_caller]
fn restored(node: &Node, file: &Path) -> RestoredInfo {
    serde_json::from_str(&restore(node, file).done()).unwrap()
}

#[test]
fn a_lost_home_is_put_back_from_a_backup_that_was_made_while_it_ran() {
    let cluster = Cluster::of_servers(2);
    let (alice, mut bob) = (cluster.person("alice"), cluster.person("bob"));
    for person in [&alice, &bob] {
        Cluster::await_card(person);
    }
    let (alice_id, bob_id) = (alice.id(), bob.id());
    alice.send(&bob_id, b"before the backup", &[]);
    alice.send(&bob_id, b"burns soon", &["--burn", "1s"]);
    let soon = alice.send(&bob_id, b"expires soon", &["--ttl", "20s"]);
    for text in ["before the backup", "burns soon", "expires soon"] {
        await_text(&bob, text);
    }
    bob.say(&["contact", "accept", &alice_id]).done();
    bob.send(&alice_id, b"welcome", &[]);
    await_text(&alice, "welcome");
    let file = cluster.site.file("bob.backup");
    let info = back_up(&bob, &file, &[]);
    assert_eq!((info.messages, info.contacts), (3, 1));
    assert_eq!(info.bytes, fs::metadata(&file).unwrap().len());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    alice.send(&bob_id, b"after the backup", &[]);
    await_text(&bob, "after the backup");

    // The home is lost while it runs.
    bob.kill9();
    fs::remove_dir_all(bob.home()).unwrap();
    eventually("what expires soon is over", || {
        (restante::clock::now().get() > soon.until_ms).then_some(())
    });
    let info = restored(&bob, &file);
    assert_eq!(info.id.id, bob_id);
    assert_eq!((info.messages, info.contacts), (1, 1));
    assert_eq!((info.ended, info.doubtful), (1, 1));
    bob.run(&[]);
    assert_eq!(texts(&bob), ["before the backup"]);
    Cluster::await_card(&bob);
    let copy = bob.status().copy.unwrap();
    assert!(copy.newest && copy.renewed_ms.is_some(), "{copy:?}");
    alice.send(&bob_id, b"are you back?", &["--ttl", "1h"]);
    await_text(&bob, "are you back?");
    bob.send(&alice_id, b"I am", &["--ttl", "1h"]);
    await_text(&alice, "I am");
    let all = texts(&bob);
    assert!(!all.iter().any(|text| text.ends_with("soon")), "{all:?}");
}

#[test]
fn a_backup_put_back_beside_the_living_home_is_a_device_of_its_own_and_both_are_written_to() {
    let cluster = Cluster::of_servers(2);
    let (alice, bob) = (cluster.person("alice"), cluster.person("bob"));
    for person in [&alice, &bob] {
        Cluster::await_card(person);
    }
    let file = cluster.site.file("bob.backup");
    back_up(&bob, &file, &[]);
    let mut twin = cluster.site.person("twin");
    twin.set_passphrase(bob.passphrase());
    restored(&twin, &file);
    twin.run(&[]);
    Cluster::await_card(&twin);
    let bob_id = bob.id();
    assert_eq!(twin.id(), bob_id);
    eventually("the living home knows of the other one", || {
        let copy = bob.status().copy.unwrap();
        (copy.others > 0).then_some(())
    });
    let copy = bob.status().copy.unwrap();
    assert_eq!(copy.renewed_ms, None, "the living home stays what it is");
    alice.send(&bob_id, b"to both", &[]);
    for home in [&bob, &twin] {
        await_text(home, "to both");
    }
}

#[test]
fn what_cannot_be_written_or_put_back_is_said_and_leaves_nothing() {
    let site = Site::new();
    let mut alice = site.person("alice");
    alice.init(&["--serve", "never", "--ttl", "2d"]);
    let file = site.file("alice.backup");
    let name = file.to_str().unwrap();
    let stopped = back_up(&alice, &file, &[]);
    alice.run(&[]);
    for _ in 0..2 {
        alice
            .say(&["backup", name])
            .refused(2, &["is there already", "--force"]);
        alice
            .say(&["backup", name, "--json"])
            .refused(2, &["\"file_exists\""]);
        alice
            .say(&["backup", "/nowhere/file"])
            .refused(1, &["cannot write /nowhere/file", "see to that folder"]);
        if alice.runs() {
            let running = back_up(&alice, &file, &["--force"]);
            assert_eq!(running.path, stopped.path);
            alice.stop();
        }
    }
    let said = alice.say(&["backup", name, "--force"]).done();
    assert!(said.contains("0 messages and 0 contacts"), "{said}");

    let mut other = site.person("other");
    alice
        .say(&["restore", name])
        .refused(2, &["is a Restante home already"]);
    other
        .say(&["restore", "/nowhere/file"])
        .refused(2, &["cannot read /nowhere/file"]);
    restore(&other, &file).refused(2, &["the pass phrase is wrong"]);
    other.set_passphrase(alice.passphrase());
    let whole = fs::read(&file).unwrap();
    let damaged = site.file("damaged");
    for (bytes, text) in [
        (&whole[..whole.len() - 1], "it ends too early"),
        (&whole[..100], "no backup of this program"),
        (b"hello", "no backup of this program"),
    ] {
        fs::write(&damaged, bytes).unwrap();
        restore(&other, &damaged).refused(2, &[text, "use another backup"]);
    }
    assert!(!other.home().exists());
    // A pass phrase that is changed opens what is written from then on.
    let new = site.file("new");
    fs::write(&new, "another pass phrase").unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    let change = ["passphrase", "--new-passphrase-file", new.to_str().unwrap()];
    alice.say(&change).done();
    alice.set_passphrase("another pass phrase");
    let later = site.file("later.backup");
    back_up(&alice, &later, &[]);
    restore(&other, &later).refused(2, &["the pass phrase is wrong"]);
    let info = restored(&other, &file);
    alice.run(&[]);
    assert_eq!(info.id.id, alice.id());
    other.run(&[]);
    assert_eq!(other.id(), info.id.id);
    let settings = other.say(&["run", "--print-config"]).done();
    assert!(settings.contains("ttl = \"2d\""), "{settings}");
    other.stop();
    alice.stop();
}

#[test]
fn whenever_a_backup_is_killed_the_file_is_whole_or_not_there() {
    let site = Site::new();
    let alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    let folder = site.file("folder");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("file");
    let began = std::time::Instant::now();
    back_up(&alice, &file, &[]);
    let took = began.elapsed();
    for kill in 1..=8 {
        let _gone = fs::remove_file(&file);
        let mut command = alice.command(&["backup"]);
        command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The last one comes to its end, however slow the machine is.
        if kill < 8 {
            thread::sleep(took * kill / 7);
            let _ended = child.kill();
        }
        child.wait().unwrap();
        assert!(kill < 8 || file.exists());
        if file.exists() {
            let home = site.person(&format!("home{kill}"));
            let mut command = home.command(&["restore", "--json"]);
            command.env("RESTANTE_PASSPHRASE", alice.passphrase());
            Said::by(command.arg(&file), &[]).done();
        }
    }
}

#[test]
fn a_running_node_writes_backups_by_itself_and_says_when_or_why_not() {
    let site = Site::new();
    let mut alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    let folder = site.file("backups");
    let flags = [
        "--backup-folder",
        folder.to_str().unwrap(),
        "--backup-keep",
        "2",
    ];
    alice.run(&flags);
    alice.until("it says that the folder is not there", |status| {
        let backup = status.backup.as_ref();
        backup.is_some_and(|backup| backup.failed_ms.is_some() && backup.last_ms.is_none())
    });
    let said = alice.say(&["doctor"]);
    let line = said.stdout.lines().find(|line| line.contains("  backup  "));
    let line = line.expect("doctor speaks of backups");
    for text in ["FAIL", "there is none", "No such file", "backup_folder"] {
        assert!(line.contains(text), "{text:?} is not in {line:?}");
    }
    alice.stop();
    fs::create_dir(&folder).unwrap();
    let mut last = 0;
    for start in 1..=3 {
        if start > 1 {
            // The next one is due, by the names of those that are there.
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                let (label, rest) = name.split_once('-').unwrap();
                let (made, end) = rest.split_once('.').unwrap();
                let made = made.parse::<u64>().unwrap() - 2 * 86_400_000;
                fs::rename(&path, folder.join(format!("{label}-{made:014}.{end}"))).unwrap();
            }
        }
        alice.run(&flags);
        let status = alice.until("one is made", |status| {
            let made = status.backup.as_ref().and_then(|backup| backup.last_ms);
            made.is_some_and(|made| made > last)
        });
        let backup = status.backup.unwrap();
        last = backup.last_ms.unwrap();
        assert_eq!((backup.failed_ms, backup.failed_why), (None, None));
        assert!(backup.next_ms.is_none_or(|next| next > last + 80_000_000));
        let said = alice.say(&["status"]).done();
        assert!(said.contains("backup"), "{said}");
        alice.stop();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), start.min(2));
    }
    // The newest makes a home.
    let newest = fs::read_dir(&folder).unwrap();
    let newest = newest.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut other = site.person("other");
    other.set_passphrase(alice.passphrase());
    restored(&other, &newest);
}
