//! Files that are written anew: nothing is left in them of what was destroyed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use restante_interface::InboxMessage;
use restante_tests::{Cluster, Node, Site, eventually};

/// The files that hold what is a person's.
const FILES: [&str; 3] = ["unlock", "client.redb", "message-keys"];
/// Bytes that are searched for as one.
const PIECE_BYTES: usize = 16;
/// Commands that are killed, at moments spread over the time that one takes.
const KILLS: u32 = 10;

type Pieces = BTreeSet<[u8; PIECE_BYTES]>;

/// Returns the pieces of a file that look random: what is sealed, and keys.
fn pieces(bytes: &[u8]) -> Pieces {
    let (pieces, _) = bytes.as_chunks::<PIECE_BYTES>();
    let is_random = |piece: &&[u8; PIECE_BYTES]| piece.iter().collect::<BTreeSet<_>>().len() >= 14;
    pieces.iter().filter(is_random).copied().collect()
}

/// Returns how many pieces are anywhere in the files of a home.
fn found(home: &Path, wanted: &Pieces) -> usize {
    let mut found = Pieces::new();
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(path).unwrap();
            let windows = bytes.windows(PIECE_BYTES);
            let windows = windows.map(|window| <[u8; PIECE_BYTES]>::try_from(window).unwrap());
            found.extend(windows.filter(|window| wanted.contains(window)));
        }
    }
    found.len()
}

/// Checks that none of these texts is in any file of a home.
#[track_caller]
fn has_no_text(home: &Path, texts: &[&str]) {
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.is_file() || path.ends_with("control.sock"),
            "{}",
            path.display()
        );
        let bytes = fs::read(&path).unwrap_or_default();
        for text in texts {
            let mut windows = bytes.windows(text.len());
            let has = windows.any(|window| window == text.as_bytes());
            assert!(!has, "{text:?} is in {}", path.display());
        }
    }
}

fn texts(node: &Node) -> Vec<String> {
    let said = node.say(&["inbox", "--all", "--peek", "--json"]).done();
    let messages = said.lines();
    let messages = messages.map(|line| serde_json::from_str::<InboxMessage>(line).unwrap());
    messages.filter_map(|it| Some(it.text?.0)).collect()
}

#[test]
fn nothing_that_was_destroyed_is_left_and_the_home_goes_on() {
    let cluster = Cluster::of_servers(2);
    let (alice, mut bob) = (cluster.person("alice"), cluster.person("bob"));
    for person in [&alice, &bob] {
        Cluster::await_card(person);
    }
    let (alice_id, bob_id) = (alice.id(), bob.id());
    let (name, kept, burnt) = (
        "Planted Petname",
        "a planted text that stays",
        "a planted text that burns",
    );
    bob.say(&["contact", "add", &alice_id, "--name", name])
        .done();
    alice.send(&bob_id, kept.as_bytes(), &[]);
    alice.send(&bob_id, burnt.as_bytes(), &["--burn", "1s"]);
    assert_eq!(bob.inbox_until(2).len(), 2);
    eventually("one of them has burned", || {
        (texts(&bob) == [kept]).then_some(())
    });
    bob.say(&["shred"])
        .refused(1, &["a node is running", "stop"]);
    bob.stop();

    let planted = [name, kept, burnt, alice_id.as_str(), alice.name()];
    has_no_text(bob.home(), &planted[..4]);
    let before: Vec<Vec<u8>> = FILES
        .map(|name| fs::read(bob.home().join(name)).unwrap())
        .into();
    let old: Pieces = before.iter().flat_map(|bytes| pieces(bytes)).collect();
    assert!(
        old.len() > 1_000 && found(bob.home(), &old) == old.len(),
        "{}",
        old.len()
    );
    let held = FILES.map(|name| File::open(bob.home().join(name)).unwrap());
    fs::write(bob.home().join("unlock.change"), &before[0]).unwrap();
    let said = bob.say(&["shred", "--json"]).done();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["messages"], &said["contacts"]),
        (&1.into(), &1.into())
    );
    assert_eq!(found(bob.home(), &old), 0, "of {}", old.len());
    has_no_text(bob.home(), &planted[..4]);
    for (file, bytes) in held.iter().zip(&before) {
        let mut left = vec![1; bytes.len()];
        file.read_exact_at(&mut left, 0).unwrap();
        assert!(
            left.iter().all(|byte| *byte == 0),
            "the old file is overwritten where it lay"
        );
    }
    let mut names: Vec<_> = fs::read_dir(bob.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.starts_with('.') || name.starts_with("unlock."));
    assert!(names.is_empty(), "{names:?}");

    bob.run(&[]);
    assert_eq!(bob.id(), bob_id);
    assert_eq!(texts(&bob), [kept]);
    assert_eq!(bob.contacts()[0].petname.as_deref(), Some(name));
    Cluster::await_card(&bob);
    let copy = bob.status().copy.unwrap();
    assert!(
        copy.newest && copy.renewed_ms.is_none(),
        "it is the device that it was: {copy:?}"
    );
    alice.send(&bob_id, b"still there?", &[]);
    eventually("it gets what is sent to it", || {
        texts(&bob)
            .contains(&"still there?".to_owned())
            .then_some(())
    });
}

#[test]
fn whenever_it_is_killed_the_home_goes_on() {
    let site = Site::new();
    let mut alice = site.person("alice");
    let id = alice.init(&["--serve", "never"]).id;
    let began = Instant::now();
    alice.say(&["shred"]).done();
    let took = began.elapsed();
    let mut changed = 0;
    for kill in 1..=KILLS {
        let before = fs::read(alice.home().join("unlock")).unwrap();
        let mut command = alice.command(&["shred"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The last one comes to its end, however slow the machine is.
        if kill < KILLS {
            thread::sleep(took * kill / (KILLS - 1));
            let _ended = child.kill();
        }
        child.wait().unwrap();
        // Whoever takes the home next finishes what was begun.
        alice
            .say(&["passphrase", "--new-passphrase-file", "/dev/null"])
            .refused(2, &["pass phrase is empty"]);
        alice.run(&[]);
        assert_eq!(alice.id(), id);
        alice.stop();
        let mut left = fs::read_dir(alice.home()).unwrap();
        let is_left = left.any(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with('.')
        });
        assert!(!is_left, "kill {kill}");
        changed += u32::from(fs::read(alice.home().join("unlock")).unwrap() != before);
    }
    assert!(changed > 0);
}
