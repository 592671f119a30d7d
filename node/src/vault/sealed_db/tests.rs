mod damage;

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::RngExt;
use rand::rngs::StdRng;
use restante_sim_disk::Disk;

use crate::engine_panic::panic_is_caught;

use super::*;
use crate::fixture::{disk_with, file, leave_room, seeded};

const CONTACTS: Table = Table::new("contacts");
const MESSAGES: Table = Table::new("messages");

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[test]
fn what_was_put_is_there_in_natural_order_after_opening_again() {
    let disk = Disk::instant(1);
    let db = created(&disk);
    assert!(iter(&db, CONTACTS).is_empty());
    put(
        &db,
        CONTACTS,
        &[(b"b", b"2"), (b"", b"no key"), (b"a", b""), (b"ab", b"3")],
    );
    put(&db, MESSAGES, &[(b"a", b"other table")]);
    let mut db = Some(db);
    for again in [false, true] {
        let db = if again {
            reopened(&disk)
        } else {
            db.take().unwrap()
        };
        let expected = [
            (&b""[..], &b"no key"[..]),
            (b"a", b""),
            (b"ab", b"3"),
            (b"b", b"2"),
        ];
        let rows = iter(&db, CONTACTS);
        assert!(
            rows.iter()
                .map(|(k, v)| (k.as_slice(), v.as_slice()))
                .eq(expected)
        );
        let got = db.read(|tx| tx.get(MESSAGES, b"a")).unwrap().unwrap();
        assert_eq!(got.as_slice(), b"other table");
        assert_eq!(db.read(|tx| tx.get(MESSAGES, b"b")), Ok(None));
        assert_eq!(db.read(|tx| tx.count(CONTACTS)), Ok(4));
        assert_eq!(db.read(|tx| tx.count(Table::new("never written"))), Ok(0));
    }
}

#[test]
fn an_error_rolls_everything_back() {
    #[derive(Debug, PartialEq)]
    enum Refusal {
        Own,
        Db(DbError),
    }
    impl From<DbError> for Refusal {
        fn from(error: DbError) -> Self {
            Self::Db(error)
        }
    }
    let db = created(&Disk::instant(1));
    let refused = db.write(|tx| {
        tx.put(CONTACTS, b"a", b"1")?;
        assert_eq!(
            tx.iter(CONTACTS)?.len(),
            1,
            "a transaction sees its own changes"
        );
        Err::<(), _>(Refusal::Own)
    });
    assert_eq!(refused, Err(Refusal::Own));
    // An error rolls back even when the caller goes on after it.
    let limit = ROW_KEY_BYTES_MAX;
    let swallowed = db.write(|tx| {
        tx.put(CONTACTS, b"b", b"1")?;
        let _ignored = tx.put(CONTACTS, &vec![0; limit + 1], b"");
        Ok::<_, Refusal>(())
    });
    let error = DbError::TooLong {
        table: "contacts",
        got: limit + 1,
        limit,
    };
    assert_eq!(swallowed, Err(Refusal::Db(error)));
    assert!(iter(&db, CONTACTS).is_empty());
    put(&db, CONTACTS, &[(b"c", b"it still works")]);
}

#[test]
fn the_longest_row_fits_and_one_byte_more_does_not() {
    let db = created(&Disk::instant(1));
    let (key, value) = (vec![1; ROW_KEY_BYTES_MAX], vec![2; ROW_VALUE_BYTES_MAX]);
    put(&db, CONTACTS, &[(&key, &value)]);
    assert_eq!(
        db.read(|tx| tx.get(CONTACTS, &key))
            .unwrap()
            .unwrap()
            .as_slice(),
        value
    );
    let got = ROW_VALUE_BYTES_MAX + 1;
    let refused = db.write(|tx| tx.put(CONTACTS, b"k", &vec![0; got]));
    let limit = ROW_VALUE_BYTES_MAX;
    assert_eq!(
        refused,
        Err(DbError::TooLong {
            table: "contacts",
            got,
            limit
        })
    );
}

#[test]
fn another_store_key_and_other_files_are_refused() {
    let disk = Disk::instant(1);
    put(&created(&disk), CONTACTS, &[(b"a", b"1")]);
    let other = StoreKey::random(&mut seeded(77));
    let opened = SealedDb::open_with_backend(file(&disk), &other, &mut seeded(1));
    assert_eq!(opened.unwrap_err(), DbError::WrongKey);
    assert_eq!(
        SealedDb::create_with_backend(file(&disk), &key(), &mut seeded(1)).unwrap_err(),
        DbError::AlreadyThere
    );
    let empty = open(&Disk::instant(1)).unwrap_err();
    assert_eq!(empty, DbError::Damaged { why: "it is empty" });
    for bytes in [
        vec![0; 1],
        vec![0; 4096],
        vec![0xff; 100_000],
        b"SQLite format 3\0".repeat(999),
    ] {
        let error = open(&disk_with(&bytes)).unwrap_err();
        assert!(matches!(error, DbError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_second_opener_is_told_that_the_database_is_in_use() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store.redb");
    let rng = &mut seeded(1);
    assert_eq!(
        SealedDb::open(&path, &key(), rng).unwrap_err(),
        DbError::Missing
    );
    let db = SealedDb::create(&path, &key(), rng).unwrap();
    assert_eq!(
        SealedDb::open(&path, &key(), rng).unwrap_err(),
        DbError::InUse
    );
    assert_eq!(
        SealedDb::create(&path, &key(), rng).unwrap_err(),
        DbError::AlreadyThere
    );
    put(&db, CONTACTS, &[(b"a", b"1")]);
    db.close().unwrap();
    let db = SealedDb::open(&path, &key(), rng).unwrap();
    assert_eq!(iter(&db, CONTACTS).len(), 1);
    // A file that turned out to be damaged is let go of again.
    drop(db);
    std::fs::write(&path, vec![3; 10_000]).unwrap();
    for _ in 0..2 {
        let error = SealedDb::open(&path, &key(), rng).unwrap_err();
        assert!(matches!(error, DbError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_panic_of_the_engine_is_caught_and_known_to_be() {
    assert!(!panic_is_caught());
    assert_eq!(guarded(panic_is_caught), Some(true));
    let nested = guarded(|| {
        (
            guarded(|| panic!("a test of catching panics")),
            panic_is_caught(),
        )
    });
    assert_eq!(nested, Some((None::<()>, true)));
    assert!(!panic_is_caught());
}

#[test]
fn a_full_disk_loses_nothing_that_was_committed() {
    for room in [0, 1, 2, 3, 5, 8, 13, 40] {
        let disk = Disk::instant(1);
        let db = created(&disk);
        leave_room(&disk, room);
        let mut committed = 0_u32;
        let error = loop {
            match put_numbered(&db, committed) {
                Ok(()) => committed += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, DbError::Disk(DiskError::Full), "room {room}");
        assert_eq!(put_numbered(&db, committed), Err(DbError::NeedsReopen));
        assert_eq!(db.read(|tx| tx.count(MESSAGES)), Err(DbError::NeedsReopen));
        drop(db);
        // Opening on a disk that is still full works or says that it is full, and harms nothing.
        match open(&disk) {
            Ok(db) => check_numbered(&db, committed),
            Err(error) => assert_eq!(error, DbError::Disk(DiskError::Full)),
        }
        disk.set_capacity(u64::MAX);
        let db = reopened(&disk);
        check_numbered(&db, committed);
        put(&db, CONTACTS, &[(b"a", b"it works again")]);
    }
}

#[test]
fn a_failing_disk_never_looks_like_success() {
    // What a restarted process finds is what the page cache had, or what had reached the disk.
    for (calls, power_cut) in (0..60).flat_map(|calls| [(calls, false), (calls, true)]) {
        let disk = Disk::instant(calls);
        let db = created(&disk);
        for number in 0..3 {
            put_numbered(&db, number).unwrap();
        }
        disk.fail_after(calls);
        let mut committed = 3;
        let error = loop {
            match put_numbered(&db, committed) {
                Ok(()) => committed += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, DbError::Disk(DiskError::Io { .. })),
            "{error}"
        );
        assert_eq!(put_numbered(&db, 1000), Err(DbError::NeedsReopen));
        drop(db);
        disk.mend();
        match power_cut {
            true => disk.crash(),
            false => disk.kill(),
        };
        check_numbered(&reopened(&disk), committed);
    }
}

#[test]
fn power_cuts_lose_nothing_that_was_committed() {
    for seed in 0..60 {
        let rng = &mut seeded(seed);
        let disk = Disk::instant(seed);
        let mut model = Model::new();
        let mut db = created(&disk);
        for _ in 0..5 {
            if rng.random_range(0..2) == 0 {
                disk.fail_after(rng.random_range(0..80));
            }
            let mut doubtful = None;
            for _ in 0..rng.random_range(1..8) {
                let next = changed(&model, rng);
                match replace(&db, &next) {
                    Ok(()) => model = next,
                    Err(_) => {
                        doubtful = Some(next);
                        break;
                    }
                }
            }
            drop(db);
            disk.mend();
            disk.crash();
            db = reopened(&disk);
            let found = contents(&db);
            if doubtful.as_ref() == Some(&found) {
                model = found;
            } else {
                assert_eq!(found, model, "seed {seed}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn behaves_as_a_sorted_map(steps in prop::collection::vec(step(), 1..40)) {
        let disk = Disk::instant(1);
        let mut db = created(&disk);
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Write { changes, commit } => {
                    let mut next = model.clone();
                    let done = db.write(|tx| {
                        for (table, key, value) in &changes {
                            apply(tx, &mut next, *table, key, value.as_deref())?;
                        }
                        if commit { Ok(()) } else { Err(DbError::Missing) }
                    });
                    prop_assert_eq!(done.is_ok(), commit);
                    if commit {
                        model = next;
                    }
                }
                Step::Reopen { cleanly } => {
                    if cleanly {
                        db.close().unwrap();
                    } else {
                        drop(db);
                    }
                    db = reopened(&disk);
                }
            }
            prop_assert_eq!(contents(&db), model.clone());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write {
        changes: Vec<(Table, Vec<u8>, Option<Vec<u8>>)>,
        commit: bool,
    },
    Reopen {
        cleanly: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let table = prop_oneof![Just(CONTACTS), Just(MESSAGES)];
    let key = prop::collection::vec(0..4_u8, 0..3);
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..200));
    let changes = prop::collection::vec((table, key, value), 0..8);
    prop_oneof![
        4 => (changes, prop::bool::weighted(0.8))
            .prop_map(|(changes, commit)| Step::Write { changes, commit }),
        1 => any::<bool>().prop_map(|cleanly| Step::Reopen { cleanly }),
    ]
}

fn apply(
    tx: &mut WriteTx<'_>,
    model: &mut Model,
    table: Table,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), DbError> {
    if let Some(value) = value {
        tx.put(table, key, value)?;
        model.insert((table, key.to_vec()), value.to_vec());
    } else {
        let there = model.remove(&(table, key.to_vec())).is_some();
        assert_eq!(tx.remove(table, key)?, there);
    }
    let got = tx.get(table, key)?.map(|value| value.to_vec());
    assert_eq!(got.as_deref(), value);
    let count = model.keys().filter(|(of, _)| *of == table).count();
    assert_eq!(tx.count(table)?, count as u64);
    Ok(())
}

fn key() -> StoreKey {
    StoreKey::random(&mut seeded(42))
}

fn created(disk: &Disk) -> SealedDb {
    SealedDb::create_with_backend(file(disk), &key(), &mut seeded(43)).unwrap()
}

fn open(disk: &Disk) -> Result<SealedDb, DbError> {
    SealedDb::open_with_backend(file(disk), &key(), &mut seeded(44))
}

#[track_caller]
fn reopened(disk: &Disk) -> SealedDb {
    open(disk).unwrap()
}

fn put(db: &SealedDb, table: Table, rows: &[(&[u8], &[u8])]) {
    db.write(|tx| {
        rows.iter()
            .try_for_each(|(key, value)| tx.put(table, key, value))
    })
    .unwrap();
}

fn iter(db: &SealedDb, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = db.read(|tx| tx.iter(table)).unwrap();
    rows.into_iter()
        .map(|row| (row.key, row.value.to_vec()))
        .collect()
}

fn contents(db: &SealedDb) -> Model {
    let of = |table| {
        iter(db, table)
            .into_iter()
            .map(move |(key, value)| ((table, key), value))
    };
    of(CONTACTS).chain(of(MESSAGES)).collect()
}

/// One transaction of two rows, whose presence shows that it took place.
fn put_numbered(db: &SealedDb, number: u32) -> Result<(), DbError> {
    let value = vec![number as u8; 3000];
    db.write(|tx| {
        tx.put(MESSAGES, &number.to_be_bytes(), &value)?;
        tx.put(CONTACTS, &number.to_be_bytes(), &value)
    })
}

/// Every committed transaction is there, and the one that failed is there entirely or not at all.
#[track_caller]
fn check_numbered(db: &SealedDb, committed: u32) {
    let (messages, contacts) = (iter(db, MESSAGES), iter(db, CONTACTS));
    assert_eq!(messages, contacts);
    assert!((committed..=committed + 1).contains(&(messages.len() as u32)));
    for (number, (key, value)) in (0_u32..).zip(&messages) {
        assert_eq!(
            (key.as_slice(), value[..] == [number as u8; 3000]),
            (&number.to_be_bytes()[..], true)
        );
    }
}

/// A few random changes of `model`.
fn changed(model: &Model, rng: &mut StdRng) -> Model {
    let mut next = model.clone();
    for _ in 0..rng.random_range(1..6) {
        let table = if rng.random_range(0..2) == 0 {
            CONTACTS
        } else {
            MESSAGES
        };
        let key = (table, vec![rng.random_range(0..20)]);
        if rng.random_range(0..3) == 0 {
            next.remove(&key);
        } else {
            let length = rng.random_range(0..4000);
            next.insert(key, vec![rng.random_range(0..=255); length]);
        }
    }
    next
}

/// Makes the database hold `next`, in one transaction.
fn replace(db: &SealedDb, next: &Model) -> Result<(), DbError> {
    db.write(|tx| {
        for table in [CONTACTS, MESSAGES] {
            for row in tx.iter(table)? {
                if !next.contains_key(&(table, row.key.clone())) {
                    tx.remove(table, &row.key)?;
                }
            }
        }
        next.iter()
            .try_for_each(|((table, key), value)| tx.put(*table, key, value))
    })
}
