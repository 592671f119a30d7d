//! The network layer on a runtime whose clock is virtual, over a transport without sockets.

use std::time::Duration;

use libp2p::core::Transport as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::{noise, yamux};
use restante_proto::NodeId;
use tokio::time::Instant;

use super::{
    Keypair, NetConfig, NetEvent, NetHandle, Node, Over, config, connect, echo, payload, wait,
};
use crate::net::{Network, RequestError, node_of};

async fn start_in_memory(port: u64) -> Node {
    let config = NetConfig {
        listen: vec![format!("/memory/{port}").parse().unwrap()],
        ..config(Over::Quic)
    };
    let keypair = Keypair::generate_ed25519();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let (handle, mut events) = Network::spawn(&config, &keypair, transport).unwrap();
    let address = wait(&mut events, |event| match event {
        NetEvent::Listening(address) => Some(address),
        _ => None,
    })
    .await;
    let peer = keypair.public().to_peer_id();
    let address = address.with_p2p(peer).unwrap();
    Node {
        id: node_of(&peer).unwrap(),
        handle,
        events,
        address,
    }
}

#[tokio::test(start_paused = true)]
async fn requests_work_and_deadlines_pass_in_virtual_time() {
    let began = std::time::Instant::now();
    let mut left = start_in_memory(7_001).await;
    let right = start_in_memory(7_002).await;
    let mute = start_in_memory(7_003).await;
    connect(&mut left, &right).await;
    connect(&mut left, &mute).await;
    let (right, _handle) = echo(right);
    let answer = left
        .handle
        .request(right, payload(9), Duration::from_secs(5))
        .await;
    assert_eq!(answer, Ok(payload(9)));

    let asked = Instant::now();
    let error = left
        .handle
        .request(mute.id, payload(9), Duration::from_secs(3600))
        .await;
    assert_eq!(error, Err(RequestError::TimedOut));
    assert!(asked.elapsed() >= Duration::from_secs(3600));
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "an hour took real time"
    );
}

/// Longer than an unused connection lives, and shorter than the pause before the next look for neighbours.
const MINUTES: Duration = Duration::from_secs(150);

async fn ask(from: &NetHandle, to: NodeId) {
    let answer = from.request(to, payload(9), Duration::from_secs(5)).await;
    assert_eq!(answer, Ok(payload(9)));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_one_end_holds_is_left_open_by_the_other() {
    let mut left = start_in_memory(7_004).await;
    let right = start_in_memory(7_005).await;
    connect(&mut left, &right).await;
    let (right, _handle) = echo(right);
    left.handle.hold(right).await.unwrap();
    ask(&left.handle, right).await;
    tokio::time::sleep(MINUTES).await;
    while let Ok(event) = left.events.try_recv() {
        assert!(!matches!(event, NetEvent::Disconnected(_)), "{event:?}");
    }
    assert_eq!(left.handle.status().await.unwrap().connected, [right]);
    left.handle.release(right).await.unwrap();
    tokio::time::sleep(MINUTES / 2).await;
    let gone = |event| matches!(event, NetEvent::Disconnected(_)).then_some(());
    wait(&mut left.events, gone).await;
}

#[tokio::test(start_paused = true)]
async fn two_that_have_asked_each_other_and_hold_on_to_nothing_part() {
    let mut left = start_in_memory(7_006).await;
    let right = start_in_memory(7_007).await;
    connect(&mut left, &right).await;
    let ((left, at_left), (right, at_right)) = (echo(left), echo(right));
    ask(&at_left, right).await;
    ask(&at_right, left).await;
    tokio::time::sleep(MINUTES).await;
    assert_eq!(at_left.status().await.unwrap().connection_count, 0);
}
