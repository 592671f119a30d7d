//! Reading and writing rows inside a transaction.

use std::sync::MutexGuard;

use rand::rngs::StdRng;
use redb::{Durability, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use zeroize::Zeroizing;

use super::row::{Row, Table, TableKeys};
use super::{DbError, SealedDb};
use crate::engine_panic::guarded;

/// A snapshot of what was last committed.
pub struct ReadTx<'db> {
    db: &'db SealedDb,
    tx: ReadTransaction,
}

/// A transaction that writes; it sees its own changes.
pub struct WriteTx<'db> {
    db: &'db SealedDb,
    tx: WriteTransaction,
    rng: MutexGuard<'db, StdRng>,
    error: Option<DbError>,
}

impl<'db> ReadTx<'db> {
    pub(super) const fn new(db: &'db SealedDb, tx: ReadTransaction) -> Self {
        Self { db, tx }
    }

    /// Returns the value under `key`.
    ///
    /// # Errors
    ///
    /// [`DbError::DamagedRow`], [`DbError::Disk`] or [`DbError::Damaged`].
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        self.with_table(&keys, None, |rows| get(self.db, &keys, rows, key))
    }

    /// Returns every row of a table, ordered by natural key.
    ///
    /// Decrypts and holds the whole table, whatever the caller then wants of it: about 5 us for a
    /// row of 1 KiB, 80 us for one of 64 KiB. There is no scan of a range, because rows lie in the
    /// order of their hashes. Right for the tables of a personal store, of some thousand rows; one
    /// that grows beyond is to be split into tables, or walked with [`ReadTx::visit`].
    ///
    /// # Errors
    ///
    /// As [`ReadTx::get`].
    pub fn iter(&self, table: Table) -> Result<Vec<Row>, DbError> {
        sorted(|collect| self.visit(table, collect))
    }

    /// Hands every row of a table to `visitor`, in no useful order, holding one row at a time.
    ///
    /// # Errors
    ///
    /// As [`ReadTx::get`], or what `visitor` returned, which ends the visit.
    pub fn visit<E: From<DbError>>(
        &self,
        table: Table,
        visitor: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = TableKeys::new(&self.db.key, table);
        self.with_table(&keys, Ok(()), |rows| {
            Ok(visit(self.db, &keys, rows, visitor))
        })?
    }

    /// Returns how many rows a table has, without reading them.
    ///
    /// # Errors
    ///
    /// [`DbError::Disk`] or [`DbError::Damaged`].
    pub fn count(&self, table: Table) -> Result<u64, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        self.with_table(&keys, 0, |rows| count(self.db, rows))
    }

    /// A table that was never written to is an empty one.
    fn with_table<T>(
        &self,
        keys: &TableKeys,
        empty: T,
        work: impl FnOnce(&redb::ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let opened = self
            .db
            .watched(|| match self.tx.open_table(definition(keys)) {
                Ok(rows) => Ok(Some(rows)),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error),
            })?;
        opened.map_or(Ok(empty), |rows| work(&rows))
    }
}

impl<'db> WriteTx<'db> {
    pub(super) fn begin(db: &'db SealedDb, rng: MutexGuard<'db, StdRng>) -> Result<Self, DbError> {
        let database = db.database()?;
        let mut tx = db.watched(|| database.begin_write())?;
        db.watched(|| tx.set_durability(Durability::Immediate))?;
        tx.set_two_phase_commit(true);
        // Saves the free-page map with every commit, so that opening after a crash is quick.
        tx.set_quick_repair(true);
        Ok(Self {
            db,
            tx,
            rng,
            error: None,
        })
    }

    /// Puts `value` under `key`, in place of what was there.
    ///
    /// # Errors
    ///
    /// [`DbError::TooLong`], [`DbError::Disk`] or [`DbError::Damaged`]; each rolls the whole
    /// transaction back.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        let hash = keys.hash(key);
        let sealed = keys.seal(&mut *self.rng, &hash, key, value);
        let done = sealed.and_then(|sealed| {
            self.with_table(&keys, |rows| {
                self.db
                    .watched(|| rows.insert(hash.as_slice(), sealed.as_slice()).map(drop))
            })
        });
        self.noted(done)
    }

    /// Removes the row under `key`; returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`DbError::Disk`] or [`DbError::Damaged`]; each rolls the whole transaction back.
    pub fn remove(&mut self, table: Table, key: &[u8]) -> Result<bool, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        let hash = keys.hash(key);
        let done = self.with_table(&keys, |rows| {
            self.db
                .watched(|| rows.remove(hash.as_slice()).map(|old| old.is_some()))
        });
        self.noted(done)
    }

    /// Returns the value under `key`, changes of this transaction included.
    ///
    /// # Errors
    ///
    /// [`DbError::DamagedRow`], [`DbError::Disk`] or [`DbError::Damaged`]; each rolls the whole
    /// transaction back.
    pub fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        let found = self.with_table(&keys, |rows| get(self.db, &keys, rows, key));
        self.noted(found)
    }

    /// Returns every row of a table, ordered by natural key; costs what [`ReadTx::iter`] costs.
    ///
    /// # Errors
    ///
    /// As [`WriteTx::get`].
    pub fn iter(&mut self, table: Table) -> Result<Vec<Row>, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        let found = self.with_table(&keys, |rows| {
            sorted(|collect| visit(self.db, &keys, rows, collect))
        });
        self.noted(found)
    }

    /// Returns how many rows a table has, changes of this transaction included.
    ///
    /// # Errors
    ///
    /// [`DbError::Disk`] or [`DbError::Damaged`]; each rolls the whole transaction back.
    pub fn count(&mut self, table: Table) -> Result<u64, DbError> {
        let keys = TableKeys::new(&self.db.key, table);
        let found = self.with_table(&keys, |rows| count(self.db, rows));
        self.noted(found)
    }

    pub(super) fn error(&self) -> Option<DbError> {
        self.error.clone()
    }

    pub(super) fn commit(self) -> Result<(), DbError> {
        let Self { db, tx, .. } = self;
        db.watched(|| tx.commit())
    }

    pub(super) fn abort(self) {
        let Self { db, tx, .. } = self;
        // Whether it worked matters to the next transaction alone, which finds the database broken.
        let _known_broken = db.watched(|| tx.abort());
    }

    fn with_table<T>(
        &self,
        keys: &TableKeys,
        work: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut rows = self.db.watched(|| self.tx.open_table(definition(keys)))?;
        let done = work(&mut rows);
        // Closing a table writes its root into the transaction. It has a guard of its own, because
        // a panic while another one unwinds would end the process.
        guarded(|| drop(rows)).map_or(Err(DbError::NeedsReopen), |()| done)
    }

    fn noted<T>(&mut self, done: Result<T, DbError>) -> Result<T, DbError> {
        if let Err(error) = &done {
            self.error.get_or_insert_with(|| error.clone());
        }
        done
    }
}

type Rows<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

fn definition(keys: &TableKeys) -> Rows<'_> {
    TableDefinition::new(&keys.disk_name)
}

fn get(
    db: &SealedDb,
    keys: &TableKeys,
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, DbError> {
    let hash = keys.hash(key);
    // The bytes are copied inside the watched call, because finding them in their page is the
    // engine's work too.
    let sealed = db.watched(|| -> Result<Option<Vec<u8>>, redb::StorageError> {
        Ok(rows
            .get(hash.as_slice())?
            .map(|sealed| sealed.value().to_vec()))
    })?;
    sealed
        .map(|sealed| Ok(keys.open(&hash, &sealed)?.value))
        .transpose()
}

fn visit<E: From<DbError>>(
    db: &SealedDb,
    keys: &TableKeys,
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    mut visitor: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut range = db.watched(|| rows.iter())?;
    while let Some((hash, sealed)) = db.watched(|| {
        let next = range.next().transpose()?;
        let copied = next.map(|(hash, sealed)| (hash.value().to_vec(), sealed.value().to_vec()));
        Ok::<_, redb::StorageError>(copied)
    })? {
        visitor(keys.open(&hash, &sealed)?)?;
    }
    Ok(())
}

fn count(
    db: &SealedDb,
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<u64, DbError> {
    db.watched(|| rows.len())
}

fn sorted(
    visit: impl FnOnce(&mut dyn FnMut(Row) -> Result<(), DbError>) -> Result<(), DbError>,
) -> Result<Vec<Row>, DbError> {
    let mut rows = Vec::new();
    visit(&mut |row| {
        rows.push(row);
        Ok(())
    })?;
    rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Ok(rows)
}
