//! Answers from the tables, the same within a transaction that writes and on a snapshot.

use bytes::Bytes;
use redb::{Error, ReadableTable};
use restante_proto::{
    Address, ItemId,
    card::CardRecord,
    keeper::{Holding, HoldingKey, HoldingsPage, StoreOp, StoreOutcome},
    keys::PublicKey,
    limits::{ENVELOPES_BYTES_MAX, LISTING_COUNT_MAX},
    request::{Listed, Waiting},
    time::UnixMillis,
};

use super::tables::{IndexValue, ItemKey, KEY_BYTES, Pointer, Row, RowKind};

mod elements;

/// Looks things up at one moment.
pub(super) struct Reader<'a, I, X> {
    pub(super) items: &'a I,
    pub(super) index: &'a X,
    pub(super) now: UnixMillis,
    /// Items that turned out to be damaged; they are left out of every answer.
    pub(super) damaged: &'a mut Vec<ItemKey>,
}

/// What a row holds.
pub(super) struct Content {
    pub(super) payload: Bytes,
    pub(super) deletion_key: PublicKey,
    pub(super) warrant: Bytes,
}

impl<I, X> Reader<'_, I, X>
where
    I: ReadableTable<(u64, u64), &'static [u8]>,
    X: ReadableTable<&'static [u8; KEY_BYTES], IndexValue>,
{
    /// Answers an operation that changes nothing; `None` for any other.
    pub(super) fn answer(&mut self, op: &StoreOp) -> Result<Option<StoreOutcome>, Error> {
        Ok(Some(match op {
            StoreOp::Offer { address, id } => {
                self.held(*address, *id)?.unwrap_or(StoreOutcome::Unknown)
            }
            StoreOp::List { address, after } => self.list(*address, *after)?,
            StoreOp::Get { address, ids } => self.get(*address, ids)?,
            StoreOp::Cards { locator } => StoreOutcome::Cards(self.cards(*locator)?),
            StoreOp::Chunk { address } => self.chunk(*address)?,
            StoreOp::Export { keys } => self.export(keys)?,
            StoreOp::Lacking { elements } => self.lacking(elements)?,
            StoreOp::PutEnvelope { .. }
            | StoreOp::PutCard { .. }
            | StoreOp::PutChunk { .. }
            | StoreOp::Ack { .. }
            | StoreOp::DeleteChunk { .. }
            | StoreOp::Bury(_) => return Ok(None),
        }))
    }

    pub(super) fn pointer(&self, key: ItemKey) -> Result<Option<Pointer>, Error> {
        let found = self.index.get(&key.to_bytes())?;
        Ok(found.map(|value| Pointer::from_value(value.value())))
    }

    /// Returns the item's pointer if its life is not over.
    pub(super) fn live(&self, key: ItemKey) -> Result<Option<Pointer>, Error> {
        Ok(self
            .pointer(key)?
            .filter(|pointer| pointer.is_live(self.now)))
    }

    /// Returns what the row at `pointer` holds; `None`, and a note of it, if that is not what was
    /// written.
    pub(super) fn content(
        &mut self,
        key: ItemKey,
        pointer: Pointer,
    ) -> Result<Option<Content>, Error> {
        let found = self.items.get(pointer.row())?;
        let row = found.as_ref().and_then(|bytes| Row::decode(bytes.value()));
        let row = row.filter(|row| row.key == key && row.expires == pointer.expires);
        if row.is_none() {
            self.damaged.push(key);
        }
        Ok(row.map(|row| Content {
            payload: Bytes::copy_from_slice(row.payload),
            deletion_key: row.deletion_key,
            warrant: Bytes::copy_from_slice(row.warrant),
        }))
    }

    /// Hands over the keys and pointers of one kind at one address, in order, until `visit` says to
    /// stop.
    pub(super) fn visit(
        &self,
        kind: RowKind,
        address: Address,
        after: Option<[u8; 32]>,
        mut visit: impl FnMut(ItemKey, Pointer) -> bool,
    ) -> Result<(), Error> {
        let first = ItemKey {
            kind,
            address,
            name: after.unwrap_or([0; 32]),
        };
        let last = ItemKey {
            kind,
            address,
            name: [255; 32],
        };
        let (from, to) = (first.to_bytes(), last.to_bytes());
        for entry in self.index.range::<&[u8; KEY_BYTES]>(&from..=&to)? {
            let (key, value) = entry?;
            let Some(key) = ItemKey::from_bytes(key.value()) else {
                continue;
            };
            let is_after = after.is_none_or(|after| key.name > after);
            if is_after && !visit(key, Pointer::from_value(value.value())) {
                break;
            }
        }
        Ok(())
    }

    /// Returns until when an envelope that was deposited here is held, or remembered as acked.
    pub(super) fn held(&self, address: Address, id: ItemId) -> Result<Option<StoreOutcome>, Error> {
        let acked = self.live(ItemKey::tombstone(address, id))?;
        let held = match acked {
            Some(tombstone) => Some(tombstone).filter(|tombstone| tombstone.is_deposited()),
            None => self.live(ItemKey::envelope(address, id))?,
        };
        Ok(held.map(|pointer| StoreOutcome::Held {
            until: pointer.expires,
            new: false,
        }))
    }

    /// Returns the live records at a locator.
    pub(super) fn cards(&mut self, locator: Address) -> Result<Vec<CardRecord>, Error> {
        let mut found = Vec::new();
        self.visit(RowKind::Card, locator, None, |key, pointer| {
            found.push((key, pointer));
            true
        })?;
        found.retain(|(_, pointer)| pointer.is_live(self.now));
        let mut records = Vec::with_capacity(found.len());
        for (key, pointer) in found {
            let Some(content) = self.content(key, pointer)? else {
                continue;
            };
            match CardRecord::decode(&content.payload) {
                Ok(record) => records.push(record),
                Err(_) => self.damaged.push(key),
            }
        }
        Ok(records)
    }

    /// Returns a page of what is held, its order that of the index.
    pub(super) fn holdings(
        &self,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, Error> {
        let first = after.map_or([0; KEY_BYTES], |after| ItemKey::holding(after).to_bytes());
        let mut page = HoldingsPage::default();
        for entry in self.index.range::<&[u8; KEY_BYTES]>(&first..)? {
            let (key, value) = entry?;
            let pointer = Pointer::from_value(value.value());
            let key = ItemKey::from_bytes(key.value()).and_then(ItemKey::to_holding);
            let Some(key) = key else { continue };
            if !pointer.is_live(self.now) || after.is_some_and(|after| key <= after) {
                continue;
            }
            let HoldingKey { kind, address, .. } = key;
            let (size_bytes, expires) = (pointer.size_bytes, pointer.expires);
            page.items.push(Holding {
                address,
                kind,
                size_bytes,
                expires,
            });
            if page.items.len() >= limit {
                page.next = Some(key);
                break;
            }
        }
        Ok(page)
    }

    fn list(&self, address: Address, after: Option<ItemId>) -> Result<StoreOutcome, Error> {
        let mut items = Vec::new();
        let after = after.map(|id| *id.as_bytes());
        self.visit(RowKind::Envelope, address, after, |key, pointer| {
            if pointer.is_live(self.now) {
                let Pointer {
                    expires,
                    size_bytes,
                    ..
                } = pointer;
                items.push(Listed {
                    id: ItemId::new(key.name),
                    size_bytes,
                    expires,
                });
            }
            items.len() <= LISTING_COUNT_MAX
        })?;
        let more = items.len() > LISTING_COUNT_MAX;
        items.truncate(LISTING_COUNT_MAX);
        Ok(StoreOutcome::Listing { items, more })
    }

    fn get(&mut self, address: Address, ids: &[ItemId]) -> Result<StoreOutcome, Error> {
        let mut items = Vec::new();
        let mut bytes = 0_usize;
        for id in ids {
            let key = ItemKey::envelope(address, *id);
            let Some(pointer) = self.live(key)? else {
                continue;
            };
            let size = usize::try_from(pointer.size_bytes).unwrap_or(usize::MAX);
            if bytes.saturating_add(size) > ENVELOPES_BYTES_MAX {
                break;
            }
            if let Some(content) = self.content(key, pointer)? {
                bytes += size;
                items.push(Waiting {
                    envelope: content.payload,
                    expires: pointer.expires,
                });
            }
        }
        Ok(StoreOutcome::Envelopes(items))
    }

    fn chunk(&mut self, address: Address) -> Result<StoreOutcome, Error> {
        let key = ItemKey::chunk(address);
        let Some(pointer) = self.live(key)? else {
            return Ok(StoreOutcome::Unknown);
        };
        let content = self.content(key, pointer)?;
        Ok(
            content.map_or(StoreOutcome::Unknown, |content| StoreOutcome::Chunk {
                chunk: content.payload,
                expires: pointer.expires,
            }),
        )
    }
}
