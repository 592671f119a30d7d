//! Packs: rows of one commit that expire together, in one value of a table.

use std::collections::BTreeMap;

use restante_proto::{
    keeper::{ElementKind, Usage},
    time::UnixMillis,
};

use super::{
    room::{FreePages, capacity_of, is_shared, order_of, page_bytes},
    tables::{
        Pointer, ROW_BYTES_MAX, Row, SPAN_MS, TOMBSTONES_FROM, TallyValue, due_of, next_mark,
    },
};

/// The size of the page that a full pack takes, as a power of two of pages: 64 KiB.
///
/// The larger, the fewer pages are read to drop what is due; the smaller, the less is read for one item.
const PACK_ORDER: usize = 4;

/// The sums a store keeps beside its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) usage: Usage,
    /// The number of the next pack.
    pub(super) next: u64,
    /// The date of the last commit.
    pub(super) changed: UnixMillis,
    /// What the packs take of the file, in bytes.
    pub(super) pack_bytes: u64,
    /// Lines of the index.
    pub(super) lines: u64,
    /// Lines of the index that may lead to packs that are gone.
    pub(super) stale: u64,
    /// Up to when packs were dropped.
    pub(super) swept: UnixMillis,
    /// Pages of packs that were given up.
    pub(super) free: FreePages,
}

impl Sums {
    /// Returns up to when the packs of lines in the index may be gone, if any of them may be.
    pub(super) fn swept_if_stale(&self) -> Option<UnixMillis> {
        Some(self.swept).filter(|_| self.stale > 0)
    }

    /// Takes a whole pack out of the sums.
    pub(super) fn subtract_pack(&mut self, tally: Tally) {
        let usage = &mut self.usage;
        usage.items = usage.items.saturating_sub(u64::from(tally.items));
        usage.bytes = usage.bytes.saturating_sub(tally.bytes);
        usage.tombstones = usage.tombstones.saturating_sub(u64::from(tally.tombstones));
        let length = tally.length as usize;
        self.pack_bytes = self.pack_bytes.saturating_sub(page_bytes(length));
        if !is_shared(length) {
            self.free.give(order_of(length));
        }
    }

    /// Notes that a pack is written.
    pub(super) fn add_pack(&mut self, tally: Tally) {
        let length = tally.length as usize;
        self.pack_bytes += page_bytes(length);
        if !is_shared(length) {
            self.free.note_taken(order_of(length));
        }
    }
}

/// What counts of a pack: its rows less those that were acked, deleted or replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) items: u32,
    pub(super) tombstones: u32,
    /// Bytes of the items.
    pub(super) bytes: u64,
    /// Bytes of the rows that count.
    pub(super) live_bytes: u32,
    /// Bytes of all rows.
    pub(super) length: u32,
    /// No row that counts expires before.
    pub(super) first: UnixMillis,
}

impl Tally {
    pub(super) const fn from_value(
        (items, tombstones, bytes, live_bytes, length, first): TallyValue,
    ) -> Self {
        Self {
            items,
            tombstones,
            bytes,
            live_bytes,
            length,
            first: UnixMillis::new(first),
        }
    }

    pub(super) const fn to_value(self) -> TallyValue {
        let Self {
            items,
            tombstones,
            bytes,
            live_bytes,
            length,
            first,
        } = self;
        (items, tombstones, bytes, live_bytes, length, first.get())
    }

    pub(super) const fn rows(&self) -> u32 {
        self.items.saturating_add(self.tombstones)
    }

    pub(super) fn add(&mut self, kind: ElementKind, pointer: Pointer) {
        if self.rows() == 0 || pointer.expires < self.first {
            self.first = pointer.expires;
        }
        if kind.is_tombstone() {
            self.tombstones += 1;
        } else {
            self.items += 1;
            self.bytes += u64::from(pointer.size_bytes);
        }
        self.live_bytes += pointer.row_bytes;
    }

    pub(super) fn subtract(&mut self, kind: ElementKind, pointer: Pointer) {
        if kind.is_tombstone() {
            self.tombstones = self.tombstones.saturating_sub(1);
        } else {
            self.items = self.items.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(u64::from(pointer.size_bytes));
        }
        self.live_bytes = self.live_bytes.saturating_sub(pointer.row_bytes);
    }

    /// Tells whether what counts would take half as much, or less.
    pub(super) const fn is_wasteful(&self) -> bool {
        page_bytes(self.live_bytes as usize) * 2 <= page_bytes(self.length as usize)
    }
}

/// A pack that is being filled.
#[derive(Debug, Default)]
pub(super) struct OpenPack {
    pub(super) bytes: Vec<u8>,
    pub(super) tally: Tally,
}

/// The packs that a transaction fills, by due and number.
#[derive(Debug, Default)]
pub(super) struct OpenPacks {
    packs: BTreeMap<(u64, u64), OpenPack>,
    /// Length of a pack, at most, unless a single row is longer.
    length_max: usize,
}

impl OpenPacks {
    /// Makes it for packs that take no larger pages than this, as a power of two of pages.
    pub(super) fn new(order_max: usize) -> Self {
        Self {
            packs: BTreeMap::new(),
            length_max: capacity_of(order_max.min(PACK_ORDER)),
        }
    }

    /// Appends a row to a pack of its span, to a new one with the number `next` where none has room.
    pub(super) fn append(&mut self, row: &Row<'_>, next: &mut u64) -> Pointer {
        let due = due_of(row.expires);
        let class = if row.key.kind.is_tombstone() {
            TOMBSTONES_FROM
        } else {
            0
        };
        let of_class = (due, class)..=(due, class + (TOMBSTONES_FROM - 1));
        let last = self.packs.range(of_class).next_back();
        let has_room = |pack: &OpenPack| pack.bytes.len() + row.len() <= self.length_max;
        let key = match last.filter(|(_, pack)| has_room(pack)) {
            Some((key, _)) => *key,
            None => {
                *next += 1;
                (due, class + *next - 1)
            }
        };
        let pack = self.packs.entry(key).or_default();
        let offset = length_of(pack.bytes.len());
        row.encode_into(&mut pack.bytes);
        pack.tally.length = length_of(pack.bytes.len());
        let pointer = Pointer {
            expires: row.expires,
            number: key.1,
            offset,
            row_bytes: pack.tally.length - offset,
            size_bytes: row.size_bytes(),
            version: row.version,
        };
        pack.tally.add(row.key.kind, pointer);
        pointer
    }

    pub(super) fn get(&self, key: (u64, u64)) -> Option<&OpenPack> {
        self.packs.get(&key)
    }

    /// Takes a row out of the count of an open pack; false if there is no such pack.
    pub(super) fn subtract(&mut self, kind: ElementKind, pointer: Pointer) -> bool {
        let Some(pack) = self.packs.get_mut(&pointer.pack()) else {
            return false;
        };
        pack.tally.subtract(kind, pointer);
        if pack.tally.rows() == 0 {
            self.packs.remove(&pointer.pack());
        }
        true
    }

    pub(super) fn into_packs(self) -> impl Iterator<Item = ((u64, u64), OpenPack)> {
        self.packs.into_iter()
    }
}

/// Returns the rows of a pack that are what was written, with their offsets.
pub(super) fn rows_in(bytes: &[u8]) -> impl Iterator<Item = (u32, Row<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(start) = next_mark(bytes, at, bytes.len()) {
            // After a damaged row the next mark is as good as any.
            let row = Row::decode_first(&bytes[start..]);
            at = start + row.map_or(1, |row| row.len());
            if let Some(row) = row {
                return Some((length_of(start), row));
            }
        }
        None
    })
}

/// Returns the row at an offset of a pack, if it is what was written.
pub(super) fn row_at(bytes: &[u8], offset: u32) -> Option<Row<'_>> {
    let start = usize::try_from(offset).ok()?;
    Row::decode_first(bytes.get(start..)?)
}

/// Returns the dues of packs of which some rows, but not all, may have expired by `now`.
pub(super) fn fringe(now: UnixMillis) -> std::ops::RangeInclusive<(u64, u64)> {
    (now.get() + 1, 0)..=(now.get() + SPAN_MS - 1, u64::MAX)
}

fn length_of(bytes: usize) -> u32 {
    // A pack is never longer than the largest row, or than its size of pages.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

const _: () = assert!(ROW_BYTES_MAX < u32::MAX as usize / 2);
