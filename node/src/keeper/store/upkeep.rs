//! What a store does beside its operations: drop what has expired, and clear away the lines that lead to it.
//!
//! Packs that are due go first, whole, in slices: with them their space is back and their items count no more. The
//! lines of the index that led to them are cleared away in a pass through the whole table, in slices as well, once
//! there are enough of them to be worth it or some sweeps have gone by. No answer depends on it.

use restante_proto::{
    keeper::{ElementKey, Expired, SWEEP_INTERVAL_MS, StoreError},
    limits::HOUR_MS,
    time::UnixMillis,
};

use super::{
    Batch, KEY_BYTES, RedbStore,
    reader::{Gone, SnapshotReader},
    tables::Pointer,
};

/// Lines looked at in one slice of a pass.
pub(super) const SLICE_LINES: usize = 16_384;
/// One line in this many may be left over without a pass being due.
const LINES_PER_STALE: u64 = 64;
/// A pass is due so many sweeps after the last one, however few lines are left over: about an hour.
pub(super) const SWEEPS_PER_PASS: u64 = HOUR_MS / SWEEP_INTERVAL_MS;

/// What of it is under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Nothing expires before, never if there is nothing; none when that has to be read again.
    first_expiry: Option<UnixMillis>,
    pass: Option<Pass>,
    /// Sweeps since the last pass; none since the store was opened makes one due.
    sweeps: Option<u64>,
}

/// A pass through the index.
#[derive(Clone, Copy, Debug)]
struct Pass {
    /// The last line that was looked at.
    after: Option<[u8; KEY_BYTES]>,
    /// Lines that were left over when it began.
    stale: u64,
}

/// A slice of the index.
struct Slice {
    first: [u8; KEY_BYTES],
    last: [u8; KEY_BYTES],
    /// Something in it is left over.
    is_stale: bool,
    is_full: bool,
}

impl Upkeep {
    /// Notes that items have come or gone.
    pub(super) const fn forget_first(&mut self) {
        self.first_expiry = None;
    }
}

impl RedbStore {
    /// Drops about `limit` items that are due, or else clears away a slice of what led to them.
    pub(super) fn keep_up(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        let first_expiry = match self.upkeep.first_expiry {
            Some(known) => known,
            None => self.read(|rows| rows.reader.first_expiry())?.0,
        };
        self.upkeep.first_expiry = Some(first_expiry);
        self.upkeep.sweeps = self.upkeep.sweeps.map(|sweeps| sweeps + 1);
        let mut expired = Expired::default();
        if first_expiry <= now || !self.damaged.is_empty() {
            let damaged: Vec<ElementKey> = std::mem::take(&mut self.damaged).into_iter().collect();
            expired = self.write(now, |batch| {
                batch.drop_damaged(&damaged)?;
                batch.sweep(limit)
            })?;
        }
        if !expired.more && self.is_pass_due() {
            expired.more = self.pass(now)?;
        }
        Ok(expired)
    }

    fn is_pass_due(&self) -> bool {
        let stale = self.sums.stale;
        let sweeps = self.upkeep.sweeps;
        let is_time = sweeps.is_none_or(|sweeps| sweeps >= SWEEPS_PER_PASS);
        self.upkeep.pass.is_some()
            || stale > 0 && (is_time || stale > self.sums.lines / LINES_PER_STALE)
    }

    /// Clears away a slice; tells whether there is more of the index.
    fn pass(&mut self, now: UnixMillis) -> Result<bool, StoreError> {
        let pass = self.upkeep.pass.unwrap_or(Pass {
            after: None,
            stale: self.sums.stale,
        });
        let (slice, _) = self.read(|rows| slice_of(&rows.reader, pass.after))?;
        let is_last = !slice.is_full;
        if is_last || slice.is_stale {
            self.write(now, |batch: &mut Batch<'_>| {
                if slice.is_stale {
                    batch.clear_lines(&slice.first, &slice.last)?;
                }
                if is_last {
                    // What was left over since then is for the next pass.
                    batch.sums.stale = batch.sums.stale.saturating_sub(pass.stale);
                    batch.changed = true;
                }
                Ok(())
            })?;
        }
        self.upkeep.pass = (!is_last).then_some(Pass {
            after: Some(slice.last),
            ..pass
        });
        if is_last {
            self.upkeep.sweeps = Some(0);
        }
        Ok(!is_last)
    }
}

/// Looks at the lines after `after`.
fn slice_of(
    reader: &SnapshotReader<'_>,
    after: Option<[u8; KEY_BYTES]>,
) -> Result<Slice, redb::Error> {
    let gone = Gone::new(reader.tallies, reader.swept.unwrap_or_default())?;
    let first = after.unwrap_or([0; KEY_BYTES]);
    let (mut last, mut is_stale, mut lines) = (first, false, 0);
    for line in reader.index.range::<&[u8; KEY_BYTES]>(&first..)? {
        let (key, value) = line?;
        last = *key.value();
        lines += 1;
        // Once there is one, clearing finds the others.
        is_stale = is_stale || gone.has(reader.tallies, Pointer::from_value(value.value()))?;
        if lines == SLICE_LINES {
            break;
        }
    }
    Ok(Slice {
        first,
        last,
        is_stale,
        is_full: lines == SLICE_LINES,
    })
}
