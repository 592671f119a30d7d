//! Addresses that a node claims to be reached at, in virtual time: each IP address and port is a port in memory.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::Transport as _;
use libp2p::core::transport::{
    DialOpts, ListenerId, MemoryTransport, TransportError, TransportEvent,
};
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::{noise, yamux};
use tokio::time::timeout;

use super::{
    Keypair, Mode, NetConfig, NetEvent, Network, Node, Over, Profile, config, ignore, wait,
};
use crate::net::transport::Transport;
use crate::net::{AddressState, NetHandle, NetStatus, node_of};

/// From where every connection seems to come.
const NOBODY: &str = "/ip4/9.255.0.1/tcp/1";

/// A transport under which ports in memory look like IP addresses.
struct Renamed(Transport);

fn in_memory(address: &Multiaddr) -> Multiaddr {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => {
            let place = u64::from(u32::from(ip)) << 16 | u64::from(port);
            parts.fold(
                Protocol::Memory(place).into(),
                |address: Multiaddr, part| address.with(part),
            )
        }
        _ => address.clone(),
    }
}

fn as_ip(address: &Multiaddr) -> Multiaddr {
    match address.iter().next() {
        Some(Protocol::Memory(place)) => {
            let ip = u32::try_from(place >> 16).unwrap_or(0);
            let port = u16::try_from(place & 0xffff).unwrap_or(0);
            Multiaddr::from(Ipv4Addr::from(ip)).with(Protocol::Tcp(port))
        }
        _ => address.clone(),
    }
}

impl libp2p::core::Transport for Renamed {
    type Output = <Transport as libp2p::core::Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Transport as libp2p::core::Transport>::ListenerUpgrade;
    type Dial = <Transport as libp2p::core::Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.0.listen_on(id, in_memory(&address))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.0.dial(in_memory(&address), opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.0).poll(cx).map(|event| match event {
            TransportEvent::NewAddress {
                listener_id,
                listen_addr,
            } => TransportEvent::NewAddress {
                listener_id,
                listen_addr: as_ip(&listen_addr),
            },
            TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr,
                ..
            } => TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr: as_ip(&local_addr),
                send_back_addr: NOBODY.parse().unwrap(),
            },
            other => other,
        })
    }
}

async fn start(listen: &str, change: impl FnOnce(&mut NetConfig)) -> Node {
    let mut config = NetConfig {
        listen: vec![listen.parse().unwrap()],
        profile: Profile::Internet,
        ..config(Over::Tcp)
    };
    change(&mut config);
    let keypair = Keypair::generate_ed25519();
    let memory = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let (handle, mut events) = Network::spawn(&config, &keypair, Renamed(memory).boxed()).unwrap();
    let address = wait(&mut events, |event| match event {
        NetEvent::Listening(address) => Some(address),
        _ => None,
    })
    .await;
    let peer = keypair.public().to_peer_id();
    Node {
        id: node_of(&peer).unwrap(),
        handle,
        events,
        address: address.with_p2p(peer).unwrap(),
    }
}

/// Starts servers that others join through; their claims are true.
async fn entries(group: u8) -> Vec<(Multiaddr, NetHandle)> {
    let mut entries = Vec::new();
    for host in 1..=2 {
        let own = format!("/ip4/9.{group}.{host}.1/tcp/1");
        let node = start(&own, |config| config.external = config.listen.clone()).await;
        let address = node.address.clone();
        entries.push((address, ignore(node).1));
    }
    entries
}

/// Waits for a status, for as long as tests of addresses take.
async fn until(handle: &NetHandle, is_wanted: impl Fn(&NetStatus) -> bool) -> NetStatus {
    let look = async {
        loop {
            let status = handle.status().await.unwrap();
            if is_wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(Duration::from_secs(1_800), look)
        .await
        .expect("the state is reached in time")
}

fn state(status: &NetStatus) -> AddressState {
    status.claims[0].state
}

#[tokio::test(start_paused = true)]
async fn a_false_claim_counts_until_others_have_tried_it() {
    let entries = entries(41).await;
    let node = start("/ip4/9.41.9.1/tcp/1", |config| {
        config.external = vec!["/ip4/9.41.9.9/tcp/1".parse().unwrap()];
        config.bootstrap = entries.iter().map(|(address, _)| address.clone()).collect();
    })
    .await;
    let (_, node) = ignore(node);
    let status = node.status().await.unwrap();
    assert_eq!(
        (status.mode, state(&status)),
        (Mode::Server, AddressState::Untested)
    );
    let status = until(&node, |status| state(status) == AddressState::Refuted).await;
    assert!(status.external.is_empty(), "{status:?}");
    assert!(status.claims[0].is_set);
    let seen: Vec<String> = status.seen_from.iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["9.255.0.1"]);
    assert_eq!(
        until(&node, |status| status.mode == Mode::Client)
            .await
            .table_count,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_true_claim_is_confirmed_and_somebody_elses_address_is_refuted() {
    let entries = entries(42).await;
    let (own, foreign) = ("/ip4/9.42.9.1/tcp/1", "/ip4/9.42.9.2/tcp/1");
    let _other = ignore(start(foreign, |_| {}).await);
    let node = start(own, |config| {
        config.external = vec![own.parse().unwrap(), foreign.parse().unwrap()];
        config.bootstrap = entries.iter().map(|(address, _)| address.clone()).collect();
    })
    .await;
    let (_, node) = ignore(node);
    let own: Multiaddr = own.parse().unwrap();
    let status = until(&node, |status| status.external == [own.clone()]).await;
    assert_eq!(status.mode, Mode::Server);
    let states: Vec<AddressState> = status.claims.iter().map(|claim| claim.state).collect();
    assert_eq!(states, [AddressState::Confirmed, AddressState::Refuted]);
}
