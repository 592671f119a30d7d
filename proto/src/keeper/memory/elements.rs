//! Elements of a store in memory: listed, handed over, and taken from others.

use bytes::Bytes;

use super::{Acked, MemoryStore};
use crate::{
    ItemId,
    keeper::{Element, ElementKey, ElementKind, ElementPage, Replica, StoreOutcome, Usage},
    keys::PublicKey,
    limits::{
        ACK_MEMORY_MS, MAILBOX_TOMBSTONES_MAX, REPLICA_HEAD_BYTES, REPLICAS_BYTES_MAX,
        TOMBSTONE_BYTES,
    },
    request::Reason,
    time::UnixMillis,
};

impl MemoryStore {
    pub(super) fn element_page(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> ElementPage {
        let keys = self.warrants.keys();
        let later = keys.filter(|key| after.is_none_or(|after| **key > after));
        let elements: Vec<Element> = later
            .filter_map(|key| self.element(now, key))
            .take(limit)
            .collect();
        let last = elements.last().map(|element| element.key);
        let next = last.filter(|_| elements.len() == limit);
        ElementPage { elements, next }
    }

    pub(super) fn export(&self, now: UnixMillis, keys: &[ElementKey]) -> StoreOutcome {
        let mut bytes = 0;
        let mut replicas = Vec::new();
        for key in keys {
            let Some(element) = self.element(now, key) else {
                continue;
            };
            let item = self.item(key);
            let warrant = self.warrants.get(key).cloned().unwrap_or_default();
            bytes += item.len() + warrant.len() + REPLICA_HEAD_BYTES;
            if bytes > REPLICAS_BYTES_MAX {
                break;
            }
            let acked = self.acked.get(&(key.address, ItemId::new(key.name)));
            replicas.push(Replica {
                key: *key,
                until: element.expires,
                item,
                deposited: key.kind == ElementKind::Ack
                    && acked.is_some_and(|acked| acked.deposited),
                warrant,
            });
        }
        StoreOutcome::Replicas(replicas)
    }

    pub(super) fn lacking(&self, now: UnixMillis, mut elements: Vec<Element>) -> StoreOutcome {
        elements.retain(|element| {
            let key = &element.key;
            let is_buried = key.kind == ElementKind::Envelope
                && self
                    .element(
                        now,
                        &ElementKey {
                            kind: ElementKind::Ack,
                            ..*key
                        },
                    )
                    .is_some();
            let held = self.element(now, key);
            !is_buried && held.is_none_or(|held| held.version < element.version)
        });
        StoreOutcome::Lacking(elements)
    }

    pub(super) fn bury(&mut self, now: UnixMillis, replica: Replica) -> StoreOutcome {
        match replica.key.kind {
            ElementKind::Ack => self.bury_envelope(now, replica),
            ElementKind::Deletion => self.bury_chunk(now, replica),
            ElementKind::Card | ElementKind::Envelope | ElementKind::Chunk => StoreOutcome::Unknown,
        }
    }

    pub(super) fn forget_warrants(&mut self) {
        let mut warrants = std::mem::take(&mut self.warrants);
        warrants.retain(|key, _| self.expiry(key).is_some());
        self.warrants = warrants;
    }

    fn bury_envelope(&mut self, now: UnixMillis, replica: Replica) -> StoreOutcome {
        let (address, id) = (replica.key.address, ItemId::new(replica.key.name));
        let key = (address, id);
        if let Some(acked) = self.acked.get_mut(&key).filter(|acked| acked.is_live(now)) {
            if replica.deposited && !acked.deposited {
                *acked = Acked {
                    until: replica.until,
                    deposited: true,
                };
                self.warrants.insert(replica.key, replica.warrant);
            }
            return StoreOutcome::Done;
        }
        let live = self.acked.iter().filter(|(_, acked)| acked.is_live(now));
        let known = live.filter(|((at, _), _)| *at == address).count();
        let freed = self
            .envelopes
            .get(&key)
            .map_or(0, |held| held.envelope.len() as u64);
        let is_crowded = known >= usize::try_from(MAILBOX_TOMBSTONES_MAX).unwrap_or(usize::MAX);
        let replaces = self.acked.contains_key(&key);
        if is_crowded || !has_room_for_tombstone(&self.usage_now(), replaces, freed) {
            return StoreOutcome::Refused(Reason::Full);
        }
        let held = self.envelopes.remove(&key);
        self.warrants.remove(&ElementKey::envelope(address, id));
        let latest = replica.until.min(now.plus(ACK_MEMORY_MS));
        let until = held.as_ref().map_or(latest, |held| held.expires);
        let deposited = replica.deposited || held.is_some();
        self.acked.insert(key, Acked { until, deposited });
        self.warrants.insert(replica.key, replica.warrant);
        StoreOutcome::Done
    }

    fn bury_chunk(&mut self, now: UnixMillis, replica: Replica) -> StoreOutcome {
        let (address, deletion_key) = (replica.key.address, PublicKey::new(replica.key.name));
        let key = (address, deletion_key);
        if self.deletions.get(&key).is_some_and(|until| *until > now) {
            return StoreOutcome::Done;
        }
        let held = self
            .chunks
            .get(&address)
            .filter(|(_, key)| *key == deletion_key);
        let held = held.map(|(held, _)| (held.envelope.len() as u64, held.expires));
        let replaces = self.deletions.contains_key(&key);
        let freed = held.map_or(0, |(bytes, _)| bytes);
        if !has_room_for_tombstone(&self.usage_now(), replaces, freed) {
            return StoreOutcome::Refused(Reason::Full);
        }
        if held.is_some() {
            self.chunks.remove(&address);
            self.warrants.remove(&ElementKey::chunk(address));
        }
        let latest = replica.until.min(now.plus(ACK_MEMORY_MS));
        let until = held.map_or(latest, |(_, until)| until);
        self.deletions.insert(key, until);
        self.warrants.insert(replica.key, replica.warrant);
        StoreOutcome::Done
    }

    fn usage_now(&self) -> Usage {
        use crate::keeper::ItemStore as _;
        self.usage()
    }

    fn element(&self, now: UnixMillis, key: &ElementKey) -> Option<Element> {
        let expires = self.expiry(key).filter(|expires| *expires > now)?;
        let card = self.cards.get(&(key.address, PublicKey::new(key.name)));
        let version = card.filter(|_| key.kind == ElementKind::Card);
        Some(Element {
            key: *key,
            expires,
            version: version.map_or(0, |record| record.sequence),
        })
    }

    fn expiry(&self, key: &ElementKey) -> Option<UnixMillis> {
        let (id, name) = (ItemId::new(key.name), PublicKey::new(key.name));
        match key.kind {
            ElementKind::Card => self
                .cards
                .get(&(key.address, name))
                .map(|card| card.expires),
            ElementKind::Envelope => self
                .envelopes
                .get(&(key.address, id))
                .map(|held| held.expires),
            ElementKind::Chunk => self.chunks.get(&key.address).map(|(held, _)| held.expires),
            ElementKind::Ack => self.acked.get(&(key.address, id)).map(|acked| acked.until),
            ElementKind::Deletion => self.deletions.get(&(key.address, name)).copied(),
        }
    }

    fn item(&self, key: &ElementKey) -> Bytes {
        let (id, name) = (ItemId::new(key.name), PublicKey::new(key.name));
        let item = match key.kind {
            ElementKind::Card => self
                .cards
                .get(&(key.address, name))
                .map(|card| card.encode().into()),
            ElementKind::Envelope => self
                .envelopes
                .get(&(key.address, id))
                .map(|held| held.envelope.clone()),
            ElementKind::Chunk => self
                .chunks
                .get(&key.address)
                .map(|(held, _)| held.envelope.clone()),
            ElementKind::Ack | ElementKind::Deletion => None,
        };
        item.unwrap_or_default()
    }
}

/// Tells whether one more tombstone fits, which takes the place of an old one or of `freed` bytes, or of neither.
fn has_room_for_tombstone(usage: &Usage, replaces: bool, freed: u64) -> bool {
    let added = if replaces { 0 } else { TOMBSTONE_BYTES };
    let grown = added.saturating_sub(freed);
    grown == 0 || usage.has_room(grown)
}
