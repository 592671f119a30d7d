//! The store's layout on the disk.
//!
//! | table        | key                 | value                                               |
//! |--------------|---------------------|-----------------------------------------------------|
//! | `packs`      | due, number         | rows of items, one after the other                  |
//! | `tombstones` | due, number         | the same for what is remembered of deletions        |
//! | `tallies`    | due, number         | what counts of the pack of the same key             |
//! | `index`      | kind, address, name | expiry, number, offset, lengths, version or holder  |
//! | `meta`       | a word              | a number                                            |
//!
//! `packs` and `tombstones` hold everything there is to know. Rows that expire within [`SPAN_MS`] of each other and are
//! written in one commit share a pack, so that what ends together is dropped together, whatever it is, by its packs
//! alone, and so that a small item does not take a page of the file to itself. Rows describe and check themselves:
//! they can be found in a damaged file without any table. `tallies`, `index` and the sums in `meta` follow from
//! them.
//!
//! An item whose pack is gone has expired, even while `index` still has its line: lines are cleared away later, in the
//! order of the table. Until that is done `meta` says so.

use redb::TableDefinition;
use restante_proto::{
    keeper::{
        ADMISSION_PROOF_BYTES_MAX, ElementKey,
        rules::{self, Line},
    },
    keys::PublicKey,
    limits::{CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX, SEALED_CARD_BYTES},
    time::UnixMillis,
};

use super::room::ORDERS;

/// The packs: (end of their span in milliseconds, number) to rows.
pub(super) const PACKS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("packs");
/// The packs of acks and deletions: they are small, and lie together rather than one in each page of `packs`.
pub(super) const TOMBSTONES: TableDefinition<'_, (u64, u64), &[u8]> =
    TableDefinition::new("tombstones");
/// What counts of each pack.
pub(super) const TALLIES: TableDefinition<'_, (u64, u64), TallyValue> =
    TableDefinition::new("tallies");
/// Where each item lies, and what can be said of it without reading it.
pub(super) const INDEX: TableDefinition<'_, &[u8; KEY_BYTES], PointerValue> =
    TableDefinition::new("index");
/// Format, sums and the next number.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Items, tombstones, bytes of items, bytes of rows that count, bytes of all rows, first expiry in milliseconds.
pub(super) type TallyValue = (u32, u32, u64, u32, u32, u64);
/// Expiry in milliseconds, number of the pack, offset in it, length of the row, size in bytes, version.
pub(super) type PointerValue = (u64, u64, u32, u32, u32, u64);

/// The layout that this version writes and reads.
pub(super) const FORMAT: u64 = 4;
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_ITEMS: &str = "items";
pub(super) const META_BYTES: &str = "bytes";
pub(super) const META_TOMBSTONES: &str = "tombstones";
pub(super) const META_NEXT: &str = "next";
/// The date of the last commit.
pub(super) const META_CHANGED: &str = "changed";
/// What the packs take of the file, in bytes.
pub(super) const META_PACK_BYTES: &str = "pack-bytes";
/// Lines of the index that may lead to packs that are gone.
pub(super) const META_STALE: &str = "stale";
/// Up to when packs were dropped, in milliseconds.
pub(super) const META_SWEPT: &str = "swept";
/// Pages of packs that were given up, by size.
pub(super) const META_FREE: [&str; ORDERS] =
    ["free-0", "free-1", "free-2", "free-3", "free-4", "free-5"];

/// Expiries that lie this far from each other can share a pack, in milliseconds.
pub(super) const SPAN_MS: u64 = 10_000;
/// Packs in `tombstones` have numbers from here on.
pub(super) const TOMBSTONES_FROM: u64 = 1 << 63;
/// Length of an index key in bytes.
pub(super) const KEY_BYTES: usize = ElementKey::BYTES;
/// Begins every row, so that a damaged file can be searched for them.
pub(super) const ROW_MAGIC: [u8; 8] = *b"\xf1rstrow3";
/// Length of a row without its proof and its payload, in bytes.
pub(super) const ROW_HEADER_BYTES: usize = CHECKED_AT + CHECKED_HEADER_BYTES;
/// Length of the largest row, in bytes.
pub(super) const ROW_BYTES_MAX: usize =
    ROW_HEADER_BYTES + ADMISSION_PROOF_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// The largest item is an envelope or a chunk.
const PAYLOAD_BYTES_MAX: usize = 65_536;
const CHECK_BYTES: usize = 16;
const CHECKED_AT: usize = ROW_MAGIC.len() + CHECK_BYTES;
const CHECKED_HEADER_BYTES: usize = 4 + 4 + KEY_BYTES + 8 + 8 + 32;

/// Where an item lies, and what can be said of it without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) expires: UnixMillis,
    /// The number of its pack.
    pub(super) number: u64,
    /// Where its row begins in the pack.
    pub(super) offset: u32,
    pub(super) row_bytes: u32,
    pub(super) size_bytes: u32,
    /// A card's sequence; of an envelope what tells its holder from others; else zero.
    pub(super) version: u64,
}

impl Pointer {
    pub(super) const fn from_value(
        (expires, number, offset, row_bytes, size_bytes, version): PointerValue,
    ) -> Self {
        Self {
            expires: UnixMillis::new(expires),
            number,
            offset,
            row_bytes,
            size_bytes,
            version,
        }
    }

    pub(super) const fn to_value(self) -> PointerValue {
        let Self {
            expires,
            number,
            offset,
            row_bytes,
            size_bytes,
            version,
        } = self;
        (
            expires.get(),
            number,
            offset,
            row_bytes,
            size_bytes,
            version,
        )
    }

    /// Returns the key of the item's pack.
    pub(super) const fn pack(self) -> (u64, u64) {
        (due_of(self.expires), self.number)
    }
}

impl Line for Pointer {
    fn expires(self) -> UnixMillis {
        self.expires
    }

    fn size_bytes(self) -> u32 {
        self.size_bytes
    }

    fn version(self) -> u64 {
        self.version
    }
}

/// Tells whether a pack lies in `tombstones`.
pub(super) const fn is_of_tombstones((_, number): (u64, u64)) -> bool {
    number >= TOMBSTONES_FROM
}

/// Returns the end of the span that an expiry lies in: nothing in it expires later.
pub(super) const fn due_of(expires: UnixMillis) -> u64 {
    expires.get().div_ceil(SPAN_MS).saturating_mul(SPAN_MS)
}

/// One item as it lies in a pack.
///
/// # Layout
///
/// | bytes | field                                                        |
/// |-------|--------------------------------------------------------------|
/// | 8     | [`ROW_MAGIC`]                                                |
/// | 16    | first half of the BLAKE3 hash of everything after this field |
/// | 4     | length of the proof, big-endian                            |
/// | 4     | length of the payload, big-endian                            |
/// | 65    | key: kind, address, name                                     |
/// | 8     | expiry in milliseconds, big-endian                           |
/// | 8     | card: its sequence; else zero, big-endian                    |
/// | 32    | chunk: who may delete it; else zeros                         |
/// | w     | proof: what let it in                                      |
/// | n     | payload                                                      |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) key: ElementKey,
    pub(super) expires: UnixMillis,
    pub(super) version: u64,
    pub(super) deletion_key: PublicKey,
    pub(super) proof: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> Row<'a> {
    /// Returns a row as it is written.
    pub(super) fn of(key: ElementKey, row: &'a rules::Row) -> Self {
        Self {
            key,
            expires: row.expires,
            version: row.version,
            deletion_key: row.deletion_key,
            proof: &row.proof,
            payload: &row.payload,
        }
    }

    pub(super) fn size_bytes(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX)
    }

    /// Returns how long the row is.
    pub(super) const fn len(&self) -> usize {
        ROW_HEADER_BYTES + self.proof.len() + self.payload.len()
    }

    /// Writes the row to the end of `out`.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        out.reserve(self.len());
        out.extend_from_slice(&ROW_MAGIC);
        out.extend_from_slice(&[0; CHECK_BYTES]);
        out.extend_from_slice(&length(self.proof));
        out.extend_from_slice(&length(self.payload));
        out.extend_from_slice(&self.key.to_bytes());
        out.extend_from_slice(&self.expires.get().to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(self.deletion_key.as_bytes());
        out.extend_from_slice(self.proof);
        out.extend_from_slice(self.payload);
        let check = check_of(&out[start + CHECKED_AT..]);
        out[start + ROW_MAGIC.len()..start + CHECKED_AT].copy_from_slice(&check);
    }

    /// Decodes the row that `bytes` begin with, if it is whole and what was written.
    pub(super) fn decode_first(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&ROW_MAGIC)?;
        let (check, checked) = rest.split_first_chunk::<CHECK_BYTES>()?;
        let (proof, rest) = checked.split_first_chunk::<4>()?;
        let (payload, rest) = rest.split_first_chunk::<4>()?;
        let proof = usize::try_from(u32::from_be_bytes(*proof)).ok()?;
        let payload = usize::try_from(u32::from_be_bytes(*payload)).ok()?;
        if proof > ADMISSION_PROOF_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
            return None;
        }
        let checked = checked.get(..CHECKED_HEADER_BYTES + proof + payload)?;
        let (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (deletion_key, rest) = rest.split_first_chunk::<32>()?;
        if check_of(checked) != *check {
            return None;
        }
        Some(Self {
            key: ElementKey::from_bytes(key)?,
            expires: UnixMillis::new(u64::from_be_bytes(*expires)),
            version: u64::from_be_bytes(*version),
            deletion_key: PublicKey::new(*deletion_key),
            proof: rest.get(..proof)?,
            payload: rest.get(proof..proof + payload)?,
        })
    }
}

/// Returns the place of the next row's mark in `bytes`, from `from` on and before `end`.
pub(super) fn next_mark(bytes: &[u8], from: usize, end: usize) -> Option<usize> {
    let mut at = from;
    while at < end {
        at += bytes[at..end]
            .iter()
            .position(|byte| *byte == ROW_MAGIC[0])?;
        if bytes[at..].starts_with(&ROW_MAGIC) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn check_of(checked: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(checked).as_bytes()[..CHECK_BYTES]);
    check
}

const _: () = assert!(PAYLOAD_BYTES_MAX >= ENVELOPE_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX >= CHUNK_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX >= SEALED_CARD_BYTES + 512);
