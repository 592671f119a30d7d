//! Requests and responses to and from their wire form.

use bytes::Bytes;

use super::{Admission, Listed, Reason, Refusal, Request, Response, Waiting};
use crate::{
    ItemId,
    card::CardRecord,
    envelope::expires_of,
    limits::{
        ACK_COUNT_MAX, CARD_SLOTS, CHUNK_BYTES_MAX, ENVELOPE_BYTES, ENVELOPES_BYTES_MAX,
        GET_COUNT_MAX, LISTING_COUNT_MAX,
    },
    mailbox::{AckEntry, CapabilityProof, Mailbox, OwnerProof},
    receipt::Receipt,
    stamp::Stamp,
    time::UnixMillis,
    wire::{
        self, WireError,
        generated::{
            self as g, deposit_envelope::Proof, request::Request as R, response::Response as A,
        },
    },
};

fn bytes(of: &[u8]) -> Bytes {
    Bytes::copy_from_slice(of)
}

pub(super) fn request_to_wire(request: &Request) -> R {
    match request {
        Request::DepositEnvelope {
            mailbox,
            expires,
            envelope,
            nonce,
            admission,
        } => R::DepositEnvelope(g::DepositEnvelope {
            mailbox: Some(mailbox.to_wire()),
            expires_ms: expires.get(),
            envelope: envelope.clone(),
            nonce: bytes(nonce),
            proof: Some(match admission {
                Admission::Stamp(stamp) => Proof::Stamp(stamp.to_wire()),
                Admission::Capability(proof) => Proof::Capability(proof.to_wire()),
            }),
        }),
        Request::DepositCard {
            record,
            stamp,
            nonce,
        } => R::DepositCard(g::DepositCard {
            record: Some(record.to_wire()),
            stamp: stamp.as_ref().map(Stamp::to_wire),
            nonce: bytes(nonce),
        }),
        Request::DepositChunk {
            chunk,
            expires,
            deletion_key,
            stamp,
            nonce,
        } => R::DepositChunk(g::DepositChunk {
            chunk: chunk.clone(),
            expires_ms: expires.get(),
            deletion_key: bytes(deletion_key.as_bytes()),
            stamp: Some(stamp.to_wire()),
            nonce: bytes(nonce),
        }),
        Request::Offer { mailbox, id, nonce } => R::Offer(g::Offer {
            mailbox: Some(mailbox.to_wire()),
            id: bytes(id.as_bytes()),
            nonce: bytes(nonce),
        }),
        Request::List { .. }
        | Request::Get { .. }
        | Request::Ack { .. }
        | Request::Subscribe { .. } => owner_request_to_wire(request),
        Request::GetCards { locator } => R::GetCards(g::GetCards {
            locator: bytes(locator.as_bytes()),
        }),
        Request::GetChunk { address } => R::GetChunk(g::GetChunk {
            address: bytes(address.as_bytes()),
        }),
        Request::DeleteChunk { address, signature } => R::DeleteChunk(g::DeleteChunk {
            address: bytes(address.as_bytes()),
            signature: bytes(signature.as_bytes()),
        }),
    }
}

fn owner_request_to_wire(request: &Request) -> R {
    match request {
        Request::List {
            mailbox,
            proof,
            after,
        } => R::List(g::List {
            mailbox: Some(mailbox.to_wire()),
            proof: Some(proof.to_wire()),
            after: after.map_or_else(Bytes::new, |id| bytes(id.as_bytes())),
        }),
        Request::Get {
            mailbox,
            proof,
            ids,
        } => R::Get(g::Get {
            mailbox: Some(mailbox.to_wire()),
            proof: Some(proof.to_wire()),
            ids: ids.iter().map(|id| bytes(id.as_bytes())).collect(),
        }),
        Request::Ack { mailbox, entries } => R::Ack(g::Ack {
            mailbox: Some(mailbox.to_wire()),
            entries: entries.iter().map(ack_to_wire).collect(),
        }),
        Request::Subscribe { mailbox, proof } => R::Subscribe(g::Subscribe {
            mailbox: Some(mailbox.to_wire()),
            proof: Some(proof.to_wire()),
        }),
        _ => unreachable!("request_to_wire sends the four owner requests here and no other"),
    }
}

fn ack_to_wire(entry: &AckEntry) -> g::AckEntry {
    g::AckEntry {
        id: bytes(entry.id.as_bytes()),
        signature: bytes(entry.signature.as_bytes()),
    }
}

fn mailbox_of(mailbox: Option<&g::Mailbox>) -> Result<Mailbox, WireError> {
    Mailbox::from_wire(mailbox.ok_or(WireError::Missing("mailbox"))?)
}

fn proof_of(proof: Option<&g::OwnerProof>) -> Result<OwnerProof, WireError> {
    OwnerProof::from_wire(proof.ok_or(WireError::Missing("proof"))?)
}

pub(super) fn request_from_wire(request: R) -> Result<Request, WireError> {
    Ok(match request {
        R::DepositEnvelope(deposit) => deposit_envelope(deposit)?,
        R::DepositCard(deposit) => Request::DepositCard {
            record: Box::new(CardRecord::from_wire(&wire::present(
                deposit.record,
                "record",
            )?)?),
            stamp: deposit.stamp.map(Stamp::from_wire).transpose()?,
            nonce: wire::array(&deposit.nonce, "nonce")?,
        },
        R::DepositChunk(deposit) => deposit_chunk(deposit)?,
        R::Offer(offer) => Request::Offer {
            mailbox: mailbox_of(offer.mailbox.as_ref())?,
            id: wire::item_id(&offer.id, "id")?,
            nonce: wire::array(&offer.nonce, "nonce")?,
        },
        R::List(list) => Request::List {
            mailbox: mailbox_of(list.mailbox.as_ref())?,
            proof: proof_of(list.proof.as_ref())?,
            after: match list.after.len() {
                0 => None,
                _ => Some(wire::item_id(&list.after, "after")?),
            },
        },
        R::Get(get) => Request::Get {
            mailbox: mailbox_of(get.mailbox.as_ref())?,
            proof: proof_of(get.proof.as_ref())?,
            ids: ids(&get.ids)?,
        },
        R::Ack(ack) => Request::Ack {
            mailbox: mailbox_of(ack.mailbox.as_ref())?,
            entries: acks(&ack.entries)?,
        },
        R::Subscribe(subscribe) => Request::Subscribe {
            mailbox: mailbox_of(subscribe.mailbox.as_ref())?,
            proof: proof_of(subscribe.proof.as_ref())?,
        },
        R::GetCards(get) => Request::GetCards {
            locator: wire::address(&get.locator, "locator")?,
        },
        R::GetChunk(get) => Request::GetChunk {
            address: wire::address(&get.address, "address")?,
        },
        R::DeleteChunk(delete) => Request::DeleteChunk {
            address: wire::address(&delete.address, "address")?,
            signature: wire::signature(&delete.signature, "signature")?,
        },
    })
}

fn deposit_envelope(deposit: g::DepositEnvelope) -> Result<Request, WireError> {
    Ok(Request::DepositEnvelope {
        mailbox: mailbox_of(deposit.mailbox.as_ref())?,
        expires: wire::moment(deposit.expires_ms, "expires_ms")?,
        envelope: deposit.envelope,
        nonce: wire::array(&deposit.nonce, "nonce")?,
        admission: match wire::present(deposit.proof, "proof")? {
            Proof::Stamp(stamp) => Admission::Stamp(Stamp::from_wire(stamp)?),
            Proof::Capability(proof) => Admission::Capability(CapabilityProof::from_wire(&proof)?),
        },
    })
}

fn deposit_chunk(deposit: g::DepositChunk) -> Result<Request, WireError> {
    Ok(Request::DepositChunk {
        chunk: deposit.chunk,
        expires: wire::moment(deposit.expires_ms, "expires_ms")?,
        deletion_key: wire::public_key(&deposit.deletion_key, "deletion_key")?,
        stamp: Stamp::from_wire(wire::present(deposit.stamp, "stamp")?)?,
        nonce: wire::array(&deposit.nonce, "nonce")?,
    })
}

fn ids(list: &[Bytes]) -> Result<Vec<ItemId>, WireError> {
    wire::check_count(list, 1..=GET_COUNT_MAX, "ids")?;
    wire::check_distinct(list, "ids")?;
    list.iter().map(|id| wire::item_id(id, "ids")).collect()
}

fn acks(entries: &[g::AckEntry]) -> Result<Vec<AckEntry>, WireError> {
    wire::check_count(entries, 1..=ACK_COUNT_MAX, "entries")?;
    wire::check_distinct(entries.iter().map(|entry| &entry.id), "entries")?;
    let entry = |entry: &g::AckEntry| {
        Ok(AckEntry {
            id: wire::item_id(&entry.id, "id")?,
            signature: wire::signature(&entry.signature, "signature")?,
        })
    };
    entries.iter().map(entry).collect()
}

pub(super) fn response_to_wire(response: &Response) -> A {
    match response {
        Response::Receipt(receipt) => A::Receipt(g::Receipt {
            until_ms: receipt.until.get(),
            signature: bytes(receipt.signature.as_bytes()),
        }),
        Response::Refusal(refusal) => A::Refusal(refusal.to_wire()),
        Response::Listing { items, more } => A::Listing(g::Listing {
            items: items.iter().map(listed_to_wire).collect(),
            more: *more,
        }),
        Response::Envelopes(items) => A::Envelopes(g::Envelopes {
            items: items.iter().map(waiting_to_wire).collect(),
        }),
        Response::Done { until } => A::Done(g::Done {
            until_ms: until.map_or(0, UnixMillis::get),
        }),
        Response::Cards(records) => A::Cards(g::Cards {
            records: records.iter().map(CardRecord::to_wire).collect(),
        }),
        Response::Chunk { chunk, expires } => A::Chunk(g::Chunk {
            chunk: chunk.clone(),
            expires_ms: expires.get(),
        }),
        Response::Unknown => A::Unknown(g::Unknown {}),
    }
}

pub(super) fn response_from_wire(response: A) -> Result<Response, WireError> {
    Ok(match response {
        A::Receipt(receipt) => Response::Receipt(Receipt {
            until: wire::moment(receipt.until_ms, "until_ms")?,
            signature: wire::signature(&receipt.signature, "signature")?,
        }),
        A::Refusal(refusal) => Response::Refusal(Refusal::from_wire(&refusal)?),
        A::Listing(listing) => listing_from_wire(&listing)?,
        A::Envelopes(envelopes) => envelopes_from_wire(envelopes.items)?,
        A::Done(done) => Response::Done {
            until: (done.until_ms != 0).then(|| UnixMillis::new(done.until_ms)),
        },
        A::Cards(cards) => {
            wire::check_count(&cards.records, 0..=CARD_SLOTS, "records")?;
            // Each writer has one slot.
            let writers = cards.records.iter().map(|record| &record.writer);
            wire::check_distinct(writers, "records")?;
            let records = cards.records.iter().map(CardRecord::from_wire);
            Response::Cards(records.collect::<Result<_, _>>()?)
        }
        A::Chunk(chunk) => {
            if chunk.chunk.is_empty() || chunk.chunk.len() > CHUNK_BYTES_MAX {
                return Err(WireError::Length("chunk"));
            }
            let expires = wire::moment(chunk.expires_ms, "expires_ms")?;
            Response::Chunk {
                chunk: chunk.chunk,
                expires,
            }
        }
        A::Unknown(g::Unknown {}) => Response::Unknown,
    })
}

fn listing_from_wire(listing: &g::Listing) -> Result<Response, WireError> {
    let g::Listing { items, more } = listing;
    wire::check_count(items, 0..=LISTING_COUNT_MAX, "items")?;
    wire::check_ascending(items.iter().map(|item| &item.id), "items")?;
    // Who goes on behind the last one needs a last one.
    if *more && items.is_empty() {
        return Err(WireError::Contradiction("more"));
    }
    let items = items.iter().map(listed_from_wire);
    Ok(Response::Listing {
        items: items.collect::<Result<_, _>>()?,
        more: *more,
    })
}

fn envelopes_from_wire(items: Vec<g::Waiting>) -> Result<Response, WireError> {
    wire::check_count(&items, 0..=GET_COUNT_MAX, "items")?;
    wire::check_distinct(items.iter().map(|item| &item.envelope), "items")?;
    let bytes: usize = items.iter().map(|item| item.envelope.len()).sum();
    if bytes > ENVELOPES_BYTES_MAX {
        return Err(WireError::TooMany("items"));
    }
    let items = items.into_iter().map(waiting_from_wire);
    Ok(Response::Envelopes(items.collect::<Result<_, _>>()?))
}

fn listed_to_wire(listed: &Listed) -> g::Listed {
    g::Listed {
        id: bytes(listed.id.as_bytes()),
        size_bytes: listed.size_bytes,
        expires_ms: listed.expires.get(),
    }
}

fn listed_from_wire(listed: &g::Listed) -> Result<Listed, WireError> {
    let is_size = |size: &usize| u32::try_from(*size) == Ok(listed.size_bytes);
    if !ENVELOPE_BYTES.iter().any(is_size) {
        return Err(WireError::Length("size_bytes"));
    }
    Ok(Listed {
        id: wire::item_id(&listed.id, "id")?,
        size_bytes: listed.size_bytes,
        expires: wire::moment(listed.expires_ms, "expires_ms")?,
    })
}

pub(super) fn waiting_to_wire(waiting: &Waiting) -> g::Waiting {
    g::Waiting {
        envelope: waiting.envelope.clone(),
        expires_ms: waiting.expires.get(),
    }
}

pub(super) fn waiting_from_wire(waiting: g::Waiting) -> Result<Waiting, WireError> {
    if !ENVELOPE_BYTES.contains(&waiting.envelope.len()) {
        return Err(WireError::Length("envelope"));
    }
    let expires = wire::moment(waiting.expires_ms, "expires_ms")?;
    if expires_of(&waiting.envelope) != Some(expires) {
        return Err(WireError::Contradiction("expires_ms"));
    }
    Ok(Waiting {
        envelope: waiting.envelope,
        expires,
    })
}

impl Refusal {
    pub(crate) fn to_wire(self) -> g::Refusal {
        g::Refusal {
            reason: reason_to_wire(self.reason).into(),
            retry_after_ms: self.retry_after_ms,
            effort: self.effort,
            date_ms: self.date.map_or(0, UnixMillis::get),
        }
    }

    pub(crate) fn from_wire(refusal: &g::Refusal) -> Result<Self, WireError> {
        let reason = reason_from_wire(refusal.reason)?;
        // Who asks for a stamp says what it is to be worth, and nobody else does.
        if (reason == Reason::Stamp) != (refusal.effort > 0) {
            return Err(WireError::Contradiction("effort"));
        }
        // Who finds a date wrong says what the right one is.
        if (reason == Reason::Clock) != (refusal.date_ms > 0) {
            return Err(WireError::Contradiction("date_ms"));
        }
        Ok(Self {
            reason,
            retry_after_ms: refusal.retry_after_ms,
            effort: refusal.effort,
            date: (refusal.date_ms > 0).then(|| UnixMillis::new(refusal.date_ms)),
        })
    }
}

fn reason_to_wire(reason: Reason) -> g::Reason {
    match reason {
        Reason::Malformed => g::Reason::Malformed,
        Reason::TooLarge => g::Reason::TooLarge,
        Reason::Expired => g::Reason::Expired,
        Reason::Lifetime => g::Reason::Lifetime,
        Reason::Stamp => g::Reason::Stamp,
        Reason::Capability => g::Reason::Capability,
        Reason::Signature => g::Reason::Signature,
        Reason::Sequence => g::Reason::Sequence,
        Reason::Epoch => g::Reason::Epoch,
        Reason::Clock => g::Reason::Clock,
        Reason::Full => g::Reason::Full,
        Reason::Busy => g::Reason::Busy,
        Reason::Unavailable => g::Reason::Unavailable,
    }
}

fn reason_from_wire(number: i32) -> Result<Reason, WireError> {
    match g::Reason::try_from(number) {
        Ok(g::Reason::Unspecified) | Err(_) => Err(WireError::Missing("reason")),
        Ok(reason) => Reason::ALL
            .into_iter()
            .find(|known| reason_to_wire(*known) == reason)
            .ok_or(WireError::Missing("reason")),
    }
}
