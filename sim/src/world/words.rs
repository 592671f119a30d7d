//! How things are called in a trace.

use std::fmt;

use restante_proto::{
    ItemId,
    keeper::{StoreOp, StoreOutcome},
    request::{Request, Response},
};

use crate::person::{Fact, name_of};

/// What a line of the trace says of a person.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written { message, body, .. } => {
                write!(f, "writes {} of {} bytes", name_of(message), body.len())
            }
            Self::Sealed {
                message, envelope, ..
            } => {
                write!(f, "seals {} in {}", name_of(message), envelope.id())
            }
            Self::Standing {
                message,
                envelope,
                standing,
            } => {
                let (with, of) = (standing.with, standing.of);
                write!(
                    f,
                    "has {} in {envelope} at {with} of {of}",
                    name_of(message)
                )
            }
            Self::Delivered { message } => write!(f, "knows {} delivered", name_of(message)),
            Self::Expired { message } => write!(f, "gives up {}", name_of(message)),
            Self::Opening { envelope, .. } => write!(f, "opens {envelope}"),
            Self::Shown { message, .. } => write!(f, "is shown {}", name_of(message)),
            Self::Taken { envelope } => write!(f, "has taken {envelope}"),
            Self::Worthless { envelope, why } => write!(f, "cannot use {envelope}: {why}"),
            Self::Published { locators, of } => write!(f, "is published at {locators} of {of}"),
        }
    }
}

pub(super) const fn kind_of(request: &Request) -> &'static str {
    match request {
        Request::DepositEnvelope { .. } => "deposit",
        Request::DepositCard { .. } => "card",
        Request::DepositChunk { .. } => "chunk",
        Request::Offer { .. } => "offer",
        Request::List { .. } => "list",
        Request::Get { .. } => "get",
        Request::Ack { .. } => "ack",
        Request::Subscribe { .. } => "subscribe",
        Request::GetCards { .. } => "get-cards",
        Request::GetChunk { .. } => "get-chunk",
        Request::DeleteChunk { .. } => "delete-chunk",
    }
}

pub(super) fn answer_of(response: &Response) -> String {
    match response {
        Response::Receipt(receipt) => format!("receipt until {}", receipt.until),
        Response::Refusal(refusal) => format!("refusal: {}", refusal.reason.name()),
        Response::Listing { items, .. } => format!("listing of {}", items.len()),
        Response::Envelopes(items) => format!("{} envelopes", items.len()),
        Response::Done { .. } => "done".to_owned(),
        Response::Cards(records) => format!("{} cards", records.len()),
        Response::Chunk { .. } => "chunk".to_owned(),
        Response::Unknown => "unknown".to_owned(),
    }
}

pub(super) fn op_of(op: &StoreOp) -> String {
    match op {
        StoreOp::PutEnvelope { id, .. } => format!("put {id}"),
        StoreOp::PutCard { record, .. } => format!("card {}", record.id()),
        StoreOp::Offer { id, .. } => format!("offer {id}"),
        StoreOp::List { address, .. } => format!("list {address}"),
        StoreOp::Get { address, .. } => format!("get {address}"),
        StoreOp::Ack {
            address, entries, ..
        } => {
            let ids: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
            format!("ack {address} {}", ids.join(" "))
        }
        StoreOp::Cards { locator } => format!("cards {locator}"),
        StoreOp::PutChunk { .. } | StoreOp::Chunk { .. } | StoreOp::DeleteChunk { .. } => {
            "chunk".to_owned()
        }
        StoreOp::ApplyTombstone(replica) => {
            format!("apply tombstone {}", ItemId::new(replica.key.name))
        }
        StoreOp::Export { keys } => format!("export {}", keys.len()),
        StoreOp::Lacking { elements } => format!("compare {}", elements.len()),
    }
}

pub(super) fn outcome_of(outcome: &StoreOutcome) -> String {
    match outcome {
        StoreOutcome::Held { new: true, .. } => "new".to_owned(),
        StoreOutcome::Held { .. } => "held".to_owned(),
        StoreOutcome::Refused(reason) => reason.name().to_owned(),
        StoreOutcome::Unpaid { effort } => format!("costs {effort}"),
        StoreOutcome::Done => "done".to_owned(),
        StoreOutcome::Unknown => "unknown".to_owned(),
        StoreOutcome::Listing { items, .. } => items.len().to_string(),
        StoreOutcome::Envelopes(items) => items.len().to_string(),
        StoreOutcome::Cards(records) => records.len().to_string(),
        StoreOutcome::Chunk { .. } => "found".to_owned(),
        StoreOutcome::Replicas(replicas) => replicas.len().to_string(),
        StoreOutcome::Lacking(elements) => elements.len().to_string(),
    }
}
