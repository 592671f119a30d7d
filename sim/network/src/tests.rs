//! What holds for everything sent over the internet, in virtual time.

mod delivery;
mod faults;
mod nat;
mod repeat;
mod swarms;

use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures::future::join;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, PortUse, TransportError, TransportEvent,
};
use libp2p::core::{Endpoint, Transport as _};
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::*;

const WALL: Duration = Duration::from_secs(1_800_000_000);

/// Runs in virtual time.
fn run<T, F>(seed: u64, make: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    restante_virtual_time::run(seed, WALL, make).unwrap()
}

/// An internet that is driven.
fn internet(seed: u64, options: Options) -> Internet {
    let internet = Internet::new(seed, options);
    tokio::spawn(internet.clone().drive());
    internet
}

fn region(latency_ms: u32) -> Options {
    Options {
        latency_ms: vec![vec![latency_ms]],
        ..Options::default()
    }
}

/// Adds a host with a number in its address.
fn add(internet: &Internet, number: u16, link: Link, nat: Nat) -> HostId {
    let [high, low] = number.to_be_bytes();
    let host = HostOptions {
        address: Ipv4Addr::new(45, 1, high, low),
        region: 0,
        link,
        nat,
        shared: false,
    };
    internet.add_host(host).unwrap()
}

fn add_public(internet: &Internet, number: u16) -> HostId {
    add(internet, number, Link::default(), Nat::Public)
}

/// One process of a host.
struct Process {
    transport: Boxed<(PeerId, StreamMuxerBox)>,
    peer: PeerId,
}

impl Process {
    fn start(internet: &Internet, host: HostId) -> Self {
        let peer = PeerId::random();
        let transport = internet.transport(host, peer);
        Self { transport, peer }
    }

    /// Listens on a port of all addresses.
    async fn listen(&mut self, port: u16) -> Multiaddr {
        let any = format!("/ip4/0.0.0.0/udp/{port}/quic-v1");
        let id = ListenerId::next();
        self.transport.listen_on(id, any.parse().unwrap()).unwrap();
        match self.transport.select_next_some().await {
            TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
            other => panic!("{other:?} instead of an address"),
        }
    }

    fn dial_with(
        &mut self,
        address: &Multiaddr,
        port_use: PortUse,
    ) -> Result<
        impl Future<Output = std::io::Result<(PeerId, StreamMuxerBox)>> + use<>,
        TransportError<std::io::Error>,
    > {
        let role = Endpoint::Dialer;
        let options = DialOpts { role, port_use };
        self.transport.dial(address.clone(), options)
    }

    async fn dial(&mut self, address: &Multiaddr) -> std::io::Result<(PeerId, StreamMuxerBox)> {
        self.dial_with(address, PortUse::Reuse).unwrap().await
    }

    /// Takes the next connection; returns it with the address it came from.
    async fn accept(&mut self) -> (Multiaddr, PeerId, StreamMuxerBox) {
        loop {
            let event = self.transport.select_next_some().await;
            if let Some((upgrade, from)) = event.into_incoming() {
                let (peer, muxer) = upgrade.await.unwrap();
                return (from, peer, muxer);
            }
        }
    }
}

/// A connection between two processes, of which the second listens.
async fn connect(from: &mut Process, to: &mut Process) -> (StreamMuxerBox, StreamMuxerBox) {
    let address = to.listen(0).await;
    let (dialled, accepted) = join(from.dial(&address), to.accept()).await;
    let (peer, dialled) = dialled.unwrap();
    assert_eq!((peer, accepted.1), (to.peer, from.peer));
    (dialled, accepted.2)
}

/// Two processes of two hosts with a connection.
struct Pair {
    internet: Internet,
    hosts: [HostId; 2],
    _processes: [Process; 2],
    dialled: StreamMuxerBox,
    accepted: StreamMuxerBox,
}

async fn pair(internet: Internet, links: [Link; 2]) -> Pair {
    let first = add(&internet, 1, links[0], Nat::Public);
    let second = add(&internet, 2, links[1], Nat::Public);
    let mut here = Process::start(&internet, first);
    let mut there = Process::start(&internet, second);
    let (dialled, accepted) = connect(&mut here, &mut there).await;
    Pair {
        internet,
        hosts: [first, second],
        _processes: [here, there],
        dialled,
        accepted,
    }
}

async fn open(muxer: &mut StreamMuxerBox) -> SubstreamBox {
    std::future::poll_fn(|context| muxer.poll_outbound_unpin(context))
        .await
        .unwrap()
}

async fn take(muxer: &mut StreamMuxerBox) -> std::io::Result<SubstreamBox> {
    std::future::poll_fn(|context| muxer.poll_inbound_unpin(context)).await
}

/// Opens a stream that both ends know, after one byte on it.
async fn stream(pair: &mut Pair) -> (SubstreamBox, SubstreamBox) {
    let mut here = open(&mut pair.dialled).await;
    here.write_all(&[0]).await.unwrap();
    let mut there = take(&mut pair.accepted).await.unwrap();
    there.read_exact(&mut [0]).await.unwrap();
    (here, there)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap()
}

async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
