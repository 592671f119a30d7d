//! The store's layout on the disk.
//!
//! | table   | key                       | value                      |
//! |---------|---------------------------|----------------------------|
//! | `items` | expiry, number            | the row of an item         |
//! | `index` | kind, address, name       | expiry, number, size, version or holder |
//! | `meta`  | a word                    | a number                   |
//!
//! `items` holds everything there is to know, ordered by expiry: a sweep reads what is due and
//! nothing else, and what ends in one hour lies together, where it can be dropped in one go. Its
//! rows describe and check themselves, so that they can be found in a damaged file without any
//! table. `index` and the sums in `meta` follow from it.

use redb::TableDefinition;
use restante_proto::{
    Address, ItemId,
    keeper::{ElementKey, ElementKind, HoldingKey, HoldingKind, WARRANT_BYTES_MAX},
    keys::PublicKey,
    limits::{CHUNK_BYTES_MAX, ENVELOPE_BYTES_MAX, SEALED_CARD_BYTES},
    time::UnixMillis,
};

/// The items: (expiry in milliseconds, number) to row.
pub(super) const ITEMS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("items");
/// Where each item lies: key to (expiry in milliseconds, number, size in bytes, version or holder).
pub(super) const INDEX: TableDefinition<'_, &[u8; KEY_BYTES], IndexValue> =
    TableDefinition::new("index");
/// Format, sums and the next number.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// What `index` says of an item.
pub(super) type IndexValue = (u64, u64, u32, u64);

/// The layout that this version writes and reads.
pub(super) const FORMAT: u64 = 2;
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_ITEMS: &str = "items";
pub(super) const META_BYTES: &str = "bytes";
pub(super) const META_TOMBSTONES: &str = "tombstones";
pub(super) const META_NEXT: &str = "next";

/// Length of an index key in bytes.
pub(super) const KEY_BYTES: usize = 1 + 32 + 32;
/// Begins every row, so that a damaged file can be searched for them.
pub(super) const ROW_MAGIC: [u8; 8] = *b"\xf1rstrow2";
/// Length of a row without its payload, in bytes.
pub(super) const ROW_HEADER_BYTES: usize = CHECKED_AT + CHECKED_HEADER_BYTES;
/// Length of the largest row, in bytes.
pub(super) const ROW_BYTES_MAX: usize = ROW_HEADER_BYTES + PAYLOAD_BYTES_MAX + WARRANT_BYTES_MAX;

/// The payload of a tombstone whose envelope was deposited here, before the ack or after it.
pub(super) const DEPOSITED: &[u8] = &[];
/// The payload of a tombstone that came before its envelope; longer, so that `index` shows which of
/// the two it is.
pub(super) const NEVER_DEPOSITED: &[u8] = &[0];

/// The largest item is an envelope or a chunk.
const PAYLOAD_BYTES_MAX: usize = 65_536;
const CHECK_BYTES: usize = 16;
const CHECKED_AT: usize = ROW_MAGIC.len() + CHECK_BYTES;
const CHECKED_HEADER_BYTES: usize = 4 + 2 + KEY_BYTES + 8 + 32;

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
    pub(super) number: u64,
    pub(super) size_bytes: u32,
    /// A card's sequence; of an envelope what tells its holder from others; else 0.
    pub(super) version: u64,
}

impl Pointer {
    pub(super) const fn from_value((expires, number, size_bytes, version): IndexValue) -> Self {
        Self {
            expires: UnixMillis::new(expires),
            number,
            size_bytes,
            version,
        }
    }

    pub(super) const fn to_value(self) -> IndexValue {
        (
            self.expires.get(),
            self.number,
            self.size_bytes,
            self.version,
        )
    }

    /// Returns the key of the item's row.
    pub(super) const fn row(self) -> (u64, u64) {
        (self.expires.get(), self.number)
    }

    pub(super) fn is_live(self, now: UnixMillis) -> bool {
        self.expires > now
    }

    /// Tells of a tombstone whether its envelope was deposited here.
    pub(super) const fn is_deposited(self) -> bool {
        self.size_bytes as usize == DEPOSITED.len()
    }
}

/// One item as it lies in `items`.
///
/// # Layout
///
/// | bytes | field                                                        |
/// |-------|--------------------------------------------------------------|
/// | 8     | [`ROW_MAGIC`]                                                |
/// | 16    | first half of the BLAKE3 hash of everything after this field |
/// | 4     | length of the payload, big-endian                            |
/// | 2     | length of the warrant, big-endian                            |
/// | 65    | key: kind, address, name                                     |
/// | 8     | expiry in milliseconds, big-endian                           |
/// | 32    | chunk: who may delete it; else zeros                         |
/// | n     | payload; of a tombstone [`DEPOSITED`] or [`NEVER_DEPOSITED`] |
/// | m     | warrant                                                      |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) key: ItemKey,
    pub(super) expires: UnixMillis,
    pub(super) deletion_key: PublicKey,
    pub(super) payload: &'a [u8],
    /// What admitted it, at most [`WARRANT_BYTES_MAX`] bytes.
    pub(super) warrant: &'a [u8],
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
            deletion_key: PublicKey::new([0; 32]),
            payload,
            warrant,
        }
    }

    /// Returns the row's length in bytes.
    pub(super) const fn row_bytes(&self) -> usize {
        ROW_HEADER_BYTES + self.payload.len() + self.warrant.len()
    }

    pub(super) fn size_bytes(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.row_bytes());
        let warrant_bytes = u16::try_from(self.warrant.len()).unwrap_or(u16::MAX);
        row.extend_from_slice(&ROW_MAGIC);
        row.extend_from_slice(&[0; CHECK_BYTES]);
        row.extend_from_slice(&self.size_bytes().to_be_bytes());
        row.extend_from_slice(&warrant_bytes.to_be_bytes());
        row.extend_from_slice(&self.key.to_bytes());
        row.extend_from_slice(&self.expires.get().to_be_bytes());
        row.extend_from_slice(self.deletion_key.as_bytes());
        row.extend_from_slice(self.payload);
        row.extend_from_slice(self.warrant);
        let check = check_of(&row[CHECKED_AT..]);
        row[ROW_MAGIC.len()..CHECKED_AT].copy_from_slice(&check);
        row
    }

    /// Decodes the row that `bytes` begin with, if it is whole and what was written.
    pub(super) fn decode_first(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&ROW_MAGIC)?;
        let (check, checked) = rest.split_first_chunk::<CHECK_BYTES>()?;
        let (length, rest) = checked.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (warrant_length, rest) = rest.split_first_chunk::<2>()?;
        let warrant_length = usize::from(u16::from_be_bytes(*warrant_length));
        if length > PAYLOAD_BYTES_MAX || warrant_length > WARRANT_BYTES_MAX {
            return None;
        }
        let checked = checked.get(..CHECKED_HEADER_BYTES + length + warrant_length)?;
        let (key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (deletion_key, rest) = rest.split_first_chunk::<32>()?;
        if check_of(checked) != *check {
            return None;
        }
        Some(Self {
            key: ItemKey::from_bytes(key)?,
            expires: UnixMillis::new(u64::from_be_bytes(*expires)),
            deletion_key: PublicKey::new(*deletion_key),
            payload: rest.get(..length)?,
            warrant: rest.get(length..length + warrant_length)?,
        })
    }

    /// Decodes a row that is all of `bytes`.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        Self::decode_first(bytes).filter(|row| bytes.len() == row.row_bytes())
    }

    /// Returns the key that a row claims, whether or not the row is what was written.
    pub(super) fn claimed_key(bytes: &[u8]) -> Option<ItemKey> {
        let key = bytes
            .get(CHECKED_AT + 4 + 2..)?
            .first_chunk::<KEY_BYTES>()?;
        ItemKey::from_bytes(key)
    }
}

fn check_of(checked: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(checked).as_bytes()[..CHECK_BYTES]);
    check
}

const _: () = assert!(PAYLOAD_BYTES_MAX >= ENVELOPE_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX >= CHUNK_BYTES_MAX);
const _: () = assert!(PAYLOAD_BYTES_MAX >= SEALED_CARD_BYTES + 512);
