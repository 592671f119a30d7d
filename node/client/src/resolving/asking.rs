//! Whom to ask for the cards at one locator, and when enough have answered.

use std::collections::{BTreeMap, BTreeSet};

use restante_proto::NodeId;
use restante_proto::limits::{REPLICAS, receipts_wanted};
use restante_proto::placement::CANDIDATES;

#[cfg(test)]
mod tests;

/// Nodes asked at one locator before its keepers are known, at most.
const NEAR_ASKED_MAX: usize = 2 * CANDIDATES;

/// What nodes near a locator were asked, and what they said.
///
/// Enough answers of its keepers end it once there is a record: a card that was stored at W of R keepers is among any
/// R - W + 1 of them. That there is none is believed only when all have answered: its owner may have known other
/// keepers.
///
/// Who is near is asked while the lookup of the keepers still goes on; then as many have to have a record, because a
/// node that has none may not be one of the keepers (SPEC 4.4).
#[derive(Debug)]
pub(super) struct Asking<R> {
    asked: BTreeSet<NodeId>,
    /// Those among them that were near, and count towards the limit.
    near: usize,
    keepers: Option<Vec<NodeId>>,
    answers: BTreeMap<NodeId, Vec<R>>,
    /// Nodes whose answer is awaited.
    awaited: BTreeSet<NodeId>,
}

impl<R> Asking<R> {
    /// Nobody was asked yet.
    pub(super) const fn new() -> Self {
        Self {
            asked: BTreeSet::new(),
            near: 0,
            keepers: None,
            answers: BTreeMap::new(),
            awaited: BTreeSet::new(),
        }
    }

    /// Takes whom the lookup says are near by now, nearest first; returns whom of them to ask.
    pub(super) fn on_near(&mut self, near: Vec<NodeId>) -> Vec<NodeId> {
        let mut new = Vec::new();
        for node in near.into_iter().take(REPLICAS) {
            if self.near < NEAR_ASKED_MAX && self.asked.insert(node) {
                self.near += 1;
                self.awaited.insert(node);
                new.push(node);
            }
        }
        new
    }

    /// Takes the keepers; returns whom of them to ask.
    pub(super) fn on_keepers(&mut self, keepers: Vec<NodeId>) -> Vec<NodeId> {
        let new: Vec<NodeId> = keepers
            .iter()
            .copied()
            .filter(|keeper| self.asked.insert(*keeper))
            .collect();
        self.awaited.extend(&new);
        self.keepers = Some(keepers);
        new
    }

    /// Takes a node's answer, or nothing if it gave none.
    pub(super) fn on_answer(&mut self, node: NodeId, answer: Option<Vec<R>>) {
        self.awaited.remove(&node);
        if let Some(records) = answer {
            self.answers.insert(node, records);
        }
    }

    /// Tells whether no further answer need be waited for.
    pub(super) fn is_enough(&self) -> bool {
        let answers = self.answers.values();
        let with_record = answers.filter(|records| !records.is_empty()).count();
        let Some(keepers) = &self.keepers else {
            return with_record >= enough_of(REPLICAS);
        };
        let answered = keepers
            .iter()
            .filter(|keeper| self.answers.contains_key(*keeper));
        with_record > 0 && answered.count() >= enough_of(keepers.len())
    }

    /// Tells whether so many of the keepers have answered that a card which was stored is among what they said.
    pub(super) fn is_conclusive(&self) -> bool {
        self.keepers.as_ref().is_some_and(|keepers| {
            let has_answered = |keeper: &&NodeId| self.answers.contains_key(*keeper);
            let answered = keepers.iter().filter(has_answered).count();
            !keepers.is_empty() && answered >= enough_of(keepers.len())
        })
    }

    /// Tells whether no answer is awaited and the keepers are known: nothing more will come.
    pub(super) fn is_exhausted(&self) -> bool {
        self.keepers.is_some() && self.awaited.is_empty()
    }

    /// Returns all records found, and how many nodes have answered.
    pub(super) fn into_found(self) -> (Vec<R>, usize) {
        let answers = self.answers.len();
        (self.answers.into_values().flatten().collect(), answers)
    }
}

/// Returns how many answers of so many keepers are enough: any that many have one among them that got the card.
fn enough_of(keepers: usize) -> usize {
    keepers + 1 - receipts_wanted(keepers.max(1)).min(keepers)
}
