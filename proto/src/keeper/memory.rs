//! A store in memory: what the real one is tested against, and the disk of the fast simulator.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::element::{ElementKey, ElementPage};
use super::rules::{self, Content, KeyRange, Line, Row, Rows, RowsMut};
use super::store::{
    Expired, HoldingKey, HoldingsPage, ItemStore, StoreError, StoreOp, StoreOutcome, Usage,
};
use crate::time::UnixMillis;

/// Everything a keeper holds, in an ordered map.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<ElementKey, Row>,
    usage: Usage,
    /// The date of the last change.
    changed: UnixMillis,
    /// Something has changed since that was noted.
    has_changed: bool,
}

/// What stands for a row in memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLine {
    expires: UnixMillis,
    size_bytes: u32,
    version: u64,
}

impl MemoryStore {
    /// Makes an empty store that takes up to `cap_bytes`.
    pub fn new(cap_bytes: u64) -> Self {
        let usage = Usage {
            cap_bytes,
            ..Usage::default()
        };
        Self {
            rows: BTreeMap::new(),
            usage,
            changed: UnixMillis::default(),
            has_changed: false,
        }
    }

    fn note_change(&mut self, now: UnixMillis) {
        if std::mem::take(&mut self.has_changed) {
            self.changed = now;
        }
    }

    fn drop_row(&mut self, key: &ElementKey) {
        if let Some(row) = self.rows.remove(key) {
            self.usage.subtract(key.kind, row.payload.len() as u64);
            self.has_changed = true;
        }
    }
}

impl Line for MemoryLine {
    fn expires(self) -> UnixMillis {
        self.expires
    }

    fn size_bytes(self) -> u32 {
        self.size_bytes
    }

    fn version(self) -> u64 {
        self.version
    }
}

fn line_of(row: &Row) -> MemoryLine {
    MemoryLine {
        expires: row.expires,
        size_bytes: u32::try_from(row.payload.len()).unwrap_or(u32::MAX),
        version: row.version,
    }
}

impl Rows for MemoryStore {
    type Line = MemoryLine;
    type Error = Infallible;

    fn line(&self, key: &ElementKey) -> Result<Option<MemoryLine>, Infallible> {
        Ok(self.rows.get(key).map(line_of))
    }

    fn scan(
        &self,
        range: KeyRange,
        end: UnixMillis,
        visit: &mut dyn FnMut(&ElementKey, MemoryLine) -> bool,
    ) -> Result<(), Infallible> {
        let rows = self.rows.range(range).filter(|(_, row)| row.expires > end);
        let mut lines = rows.map(|(key, row)| (key, line_of(row)));
        lines.all(|(key, line)| visit(key, line));
        Ok(())
    }

    fn content(
        &mut self,
        key: &ElementKey,
        _line: MemoryLine,
    ) -> Result<Option<Content>, Infallible> {
        Ok(self.rows.get(key).map(|row| Content {
            deletion_key: row.deletion_key,
            proof: row.proof.clone(),
            payload: row.payload.clone(),
        }))
    }
}

impl RowsMut for MemoryStore {
    fn has_room(&mut self, grown_bytes: u64, _payload_bytes: usize, _proof_bytes: usize) -> bool {
        self.usage.has_room(grown_bytes)
    }

    fn has_room_for_tombstones(&self, grown_bytes: u64) -> bool {
        self.usage.has_room(grown_bytes)
    }

    fn put(&mut self, key: ElementKey, row: Row) -> Result<(), Infallible> {
        self.drop_row(&key);
        self.usage.add(key.kind, row.payload.len() as u64);
        self.rows.insert(key, row);
        self.has_changed = true;
        Ok(())
    }

    fn remove(&mut self, key: &ElementKey) -> Result<(), Infallible> {
        self.drop_row(key);
        Ok(())
    }
}

impl ItemStore for MemoryStore {
    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        let outcomes = ops.into_iter().map(|op| {
            let Ok(outcome) = rules::apply(self, now, op);
            outcome
        });
        let outcomes = outcomes.collect();
        self.note_change(now);
        Ok(outcomes)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        let before = self.usage;
        let mut left = limit;
        let over = self.rows.iter().filter(|(_, row)| row.expires <= now);
        let over = over.map(|(key, _)| *key).filter(|key| {
            let is_dropped = key.kind.is_tombstone() || left > 0;
            left -= usize::from(is_dropped && !key.kind.is_tombstone());
            is_dropped
        });
        let over: Vec<ElementKey> = over.collect();
        for key in over {
            self.drop_row(&key);
        }
        self.note_change(now);
        Ok(Expired {
            items: before.items - self.usage.items,
            bytes: before.bytes - self.usage.bytes,
            more: left == 0,
        })
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn changed(&self) -> UnixMillis {
        self.changed
    }

    fn elements(
        &self,
        now: UnixMillis,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, StoreError> {
        let Ok(page) = rules::elements(self, now, after, limit);
        Ok(page)
    }

    fn holdings(
        &self,
        now: UnixMillis,
        after: Option<HoldingKey>,
        limit: usize,
    ) -> Result<HoldingsPage, StoreError> {
        let Ok(page) = rules::holdings(self, now, after, limit);
        Ok(page)
    }
}
