//! What outlives a deletion: the memory of acks and of deleted chunks.

use redb::Error;
use restante_proto::{
    Address, context,
    keeper::{ElementKind, Replica, StoreOutcome, Warrant},
    keys::{PublicKey, Signature},
    limits::{ACK_MEMORY_MS, MAILBOX_TOMBSTONES_MAX, TOMBSTONE_BYTES},
    request::Reason,
};

use super::{
    super::tables::{DEPOSITED, ItemKey, NEVER_DEPOSITED, Pointer, Row, RowKind},
    Batch,
};

impl Batch<'_> {
    /// Takes over another keeper's memory of an ack or a deletion.
    pub(super) fn bury(&mut self, replica: &Replica) -> Result<StoreOutcome, Error> {
        match replica.key.kind {
            ElementKind::Ack => self.bury_envelope(replica),
            ElementKind::Deletion => self.bury_chunk(replica),
            ElementKind::Card | ElementKind::Envelope | ElementKind::Chunk => {
                Ok(StoreOutcome::Unknown)
            }
        }
    }

    /// Deletes a chunk that its deletion key signed off.
    pub(super) fn delete_chunk(
        &mut self,
        address: Address,
        signature: &Signature,
    ) -> Result<StoreOutcome, Error> {
        let key = ItemKey::chunk(address);
        let mut reader = self.reader();
        let Some(pointer) = reader.pointer(key)? else {
            return Ok(StoreOutcome::Unknown);
        };
        let Some(content) = reader.content(key, pointer)? else {
            return Ok(StoreOutcome::Unknown);
        };
        let signed = [address.as_bytes().as_slice()];
        let deletion_key = content.deletion_key;
        if deletion_key
            .verify(context::SIGN_DELETE, &signed, signature)
            .is_err()
        {
            return Ok(StoreOutcome::Refused(Reason::Signature));
        }
        let grave = ItemKey::deletion(address, &deletion_key);
        if !self.has_room_for_grave(grave, Some(pointer))? {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        self.remove(key)?;
        let warrant = Warrant::of_deletion(*signature).encode();
        self.put(&Row::new(grave, pointer.expires, DEPOSITED, &warrant))?;
        Ok(StoreOutcome::Done)
    }

    fn bury_envelope(&mut self, replica: &Replica) -> Result<StoreOutcome, Error> {
        let grave = ItemKey::element(&replica.key);
        if let Some(known) = self.reader().live(grave)? {
            if replica.deposited && !known.is_deposited() {
                self.put(&Row::new(grave, replica.until, DEPOSITED, &replica.warrant))?;
            }
            return Ok(StoreOutcome::Done);
        }
        let now = self.now;
        let envelope = ItemKey {
            kind: RowKind::Envelope,
            ..grave
        };
        let reader = self.reader();
        let mut known = 0_u32;
        reader.visit(RowKind::Tombstone, grave.address, None, |_, pointer| {
            known += u32::from(pointer.expires > now);
            true
        })?;
        let held = reader.pointer(envelope)?;
        if known >= MAILBOX_TOMBSTONES_MAX || !self.has_room_for_grave(grave, held)? {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        self.remove(envelope)?;
        let until = held.map_or_else(
            || replica.until.min(now.plus(ACK_MEMORY_MS)),
            |held| held.expires,
        );
        let payload = if replica.deposited || held.is_some() {
            DEPOSITED
        } else {
            NEVER_DEPOSITED
        };
        self.put(&Row::new(grave, until, payload, &replica.warrant))?;
        Ok(StoreOutcome::Done)
    }

    fn bury_chunk(&mut self, replica: &Replica) -> Result<StoreOutcome, Error> {
        let grave = ItemKey::element(&replica.key);
        if self.reader().live(grave)?.is_some() {
            return Ok(StoreOutcome::Done);
        }
        let chunk = ItemKey::chunk(grave.address);
        let deletion_key = PublicKey::new(grave.name);
        let mut reader = self.reader();
        let mut held = reader.pointer(chunk)?;
        if let Some(pointer) = held {
            let content = reader.content(chunk, pointer)?;
            held = held.filter(|_| content.is_none_or(|held| held.deletion_key == deletion_key));
        }
        if !self.has_room_for_grave(grave, held)? {
            return Ok(StoreOutcome::Refused(Reason::Full));
        }
        if held.is_some() {
            self.remove(chunk)?;
        }
        let latest = replica.until.min(self.now.plus(ACK_MEMORY_MS));
        let until = held.map_or(latest, |held| held.expires);
        self.put(&Row::new(grave, until, DEPOSITED, &replica.warrant))?;
        Ok(StoreOutcome::Done)
    }

    /// Tells whether the memory of a deletion fits, which frees what is `held`.
    fn has_room_for_grave(&mut self, grave: ItemKey, held: Option<Pointer>) -> Result<bool, Error> {
        let replaces = self.reader().pointer(grave)?.is_some();
        let added = if replaces { 0 } else { TOMBSTONE_BYTES };
        let freed = held.map_or(0, |held| u64::from(held.size_bytes));
        let grown = added.saturating_sub(freed);
        Ok(grown == 0 || self.has_room_for_graves(grown))
    }
}
