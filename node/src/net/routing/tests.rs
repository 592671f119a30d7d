use libp2p::identity::Keypair;

use super::super::limits::BOOK_PEERS_MAX;
use super::*;

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn routing(local: bool) -> Routing {
    let protocol = StreamProtocol::new("/restante/test/kad/1");
    Routing::new(peer(), protocol, local, Arc::new(Counters::new()))
}

fn counted(routing: &Routing, count: Count) -> u64 {
    routing.counters.read()[count.name()]
}

#[test]
fn three_peers_of_a_group_fill_its_share_of_the_table() {
    let mut routing = routing(false);
    let mut entered = 0;
    for host in 1..=40 {
        let address = at(&format!("/ip4/9.9.{host}.1/udp/1/quic-v1"));
        entered += usize::from(routing.offer(peer(), &[address]));
    }
    // Random peers fall mostly into two buckets, which hold two of a group each.
    assert_eq!((entered, routing.table_count()), (3, 3));
    assert_eq!(counted(&routing, Count::TableGroup), 37);
    assert!(routing.offer(peer(), &[at("/ip4/9.10.0.1/udp/1/quic-v1")]));
}

#[test]
fn no_bucket_holds_three_peers_of_a_group() {
    for _ in 0..50 {
        let mut routing = routing(false);
        for host in 1..=10 {
            routing.offer(peer(), &[at(&format!("/ip4/9.9.{host}.1/udp/1/quic-v1"))]);
        }
        for bucket in routing.kad.kbuckets() {
            assert!(bucket.num_entries() <= TABLE_GROUP_PER_BUCKET_MAX);
        }
    }
}

#[test]
fn loopback_has_no_group_in_the_local_profile_and_no_place_in_production() {
    let mut local = routing(true);
    let mut production = routing(false);
    for port in 1..=10 {
        let address = at(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1"));
        assert!(local.offer(peer(), std::slice::from_ref(&address)));
        assert!(!production.offer(peer(), &[address]));
    }
    assert_eq!((local.table_count(), production.table_count()), (10, 0));
    assert_eq!(counted(&production, Count::TableAddress), 10);
}

#[test]
fn a_peer_keeps_few_addresses_and_only_usable_ones() {
    let mut routing = routing(false);
    let one = peer();
    let mut addresses: Vec<Multiaddr> = (1..=30)
        .map(|port| at(&format!("/ip4/9.9.9.9/udp/{port}/quic-v1")))
        .collect();
    addresses.insert(0, at("/ip4/10.0.0.1/tcp/1"));
    addresses.insert(0, at("/dns4/example.org/tcp/1"));
    for _ in 0..10 {
        assert!(routing.offer(one, &addresses));
        addresses.rotate_left(3);
    }
    let known = routing.addresses(&one).unwrap();
    assert_eq!(known.len(), ADDRESSES_PER_PEER_MAX);
    assert!(known.iter().all(|address| is_dialable(address, false)));
    assert!(routing.forget(&one));
    assert_eq!(
        (routing.table_count(), routing.book.get(&one).len()),
        (0, 0)
    );
}

#[test]
fn the_address_book_forgets_the_oldest() {
    let mut routing = routing(false);
    let first = peer();
    let address = at("/ip4/9.9.9.9/udp/1/quic-v1");
    routing.remember(first, std::slice::from_ref(&address));
    routing.remember(peer(), &[at("/ip4/127.0.0.1/udp/1/quic-v1")]);
    assert_eq!(routing.book.get(&first), std::slice::from_ref(&address));
    for _ in 0..BOOK_PEERS_MAX {
        routing.remember(peer(), std::slice::from_ref(&address));
    }
    assert!(routing.book.get(&first).is_empty());
}

#[test]
fn addresses_from_lookups_are_filtered_before_a_dial() {
    let mut routing = routing(false);
    let one = peer();
    // As if a lookup had brought it: past the filter that `offer` applies.
    routing.kad.add_address(&one, at("/ip4/192.168.0.1/tcp/22"));
    routing
        .kad
        .add_address(&one, at("/dns4/router.local/tcp/80"));
    routing.kad.add_address(&one, at("/ip4/9.9.9.9/tcp/22"));
    let id = ConnectionId::new_unchecked(1);
    let found = routing
        .handle_pending_outbound_connection(id, Some(one), &[], Endpoint::Dialer)
        .unwrap();
    assert_eq!(found, [at("/ip4/9.9.9.9/tcp/22")]);
}
