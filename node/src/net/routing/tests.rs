use libp2p::identity::Keypair;

use super::super::limits::BOOK_PEERS_MAX;
use super::super::peer::node_of;
use super::*;

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

fn at(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn routing(profile: Profile) -> Routing {
    let own = node_of(&peer()).unwrap();
    Routing::new(&own, profile, Arc::new(Counters::new()))
}

fn counted(routing: &Routing, count: Count) -> u64 {
    routing.counters.read()[count.name()]
}

#[test]
fn three_peers_of_a_group_fill_its_share_of_the_table() {
    let mut routing = routing(Profile::Internet);
    let mut entered = 0;
    for host in 1..=40 {
        let address = at(&format!("/ip4/9.9.{host}.1/udp/1/quic-v1"));
        entered += usize::from(routing.offer(peer(), &[address]) == Offered::New);
    }
    // Random peers fall mostly into two buckets, which hold two of a group each.
    assert_eq!((entered, routing.table_count()), (3, 3));
    assert_eq!(counted(&routing, Count::TableGroup), 37);
    let other = routing.offer(peer(), &[at("/ip4/9.10.0.1/udp/1/quic-v1")]);
    assert_eq!(other, Offered::New);
}

#[test]
fn no_bucket_holds_three_peers_of_a_group() {
    for _ in 0..50 {
        let mut routing = routing(Profile::Internet);
        for host in 1..=10 {
            routing.offer(peer(), &[at(&format!("/ip4/9.9.{host}.1/udp/1/quic-v1"))]);
        }
        for bucket in routing.table.buckets() {
            assert!(bucket.len() <= TABLE_GROUP_PER_BUCKET_MAX);
        }
    }
}

#[test]
fn loopback_has_no_group_in_the_local_profile_and_no_place_in_production() {
    let mut local = routing(Profile::Local);
    let mut production = routing(Profile::Internet);
    for port in 1..=10 {
        let address = at(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1"));
        let entered = local.offer(peer(), std::slice::from_ref(&address));
        assert_eq!(entered, Offered::New);
        assert_eq!(production.offer(peer(), &[address]), Offered::Left);
    }
    assert_eq!((local.table_count(), production.table_count()), (10, 0));
    assert_eq!(counted(&production, Count::TableAddress), 10);
}

#[test]
fn a_peer_keeps_few_addresses_and_only_usable_ones() {
    let mut routing = routing(Profile::Internet);
    let one = peer();
    let mut addresses: Vec<Multiaddr> = (1..=30)
        .map(|port| at(&format!("/ip4/9.9.9.9/udp/{port}/quic-v1")))
        .collect();
    addresses.insert(0, at("/ip4/10.0.0.1/tcp/1"));
    addresses.insert(0, at("/dns4/example.org/tcp/1"));
    for turn in 0..10 {
        let expected = if turn == 0 {
            Offered::New
        } else {
            Offered::Known
        };
        assert_eq!(routing.offer(one, &addresses), expected);
        addresses.rotate_left(3);
    }
    let known = routing.table_addresses(&one);
    assert_eq!(known.len(), ADDRESSES_PER_PEER_MAX);
    assert!(
        known
            .iter()
            .all(|address| is_dialable(address, Profile::Internet))
    );
    assert!(routing.forget(&one));
    assert_eq!(
        (routing.table_count(), routing.book.get(&one).len()),
        (0, 0)
    );
}

#[test]
fn the_address_book_forgets_the_oldest() {
    let mut routing = routing(Profile::Internet);
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
fn a_dial_goes_where_table_and_book_say() {
    let mut routing = routing(Profile::Internet);
    let (one, other) = (peer(), peer());
    routing.remember(
        one,
        &[at("/ip4/192.168.0.1/tcp/22"), at("/ip4/9.9.9.9/tcp/22")],
    );
    routing.offer(
        other,
        &[at("/dns4/router.local/tcp/80"), at("/ip4/9.8.9.9/tcp/1")],
    );
    routing.remember(other, &[at("/ip4/9.8.9.9/tcp/2"), at("/ip4/9.8.9.9/tcp/1")]);
    let mut dialled = |peer| {
        let id = ConnectionId::new_unchecked(1);
        routing
            .handle_pending_outbound_connection(id, peer, &[], Endpoint::Dialer)
            .unwrap()
    };
    assert_eq!(dialled(Some(one)), [at("/ip4/9.9.9.9/tcp/22")]);
    let expected = [at("/ip4/9.8.9.9/tcp/1"), at("/ip4/9.8.9.9/tcp/2")];
    assert_eq!(dialled(Some(other)), expected);
    assert!(dialled(None).is_empty());
}

#[test]
fn a_full_bucket_takes_nobody_until_one_leaves() {
    let mut routing = routing(Profile::Local);
    let mut entered = Vec::new();
    let mut left = Vec::new();
    for port in 1..=200 {
        let one = peer();
        match routing.offer(one, &[at(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1"))]) {
            Offered::New => entered.push(one),
            _ => left.push(one),
        }
    }
    // Half of all nodes share no bit with this one, and are in one bucket.
    assert!(left.len() > 50, "{}", left.len());
    for bucket in routing.table.buckets() {
        assert!(bucket.len() <= FOUND_NODES_MAX);
    }
    let bucket = routing.table.bucket_of(&left[0]);
    let gone = entered
        .iter()
        .find(|one| routing.table.bucket_of(one) == bucket)
        .unwrap();
    assert!(routing.forget(gone));
    let again = routing.offer(left[0], &[at("/ip4/127.0.0.1/udp/1/quic-v1")]);
    assert_eq!(again, Offered::New);
}

#[test]
fn an_answer_names_the_nearest_and_where_they_are() {
    let mut routing = routing(Profile::Local);
    for port in 1..=100 {
        routing.offer(peer(), &[at(&format!("/ip4/127.0.0.1/udp/{port}/quic-v1"))]);
    }
    let point = Point::new([7; 32]);
    let answer = routing.answer(&point);
    assert_eq!(answer.nodes.len(), FOUND_NODES_MAX);
    let mut all: Vec<NodeId> = routing.table.entries().map(|entry| entry.node).collect();
    all.sort_by_key(|node| Point::of_node(node).distance(&point));
    all.truncate(FOUND_NODES_MAX);
    let named = answer.nodes.iter().map(|named| named.node);
    assert_eq!(named.collect::<Vec<_>>(), all);
    assert!(answer.nodes.iter().all(|named| named.addresses.len() == 1));
    // What is written fits what is read.
    assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
}
