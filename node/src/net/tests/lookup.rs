//! Joining, the routing table and lookups among several nodes.

use libp2p::multiaddr::Protocol;

use super::{
    Mode, NetConfig, NetHandle, Node, NodeId, Over, Profile, Serve, address, config, connect, echo,
    ignore, payload, start, until,
};
use crate::net::{Count, distance};

/// Starts `count` nodes that enter through the first, and waits until each knows all others.
async fn network(count: usize) -> (Vec<(NodeId, NetHandle)>, NetConfig) {
    let first = start(&config(Over::Quic)).await;
    let mut joining = config(Over::Quic);
    joining.bootstrap = vec![first.address.clone()];
    let mut nodes = vec![echo(first)];
    for _ in 1..count {
        nodes.push(echo(start(&joining).await));
    }
    for (_, handle) in &nodes {
        until(|| async {
            let status = handle.status().await.unwrap();
            (status.table_count >= count - 1).then_some(())
        })
        .await;
    }
    (nodes, joining)
}

fn nearest(nodes: &[(NodeId, NetHandle)], asker: NodeId, byte: u8, count: usize) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
    ids.retain(|id| *id != asker);
    ids.sort_by_key(|id| distance(id, &address(byte)));
    ids.truncate(count);
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_among_eight_nodes_find_the_nearest() {
    let (nodes, joining) = network(8).await;
    let mut hidden = joining.clone();
    hidden.serve = Serve::Never;
    let (client, client_handle) = ignore(start(&hidden).await);
    until(|| async { (client_handle.status().await.unwrap().table_count > 0).then_some(()) }).await;

    for byte in 0..8 {
        for (asker, handle) in nodes.iter().step_by(3) {
            let expected = nearest(&nodes, *asker, byte, 5);
            assert_eq!(handle.closest(address(byte), 5).await.unwrap(), expected);
            assert_eq!(
                handle.closest_known(address(byte), 5).await.unwrap(),
                expected
            );
        }
        let found = client_handle.closest(address(byte), 20).await.unwrap();
        assert_eq!(found, nearest(&nodes, client, byte, 20));
    }
    // What a lookup found can be asked.
    for id in client_handle.closest(address(1), 8).await.unwrap() {
        let answer = client_handle.request(id, payload(1), super::PATIENCE).await;
        assert_eq!(answer, Ok(payload(1)));
    }
    // The client asked everybody, and nobody learned of it.
    for (_, handle) in &nodes {
        assert!(
            !handle
                .closest_known(address(0), 20)
                .await
                .unwrap()
                .contains(&client)
        );
        let found = handle.closest(address(0), 20).await.unwrap();
        assert_eq!(found.len(), 7);
        assert!(!found.contains(&client));
    }
    assert_eq!(client_handle.status().await.unwrap().mode, Mode::Client);
}

#[tokio::test]
async fn a_node_joins_by_an_address_without_a_name_and_again_from_memory() {
    let first = start(&config(Over::Tcp)).await;
    let mut bare = first.address.clone();
    assert!(matches!(bare.pop(), Some(Protocol::P2p(_))));
    let (first, _first) = echo(first);
    let mut joining = config(Over::Tcp);
    joining.bootstrap = vec![bare];
    let known = {
        let (_, joined) = ignore(start(&joining).await);
        until(|| async {
            let found = joined.closest_known(address(0), 5).await.unwrap();
            (found == [first]).then_some(())
        })
        .await;
        let known = joined.known_peers().await.unwrap();
        joined.shutdown().await;
        known
    };
    let mut again = config(Over::Tcp);
    again.known = known;
    let (_, again) = ignore(start(&again).await);
    until(|| async {
        let found = again.closest(address(0), 5).await.unwrap();
        (found == [first]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_gone_leaves_the_table_and_a_lonely_node_joins_again() {
    let entry = start(&config(Over::Tcp)).await;
    let mut bare = entry.address.clone();
    bare.pop();
    let mut joining = config(Over::Tcp);
    joining.bootstrap = vec![bare.clone()];
    let (_, joined) = ignore(start(&joining).await);
    until(|| async { (joined.status().await.unwrap().table_count == 1).then_some(()) }).await;
    let gone = entry.id;
    entry.handle.shutdown().await;
    until(|| async {
        let error = joined.request(gone, payload(1), super::PATIENCE).await;
        assert!(error.is_err());
        let status = joined.status().await.unwrap();
        (status.table_count == 0 && status.counters[Count::TableUnreachable.name()] > 0)
            .then_some(())
    })
    .await;

    // Another node takes the entry point's place, under a name of its own.
    let mut heir = config(Over::Tcp);
    heir.listen = vec![bare];
    let (heir, _heir) = echo(start(&heir).await);
    until(|| async {
        let found = joined.closest(address(0), 5).await.unwrap();
        (found == [heir]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn production_takes_no_loopback_peer_into_its_table() {
    let first = start(&config(Over::Quic)).await;
    let mut production = config(Over::Quic);
    production.profile = Profile::Internet;
    production.bootstrap = vec![first.address.clone()];
    let mut node: Node = start(&production).await;
    connect(&mut node, &first).await;
    until(|| async {
        let status = node.handle.status().await.unwrap();
        (status.counters[Count::TableAddress.name()] > 0).then_some(())
    })
    .await;
    let status = node.handle.status().await.unwrap();
    assert_eq!((status.table_count, status.mode), (0, Mode::Client));
    assert!(status.external.is_empty());
    assert!(node.handle.known_peers().await.unwrap().is_empty());
    assert!(node.handle.closest(address(0), 5).await.unwrap().is_empty());
    // Nor does the other node take one that says it is reachable on loopback alone.
    assert_eq!(first.handle.status().await.unwrap().table_count, 0);
}

#[tokio::test]
async fn nodes_of_two_networks_part() {
    let first = start(&config(Over::Quic)).await;
    let mut other = config(Over::Quic);
    other.network = "elsewhere".into();
    other.bootstrap = vec![first.address.clone()];
    let (_, other) = ignore(start(&other).await);
    until(|| async {
        let status = other.status().await.unwrap();
        (status.counters[Count::OtherNetwork.name()] > 0).then_some(())
    })
    .await;
    assert_eq!(other.status().await.unwrap().table_count, 0);
}
