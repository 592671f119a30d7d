//! What a request costs, and what follows once the store has done it.

use crate::{
    Address,
    receipt::Claim,
    request::{Push, Request, Waiting},
};

/// Entries of an ack that are checked for one token: as much work as the dearest other request.
const ACKS_PER_TOKEN: u64 = 4;

/// What to do when the store is done.
#[derive(Debug)]
pub(super) enum Then {
    /// Give a receipt, and push the envelope if it is new.
    Receipt { claim: Claim, push: Option<Push> },
    /// Count it, and push the envelope if it is new.
    Import { push: Option<Push> },
    /// Pass the outcome on.
    Answer,
}

/// Tells whether a request changes what is stored, if only by deleting: a store that failed is not
/// written to before it was opened again.
pub(super) const fn writes(request: &Request) -> bool {
    matches!(
        request,
        Request::DepositEnvelope { .. }
            | Request::DepositCard { .. }
            | Request::DepositChunk { .. }
            | Request::Ack { .. }
            | Request::DeleteChunk { .. }
    )
}

/// Returns how many tokens a request costs beside the first: an ack has a signature to check for
/// every entry.
pub(super) fn weight_of(request: &Request) -> u64 {
    match request {
        Request::Ack { entries, .. } => entries.len() as u64 / ACKS_PER_TOKEN,
        _ => 0,
    }
}

/// Returns what follows a request.
pub(super) fn then_of(request: &Request) -> Then {
    match request {
        Request::DepositEnvelope {
            mailbox,
            expires,
            envelope,
            nonce,
            ..
        } => {
            let address = mailbox.address();
            let id = crate::envelope::id_of(envelope);
            let item = Waiting {
                envelope: envelope.clone(),
                expires: *expires,
            };
            Then::Receipt {
                claim: Claim {
                    address,
                    id,
                    nonce: *nonce,
                },
                push: Some(Push {
                    mailbox: address,
                    item: Some(item),
                }),
            }
        }
        Request::DepositCard { record, nonce, .. } => Then::Receipt {
            claim: Claim {
                address: record.locator,
                id: record.id(),
                nonce: *nonce,
            },
            push: None,
        },
        Request::DepositChunk { chunk, nonce, .. } => {
            let id = crate::envelope::id_of(chunk);
            let address = Address::new(*id.as_bytes());
            Then::Receipt {
                claim: Claim {
                    address,
                    id,
                    nonce: *nonce,
                },
                push: None,
            }
        }
        Request::Offer { mailbox, id, nonce } => Then::Receipt {
            claim: Claim {
                address: mailbox.address(),
                id: *id,
                nonce: *nonce,
            },
            push: None,
        },
        _ => Then::Answer,
    }
}
