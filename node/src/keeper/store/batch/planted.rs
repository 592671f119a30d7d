//! What a transaction does wrong when a test plants it.

use redb::{Error, ReadableTable as _};
use restante_proto::planted::Planted;

use super::{Batch, ItemKey, Pointer, Row, RowKind, Tally, rows_in};

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
        let (mut bytes, at) = (Vec::new(), (pointer.pack().0, self.sums.next));
        row.encode_into(&mut bytes);
        let tally = Tally {
            length: pointer.row_bytes,
            first: pointer.expires,
            ..Tally::default()
        };
        self.packs.insert(at, bytes.as_slice())?;
        self.tallies.insert(at, tally.to_value())?;
        self.sums.next += 1;
        Ok(())
    }

    /// Takes rows that the index does not know for rows that it has lost.
    pub(in crate::keeper::store) fn planted_repair(&mut self) -> Result<(), Error> {
        let mut found = Vec::new();
        for entry in self.packs.iter()? {
            let (at, pack) = entry?;
            let number = at.value().1;
            let rows = rows_in(pack.value()).filter(|(_, row)| row.key.kind == RowKind::Envelope);
            found.extend(rows.map(|(offset, row)| {
                let pointer = Pointer {
                    expires: row.expires,
                    number,
                    offset,
                    row_bytes: u32::try_from(row.len()).unwrap_or(u32::MAX),
                    size_bytes: row.size_bytes(),
                    version: row.version,
                };
                (row.key, pointer)
            }));
        }
        for (key, pointer) in found {
            if self.index.get(&key.to_bytes())?.is_some() {
                continue;
            }
            self.index.insert(&key.to_bytes(), pointer.to_value())?;
            self.sums.add(key.kind, pointer.size_bytes);
            let at = pointer.pack();
            let tally = self.tallies.get(at)?.map(|tally| tally.value());
            let mut tally = tally.map(Tally::from_value).unwrap_or_default();
            tally.add(key.kind, pointer);
            self.tallies.insert(at, tally.to_value())?;
        }
        Ok(())
    }
}
