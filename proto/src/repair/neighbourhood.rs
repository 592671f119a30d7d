//! Who the neighbours are, and what of a keeper's business changes when they do.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    NodeId, context,
    limits::{COMPARED_POINTS_MAX, MINUTE_MS, REPLICAS},
    routing::Point,
    time::MonoMillis,
};

/// How long a neighbour that is gone still counts, in milliseconds: many come back, with all they had.
pub(super) const GRACE_MS: u64 = 5 * MINUTE_MS;
/// How long a neighbour that has said it leaves does not count, in milliseconds.
const LEAVING_MS: u64 = 2 * MINUTE_MS;
/// Points of the address space that are sampled to find the keepers that share items.
const SAMPLES: u32 = 512;

/// The keepers nearest to one of them.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    me: NodeId,
    point: Point,
    live: BTreeMap<NodeId, Point>,
    /// Those that are gone, and since when.
    absent: BTreeMap<NodeId, (Point, MonoMillis)>,
    /// Those that have said they leave, and until when that counts.
    leaving: BTreeMap<NodeId, MonoMillis>,
    view: View,
}

/// The keepers that count, the nearest first, this one left out.
type View = Vec<(NodeId, Point)>;

/// What follows from a change among the neighbours.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Those with whom this keeper shares any business now.
    pub(super) partners: BTreeSet<NodeId>,
    /// Those that have what has become this keeper's business.
    pub(super) gained: BTreeSet<NodeId>,
}

impl Neighbourhood {
    pub(super) fn new(me: NodeId) -> Self {
        Self {
            me,
            point: Point::of_node(&me),
            live: BTreeMap::new(),
            absent: BTreeMap::new(),
            leaving: BTreeMap::new(),
            view: View::new(),
        }
    }

    pub(super) const fn point(&self) -> Point {
        self.point
    }

    /// Updates the live nodes and returns what that changes.
    pub(super) fn update(&mut self, now: MonoMillis, live: &[NodeId]) -> Option<Change> {
        let others = live.iter().filter(|node| **node != self.me);
        let live: BTreeMap<NodeId, Point> =
            others.map(|node| (*node, Point::of_node(node))).collect();
        for (node, point) in std::mem::take(&mut self.live) {
            let in_view = self.view.iter().any(|(known, _)| *known == node);
            if in_view && !live.contains_key(&node) && !self.leaving.contains_key(&node) {
                self.absent.entry(node).or_insert((point, now));
            }
        }
        self.absent.retain(|node, _| !live.contains_key(node));
        self.leaving.retain(|node, _| live.contains_key(node));
        self.live = live;
        self.look_again(now)
    }

    /// Forgets keepers that are gone for too long.
    pub(super) fn expire(&mut self, now: MonoMillis) -> Option<Change> {
        self.look_again(now)
    }

    /// A neighbour says that it leaves.
    pub(super) fn on_leave(&mut self, now: MonoMillis, node: NodeId) -> Option<Change> {
        self.leaving.insert(node, now.plus(LEAVING_MS));
        self.look_again(now)
    }

    /// Returns when [`expire`](Self::expire) is due.
    pub(super) fn next_expiry(&self) -> Option<MonoMillis> {
        let absent = self.absent.values().map(|(_, since)| since.plus(GRACE_MS));
        absent.chain(self.leaving.values().copied()).min()
    }

    pub(super) fn knows(&self, node: &NodeId) -> bool {
        self.live.contains_key(node) || self.absent.contains_key(node)
    }

    /// Returns where the keepers lie that count, this one among them.
    pub(super) fn points(&self) -> Vec<Point> {
        let others = self.view.iter().map(|(_, point)| *point);
        std::iter::once(self.point).chain(others).collect()
    }

    fn look_again(&mut self, now: MonoMillis) -> Option<Change> {
        self.absent
            .retain(|_, (_, since)| now.since(*since) < GRACE_MS);
        self.leaving.retain(|_, until| *until > now);
        let view = self.nearest();
        if view == self.view {
            return None;
        }
        let before = std::mem::replace(&mut self.view, view);
        Some(self.change(&before))
    }

    fn nearest(&self) -> View {
        let live = self.live.iter().map(|(node, point)| (*node, *point));
        let absent = self.absent.iter().map(|(node, (point, _))| (*node, *point));
        let counts = |(node, _): &(NodeId, Point)| !self.leaving.contains_key(node);
        let mut view: View = live.chain(absent).filter(counts).collect();
        view.sort_by_key(|(_, point)| point.distance(&self.point));
        view.truncate(COMPARED_POINTS_MAX - 1);
        view
    }

    fn change(&self, before: &View) -> Change {
        let bits = |view: &View| {
            let farthest = view
                .last()
                .map(|(_, point)| point.distance(&self.point).shared_bits());
            farthest
                .filter(|_| view.len() + 1 >= COMPARED_POINTS_MAX)
                .unwrap_or(0)
        };
        let shared_bits = bits(before).min(bits(&self.view));
        let mut change = Change::default();
        for number in 0..SAMPLES {
            let at = self.sample(number, shared_bits);
            let Some(holders) = self.holders(&self.view, &at) else {
                continue;
            };
            if self.holders(before, &at).is_none() {
                change.gained.extend(holders.iter().copied());
            }
            change.partners.extend(holders);
        }
        // At the beginning all of it has been gained.
        if before.is_empty() {
            change.gained.clone_from(&change.partners);
        }
        change
    }

    /// Returns which keepers beside this one are to have what lies `at` a place; `None` when this one is not to have
    /// it.
    fn holders(&self, view: &View, at: &Point) -> Option<Vec<NodeId>> {
        let own = self.point.distance(at);
        let mut nearest: Vec<_> = view
            .iter()
            .map(|(node, point)| (point.distance(at), *node))
            .collect();
        nearest.sort_unstable();
        let rank = nearest
            .iter()
            .take_while(|(distance, _)| *distance < own)
            .count();
        if rank >= REPLICAS {
            return None;
        }
        Some(
            nearest
                .into_iter()
                .take(REPLICAS - 1)
                .map(|(_, node)| node)
                .collect(),
        )
    }

    /// Returns a place that shares so many bits with this keeper's.
    fn sample(&self, number: u32, shared_bits: usize) -> Point {
        let parts: [&[u8]; 2] = [self.me.as_bytes(), &number.to_be_bytes()];
        let mut bytes = context::derive(context::JITTER, &parts);
        for (at, (byte, own)) in bytes.iter_mut().zip(self.point.as_bytes()).enumerate() {
            let bits = shared_bits.saturating_sub(8 * at).min(8);
            let mask = !(0xff_u16 >> bits).to_be_bytes()[1];
            *byte = (*own & mask) | (*byte & !mask);
        }
        Point::new(bytes)
    }
}
