//! A store in memory: the reference the real one is tested against, and the disk of the model tier.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::element::{ElementKey, ElementPage, Warrant};
use super::store::{
    Budget, Expired, Holding, HoldingKey, HoldingKind, HoldingsPage, ItemStore, SlotDecision,
    StoreFault, StoreOp, StoreOutcome, Usage, place_card,
};
use crate::{
    Address, ItemId,
    card::CardRecord,
    context,
    keys::{PublicKey, Signature},
    limits::{
        ACK_MEMORY_MS, ENVELOPES_BYTES_MAX, LISTING_COUNT_MAX, MAILBOX_TOMBSTONES_MAX,
        TOMBSTONE_BYTES,
    },
    mailbox::{AckEntry, Mailbox},
    request::{Listed, Reason, Waiting},
    time::UnixMillis,
};

mod elements;
#[cfg(feature = "planted")]
mod planted;

/// Everything a keeper holds, in ordered maps.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    cap_bytes: u64,
    envelopes: BTreeMap<(Address, ItemId), Waiting>,
    acked: BTreeMap<(Address, ItemId), Acked>,
    cards: BTreeMap<(Address, PublicKey), CardRecord>,
    chunks: BTreeMap<Address, (Waiting, PublicKey)>,
    deletions: BTreeMap<(Address, PublicKey), UnixMillis>,
    /// What admitted each item, and each ack and deletion.
    warrants: BTreeMap<ElementKey, Bytes>,
    /// What a planted repair brings back.
    #[cfg(feature = "planted")]
    graves: BTreeMap<(Address, ItemId), Waiting>,
}

/// The memory of an acked envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Acked {
    until: UnixMillis,
    /// The envelope was deposited here, before the ack or after it.
    deposited: bool,
}

impl Acked {
    fn is_live(&self, now: UnixMillis) -> bool {
        self.until > now
    }
}

impl MemoryStore {
    /// Makes an empty store that takes up to `cap_bytes`.
    pub fn new(cap_bytes: u64) -> Self {
        Self {
            cap_bytes,
            ..Self::default()
        }
    }

    fn mailbox(&self, address: Address) -> impl Iterator<Item = (&ItemId, &Waiting)> {
        let range = (address, ItemId::new([0; 32]))..=(address, ItemId::new([255; 32]));
        self.envelopes
            .range(range)
            .map(|((_, id), waiting)| (id, waiting))
    }

    fn records(&self, locator: Address) -> Vec<CardRecord> {
        let range = (locator, PublicKey::new([0; 32]))..=(locator, PublicKey::new([255; 32]));
        self.cards
            .range(range)
            .map(|(_, record)| record.clone())
            .collect()
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.usage().has_room(bytes as u64)
    }

    fn apply_one(&mut self, now: UnixMillis, op: StoreOp) -> StoreOutcome {
        match op {
            StoreOp::PutEnvelope {
                address,
                id,
                bytes,
                expires,
                budget,
                warrant,
            } => self.put_envelope(
                now,
                (address, id),
                Waiting {
                    envelope: bytes,
                    expires,
                },
                budget,
                warrant,
            ),
            StoreOp::PutCard {
                record,
                stamped,
                warrant,
            } => self.put_card(now, *record, stamped, warrant),
            StoreOp::PutChunk {
                address,
                bytes,
                expires,
                deletion_key,
                warrant,
            } => {
                let waiting = Waiting {
                    envelope: bytes,
                    expires,
                };
                self.put_chunk(now, address, waiting, deletion_key, warrant)
            }
            StoreOp::Offer { address, id } => {
                self.held(now, address, id).unwrap_or(StoreOutcome::Unknown)
            }
            StoreOp::List { address, after } => self.list(now, address, after),
            StoreOp::Get { address, ids } => self.get(now, address, &ids),
            StoreOp::Ack {
                address,
                entries,
                mailbox,
            } => self.ack(now, address, &entries, mailbox),
            StoreOp::Cards { locator } => {
                let mut records = self.records(locator);
                records.retain(|record| record.expires > now);
                StoreOutcome::Cards(records)
            }
            StoreOp::Chunk { address } => match self.chunks.get(&address) {
                Some((held, _)) if held.expires > now => StoreOutcome::Chunk {
                    chunk: held.envelope.clone(),
                    expires: held.expires,
                },
                _ => StoreOutcome::Unknown,
            },
            StoreOp::DeleteChunk { address, signature } => self.delete_chunk(address, &signature),
            StoreOp::Bury(replica) => self.bury(now, *replica),
            StoreOp::Export { keys } => self.export(now, &keys),
            StoreOp::Lacking { elements } => self.lacking(now, elements),
        }
    }

    fn put_envelope(
        &mut self,
        now: UnixMillis,
        (address, id): (Address, ItemId),
        waiting: Waiting,
        budget: Budget,
        warrant: Bytes,
    ) -> StoreOutcome {
        let acked = self.acked.get_mut(&(address, id));
        let acked = acked.filter(|acked| acked.is_live(now) && !acked.deposited);
        if let Some(acked) = acked {
            *acked = Acked {
                until: waiting.expires,
                deposited: true,
            };
        }
        if let Some(held) = self.held(now, address, id) {
            return held;
        }
        let (count, used) = self
            .mailbox(address)
            .fold((0_u32, 0_u64), |(count, used), (_, held)| {
                (count + 1, used + held.envelope.len() as u64)
            });
        let size = waiting.envelope.len();
        let fits = count < budget.count && used + size as u64 <= budget.bytes;
        if !fits || !self.has_room(size) {
            return StoreOutcome::Refused(Reason::Full);
        }
        let until = waiting.expires;
        self.envelopes.insert((address, id), waiting);
        self.warrants
            .insert(ElementKey::envelope(address, id), warrant);
        StoreOutcome::Held { until, new: true }
    }

    /// Returns until when an envelope that was deposited here is held, or remembered as acked.
    fn held(&self, now: UnixMillis, address: Address, id: ItemId) -> Option<StoreOutcome> {
        let key = (address, id);
        let until = match self.acked.get(&key).filter(|acked| acked.is_live(now)) {
            Some(acked) => acked.deposited.then_some(acked.until),
            None => self.envelopes.get(&key).map(|held| held.expires),
        };
        let until = until.filter(|until| *until > now)?;
        Some(StoreOutcome::Held { until, new: false })
    }

    fn put_chunk(
        &mut self,
        now: UnixMillis,
        address: Address,
        chunk: Waiting,
        deletion_key: PublicKey,
        warrant: Bytes,
    ) -> StoreOutcome {
        let held = self.chunks.get(&address).map(|(held, _)| held.expires);
        let deleted = self.deletions.get(&(address, deletion_key)).copied();
        let known = held
            .into_iter()
            .chain(deleted)
            .find(|expires| *expires > now);
        if let Some(until) = known {
            return StoreOutcome::Held { until, new: false };
        }
        if !self.has_room(chunk.envelope.len()) {
            return StoreOutcome::Refused(Reason::Full);
        }
        let until = chunk.expires;
        self.chunks.insert(address, (chunk, deletion_key));
        self.warrants.insert(ElementKey::chunk(address), warrant);
        StoreOutcome::Held { until, new: true }
    }

    fn put_card(
        &mut self,
        now: UnixMillis,
        record: CardRecord,
        stamped: bool,
        warrant: Bytes,
    ) -> StoreOutcome {
        let mut live = self.records(record.locator);
        live.retain(|held| held.expires > now);
        let until = record.expires;
        match place_card(&live, &record, stamped) {
            SlotDecision::Held => StoreOutcome::Held { until, new: false },
            SlotDecision::Refuse(reason) => StoreOutcome::Refused(reason),
            SlotDecision::Store => {
                let own = live.iter().find(|held| held.writer == record.writer);
                let replaced = own.map_or(0, |held| held.encode().len());
                let grown = record.encode().len().saturating_sub(replaced);
                if grown > 0 && !self.has_room(grown) {
                    return StoreOutcome::Refused(Reason::Full);
                }
                let key = ElementKey::card(record.locator, &record.writer);
                if stamped || own.is_none() {
                    self.warrants.insert(key, warrant);
                }
                self.cards.insert((record.locator, record.writer), record);
                StoreOutcome::Held { until, new: true }
            }
        }
    }

    fn list(&self, now: UnixMillis, address: Address, after: Option<ItemId>) -> StoreOutcome {
        let mut items: Vec<Listed> = self
            .mailbox(address)
            .filter(|(id, held)| held.expires > now && after.is_none_or(|after| **id > after))
            .take(LISTING_COUNT_MAX + 1)
            .map(|(id, held)| Listed {
                id: *id,
                size_bytes: u32::try_from(held.envelope.len()).unwrap_or(u32::MAX),
                expires: held.expires,
            })
            .collect();
        let more = items.len() > LISTING_COUNT_MAX;
        items.truncate(LISTING_COUNT_MAX);
        StoreOutcome::Listing { items, more }
    }

    fn get(&self, now: UnixMillis, address: Address, ids: &[ItemId]) -> StoreOutcome {
        let mut bytes = 0;
        let mut items = Vec::new();
        for id in ids {
            let Some(held) = self.envelopes.get(&(address, *id)) else {
                continue;
            };
            if held.expires <= now {
                continue;
            }
            bytes += held.envelope.len();
            if bytes > ENVELOPES_BYTES_MAX {
                break;
            }
            items.push(held.clone());
        }
        StoreOutcome::Envelopes(items)
    }

    fn ack(
        &mut self,
        now: UnixMillis,
        address: Address,
        entries: &[AckEntry],
        mailbox: Mailbox,
    ) -> StoreOutcome {
        let range = (address, ItemId::new([0; 32]))..=(address, ItemId::new([255; 32]));
        let known = self
            .acked
            .range(range)
            .filter(|(_, acked)| acked.is_live(now))
            .count();
        let is_known = |id: &ItemId| {
            self.acked
                .get(&(address, *id))
                .is_some_and(|acked| acked.is_live(now))
        };
        let ids: BTreeSet<ItemId> = entries
            .iter()
            .map(|entry| entry.id)
            .filter(|id| !is_known(id))
            .collect();
        if u32::try_from(known + ids.len()).unwrap_or(u32::MAX) > MAILBOX_TOMBSTONES_MAX {
            return StoreOutcome::Refused(Reason::Full);
        }
        let held = ids
            .iter()
            .filter_map(|id| self.envelopes.get(&(address, *id)));
        let freed: usize = held.map(|held| held.envelope.len()).sum();
        let added = ids
            .iter()
            .filter(|id| !self.acked.contains_key(&(address, **id)))
            .count();
        let grown = (added as u64 * TOMBSTONE_BYTES).saturating_sub(freed as u64);
        if grown > 0 && !self.usage().has_room(grown) {
            return StoreOutcome::Refused(Reason::Full);
        }
        for id in ids {
            let key = (address, id);
            let held = self.envelopes.remove(&key);
            self.warrants.remove(&ElementKey::envelope(address, id));
            #[cfg(feature = "planted")]
            if !self.planted_ack(key, held.as_ref()) {
                continue;
            }
            let acked = match held {
                Some(held) => Acked {
                    until: held.expires,
                    deposited: true,
                },
                None => Acked {
                    until: now.plus(ACK_MEMORY_MS),
                    deposited: false,
                },
            };
            self.acked.insert(key, acked);
            if let Some(entry) = entries.iter().find(|entry| entry.id == id) {
                let warrant = Warrant::of_ack(mailbox, entry.signature).encode();
                self.warrants.insert(ElementKey::ack(address, id), warrant);
            }
        }
        StoreOutcome::Done
    }

    fn delete_chunk(&mut self, address: Address, signature: &Signature) -> StoreOutcome {
        let Some((held, key)) = self.chunks.get(&address) else {
            return StoreOutcome::Unknown;
        };
        if key
            .verify(context::SIGN_DELETE, &[address.as_bytes()], signature)
            .is_err()
        {
            return StoreOutcome::Refused(Reason::Signature);
        }
        let (until, key) = (held.expires, *key);
        let grown = TOMBSTONE_BYTES.saturating_sub(held.envelope.len() as u64);
        if grown > 0 && !self.usage().has_room(grown) {
            return StoreOutcome::Refused(Reason::Full);
        }
        self.chunks.remove(&address);
        self.warrants.remove(&ElementKey::chunk(address));
        self.deletions.insert((address, key), until);
        let warrant = Warrant::of_deletion(*signature).encode();
        self.warrants
            .insert(ElementKey::deletion(address, &key), warrant);
        StoreOutcome::Done
    }
}

impl ItemStore for MemoryStore {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreFault> {
        #[cfg(feature = "planted")]
        let now = self.planted_step(now);
        Ok(ops.into_iter().map(|op| self.apply_one(now, op)).collect())
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreFault> {
        #[cfg(feature = "planted")]
        let now = crate::planted::keepers_date(now);
        let before = self.usage();
        let mut left = limit;
        let mut drop_one = |over: bool| {
            let dropped = over && left > 0;
            left -= usize::from(dropped);
            dropped
        };
        self.envelopes
            .retain(|_, held| !drop_one(held.expires <= now));
        self.cards
            .retain(|_, record| !drop_one(record.expires <= now));
        self.chunks
            .retain(|_, (held, _)| !drop_one(held.expires <= now));
        self.acked.retain(|_, acked| acked.is_live(now));
        self.deletions.retain(|_, until| *until > now);
        self.forget_warrants();
        let after = self.usage();
        Ok(Expired {
            items: before.items - after.items,
            bytes: before.bytes - after.bytes,
            more: left == 0,
        })
    }

    fn usage(&self) -> Usage {
        let envelopes = self.envelopes.values().map(|held| held.envelope.len());
        let cards = self.cards.values().map(|record| record.encode().len());
        let chunks = self.chunks.values().map(|(held, _)| held.envelope.len());
        let (items, bytes) = envelopes
            .chain(cards)
            .chain(chunks)
            .fold((0, 0), |(items, bytes), len| {
                (items + 1, bytes + len as u64)
            });
        Usage {
            items,
            bytes,
            tombstones: (self.acked.len() + self.deletions.len()) as u64,
            cap_bytes: self.cap_bytes,
        }
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreFault> {
        Ok(self.element_page(now, after, limit))
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreFault> {
        let line = |kind, address: Address, name: [u8; 32], size: usize, expires| {
            let size_bytes = u32::try_from(size).unwrap_or(u32::MAX);
            (
                HoldingKey {
                    kind,
                    address,
                    name,
                },
                Holding {
                    address,
                    kind,
                    size_bytes,
                    expires,
                },
            )
        };
        let cards = self.cards.iter().map(|((at, writer), record)| {
            let size = record.encode().len();
            line(
                HoldingKind::Card,
                *at,
                *writer.as_bytes(),
                size,
                record.expires,
            )
        });
        let envelopes = self.envelopes.iter().map(|((at, id), held)| {
            line(
                HoldingKind::Envelope,
                *at,
                *id.as_bytes(),
                held.envelope.len(),
                held.expires,
            )
        });
        let chunks = self.chunks.iter().map(|(at, (held, _))| {
            line(
                HoldingKind::Chunk,
                *at,
                [0; 32],
                held.envelope.len(),
                held.expires,
            )
        });
        let all = cards.chain(envelopes).chain(chunks);
        let page: Vec<(HoldingKey, Holding)> = all
            .filter(|(key, held)| held.expires > now && after.is_none_or(|after| *key > after))
            .take(limit)
            .collect();
        let next = page
            .last()
            .map(|(key, _)| *key)
            .filter(|_| page.len() == limit);
        Ok(HoldingsPage {
            items: page.into_iter().map(|(_, held)| held).collect(),
            next,
        })
    }
}
