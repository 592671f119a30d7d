//! What has expired is not served, and leaves the store.

use std::time::{Duration, Instant};

use restante::clock;
use restante_proto::envelope::id_of;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, MINUTE_MS};
use restante_proto::request::{Reason, Request, Response};
use restante_tests::{Cluster, Letterbox, Peer, envelope, eventually_within, nonce};

/// The life of the short-lived envelope, in milliseconds.
const TTL_MS: u64 = 2_000;

#[test]
fn an_expired_envelope_is_served_by_no_keeper_and_leaves_the_count_within_a_minute() {
    let cluster = Cluster::of_servers(4);
    let peer = Peer::asking();
    let keepers: Vec<_> = cluster
        .nodes()
        .map(|node| (node, peer.meet(&node.address())))
        .collect();
    let letterbox = Letterbox::new();
    let made = clock::now();
    let (short_until, long_until) = (made.plus(TTL_MS), made.plus(DAY_MS));
    let short = envelope(ENVELOPE_BYTES[1], short_until);
    let long = envelope(ENVELOPE_BYTES[0], long_until);
    for (_, node) in &keepers {
        for (envelope, until) in [(&short, short_until), (&long, long_until)] {
            let nonce = nonce();
            match peer.ask(*node, &letterbox.deposit(envelope, until, nonce)) {
                Response::Receipt(receipt) => {
                    receipt
                        .verify(node, &letterbox.claim(envelope, nonce))
                        .unwrap();
                    assert_eq!(receipt.until, until);
                }
                other => panic!("a deposit was answered with {other:?}"),
            }
        }
    }
    // While it lives it is served: otherwise the rest would show nothing.
    for (_, node) in &keepers {
        let ids = vec![id_of(&short), id_of(&long)];
        let served = served(&peer.ask(*node, &letterbox.get(node, ids)));
        if clock::now() < short_until {
            assert_eq!(served, 2);
        }
    }
    let full = ENVELOPE_BYTES[1] + ENVELOPE_BYTES[0];
    for (keeper, _) in &keepers {
        let bytes = keeper.status().keeper.bytes;
        assert!(
            bytes == full as u64 || clock::now() > short_until,
            "{bytes} bytes are counted"
        );
    }

    wait_until(made.plus(TTL_MS + 100).get());
    for (keeper, node) in &keepers {
        assert_eq!(
            listed(&peer.ask(*node, &letterbox.list(node, None))),
            1,
            "{}",
            keeper.name()
        );
        let get = letterbox.get(node, vec![id_of(&short), id_of(&long)]);
        assert_eq!(served(&peer.ask(*node, &get)), 1, "{}", keeper.name());
        let offer = offer(&letterbox, &short);
        assert_eq!(
            peer.ask(*node, &offer),
            Response::Unknown,
            "{}",
            keeper.name()
        );
        assert_eq!(keeper.envelopes().len(), 1, "{}", keeper.name());
        match peer.ask(*node, &letterbox.deposit(&short, short_until, nonce())) {
            Response::Refusal(refusal) => assert_eq!(refusal.reason, Reason::Expired),
            other => panic!("an expired deposit was answered with {other:?}"),
        }
    }
    let left_ms = made.plus(TTL_MS + MINUTE_MS).since(clock::now());
    for (keeper, _) in &keepers {
        let limit = Duration::from_millis(left_ms);
        eventually_within(limit, "the bytes are not counted any more", || {
            (keeper.status().keeper.bytes == ENVELOPE_BYTES[0] as u64).then_some(())
        });
    }
}

fn offer(letterbox: &Letterbox, envelope: &bytes::Bytes) -> Request {
    Request::Offer {
        mailbox: letterbox.mailbox,
        id: id_of(envelope),
        nonce: nonce(),
    }
}

#[track_caller]
fn served(response: &Response) -> usize {
    match response {
        Response::Envelopes(items) => items.len(),
        other => panic!("a fetch was answered with {other:?}"),
    }
}

#[track_caller]
fn listed(response: &Response) -> usize {
    match response {
        Response::Listing { items, .. } => items.len(),
        other => panic!("a list was answered with {other:?}"),
    }
}

/// Waits for a moment of the clock.
fn wait_until(unix_ms: u64) {
    let left = unix_ms.saturating_sub(clock::now().get());
    let end = Instant::now() + Duration::from_millis(left);
    while clock::now().get() < unix_ms || Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}
