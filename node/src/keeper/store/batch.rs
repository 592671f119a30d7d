//! Operations within one transaction that writes.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::{Error, ReadableTable, Table, WriteTransaction};
use restante_proto::{
    Address, ItemId,
    card::CardRecord,
    keeper::{
        Budget, Expired, MailboxUse, SlotDecision, StoreOp, StoreOutcome, Usage, Warrant,
        place_card, place_envelope,
    },
    keys::Signature,
    limits::{ACK_MEMORY_MS, MAILBOX_TOMBSTONES_MAX, TOMBSTONE_BYTES},
    mailbox::{AckEntry, Mailbox},
    request::Reason,
    time::UnixMillis,
};

use super::{
    reader::Reader,
    tables::{
        DEPOSITED, INDEX, ITEMS, IndexValue, ItemKey, KEY_BYTES, META, META_BYTES, META_ITEMS,
        META_NEXT, META_TOMBSTONES, NEVER_DEPOSITED, Pointer, Row, RowKind,
    },
};

mod graves;
#[cfg(feature = "planted")]
mod planted;

/// The sums a store keeps beside its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) usage: Usage,
    /// The number of the next row.
    pub(super) next: u64,
}

impl Sums {
    pub(super) const fn add(&mut self, kind: RowKind, size_bytes: u32) {
        if matches!(kind, RowKind::Tombstone | RowKind::Deletion) {
            self.usage.tombstones += 1;
        } else {
            self.usage.items += 1;
            self.usage.bytes += size_bytes as u64;
        }
    }

    const fn subtract(&mut self, kind: RowKind, size_bytes: u32) {
        let usage = &mut self.usage;
        if matches!(kind, RowKind::Tombstone | RowKind::Deletion) {
            usage.tombstones = usage.tombstones.saturating_sub(1);
        } else {
            usage.items = usage.items.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(size_bytes as u64);
        }
    }
}

/// One transaction's tables and sums; sums count once it is committed.
pub(super) struct Batch<'tx> {
    items: Table<'tx, (u64, u64), &'static [u8]>,
    index: Table<'tx, &'static [u8; KEY_BYTES], IndexValue>,
    now: UnixMillis,
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
    Table<'tx, &'static [u8; KEY_BYTES], IndexValue>,
>;

impl<'tx> Batch<'tx> {
    pub(super) fn open(
        tx: &'tx WriteTransaction,
        now: UnixMillis,
        sums: Sums,
    ) -> Result<Self, Error> {
        let (items, index) = (tx.open_table(ITEMS)?, tx.open_table(INDEX)?);
        Ok(Self {
            items,
            index,
            now,
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

    /// Drops at most `limit` rows that are due.
    pub(super) fn sweep(&mut self, limit: usize) -> Result<Expired, Error> {
        let before = self.sums.usage;
        let mut due = Vec::new();
        for entry in self.items.range(..=(self.now.get(), u64::MAX))?.take(limit) {
            let (key, row) = entry?;
            due.push((key.value(), Row::claimed_key(row.value())));
        }
        for (row, key) in &due {
            // A row whose key is damaged has lost its line in the index, which no lookup will find
            // alive.
            let key = key.as_ref().copied();
            let pointer = key
                .map(|key| self.reader().pointer(key))
                .transpose()?
                .flatten();
            match (key, pointer.filter(|pointer| pointer.row() == *row)) {
                (Some(key), Some(pointer)) => self.remove(key, pointer)?,
                _ => self.remove_row(*row)?,
            }
        }
        let after = self.sums.usage;
        Ok(Expired {
            items: before.items.saturating_sub(after.items),
            bytes: before.bytes.saturating_sub(after.bytes),
            more: due.len() == limit,
        })
    }

    /// Drops items whose bytes are lost, so that they can be deposited again.
    pub(super) fn drop_damaged(&mut self, keys: &[ItemKey]) -> Result<(), Error> {
        for key in keys {
            if let Some(pointer) = self.reader().pointer(*key)? {
                self.remove(*key, pointer)?;
            }
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
            let record = (key.kind == RowKind::Card).then(|| CardRecord::decode(row.payload));
            let version = match record {
                Some(record) => record.map_or(0, |record| record.sequence),
                None if key.kind == RowKind::Envelope => {
                    Warrant::decode(row.warrant).map_or(0, |warrant| warrant.holder_tag())
                }
                None => 0,
            };
            self.put_version(row, version)?;
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

    /// Writes the sums; call it last.
    pub(super) fn finish(self, tx: &WriteTransaction) -> Result<Sums, Error> {
        let Sums { usage, next } = self.sums;
        let mut meta = tx.open_table(META)?;
        for (word, number) in [
            (META_ITEMS, usage.items),
            (META_BYTES, usage.bytes),
            (META_TOMBSTONES, usage.tombstones),
            (META_NEXT, next),
        ] {
            meta.insert(word, number)?;
        }
        Ok(self.sums)
    }

    fn reader(&mut self) -> BatchReader<'_, 'tx> {
        let Self {
            items,
            index,
            now,
            damaged,
            ..
        } = self;
        Reader {
            items,
            index,
            now: *now,
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
        if !self.sums.usage.has_room(size) {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        self.put_version(row, holder_tag)?;
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
        let own = live.iter().find(|held| held.writer == record.writer);
        let grown = payload
            .len()
            .saturating_sub(own.map_or(0, |held| held.encode().len()));
        if grown > 0 && !self.sums.usage.has_room(grown as u64) {
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
        let row = Row::new(key, until, &payload, warrant);
        self.put_version(&row, record.sequence)?;
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
        if !self.sums.usage.has_room(u64::from(row.size_bytes())) {
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
            known += usize::from(pointer.is_live(now));
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
            if tombstone.is_some_and(|tombstone| tombstone.is_live(now)) {
                continue;
            }
            let envelope = reader.pointer(ItemKey::envelope(address, id))?;
            freed += envelope.map_or(0, |envelope| u64::from(envelope.size_bytes));
            added += u64::from(tombstone.is_none());
            fresh.push((id, signature, envelope));
        }
        let grown = (added * TOMBSTONE_BYTES).saturating_sub(freed);
        let tombstones = u32::try_from(known + fresh.len()).unwrap_or(u32::MAX);
        let fits = grown == 0 || self.sums.usage.has_room(grown);
        if tombstones > MAILBOX_TOMBSTONES_MAX || !fits {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        for (id, signature, envelope) in fresh {
            let (until, payload) = match envelope {
                Some(pointer) => {
                    #[cfg(feature = "planted")]
                    self.planted_ack(ItemKey::envelope(address, id), pointer)?;
                    self.remove(ItemKey::envelope(address, id), pointer)?;
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

    /// Puts a row in place of what its key leads to.
    fn put(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.put_version(row, 0)
    }

    fn put_version(&mut self, row: &Row<'_>, version: u64) -> Result<(), Error> {
        if let Some(old) = self.reader().pointer(row.key)? {
            self.remove(row.key, old)?;
        }
        let number = self.sums.next;
        let pointer = Pointer {
            expires: row.expires,
            number,
            size_bytes: row.size_bytes(),
            version,
        };
        self.items.insert(pointer.row(), row.encode().as_slice())?;
        self.index.insert(&row.key.to_bytes(), pointer.to_value())?;
        self.sums.next += 1;
        self.sums.add(row.key.kind, pointer.size_bytes);
        self.changed = true;
        Ok(())
    }

    fn remove(&mut self, key: ItemKey, pointer: Pointer) -> Result<(), Error> {
        self.index.remove(&key.to_bytes())?;
        self.sums.subtract(key.kind, pointer.size_bytes);
        self.remove_row(pointer.row())
    }

    fn remove_row(&mut self, row: (u64, u64)) -> Result<(), Error> {
        self.items.remove(row)?;
        self.changed = true;
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
