//! Which commits do not count, whatever their rank (SPEC 15.4): those of a device beside its removal, and those of one
//! that has committed twice to one epoch.
//!
//! All of it follows from the epochs that are known, never from the order in which they came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use restante_proto::keys::PublicKey;

use crate::epoch::{EpochName, Node};
use crate::member::Member;

/// Who made a commit, and whom it removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) committer: Member,
    pub(crate) standing: Standing,
    pub(crate) removed: BTreeSet<PublicKey>,
}

/// How a committer stands among the devices of its account when these remove each other; the least prevails.
///
/// Whoever has the account's seed makes a later delegation, and nobody else can. Among devices of one delegation the
/// leaf decides: it cannot be chosen, and a device that was let in by mistake does not come before the one that let it
/// in unless somebody had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) delegation: Reverse<u32>,
    pub(crate) leaf: u32,
    pub(crate) device: PublicKey,
}

type Nodes<T> = BTreeMap<EpochName, Node<T>>;

/// Returns the epochs whose commits do not count. What follows them does not either, though it is not named.
pub(crate) fn void<T>(nodes: &Nodes<T>, root: &EpochName) -> BTreeSet<EpochName> {
    let mut void = countered(nodes, root);
    let mut children: BTreeMap<(EpochName, PublicKey), Vec<EpochName>> = BTreeMap::new();
    for (name, node) in nodes {
        if let (Some(parent), Some(deed)) = (node.parent, &node.deed)
            && !void.contains(name)
        {
            let of_one = children.entry((parent, deed.committer.device));
            of_one.or_default().push(*name);
        }
    }
    void.extend(children.into_values().filter(|all| all.len() > 1).flatten());
    void
}

/// Returns the epochs, of those after the root that can be followed, whose committer is removed beside them.
pub(crate) fn countered<T>(nodes: &Nodes<T>, root: &EpochName) -> BTreeSet<EpochName> {
    let mut after = placed(nodes, root);
    after.retain(|placed| placed.node.live);
    let effective = effective(&after);
    let is_countered = |placed: &&Placed<'_, T>| effective.iter().any(|by| by.counters(placed));
    let countered = after.iter().filter(is_countered);
    countered.map(|placed| placed.node.rank.name).collect()
}

/// Returns the removals that stand. Those that nothing counters do; where devices have removed each other in a circle,
/// it is the one with the least standing of them.
fn effective<'a, 'b, T>(after: &'b [Placed<'a, T>]) -> Vec<&'b Placed<'a, T>> {
    let mut undecided: Vec<&Placed<'_, T>> = after.iter().filter(|by| by.removes()).collect();
    let mut effective = Vec::new();
    while !undecided.is_empty() {
        let is_countered = |of: &&Placed<'_, T>| undecided.iter().any(|by| by.counters(of));
        let (countered, mut stand): (Vec<_>, Vec<_>) =
            undecided.iter().copied().partition(is_countered);
        undecided = countered;
        if stand.is_empty() {
            // Those of one device do not counter each other.
            let least = undecided.iter().filter_map(|by| by.standing()).min();
            (stand, undecided) = undecided.into_iter().partition(|by| by.standing() == least);
        }
        undecided.retain(|of| !stand.iter().any(|by| by.counters(of)));
        effective.append(&mut stand);
    }
    effective
}

/// An epoch after the root, with where it is reached on a way through all of them, and where the last is that comes
/// after it.
struct Placed<'a, T> {
    node: &'a Node<T>,
    at: usize,
    last: usize,
}

impl<T> Placed<'_, T> {
    fn removes(&self) -> bool {
        self.node.deed.iter().any(|deed| !deed.removed.is_empty())
    }

    fn standing(&self) -> Option<Standing> {
        self.node.deed.as_ref().map(|deed| deed.standing)
    }

    /// Tells whether a removal is of the committer of another epoch that neither comes before it nor follows it.
    fn counters(&self, other: &Self) -> bool {
        let is_related = self.comes_before(other) || other.comes_before(self);
        let removed = self.node.deed.as_ref().map(|deed| &deed.removed);
        let committer = other.node.deed.as_ref().map(|deed| &deed.committer.device);
        let both = removed.zip(committer).filter(|_| !is_related);
        both.is_some_and(|(removed, by)| removed.contains(by))
    }

    /// Tells whether it comes before another, or is the same.
    const fn comes_before(&self, other: &Self) -> bool {
        self.at <= other.at && other.at <= self.last
    }
}

/// Goes through the epochs after the root, each before what follows it.
fn placed<'a, T>(nodes: &'a Nodes<T>, root: &EpochName) -> Vec<Placed<'a, T>> {
    let mut children: BTreeMap<EpochName, Vec<&Node<T>>> = BTreeMap::new();
    for node in nodes.values() {
        if let Some(parent) = node.parent {
            children.entry(parent).or_default().push(node);
        }
    }
    let mut placed: Vec<Placed<'a, T>> = Vec::new();
    // What is to be reached yet, and what is to be left, by its place.
    let mut way: Vec<(&Node<T>, Option<usize>)> = Vec::new();
    way.extend(nodes.get(root).map(|root| (root, None)));
    while let Some((node, left)) = way.pop() {
        let reached = placed.len();
        if let Some(at) = left {
            if let Some(placed) = placed.get_mut(at) {
                placed.last = reached.saturating_sub(1);
            }
            continue;
        }
        let (at, last) = (reached, reached);
        placed.push(Placed { node, at, last });
        way.push((node, Some(at)));
        let next = children.get(&node.rank.name).into_iter().flatten();
        way.extend(next.map(|node| (*node, None)));
    }
    placed
}
