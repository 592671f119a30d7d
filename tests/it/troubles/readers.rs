//! Scripts that wait for messages.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use restante_tests::{Cluster, Node, eventually};

/// More than there is room for at once.
const READERS: usize = 40;
/// How long a command may take beside them.
const PROMPT: Duration = Duration::from_secs(15);

/// Processes that end with the test.
struct Readers(Vec<Child>);

impl Readers {
    fn start(node: &Node, count: usize) -> Self {
        let start = |_| {
            let mut command = node.command(&["inbox", "--wait", "600"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        Self((0..count).map(start).collect())
    }

    /// Returns how many have not ended.
    fn waiting(&mut self) -> usize {
        let children = self.0.iter_mut();
        children
            .filter_map(|child| child.try_wait().unwrap().is_none().then_some(()))
            .count()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already, which is as well.
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}

/// Returns how many connections to the socket of a node's commands are open.
fn connections(node: &Node) -> usize {
    let socket = node.home().join("control.sock");
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let of_node = sockets
        .lines()
        .filter(|line| line.ends_with(socket.to_str().unwrap()));
    // The one that listens is none.
    of_node.count().saturating_sub(1)
}

#[test]
fn readers_who_wait_lock_nobody_out() {
    let cluster = Cluster::of_servers(0);
    let bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();
    let mut alice = cluster.person("alice");
    let mut readers = Readers::start(&alice, READERS);
    eventually("all readers wait or were turned away", || {
        let waiting = readers.waiting();
        (connections(&alice) == waiting).then_some(())
    });
    assert!(readers.waiting() > 10);
    for arguments in [
        &["status"][..],
        &["id"],
        &["doctor"],
        &["contact", "list"],
        &["inbox"],
        &["send", &bob_id, "hello"],
    ] {
        let begun = Instant::now();
        let said = alice.say(arguments);
        if arguments == ["doctor"] {
            // It looks at the whole node, and may find something that is not well yet.
            assert!(said.stdout.contains("network"), "{said:?}");
            assert!(!said.stderr.contains("of this kind"), "{said:?}");
        } else {
            said.done();
        }
        assert!(begun.elapsed() < PROMPT, "{arguments:?}");
    }
    let begun = Instant::now();
    alice.stop();
    assert!(begun.elapsed() < PROMPT);
    eventually("those who waited have ended", || {
        (readers.waiting() == 0).then_some(())
    });
}
