use libp2p::identity::Keypair;

use super::super::limits::{BOOK_PEERS_MAX, TABLE_GROUP_KEPT};
use super::super::peer::node_of;
use super::table::Entry;
use restante_proto::limits::FOUND_NODES_MAX;

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

/// Returns an address in a group, another one for each host.
fn in_group(group: u16, host: u16) -> Multiaddr {
    let ([high, low], [third, fourth]) = (group.to_be_bytes(), host.to_be_bytes());
    at(&format!(
        "/ip4/{}.{low}.{third}.{fourth}/udp/1/quic-v1",
        11 + high
    ))
}

/// Offers peers that belong into the first bucket, each in the group that `group` gives for its number.
fn offer_far(routing: &mut Routing, count: u16, group: impl Fn(u16) -> u16) -> Vec<Offered> {
    let is_far = |peer: &PeerId| routing.table.bucket_of(peer) == Some(0);
    let far = std::iter::repeat_with(peer).filter(is_far);
    let far: Vec<PeerId> = far.take(usize::from(count)).collect();
    let offer = |(peer, number)| routing.offer(peer, &[in_group(group(number), number)]);
    far.into_iter().zip(0..).map(offer).collect()
}

/// Returns how many entries of a bucket are in the first `groups` groups.
fn of_groups(bucket: &[Entry], groups: u16) -> usize {
    let theirs = |entry: &&Entry| {
        let of = |group| IpGroup::wide(&in_group(group, 0));
        (0..groups).any(|group| entry.groups.contains(&of(group)))
    };
    bucket.iter().filter(theirs).count()
}

#[test]
fn the_few_nodes_there_are_know_each_other_whatever_their_addresses() {
    let mut routing = routing(Profile::Internet);
    for host in 1..=20 {
        // One /16, and two in three behind one address.
        let address = match host % 3 {
            0 => at(&format!("/ip4/9.9.{host}.1/udp/1/quic-v1")),
            _ => at(&format!("/ip4/9.9.9.9/udp/{host}/quic-v1")),
        };
        assert_eq!(routing.offer(peer(), &[address]), Offered::New);
    }
    assert_eq!(routing.table_count(), 20);
    assert_eq!(counted(&routing, Count::TableGroup), 0);
}

#[test]
fn in_a_full_bucket_a_group_keeps_two_entries_against_rarer_ones() {
    let mut routing = routing(Profile::Internet);
    assert!(
        offer_far(&mut routing, 20, |_| 0)
            .iter()
            .all(|one| *one == Offered::New)
    );
    // A full bucket takes none that is no rarer.
    assert!(
        offer_far(&mut routing, 5, |_| 0)
            .iter()
            .all(|one| *one == Offered::Left)
    );
    let others = offer_far(&mut routing, 30, |number| 1 + number);
    let taken = others.iter().filter(|one| **one == Offered::New).count();
    assert_eq!(
        (taken, others.get(..18)),
        (18, Some([Offered::New; 18].as_slice()))
    );
    assert_eq!(counted(&routing, Count::TableGroup), 18);
    // Those that came first have stayed.
    let first = routing.table.entries().next().unwrap();
    assert_eq!(first.groups, [IpGroup::wide(&in_group(0, 0))]);
    assert!(
        offer_far(&mut routing, 5, |_| 0)
            .iter()
            .all(|one| *one == Offered::Left)
    );
    let bucket = routing.table.buckets().next().unwrap();
    assert_eq!((bucket.len(), of_groups(bucket, 1)), (20, 2));
}

#[test]
fn who_has_many_nodes_in_few_groups_gets_no_more_of_a_full_bucket_than_those_keep() {
    for (groups, most) in [(1, 2), (4, 8), (16, 20)] {
        for attackers_first in [true, false] {
            let mut routing = routing(Profile::Internet);
            let attack = |routing: &mut Routing| offer_far(routing, 200, |number| number % groups);
            if attackers_first {
                attack(&mut routing);
            }
            offer_far(&mut routing, 100, |number| 100 + number);
            if !attackers_first {
                attack(&mut routing);
            }
            let bucket = routing.table.buckets().next().unwrap();
            let theirs = of_groups(bucket, groups);
            let expected = if attackers_first { most } else { 0 };
            assert_eq!((bucket.len(), theirs), (20, expected), "{groups} groups");
        }
    }
}

#[test]
fn a_group_that_is_in_every_bucket_gives_way_in_the_full_ones() {
    let mut routing = routing(Profile::Internet);
    for host in 0..2_000 {
        routing.offer(peer(), &[in_group(0, host)]);
    }
    for number in 0..4_000 {
        routing.offer(peer(), &[in_group(1 + number, number)]);
    }
    // For each of these buckets there are a hundred others and more.
    let many = routing.table.buckets().take(5);
    let shares: Vec<(usize, usize)> = many
        .map(|bucket| (bucket.len(), of_groups(bucket, 1)))
        .collect();
    assert!(
        shares.iter().all(|(len, _)| *len == FOUND_NODES_MAX),
        "{shares:?}"
    );
    let theirs: usize = shares.iter().map(|(_, theirs)| theirs).sum();
    assert!(theirs <= TABLE_GROUP_KEPT, "{shares:?}");
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
    let asked = |count| routing.answer(&Question { point, count });
    let answer = asked(FOUND_NODES_MAX);
    assert_eq!(answer.nodes.len(), FOUND_NODES_MAX);
    assert_eq!(asked(5).nodes, answer.nodes[..5]);
    let mut all: Vec<NodeId> = routing.table.entries().map(|entry| entry.node).collect();
    all.sort_by_key(|node| Point::of_node(node).distance(&point));
    all.truncate(FOUND_NODES_MAX);
    let named = answer.nodes.iter().map(|named| named.node);
    assert_eq!(named.collect::<Vec<_>>(), all);
    assert!(answer.nodes.iter().all(|named| named.addresses.len() == 1));
    // What is written fits what is read.
    assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
}
