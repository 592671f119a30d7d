//! The names of epochs, and the tree that they form (SPEC 15.4).
//!
//! Nobody orders commits, so that two may follow one epoch. All pick the same one by [`Rank`]; the states of those left
//! are kept for a while, since what comes next may follow any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use restante_proto::context;
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;

use crate::conflict::{Deed, countered, void};

/// The name of an epoch, which follows from its secrets: who joins computes it, and need not believe anybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochName([u8; 32]);

impl EpochName {
    /// Wraps the 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for EpochName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "EpochName({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// What a commit does; of two commits that follow one epoch, the one that comes first here wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It removes somebody, who must not win against it.
    Removal,
    /// It adds somebody.
    Addition,
    /// It renews keys alone.
    Update,
}

impl Class {
    /// Returns its number in rows.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Removal => 0,
            Self::Addition => 1,
            Self::Update => 2,
        }
    }

    pub(crate) const fn of_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Removal),
            1 => Some(Self::Addition),
            2 => Some(Self::Update),
            _ => None,
        }
    }
}

/// Where a commit stands among those that follow the same epoch; the least wins.
///
/// Between two of one class the committers decide, in an order that each parent shuffles, so that no commit can be made
/// to win by trying; the names decide between two of one committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub(crate) class: Class,
    pub(crate) order: [u8; 32],
    pub(crate) name: EpochName,
}

impl Rank {
    /// Returns the rank of the commit that `committer` made of `parent`, and that makes `name`.
    pub(crate) fn new(
        class: Class,
        parent: &EpochName,
        committer: &PublicKey,
        name: EpochName,
    ) -> Self {
        let parts = [parent.as_bytes().as_slice(), committer.as_bytes()];
        let order = context::derive(context::COMMIT_ORDER, &parts);
        Self { class, order, name }
    }

    /// Returns the rank of an epoch that nothing known comes before.
    pub(crate) const fn of_root(name: EpochName) -> Self {
        Self {
            class: Class::Update,
            order: [0; 32],
            name,
        }
    }
}

/// One epoch in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node<T> {
    pub(crate) parent: Option<EpochName>,
    pub(crate) rank: Rank,
    /// Its number in the group; epochs beside each other have the same.
    pub(crate) number: u64,
    /// Whose commit made it, and what it did; nothing if that is not known, as for one who was invited, or is not held
    /// against anybody.
    pub(crate) deed: Option<Deed>,
    /// Whether this device is no member of it, so that it cannot go there.
    pub(crate) is_shut: bool,
    /// Since when it is not the head; nothing for the head.
    pub(crate) left: Option<UnixMillis>,
    /// Whether a commit can still follow it.
    pub(crate) live: bool,
    pub(crate) value: T,
}

impl<T> Node<T> {
    /// Returns an epoch that nothing known comes before.
    pub(crate) const fn root(name: EpochName, number: u64, deed: Option<Deed>, value: T) -> Self {
        Self {
            parent: None,
            rank: Rank::of_root(name),
            number,
            deed,
            is_shut: false,
            left: None,
            live: true,
            value,
        }
    }
}

/// How many epochs that can be followed one device may have made, and the devices of one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) device: usize,
    pub(crate) account: usize,
}

/// The epochs that are known, and the one that is spoken in.
#[derive(Clone, Debug)]
pub(crate) struct Tree<T> {
    nodes: BTreeMap<EpochName, Node<T>>,
    /// The first of the chain to the head that a commit can still follow.
    root: EpochName,
    head: EpochName,
    /// The epoch without this device that all others go to from the head.
    shut: Option<EpochName>,
}

impl<T> Tree<T> {
    /// Begins with one epoch.
    pub(crate) fn new(root: Node<T>) -> Self {
        let name = root.rank.name;
        Self {
            nodes: BTreeMap::from([(name, root)]),
            root: name,
            head: name,
            shut: None,
        }
    }

    /// Puts a tree together again from its nodes and the names of root and head; nothing if one of these is missing.
    pub(crate) fn of(
        nodes: BTreeMap<EpochName, Node<T>>,
        root: EpochName,
        head: EpochName,
    ) -> Option<Self> {
        let is_whole = [root, head].iter().all(|name| {
            let node = nodes.get(name);
            node.is_some_and(|node| node.live && !node.is_shut)
        });
        let mut tree = is_whole.then_some(Self {
            nodes,
            root,
            head,
            shut: None,
        })?;
        tree.shut = tree.walk().1;
        Some(tree)
    }

    /// Begins anew with an epoch that somebody has invited to; what is known is read on for a while.
    pub(crate) fn replant(&mut self, root: Node<T>, now: UnixMillis) {
        self.root = root.rank.name;
        self.insert(root, now);
    }

    /// Adds an epoch and tells whether the head is another one now.
    pub(crate) fn insert(&mut self, node: Node<T>, now: UnixMillis) -> bool {
        self.nodes.insert(node.rank.name, node);
        self.choose(now)
    }

    /// Forgets one that has ended.
    pub(crate) fn remove(&mut self, name: &EpochName) {
        self.nodes.remove(name);
    }

    /// Goes to the head that the epochs known now make; tells whether it is another one.
    pub(crate) fn choose(&mut self, now: UnixMillis) -> bool {
        let (head, shut) = self.walk();
        for (name, node) in &mut self.nodes {
            node.left = if *name == head || Some(*name) == shut {
                None
            } else {
                node.left.or(Some(now))
            };
        }
        let moved = (head, shut) != (self.head, self.shut);
        (self.head, self.shut) = (head, shut);
        moved
    }

    /// Follows the least of those that follow each epoch and count, from the root on.
    fn walk(&self) -> (EpochName, Option<EpochName>) {
        let void = void(&self.nodes, &self.root);
        let mut at = self.root;
        while let Some(next) = self.first_after(&at, &void) {
            if next.is_shut {
                return (at, Some(next.rank.name));
            }
            at = next.rank.name;
        }
        (at, None)
    }

    fn first_after(&self, name: &EpochName, void: &BTreeSet<EpochName>) -> Option<&Node<T>> {
        let live = self.nodes.values().filter(|node| node.live);
        let after = live.filter(|node| node.parent.as_ref() == Some(name));
        let counts = after.filter(|node| !void.contains(&node.rank.name));
        counts.min_by_key(|node| node.rank)
    }

    /// Names the epochs that no commit can follow any more, `window` after they were left: of these only what still
    /// opens texts is to be kept.
    pub(crate) fn overdue(&self, now: UnixMillis, window_ms: u64) -> Vec<EpochName> {
        let is_overdue = |node: &&Node<T>| {
            node.live && node.left.is_some_and(|left| left.plus(window_ms) <= now)
        };
        let overdue = self.nodes.values().filter(is_overdue);
        overdue.map(|node| node.rank.name).collect()
    }

    /// Has an epoch followed by nothing more; the head is to be chosen again then.
    pub(crate) fn end(&mut self, name: &EpochName) {
        let is_countered = countered(&self.nodes, &self.root).contains(name);
        if let Some(node) = self.nodes.get_mut(name) {
            node.live = false;
            // What its removal has settled is not counted as one of two commits to an epoch.
            node.deed.take_if(|_| is_countered);
        }
    }

    /// Has an epoch that is too many followed by nothing more, as if its commit had never come.
    pub(crate) fn drop_surplus(&mut self, name: &EpochName) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.live = false;
            node.deed = None;
        }
    }

    /// Leaves behind what has ended on the way to the head, since nothing beside that way can win any more.
    pub(crate) fn advance(&mut self) {
        let chain = self.chain();
        let live = chain.take_while(|node| node.live);
        if let Some(root) = live.last().map(|node| node.rank.name) {
            self.root = root;
        }
    }

    /// Names the epoch that ends since the device that has made this one has made too many, or its account has: of the
    /// device, or of the one of the account that has made most, one that a removal keeps from counting, else the last.
    ///
    /// What one device has made remains or goes whatever came first.
    pub(crate) fn surplus(&self, name: &EpochName, most: Shares) -> Option<EpochName> {
        let maker = self.get(name)?.deed.as_ref()?.committer;
        let mut made: BTreeMap<PublicKey, Vec<&Node<T>>> = BTreeMap::new();
        let live = self.nodes.values().filter(|node| node.live);
        for node in live.filter(|node| node.parent.is_some() && node.rank.name != self.root) {
            if let Some(deed) = &node.deed
                && deed.committer.account == maker.account
            {
                made.entry(deed.committer.device).or_default().push(node);
            }
        }
        let of_device = made
            .get(&maker.device)
            .filter(|nodes| nodes.len() > most.device);
        let of_account = || {
            let all: usize = made.values().map(Vec::len).sum();
            let largest = made.values().max_by_key(|nodes| nodes.len());
            largest.filter(|_| all > most.account)
        };
        let nodes = of_device.or_else(of_account)?;
        let countered = countered(&self.nodes, &self.root);
        let place = |node: &&&Node<T>| {
            let name = node.rank.name;
            (countered.contains(&name), node.number, name)
        };
        nodes.iter().max_by_key(place).map(|node| node.rank.name)
    }

    /// Tells whether a device has committed to an epoch.
    pub(crate) fn has_child_of(&self, parent: &EpochName, device: &PublicKey) -> bool {
        let children = self
            .nodes()
            .filter(|node| node.parent.as_ref() == Some(parent));
        let mut deeds = children.filter_map(|node| node.deed.as_ref());
        deeds.any(|deed| deed.committer.device == *device)
    }

    /// Names the epochs that have ended and were left first, all but `max`. What a commit that is taken again would
    /// begin anew is not among them.
    pub(crate) fn oldest_past(&self, max: usize) -> Vec<EpochName> {
        let surplus = self.past().saturating_sub(max);
        let is_over = |node: &&Node<T>| {
            let parent = node.parent.and_then(|parent| self.get(&parent));
            !node.live && parent.is_none_or(|parent| !parent.live)
        };
        let over = self.nodes().filter(is_over);
        let mut over: Vec<_> = over.map(|node| (node.left, node.rank.name)).collect();
        over.sort_unstable();
        over.into_iter()
            .take(surplus)
            .map(|(_, name)| name)
            .collect()
    }

    /// Goes from the head to the oldest epoch known before it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Node<T>> {
        let up = |node: &&Node<T>| self.nodes.get(node.parent.as_ref()?);
        std::iter::successors(self.nodes.get(&self.head), up)
    }

    /// Tells whether an epoch is the head or comes before it.
    pub(crate) fn is_on_chain(&self, name: &EpochName) -> bool {
        self.chain().any(|node| node.rank.name == *name)
    }

    pub(crate) const fn head(&self) -> EpochName {
        self.head
    }

    pub(crate) const fn root(&self) -> EpochName {
        self.root
    }

    /// Returns the epoch without this device that all others go to from the head.
    pub(crate) const fn shut(&self) -> Option<EpochName> {
        self.shut
    }

    pub(crate) fn get(&self, name: &EpochName) -> Option<&Node<T>> {
        self.nodes.get(name)
    }

    pub(crate) fn get_mut(&mut self, name: &EpochName) -> Option<&mut Node<T>> {
        self.nodes.get_mut(name)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node<T>> {
        self.nodes.values()
    }

    /// Returns how many have ended.
    pub(crate) fn past(&self) -> usize {
        self.nodes().filter(|node| !node.live).count()
    }
}
