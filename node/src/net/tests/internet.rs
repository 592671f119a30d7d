//! The production profile, on loopback sockets that are made to look like public addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use libp2p::Multiaddr;
use libp2p::core::Transport as _;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;

use super::{
    Count, Keypair, Mode, NetConfig, NetEvent, NetLimits, Network, Node, Over, PATIENCE, Profile,
    Serve, address, config, connect, counted, echo, ignore, payload, until, wait,
};
use crate::net::transport::{Transport, real};
use crate::net::{node_of, peer_of};

/// A transport under which each port of this machine is a host with a public address.
///
/// Connections are dialled from the port that is listened on, so the other end sees from whom they
/// come; what is dialled from another port comes from [`NOBODY`].
struct Renamed(Transport);

/// The public address of each listening port.
static HOSTS: Mutex<BTreeMap<u16, Ipv4Addr>> = Mutex::new(BTreeMap::new());

const NOBODY: Ipv4Addr = Ipv4Addr::new(9, 255, 0, 1);

/// Reserves a port and makes it the host `ip`.
fn host(ip: &str) -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    HOSTS.lock().unwrap().insert(port, ip.parse().unwrap());
    port
}

fn with_ip(address: &Multiaddr, ip: Ipv4Addr) -> Multiaddr {
    address
        .iter()
        .skip(1)
        .fold(Protocol::Ip4(ip).into(), |address, part| address.with(part))
}

fn private(address: &Multiaddr) -> Multiaddr {
    with_ip(address, Ipv4Addr::LOCALHOST)
}

fn public(address: &Multiaddr) -> Multiaddr {
    let ip = match address.iter().nth(1) {
        Some(Protocol::Tcp(port)) => HOSTS.lock().unwrap().get(&port).copied(),
        _ => None,
    };
    with_ip(address, ip.unwrap_or(NOBODY))
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
        self.0.listen_on(id, private(&address))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.0.dial(private(&address), opts)
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
                listen_addr: public(&listen_addr),
            },
            TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr,
                send_back_addr,
            } => TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr: public(&local_addr),
                send_back_addr: public(&send_back_addr),
            },
            other => other,
        })
    }
}

/// A production node with a seemingly public address.
fn production(ip: &str) -> NetConfig {
    NetConfig {
        listen: vec![format!("/ip4/{ip}/tcp/{}", host(ip)).parse().unwrap()],
        profile: Profile::Internet,
        ..config(Over::Tcp)
    }
}

async fn start(config: &NetConfig) -> Node {
    let keypair = Keypair::generate_ed25519();
    let transport = Renamed(real(&keypair, &NetLimits::personal()).unwrap()).boxed();
    let (handle, mut events) = Network::spawn(config, &keypair, transport).unwrap();
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

/// A node whose operator vouches for its address.
async fn start_vouched(ip: &str) -> Node {
    let mut config = production(ip);
    config.external = config.listen.clone();
    start(&config).await
}

#[tokio::test]
async fn a_reachable_node_is_found_to_be_so_and_enters_the_tables() {
    let entry = start_vouched("9.1.0.1").await;
    assert_eq!(entry.handle.status().await.unwrap().mode, Mode::Server);
    let mut joining = production("9.2.0.1");
    joining.bootstrap = vec![entry.address.clone()];
    let mut node = start(&joining).await;
    assert_eq!(node.handle.status().await.unwrap().mode, Mode::Client);
    let mut hidden = production("9.3.0.1");
    hidden.bootstrap = vec![entry.address.clone()];
    hidden.serve = Serve::Never;
    let (hidden_id, hidden) = ignore(start(&hidden).await);
    until(|| async { (hidden.status().await.unwrap().table_count == 1).then_some(()) }).await;

    wait(&mut node.events, |event| {
        matches!(event, NetEvent::Mode(Mode::Server)).then_some(())
    })
    .await;
    let peer = peer_of(&node.id).unwrap();
    let external = node.handle.status().await.unwrap().external;
    assert_eq!(external.len(), 1);
    assert_eq!(external[0].clone().with_p2p(peer).unwrap(), node.address);
    // Others learn it from the entry point, and can ask it.
    let (id, _node) = echo(node);
    until(|| async {
        let found = hidden.closest(address(0), 20).await.unwrap();
        (found.len() == 2 && found.contains(&id)).then_some(())
    })
    .await;
    assert_eq!(
        hidden.request(id, payload(1), PATIENCE).await,
        Ok(payload(1))
    );
    let known = entry.handle.closest_known(address(0), 20).await.unwrap();
    assert_eq!((known.len(), known.contains(&hidden_id)), (1, false));
    assert_eq!(hidden.status().await.unwrap().mode, Mode::Client);
}

#[tokio::test]
async fn the_few_nodes_of_one_neighbourhood_are_all_in_the_table() {
    let mut entry = start_vouched("9.1.0.2").await;
    let mut nodes = Vec::new();
    for host in 1..=6 {
        let mut node = start_vouched(&format!("9.77.{host}.1")).await;
        connect(&mut node, &entry).await;
        wait(&mut entry.events, |event| {
            matches!(event, NetEvent::Connected(_)).then_some(())
        })
        .await;
        nodes.push(node);
    }
    let table = || async { entry.handle.status().await.unwrap().table_count };
    until(|| async { (table().await == 6).then_some(()) }).await;
    assert_eq!(counted(&entry.handle, Count::TableGroup).await, 0);
}
