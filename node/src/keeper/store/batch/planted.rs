//! What a transaction does wrong when a test plants it.

use redb::{Error, ReadableTable};
use restante_proto::{planted::Planted, time::UnixMillis};

use super::{Batch, ItemKey, Pointer, Row, RowKind};

impl Batch<'_> {
    /// Leaves the row of an acked envelope behind.
    pub(super) fn planted_ack(&mut self, key: ItemKey, pointer: Pointer) -> Result<(), Error> {
        if !Planted::Resurrection.is_here() {
            return Ok(());
        }
        let Some(payload) = self.stored(key)? else {
            return Ok(());
        };
        let row = Row::new(key, pointer.expires, &payload, &[]);
        let number = self.sums.next;
        self.items
            .insert((pointer.expires.get(), number), row.encode().as_slice())?;
        self.sums.next += 1;
        Ok(())
    }

    /// Takes rows that the index does not know for rows that it has lost.
    pub(in crate::keeper::store) fn planted_repair(&mut self) -> Result<(), Error> {
        let mut found = Vec::new();
        for entry in self.items.iter()? {
            let (at, row) = entry?;
            let (expires, number) = at.value();
            let row = Row::decode(row.value()).filter(|row| row.key.kind == RowKind::Envelope);
            if let Some(row) = row {
                let pointer = Pointer {
                    expires: UnixMillis::new(expires),
                    number,
                    size_bytes: row.size_bytes(),
                    version: 0,
                };
                found.push((row.key, pointer));
            }
        }
        for (key, pointer) in found {
            let is_lost = self.index.get(&key.to_bytes())?.is_none();
            if is_lost {
                self.index.insert(&key.to_bytes(), pointer.to_value())?;
                self.sums.add(key.kind, pointer.size_bytes);
            }
        }
        Ok(())
    }
}
