//! What a keeper's answer to a deposit is worth.

use std::collections::BTreeMap;

use restante_proto::NodeId;
use restante_proto::request::{Refusal, Response};
use restante_proto::time::UnixMillis;
use tracing::debug;

use crate::pending::Asked;

/// What came of a deposit or an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deposited {
    /// The keeper's own receipt for this very deposit.
    Held(UnixMillis),
    /// The keeper does not hold what was offered.
    Unknown,
    /// The keeper said no.
    Refused(Refusal),
    /// The keeper could not be reached, or its answer is worth nothing.
    Failed,
}

/// Judges an answer: a receipt counts if it is the keeper's own, for this deposit, until the item's end at least.
pub(crate) fn judge(asked: &Asked, answer: Option<Response>) -> Deposited {
    match answer {
        Some(Response::Receipt(receipt)) => match receipt.verify(&asked.keeper, &asked.claim) {
            Ok(()) if receipt.until >= asked.expires => Deposited::Held(receipt.until),
            Ok(()) => {
                debug!("a keeper's receipt ends before the item");
                Deposited::Failed
            }
            Err(error) => {
                debug!(%error, "a keeper's receipt is worth nothing");
                Deposited::Failed
            }
        },
        Some(Response::Unknown) if asked.offer => Deposited::Unknown,
        Some(Response::Refusal(refusal)) => {
            debug!(reason = refusal.reason.name(), "a keeper refused");
            Deposited::Refused(refusal)
        }
        Some(_) | None => Deposited::Failed,
    }
}

/// Keepers that ask for more work for an item than may be done, and for how much; each until it says something else, or
/// is none of those nearest to the item any more.
#[derive(Debug, Default)]
pub(crate) struct TooDear(BTreeMap<NodeId, u32>);

impl TooDear {
    /// A keeper asks for more than may be done.
    pub(crate) fn note(&mut self, keeper: NodeId, effort: u32) {
        self.0.insert(keeper, effort);
    }

    /// A keeper has said something else.
    pub(crate) fn forget(&mut self, keeper: &NodeId) {
        self.0.remove(keeper);
    }

    /// Others may be nearest now.
    pub(crate) fn on_found(&mut self, keepers: &[NodeId]) {
        self.0
            .retain(|keeper, _| keepers.is_empty() || keepers.contains(keeper));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the least effort that would be enough for so many more of them, or for all there are.
    pub(crate) fn effort_for(&self, missing: usize) -> Option<u32> {
        let mut efforts: Vec<u32> = self.0.values().copied().collect();
        efforts.sort_unstable();
        let last = missing.min(efforts.len()).checked_sub(1)?;
        efforts.get(last).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_enough_follows_those_that_are_near() {
        let [one, two, three] = [1, 2, 3].map(|number| NodeId::new([number; 32]));
        let mut dear = TooDear::default();
        assert_eq!(dear.effort_for(3), None);
        for (keeper, effort) in [(one, 900), (two, 300), (three, 500)] {
            dear.note(keeper, effort);
        }
        let all = [0, 1, 2, 3, 4].map(|missing| dear.effort_for(missing));
        assert_eq!(all, [None, Some(300), Some(500), Some(900), Some(900)]);
        dear.on_found(&[]);
        dear.on_found(&[one, three]);
        assert_eq!(dear.effort_for(1), Some(500));
        dear.forget(&three);
        assert_eq!(dear.effort_for(1), Some(900));
        dear.forget(&one);
        assert!(dear.is_empty());
    }
}
