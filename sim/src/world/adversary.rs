//! Machines that mean harm: the shipped node with another store under it, another view of the network, or a key that
//! was chosen for its place.
//!
//! Nothing of this is in the node. A store that lies is put between the keeper and its own store; a node that lies
//! about routing sees all others at addresses that its routing table never takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::observed::Deed;

mod route;
mod store;
mod sybil;
#[cfg(test)]
mod tests;
mod witness;

pub(super) use self::route::{Colluders, masked};
pub(super) use self::store::Kept;
pub(super) use self::sybil::{grind, node_of};
pub(super) use self::witness::Witness;

/// What a keeper does with what others entrust to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Conduct {
    /// What it should.
    #[default]
    Honest,
    /// It gives receipts and keeps nothing.
    Drop,
    /// It forgets acks and ends, keeps old cards, and hides half of the mailboxes.
    Stale,
}

/// What an adversary has done so far, all its machines together.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// Receipts for what was not kept, and words that something was done that was not.
    false_words: AtomicU64,
    /// Answers that hid something.
    hidden: AtomicU64,
    /// Answers with what should have been gone.
    old: AtomicU64,
    /// Connections of nodes that were kept out of a routing table.
    kept_out: AtomicU64,
}

/// How a keeper's store behaves and whom it tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Character {
    pub(super) conduct: Conduct,
    pub(super) deeds: Arc<Deeds>,
    /// What its keeper is called, and who hears of its receipts, if anybody does.
    pub(super) witness: Option<(usize, Arc<Witness>)>,
}

impl Deeds {
    /// Returns how often it did something to others.
    pub(super) fn total(&self) -> u64 {
        self.all().iter().map(|(_, count)| count).sum()
    }

    /// Returns what was done, in words.
    pub(super) fn told(&self, who: &str) -> Vec<Deed> {
        let done = self.all().into_iter().filter(|(_, count)| *count > 0);
        let deed = |(what, count): (&str, u64)| Deed::new(who, what, count);
        done.map(deed).collect()
    }

    fn all(&self) -> [(&'static str, u64); 4] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("false receipts and words", read(&self.false_words)),
            ("answers that hid something", read(&self.hidden)),
            ("answers with what should be gone", read(&self.old)),
            (
                "connections kept out of the routing table",
                read(&self.kept_out),
            ),
        ]
    }
}
