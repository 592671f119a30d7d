//! The routing table: few nodes of each distance, in Kademlia's buckets.

use libp2p::{Multiaddr, PeerId};
use restante_proto::NodeId;
use restante_proto::limits::FOUND_NODES_MAX;
use restante_proto::routing::{Distance, Point};

use super::super::address::IpGroup;
use super::super::peer::node_of;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) peer: PeerId,
    pub(super) node: NodeId,
    pub(super) point: Point,
    pub(super) addresses: Vec<Multiaddr>,
    /// The groups its addresses belong to, each once.
    pub(super) groups: Vec<IpGroup>,
}

/// Up to k nodes that share so and so many leading bits with this one.
///
/// A full bucket takes no new node: one that has been there for long is likely to stay, and a node that is gone
/// leaves when it cannot be dialled.
#[derive(Debug)]
pub(super) struct Table {
    own: Point,
    /// By the number of leading bits shared, without the empty ones at the end.
    buckets: Vec<Vec<Entry>>,
}

impl Table {
    pub(super) const fn new(own: Point) -> Self {
        Self {
            own,
            buckets: Vec::new(),
        }
    }

    /// Returns the buckets, those of the farthest nodes first.
    pub(super) fn buckets(&self) -> impl Iterator<Item = &[Entry]> {
        self.buckets.iter().map(Vec::as_slice)
    }

    /// Returns every node, bucket by bucket.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.iter().map(Vec::len).sum()
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Entry> {
        let (index, _) = self.place(peer)?;
        let bucket = self.buckets.get(index)?;
        bucket.iter().find(|entry| entry.peer == *peer)
    }

    /// Returns the number of the bucket that a peer belongs to; nothing for this node itself.
    pub(super) fn bucket_of(&self, peer: &PeerId) -> Option<usize> {
        self.place(peer).map(|(index, _)| index)
    }

    /// Enters a node or renews its addresses; returns whether it is new. A full bucket takes no new node.
    pub(super) fn insert(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        groups: Vec<IpGroup>,
    ) -> bool {
        let Some((index, point)) = self.place(&peer) else {
            return false;
        };
        let Some(node) = node_of(&peer) else {
            return false;
        };
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Vec::new);
        }
        let bucket = &mut self.buckets[index];
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.peer == peer) {
            (entry.addresses, entry.groups) = (addresses, groups);
            return false;
        }
        if bucket.len() >= FOUND_NODES_MAX {
            return false;
        }
        bucket.push(Entry {
            peer,
            node,
            point,
            addresses,
            groups,
        });
        true
    }

    /// Takes a node out; says whether it was in.
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        let Some((index, _)) = self.place(peer) else {
            return false;
        };
        let Some(bucket) = self.buckets.get_mut(index) else {
            return false;
        };
        let before = bucket.len();
        bucket.retain(|entry| entry.peer != *peer);
        bucket.len() < before
    }

    /// Returns the nodes nearest to a point, nearest first.
    pub(super) fn nearest(&self, point: &Point, count: usize) -> Vec<&Entry> {
        let distance = |entry: &&Entry| entry.point.distance(point);
        let mut nearest: Vec<(Distance, &Entry)> = self
            .entries()
            .map(|entry| (distance(&entry), entry))
            .collect();
        if nearest.len() > count {
            nearest.select_nth_unstable_by_key(count, |(distance, _)| *distance);
            nearest.truncate(count);
        }
        nearest.sort_unstable_by_key(|(distance, _)| *distance);
        nearest.into_iter().map(|(_, entry)| entry).collect()
    }

    fn place(&self, peer: &PeerId) -> Option<(usize, Point)> {
        let point = Point::of_node(&node_of(peer)?);
        let shared = self.own.distance(&point).shared_bits();
        (shared < 256).then_some((shared, point))
    }
}
