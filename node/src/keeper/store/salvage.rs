//! Finds items in a damaged file.
//!
//! Every row begins with a mark and carries its own hash, so rows are found wherever they lie, with
//! no table in between. A file also holds what it has dropped: pages are reused, not cleared. Of
//! what was acked the tombstone is found as well and wins; of a card the highest sequence wins;
//! what has expired goes with the next sweep. A chunk deleted by its owner may come back until its
//! expiry.
//!
//! Nothing is believed only because its hash fits: anybody can put such bytes into an envelope. An
//! envelope and a chunk must lie at the hash of their bytes, and a card must be signed.

use redb::StorageBackend;
use restante_proto::{
    card::CardRecord,
    envelope::id_of,
    keeper::{
        AdmissionProof, ElementKind, StoreError,
        rules::{DEPOSITED, NEVER_DEPOSITED},
    },
    time::UnixMillis,
};

use super::{
    RedbStore,
    error::io_error,
    tables::{ROW_BYTES_MAX, Row, next_mark},
};

/// How much of the file is searched at once, in bytes; consecutive windows overlap by one row.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Rows copied in one transaction.
const ROWS_PER_COMMIT: usize = 256;
/// Unreadable places are left out in steps of this many bytes, the unit in which disks fail.
const SECTOR_BYTES: usize = 4096;

/// Copies every sound row of `damaged` into `store`.
///
/// # Errors
///
/// [`StoreError`] of the new store; what cannot be read of the old one is left out.
pub(super) fn copy(damaged: &dyn StorageBackend, store: &mut RedbStore) -> Result<(), StoreError> {
    let length = damaged.len().map_err(|error| io_error(&error))?;
    let mut at = 0;
    let mut found = Vec::new();
    while at < length {
        let window = read_window(damaged, at, length);
        let is_last = at + window.len() as u64 >= length;
        // A row that begins in the overlap is whole in the next window.
        let end = if is_last {
            window.len()
        } else {
            window.len() - ROW_BYTES_MAX
        };
        let mut offset = 0;
        while let Some(start) = next_mark(&window, offset, end) {
            let row = Row::decode_first(&window[start..]).filter(is_credible);
            // What lies inside a sound row is its depositor's, and is not searched.
            offset = start + row.map_or(1, |row| row.len());
            if row.is_some() {
                found.push(window[start..offset].to_vec());
            }
            if found.len() >= ROWS_PER_COMMIT {
                put(store, &mut found)?;
            }
        }
        at += offset.max(end) as u64;
    }
    put(store, &mut found)
}

fn put(store: &mut RedbStore, found: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
    let rows = std::mem::take(found);
    store.write(UnixMillis::default(), |batch| {
        for row in rows.iter().filter_map(|row| Row::decode_first(row)) {
            batch.put_salvaged(&row)?;
        }
        Ok(())
    })
}

/// Reads a window, zeros in place of what cannot be read.
fn read_window(damaged: &dyn StorageBackend, at: u64, length: u64) -> Vec<u8> {
    let rest = usize::try_from(length - at).unwrap_or(usize::MAX);
    let mut window = vec![0; rest.min(WINDOW_BYTES)];
    if damaged.read(at, &mut window).is_err() {
        for (number, sector) in window.chunks_mut(SECTOR_BYTES).enumerate() {
            if damaged
                .read(at + (number * SECTOR_BYTES) as u64, sector)
                .is_err()
            {
                sector.fill(0);
            }
        }
    }
    window
}

fn is_credible(row: &Row<'_>) -> bool {
    let key = &row.key;
    if AdmissionProof::decode(row.proof).is_err() {
        return false;
    }
    match key.kind {
        ElementKind::Envelope => *id_of(row.payload).as_bytes() == key.name,
        ElementKind::Chunk => *id_of(row.payload).as_bytes() == *key.address.as_bytes(),
        ElementKind::Card => CardRecord::decode(row.payload).is_ok_and(|record| {
            record.locator == key.address
                && *record.writer.as_bytes() == key.name
                && record.expires == row.expires
                && record.verify().is_ok()
        }),
        ElementKind::Deletion => row.payload.is_empty(),
        ElementKind::Ack => [DEPOSITED, NEVER_DEPOSITED].contains(&row.payload),
    }
}

const _: () = assert!(WINDOW_BYTES > 2 * ROW_BYTES_MAX);
