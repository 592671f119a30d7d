//! One request to one keeper, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use restante_proto::card::CardRecord;
use restante_proto::keys::SecretKey;
use restante_proto::mailbox::{AckEntry, Mailbox, OwnerProof, OwnerRequest};
use restante_proto::receipt::{Claim, NONCE_BYTES};
use restante_proto::request::{Listed, Refusal, Request, Response, Waiting};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId, envelope};
use tracing::debug;

use super::services::Services;
use crate::clock::Clock;

/// How long a keeper may take to answer, connecting to it included.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came of a deposit or an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deposited {
    /// The keeper's own receipt for this very deposit.
    Held(UnixMillis),
    /// The keeper does not hold what was offered.
    Unknown,
    /// The keeper said no.
    Refused(Refusal),
    /// The keeper could not be reached, or its answer was worth nothing.
    Failed,
}

/// Asks `keeper` for something; nothing when there is no answer that decodes.
async fn ask(services: &Services, keeper: NodeId, request: &Request) -> Option<Response> {
    let payload = services.ask(keeper, request.encode(), DEADLINE).await?;
    Response::decode(&payload)
        .inspect_err(|fault| debug!(%fault, "a keeper's answer does not decode"))
        .ok()
}

/// Makes the nonce that ties a receipt to one deposit.
pub(super) fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    nonce
}

/// Sends a deposit or an offer and checks the receipt: the keeper's own, for this deposit, until the item's end.
pub(super) async fn deposit(
    services: Services,
    keeper: NodeId,
    request: Request,
    claim: Claim,
    expires: UnixMillis,
) -> Deposited {
    let offered = matches!(request, Request::Offer { .. });
    match ask(&services, keeper, &request).await {
        Some(Response::Receipt(receipt)) => match receipt.verify(&keeper, &claim) {
            Ok(()) if receipt.until >= expires => Deposited::Held(receipt.until),
            Ok(()) => {
                debug!("a keeper's receipt ends before the item");
                Deposited::Failed
            }
            Err(fault) => {
                debug!(%fault, "a keeper's receipt is worth nothing");
                Deposited::Failed
            }
        },
        Some(Response::Unknown) if offered => Deposited::Unknown,
        Some(Response::Refusal(refusal)) => {
            debug!(reason = refusal.reason.name(), "a keeper refused");
            Deposited::Refused(refusal)
        }
        Some(_) | None => Deposited::Failed,
    }
}

/// Returns the records a keeper has at `locator`; nothing when it did not answer.
pub(super) async fn cards(
    services: Services,
    keeper: NodeId,
    locator: Address,
) -> Option<Vec<CardRecord>> {
    match ask(&services, keeper, &Request::GetCards { locator }).await? {
        Response::Cards(mut records) => {
            records.retain(|record| record.locator == locator);
            Some(records)
        }
        _ => None,
    }
}

/// Subscribes at a keeper and returns until when.
pub(super) async fn subscribe(
    services: Services,
    keeper: NodeId,
    owner: SecretKey,
    mailbox: Mailbox,
) -> Option<UnixMillis> {
    let proof = prove(
        services.clock,
        &owner,
        &mailbox,
        &keeper,
        OwnerRequest::Subscribe,
    );
    match ask(&services, keeper, &Request::Subscribe { mailbox, proof }).await? {
        Response::Done { until } => until,
        _ => None,
    }
}

/// Lists a mailbox at a keeper.
pub(super) async fn list(
    services: Services,
    keeper: NodeId,
    owner: SecretKey,
    mailbox: Mailbox,
    after: Option<ItemId>,
) -> Option<(Vec<Listed>, bool)> {
    let proof = prove(
        services.clock,
        &owner,
        &mailbox,
        &keeper,
        OwnerRequest::List(after.as_ref()),
    );
    let request = Request::List {
        mailbox,
        proof,
        after,
    };
    match ask(&services, keeper, &request).await? {
        Response::Listing { items, more } => Some((items, more)),
        _ => None,
    }
}

/// Gets envelopes from a keeper, each under the identifier its bytes have.
pub(super) async fn get(
    services: Services,
    keeper: NodeId,
    owner: SecretKey,
    mailbox: Mailbox,
    ids: Vec<ItemId>,
) -> Option<Vec<(ItemId, Waiting)>> {
    let proof = prove(
        services.clock,
        &owner,
        &mailbox,
        &keeper,
        OwnerRequest::Get(&ids),
    );
    let request = Request::Get {
        mailbox,
        proof,
        ids,
    };
    match ask(&services, keeper, &request).await? {
        Response::Envelopes(items) => Some(items.into_iter().map(named).collect()),
        _ => None,
    }
}

/// Acks envelopes at a keeper and tells whether it said so.
pub(super) async fn ack(
    services: Services,
    keeper: NodeId,
    owner: SecretKey,
    mailbox: Mailbox,
    ids: Vec<ItemId>,
) -> bool {
    let address = mailbox.address();
    let entries = ids
        .into_iter()
        .map(|id| AckEntry::sign(&owner, &address, id));
    let request = Request::Ack {
        mailbox,
        entries: entries.collect(),
    };
    matches!(
        ask(&services, keeper, &request).await,
        Some(Response::Done { .. })
    )
}

/// Puts the identifier its bytes have to an envelope.
pub(super) fn named(item: Waiting) -> (ItemId, Waiting) {
    (envelope::id_of(&item.envelope), item)
}

fn prove(
    clock: Clock,
    owner: &SecretKey,
    mailbox: &Mailbox,
    keeper: &NodeId,
    request: OwnerRequest<'_>,
) -> OwnerProof {
    OwnerProof::sign(owner, &mailbox.address(), keeper, clock.now(), request)
}

/// Returns the identifier and the claim of an envelope's deposit.
pub(super) fn claim(address: Address, bytes: &Bytes, nonce: [u8; NONCE_BYTES]) -> Claim {
    Claim {
        address,
        id: envelope::id_of(bytes),
        nonce,
    }
}
