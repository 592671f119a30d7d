//! Rows whose keys lie in the key file: what they held is gone for good once they are replaced or removed.
//!
//! The database never overwrites: the bytes of a row that was replaced stay in its file. A prekey that was destroyed,
//! or the state of a conversation from before a text was read, could be read there by whoever has the pass phrase.
//!
//! # Layout
//!
//! The slot of the key (20), then what it seals.

use std::collections::{BTreeMap, BTreeSet};

use restante_client::records::Change;
use restante_conversation::Secret;
use restante_conversation::rows::{Change as RowChange, Row};
use tracing::{debug, warn};

use super::super::rows::{self, RowError};
use super::{AccountStoreError, EPOCHS, PACKAGES, PREKEYS};
use crate::vault::{BodyError, DbError, MessageKey, SLOT_ID_BYTES, SlotId, Table, Vault, WriteTx};

/// The tables whose rows have keys of their own.
const KEYED: [(Table, &str); 3] = [
    (PREKEYS, "prekeys"),
    (EPOCHS, "epochs"),
    (PACKAGES, "packages"),
];

/// What becomes of rows with keys of their own, by table and key; none for one that goes.
pub(super) type KeyedRows = BTreeMap<(usize, Vec<u8>), Option<Secret>>;

/// A row by its key, opened.
pub(super) type Keyed = (Vec<u8>, Secret);

/// Gathers what changes do to such rows; of several about one row the last counts.
pub(super) fn of_changes(changes: &[Change]) -> KeyedRows {
    let mut keyed = KeyedRows::new();
    for change in changes {
        let (table, key, value) = match change {
            Change::PutPrekey(prekey) => {
                let issued = prekey.public().issued.get().to_be_bytes().to_vec();
                (0, issued, Some(rows::prekey_to_row(prekey)))
            }
            Change::DropPrekey(issued) => (0, issued.get().to_be_bytes().to_vec(), None),
            Change::Conversation(id, RowChange::Put(row, bytes)) if is_keyed(row) => {
                (1, rows::row_key(id, row), Some(bytes.clone()))
            }
            Change::Conversation(id, RowChange::Drop(row)) if is_keyed(row) => {
                (1, rows::row_key(id, row), None)
            }
            Change::PutPackage(own) => {
                let made = own.made.get().to_be_bytes().to_vec();
                (2, made, Some(rows::package_to_row(own)))
            }
            Change::DropPackage(made) => (2, made.get().to_be_bytes().to_vec(), None),
            _ => continue,
        };
        keyed.insert((table, key), value);
    }
    keyed
}

/// Tells whether a row of a conversation is one with a key of its own: those that open texts.
pub(super) const fn is_keyed(row: &Row) -> bool {
    matches!(row, Row::State(_) | Row::Past(_))
}

/// Returns how many keys such rows take.
pub(super) fn keys_wanted(keyed: &KeyedRows) -> usize {
    keyed.values().flatten().count()
}

/// Writes such rows, giving each one of the keys; returns the slots of those that were there before.
pub(super) fn write(
    vault: &Vault,
    tx: &mut WriteTx<'_>,
    keyed: &KeyedRows,
    keys: &[MessageKey],
) -> Result<Vec<SlotId>, AccountStoreError> {
    let mut keys = keys.iter();
    let mut before = Vec::new();
    for ((table, key), value) in keyed {
        let Some((table, name)) = KEYED.get(*table).copied() else {
            continue;
        };
        let known = tx.get(table, key)?;
        before.extend(known.and_then(|row| slot_of(&row)));
        let Some(value) = value else {
            tx.remove(table, key)?;
            continue;
        };
        let Some(with) = keys.next() else { continue };
        let context = context(name, key);
        let sealed = vault
            .keys()
            .seal_body(with, &context, value, &mut rand::rng())?;
        let row = [with.slot().to_bytes().as_slice(), &sealed].concat();
        tx.put(table, key, &row)?;
    }
    Ok(before)
}

/// Destroys the keys of rows that were replaced or removed, once that is durable. Should it fail, the next start does
/// it.
pub(super) fn burn(vault: &Vault, slots: &[SlotId]) {
    if slots.is_empty() {
        return;
    }
    if let Err(error) = vault.keys().burn(slots) {
        warn!(%error, "keys of rows that are gone stay until the next start");
    }
}

/// Reads the rows of one of these tables; those whose keys are gone are left out.
pub(super) fn read(
    vault: &Vault,
    table: Table,
    name: &'static str,
) -> Result<Vec<Keyed>, AccountStoreError> {
    let mut read = Vec::new();
    for row in vault.db().read(|tx| tx.iter(table))? {
        let Some((slot, sealed)) = row.value.split_first_chunk::<SLOT_ID_BYTES>() else {
            return Err(RowError(name).into());
        };
        let context = context(name, &row.key);
        match vault
            .keys()
            .open_body(SlotId::from_bytes(*slot), &context, sealed)
        {
            Ok(value) => read.push((row.key, value)),
            Err(BodyError::Burnt) => debug!("the key of a row is gone"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}

/// Returns the slots that such rows name.
pub(super) fn slots(vault: &Vault) -> Result<BTreeSet<SlotId>, DbError> {
    let mut slots = BTreeSet::new();
    for (table, _) in KEYED {
        let rows = vault.db().read(|tx| tx.iter(table))?;
        slots.extend(rows.iter().filter_map(|row| slot_of(&row.value)));
    }
    Ok(slots)
}

fn slot_of(row: &[u8]) -> Option<SlotId> {
    let slot = row.first_chunk::<SLOT_ID_BYTES>()?;
    Some(SlotId::from_bytes(*slot))
}

/// Binds what is sealed to its row.
fn context(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), b":", key].concat()
}
