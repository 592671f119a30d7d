//! A disk that is full: a small tmpfs, mounted where nobody else sees it.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use restante::clock;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES};
use restante_proto::request::{Reason, Response};
use restante_tests::{Cluster, Letterbox, Node, Peer, Said, Site, envelope, nonce};

/// Set in the process that may mount things.
const MOUNTING: &str = "RESTANTE_TEST_MOUNTING";
/// The size of the disk: room for a home, and little more.
const DISK: &str = "size=12m,mode=700";
/// Sends and deposits after which a full disk must have refused one.
const TRIES_MAX: usize = 600;

#[test]
fn a_full_disk_refuses_clearly_and_loses_nothing() {
    if env::var_os(MOUNTING).is_none() {
        return again_where_mounting_is_allowed(
            "cli::disk::a_full_disk_refuses_clearly_and_loses_nothing",
        );
    }
    let cluster = Cluster::of_servers(0);
    let disk = cluster.site.file("disk");
    mount(&disk);
    init_on_a_full_disk_leaves_nothing(&disk);

    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let mut alice = cluster.site.person("alice");
    alice.move_home(disk.join("alice"));
    alice.init(&["--bootstrap", &cluster.entry]);
    alice.run(&[]);
    Cluster::await_card(&alice);
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.send(&alice_id, b"before the disk was full", &[]);
    assert_eq!(alice.inbox_until(1).len(), 1);

    fill(&disk);
    let kept = deposit_until_refused(&alice);
    let sent = send_until_refused(&alice, &bob_id);
    // It says what is wrong to whoever asks, and promises nothing more.
    alice.assert_alive();
    assert!(alice.status().keeper.read_only.is_some());
    alice
        .say(&["inbox", "--all"])
        .refused(1, &["restart the node"]);
    alice.say(&["doctor"]).refused(1, &[]);

    fs::remove_file(disk.join("filler")).unwrap();
    alice.kill9();
    alice.run(&[]);
    let page = alice.say(&["inbox", "--all", "--json"]).done();
    assert!(page.contains("before the disk was full"), "{page}");
    assert_eq!(
        bob.inbox_until(sent).len(),
        sent,
        "all that was taken arrives, once"
    );
    assert_eq!(
        alice.envelopes().len(),
        kept,
        "all that a receipt was given for is there"
    );
    alice.send(&bob_id, b"there is room again", &[]);
    bob.inbox_until(1);
    bob.assert_alive();
}

/// Runs this very test once more in a mount namespace of its own, which ends with it.
fn again_where_mounting_is_allowed(test: &str) {
    // The turn of the processes that the other one starts.
    let _turn = Site::new();
    let program = env::current_exe().unwrap();
    // As root a namespace of mounts is enough; others need to be root in a namespace of users.
    for flags in [&["--mount"][..], &["--user", "--map-root-user", "--mount"]] {
        let mut probe = Command::new("unshare");
        probe
            .args(flags)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        let allowed = probe
            .output()
            .expect("`unshare` and `mount` are part of util-linux");
        if !allowed.status.success() {
            continue;
        }
        let mut again = Command::new("unshare");
        again.args(flags).arg(&program).args([
            "--exact",
            test,
            "--nocapture",
            "--test-threads",
            "1",
        ]);
        let output = again.env(MOUNTING, "1").output().unwrap();
        let shown =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shown}");
        assert!(shown.contains("1 passed"), "{shown}");
        return;
    }
    panic!(
        "this system lets nobody mount a tmpfs: run the tests as root, or allow user namespaces"
    );
}

#[track_caller]
fn mount(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut command = Command::new("mount");
    command
        .args(["-t", "tmpfs", "-o", DISK, "none"])
        .arg(folder);
    Said::by(&mut command, &[]).done();
}

/// Writes until there is no room.
fn fill(disk: &Path) {
    let mut filler = File::create(disk.join("filler")).unwrap();
    let mut block = vec![0xa5; 64 * 1024];
    while !block.is_empty() {
        match filler.write_all(&block) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                block.truncate(block.len() / 2);
            }
        }
    }
}

fn init_on_a_full_disk_leaves_nothing(disk: &Path) {
    fill(disk);
    let mut carol = Node::person(disk, "carol");
    Said::by(&mut carol.init_command(&[]), &[]).refused(1, &["carol", "make room"]);
    carol.say(&["run"]).refused(2, &["no Restante home at"]);
    fs::remove_file(disk.join("filler")).unwrap();
    carol.init(&[]);
    carol.run(&[]);
    carol.stop();
    fs::remove_dir_all(carol.home()).unwrap();
}

/// Deposits at a node until it refuses, and returns how many receipts it gave.
#[track_caller]
fn deposit_until_refused(node: &Node) -> usize {
    let (peer, letterbox) = (Peer::asking(), Letterbox::new());
    let keeper = peer.meet(&node.address());
    let expires = clock::now().plus(DAY_MS);
    for receipts in 0..TRIES_MAX {
        let envelope = envelope(ENVELOPE_BYTES[2], expires);
        match peer.ask(keeper, &letterbox.deposit(&envelope, expires, nonce())) {
            Response::Receipt(_) => {}
            Response::Refusal(refusal) => {
                let expected = [Reason::Full, Reason::Unavailable];
                assert!(expected.contains(&refusal.reason), "{refusal:?}");
                assert!(refusal.retry_after_ms > 0, "{refusal:?}");
                return receipts;
            }
            other => panic!("an honest deposit was answered with {other:?}"),
        }
    }
    panic!("a full disk took {TRIES_MAX} deposits");
}

/// Sends until it is refused, and returns how many messages were taken.
#[track_caller]
fn send_until_refused(alice: &Node, bob_id: &str) -> usize {
    for taken in 0..TRIES_MAX {
        let mut command = alice.command(&["send", bob_id, "-", "--json"]);
        let said = Said::by(&mut command, &vec![b'x'; 61_440]);
        if !said.status.success() {
            said.refused(1, &["disk"]);
            return taken;
        }
    }
    panic!("a full disk took {TRIES_MAX} messages");
}
