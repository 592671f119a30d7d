//! Nodes whose addresses are alike: each knows the others, and what is said to be stored arrives (SPEC 9.4).
//!
//! On the Internet loopback is no address. So the test has a network of its own, in which the machine has addresses of
//! one /16, and of another one; that takes no rights.

use std::env;
use std::process::Command;
use std::thread;

use restante_interface::DeliveryState;
use restante_tests::{Cluster, Node, Site, eventually};

/// Says that the process is in a network of its own.
const INSIDE: &str = "RESTANTE_TEST_INSIDE";
const READER: &str = "45.66.100.1";
const WRITER: &str = "93.184.1.1";
const PORT: u16 = 4_717;
/// Servers of one /16; the last two are behind the address of the first.
const SERVERS: u16 = 8;
const MESSAGES: usize = 3;

#[test]
fn who_writes_from_elsewhere_reaches_people_and_keepers_of_one_group_of_addresses() {
    let name =
        "addresses::who_writes_from_elsewhere_reaches_people_and_keepers_of_one_group_of_addresses";
    if env::var_os(INSIDE).is_none() {
        return again_in_a_network_of_its_own(name);
    }
    command("ip", &["link", "set", "lo", "up"]);
    for ip in (1..SERVERS)
        .map(server_ip)
        .chain([READER.into(), WRITER.into()])
    {
        command("ip", &["address", "add", &format!("{ip}/32"), "dev", "lo"]);
    }
    let site = Site::new();
    let servers = servers(&site);
    let entry = servers[0].address().to_string();
    let mut reader = person(site.person("bob").on_internet(READER, PORT), &entry);
    Cluster::await_card(&reader);
    let id = reader.id();
    reader.stop();
    let mut writer = person(site.person("alice").on_internet(WRITER, PORT), &entry);
    for number in 0..MESSAGES {
        let sent = writer.send(&id, format!("message {number}").as_bytes(), &[]);
        assert_eq!(
            (sent.state, sent.stored_of),
            (DeliveryState::Stored, 5),
            "{sent:?}"
        );
    }
    writer.stop();
    reader.run(&[]);
    let mut got: Vec<String> = reader
        .inbox_until(MESSAGES)
        .into_iter()
        .filter_map(|one| Some(one.text?.0))
        .collect();
    got.sort_unstable();
    let sent: Vec<String> = (0..MESSAGES)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(got, sent);
}

fn server_ip(number: u16) -> String {
    format!("45.66.{number}.1")
}

/// Starts servers, and waits until all know each other.
fn servers(site: &Site) -> Vec<Node> {
    let place = |number: u16| match number {
        behind if behind > SERVERS - 2 => (server_ip(1), PORT + behind),
        alone => (server_ip(alone), PORT),
    };
    let node = |number| {
        let (ip, port) = place(number);
        site.community(&format!("server{number}"))
            .on_internet(&ip, port)
    };
    let mut servers: Vec<Node> = (1..=SERVERS).map(node).collect();
    servers[0].run(&[]);
    let entry = servers[0].address().to_string();
    thread::scope(|scope| {
        for server in &mut servers[1..] {
            scope.spawn(|| server.run(&["--bootstrap", &entry]));
        }
    });
    for server in &servers {
        eventually(&format!("{} knows the others", server.name()), || {
            (server.status().routing_table == u32::from(SERVERS) - 1).then_some(())
        });
    }
    servers
}

fn person(mut node: Node, entry: &str) -> Node {
    node.init(&["--serve", "never", "--bootstrap", entry]);
    node.run(&[]);
    node
}

/// Runs a test of this program once more in a network of its own, which ends with it.
fn again_in_a_network_of_its_own(test: &str) {
    // The turn of the processes that the other one starts.
    let _turn = Site::new();
    // Root may have one; others need to be root in a namespace of users.
    for flags in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        let mut probe = Command::new("unshare");
        let allowed = probe.args(flags).arg("true").output();
        if !allowed
            .expect("`unshare` is part of util-linux")
            .status
            .success()
        {
            continue;
        }
        let mut again = Command::new("unshare");
        again.args(flags).arg(env::current_exe().unwrap());
        again.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
        let output = again.env(INSIDE, "1").output().unwrap();
        let shown =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shown}");
        assert!(shown.contains("1 passed"), "{shown}");
        return;
    }
    panic!(
        "this system lets nobody have a network: run the tests as root, or allow user namespaces"
    );
}

fn command(name: &str, arguments: &[&str]) {
    let status = Command::new(name).args(arguments).status();
    assert!(
        status.expect("`ip` is part of iproute2").success(),
        "{name} {arguments:?}"
    );
}
