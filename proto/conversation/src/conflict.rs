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
    let after: Vec<&Node<T>> = match nodes.get(root) {
        Some(root) => {
            let live = nodes.values().filter(|node| node.live);
            live.filter(|node| comes_before(nodes, root, node))
                .collect()
        }
        None => Vec::new(),
    };
    let effective = effective(nodes, &after);
    let is_countered = |node: &&Node<T>| effective.iter().any(|by| counters(nodes, by, node));
    let countered = after.iter().copied().filter(is_countered);
    countered.map(|node| node.rank.name).collect()
}

/// Returns the removals that stand. Those that nothing counters do; where devices have removed each other in a circle,
/// it is the one with the least standing of them.
fn effective<'a, T>(nodes: &Nodes<T>, after: &[&'a Node<T>]) -> Vec<&'a Node<T>> {
    let removes = |node: &&Node<T>| node.deed.iter().any(|deed| !deed.removed.is_empty());
    let mut undecided: Vec<&Node<T>> = after.iter().copied().filter(removes).collect();
    let mut effective: Vec<&Node<T>> = Vec::new();
    while !undecided.is_empty() {
        let is_countered = |node: &Node<T>| undecided.iter().any(|by| counters(nodes, by, node));
        let (open, mut stand): (Vec<_>, Vec<_>) = undecided
            .iter()
            .copied()
            .partition(|node| is_countered(node));
        undecided = open;
        if stand.is_empty() {
            // Those of one device do not counter each other.
            let least = undecided.iter().filter_map(|node| standing(node)).min();
            (stand, undecided) = undecided
                .into_iter()
                .partition(|node| standing(node) == least);
        }
        undecided.retain(|node| !stand.iter().any(|by| counters(nodes, by, node)));
        effective.append(&mut stand);
    }
    effective
}

fn standing<T>(node: &Node<T>) -> Option<Standing> {
    node.deed.as_ref().map(|deed| deed.standing)
}

/// Tells whether a removal is of the committer of another epoch that neither comes before it nor follows it.
fn counters<T>(nodes: &Nodes<T>, removal: &Node<T>, other: &Node<T>) -> bool {
    let removed = removal.deed.as_ref().map(|deed| &deed.removed);
    let committer = other.deed.as_ref().map(|deed| &deed.committer.device);
    let is_removed = removed
        .zip(committer)
        .is_some_and(|(removed, by)| removed.contains(by));
    is_removed && !comes_before(nodes, removal, other) && !comes_before(nodes, other, removal)
}

/// Tells whether one epoch comes before another, or is the same.
fn comes_before<T>(nodes: &Nodes<T>, one: &Node<T>, other: &Node<T>) -> bool {
    let up = |node: &&Node<T>| nodes.get(node.parent.as_ref()?);
    let chain = std::iter::successors(Some(other), up);
    let mut chain = chain.take_while(|node| node.number >= one.number);
    chain.any(|node| node.rank.name == one.rank.name)
}
