//! Bytes that are no frames.

use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use restante::clock;
use restante_proto::envelope::id_of;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, PAYLOAD_BYTES_MAX};
use restante_proto::request::{Reason, Request, Response};
use restante_tests::{
    Letterbox, Peer, RawConnection, Site, envelope, eventually, frame, nonce, seed,
};

use super::{GROWTH_KIB_MAX, assert_serves, errors};

/// Connections that send noise.
const NOISES: usize = 40;
/// Requests of one connection whose answers nobody reads.
const UNREAD: u64 = 400;
/// How long their answers are not read.
const UNREAD_FOR: Duration = Duration::from_secs(5);
/// Bytes that come singly on one connection, at most: many times what a node bears.
const SINGLE_BYTES_MAX: usize = 10_000;
/// The pause between them.
const SINGLE_BYTE_PAUSE: Duration = Duration::from_millis(1);
/// Streams with a frame that never ends.
const UNFINISHED: usize = 120;

#[test]
fn broken_frames_close_the_connection_and_are_counted() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address();
    let long = u32::try_from(PAYLOAD_BYTES_MAX + 10).unwrap();
    let with_length = |length: u32| [&length.to_be_bytes()[..], &[0; 9]].concat();
    let cases = [
        ("frame_too_long", with_length(u32::MAX)),
        ("frame_too_long", with_length(long)),
        ("frame_too_short", with_length(8)),
        ("frame_too_short", with_length(0)),
        ("frame_unknown_kind", frame(5, 1, b"")),
        ("frame_unknown_kind", frame(255, 1, b"")),
        ("frame_bad_id", frame(0, 0, b"")),
        ("frame_bad_id", frame(2, 7, b"")),
        ("frame_wrong_direction", frame(1, 7, b"")),
        ("frame_wrong_direction", frame(2, 0, b"")),
        ("request_duplicate_id", twice(&request())),
        ("lookup_bad_question", frame(3, 1, b"nonsense")),
    ];
    for (reason, bytes) in cases {
        let before = errors(&server, reason);
        let connection = RawConnection::dial(&address);
        let mut stream = connection.open().expect("a server offers the protocol");
        // The other end may close while this is under way.
        let _closed = stream.send(&bytes);
        eventually(&format!("{reason} closes the stream"), || {
            stream.receive().is_none().then_some(())
        });
        eventually(&format!("{reason} is counted"), || {
            (errors(&server, reason) == before + 1).then_some(())
        });
        server.assert_alive();
    }
    assert_serves(&address);
}

#[test]
fn noise_and_frames_without_end_cost_bounded_memory() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address();
    assert_serves(&address);
    let before = server.memory_kib();
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..NOISES {
        let connection = RawConnection::dial(&address);
        let Ok(mut stream) = connection.open() else {
            continue;
        };
        let mut noise = vec![0; rng.random_range(1..200_000)];
        rng.fill_bytes(&mut noise);
        let _closed = stream.send(&noise);
    }
    // A limit of connections may refuse some of these; none of them is answered.
    let connections: Vec<_> = (0..8).map(|_| RawConnection::dial(&address)).collect();
    let mut streams = Vec::new();
    for connection in &connections {
        for _ in 0..UNFINISHED / connections.len() {
            let Ok(mut stream) = connection.open() else {
                break;
            };
            let whole = frame(0, 1, &vec![0; PAYLOAD_BYTES_MAX]);
            let _closed = stream.send(&whole[..whole.len() - 1]);
            streams.push(stream);
        }
    }
    assert!(
        streams.len() >= connections.len(),
        "{} streams were opened",
        streams.len()
    );
    let grown = server.memory_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "the node has grown by {grown} KiB");
    assert_serves(&address);
    server.assert_alive();
}

#[test]
fn bytes_that_come_singly_cost_the_connection() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address();
    let connection = RawConnection::dial(&address);
    let mut stream = connection.open().expect("a server offers the protocol");
    let bytes = frame(0, 1, &[0xff; 1_000]);
    let borne = (0..SINGLE_BYTES_MAX)
        .zip(bytes.iter().cycle())
        .take_while(|(_, byte)| {
            // Those sent in the same moment would go in one packet.
            thread::sleep(SINGLE_BYTE_PAUSE);
            stream.send(&[**byte]).is_ok()
        })
        .count();
    assert!(borne < SINGLE_BYTES_MAX, "it is never closed");
    eventually("it is counted", || {
        (errors(&server, "frame_in_short_reads") == 1).then_some(())
    });
    assert_serves(&address);
}

#[test]
fn answers_that_nobody_reads_cost_bounded_memory() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let address = server.address();
    let (peer, letterbox) = (Peer::asking(), Letterbox::new());
    let node = peer.meet(&address);
    let expires = clock::now().plus(DAY_MS);
    let largest = envelope(ENVELOPE_BYTES[3], expires);
    let answer = peer.ask(node, &letterbox.deposit(&largest, expires, nonce()));
    assert!(matches!(answer, Response::Receipt(_)), "{answer:?}");
    let get = letterbox.get(&node, vec![id_of(&largest)]).encode();
    let before = server.memory_kib();
    let connections: Vec<_> = (0..6).map(|_| RawConnection::dial(&address)).collect();
    let mut streams: Vec<_> = connections.iter().map(|one| one.open().unwrap()).collect();
    for stream in &mut streams {
        for id in 1..=UNREAD {
            stream.send(&frame(0, id, &get)).unwrap();
        }
    }
    let asked = Instant::now();
    let mut grown = 0;
    while asked.elapsed() < UNREAD_FOR {
        grown = server.memory_kib().saturating_sub(before).max(grown);
        assert!(grown < GROWTH_KIB_MAX, "the node has grown by {grown} KiB");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(
        grown > 1_024,
        "{grown} KiB: nothing was held back for these readers"
    );
    assert_serves(&address);
    // Whoever reads after all gets the answers; some of so many may be a clear "busy".
    let envelopes = (0..UNREAD)
        .map(|_| streams[0].receive().expect("the answers were kept"))
        .map(|answer| Response::decode(&answer).unwrap())
        .find(|answer| match answer {
            Response::Refusal(refusal) => {
                assert_eq!(refusal.reason, Reason::Busy);
                false
            }
            _ => true,
        });
    assert!(
        matches!(&envelopes, Some(Response::Envelopes(items)) if items.len() == 1),
        "{envelopes:?}"
    );
    server.assert_alive();
}

#[test]
fn whole_frames_with_nonsense_inside_are_answered_as_malformed() {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&[]);
    let connection = RawConnection::dial(&server.address());
    let mut stream = connection.open().unwrap();
    let mut rng = StdRng::seed_from_u64(seed());
    let valid = request();
    let mut nonsense: Vec<Vec<u8>> = (0..200).map(|_| noise(&mut rng)).collect();
    nonsense.push(Vec::new());
    nonsense.push([valid.as_slice(), &[0]].concat());
    nonsense.push(valid[..valid.len() - 1].to_vec());
    nonsense.push(vec![0xff; PAYLOAD_BYTES_MAX]);
    for (id, payload) in (1..).zip(&nonsense) {
        stream.send(&frame(0, id, payload)).unwrap();
        let answer = stream.receive().expect("a request is answered");
        match Response::decode(&answer).unwrap() {
            Response::Refusal(refusal) => assert_eq!(refusal.reason, Reason::Malformed),
            other => panic!("{payload:?} was answered with {other:?}"),
        }
    }
    let counted = super::refusals(&server, "malformed");
    assert_eq!(counted, nonsense.len() as u64);
    assert_serves(&server.address());
    server.assert_alive();
}

fn noise(rng: &mut StdRng) -> Vec<u8> {
    let mut noise = vec![0; rng.random_range(1..2_000)];
    rng.fill_bytes(&mut noise);
    noise
}

fn request() -> Vec<u8> {
    let locator = restante_proto::Address::new([7; 32]);
    Request::GetCards { locator }.encode().to_vec()
}

/// Returns the same request twice under one id, many times over, so that the second of two comes
/// before the first is answered.
fn twice(payload: &[u8]) -> Vec<u8> {
    [frame(0, 1, payload), frame(0, 1, payload)].concat()
}
