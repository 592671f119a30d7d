//! Real swarms on loopback: what two and more nodes do with each other.

mod claims;
mod exchange;
mod internet;
mod limits;
mod listening;
mod lookup;
mod virtual_time;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use restante_proto::{Address, NodeId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{
    Count, Keypair, Mode, Multiaddr, NetConfig, NetEvent, NetHandle, NetLimits, Network, Profile,
    Serve, transport,
};

/// Longer than anything honest takes, even on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// One node under test.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) handle: NetHandle,
    pub(super) events: mpsc::Receiver<NetEvent>,
    /// Where it listens, with `/p2p`.
    pub(super) address: Multiaddr,
}

/// The transports a node can listen on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    Tcp,
    Quic,
}

/// The configuration most tests start from: the local profile, one listener, no entry point.
pub(super) fn config(over: Over) -> NetConfig {
    let listen = match over {
        Over::Tcp => "/ip4/127.0.0.1/tcp/0",
        Over::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
    };
    NetConfig {
        network: "test".into(),
        listen: vec![listen.parse().unwrap()],
        external: Vec::new(),
        bootstrap: Vec::new(),
        known: Vec::new(),
        serve: Serve::Auto,
        profile: Profile::Local,
        limits: NetLimits::personal(),
    }
}

/// Starts a node and waits until it listens, and serves if it may.
pub(super) async fn start(config: &NetConfig) -> Node {
    let keypair = Keypair::generate_ed25519();
    let transport = transport::real(&keypair, &config.limits).unwrap();
    let (handle, mut events) = Network::spawn(config, &keypair, transport).unwrap();
    let address = wait(&mut events, |event| match event {
        NetEvent::Listening(address) => Some(address),
        _ => None,
    })
    .await;
    let peer = keypair.public().to_peer_id();
    let address = address.with_p2p(peer).unwrap();
    let id = super::node_of(&peer).unwrap();
    let node = Node {
        id,
        handle,
        events,
        address,
    };
    if config.profile == Profile::Local && config.serve == Serve::Auto {
        assert_eq!(node.handle.status().await.unwrap().mode, Mode::Server);
    }
    node
}

/// Waits for an event that `pick` accepts; others are dropped.
pub(super) async fn wait<T>(
    events: &mut mpsc::Receiver<NetEvent>,
    mut pick: impl FnMut(NetEvent) -> Option<T>,
) -> T {
    let search = async {
        loop {
            let event = events.recv().await.expect("the network task runs");
            if let Some(found) = pick(event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, search)
        .await
        .expect("the event comes in time")
}

/// Waits until `check` finds what it looks for in a node's state, asking again and again.
pub(super) async fn until<T, F: Future<Output = Option<T>>>(mut check: impl FnMut() -> F) -> T {
    let search = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, search)
        .await
        .expect("the state is reached in time")
}

/// Returns a counter of a node.
pub(super) async fn counted(handle: &NetHandle, count: Count) -> u64 {
    handle.status().await.unwrap().counters[count.name()]
}

/// Connects `from` with `to` and waits until `from` can send requests there.
pub(super) async fn connect(from: &mut Node, to: &Node) {
    from.handle.dial(to.address.clone()).await.unwrap();
    let id = to.id;
    wait(&mut from.events, |event| {
        matches!(event, NetEvent::Connected(node) if node == id).then_some(())
    })
    .await;
}

/// Answers every request with its own payload, for as long as the node runs.
pub(super) fn echo(mut node: Node) -> (NodeId, NetHandle) {
    let handle = node.handle.clone();
    let own = node.handle.clone();
    tokio::spawn(async move {
        while let Some(event) = node.events.recv().await {
            if let NetEvent::Request { token, payload, .. } = event {
                own.respond(token, payload).await.unwrap();
            }
        }
    });
    (node.id, handle)
}

/// Drops every event, so that the node never stands still.
pub(super) fn ignore(node: Node) -> (NodeId, NetHandle) {
    let Node {
        id,
        handle,
        mut events,
        ..
    } = node;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    (id, handle)
}

/// An address made of one byte.
pub(super) fn address(byte: u8) -> Address {
    Address::new([byte; 32])
}

/// A payload of the given length.
pub(super) fn payload(length: usize) -> Bytes {
    Bytes::from(vec![7; length])
}
