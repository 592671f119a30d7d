//! The network layer on a runtime whose clock is virtual, over a transport without sockets.

use std::time::Duration;

use libp2p::core::Transport as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::{noise, yamux};
use tokio::time::Instant;

use super::{Keypair, NetConfig, NetEvent, Node, Over, config, connect, echo, payload, wait};
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
