//! What nodes say to each other to find nodes (SPEC 9.4).

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;

use super::Point;
use crate::{
    NodeId,
    limits::{FOUND_NODES_MAX, NODE_ADDRESS_BYTES_MAX, NODE_ADDRESSES_MAX, PAYLOAD_BYTES_MAX},
    wire::{self, WireError, array, generated as g},
};

/// Largest encoded answer, in bytes: each address and each node with its tags and lengths.
const ANSWER_BYTES_MAX: usize =
    FOUND_NODES_MAX * (40 + NODE_ADDRESSES_MAX * (NODE_ADDRESS_BYTES_MAX + 2));
/// Largest encoded question, in bytes.
const QUESTION_BYTES_MAX: usize = 36;

const _: () = assert!(
    ANSWER_BYTES_MAX <= PAYLOAD_BYTES_MAX / 4,
    "an answer is a small frame"
);

/// Asks for the nodes nearest to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The point.
    pub point: Point,
    /// How many are wanted, 1 to [`FOUND_NODES_MAX`].
    pub count: usize,
}

/// A node in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub node: NodeId,
    /// Where: binary multiaddresses, which are for the reader to judge.
    pub addresses: Vec<Bytes>,
}

/// The serving nodes nearest to the point that the one who was asked knows, itself left out, nearest first: as many as
/// were wanted, or all it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The nodes.
    pub nodes: Vec<Named>,
}

impl Question {
    /// Encodes the question; a count beyond the limits is the nearest within.
    pub fn encode(&self) -> Bytes {
        let point = Bytes::copy_from_slice(self.point.as_bytes());
        let count = u32::try_from(self.count.clamp(1, FOUND_NODES_MAX)).unwrap_or(1);
        g::FindNodes { point, count }.encode_to_vec().into()
    }

    /// Decodes a question.
    ///
    /// # Errors
    ///
    /// See [`wire::decode`]; [`WireError::Length`], [`WireError::Missing`], [`WireError::TooMany`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let question: g::FindNodes = wire::decode(bytes, QUESTION_BYTES_MAX)?;
        let point = Point::new(array(&question.point, "point")?);
        match question.count as usize {
            0 => Err(WireError::Missing("count")),
            count @ 1..=FOUND_NODES_MAX => Ok(Self { point, count }),
            _ => Err(WireError::TooMany("count")),
        }
    }
}

impl Answer {
    /// Encodes the answer; nodes and addresses beyond the limits, repetitions, and what has none, are left out.
    pub fn encode(&self) -> Bytes {
        let mut seen = BTreeSet::new();
        let nodes = self.nodes.iter().filter_map(|named| {
            let mut known = BTreeSet::new();
            let fits = |address: &&Bytes| {
                (1..=NODE_ADDRESS_BYTES_MAX).contains(&address.len())
                    && known.insert((*address).clone())
            };
            let addresses = named.addresses.iter().filter(fits);
            let addresses: Vec<Bytes> = addresses.take(NODE_ADDRESSES_MAX).cloned().collect();
            (!addresses.is_empty() && seen.insert(named.node)).then(|| g::FoundNode {
                node: Bytes::copy_from_slice(named.node.as_bytes()),
                addresses,
            })
        });
        let nodes = nodes.take(FOUND_NODES_MAX).collect();
        g::FoundNodes { nodes }.encode_to_vec().into()
    }

    /// Decodes an answer.
    ///
    /// # Errors
    ///
    /// See [`wire::decode`]; [`WireError::TooMany`], [`WireError::Missing`], [`WireError::Repeated`],
    /// [`WireError::Length`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let answer: g::FoundNodes = wire::decode(bytes, ANSWER_BYTES_MAX)?;
        wire::check_count(&answer.nodes, 0..=FOUND_NODES_MAX, "nodes")?;
        wire::check_distinct(answer.nodes.iter().map(|found| &found.node), "nodes")?;
        let named = |found: g::FoundNode| {
            wire::check_count(&found.addresses, 1..=NODE_ADDRESSES_MAX, "addresses")?;
            wire::check_distinct(&found.addresses, "addresses")?;
            let fits = |address: &Bytes| (1..=NODE_ADDRESS_BYTES_MAX).contains(&address.len());
            if !found.addresses.iter().all(fits) {
                return Err(WireError::Length("addresses"));
            }
            Ok(Named {
                node: NodeId::new(array(&found.node, "node")?),
                addresses: found.addresses,
            })
        };
        let nodes = answer.nodes.into_iter().map(named);
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_set, vec},
        prelude::*,
    };

    use super::*;

    fn named() -> impl Strategy<Value = Named> {
        let address = vec(any::<u8>(), 1..=NODE_ADDRESS_BYTES_MAX).prop_map(Bytes::from);
        let addresses = btree_set(address, 1..=NODE_ADDRESSES_MAX);
        (any::<[u8; 32]>(), addresses).prop_map(|(node, addresses)| Named {
            node: NodeId::new(node),
            addresses: addresses.into_iter().collect(),
        })
    }

    /// `/ip6/2001:db8::7/udp/4717/quic-v1/p2p/.../p2p-circuit` and what may follow or stand inside.
    fn circuits() -> [Bytes; 3] {
        let relay = [&[0xa5, 0x03, 38, 0, 36, 8, 1, 0x12, 32][..], &[9; 32]].concat();
        let ip6 = [&[0x29, 0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[7]].concat();
        let quic = [0x91, 0x02, 0x12, 0x6d, 0xcd, 0x03];
        let web = [&[0xd1, 0x03, 0xd2, 0x03, 34, 0x12, 32][..], &[5; 32]].concat();
        let circuit = [0xa2, 0x02];
        [
            [&ip6[..], &quic, &relay, &circuit].concat(),
            [&ip6[..], &quic, &web, &relay, &circuit].concat(),
            [&ip6[..], &quic, &relay, &circuit, &relay].concat(),
        ]
        .map(Bytes::from)
    }

    #[test]
    fn a_circuit_over_ip6_passes_and_the_longest_fills_its_room() {
        let addresses = circuits();
        let lengths = addresses.each_ref().map(Bytes::len);
        assert_eq!(lengths, [66, 105, NODE_ADDRESS_BYTES_MAX]);
        let answer = Answer {
            nodes: vec![Named {
                node: NodeId::new([1; 32]),
                addresses: addresses.to_vec(),
            }],
        };
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn the_largest_answer_is_within_its_bound() {
        let address = |number| {
            let mut address = vec![7; NODE_ADDRESS_BYTES_MAX];
            address[0] = number;
            Bytes::from(address)
        };
        let last = u8::try_from(NODE_ADDRESSES_MAX).unwrap();
        let named = |number: usize| Named {
            node: NodeId::new([u8::try_from(number).unwrap(); 32]),
            addresses: (0..last).map(address).collect(),
        };
        let answer = Answer {
            nodes: (0..FOUND_NODES_MAX).map(named).collect(),
        };
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(
            point: [u8; 32],
            count in 1..=FOUND_NODES_MAX,
            nodes in vec(named(), 0..=FOUND_NODES_MAX),
        ) {
            let question = Question { point: Point::new(point), count };
            prop_assert_eq!(Question::decode(&question.encode()), Ok(question));
            let answer = Answer { nodes };
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
            let _question = Question::decode(&bytes);
            let _answer = Answer::decode(&bytes);
        }
    }

    #[test]
    fn what_is_too_much_is_left_out_when_written_and_refused_when_read() {
        let node = |addresses: Vec<Bytes>| g::FoundNode {
            node: vec![1; 32].into(),
            addresses,
        };
        let short: Bytes = vec![7; 8].into();
        let long: Bytes = vec![7; NODE_ADDRESS_BYTES_MAX + 1].into();
        let refused = |nodes: Vec<g::FoundNode>| {
            Answer::decode(&g::FoundNodes { nodes }.encode_to_vec()).unwrap_err()
        };
        let many = vec![node(vec![short.clone()]); FOUND_NODES_MAX + 1];
        assert_eq!(refused(many), WireError::TooMany("nodes"));
        let crowded = node(vec![short.clone(); NODE_ADDRESSES_MAX + 1]);
        assert_eq!(refused(vec![crowded]), WireError::TooMany("addresses"));
        assert_eq!(refused(vec![node(vec![])]), WireError::Missing("addresses"));
        let stretched = node(vec![long.clone()]);
        assert_eq!(refused(vec![stretched]), WireError::Length("addresses"));

        let nowhere = Named {
            node: NodeId::new([2; 32]),
            addresses: vec![long.clone()],
        };
        let somewhere = Named {
            node: NodeId::new([3; 32]),
            addresses: vec![long, short.clone()],
        };
        let mut nodes = vec![nowhere];
        let others = (0..FOUND_NODES_MAX + 5).map(|number| Named {
            node: NodeId::new([100 + u8::try_from(number).unwrap(); 32]),
            ..somewhere.clone()
        });
        // One that is named twice counts once.
        nodes.extend([somewhere.clone(), somewhere.clone()]);
        nodes.extend(others);
        let written = Answer::decode(&Answer { nodes }.encode()).unwrap();
        assert_eq!(written.nodes.len(), FOUND_NODES_MAX);
        assert!(
            written
                .nodes
                .iter()
                .all(|named| named.addresses == [short.clone()])
        );
    }
}
