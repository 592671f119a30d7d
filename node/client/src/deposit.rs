//! What a keeper's answer to a deposit is worth.

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
