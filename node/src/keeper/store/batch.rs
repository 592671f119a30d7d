//! Rows within one transaction that writes.

use redb::{Error, ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use restante_proto::{
    card::CardRecord,
    keeper::{
        ElementKey, ElementKind,
        rules::{self, Content, KeyRange, Line as _, Rows, RowsMut},
    },
    time::UnixMillis,
};

use super::{
    packs::{OpenPacks, Sums, Tally, rows_in},
    reader::Reader,
    room::{FreePages, ORDERS, Room, used_bytes},
    tables::{
        INDEX, KEY_BYTES, META, META_BYTES, META_CHANGED, META_FREE, META_ITEMS, META_NEXT,
        META_PACK_BYTES, META_STALE, META_SWEPT, META_TOMBSTONES, PACKS, Pointer, PointerValue,
        ROW_HEADER_BYTES, Row, TALLIES, TOMBSTONES, TallyValue, is_of_tombstones,
    },
};

mod sweep;

/// One transaction's tables and sums; sums count once it is committed.
pub(super) struct Batch<'tx> {
    packs: Table<'tx, (u64, u64), &'static [u8]>,
    tombstones: Table<'tx, (u64, u64), &'static [u8]>,
    tallies: Table<'tx, (u64, u64), TallyValue>,
    index: Table<'tx, &'static [u8; KEY_BYTES], PointerValue>,
    /// Packs that are written at the end.
    open: OpenPacks,
    now: UnixMillis,
    /// What of the file's cap is left, if it has one.
    room: Option<Room>,
    /// Pages that were given up before and that nothing in this transaction needs.
    free: FreePages,
    /// The sums as they will be.
    pub(super) sums: Sums,
    /// Something is to be committed.
    pub(super) changed: bool,
    /// Items that turned out to be damaged.
    pub(super) damaged: Vec<ElementKey>,
}

type BatchReader<'a, 'tx> = Reader<
    'a,
    Table<'tx, (u64, u64), &'static [u8]>,
    Table<'tx, (u64, u64), TallyValue>,
    Table<'tx, &'static [u8; KEY_BYTES], PointerValue>,
>;

impl<'tx> Batch<'tx> {
    pub(super) fn open(
        tx: &'tx WriteTransaction,
        now: UnixMillis,
        sums: Sums,
        room: Option<Room>,
    ) -> Result<Self, Error> {
        let order_max = room.map_or(ORDERS, |room| room.order_max(&sums.free));
        Ok(Self {
            packs: tx.open_table(PACKS)?,
            tombstones: tx.open_table(TOMBSTONES)?,
            tallies: tx.open_table(TALLIES)?,
            index: tx.open_table(INDEX)?,
            open: OpenPacks::new(order_max),
            now,
            room,
            free: sums.free,
            sums,
            changed: false,
            damaged: Vec::new(),
        })
    }

    /// Drops items whose bytes are lost, so that they can be deposited again.
    pub(super) fn drop_damaged(&mut self, keys: &[ElementKey]) -> Result<(), Error> {
        for key in keys {
            self.remove_row(key)?;
        }
        Ok(())
    }

    /// Puts a row that was found in a damaged file, unless something better is there.
    pub(super) fn put_salvaged(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let key = row.key;
        let is_better = match key.kind {
            ElementKind::Envelope => {
                let tombstone = ElementKey {
                    kind: ElementKind::Ack,
                    ..key
                };
                self.reader().pointer(&tombstone)?.is_none()
            }
            ElementKind::Card => {
                let held = self.stored(&key)?;
                let found = CardRecord::decode(row.payload).ok();
                match (held, found) {
                    (Some(held), Some(found)) => found.sequence > held.sequence,
                    (_, found) => found.is_some(),
                }
            }
            ElementKind::Ack => {
                let held = self.reader().pointer(&key)?;
                held.is_none_or(|held| !held.is_deposited())
            }
            ElementKind::Chunk | ElementKind::Deletion => true,
        };
        if is_better {
            self.put_row(row)?;
        }
        if key.kind == ElementKind::Ack {
            let envelope = ElementKey {
                kind: ElementKind::Envelope,
                ..key
            };
            self.drop_damaged(&[envelope])?;
        }
        if key.kind == ElementKind::Deletion {
            let chunk = ElementKey::chunk(key.address);
            let held = self.line(&chunk)?;
            let content = held.map(|pointer| self.content(&chunk, pointer));
            let content = content.transpose()?.flatten();
            if content.is_some_and(|content| *content.deletion_key.as_bytes() == key.name) {
                self.drop_damaged(&[chunk])?;
            }
        }
        Ok(())
    }

    /// Writes the packs and the sums; call it last.
    pub(super) fn finish(mut self, tx: &WriteTransaction) -> Result<Sums, Error> {
        for (key, pack) in std::mem::take(&mut self.open).into_packs() {
            self.table_of(key).insert(key, pack.bytes.as_slice())?;
            self.tallies.insert(key, pack.tally.to_value())?;
            self.sums.add_pack(pack.tally);
        }
        self.sums.lines = self.index.len()?;
        self.sums.changed = self.now;
        if let Some(room) = self.room {
            room.join(self.sums.pack_bytes, &mut self.sums.free);
        }
        let Sums {
            usage,
            next,
            changed,
            pack_bytes,
            stale,
            swept,
            free,
            lines: _,
        } = self.sums;
        let mut meta = tx.open_table(META)?;
        for (word, number) in [
            (META_ITEMS, usage.items),
            (META_BYTES, usage.bytes),
            (META_TOMBSTONES, usage.tombstones),
            (META_NEXT, next),
            (META_CHANGED, changed.get()),
            (META_PACK_BYTES, pack_bytes),
            (META_STALE, stale),
            (META_SWEPT, swept.get()),
        ] {
            meta.insert(word, number)?;
        }
        for (word, count) in META_FREE.into_iter().zip(free.0) {
            meta.insert(word, count)?;
        }
        Ok(self.sums)
    }

    fn reader(&self) -> BatchReader<'_, 'tx> {
        Reader {
            packs: &self.packs,
            tombstones: &self.tombstones,
            tallies: &self.tallies,
            index: &self.index,
            open: Some(&self.open),
            swept: self.sums.swept_if_stale(),
        }
    }

    /// Puts a row in place of what its key leads to.
    fn put_row(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.remove_row(&row.key)?;
        let pointer = self.append(row);
        self.index.insert(&row.key.to_bytes(), pointer.to_value())?;
        Ok(())
    }

    /// Adds a row to a pack and to the sums, and to nothing else.
    fn append(&mut self, row: &Row<'_>) -> Pointer {
        let pointer = self.open.append(row, &mut self.sums.next);
        self.sums
            .usage
            .add(row.key.kind, u64::from(pointer.size_bytes));
        self.changed = true;
        pointer
    }

    /// Takes an item out of the index, and out of what counts of its pack, if it is there.
    fn remove_row(&mut self, key: &ElementKey) -> Result<(), Error> {
        // The line says where the row is now: other removals may have moved it.
        let line = self.index.remove(&key.to_bytes())?;
        let Some(pointer) = line.map(|line| Pointer::from_value(line.value())) else {
            return Ok(());
        };
        self.changed = true;
        if self.open.subtract(key.kind, pointer) {
            self.sums
                .usage
                .subtract(key.kind, u64::from(pointer.size_bytes));
            return Ok(());
        }
        let at = pointer.pack();
        let tally = self.tallies.get(at)?.map(|tally| tally.value());
        let Some(before) = tally.map(Tally::from_value) else {
            // Its pack went when everything in it had expired.
            return Ok(());
        };
        self.sums
            .usage
            .subtract(key.kind, u64::from(pointer.size_bytes));
        let mut tally = before;
        tally.subtract(key.kind, pointer);
        if tally.rows() == 0 {
            self.remove_pack(at, tally)?;
        } else if tally.is_wasteful() {
            self.move_rows(at, tally)?;
        } else {
            self.tallies.insert(at, tally.to_value())?;
        }
        Ok(())
    }

    fn table_of(&mut self, at: (u64, u64)) -> &mut Table<'tx, (u64, u64), &'static [u8]> {
        if is_of_tombstones(at) {
            &mut self.tombstones
        } else {
            &mut self.packs
        }
    }

    /// Takes a pack away, with all that its tally counts.
    fn remove_pack(&mut self, at: (u64, u64), tally: Tally) -> Result<(), Error> {
        self.table_of(at).remove(at)?;
        self.tallies.remove(at)?;
        self.sums.subtract_pack(tally);
        self.changed = true;
        Ok(())
    }

    /// Moves what counts of a pack to an open one, and gives up the space of the rest.
    fn move_rows(&mut self, at: (u64, u64), tally: Tally) -> Result<(), Error> {
        let bytes = self
            .table_of(at)
            .get(at)?
            .map_or_else(Vec::new, |bytes| bytes.value().to_vec());
        self.remove_pack(at, tally)?;
        for (offset, row) in rows_in(&bytes) {
            let pointer = self.reader().line(&row.key)?;
            if pointer.is_some_and(|pointer| pointer.pack() == at && pointer.offset == offset) {
                let pointer = self.append(&row);
                self.index.insert(&row.key.to_bytes(), pointer.to_value())?;
            }
        }
        Ok(())
    }

    fn stored(&mut self, key: &ElementKey) -> Result<Option<CardRecord>, Error> {
        let Some(pointer) = self.line(key)? else {
            return Ok(None);
        };
        let content = self.content(key, pointer)?;
        Ok(content.and_then(|content| CardRecord::decode(&content.payload).ok()))
    }
}

impl Rows for Batch<'_> {
    type Line = Pointer;
    type Error = Error;

    fn line(&self, key: &ElementKey) -> Result<Option<Pointer>, Error> {
        self.reader().pointer(key)
    }

    fn scan(
        &self,
        range: KeyRange,
        end: UnixMillis,
        visit: &mut dyn FnMut(&ElementKey, Pointer) -> bool,
    ) -> Result<(), Error> {
        self.reader().scan(range, end, visit)
    }

    fn content(&mut self, key: &ElementKey, pointer: Pointer) -> Result<Option<Content>, Error> {
        let content = self.reader().content(key, pointer)?;
        if content.is_none() {
            self.damaged.push(*key);
        }
        Ok(content)
    }

    fn on_damaged(&mut self, key: &ElementKey) {
        self.damaged.push(*key);
    }
}

impl RowsMut for Batch<'_> {
    fn has_room(&mut self, grown_bytes: u64, payload_bytes: usize, proof_bytes: usize) -> bool {
        let used = used_bytes(self.sums.pack_bytes, self.sums.lines);
        let row_bytes = ROW_HEADER_BYTES + payload_bytes + proof_bytes;
        let Self {
            sums, room, free, ..
        } = self;
        let take = |room: &mut Room| room.take(row_bytes, used, free);
        sums.usage.has_room(grown_bytes) && room.as_mut().is_none_or(take)
    }

    fn has_room_for_tombstones(&self, grown_bytes: u64) -> bool {
        let used = used_bytes(self.sums.pack_bytes, self.sums.lines);
        let fits = |room: Room| room.has_for_tombstones(grown_bytes, used);
        self.sums.usage.has_room(grown_bytes) && self.room.is_none_or(fits)
    }

    fn put(&mut self, key: ElementKey, row: rules::Row) -> Result<(), Error> {
        self.put_row(&Row::of(key, &row))
    }

    fn remove(&mut self, key: &ElementKey) -> Result<(), Error> {
        self.remove_row(key)
    }
}
