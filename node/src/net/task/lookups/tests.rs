//! What lookups do with what others answer.

use std::sync::Arc;

use libp2p::identity::Keypair;
use libp2p::{PeerId, StreamProtocol};
use restante_proto::routing::Named;

use super::super::super::config::Profile;
use super::super::super::limits::NetLimits;
use super::super::super::peer::node_of;
use super::super::super::status::Counters;
use super::*;

fn peer() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

fn node(peer: &PeerId) -> NodeId {
    node_of(peer).unwrap()
}

fn at(port: usize) -> Multiaddr {
    format!("/ip4/9.{}.9.9/udp/{port}/quic-v1", port % 200)
        .parse()
        .unwrap()
}

struct World {
    lookups: Lookups,
    routing: Routing,
    item: item::Behaviour,
}

/// Makes the lookups of a node that knows so many others.
fn world(known: usize) -> World {
    let counters = Arc::new(Counters::new());
    let own = node(&peer());
    let mut routing = Routing::new(&own, Profile::Internet, Arc::clone(&counters));
    for port in 1..=known {
        routing.offer(peer(), &[at(port)]);
    }
    let limits = NetLimits::personal();
    let protocol = StreamProtocol::new("/restante/test/item/1");
    World {
        lookups: Lookups::new(own),
        routing,
        item: item::Behaviour::new(
            protocol,
            (counters, Arc::default()),
            Profile::Internet,
            limits.queued_bytes_max,
            12,
        ),
    }
}

impl World {
    fn drive(&mut self) {
        self.lookups
            .drive(Instant::now(), &mut self.routing, &mut self.item);
    }

    fn want(&mut self) -> oneshot::Receiver<Result<Vec<NodeId>, NetError>> {
        self.want_at(7)
    }

    fn want_at(&mut self, byte: u8) -> oneshot::Receiver<Result<Vec<NodeId>, NetError>> {
        let (reply, result) = oneshot::channel();
        self.lookups.want(Point::new([byte; 32]), 5, None, reply);
        result
    }

    fn answered(&mut self, node: NodeId, result: Result<Bytes, RequestError>) -> bool {
        let answered = Answered {
            lookup: 1,
            node,
            result,
        };
        self.lookups
            .on_answered(Instant::now(), answered, &self.routing)
    }
}

#[tokio::test]
async fn with_nobody_known_nobody_is_found() {
    let mut world = world(0);
    let result = world.want();
    world.drive();
    assert_eq!(result.await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn few_are_asked_while_many_lookups_wait_and_too_many_are_refused() {
    let mut world = world(40);
    let mut results: Vec<_> = (1..=64).map(|byte| world.want_at(byte * 3)).collect();
    assert_eq!(results.len(), LOOKUPS_MAX);
    let mut refused = world.want();
    assert_eq!(refused.try_recv().unwrap(), Err(NetError::Busy));
    world.drive();
    assert_eq!(world.lookups.running.len(), LOOKUPS_AT_ONCE);
    assert!((1..=12).contains(&world.lookups.questions.len()));
    // Those that nobody waits for any more give way.
    results.truncate(LOOKUPS_AT_ONCE);
    world.drive();
    let more = world.want();
    assert_eq!(world.lookups.waiting.len(), 1);
    drop((results, more));
    world.drive();
    world.drive();
    assert!(world.lookups.running.is_empty() && world.lookups.waiting.is_empty());
}

#[tokio::test]
async fn refreshes_wait_for_people_and_are_few() {
    let mut world = world(40);
    for _ in 0..REFRESHES_MAX + 5 {
        world.lookups.refresh(Point::new([9; 32]), 3);
    }
    assert_eq!(world.lookups.refreshes.len(), REFRESHES_MAX);
    let _results: Vec<_> = (0..LOOKUPS_AT_ONCE).map(|_| world.want()).collect();
    world.drive();
    assert_eq!(world.lookups.refreshes.len(), REFRESHES_MAX);
}

#[tokio::test]
async fn an_answer_brings_others_and_where_they_are() {
    let mut world = world(1);
    let first = world.routing.nearest(&Point::new([7; 32]), 1)[0];
    let (found, own) = (peer(), world.lookups.own);
    let mut result = world.want();
    world.drive();
    let named = |node: NodeId, address: Multiaddr| Named {
        node,
        addresses: vec![Bytes::copy_from_slice(address.as_ref())],
    };
    let private: Multiaddr = "/ip4/192.168.0.1/tcp/22".parse().unwrap();
    let nodes = vec![
        named(own, at(1)),
        named(node(&found), at(2)),
        named(node(&peer()), private),
    ];
    assert!(!world.answered(first, Ok(Answer { nodes }.encode())));
    let running = &world.lookups.running[0];
    assert_eq!(
        running.addresses,
        BTreeMap::from([(node(&found), vec![at(2)])])
    );
    world.drive();
    assert!(result.try_recv().is_err());
    assert!(!world.answered(node(&found), Ok(Answer::default().encode())));
    world.drive();
    let mut expected = vec![first, node(&found)];
    expected.sort_by_key(|node| Point::of_node(node).distance(&Point::new([7; 32])));
    assert_eq!(result.await.unwrap(), Ok(expected));
}

#[tokio::test]
async fn what_could_not_be_asked_makes_a_lookup_worthless() {
    let mut world = world(2);
    let known = world.routing.nearest(&Point::new([7; 32]), 2);
    let result = world.want();
    world.drive();
    assert!(!world.answered(known[0], Ok(Answer::default().encode())));
    assert!(!world.answered(known[1], Err(RequestError::NoRoom)));
    world.drive();
    assert_eq!(result.await.unwrap(), Err(NetError::Busy));
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    let mut world = world(1);
    let first = world.routing.nearest(&Point::new([7; 32]), 1)[0];
    let result = world.want();
    world.drive();
    assert!(world.answered(first, Ok(Bytes::from_static(b"nonsense"))));
    world.drive();
    assert_eq!(result.await.unwrap(), Err(NetError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn time_alone_brings_others_beside_the_silent_and_an_end() {
    let mut world = world(40);
    let mut result = world.want();
    world.drive();
    let mut asked = vec![world.lookups.questions.len()];
    while result.try_recv().is_err() {
        let due = world.lookups.next().unwrap();
        assert!(!world.lookups.is_due(due - Duration::from_millis(1)) || world.lookups.changed);
        tokio::time::advance(due - Instant::now()).await;
        assert!(world.lookups.is_due(Instant::now()));
        world.drive();
        asked.push(world.lookups.questions.len());
        assert!(asked.len() < 100, "it ends");
    }
    assert_eq!(
        asked[..2],
        [3, 6],
        "after a second each path asks another one"
    );
    assert!(world.lookups.running.is_empty());
}

#[tokio::test]
async fn a_liar_about_addresses_hides_nobody() {
    let mut world = world(2);
    let known = world.routing.nearest(&Point::new([7; 32]), 2);
    let found = peer();
    let _result = world.want();
    world.drive();
    let says = |ports: std::ops::Range<usize>| {
        let addresses = ports.map(|port| Bytes::copy_from_slice(at(port).as_ref()));
        let named = Named {
            node: node(&found),
            addresses: addresses.collect(),
        };
        Ok(Answer { nodes: vec![named] }.encode())
    };
    world.answered(known[0], says(10..18));
    world.answered(known[1], says(5..6));
    let addresses = &world.lookups.running[0].addresses[&node(&found)];
    assert_eq!(*addresses, [at(10), at(11), at(5)]);
    // What the node said itself stays beside it.
    world.routing.remember(found, &[at(4)]);
    world.routing.hear_of(found, addresses.clone());
    let unlisted = libp2p::swarm::NetworkBehaviour::handle_pending_outbound_connection(
        &mut world.routing,
        libp2p::swarm::ConnectionId::new_unchecked(1),
        Some(found),
        &[],
        libp2p::core::Endpoint::Dialer,
    );
    assert_eq!(unlisted.unwrap(), [at(10), at(11), at(5), at(4)]);
}

#[tokio::test]
async fn who_waits_hears_of_the_nearest_before_anybody_has_answered() {
    let mut world = world(3);
    let (near, heard) = watch::channel(Vec::new());
    let (reply, _result) = oneshot::channel();
    let point = Point::new([7; 32]);
    world.lookups.want(point, 5, Some(near), reply);
    world.drive();
    let nearest = world.routing.nearest(&point, 5);
    assert_eq!(
        (nearest.len(), heard.borrow().clone()),
        (3, nearest.clone())
    );
    // Somebody whom nobody has asked is told of too, and where it is.
    let named = peer();
    let answer = Answer {
        nodes: vec![Named {
            node: node(&named),
            addresses: vec![Bytes::copy_from_slice(at(77).as_ref())],
        }],
    };
    world.answered(nearest[1], Ok(answer.encode()));
    world.answered(nearest[0], Err(RequestError::Disconnected));
    world.drive();
    let heard = heard.borrow().clone();
    assert!(
        heard.contains(&node(&named)) && !heard.contains(&nearest[0]),
        "{heard:?}"
    );
    assert!(heard.contains(&nearest[1]) && heard.contains(&nearest[2]));
}
