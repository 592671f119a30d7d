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

use super::{
    packs::{OpenPacks, row_at},
    tables::{
        ItemKey, KEY_BYTES, Pointer, PointerValue, RowKind, SPAN_MS, TallyValue, is_of_graves,
    },
};

mod elements;

/// Looks things up at one moment.
pub(super) struct Reader<'a, P, T, X> {
    pub(super) packs: &'a P,
    pub(super) graves: &'a P,
    pub(super) tallies: &'a T,
    pub(super) index: &'a X,
    /// Packs that are still to be written.
    pub(super) open: Option<&'a OpenPacks>,
    pub(super) now: UnixMillis,
    /// Lines of the index with an expiry up to then can be left over.
    pub(super) swept: Option<UnixMillis>,
    /// Items that turned out to be damaged; they are left out of every answer.
    pub(super) damaged: &'a mut Vec<ItemKey>,
}

/// What a row holds.
pub(super) struct Content {
    pub(super) payload: Bytes,
    pub(super) deletion_key: PublicKey,
    pub(super) warrant: Bytes,
}

/// Tells lines that are left over from those of items.
pub(super) struct Gone {
    swept: UnixMillis,
    /// The first pack there is.
    first: (u64, u64),
}

impl Gone {
    /// Makes it for lines with an expiry up to `swept`.
    pub(super) fn new<T>(tallies: &T, swept: UnixMillis) -> Result<Self, Error>
    where
        T: ReadableTable<(u64, u64), TallyValue>,
    {
        let first = tallies.first()?.map(|(at, _)| at.value());
        Ok(Self {
            swept,
            first: first.unwrap_or((u64::MAX, u64::MAX)),
        })
    }

    /// Tells whether the pack of an item is gone, which then has expired.
    pub(super) fn has<T>(&self, tallies: &T, pointer: Pointer) -> Result<bool, Error>
    where
        T: ReadableTable<(u64, u64), TallyValue>,
    {
        if pointer.expires > self.swept {
            return Ok(false);
        }
        // Nearly always what is gone is before all that is there.
        Ok(pointer.pack() < self.first || tallies.get(pointer.pack())?.is_none())
    }
}

impl<P, T, X> Reader<'_, P, T, X>
where
    P: ReadableTable<(u64, u64), &'static [u8]>,
    T: ReadableTable<(u64, u64), TallyValue>,
    X: ReadableTable<&'static [u8; KEY_BYTES], PointerValue>,
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

    /// Returns a time before which nothing expires, never if there is nothing.
    pub(super) fn first_expiry(&self) -> Result<UnixMillis, Error> {
        let first = self.tallies.first()?;
        let end = first.map_or(u64::MAX, |(at, _)| at.value().0);
        Ok(UnixMillis::new(end.saturating_sub(SPAN_MS)))
    }

    /// Returns the item's pointer, be it expired, if the item is there.
    pub(super) fn pointer(&self, key: ItemKey) -> Result<Option<Pointer>, Error> {
        match self.line(key)? {
            Some(pointer) if self.is_there(pointer)? => Ok(Some(pointer)),
            _ => Ok(None),
        }
    }

    /// Returns what the index has, be it left over.
    pub(super) fn line(&self, key: ItemKey) -> Result<Option<Pointer>, Error> {
        let found = self.index.get(&key.to_bytes())?;
        Ok(found.map(|value| Pointer::from_value(value.value())))
    }

    /// Returns the item's pointer if its life is not over.
    pub(super) fn live(&self, key: ItemKey) -> Result<Option<Pointer>, Error> {
        let found = self.pointer(key)?;
        Ok(found.filter(|pointer| pointer.expires > self.now))
    }

    /// Tells whether an item's life is not over.
    pub(super) fn is_live(&self, pointer: Pointer) -> Result<bool, Error> {
        Ok(pointer.expires > self.now && self.is_there(pointer)?)
    }

    /// Tells whether a line of the index is that of an item and not left over; one is left over while its pack is gone.
    ///
    /// That is a question for clocks that were set back: what is left over has expired.
    pub(super) fn is_there(&self, pointer: Pointer) -> Result<bool, Error> {
        if self.swept.is_none_or(|swept| pointer.expires > swept) {
            return Ok(true);
        }
        let at = pointer.pack();
        let is_open = self.open.is_some_and(|open| open.get(at).is_some());
        Ok(is_open || self.tallies.get(at)?.is_some())
    }

    /// Returns what the row at `pointer` holds; `None`, and a note of it, if that is not what was
    /// written.
    pub(super) fn content(
        &mut self,
        key: ItemKey,
        pointer: Pointer,
    ) -> Result<Option<Content>, Error> {
        let content = match self.open.and_then(|open| open.get(pointer.pack())) {
            Some(open) => content_of(&open.bytes, key, pointer),
            None => {
                let at = pointer.pack();
                let table = if is_of_graves(at) {
                    self.graves
                } else {
                    self.packs
                };
                let pack = table.get(at)?;
                pack.and_then(|bytes| content_of(bytes.value(), key, pointer))
            }
        };
        if content.is_none() {
            self.damaged.push(key);
        }
        Ok(content)
    }

    /// Hands over the keys and pointers of one kind at one address, expired ones too, in order, until `visit` says to
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
            let pointer = Pointer::from_value(value.value());
            let is_after = after.is_none_or(|after| key.name > after);
            if is_after && self.is_there(pointer)? && !visit(key, pointer) {
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
        found.retain(|(_, pointer)| pointer.expires > self.now);
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
            if after.is_some_and(|after| key <= after) || !self.is_live(pointer)? {
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
            if pointer.expires > self.now {
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

/// Returns what the row at `pointer` holds, if it is what was written.
fn content_of(pack: &[u8], key: ItemKey, pointer: Pointer) -> Option<Content> {
    let row = row_at(pack, pointer.offset)?;
    let is_it = row.key == key && row.expires == pointer.expires;
    is_it.then(|| Content {
        payload: Bytes::copy_from_slice(row.payload),
        deletion_key: row.deletion_key,
        warrant: Bytes::copy_from_slice(row.warrant),
    })
}
