//! What a store does with an item: the one set of rules, whatever the store (SPEC 8.3 to 8.5, 8.8).
//!
//! A store is a map of rows: it finds, lists, puts and removes them ([`Rows`], [`RowsMut`]). What an operation finds,
//! changes and answers is decided here, from the rows alone.

use std::ops::Bound;

use bytes::Bytes;

use super::element::{ElementKey, ElementKind};
use crate::{Address, keys::PublicKey, time::UnixMillis};

mod read;
mod slots;
mod write;

pub use self::{
    read::{answer, elements, holdings},
    write::apply,
};

/// The payload of the tombstone of an envelope that was deposited here, before its ack or after it.
pub const DEPOSITED: &[u8] = &[];
/// The payload of a tombstone whose envelope has not come yet; longer, so that a [`Line`] shows which of the two it is.
pub const NEVER_DEPOSITED: &[u8] = &[0];

/// A range of keys in their order.
pub type KeyRange = (Bound<ElementKey>, Bound<ElementKey>);

/// What can be said of a row without reading its bytes.
pub trait Line: Copy {
    /// When it ends.
    fn expires(self) -> UnixMillis;

    /// Length of its payload.
    fn size_bytes(self) -> u32;

    /// See [`Row::version`].
    fn version(self) -> u64;

    /// Tells whether its life is not over.
    fn is_live(self, now: UnixMillis) -> bool {
        self.expires() > now
    }

    /// Tells of a tombstone whether its envelope was deposited here.
    fn is_deposited(self) -> bool {
        self.size_bytes() as usize == DEPOSITED.len()
    }
}

/// A row: an item, or the memory of one that was deleted, with all that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it ends.
    pub expires: UnixMillis,
    /// Of a card its sequence; of an envelope what tells its holder from others; else 0.
    pub version: u64,
    /// Of a chunk who may delete it, else zeros.
    pub deletion_key: PublicKey,
    /// An encoded [`AdmissionProof`](super::AdmissionProof).
    pub proof: Bytes,
    /// The item; of a tombstone [`DEPOSITED`] or [`NEVER_DEPOSITED`].
    pub payload: Bytes,
}

impl Row {
    /// Makes a row without a version and a deletion key.
    pub const fn new(expires: UnixMillis, payload: Bytes, proof: Bytes) -> Self {
        Self {
            expires,
            version: 0,
            deletion_key: PublicKey::new([0; 32]),
            proof,
            payload,
        }
    }

    /// Makes a tombstone.
    pub fn tombstone(expires: UnixMillis, is_deposited: bool, proof: Bytes) -> Self {
        let payload = if is_deposited {
            DEPOSITED
        } else {
            NEVER_DEPOSITED
        };
        Self::new(expires, Bytes::from_static(payload), proof)
    }
}

/// The bytes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// See [`Row::deletion_key`].
    pub deletion_key: PublicKey,
    /// See [`Row::proof`].
    pub proof: Bytes,
    /// See [`Row::payload`].
    pub payload: Bytes,
}

/// The rows of a store at one moment.
pub trait Rows {
    /// What stands for a row.
    type Line: Line;
    /// Why a row cannot be looked for.
    type Error;

    /// Returns the line of a row, be it expired.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn line(&self, key: &ElementKey) -> Result<Option<Self::Line>, Self::Error>;

    /// Hands over the lines in `range` that end after `end`, in the order of their keys, until `visit` says to stop.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn scan(
        &self,
        range: KeyRange,
        end: UnixMillis,
        visit: &mut dyn FnMut(&ElementKey, Self::Line) -> bool,
    ) -> Result<(), Self::Error>;

    /// Returns the bytes of a row that was just found; `None`, and the store remembers it as damaged, if they are not
    /// what was written.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn content(
        &mut self,
        key: &ElementKey,
        line: Self::Line,
    ) -> Result<Option<Content>, Self::Error>;

    /// Learns that the bytes of a row make no sense.
    fn on_damaged(&mut self, _key: &ElementKey) {}
}

/// Rows that can be changed.
pub trait RowsMut: Rows {
    /// Tells whether an item fits that counts `grown_bytes` more than what it replaces and whose row has so long a
    /// payload and a proof; if so, its place is kept.
    fn has_room(&mut self, grown_bytes: u64, payload_bytes: usize, proof_bytes: usize) -> bool;

    /// Tells whether tombstones fit that count `grown_bytes` more than what they replace.
    fn has_room_for_tombstones(&self, grown_bytes: u64) -> bool;

    /// Puts a row in place of what its key leads to.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn put(&mut self, key: ElementKey, row: Row) -> Result<(), Self::Error>;

    /// Removes a row, if it is there.
    ///
    /// # Errors
    ///
    /// When the store fails.
    fn remove(&mut self, key: &ElementKey) -> Result<(), Self::Error>;
}

/// Returns the row's line if its life is not over.
fn live<R: Rows>(rows: &R, now: UnixMillis, key: &ElementKey) -> Result<Option<R::Line>, R::Error> {
    Ok(rows.line(key)?.filter(|line| line.is_live(now)))
}

/// Returns the keys of a kind at an address, those after a name.
fn keys_at(kind: ElementKind, address: Address, after: Option<[u8; 32]>) -> KeyRange {
    let key = |name| ElementKey {
        kind,
        address,
        name,
    };
    let first = match after {
        Some(after) => Bound::Excluded(key(after)),
        None => Bound::Included(key([0; 32])),
    };
    (first, Bound::Included(key([255; 32])))
}
