//! A disk that is full: a small tmpfs, mounted where nobody else sees it.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use restante::clock;
use restante_interface::StoreTrouble;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES};
use restante_proto::request::{Reason, Response};
use restante_tests::{Cluster, Letterbox, Node, Peer, Said, Site, envelope, eventually, nonce};

/// Set in the process that may mount things.
const MOUNTING: &str = "RESTANTE_TEST_MOUNTING";
/// The size of the disk: room for a home, and little more.
const DISK: &str = "size=16m,mode=700";
/// What takes the room.
const FILLER: &str = "filler";
/// Room for some items and messages.
const LITTLE_BYTES: u64 = 5 << 20;
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

    // What is delivered takes no more room.
    bob.stop();
    leave(&disk, LITTLE_BYTES);
    let kept = deposit_until_refused(&alice);
    let sent = send_until_refused(&alice, &bob_id);
    leave(&disk, 0);
    deposit_until_refused(&alice);
    says_what_is_true_of_a_full_disk(&mut alice);
    bob.run(&[]);
    bob.say(&["send", &alice_id, "while the disk was full"])
        .done();

    // A node can be started on a full disk too, and says the same.
    alice.kill9();
    alice.run(&[]);
    alice
        .say(&["send", &bob_id, "refused"])
        .refused(1, &["could not be stored"]);
    deposit_until_refused(&alice);
    says_what_is_true_of_a_full_disk(&mut alice);

    make_room(&disk);
    let status = alice.until("its stores take everything in again", |status| {
        status.account_read_only.is_none() && status.keeper.read_only.is_none()
    });
    assert!(status.account_recovered_ms.is_some() && status.keeper.recovered_ms.is_some());
    let doctor = alice.say(&["doctor", "--json"]).stdout;
    assert!(!doctor.contains("is full"), "{doctor}");
    assert!(doctor.contains("was in order again"), "{doctor}");
    assert_eq!(alice.inbox_until(1).len(), 1, "what came meanwhile");
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

#[test]
fn a_node_whose_log_cannot_be_written_goes_on() {
    let cluster = Cluster::of_servers(0);
    let mut alice = cluster.site.person("alice");
    alice.init(&["--bootstrap", &cluster.entry]);
    // Every line that is written to it fails, as on a full disk.
    let full = File::options().write(true).open("/dev/full").unwrap();
    alice.spawn_logging_to(full, &["--log", "trace"]);
    eventually("it answers", || {
        alice.assert_alive();
        let said = alice.say(&["status"]);
        said.status.success().then_some(())
    });
    Cluster::await_card(&alice);
    alice.stop();
}

/// A node on a full disk says what is wrong, shows what it has, and promises nothing more.
#[track_caller]
fn says_what_is_true_of_a_full_disk(alice: &mut Node) {
    alice.assert_alive();
    let status = alice.status();
    assert_eq!(status.keeper.read_only, Some(StoreTrouble::DiskFull));
    assert_eq!(status.account_read_only, Some(StoreTrouble::DiskFull));
    let page = alice.say(&["inbox", "--all", "--peek", "--json"]).stdout;
    assert!(page.contains("before the disk was full"), "{page}");
    // Who looks for what is new is not told that there is nothing.
    let deaf = alice.say(&["inbox", "--wait", "1"]);
    assert_eq!(deaf.stdout, "");
    deaf.refused(1, &["takes no messages in", "the disk is full"]);
    let doctor = alice.say(&["doctor"]);
    assert!(doctor.stdout.contains("the disk is full"), "{doctor:?}");
    assert!(doctor.stdout.contains("goes on by itself"), "{doctor:?}");
    doctor.refused(1, &["checks failed"]);
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

/// Writes until there is no more room than this.
fn leave(disk: &Path, bytes: u64) {
    let mut filler = File::options()
        .append(true)
        .create(true)
        .open(disk.join(FILLER))
        .unwrap();
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
    let length = filler.metadata().unwrap().len();
    filler.set_len(length - bytes).unwrap();
}

fn make_room(disk: &Path) {
    fs::remove_file(disk.join(FILLER)).unwrap();
}

fn init_on_a_full_disk_leaves_nothing(disk: &Path) {
    leave(disk, 0);
    let mut carol = Node::person(disk, "carol");
    Said::by(&mut carol.init_command(&[]), &[]).refused(1, &["carol", "make room"]);
    carol.say(&["run"]).refused(2, &["no Restante home at"]);
    make_room(disk);
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
        let envelope = envelope(ENVELOPE_BYTES[3], expires);
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
            said.refused(1, &["could not be stored"]);
            return taken;
        }
    }
    panic!("a full disk took {TRIES_MAX} messages");
}
