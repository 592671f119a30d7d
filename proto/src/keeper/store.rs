//! The keeper's store as the state machine sees it: operations and outcomes (SPEC 8.3).

use bytes::Bytes;

use super::{
    budget::Budget,
    element::{Element, ElementKey, ElementKind, ElementPage, Replica},
};
use crate::{
    Address, ItemId,
    card::CardRecord,
    keys::{PublicKey, Signature},
    limits::TOMBSTONE_BYTES,
    mailbox::{AckEntry, Mailbox},
    request::{Listed, Reason, Waiting},
    time::UnixMillis,
};

/// One operation; each happens as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum StoreOp {
    /// Keep an envelope, unless it is there, was acked, or there is no room; one whose ack came
    /// first counts as deposited and acked from now on.
    PutEnvelope {
        address: Address,
        id: ItemId,
        bytes: Bytes,
        expires: UnixMillis,
        /// How much the mailbox may hold.
        budget: Budget,
        /// What admitted it, an encoded [`AdmissionProof`](super::AdmissionProof).
        proof: Bytes,
    },
    /// Keep a card record: a writer's record gives way only to a higher sequence of the same writer, and the end of an
    /// account to nothing; a new writer needs a stamp and a free slot.
    PutCard {
        /// The record, its signature verified.
        record: Box<CardRecord>,
        /// A valid stamp came with it.
        stamped: bool,
        /// What admitted it; when it has no stamp, the one before it at its place keeps its own.
        proof: Bytes,
    },
    /// Keep a chunk, unless it is there, was deleted by this deletion key, or there is no room.
    PutChunk {
        address: Address,
        bytes: Bytes,
        expires: UnixMillis,
        deletion_key: PublicKey,
        proof: Bytes,
    },
    /// Tell whether an envelope was deposited here and is held or was acked.
    ///
    /// One that is known by its ack alone is unknown: its depositor elsewhere would learn
    /// that its owner has been here.
    Offer { address: Address, id: ItemId },
    /// List a mailbox in the order of identifiers, at most `LISTING_COUNT_MAX` lines.
    List {
        address: Address,
        after: Option<ItemId>,
    },
    /// Return these envelopes as far as they are held, in this order, until `ENVELOPES_BYTES_MAX`
    /// is reached.
    Get { address: Address, ids: Vec<ItemId> },
    /// Delete these envelopes and remember it until their expiry; `ACK_MEMORY_MS` for one never
    /// seen.
    Ack {
        address: Address,
        /// Which envelopes, signatures verified.
        entries: Vec<AckEntry>,
        /// The mailbox, as a proof without a signature.
        mailbox: Mailbox,
    },
    /// Return all records at a locator.
    Cards { locator: Address },
    /// Return a chunk.
    Chunk { address: Address },
    /// Delete a chunk if its deletion key signed, and remember it until the chunk's expiry.
    DeleteChunk {
        address: Address,
        signature: Signature,
    },
    /// Take over the memory of an ack or a deletion from another keeper, its signature verified, and delete what it
    /// is about.
    ApplyTombstone(Box<Replica>),
    /// Return these elements with all that another keeper needs, as far as they are held, in this order, until
    /// `REPLICAS_BYTES_MAX` is reached.
    Export { keys: Vec<ElementKey> },
    /// Return those of these elements that are worth taking: not held, or held in a lower version, and not acked.
    Lacking { elements: Vec<Element> },
}

impl StoreOp {
    /// Tells whether it may change what is stored.
    pub const fn may_change(&self) -> bool {
        match self {
            Self::PutEnvelope { .. }
            | Self::PutCard { .. }
            | Self::PutChunk { .. }
            | Self::Ack { .. }
            | Self::DeleteChunk { .. }
            | Self::ApplyTombstone(_) => true,
            Self::Offer { .. }
            | Self::List { .. }
            | Self::Get { .. }
            | Self::Cards { .. }
            | Self::Chunk { .. }
            | Self::Export { .. }
            | Self::Lacking { .. } => false,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum StoreOutcome {
    /// The item is durable until then, or was acked by its owner.
    Held { until: UnixMillis, new: bool },
    /// The rules say no.
    Refused(Reason),
    /// The stamp is worth less than a place in this mailbox costs now.
    Unpaid { effort: u32 },
    /// Deleted, durably.
    Done,
    /// Not held.
    Unknown,
    /// A mailbox's list.
    Listing {
        /// In the order of identifiers.
        items: Vec<Listed>,
        more: bool,
    },
    /// Envelopes.
    Envelopes(Vec<Waiting>),
    /// Records.
    Cards(Vec<CardRecord>),
    /// A chunk.
    Chunk { chunk: Bytes, expires: UnixMillis },
    /// Elements with all that another keeper needs.
    Replicas(Vec<Replica>),
    /// Elements worth taking.
    Lacking(Vec<Element>),
}

/// Why an operation could not be done; nothing of it has happened, or nothing that counts. The store must not be
/// written to before it was opened again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk has no room left, below the cap the operator set.
    #[error("the disk is full")]
    DiskFull,
    /// The disk failed; nothing is promised until the store was opened again.
    #[error("the disk failed: {0}")]
    Io(String),
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// What works on the store has ended with a defect of this program.
    #[error("the store's worker has ended")]
    Ended,
}

impl StoreError {
    /// Tells whether the store may work when it is opened again, without anybody's doing.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Io(_))
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

    /// Counts a row with so long a payload.
    pub const fn add(&mut self, kind: ElementKind, payload_bytes: u64) {
        if kind.is_tombstone() {
            self.tombstones += 1;
        } else {
            self.items += 1;
            self.bytes += payload_bytes;
        }
    }

    /// Counts it no more.
    pub const fn subtract(&mut self, kind: ElementKind, payload_bytes: u64) {
        if kind.is_tombstone() {
            self.tombstones = self.tombstones.saturating_sub(1);
        } else {
            self.items = self.items.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(payload_bytes);
        }
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
    /// [`StoreError`] when nothing can be promised about any of them.
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError>;

    /// Drops about `limit` expired items; a store that keeps together what ends together may drop some more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError>;

    /// Returns how full the store is.
    fn usage(&self) -> Usage;

    /// Returns the date by which it last changed; 0 if it never has.
    fn changed(&self) -> UnixMillis;

    /// Returns at most `limit` lines of what is held, those after `after` in the order of kinds and
    /// addresses.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreError>;

    /// Returns at most `limit` live elements, those after `after` in the order of keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the disk fails.
    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreError>;
}

/// A store around another: what it does not define itself, the store inside does.
pub trait StoreLayer {
    /// The store inside.
    type Inner: ItemStore;

    /// Returns the store inside.
    fn inner(&self) -> &Self::Inner;

    /// Returns the store inside.
    fn inner_mut(&mut self) -> &mut Self::Inner;

    /// See [`ItemStore::apply`].
    ///
    /// # Errors
    ///
    /// As there.
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        self.inner_mut().apply(now, ops)
    }

    /// See [`ItemStore::sweep`].
    ///
    /// # Errors
    ///
    /// As there.
    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        self.inner_mut().sweep(now, limit)
    }

    /// See [`ItemStore::usage`].
    fn usage(&self) -> Usage {
        self.inner().usage()
    }

    /// See [`ItemStore::changed`].
    fn changed(&self) -> UnixMillis {
        self.inner().changed()
    }

    /// Returns the date that the store inside goes by for its pages.
    fn date(&self, now: UnixMillis) -> UnixMillis {
        now
    }
}

impl<L: StoreLayer> ItemStore for L {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        StoreLayer::apply(self, now, ops)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        StoreLayer::sweep(self, now, limit)
    }

    fn usage(&self) -> Usage {
        StoreLayer::usage(self)
    }

    fn changed(&self) -> UnixMillis {
        StoreLayer::changed(self)
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreError> {
        self.inner().holdings(self.date(now), after, limit)
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        self.inner().elements(self.date(now), after, limit)
    }
}
