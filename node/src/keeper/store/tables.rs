//! The store's layout on the disk.
//!
//! | table     | key                 | value                                               |
//! |-----------|---------------------|-----------------------------------------------------|
//! | `packs`   | due, number         | rows of items, one after the other                  |
//! | `graves`  | due, number         | the same for what is remembered of deletions        |
//! | `tallies` | due, number         | what counts of the pack of the same key             |
//! | `index`   | kind, address, name | expiry, number, offset, lengths, version or holder  |
//! | `meta`    | a word              | a number                                            |
//!
//! `packs` and `graves` hold everything there is to know. Rows that expire within [`SPAN_MS`] of each other and are
//! written in one commit share a pack, so that what ends together is dropped together, whatever it is, by its packs
//! alone, and so that a small item does not take a page of the file to itself. Rows describe and check themselves:
//! they can be found in a damaged file without any table. `tallies`, `index` and the sums in `meta` follow from
//! them.
//!
//! An item whose pack is gone has expired, even while `index` still has its line: lines are cleared away later, in the
//! order of the table. Until that is done `meta` says so.

use redb::TableDefinition;
use restante_proto::{
    Address, ItemId,
    keeper::{ElementKey, ElementKind, HoldingKey, HoldingKind, WARRANT_BYTES_MAX},
    keys::PublicKey,
    limits::{CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX, SEALED_CARD_BYTES},
    time::UnixMillis,
};

use super::room::ORDERS;

/// The packs: (end of their span in milliseconds, number) to rows.
pub(super) const PACKS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("packs");
/// The packs of acks and deletions: they are small, and lie together rather than one in each page of `packs`.
pub(super) const GRAVES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("graves");
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
pub(super) const FORMAT: u64 = 3;
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_ITEMS: &str = "items";
pub(super) const META_BYTES: &str = "bytes";
pub(super) const META_TOMBSTONES: &str = "tombstones";
pub(super) const META_NEXT: &str = "next";
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
/// Packs in `graves` have numbers from here on.
pub(super) const GRAVES_FROM: u64 = 1 << 63;
/// Length of an index key in bytes.
pub(super) const KEY_BYTES: usize = 1 + 32 + 32;
/// Begins every row, so that a damaged file can be searched for them.
pub(super) const ROW_MAGIC: [u8; 8] = *b"\xf1rstrow3";
/// Length of a row without its warrant and its payload, in bytes.
pub(super) const ROW_HEADER_BYTES: usize = CHECKED_AT + CHECKED_HEADER_BYTES;
/// Length of the largest row, in bytes.
pub(super) const ROW_BYTES_MAX: usize = ROW_HEADER_BYTES + WARRANT_BYTES_MAX + PAYLOAD_BYTES_MAX;

/// The payload of a tombstone whose envelope was deposited here, before the ack or after it.
pub(super) const DEPOSITED: &[u8] = &[];
/// The payload of a tombstone that came before its envelope; longer, so that `index` shows which of
/// the two it is.
pub(super) const NEVER_DEPOSITED: &[u8] = &[0];

/// The largest item is an envelope or a chunk.
const PAYLOAD_BYTES_MAX: usize = 65_536;
const CHECK_BYTES: usize = 16;
const CHECKED_AT: usize = ROW_MAGIC.len() + CHECK_BYTES;
const CHECKED_HEADER_BYTES: usize = 4 + 4 + KEY_BYTES + 8 + 8 + 32;

/// The kind of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKind {
    /// A card record.
    Card,
    /// An envelope.
    Envelope,
    /// A chunk.
    Chunk,
    /// The memory of an acked envelope.
    Tombstone,
    /// The memory of a deleted chunk.
    Deletion,
}

impl RowKind {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Envelope => 2,
            Self::Chunk => 3,
            Self::Tombstone => 4,
            Self::Deletion => 5,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Card),
            2 => Some(Self::Envelope),
            3 => Some(Self::Chunk),
            4 => Some(Self::Tombstone),
            5 => Some(Self::Deletion),
            _ => None,
        }
    }

    /// Tells whether it is the memory of something that was deleted.
    pub(super) const fn is_grave(self) -> bool {
        matches!(self, Self::Tombstone | Self::Deletion)
    }

    const fn holding(self) -> Option<HoldingKind> {
        match self {
            Self::Card => Some(HoldingKind::Card),
            Self::Envelope => Some(HoldingKind::Envelope),
            Self::Chunk => Some(HoldingKind::Chunk),
            Self::Tombstone | Self::Deletion => None,
        }
    }
}

/// What an item is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ItemKey {
    pub(super) kind: RowKind,
    pub(super) address: Address,
    /// What tells it from others at its address: an identifier, a writer, or zeros.
    pub(super) name: [u8; 32],
}

impl ItemKey {
    pub(super) const fn envelope(address: Address, id: ItemId) -> Self {
        Self {
            kind: RowKind::Envelope,
            address,
            name: *id.as_bytes(),
        }
    }

    pub(super) const fn tombstone(address: Address, id: ItemId) -> Self {
        Self {
            kind: RowKind::Tombstone,
            address,
            name: *id.as_bytes(),
        }
    }

    pub(super) fn card(locator: Address, writer: &PublicKey) -> Self {
        Self {
            kind: RowKind::Card,
            address: locator,
            name: *writer.as_bytes(),
        }
    }

    pub(super) const fn chunk(address: Address) -> Self {
        Self {
            kind: RowKind::Chunk,
            address,
            name: [0; 32],
        }
    }

    pub(super) const fn deletion(address: Address, deletion_key: &PublicKey) -> Self {
        Self {
            kind: RowKind::Deletion,
            address,
            name: *deletion_key.as_bytes(),
        }
    }

    pub(super) const fn element(key: &ElementKey) -> Self {
        let kind = match key.kind {
            ElementKind::Card => RowKind::Card,
            ElementKind::Envelope => RowKind::Envelope,
            ElementKind::Chunk => RowKind::Chunk,
            ElementKind::Ack => RowKind::Tombstone,
            ElementKind::Deletion => RowKind::Deletion,
        };
        Self {
            kind,
            address: key.address,
            name: key.name,
        }
    }

    pub(super) const fn to_element(self) -> ElementKey {
        let kind = match self.kind {
            RowKind::Card => ElementKind::Card,
            RowKind::Envelope => ElementKind::Envelope,
            RowKind::Chunk => ElementKind::Chunk,
            RowKind::Tombstone => ElementKind::Ack,
            RowKind::Deletion => ElementKind::Deletion,
        };
        ElementKey {
            kind,
            address: self.address,
            name: self.name,
        }
    }

    pub(super) const fn holding(key: HoldingKey) -> Self {
        let kind = match key.kind {
            HoldingKind::Card => RowKind::Card,
            HoldingKind::Envelope => RowKind::Envelope,
            HoldingKind::Chunk => RowKind::Chunk,
        };
        Self {
            kind,
            address: key.address,
            name: key.name,
        }
    }

    /// Returns the key as the operator's list knows it; a tombstone is no item.
    pub(super) fn to_holding(self) -> Option<HoldingKey> {
        let kind = self.kind.holding()?;
        Some(HoldingKey {
            kind,
            address: self.address,
            name: self.name,
        })
    }

    pub(super) fn to_bytes(self) -> [u8; KEY_BYTES] {
        let mut bytes = [0; KEY_BYTES];
        bytes[0] = self.kind.to_byte();
        bytes[1..33].copy_from_slice(self.address.as_bytes());
        bytes[33..].copy_from_slice(&self.name);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        Some(Self {
            kind: RowKind::from_byte(bytes[0])?,
            address: Address::try_from(&bytes[1..33]).ok()?,
            name: bytes[33..].try_into().ok()?,
        })
    }
}

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

    /// Tells of a tombstone whether its envelope was deposited here.
    pub(super) const fn is_deposited(self) -> bool {
        self.size_bytes as usize == DEPOSITED.len()
    }
}

/// Tells whether a pack lies in `graves`.
pub(super) const fn is_of_graves((_, number): (u64, u64)) -> bool {
    number >= GRAVES_FROM
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
/// | 4     | length of the warrant, big-endian                            |
/// | 4     | length of the payload, big-endian                            |
/// | 65    | key: kind, address, name                                     |
/// | 8     | expiry in milliseconds, big-endian                           |
/// | 8     | card: its sequence; else zero, big-endian                    |
/// | 32    | chunk: who may delete it; else zeros                         |
/// | w     | warrant: what let it in                                      |
/// | n     | payload; of a tombstone [`DEPOSITED`] or [`NEVER_DEPOSITED`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) key: ItemKey,
    pub(super) expires: UnixMillis,
    pub(super) version: u64,
    pub(super) deletion_key: PublicKey,
    pub(super) warrant: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> Row<'a> {
    pub(super) const fn new(
        key: ItemKey,
        expires: UnixMillis,
        payload: &'a [u8],
        warrant: &'a [u8],
    ) -> Self {
        Self {
            key,
            expires,
            version: 0,
            deletion_key: PublicKey::new([0; 32]),
            warrant,
            payload,
        }
    }

    pub(super) fn size_bytes(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX)
    }

    /// Returns how long the row is.
    pub(super) const fn len(&self) -> usize {
        ROW_HEADER_BYTES + self.warrant.len() + self.payload.len()
    }

    /// Writes the row to the end of `out`.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        out.reserve(self.len());
        out.extend_from_slice(&ROW_MAGIC);
        out.extend_from_slice(&[0; CHECK_BYTES]);
        out.extend_from_slice(&length(self.warrant));
        out.extend_from_slice(&length(self.payload));
        out.extend_from_slice(&self.key.to_bytes());
        out.extend_from_slice(&self.expires.get().to_be_bytes());
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(self.deletion_key.as_bytes());
        out.extend_from_slice(self.warrant);
        out.extend_from_slice(self.payload);
        let check = check_of(&out[start + CHECKED_AT..]);
        out[start + ROW_MAGIC.len()..start + CHECKED_AT].copy_from_slice(&check);
    }

    /// Decodes the row that `bytes` begin with, if it is whole and what was written.
    pub(super) fn decode_first(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&ROW_MAGIC)?;
        let (check, checked) = rest.split_first_chunk::<CHECK_BYTES>()?;
        let (warrant, rest) = checked.split_first_chunk::<4>()?;
        let (payload, rest) = rest.split_first_chunk::<4>()?;
        let warrant = usize::try_from(u32::from_be_bytes(*warrant)).ok()?;
        let payload = usize::try_from(u32::from_be_bytes(*payload)).ok()?;
        if warrant > WARRANT_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
            return None;
        }
        let checked = checked.get(..CHECKED_HEADER_BYTES + warrant + payload)?;
        let (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (deletion_key, rest) = rest.split_first_chunk::<32>()?;
        if check_of(checked) != *check {
            return None;
        }
        Some(Self {
            key: ItemKey::from_bytes(key)?,
            expires: UnixMillis::new(u64::from_be_bytes(*expires)),
            version: u64::from_be_bytes(*version),
            deletion_key: PublicKey::new(*deletion_key),
            warrant: rest.get(..warrant)?,
            payload: rest.get(warrant..warrant + payload)?,
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
