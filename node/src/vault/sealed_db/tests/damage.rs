//! Files and rows that were changed outside the program.

use std::collections::BTreeMap;

use proptest::prelude::*;
use redb::{ReadableTable, TableDefinition, TableHandle};
use restante_sim_disk::Disk;

use super::*;
use crate::fixture::{bytes, disk_with, file, fill, rot};

/// Where redb's header says which of its two commit slots is the last one.
const PRIMARY_AT: usize = 9;
type RawRow = (Vec<u8>, Vec<u8>);

#[test]
fn every_flipped_byte_of_a_row_is_refused() {
    let disk = Disk::instant(1);
    put(
        &created(&disk),
        CONTACTS,
        &[(b"alice", b"secret of some length")],
    );
    let (table, (hash, sealed)) = contact_row(&disk);
    for at in 0..sealed.len() {
        for flip in [1, 0x80, 0xff] {
            let mut flipped = sealed.clone();
            flipped[at] ^= flip;
            check_damaged(&disk, &table, &[(&hash, Some(&flipped))]);
        }
    }
    for length in 0..sealed.len() {
        check_damaged(&disk, &table, &[(&hash, Some(&sealed[..length]))]);
    }
    let doubled = [sealed.as_slice(), &sealed].concat();
    check_damaged(&disk, &table, &[(&hash, Some(&doubled))]);
    for at in 0..hash.len() {
        let mut moved = hash.clone();
        moved[at] ^= 1;
        check_damaged(&disk, &table, &[(&hash, None), (&moved, Some(&sealed))]);
    }
}

#[test]
fn a_row_moved_to_another_key_or_table_is_refused() {
    let disk = Disk::instant(1);
    let db = created(&disk);
    put(&db, CONTACTS, &[(b"alice", b"trusted")]);
    drop(db);
    let (contacts, (alice, trusted)) = contact_row(&disk);
    let db = reopened(&disk);
    put(&db, CONTACTS, &[(b"mallory", b"blocked")]);
    put(&db, MESSAGES, &[(b"alice", b"hello")]);
    drop(db);
    let rows = raw_rows(&disk);
    let (mallory, _) = rows[&contacts]
        .iter()
        .find(|(hash, _)| *hash != alice)
        .unwrap();
    edit(&disk, &contacts, &[(mallory, Some(&trusted))]);
    let own = own_table();
    let messages = rows
        .keys()
        .find(|table| **table != contacts && **table != own)
        .unwrap();
    let (hello, _) = &rows[messages][0];
    edit(&disk, messages, &[(hello, Some(&trusted))]);
    let db = reopened(&disk);
    let damaged = |table: Table, key: &[u8]| {
        let expected = DbError::DamagedRow {
            table: table.name(),
        };
        assert_eq!(db.read(|tx| tx.get(table, key)), Err(expected));
    };
    damaged(CONTACTS, b"mallory");
    damaged(MESSAGES, b"alice");
    assert!(db.read(|tx| tx.get(CONTACTS, b"alice")).unwrap().is_some());
}

#[test]
fn the_same_value_put_twice_looks_different() {
    let disk = Disk::instant(1);
    put(&created(&disk), CONTACTS, &[(b"a", b"1")]);
    let (_, (hash, first)) = contact_row(&disk);
    put(&reopened(&disk), CONTACTS, &[(b"a", b"1")]);
    let (_, (again, second)) = contact_row(&disk);
    assert_eq!(hash, again);
    assert_ne!(first, second);
    assert_eq!(first.len() % 64, 40, "lengths are padded");
}

#[test]
fn the_bit_that_names_the_last_commit_puts_back_one_transaction_at_most() {
    for closed_cleanly in [false, true] {
        let (mut bytes, expected) = sample_file(closed_cleanly);
        bytes[PRIMARY_AT] ^= 1;
        let db = reopened(&disk_with(&bytes));
        let mut found = contents(&db);
        if found != expected {
            let (last, value) = expected.last_key_value().unwrap();
            found.insert(last.clone(), value.clone());
        }
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn damaged_files_are_refused_or_show_every_row(
        hits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        closed_cleanly in any::<bool>(),
    ) {
        let (sound, expected) = sample_file(closed_cleanly);
        let mut used = used_bytes(&sound);
        // The next test is about this one.
        used.retain(|&at| at != PRIMARY_AT);
        let mut bytes = sound;
        for (at, flip) in hits {
            let at = used[at.index(used.len())];
            bytes[at] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_damaged_file(bytes, &expected);
    }

    #[test]
    fn damage_under_an_open_database_is_found_by_whoever_reads_it(
        seed in any::<u64>(),
        hit_count in 1..20_usize,
    ) {
        let (sound, expected) = sample_file(true);
        let disk = Disk::instant(seed);
        fill(&disk, &sound);
        let db = reopened(&disk);
        prop_assert_eq!(rot(&disk, hit_count), hit_count);
        let read = [CONTACTS, MESSAGES].map(|table| (table, db.read(|tx| tx.iter(table))));
        // Closing writes, and with its own tables changed redb may panic twice, which ends the process
        // (see `engine_panic`). What is asked here is what readers find.
        std::mem::forget(db);
        for (table, read) in read {
            match read {
                Ok(found) => for row in found {
                    let value = expected.get(&(table, row.key));
                    prop_assert_eq!(value, Some(&*row.value));
                },
                Err(
                    DbError::DamagedRow { .. } | DbError::Damaged { .. } | DbError::NeedsReopen
                    | DbError::Disk(_)
                ) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..20_000),
        headed in any::<bool>(),
    ) {
        let mut file = bytes;
        if headed {
            // Looks like a database up to somewhere in the header.
            let (sound, _) = sample_file(true);
            let keep = file.len().min(64 + file.len() % 300);
            file[..keep].copy_from_slice(&sound[..keep]);
        }
        check_damaged_file(file, &BTreeMap::new());
    }
}

/// A damaged file is refused, or what opens is all that was committed.
fn check_damaged_file(bytes: Vec<u8>, expected: &Model) {
    let Ok(db) = open(&disk_with(&bytes)) else {
        return;
    };
    assert_eq!(contents(&db), *expected);
    put(&db, CONTACTS, &[(b"new", b"row")]);
}

/// A file with some rows, closed or as a killed process leaves it, and what it holds or held.
fn sample_file(closed_cleanly: bool) -> (Vec<u8>, Model) {
    let disk = Disk::instant(1);
    let db = created(&disk);
    let mut model = Model::new();
    for number in 0..30_u8 {
        let table = if number % 2 == 0 { CONTACTS } else { MESSAGES };
        let value = vec![number; usize::from(number) * 40];
        put(&db, table, &[(&[number], &value)]);
        model.insert((table, vec![number]), value);
    }
    if closed_cleanly {
        drop(db);
    }
    (bytes(&disk), model)
}

/// The places worth hitting: whatever is not zero, and the bytes around it.
fn used_bytes(file: &[u8]) -> Vec<usize> {
    let near = |at: usize| {
        file[at.saturating_sub(8)..file.len().min(at + 8)]
            .iter()
            .any(|b| *b != 0)
    };
    (0..file.len()).filter(|&at| near(at)).collect()
}

fn raw(disk: &Disk) -> Database {
    Builder::new().create_with_backend(file(disk)).unwrap()
}

const fn raw_table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

/// Everything in the file, by the names on the disk.
fn raw_rows(disk: &Disk) -> BTreeMap<String, Vec<RawRow>> {
    let db = raw(disk);
    let tx = db.begin_read().unwrap();
    let names: Vec<String> = tx
        .list_tables()
        .unwrap()
        .map(|t| t.name().to_owned())
        .collect();
    names
        .into_iter()
        .map(|name| {
            let rows = tx.open_table(raw_table(&name)).unwrap();
            let rows = rows.iter().unwrap().map(|row| {
                let (hash, sealed) = row.unwrap();
                (hash.value().to_vec(), sealed.value().to_vec())
            });
            (name.clone(), rows.collect())
        })
        .collect()
}

/// The name on the disk of the table that holds the format row: known as the first ever made.
fn own_table() -> String {
    let fresh = Disk::instant(1);
    drop(created(&fresh));
    raw_rows(&fresh).into_keys().next().unwrap()
}

/// The table and the row of the only contact.
fn contact_row(disk: &Disk) -> (String, RawRow) {
    let own = own_table();
    let mut others = raw_rows(disk)
        .into_iter()
        .filter(|(table, _)| *table != own);
    let (table, rows) = others.next().unwrap();
    assert_eq!((rows.len(), others.next()), (1, None));
    (table, rows.into_iter().next().unwrap())
}

fn edit(disk: &Disk, table: &str, rows: &[(&[u8], Option<&[u8]>)]) {
    let tx = raw(disk).begin_write().unwrap();
    {
        let mut open = tx.open_table(raw_table(table)).unwrap();
        for (hash, sealed) in rows {
            match sealed {
                Some(sealed) => drop(open.insert(*hash, *sealed).unwrap()),
                None => drop(open.remove(*hash).unwrap()),
            }
        }
    }
    tx.commit().unwrap();
}

/// Edits a copy of the file with plain redb and expects the table to be refused, its name told.
#[track_caller]
fn check_damaged(disk: &Disk, table: &str, rows: &[(&[u8], Option<&[u8]>)]) {
    let copy = disk_with(&bytes(disk));
    edit(&copy, table, rows);
    let db = reopened(&copy);
    let damaged = DbError::DamagedRow { table: "contacts" };
    assert_eq!(db.read(|tx| tx.iter(CONTACTS)).unwrap_err(), damaged);
    let written: Result<(), DbError> = db.write(|tx| {
        tx.iter(CONTACTS)?;
        Ok(())
    });
    assert_eq!(written, Err(damaged.clone()));
    match db.read(|tx| tx.get(CONTACTS, b"alice")) {
        Err(error) => assert_eq!(error, damaged),
        Ok(found) => assert_eq!(found, None, "the row was moved away"),
    }
}
