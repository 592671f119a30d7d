//! The routing table: few nodes of each distance, in Kademlia's buckets.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId};
use restante_proto::NodeId;
use restante_proto::limits::FOUND_NODES_MAX;
use restante_proto::routing::{Distance, Point};

use super::super::address::IpGroup;
use super::super::limits::{BUCKET_GROUP_KEPT, TABLE_GROUP_KEPT};
use super::super::peer::node_of;

/// What came of a node that was to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    New,
    /// It is new, and one of a group that had many entries has gone for it.
    Instead,
    /// It was in the table already.
    Renewed,
    /// Its bucket is full.
    Left,
}

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
/// Whoever finds room is taken, whatever its address: the few nodes of a small network know each other. A full bucket
/// takes no new node, since one that has been there for long is likely to stay, and a node that is gone leaves when it
/// cannot be dialled. There are many to choose from then, and there alone groups count: a node of a group that has few
/// entries takes the place of one whose group has many.
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
    #[cfg(test)]
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
    #[cfg(test)]
    pub(super) fn bucket_of(&self, peer: &PeerId) -> Option<usize> {
        self.place(peer).map(|(index, _)| index)
    }

    /// Enters a node or renews its addresses, and says what came of it.
    pub(super) fn insert(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        groups: Vec<IpGroup>,
    ) -> Inserted {
        let Some((index, point)) = self.place(&peer) else {
            return Inserted::Left;
        };
        let Some(node) = node_of(&peer) else {
            return Inserted::Left;
        };
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Vec::new);
        }
        let bucket = &mut self.buckets[index];
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.peer == peer) {
            (entry.addresses, entry.groups) = (addresses, groups);
            return Inserted::Renewed;
        }
        let mut inserted = Inserted::New;
        if bucket.len() >= FOUND_NODES_MAX {
            let Some(place) = self.yielding(index, &groups) else {
                return Inserted::Left;
            };
            self.buckets[index].remove(place);
            inserted = Inserted::Instead;
        }
        self.buckets[index].push(Entry {
            peer,
            node,
            point,
            addresses,
            groups,
        });
        inserted
    }

    /// Returns who of a full bucket gives way to a newcomer of these groups, by its place; nobody when one of them has
    /// all the entries that it may keep, or when no other group has more.
    ///
    /// It is one of the group that has most entries in the bucket, and the last of these to come.
    fn yielding(&self, index: usize, newcomer: &[IpGroup]) -> Option<usize> {
        let shares = self.shares(index);
        let share = |group: &IpGroup| shares.get(group).copied().unwrap_or_default();
        let is_rare = |group: &IpGroup| {
            let (in_bucket, in_table) = share(group);
            in_bucket < BUCKET_GROUP_KEPT && in_table < TABLE_GROUP_KEPT
        };
        if newcomer.is_empty() || !newcomer.iter().all(is_rare) {
            return None;
        }
        let excess = |entry: &Entry| {
            let shares = entry.groups.iter().map(share);
            let above = shares.filter(|(in_bucket, in_table)| {
                *in_bucket > BUCKET_GROUP_KEPT || *in_table > TABLE_GROUP_KEPT
            });
            above.max()
        };
        let bucket = self.buckets.get(index)?.iter().enumerate();
        let above = bucket.filter_map(|(place, entry)| Some((excess(entry)?, place)));
        above.max().map(|(_, place)| place)
    }

    /// Returns how many entries each group has in a bucket and in the whole table.
    fn shares(&self, index: usize) -> BTreeMap<IpGroup, (usize, usize)> {
        let mut shares: BTreeMap<IpGroup, (usize, usize)> = BTreeMap::new();
        for (number, bucket) in self.buckets.iter().enumerate() {
            for group in bucket.iter().flat_map(|entry| &entry.groups) {
                let (in_bucket, in_table) = shares.entry(*group).or_default();
                *in_bucket += usize::from(number == index);
                *in_table += 1;
            }
        }
        shares
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
