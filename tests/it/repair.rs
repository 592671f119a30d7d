//! A keeper that ends hands over what it has before it goes.

use restante_interface::{DeliveryState, SendResult};
use restante_tests::{Cluster, Node};

/// How many keepers should have an envelope.
const REPLICAS: usize = 5;

#[test]
fn keepers_that_are_stopped_one_after_another_lose_nothing() {
    let mut cluster = Cluster::of_servers(8);
    let mut bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();
    let mut alice = cluster.person("alice");
    bob.stop();
    let sent = alice.send(&bob_id, b"handed on and on", &[]);
    assert_eq!(sent.state, DeliveryState::Stored, "{sent:?}");
    // Nobody offers it again.
    alice.stop();
    for node in cluster.nodes() {
        node.until("it knows whom it shares items with", |status| {
            status.keeper.repair.partners >= 4
        });
    }
    for _ in 0..4 {
        let entry = cluster.entry.clone();
        let is_entry = |node: &Node| node.runs() && node.address().to_string() == entry;
        let next = cluster
            .nodes_mut()
            .find(|node| node.runs() && holds(node, &sent) && !is_entry(node));
        next.expect("a keeper has it").stop();
        let holders = cluster.nodes().filter(|node| node.runs());
        let holders = holders.filter(|node| holds(node, &sent)).count();
        assert!(holders >= REPLICAS, "{holders} keepers have it");
    }
    bob.run(&[]);
    let got = bob.inbox_until(1);
    let text = got[0].text.as_ref().map(|text| text.0.as_str());
    assert_eq!((got.len(), text), (1, Some("handed on and on")));
}

fn holds(node: &Node, sent: &SendResult) -> bool {
    let mut held = node.holdings().into_iter();
    held.any(|item| item.kind == "envelope" && item.expires_ms == sent.until_ms)
}
