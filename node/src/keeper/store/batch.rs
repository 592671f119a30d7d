//! Operations within one transaction that writes.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::{Error, ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use restante_proto::{
    Address, ItemId,
    card::CardRecord,
    keeper::{
        Budget, MailboxUse, SlotDecision, StoreOp, StoreOutcome, WARRANT_BYTES_MAX, Warrant,
        place_card, place_envelope,
    },
    keys::Signature,
    limits::{ACK_MEMORY_MS, MAILBOX_TOMBSTONES_MAX, TOMBSTONE_BYTES},
    mailbox::{AckEntry, Mailbox},
    request::Reason,
    time::UnixMillis,
};

use super::{
    packs::{OpenPacks, Sums, Tally, rows_in},
    reader::Reader,
    room::{FreePages, ORDERS, Room, used_bytes},
    tables::{
        DEPOSITED, GRAVES, INDEX, ItemKey, KEY_BYTES, META, META_BYTES, META_FREE, META_ITEMS,
        META_NEXT, META_PACK_BYTES, META_STALE, META_SWEPT, META_TOMBSTONES, NEVER_DEPOSITED,
        PACKS, Pointer, PointerValue, ROW_HEADER_BYTES, Row, RowKind, TALLIES, TallyValue,
        is_of_graves,
    },
};

mod graves;
#[cfg(feature = "planted")]
mod planted;
mod sweep;

/// One transaction's tables and sums; sums count once it is committed.
pub(super) struct Batch<'tx> {
    packs: Table<'tx, (u64, u64), &'static [u8]>,
    graves: Table<'tx, (u64, u64), &'static [u8]>,
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
    pub(super) damaged: Vec<ItemKey>,
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
            graves: tx.open_table(GRAVES)?,
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

    /// Applies one operation.
    pub(super) fn apply(&mut self, op: StoreOp) -> Result<StoreOutcome, Error> {
        if let Some(outcome) = self.reader().answer(&op)? {
            return Ok(outcome);
        }
        match op {
            StoreOp::PutEnvelope {
                address,
                id,
                bytes,
                expires,
                budget,
                warrant,
            } => {
                let key = ItemKey::envelope(address, id);
                self.put_envelope(&Row::new(key, expires, &bytes, &warrant), budget)
            }
            StoreOp::PutCard {
                record,
                stamped,
                warrant,
            } => self.put_card(&record, stamped, &warrant),
            StoreOp::PutChunk {
                address,
                bytes,
                expires,
                deletion_key,
                warrant,
            } => self.put_chunk(&Row {
                deletion_key,
                ..Row::new(ItemKey::chunk(address), expires, &bytes, &warrant)
            }),
            StoreOp::Ack {
                address,
                entries,
                mailbox,
            } => self.ack(address, &entries, mailbox),
            StoreOp::DeleteChunk { address, signature } => self.delete_chunk(address, &signature),
            StoreOp::Bury(replica) => self.bury(&replica),
            // The reader has answered these.
            StoreOp::Offer { .. }
            | StoreOp::List { .. }
            | StoreOp::Get { .. }
            | StoreOp::Cards { .. }
            | StoreOp::Chunk { .. }
            | StoreOp::Export { .. }
            | StoreOp::Lacking { .. } => Ok(StoreOutcome::Unknown),
        }
    }

    /// Drops items whose bytes are lost, so that they can be deposited again.
    pub(super) fn drop_damaged(&mut self, keys: &[ItemKey]) -> Result<(), Error> {
        for key in keys {
            self.remove(*key)?;
        }
        Ok(())
    }

    /// Puts a row that was found in a damaged file, unless something better is there.
    pub(super) fn put_salvaged(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let key = row.key;
        let is_better = match key.kind {
            RowKind::Envelope => {
                let tombstone = ItemKey {
                    kind: RowKind::Tombstone,
                    ..key
                };
                self.reader().pointer(tombstone)?.is_none()
            }
            RowKind::Card => {
                let held = self
                    .stored(key)?
                    .and_then(|held| CardRecord::decode(&held).ok());
                let found = CardRecord::decode(row.payload).ok();
                match (held, found) {
                    (Some(held), Some(found)) => found.sequence > held.sequence,
                    (_, found) => found.is_some(),
                }
            }
            RowKind::Tombstone => {
                let held = self.reader().pointer(key)?;
                held.is_none_or(|held| !held.is_deposited())
            }
            RowKind::Chunk | RowKind::Deletion => true,
        };
        if is_better {
            self.put(row)?;
        }
        if key.kind == RowKind::Tombstone {
            let envelope = ItemKey {
                kind: RowKind::Envelope,
                ..key
            };
            self.drop_damaged(&[envelope])?;
        }
        if key.kind == RowKind::Deletion {
            let chunk = ItemKey::chunk(key.address);
            let held = self.reader().pointer(chunk)?;
            let content = held.map(|pointer| self.reader().content(chunk, pointer));
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
        if let Some(room) = self.room {
            room.join(self.sums.pack_bytes, &mut self.sums.free);
        }
        let Sums {
            usage,
            next,
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

    fn reader(&mut self) -> BatchReader<'_, 'tx> {
        let Self {
            packs,
            graves,
            tallies,
            index,
            open,
            now,
            sums,
            damaged,
            ..
        } = self;
        Reader {
            packs,
            graves,
            tallies,
            index,
            open: Some(open),
            now: *now,
            swept: sums.swept_if_stale(),
            damaged,
        }
    }

    fn put_envelope(&mut self, row: &Row<'_>, budget: Budget) -> Result<StoreOutcome, Error> {
        let (key, expires) = (row.key, row.expires);
        let tombstone = ItemKey {
            kind: RowKind::Tombstone,
            ..key
        };
        let acked = self.reader().live(tombstone)?;
        if acked.is_some_and(|acked| !acked.is_deposited()) {
            let warrant = self.warrant(tombstone)?;
            self.put(&Row::new(tombstone, expires, DEPOSITED, &warrant))?;
        }
        let reader = self.reader();
        if let Some(held) = reader.held(key.address, ItemId::new(key.name))? {
            return Ok(held);
        }
        // A mailbox holds so few that counting them is cheaper than keeping one more row in step.
        let terms = Warrant::decode(row.warrant).unwrap_or_default();
        let holder_tag = terms.holder_tag();
        let mut in_use = MailboxUse::default();
        reader.visit(RowKind::Envelope, key.address, None, |_, pointer| {
            let own = holder_tag != 0 && pointer.version == holder_tag;
            in_use.add(u64::from(pointer.size_bytes), own);
            in_use.count < budget.count
        })?;
        let size = u64::from(row.size_bytes());
        if let Err(refused) = place_envelope(budget, in_use, size, &terms) {
            return Ok(refused);
        }
        if !self.has_room(size, row.len()) {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        self.put(&Row {
            version: holder_tag,
            ..*row
        })?;
        Ok(StoreOutcome::Held {
            until: expires,
            new: true,
        })
    }

    fn put_card(
        &mut self,
        record: &CardRecord,
        stamped: bool,
        warrant: &[u8],
    ) -> Result<StoreOutcome, Error> {
        let until = record.expires;
        let live = self.reader().cards(record.locator)?;
        match place_card(&live, record, stamped) {
            SlotDecision::Held => return Ok(StoreOutcome::Held { until, new: false }),
            SlotDecision::Refuse(reason) => return Ok(StoreOutcome::Refused(reason)),
            SlotDecision::Store => {}
        }
        let payload = record.encode();
        let row_bytes = ROW_HEADER_BYTES + payload.len() + WARRANT_BYTES_MAX;
        let own = live.iter().find(|held| held.writer == record.writer);
        let grown = payload
            .len()
            .saturating_sub(own.map_or(0, |held| held.encode().len()));
        if grown > 0 && !self.has_room(grown as u64, row_bytes) {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        let key = ItemKey::card(record.locator, &record.writer);
        // One stamp is good for all later cards of its writer.
        let paid = if stamped || own.is_none() {
            None
        } else {
            Some(self.warrant(key)?)
        };
        let warrant = paid.as_deref().unwrap_or(warrant);
        self.put(&Row {
            version: record.sequence,
            ..Row::new(key, until, &payload, warrant)
        })?;
        Ok(StoreOutcome::Held { until, new: true })
    }

    fn put_chunk(&mut self, row: &Row<'_>) -> Result<StoreOutcome, Error> {
        let deletion = ItemKey::deletion(row.key.address, &row.deletion_key);
        let reader = self.reader();
        let known = match reader.live(row.key)? {
            Some(held) => Some(held),
            None => reader.live(deletion)?,
        };
        if let Some(known) = known {
            return Ok(StoreOutcome::Held {
                until: known.expires,
                new: false,
            });
        }
        if !self.has_room(u64::from(row.size_bytes()), row.len()) {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        self.put(row)?;
        Ok(StoreOutcome::Held {
            until: row.expires,
            new: true,
        })
    }

    fn ack(
        &mut self,
        address: Address,
        entries: &[AckEntry],
        mailbox: Mailbox,
    ) -> Result<StoreOutcome, Error> {
        let now = self.now;
        let reader = self.reader();
        let mut known = 0_usize;
        reader.visit(RowKind::Tombstone, address, None, |_, pointer| {
            known += usize::from(pointer.expires > now);
            true
        })?;
        let ids: BTreeMap<ItemId, Signature> = entries
            .iter()
            .rev()
            .map(|entry| (entry.id, entry.signature))
            .collect();
        let mut fresh = Vec::with_capacity(ids.len());
        let (mut freed, mut added) = (0_u64, 0_u64);
        for (id, signature) in ids {
            let tombstone = reader.pointer(ItemKey::tombstone(address, id))?;
            if tombstone.is_some_and(|tombstone| tombstone.expires > now) {
                continue;
            }
            let envelope = reader.pointer(ItemKey::envelope(address, id))?;
            freed += envelope.map_or(0, |envelope| u64::from(envelope.size_bytes));
            added += u64::from(tombstone.is_none());
            fresh.push((id, signature, envelope));
        }
        let grown = (added * TOMBSTONE_BYTES).saturating_sub(freed);
        let tombstones = u32::try_from(known + fresh.len()).unwrap_or(u32::MAX);
        let fits = grown == 0 || self.has_room_for_graves(grown);
        if tombstones > MAILBOX_TOMBSTONES_MAX || !fits {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        for (id, signature, envelope) in fresh {
            let (until, payload) = match envelope {
                Some(pointer) => {
                    #[cfg(feature = "planted")]
                    self.planted_ack(ItemKey::envelope(address, id), pointer)?;
                    self.remove(ItemKey::envelope(address, id))?;
                    (pointer.expires, DEPOSITED)
                }
                None => (now.plus(ACK_MEMORY_MS), NEVER_DEPOSITED),
            };
            let tombstone = ItemKey::tombstone(address, id);
            #[cfg(feature = "planted")]
            if restante_proto::planted::Planted::AckForgotten.is_here() {
                continue;
            }
            let warrant = Warrant::of_ack(mailbox, signature).encode();
            self.put(&Row::new(tombstone, until, payload, &warrant))?;
        }
        Ok(StoreOutcome::Done)
    }

    /// Tells whether an item of so many bytes fits, and sees to it that its row does.
    fn has_room(&mut self, size_bytes: u64, row_bytes: usize) -> bool {
        let used = used_bytes(self.sums.pack_bytes, self.sums.lines);
        let Self {
            sums, room, free, ..
        } = self;
        let take = |room: &mut Room| room.take(row_bytes, used, free);
        sums.usage.has_room(size_bytes) && room.as_mut().is_none_or(take)
    }

    /// Tells whether memories of deletions fit that count so much more than what they replace.
    fn has_room_for_graves(&self, grown_bytes: u64) -> bool {
        let used = used_bytes(self.sums.pack_bytes, self.sums.lines);
        let fits = |room: Room| room.has_for_graves(grown_bytes, used);
        self.sums.usage.has_room(grown_bytes) && self.room.is_none_or(fits)
    }

    /// Puts a row in place of what its key leads to.
    fn put(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.remove(row.key)?;
        let pointer = self.append(row);
        self.index.insert(&row.key.to_bytes(), pointer.to_value())?;
        Ok(())
    }

    /// Adds a row to a pack and to the sums, and to nothing else.
    fn append(&mut self, row: &Row<'_>) -> Pointer {
        let pointer = self.open.append(row, &mut self.sums.next);
        self.sums.add(row.key.kind, pointer.size_bytes);
        self.changed = true;
        pointer
    }

    /// Takes an item out of the index, and out of what counts of its pack, if it is there.
    fn remove(&mut self, key: ItemKey) -> Result<(), Error> {
        // The line says where the row is now: other removals may have moved it.
        let line = self.index.remove(&key.to_bytes())?;
        let Some(pointer) = line.map(|line| Pointer::from_value(line.value())) else {
            return Ok(());
        };
        self.changed = true;
        if self.open.subtract(key.kind, pointer) {
            self.sums.subtract(key.kind, pointer.size_bytes);
            return Ok(());
        }
        let at = pointer.pack();
        let tally = self.tallies.get(at)?.map(|tally| tally.value());
        let Some(before) = tally.map(Tally::from_value) else {
            // Its pack went when everything in it had expired.
            return Ok(());
        };
        self.sums.subtract(key.kind, pointer.size_bytes);
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
        if is_of_graves(at) {
            &mut self.graves
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
            let pointer = self.reader().line(row.key)?;
            if pointer.is_some_and(|pointer| pointer.pack() == at && pointer.offset == offset) {
                let pointer = self.append(&row);
                self.index.insert(&row.key.to_bytes(), pointer.to_value())?;
            }
        }
        Ok(())
    }

    /// Returns what admitted an item; nothing when it is not held, or damaged.
    fn warrant(&mut self, key: ItemKey) -> Result<Bytes, Error> {
        let mut reader = self.reader();
        let Some(pointer) = reader.pointer(key)? else {
            return Ok(Bytes::new());
        };
        let content = reader.content(key, pointer)?;
        Ok(content.map_or_else(Bytes::new, |content| content.warrant))
    }

    fn stored(&mut self, key: ItemKey) -> Result<Option<Bytes>, Error> {
        let mut reader = self.reader();
        let Some(pointer) = reader.pointer(key)? else {
            return Ok(None);
        };
        Ok(reader.content(key, pointer)?.map(|content| content.payload))
    }
}
