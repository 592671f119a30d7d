//! Dropping what has expired.

use redb::{Error, ReadableTable as _};
use restante_proto::{keeper::Expired, time::UnixMillis};

use super::{
    super::{
        packs::{Tally, fringe, rows_in},
        reader::Gone,
        tables::{KEY_BYTES, Pointer},
    },
    Batch,
};

impl Batch<'_> {
    /// Drops what is due, as a whole where whole packs are, until about `limit` items are gone.
    pub(in crate::keeper::store) fn sweep(&mut self, limit: usize) -> Result<Expired, Error> {
        let before = self.sums.usage;
        let dropped = self.drop_packs(limit)?;
        // Of packs that are due only in part, row by row.
        let more = dropped >= limit || self.drop_rows(limit - dropped)?;
        let after = self.sums.usage;
        Ok(Expired {
            items: before.items.saturating_sub(after.items),
            bytes: before.bytes.saturating_sub(after.bytes),
            more,
        })
    }

    /// Drops packs in which everything is due, until `limit` rows are gone; returns how many are.
    ///
    /// Their lines in the index stay until [`clear_lines`](Self::clear_lines).
    fn drop_packs(&mut self, limit: usize) -> Result<usize, Error> {
        let (mut rows, mut last) = (0, None);
        for entry in self.tallies.range(..=(self.now.get(), u64::MAX))? {
            if rows >= limit {
                break;
            }
            let (at, tally) = entry?;
            let tally = Tally::from_value(tally.value());
            self.sums.subtract_pack(tally);
            rows += tally.rows() as usize;
            last = Some(at.value());
        }
        if let Some(last) = last {
            self.packs.retain_in(..=last, |_, _| false)?;
            self.tombstones.retain_in(..=last, |_, _| false)?;
            self.tallies.retain_in(..=last, |_, _| false)?;
            self.sums.swept = self.sums.swept.max(self.now);
            self.sums.stale += rows as u64;
            self.changed = true;
        }
        Ok(rows)
    }

    /// Drops single rows that are due, at most `limit`; tells whether there may be more.
    fn drop_rows(&mut self, limit: usize) -> Result<bool, Error> {
        let now = self.now;
        let mut packs = Vec::new();
        for entry in self.tallies.range(fringe(now))? {
            let (at, tally) = entry?;
            if Tally::from_value(tally.value()).first <= now {
                packs.push(at.value());
            }
        }
        let mut left = limit;
        for at in packs {
            let Some(bytes) = self
                .table_of(at)
                .get(at)?
                .map(|bytes| bytes.value().to_vec())
            else {
                continue;
            };
            let (mut due, mut first) = (Vec::new(), None);
            for (offset, row) in rows_in(&bytes) {
                let pointer = self.reader().line(&row.key)?;
                if !pointer.is_some_and(|held| held.pack() == at && held.offset == offset) {
                    continue;
                }
                if row.expires <= now {
                    due.push(row.key);
                } else {
                    first = Some(first.map_or(row.expires, |first| row.expires.min(first)));
                }
            }
            let is_last = due.len() >= left;
            due.truncate(left);
            left -= due.len();
            for key in due {
                self.remove_row(&key)?;
            }
            if is_last {
                return Ok(true);
            }
            self.note_first(at, first)?;
        }
        Ok(false)
    }

    /// Notes when the first of a pack's rows expires, if it is there any more.
    fn note_first(&mut self, at: (u64, u64), first: Option<UnixMillis>) -> Result<(), Error> {
        let tally = self.tallies.get(at)?.map(|tally| tally.value());
        if let (Some(tally), Some(first)) = (tally, first) {
            let tally = Tally {
                first,
                ..Tally::from_value(tally)
            };
            self.tallies.insert(at, tally.to_value())?;
            self.changed = true;
        }
        Ok(())
    }

    /// Clears away the lines of the index from `first` to `last` whose packs are gone.
    pub(in crate::keeper::store) fn clear_lines(
        &mut self,
        first: &[u8; KEY_BYTES],
        last: &[u8; KEY_BYTES],
    ) -> Result<(), Error> {
        let Self {
            tallies,
            index,
            sums,
            ..
        } = self;
        let gone = Gone::new(tallies, sums.swept)?;
        let mut met = None;
        index.retain_in::<&[u8; KEY_BYTES], _>(first..=last, |_, line| {
            let found = gone.has(tallies, Pointer::from_value(line));
            found.map_or_else(
                |error| {
                    met.get_or_insert(error);
                    true
                },
                |is_gone| !is_gone,
            )
        })?;
        self.changed = true;
        met.map_or(Ok(()), Err)
    }
}
