//! Much of everything: requests, connections, streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use restante::net::Multiaddr;
use restante_proto::limits::PAYLOAD_BYTES_MAX;
use restante_tests::{Honest, Hostile, RawConnection, RawStream, Site, eventually, frame};
use tokio::net::{TcpSocket, TcpStream};

use super::{assert_serves, errors};

/// What a node may need in all, in KiB.
const MEMORY_KIB_MAX: u64 = 256 * 1024;
/// Silent connections.
const SILENT: u16 = 1_000;

/// Streams of one connection, at most.
const STREAMS_EACH: usize = 20;

#[test]
fn a_flood_holds_nobody_up_and_nothing_accepted_is_lost() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&["--disk-cap", "64MiB"]);
    let address = server.address();
    let mut honest = Honest::new(&address, 4);
    let hostile = Hostile::new(&address, 4);
    let stop = Arc::new(AtomicBool::new(false));
    let (mut seen, answers) = thread::scope(|scope| {
        let flood = scope.spawn(|| hostile.flood(&stop));
        let seen = honest.work(Duration::from_secs(5), Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        (seen, flood.join().expect("the flood ends"))
    });
    let done = |name: &str| answers.get(name).copied().unwrap_or(0);
    assert!(done("receipt") + done("full") > 100, "{answers:?}");
    assert!(
        done("malformed") > 0 && done("capability") > 0,
        "{answers:?}"
    );
    for (what, times) in [
        ("deposits", &mut seen.deposits),
        ("fetches", &mut seen.fetches),
    ] {
        let (count, permille) = (times.count(), times.success_permille());
        assert!(count > 20, "{what}: {count}");
        assert!(permille >= 990, "{what}: {permille} of 1000 were done");
    }
    let (kept, lost) = honest.lost();
    assert!(kept > 0 && lost == 0, "{lost} of {kept} are lost");
    let status = server.status().keeper;
    assert!(status.bytes <= status.cap_bytes);
    let taken = done("receipt") + kept as u64;
    assert!(
        status.items >= taken,
        "{} items of {taken} with a receipt",
        status.items
    );
    assert!(server.memory_peak_kib() < MEMORY_KIB_MAX);
    server.assert_alive();
}

#[test]
fn a_thousand_connections_that_say_nothing_keep_nobody_out() {
    let site = Site::new();
    let mut server = site.public_community("server");
    server.run(&[]);
    let address = server.address();
    let tcp = tcp_of(&address);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // One group of addresses, and more of them than one address may have.
    let silent: Vec<TcpStream> = runtime.block_on(async {
        let mut open = Vec::new();
        for number in 0..SILENT {
            let socket = TcpSocket::new_v4().unwrap();
            let from = format!("127.2.3.{}:0", number % 250 + 1);
            socket.bind(from.parse().unwrap()).unwrap();
            if let Ok(stream) = socket.connect(tcp).await {
                open.push(stream);
            }
        }
        open
    });
    eventually("the group's connections are refused", || {
        (errors(&server, "connection_per_group") > u64::from(SILENT) / 2).then_some(())
    });
    assert_serves(&address);
    assert!(server.memory_peak_kib() < MEMORY_KIB_MAX);
    drop(silent);
    server.assert_alive();
}

#[test]
fn as_many_streams_as_there_may_be_with_frames_without_end_cost_bounded_memory() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address();
    let whole = frame(0, 1, &vec![0; PAYLOAD_BYTES_MAX]);
    let connections: Vec<_> = (0..60).map(|_| RawConnection::dial(&address)).collect();
    // All at once: what a connection is denied, it waits for.
    let streams: Vec<RawStream<'_>> = thread::scope(|scope| {
        let filling = connections.iter().enumerate().map(|(number, connection)| {
            let part = if number.is_multiple_of(2) {
                &whole[..1]
            } else {
                &whole[..whole.len() - 1]
            };
            scope.spawn(|| fill(connection, part))
        });
        let filling: Vec<_> = filling.collect();
        let filled = filling.into_iter().map(|one| one.join().expect("it ends"));
        filled.flatten().collect()
    });
    assert!(streams.len() > 200, "{} streams were opened", streams.len());
    let peak = server.memory_peak_kib();
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    assert_serves(&address);
    server.assert_alive();
}

/// Opens streams for as long as the node takes them, and sends the same on each.
fn fill<'a>(connection: &'a RawConnection, part: &[u8]) -> Vec<RawStream<'a>> {
    let mut streams = Vec::new();
    while let Ok(mut stream) = connection.open() {
        // A stream in place of another closes it, and its bytes are let go.
        let sent = stream.send(part);
        streams.push(stream);
        if sent.is_err() || streams.len() >= STREAMS_EACH {
            break;
        }
    }
    streams
}

fn tcp_of(address: &Multiaddr) -> SocketAddr {
    let port = address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    });
    // A community server listens on the same port with both.
    SocketAddr::from(([127, 0, 0, 1], port.expect("it listens with QUIC")))
}
