//! What stands in the way of envelopes at their keepers.

use std::collections::BTreeMap;

use restante_interface::{OBSTACLES_MAX, Obstacle, ObstacleReason};
use restante_proto::request::Reason;
use restante_proto::{ItemId, NodeId};

/// Keepers of one envelope whose last word is remembered, at most.
const KEEPERS_MAX: usize = 16;

/// The last word of each keeper that did not take an envelope; in memory alone.
#[derive(Debug, Default)]
pub(crate) struct Obstacles(BTreeMap<ItemId, BTreeMap<NodeId, ObstacleReason>>);

impl Obstacles {
    /// Notes why a keeper did not take an envelope.
    pub(crate) fn note(&mut self, id: ItemId, keeper: NodeId, reason: ObstacleReason) {
        let words = self.0.entry(id).or_default();
        if words.len() >= KEEPERS_MAX && !words.contains_key(&keeper) {
            words.pop_first();
        }
        words.insert(keeper, reason);
    }

    /// Notes that a keeper has an envelope.
    pub(crate) fn clear(&mut self, id: &ItemId, keeper: &NodeId) {
        if let Some(words) = self.0.get_mut(id) {
            words.remove(keeper);
            if words.is_empty() {
                self.0.remove(id);
            }
        }
    }

    /// Forgets the words of those who are not among an envelope's keepers any more.
    pub(crate) fn retain(&mut self, id: &ItemId, keepers: &[NodeId]) {
        if let Some(words) = self.0.get_mut(id) {
            words.retain(|keeper, _| keepers.contains(keeper));
        }
    }

    /// Forgets an envelope.
    pub(crate) fn forget(&mut self, id: &ItemId) {
        self.0.remove(id);
    }

    /// Returns what stands in the way of some envelopes, the most frequent first.
    pub(crate) fn of<'a>(&self, ids: impl Iterator<Item = &'a ItemId>) -> Vec<Obstacle> {
        let words = ids.filter_map(|id| self.0.get(id));
        summed(words.flat_map(BTreeMap::values).map(|reason| (*reason, 1)))
    }
}

/// Adds up obstacles, the most frequent first.
pub(crate) fn summed(each: impl Iterator<Item = (ObstacleReason, u32)>) -> Vec<Obstacle> {
    let mut counts: BTreeMap<ObstacleReason, u32> = BTreeMap::new();
    for (reason, count) in each {
        let sum = counts.entry(reason).or_default();
        *sum = sum.saturating_add(count);
    }
    let counts = counts.into_iter();
    let mut sums: Vec<Obstacle> = counts
        .map(|(reason, keepers)| Obstacle { reason, keepers })
        .collect();
    sums.sort_by_key(|obstacle| u32::MAX - obstacle.keepers);
    sums.truncate(OBSTACLES_MAX);
    sums
}

/// Returns a keeper's reason in the words of the local interface.
pub(crate) const fn reason_of(reason: Reason) -> ObstacleReason {
    match reason {
        Reason::Malformed => ObstacleReason::Malformed,
        Reason::TooLarge => ObstacleReason::TooLarge,
        Reason::Expired => ObstacleReason::Expired,
        Reason::Lifetime => ObstacleReason::Lifetime,
        Reason::Stamp => ObstacleReason::Stamp,
        Reason::Capability => ObstacleReason::Capability,
        Reason::Signature => ObstacleReason::Signature,
        Reason::Sequence => ObstacleReason::Sequence,
        Reason::Epoch => ObstacleReason::Epoch,
        Reason::Clock => ObstacleReason::Clock,
        Reason::Full => ObstacleReason::Full,
        Reason::Busy => ObstacleReason::Busy,
        Reason::Unavailable => ObstacleReason::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(number: u8) -> NodeId {
        NodeId::new([number; 32])
    }

    #[test]
    fn the_last_word_of_each_keeper_counts() {
        let (first, second) = (ItemId::new([1; 32]), ItemId::new([2; 32]));
        let mut obstacles = Obstacles::default();
        obstacles.note(first, keeper(1), ObstacleReason::Busy);
        obstacles.note(first, keeper(1), ObstacleReason::Full);
        obstacles.note(first, keeper(2), ObstacleReason::NoAnswer);
        obstacles.note(second, keeper(3), ObstacleReason::Full);
        let all = [first, second];
        let full = |keepers| Obstacle {
            reason: ObstacleReason::Full,
            keepers,
        };
        let silent = Obstacle {
            reason: ObstacleReason::NoAnswer,
            keepers: 1,
        };
        assert_eq!(obstacles.of(all.iter()), [full(2), silent]);
        assert_eq!(obstacles.of(all[1..].iter()), [full(1)]);
        obstacles.clear(&first, &keeper(1));
        assert_eq!(obstacles.of(all[..1].iter()), [silent]);
        obstacles.retain(&first, &[keeper(3)]);
        assert_eq!(obstacles.of(all[..1].iter()), []);
        obstacles.note(first, keeper(2), ObstacleReason::NoAnswer);
        obstacles.forget(&first);
        assert_eq!(obstacles.of(all[..1].iter()), []);
    }

    #[test]
    fn few_keepers_of_an_envelope_are_remembered() {
        let id = ItemId::new([1; 32]);
        let mut obstacles = Obstacles::default();
        for number in 0..=u8::MAX {
            obstacles.note(id, keeper(number), ObstacleReason::Full);
        }
        let known = obstacles.of([id].iter());
        assert_eq!(known[0].keepers as usize, KEEPERS_MAX);
    }
}
