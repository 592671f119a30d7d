//! A message survives the loss of any two of the five keepers that hold it.

use std::path::PathBuf;

use restante_interface::{DeliveryState, SendResult};
use restante_tests::{Cluster, Node, eventually};

/// How many keepers hold an envelope.
const REPLICAS: usize = 5;

#[test]
fn any_two_of_the_five_keepers_may_die_before_the_recipient_is_back() {
    let mut cluster = Cluster::of_servers(7);
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();
    let mut alice = cluster.person("alice");
    for [first, second] in pairs() {
        bob.stop();
        let text = format!("past keepers {first} and {second}");
        let sent = alice.send(&bob_id, text.as_bytes(), &[]);
        assert_eq!(sent.state, DeliveryState::Stored, "{sent:?}");
        let holders = holders(&cluster, &sent);
        alice.stop();
        let killed = [&holders[first], &holders[second]];
        for node in cluster
            .nodes_mut()
            .filter(|node| killed.iter().any(|home| *home == node.home()))
        {
            node.kill9();
        }
        bob.run(&[]);
        take(&bob, &text);
        revive(&mut cluster);
        alice.run(&[]);
    }
}

#[track_caller]
fn take(bob: &Node, expected: &str) {
    let got = bob.inbox_until(1);
    let text = |index: usize| got[index].text.as_ref().map(|text| text.0.as_str());
    assert_eq!((got.len(), text(0)), (1, Some(expected)));
}

/// Starts what was killed, and waits until it is back in the network.
fn revive(cluster: &mut Cluster) {
    let entry = cluster.entry.clone();
    for node in cluster.nodes_mut().filter(|node| !node.runs()) {
        Cluster::revive(node, &entry);
        node.until("it is back in the network", |status| {
            status.routing_table > 0
        });
    }
}

/// Waits until a message lies at five keepers, and returns their homes.
#[track_caller]
fn holders(cluster: &Cluster, sent: &SendResult) -> Vec<PathBuf> {
    let holds = |node: &&Node| {
        let mut held = node.holdings().into_iter();
        held.any(|item| item.kind == "envelope" && item.expires_ms == sent.until_ms)
    };
    eventually("the message lies at five keepers", || {
        let homes: Vec<_> = cluster
            .nodes()
            .filter(holds)
            .map(|node| node.home().to_owned())
            .collect();
        assert!(homes.len() <= REPLICAS, "{homes:?}");
        (homes.len() == REPLICAS).then_some(homes)
    })
}

/// Returns every two of five.
fn pairs() -> Vec<[usize; 2]> {
    let all =
        (0..REPLICAS).flat_map(|first| (first + 1..REPLICAS).map(move |second| [first, second]));
    let pairs: Vec<_> = all.collect();
    assert_eq!(pairs.len(), 10);
    pairs
}
