//! The keeper's store as the state machine sees it: operations, outcomes, and the rules they follow
//! (SPEC 8.3).

use bytes::Bytes;

use super::{
    budget::Budget,
    element::{Element, ElementKey, ElementPage, Replica},
};
use crate::{
    Address, ItemId,
    card::{CardRecord, RecordKind},
    keys::{PublicKey, Signature},
    limits::{CARD_SLOTS, TOMBSTONE_BYTES},
    mailbox::{AckEntry, Mailbox},
    request::{Listed, Reason, Waiting},
    time::UnixMillis,
};

/// One operation; each happens as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Keep an envelope, unless it is there, was acked, or there is no room; one whose ack came
    /// first counts as deposited and acked from now on.
    PutEnvelope {
        /// Its mailbox.
        address: Address,
        /// Its identifier.
        id: ItemId,
        /// Its bytes.
        bytes: Bytes,
        /// Its end.
        expires: UnixMillis,
        /// How much the mailbox may hold.
        budget: Budget,
        /// What admitted it, an encoded [`Warrant`](super::Warrant).
        warrant: Bytes,
    },
    /// Keep a card record as [`place_card`] decides.
    PutCard {
        /// The record, its signature verified.
        record: Box<CardRecord>,
        /// A valid stamp came with it.
        stamped: bool,
        /// What admitted it; when it has no stamp, the one before it at its place keeps its own.
        warrant: Bytes,
    },
    /// Keep a chunk, unless it is there, was deleted by this deletion key, or there is no room.
    PutChunk {
        /// Its address.
        address: Address,
        /// Its bytes.
        bytes: Bytes,
        /// Its end.
        expires: UnixMillis,
        /// Who may delete it.
        deletion_key: PublicKey,
        /// What admitted it.
        warrant: Bytes,
    },
    /// Tell whether an envelope was deposited here and is held or was acked.
    ///
    /// One that is known by its ack alone is unknown: whoever deposited it elsewhere would learn
    /// that its owner has been here.
    Offer {
        /// Its mailbox.
        address: Address,
        /// Its identifier.
        id: ItemId,
    },
    /// List a mailbox in the order of identifiers, at most `LISTING_COUNT_MAX` lines.
    List {
        /// Which mailbox.
        address: Address,
        /// Only those after this one.
        after: Option<ItemId>,
    },
    /// Return these envelopes as far as they are held, in this order, until `ENVELOPES_BYTES_MAX`
    /// is reached.
    Get {
        /// Which mailbox.
        address: Address,
        /// Which envelopes.
        ids: Vec<ItemId>,
    },
    /// Delete these envelopes and remember it until their expiry; `ACK_MEMORY_MS` for one never
    /// seen.
    Ack {
        /// Which mailbox.
        address: Address,
        /// Which envelopes, signatures verified.
        entries: Vec<AckEntry>,
        /// The mailbox, as a warrant without a signature.
        mailbox: Mailbox,
    },
    /// Return all records at a locator.
    Cards {
        /// Which locator.
        locator: Address,
    },
    /// Return a chunk.
    Chunk {
        /// Its address.
        address: Address,
    },
    /// Delete a chunk if its deletion key signed, and remember it until the chunk's expiry.
    DeleteChunk {
        /// Its address.
        address: Address,
        /// The signature to check.
        signature: Signature,
    },
    /// Take over the memory of an ack or a deletion from another keeper, its signature verified, and delete what it
    /// is about.
    Bury(Box<Replica>),
    /// Return these elements with all that another keeper needs, as far as they are held, in this order, until
    /// `REPLICAS_BYTES_MAX` is reached.
    Export {
        /// Which ones.
        keys: Vec<ElementKey>,
    },
    /// Return those of these elements that are worth taking: not held, or held in a lower version, and not buried.
    Lacking {
        /// Which ones.
        elements: Vec<Element>,
    },
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// The item is durable until then, or was acked by its owner.
    Held {
        /// Its end.
        until: UnixMillis,
        /// It was not there before.
        new: bool,
    },
    /// The rules say no.
    Refused(Reason),
    /// The stamp is worth less than a place in this mailbox costs now.
    Unpaid {
        /// What one costs.
        effort: u32,
    },
    /// Deleted, durably.
    Done,
    /// Not held.
    Unknown,
    /// A mailbox's list.
    Listing {
        /// In the order of identifiers.
        items: Vec<Listed>,
        /// There are more.
        more: bool,
    },
    /// Envelopes.
    Envelopes(Vec<Waiting>),
    /// Records.
    Cards(Vec<CardRecord>),
    /// A chunk.
    Chunk {
        /// Its bytes.
        chunk: Bytes,
        /// Its end.
        expires: UnixMillis,
    },
    /// Elements with all that another keeper needs.
    Replicas(Vec<Replica>),
    /// Elements worth taking.
    Lacking(Vec<Element>),
}

/// Why an operation could not be done; nothing of it has happened, or nothing that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// The disk has no room left, below the cap the operator set.
    #[error("the disk is full")]
    DiskFull,
    /// The disk failed; nothing is promised any more until the node restarts.
    #[error("the disk failed: {0}")]
    Io(String),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreFault {
    /// Tells whether the store must not be written to again before a restart.
    pub const fn is_lasting(&self) -> bool {
        true
    }
}

/// What a sweep dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Items of all kinds, tombstones of acks not counted.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// There are more; call again.
    pub more: bool,
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Envelopes, cards and chunks.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Tombstones of acks; each counts [`TOMBSTONE_BYTES`] against the cap.
    pub tombstones: u64,
    /// Bytes the operator allows.
    pub cap_bytes: u64,
}

impl Usage {
    /// Returns the bytes that count against the cap.
    pub const fn counted_bytes(&self) -> u64 {
        self.bytes
            .saturating_add(self.tombstones.saturating_mul(TOMBSTONE_BYTES))
    }

    /// Tells whether `bytes` more would stay within the cap.
    pub const fn has_room(&self, bytes: u64) -> bool {
        self.counted_bytes().saturating_add(bytes) <= self.cap_bytes
    }
}

/// The kind of an item, as far as its keeper knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldingKind {
    /// A sealed card.
    Card,
    /// A sealed envelope.
    Envelope,
    /// A chunk.
    Chunk,
}

impl HoldingKind {
    /// Returns the kind's name, as `holdings` shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Envelope => "envelope",
            Self::Chunk => "chunk",
        }
    }
}

/// One line of what a node holds about others; there is nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Where the item lies.
    pub address: Address,
    /// What kind it is.
    pub kind: HoldingKind,
    /// Its size in bytes.
    pub size_bytes: u32,
    /// When it ends.
    pub expires: UnixMillis,
}

/// Where a page of holdings begins: the place of an item in the order of kinds, addresses and
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldingKey {
    /// The item's kind.
    pub kind: HoldingKind,
    /// Where it lies.
    pub address: Address,
    /// What tells it from others there: an envelope's identifier, a card's writer, zeros for a
    /// chunk.
    pub name: [u8; 32],
}

/// One page of what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldingsPage {
    /// Its lines.
    pub items: Vec<Holding>,
    /// What to ask for the next page with, if there may be one.
    pub next: Option<HoldingKey>,
}

/// A store of items for strangers.
///
/// An item counts against the cap with its own bytes, and the tombstone of an ack with
/// [`TOMBSTONE_BYTES`]: acks of envelopes that were never here cost their sender nothing, and must
/// not fill the disk. Nothing that was accepted is dropped before its expiry, its ack or its
/// deletion, and nothing is served from its expiry on.
pub trait ItemStore {
    /// Applies the operations in order; when this returns, all that the outcomes say is durable.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] when nothing can be promised about any of them.
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreFault>;

    /// Drops about `limit` expired items; a store that keeps together what ends together may drop some more.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] when the disk fails.
    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreFault>;

    /// Returns how full the store is.
    fn usage(&self) -> Usage;

    /// Returns at most `limit` lines of what is held, those after `after` in the order of kinds and
    /// addresses.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] when the disk fails.
    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreFault>;

    /// Returns at most `limit` live elements, those after `after` in the order of keys.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] when the disk fails.
    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreFault>;
}

/// What is to happen with a card record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotDecision {
    /// It replaces its writer's record, or takes a free slot.
    Store,
    /// The very record is there.
    Held,
    /// No, and why.
    Refuse(Reason),
}

/// Decides about a card record, given the live records at its locator (SPEC 8.4).
///
/// A writer's record gives way only to a higher sequence of the same writer, and a tombstone to
/// nothing. A new writer needs a stamp and a free slot; nobody's slot is ever given to another.
pub fn place_card(live: &[CardRecord], record: &CardRecord, stamped: bool) -> SlotDecision {
    let own = live.iter().find(|held| held.writer == record.writer);
    match own {
        Some(held) if held == record => SlotDecision::Held,
        Some(held) if held.kind == RecordKind::Tombstone => SlotDecision::Refuse(Reason::Sequence),
        Some(held) if record.sequence <= held.sequence => SlotDecision::Refuse(Reason::Sequence),
        Some(_) => SlotDecision::Store,
        None if !stamped => SlotDecision::Refuse(Reason::Stamp),
        None if live.len() >= CARD_SLOTS => SlotDecision::Refuse(Reason::Full),
        None => SlotDecision::Store,
    }
}
