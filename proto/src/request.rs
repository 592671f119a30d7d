//! What clients ask of keepers, and what keepers answer (SPEC 7).

use bytes::Bytes;
use prost::Message as _;

use crate::{
    Address, ItemId,
    card::CardRecord,
    keys::{PublicKey, Signature},
    limits::{
        ACK_COUNT_MAX, CARD_SLOTS, CHUNK_BYTES_MAX, ENVELOPE_BYTES, ENVELOPE_BYTES_MAX,
        GET_COUNT_MAX, LISTING_COUNT_MAX, PAYLOAD_BYTES_MAX, SECOND_MS,
    },
    mailbox::{AckEntry, CapabilityProof, Mailbox, OwnerProof},
    receipt::{NONCE_BYTES, Receipt},
    stamp::Stamp,
    time::UnixMillis,
    wire::{self, WireError, generated as g},
};

mod codec;
#[cfg(test)]
mod tests;

/// Why somebody may deposit into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Paid with work.
    Stamp(Stamp),
    /// Admitted by the owner.
    Capability(CapabilityProof),
}

/// One request to a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Store an envelope; answered by a receipt.
    DepositEnvelope {
        /// Where.
        mailbox: Mailbox,
        /// Until when.
        expires: UnixMillis,
        /// The envelope.
        envelope: Bytes,
        /// Repeated in the receipt.
        nonce: [u8; NONCE_BYTES],
        /// The right to do so.
        admission: Admission,
    },
    /// Store a card; answered by a receipt.
    DepositCard {
        /// The record.
        record: Box<CardRecord>,
        /// Wanted from a writer that holds no slot at this locator yet.
        stamp: Option<Stamp>,
        /// Repeated in the receipt.
        nonce: [u8; NONCE_BYTES],
    },
    /// Store a chunk at the hash of its bytes; answered by a receipt.
    DepositChunk {
        /// The chunk.
        chunk: Bytes,
        /// Until when.
        expires: UnixMillis,
        /// Who may delete it.
        deletion_key: PublicKey,
        /// The price.
        stamp: Stamp,
        /// Repeated in the receipt.
        nonce: [u8; NONCE_BYTES],
    },
    /// Ask for a fresh receipt of an envelope deposited before, without sending it again.
    Offer {
        /// Where.
        mailbox: Mailbox,
        /// Which.
        id: ItemId,
        /// Repeated in the receipt.
        nonce: [u8; NONCE_BYTES],
    },
    /// List what waits in a mailbox.
    List {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Its owner's word.
        proof: OwnerProof,
        /// Continue after this one.
        after: Option<ItemId>,
    },
    /// Hand over envelopes; answered by as many as fit one response, in the order asked.
    Get {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Its owner's word.
        proof: OwnerProof,
        /// Which envelopes.
        ids: Vec<ItemId>,
    },
    /// Delete envelopes and never take them back.
    Ack {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Which envelopes, each with its owner's word.
        entries: Vec<AckEntry>,
    },
    /// Push what arrives in a mailbox from now on over this stream.
    Subscribe {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Its owner's word.
        proof: OwnerProof,
    },
    /// Return all records at a locator.
    GetCards {
        /// Where.
        locator: Address,
    },
    /// Return a chunk.
    GetChunk {
        /// Its address.
        address: Address,
    },
    /// Delete a chunk.
    DeleteChunk {
        /// Its address.
        address: Address,
        /// By the key named at its deposit.
        signature: Signature,
    },
}

/// One answer of a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The item is durably stored, or its owner has already taken it.
    Receipt(Receipt),
    /// No, and why.
    Refusal(Refusal),
    /// What waits.
    Listing {
        /// In the order of their identifiers.
        items: Vec<Listed>,
        /// There are more after the last one.
        more: bool,
    },
    /// Envelopes.
    Envelopes(Vec<Waiting>),
    /// It is done.
    Done {
        /// With a subscription: until when it holds.
        until: Option<UnixMillis>,
    },
    /// The records at a locator.
    Cards(Vec<CardRecord>),
    /// A chunk.
    Chunk {
        /// Its bytes.
        chunk: Bytes,
        /// When it ends.
        expires: UnixMillis,
    },
    /// The keeper does not hold what was asked for.
    Unknown,
}

/// One line of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The envelope.
    pub id: ItemId,
    /// Its size in bytes.
    pub size_bytes: u32,
    /// When it ends.
    pub expires: UnixMillis,
}

/// One waiting envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its bytes.
    pub envelope: Bytes,
    /// When it ends.
    pub expires: UnixMillis,
}

/// What a keeper tells a subscriber unasked (SPEC 7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The mailbox that it is about.
    pub mailbox: Address,
    /// An envelope that is new there; `None` when another stream has subscribed to the mailbox.
    pub item: Option<Waiting>,
}

/// Why a keeper says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The request does not decode; the depositor's fault.
    Malformed,
    /// An item has a size that does not exist.
    TooLarge,
    /// The item's life is over.
    Expired,
    /// The item's life is longer than allowed.
    Lifetime,
    /// The stamp is missing, wrong or worth too little.
    Stamp,
    /// The capability is missing or wrong.
    Capability,
    /// A signature is wrong.
    Signature,
    /// A record with this sequence or a higher one is there.
    Sequence,
    /// The mailbox's epoch is too old or too far ahead.
    Epoch,
    /// The request was made too long ago, or ahead of time.
    Clock,
    /// There is no room in the mailbox, at the locator or on the disk.
    Full,
    /// Too many requests at once.
    Busy,
    /// The keeper cannot store anything now.
    Unavailable,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::TooLarge,
        Self::Expired,
        Self::Lifetime,
        Self::Stamp,
        Self::Capability,
        Self::Signature,
        Self::Sequence,
        Self::Epoch,
        Self::Clock,
        Self::Full,
        Self::Busy,
        Self::Unavailable,
    ];

    /// Returns the reason's name, as counters and `--json` show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::Lifetime => "lifetime",
            Self::Stamp => "stamp",
            Self::Capability => "capability",
            Self::Signature => "signature",
            Self::Sequence => "sequence",
            Self::Epoch => "epoch",
            Self::Clock => "clock",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    /// Tells whether the same request may succeed later.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Full | Self::Busy | Self::Unavailable | Self::Clock
        )
    }
}

/// A keeper's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {}", .reason.name())]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// When to try again, in milliseconds; 0 for never.
    pub retry_after_ms: u64,
    /// With [`Reason::Stamp`]: the effort asked for.
    pub effort: u32,
    /// With [`Reason::Clock`]: the keeper's date, so that the asker sees which of the two is wrong.
    pub date: Option<UnixMillis>,
}

impl Refusal {
    /// Returns the refusal of a proof whose date is too far from the keeper's.
    pub const fn clock(now: UnixMillis) -> Self {
        Self {
            date: Some(now),
            ..Self::until(Reason::Clock, SECOND_MS)
        }
    }

    /// Returns a refusal that no later try will change.
    pub const fn of(reason: Reason) -> Self {
        Self {
            reason,
            retry_after_ms: 0,
            effort: 0,
            date: None,
        }
    }

    /// Returns a refusal that may not hold after `retry_after_ms`.
    pub const fn until(reason: Reason, retry_after_ms: u64) -> Self {
        Self {
            reason,
            retry_after_ms,
            effort: 0,
            date: None,
        }
    }

    /// Returns a refusal that asks for a stamp worth `effort`.
    pub const fn stamp(effort: u32) -> Self {
        Self {
            reason: Reason::Stamp,
            retry_after_ms: 0,
            effort,
            date: None,
        }
    }
}

impl Request {
    /// Encodes the request.
    pub fn encode(&self) -> Bytes {
        g::Request {
            request: Some(codec::request_to_wire(self)),
        }
        .encode_to_vec()
        .into()
    }

    /// Decodes a request; lengths and counts are right afterwards, signatures and stamps are not looked at.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no request in canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let request: g::Request = wire::decode(bytes, PAYLOAD_BYTES_MAX)?;
        codec::request_from_wire(wire::present(request.request, "request")?)
    }
}

impl Response {
    /// Encodes the response.
    pub fn encode(&self) -> Bytes {
        g::Response {
            response: Some(codec::response_to_wire(self)),
        }
        .encode_to_vec()
        .into()
    }

    /// Decodes a response.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no response in canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let response: g::Response = wire::decode(bytes, PAYLOAD_BYTES_MAX)?;
        codec::response_from_wire(wire::present(response.response, "response")?)
    }
}

impl Push {
    /// Encodes the push.
    pub fn encode(&self) -> Bytes {
        let item = self.item.as_ref().map(codec::waiting_to_wire);
        let mailbox = self.mailbox.as_bytes().to_vec().into();
        g::Push { mailbox, item }.encode_to_vec().into()
    }

    /// Decodes a push.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no push in canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let push: g::Push = wire::decode(bytes, PAYLOAD_BYTES_MAX)?;
        Ok(Self {
            mailbox: wire::address(&push.mailbox, "mailbox")?,
            item: push.item.map(codec::waiting_from_wire).transpose()?,
        })
    }
}

const _: () = assert!(CARD_SLOTS * (crate::limits::SEALED_CARD_BYTES + 256) <= PAYLOAD_BYTES_MAX);
const _: () = assert!(LISTING_COUNT_MAX * 56 <= PAYLOAD_BYTES_MAX);
const _: () = assert!(ACK_COUNT_MAX * 104 <= PAYLOAD_BYTES_MAX);
const _: () = assert!(GET_COUNT_MAX * ENVELOPE_BYTES[0] <= ENVELOPE_BYTES_MAX);
const _: () = assert!(CHUNK_BYTES_MAX + 2_048 <= PAYLOAD_BYTES_MAX);
