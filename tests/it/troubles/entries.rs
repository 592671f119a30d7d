//! Entry points that are of no use: the node says why, and uses its others.

use std::fs;
use std::net::UdpSocket;

use restante_interface::EntryPointState;
use restante_tests::{Cluster, Node, Site};

/// A name that no server of names may give an address (RFC 6761).
const NO_NAME: &str = "/dns4/no-such-host.invalid/udp/4717/quic-v1\
                       /p2p/12D3KooWJBa9tPXXSCPALEdtA9uPuyybdu6yAKMu5HWDRwZqyFJf";
/// Lines of the log of a node that finds nobody, at most.
const LOG_LINES_MAX: usize = 60;

/// Makes a person with these entry points, and starts the node.
fn person(site: &Site, handle: &str, entries: &[&str]) -> Node {
    let mut node = site.person(handle);
    let flags = entries.iter().flat_map(|entry| ["--bootstrap", *entry]);
    let settings: Vec<&str> = ["--serve", "never"].into_iter().chain(flags).collect();
    node.init(&settings);
    node.run(&[]);
    node
}

/// Checks that people are told why the only entry point of a node is of no use, wherever they look.
#[track_caller]
fn told(node: &Node, why: EntryPointState, words: &str) {
    node.until("its entry point was tried", |status| {
        let [entry] = &status.entry_points[..] else {
            panic!("{:?}", status.entry_points);
        };
        entry.state == why
    });
    let doctor = node.say(&["doctor"]);
    assert!(doctor.stdout.contains(words), "{doctor:?}");
    doctor.refused(1, &["checks failed"]);
    let log = node.logged();
    let told =
        |line: &&str| line.contains(" WARN ") && line.contains("an entry point cannot be used");
    assert_eq!(log.lines().filter(told).count(), 1, "{log}");
    assert!(log.lines().count() < LOG_LINES_MAX, "{log}");
}

#[test]
fn why_an_entry_point_is_of_no_use_is_told() {
    let site = Site::new();
    let mut server = site.community("bootstrap");
    server.run(&[]);
    let entry = server.address().to_string();
    server.stop();
    fs::remove_dir_all(server.home()).unwrap();
    // At the same port, under another identity.
    server.run(&[]);
    assert_ne!(server.address().to_string(), entry);

    let mut alice = person(&site, "alice", &[&entry]);
    let mut bob = person(&site, "bob", &[NO_NAME]);
    let entry = server.address().to_string();
    let mut carol = site.person("carol");
    carol.init(&["--serve", "never", "--bootstrap", &entry]);
    carol.run(&["--network", "another"]);
    told(&alice, EntryPointState::OtherIdentity, "another identity");
    told(&bob, EntryPointState::NameUnresolved, "does not resolve");
    told(&carol, EntryPointState::OtherNetwork, "another network");
    for node in [&mut alice, &mut bob, &mut carol] {
        node.assert_alive();
        node.stop();
    }
}

#[test]
fn an_entry_point_that_is_of_no_use_keeps_nobody_from_the_next() {
    let cluster = Cluster::of_servers(1);
    let mut listen = cluster.bootstrap.status().listen.into_iter();
    let tcp = listen.find(|address| address.contains("/ip4/127.0.0.1/tcp/"));
    let tcp = tcp.expect("it listens there too");
    let (_, name) = tcp.rsplit_once('/').unwrap();
    // Whatever comes here is never answered.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let silent = format!("/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{name}");

    let alice = person(&cluster.site, "alice", &[NO_NAME, &cluster.entry]);
    // One entry point by two addresses.
    let bob = person(&cluster.site, "bob", &[&silent, &tcp]);
    for node in [&alice, &bob] {
        node.until("it knows all keepers", |status| status.routing_table >= 2);
    }
    let state = |address: &str| {
        let entries = alice.status().entry_points.into_iter();
        let mut states = entries.filter(|entry| entry.address == address);
        states.next().map(|entry| entry.state)
    };
    assert_eq!(state(NO_NAME), Some(EntryPointState::NameUnresolved));
    assert_eq!(state(&cluster.entry), Some(EntryPointState::Reached));
}
