//! Points and distances, and what nodes say to each other to find nodes.

use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, NodeId,
    fixture::{bytes, key},
    routing::{Answer, Named, Point, Question, distance},
};

/// `/ip6/2001:db8::7/udp/4717/quic-v1/p2p/12D3Koo.../p2p-circuit`, whose relay is the third node.
fn circuit() -> Vec<u8> {
    let mut address = vec![0x29, 0x20, 0x01, 0x0d, 0xb8];
    address.extend([0; 11]);
    address.extend([7, 0x91, 0x02, 0x12, 0x6d, 0xcd, 0x03]);
    address.extend([0xa5, 0x03, 38, 0x00, 36, 0x08, 0x01, 0x12, 32]);
    address.extend(node("third node").as_bytes());
    address.extend([0xa2, 0x02]);
    address
}

/// Binary multiaddresses of documentation: `/ip4/192.0.2.7/udp/4717/quic-v1` and `/ip6/2001:db8::7/tcp/4717`.
const ADDRESSES: [&[u8]; 2] = [
    &[0x04, 192, 0, 2, 7, 0x91, 0x02, 0x12, 0x6d, 0xcd, 0x03],
    &[
        0x29, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0x06, 0x12, 0x6d,
    ],
];

fn node(label: &str) -> NodeId {
    NodeId::new(*key(label).public().as_bytes())
}

pub(super) fn routing() -> Value {
    let mut distances = Vec::new();
    for label in ["first node", "second node"] {
        let (node, address) = (node(label), Address::new(bytes("an address")));
        distances.push(json!({
            "node": hex(node.as_bytes()),
            "address": hex(address.as_bytes()),
            "point_of_node": hex(Point::of_node(&node).as_bytes()),
            "point_of_address": hex(Point::of_address(&address).as_bytes()),
            "distance": hex(distance(&node, &address).as_bytes()),
        }));
    }
    let question = Question {
        point: Point::of_address(&Address::new(bytes("an address"))),
        count: 5,
    };
    let named = |(label, addresses): (&str, &[&[u8]])| Named {
        node: node(label),
        addresses: addresses
            .iter()
            .map(|bytes| bytes.to_vec().into())
            .collect(),
    };
    let [quic, tcp] = ADDRESSES;
    let circuit = circuit();
    let nodes = [
        ("first node", &[quic, tcp][..]),
        ("second node", &[tcp, &circuit][..]),
    ]
    .map(named);
    let listed = nodes.iter().map(|named| {
        json!({
            "node": hex(named.node.as_bytes()),
            "addresses": named.addresses.iter().map(hex).collect::<Vec<_>>(),
        })
    });
    let listed: Vec<Value> = listed.collect();
    let answer = Answer {
        nodes: nodes.to_vec(),
    };
    json!({
        "distances": distances,
        "questions": [{
            "point": hex(question.point.as_bytes()),
            "count": question.count,
            "encoded": hex(question.encode()),
        }],
        "answers": [{ "nodes": listed, "encoded": hex(answer.encode()) }],
    })
}
