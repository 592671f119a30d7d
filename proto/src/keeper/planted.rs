//! What a keeper does wrong when a test plants it.

use super::{CallId, Output, StoreOp, Then};
use crate::{keys::SecretKey, planted::Planted, receipt::Receipt, request::Response};

/// Returns a receipt for what the store has yet to take.
pub(super) fn early_receipt(
    key: &SecretKey,
    call: CallId,
    then: &Then,
    op: &StoreOp,
) -> Option<Output> {
    match (then, op) {
        (Then::Receipt { claim, .. }, StoreOp::PutEnvelope { expires, .. })
            if Planted::ReceiptBeforeCommit.is_here() =>
        {
            let receipt = Receipt::sign(key, claim, *expires);
            let response = Response::Receipt(receipt);
            Some(Output::Respond { call, response })
        }
        _ => None,
    }
}
