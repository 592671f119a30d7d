//! Which epoch is picked, of trees that are made at random: the same whatever came first.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use restante_proto::keys::PublicKey;

use super::NOW;
use crate::conflict::{Deed, Standing, countered};
use crate::epoch::{Class, EpochName, Node, Rank, Shares, Tree};
use crate::member::Member;

/// Returns the device `number` of an account; all are members of every epoch.
fn member(account: u8, number: u8) -> Member {
    Member {
        account: PublicKey::new([account; 32]),
        device: PublicKey::new([account * 16 + number; 32]),
    }
}

fn deed(random: &mut StdRng, device: u8) -> Deed {
    let committer = member(device % 2, device);
    let mut removed = BTreeSet::new();
    if random.random_ratio(1, 3) {
        removed.insert(member(device % 2, random.random_range(0..3) * 2 + device % 2).device);
        removed.remove(&committer.device);
    }
    let standing = Standing {
        delegation: Reverse(1 + u32::from(device == 4)),
        leaf: u32::from(device),
        device: committer.device,
    };
    Deed {
        committer,
        standing,
        removed,
    }
}

fn root() -> Node<()> {
    Node::root(EpochName::new([0; 32]), 0, None, ())
}

fn child(random: &mut StdRng, parent: &Node<()>, deed: Deed) -> Node<()> {
    let class = if deed.removed.is_empty() {
        Class::Update
    } else {
        Class::Removal
    };
    let mut name = [0; 32];
    random.fill_bytes(&mut name);
    let (name, of) = (EpochName::new(name), parent.rank.name);
    Node {
        parent: Some(of),
        rank: Rank::new(class, &of, &deed.committer.device, name),
        number: parent.number + 1,
        deed: Some(deed),
        ..Node::root(name, 0, None, ())
    }
}

/// Grows a tree of `count` epochs in which a device commits once to an epoch, or also `twice`.
fn grown(random: &mut StdRng, count: usize, twice: bool) -> Vec<Node<()>> {
    let mut nodes = vec![root()];
    while nodes.len() < count {
        let recent = &nodes[nodes.len().saturating_sub(6)..];
        let parent = recent.choose(random).unwrap().clone();
        let device = random.random_range(0..6);
        let deed = deed(random, device);
        let of_one = |node: &&Node<()>| {
            let by = node.deed.as_ref().map(|deed| deed.committer);
            node.parent == Some(parent.rank.name) && by == Some(deed.committer)
        };
        if !twice && nodes.iter().any(|node| of_one(&node)) {
            continue;
        }
        nodes.push(child(random, &parent, deed));
    }
    nodes
}

/// Puts all epochs into a tree, in any order in which each comes after the one before it.
fn planted(random: &mut StdRng, nodes: &[Node<()>]) -> Tree<()> {
    let mut tree = Tree::new(nodes[0].clone());
    let mut left: Vec<_> = nodes[1..].to_vec();
    while !left.is_empty() {
        let node = &left[random.random_range(0..left.len())];
        if tree.get(&node.parent.unwrap()).is_some() {
            let name = node.rank.name;
            tree.insert(node.clone(), NOW);
            left.retain(|node| node.rank.name != name);
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_order_in_which_commits_come_decides_nothing(seed in any::<u64>(), twice in any::<bool>()) {
        let mut random = StdRng::seed_from_u64(seed);
        let nodes = grown(&mut random, 24, twice);
        let trees: Vec<_> = (0..5).map(|_| planted(&mut random, &nodes)).collect();
        let heads: BTreeSet<_> = trees.iter().map(Tree::head).collect();
        prop_assert_eq!(heads.len(), 1);
        // Nobody on the way to the head is removed beside it by a removal that stands.
        let all = nodes.iter().map(|node| (node.rank.name, node.clone())).collect();
        let countered = countered(&all, &EpochName::new([0; 32]));
        prop_assert!(trees[0].chain().all(|node| !countered.contains(&node.rank.name)));
    }
}

/// What may be made to grow in these tests.
const SHARES: Shares = Shares {
    device: 12,
    account: 100,
};

fn is_in_reach(tree: &Tree<()>, node: &Node<()>) -> bool {
    let parent = node.parent.and_then(|parent| tree.get(&parent));
    node.live && parent.is_none_or(|parent| is_in_reach(tree, parent))
}

/// Puts the epochs of a device that makes more than it may, and of others that do not, into a tree in any order.
fn flooded(random: &mut StdRng, nodes: &[Node<()>]) -> (Tree<()>, BTreeSet<EpochName>) {
    let mut tree = Tree::new(nodes[0].clone());
    let mut left: Vec<_> = nodes[1..].to_vec();
    loop {
        let can_follow = |node: &&Node<()>| {
            let parent = tree.get(&node.parent.unwrap());
            parent.is_some_and(|parent| parent.live)
        };
        let next: Vec<_> = left.iter().filter(can_follow).collect();
        let Some(node) = next.choose(random).map(|node| Node::clone(node)) else {
            // What comes after one that has ended is out of reach.
            let is_live = |node: &&Node<()>| is_in_reach(&tree, node);
            let live = tree.nodes().filter(is_live);
            let live = live.map(|node| node.rank.name).collect();
            return (tree, live);
        };
        let name = node.rank.name;
        left.retain(|node| node.rank.name != name);
        tree.insert(node, NOW);
        match tree.surplus(&name, SHARES) {
            Some(surplus) if surplus == name => tree.remove(&name),
            Some(surplus) => tree.drop_surplus(&surplus),
            None => {}
        }
        tree.choose(NOW);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whoever_makes_too_many_has_the_same_ones_kept_by_all(seed in any::<u64>()) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut nodes = grown(&mut random, 10, false);
        for node in &mut nodes {
            node.deed.iter_mut().for_each(|deed| deed.removed.clear());
        }
        // The device 1, beside which 3 and 5 are of its account, commits to any epoch as often as it likes.
        for _ in 0..60 {
            let parent = nodes.choose(&mut random).unwrap().clone();
            let mut deed = deed(&mut random, 1);
            deed.removed.clear();
            nodes.push(child(&mut random, &parent, deed));
        }
        let (tree, live) = flooded(&mut random, &nodes);
        for _ in 0..5 {
            let (other, same) = flooded(&mut random, &nodes);
            prop_assert_eq!(tree.head(), other.head());
            prop_assert_eq!(&live, &same);
        }
        // Nothing of others is lost, but what came after one of its own that is not kept.
        for node in nodes.iter().filter(|node| !live.contains(&node.rank.name)) {
            let is_its_own = |node: &Node<()>| node.deed.as_ref().is_some_and(|deed| deed.standing.leaf == 1);
            let up = |node: &&Node<()>| nodes.iter().find(|other| Some(other.rank.name) == node.parent);
            let mut chain = std::iter::successors(Some(node), up);
            prop_assert!(chain.any(|node| is_its_own(node) && !live.contains(&node.rank.name)));
        }
    }
}
