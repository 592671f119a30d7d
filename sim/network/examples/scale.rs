//! Measures what idle connections cost, and how many segments a second are carried.
//!
//! `cargo run -p restante-sim-network --example scale -- [hosts] [connections of each]`

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, PortUse};
use libp2p::core::{Endpoint, Transport as _};
use libp2p::{Multiaddr, PeerId};
use restante_sim_network::{HostOptions, Internet, Link, Nat, Options};
use restante_virtual_time::real_elapsed;

type Transport = Boxed<(PeerId, StreamMuxerBox)>;

const WALL: Duration = Duration::from_secs(1_800_000_000);
const ROUNDS: u32 = 2_000;
const PAIRS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let hosts = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let each = arguments.next().map_or(Ok(20), |text| text.parse())?;
    restante_virtual_time::run(1, WALL, move || measure(hosts, each))?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
async fn measure(hosts: u16, each: u16) {
    let options = Options {
        jitter_ppm: 100_000,
        ..Options::default()
    };
    let internet = Internet::new(1, options);
    tokio::spawn(internet.clone().drive());
    let transports: Vec<Transport> = (0..hosts).map(|host| start(&internet, host)).collect();
    let empty = resident_bytes();
    let began = real_elapsed();
    let muxers = connect_all(transports, each).await;
    let connections = internet.connections();
    let took = real_elapsed() - began;
    let bytes = resident_bytes().saturating_sub(empty) / connections.max(1) as u64;
    println!("{connections} connections made in {took:?}, {bytes} bytes each with both ends");

    let began = real_elapsed();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let took = real_elapsed() - began;
    println!("a day of them idle: {took:?}");

    let [dialled, accepted] = muxers;
    echo(accepted);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = internet.stats().segments;
    let began = real_elapsed();
    ping_pong(dialled).await;
    let took = real_elapsed() - began;
    let segments = internet.stats().segments - before;
    let rate = segments as f64 / took.as_secs_f64();
    println!("{segments} segments to and fro in {took:?}: {rate:.0} a second");
}

fn start(internet: &Internet, number: u16) -> Transport {
    let host = HostOptions {
        address: address_of(number),
        region: 0,
        link: Link::default(),
        nat: Nat::Public,
        shared: false,
    };
    let host = internet
        .add_host(host)
        .expect("each number has an address of its own");
    let mut transport = internet.transport(host, PeerId::random());
    let any = "/ip4/0.0.0.0/udp/4001/quic-v1".parse().expect("an address");
    transport
        .listen_on(ListenerId::next(), any)
        .expect("a free port");
    transport
}

fn address_of(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(45, 1, high, low)
}

/// Lets each host dial so many of the next ones; returns the dialler's and the listener's ends.
async fn connect_all(transports: Vec<Transport>, each: u16) -> [Vec<StreamMuxerBox>; 2] {
    let hosts = u16::try_from(transports.len()).unwrap_or(u16::MAX);
    let mut tasks = Vec::new();
    for (number, mut transport) in (0..hosts).zip(transports) {
        tasks.push(tokio::spawn(async move {
            let dials = (1..=each).map(|step| {
                let ip = address_of((number + step) % hosts);
                let address: Multiaddr = format!("/ip4/{ip}/udp/4001/quic-v1")
                    .parse()
                    .expect("an address");
                let (role, port_use) = (Endpoint::Dialer, PortUse::Reuse);
                transport
                    .dial(address, DialOpts { role, port_use })
                    .expect("a dial")
            });
            let dials = futures::future::try_join_all(dials.collect::<Vec<_>>());
            let accept = async {
                let mut accepted = Vec::new();
                while accepted.len() < usize::from(each) {
                    let event = transport.select_next_some().await;
                    if let Some((upgrade, _)) = event.into_incoming() {
                        accepted.push(upgrade.await.expect("a connection").1);
                    }
                }
                accepted
            };
            let (dialled, accepted) = futures::join!(dials, accept);
            let dialled = dialled.expect("connections").into_iter();
            let dialled: Vec<StreamMuxerBox> = dialled.map(|(_, muxer)| muxer).collect();
            (dialled, accepted, transport)
        }));
    }
    let mut ends = [Vec::new(), Vec::new()];
    let mut transports = Vec::new();
    for task in tasks {
        let (dialled, accepted, transport) = task.await.expect("no panic");
        ends[0].extend(dialled);
        ends[1].extend(accepted);
        transports.push(transport);
    }
    ends
}

/// Answers on all connections.
fn echo(accepted: Vec<StreamMuxerBox>) {
    for mut muxer in accepted {
        tokio::spawn(async move {
            let stream = std::future::poll_fn(|context| muxer.poll_inbound_unpin(context)).await;
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 100];
            while stream.read_exact(&mut bytes).await.is_ok() {
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// Sends small messages to and fro on some connections at the same time.
async fn ping_pong(mut dialled: Vec<StreamMuxerBox>) {
    let mut tasks = Vec::new();
    for mut muxer in dialled.drain(..PAIRS.min(dialled.len())) {
        tasks.push(tokio::spawn(async move {
            let mut stream = std::future::poll_fn(|context| muxer.poll_outbound_unpin(context))
                .await
                .expect("a stream");
            for _ in 0..ROUNDS {
                stream.write_all(&[1; 100]).await.expect("room");
                stream.read_exact(&mut [0; 100]).await.expect("an answer");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// Returns how much memory the process has.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4_096
}
