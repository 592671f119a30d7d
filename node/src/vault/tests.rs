mod crashes;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use restante_sim_disk::Disk;

use super::*;
use crate::fixture::{bytes, contains, file, seeded};

const PASSPHRASE: &[u8] = b"a pass phrase that is planted";
const MESSAGES: Table = Table::new("messages-planted-table-name");
const PLANTED: [&[u8]; 4] = [
    PASSPHRASE,
    b"planted natural key",
    b"planted plaintext of a body",
    b"planted row value",
];

#[test]
fn nothing_planted_is_found_in_any_file() {
    let home = tempfile::tempdir().unwrap();
    let (vault, slot) = with_message(home.path());
    let message_key = *vault.keys().read(slot).unwrap().unwrap().as_bytes();
    vault.close().unwrap();
    let store_key = unlock::open(&home.path().join(UNLOCK_FILE), PASSPHRASE).unwrap();
    for file in [UNLOCK_FILE, DATABASE_FILE, KEY_FILE] {
        let bytes = fs::read(home.path().join(file)).unwrap();
        for planted in PLANTED {
            assert!(!contains(&bytes, planted), "{file}");
        }
        assert!(!contains(&bytes, MESSAGES.name().as_bytes()), "{file}");
        assert!(!contains(&bytes, store_key.as_bytes()), "{file}");
        assert_eq!(contains(&bytes, &message_key), file == KEY_FILE, "{file}");
    }
}

#[test]
fn a_burnt_message_cannot_be_opened_with_the_pass_phrase() {
    let home = tempfile::tempdir().unwrap();
    let (vault, slot) = with_message(home.path());
    let message_key = *vault.keys().read(slot).unwrap().unwrap().as_bytes();
    assert_eq!(body(&vault, slot).unwrap(), PLANTED[2]);
    vault.keys().burn(&[slot]).unwrap();
    assert_eq!(body(&vault, slot), Err(BodyError::Burnt));
    vault.close().unwrap();
    let vault = opened_later(home.path());
    assert_eq!(body(&vault, slot), Err(BodyError::Burnt));
    for file in [DATABASE_FILE, KEY_FILE, UNLOCK_FILE] {
        let bytes = fs::read(home.path().join(file)).unwrap();
        assert!(!contains(&bytes, &message_key), "{file}");
    }
}

#[test]
fn a_home_opens_with_its_pass_phrase_alone_and_once_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let (vault, slot) = with_message(home.path());
    assert_eq!(
        open(home.path(), b"wrong"),
        Err(UnlockError::WrongPassphrase.into())
    );
    assert_eq!(open(home.path(), PASSPHRASE), Err(DbError::InUse.into()));
    vault.close().unwrap();
    let vault = opened_later(home.path());
    assert_eq!(body(&vault, slot).unwrap(), PLANTED[2]);
    drop(vault);
    let (rng, cost) = (&mut seeded(5), PassCost::CheapForTests);
    change_passphrase(home.path(), PASSPHRASE, b"new", cost, rng).unwrap();
    assert_eq!(
        open(home.path(), PASSPHRASE),
        Err(UnlockError::WrongPassphrase.into())
    );
    assert_eq!(open(home.path(), b"new"), Ok(()));
}

#[test]
fn every_file_is_its_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    with_message(home.path());
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(home.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o7777,
            0o600
        );
        names.insert(entry.file_name().into_string().unwrap());
    }
    let expected = [UNLOCK_FILE, DATABASE_FILE, KEY_FILE].map(String::from);
    assert_eq!(names, BTreeSet::from(expected));
}

#[test]
fn a_home_that_is_there_or_half_there_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    let (vault, _) = with_message(home.path());
    assert_eq!(create(home.path()), Err(UnlockError::AlreadyThere.into()));
    vault.close().unwrap();
    fs::remove_file(home.path().join(UNLOCK_FILE)).unwrap();
    let database = fs::read(home.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(
        create(home.path()),
        Err(VaultError::Leftover {
            file: DATABASE_FILE
        })
    );
    assert_eq!(
        open(home.path(), PASSPHRASE),
        Err(UnlockError::Missing.into())
    );
    assert!(fs::read(home.path().join(DATABASE_FILE)).unwrap() == database);
    fs::remove_file(home.path().join(DATABASE_FILE)).unwrap();
    assert_eq!(
        create(home.path()),
        Err(VaultError::Leftover { file: KEY_FILE })
    );
}

#[test]
fn a_creation_cut_short_anywhere_can_be_done_again() {
    // What a crash may leave: the staged unlock file, then each of the others, whole or in part.
    let database: [Option<&[u8]>; 3] = [None, Some(b""), Some(&[7; 5000])];
    let keys: [Option<&[u8]>; 3] = [None, Some(b""), Some(&[7; 100])];
    for (database, keys) in database.into_iter().flat_map(|d| keys.map(|k| (d, k))) {
        let home = tempfile::tempdir().unwrap();
        let path = |file| home.path().join(file);
        fs::write(
            unlock::staged_path(&path(UNLOCK_FILE)),
            b"half of an unlock fi",
        )
        .unwrap();
        for (file, left) in [(DATABASE_FILE, database), (KEY_FILE, keys)] {
            if let Some(left) = left {
                fs::write(path(file), left).unwrap();
            }
        }
        assert_eq!(create(home.path()), Ok(()));
        assert_eq!(open(home.path(), PASSPHRASE), Ok(()));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3);
    }
}

#[test]
fn files_of_two_homes_do_not_mix() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_message(one.path());
    assert_eq!(create(two.path()), Ok(()));
    let mixed = |file| {
        let home = tempfile::tempdir().unwrap();
        for part in [UNLOCK_FILE, DATABASE_FILE, KEY_FILE] {
            let from = if part == file { &two } else { &one };
            fs::copy(from.path().join(part), home.path().join(part)).unwrap();
        }
        open(home.path(), PASSPHRASE)
    };
    assert_eq!(mixed(UNLOCK_FILE), Err(DbError::WrongKey.into()));
    assert_eq!(mixed(DATABASE_FILE), Err(DbError::WrongKey.into()));
    let why = "its header does not belong to this home";
    assert_eq!(mixed(KEY_FILE), Err(KeyError::Damaged { why }.into()));
}

#[test]
fn a_missing_file_is_named() {
    for (file, error) in [
        (UNLOCK_FILE, UnlockError::Missing.into()),
        (DATABASE_FILE, DbError::Missing.into()),
        (KEY_FILE, VaultError::from(KeyError::Missing)),
    ] {
        let home = tempfile::tempdir().unwrap();
        with_message(home.path());
        fs::remove_file(home.path().join(file)).unwrap();
        assert_eq!(open(home.path(), PASSPHRASE), Err(error));
        assert!(
            !home.path().join(file).exists(),
            "opening makes nothing new"
        );
    }
}

#[test]
fn a_crash_between_key_and_row_leaves_no_key_and_no_row_without_one() {
    let (database, keys) = (Disk::instant(1), Disk::instant(1));
    let key = StoreKey::random(&mut seeded(1));
    let rng = &mut seeded(2);
    let vault = Vault::create_on(file(&database), Box::new(file(&keys)), &key, rng).unwrap();
    let kept = store(&vault, b"kept");
    let burnt = store(&vault, b"burnt");
    let orphan = vault.keys().allocate(rng).unwrap();
    vault.keys().burn(&[burnt]).unwrap();
    drop(vault);
    database.crash();
    keys.crash();
    let vault = Vault::open_on(file(&database), Box::new(file(&keys)), &key, rng).unwrap();
    let rows = vault.db().read(|tx| tx.iter(MESSAGES)).unwrap();
    let live = rows.iter().map(|row| slot_of(&row.value)).collect();
    let found = vault.keys().reconcile(&live).unwrap();
    assert_eq!(
        found,
        Reconciled {
            burnt_count: 1,
            absent: vec![burnt]
        }
    );
    assert!(!contains(&bytes(&keys), orphan.as_bytes()));
    assert!(vault.keys().read(kept).unwrap().is_some());
}

#[test]
fn a_vault_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Vault>();
}

fn with_message(home: &Path) -> (Vault, SlotId) {
    let vault = Vault::create(home, PASSPHRASE, PassCost::CheapForTests, &mut seeded(1)).unwrap();
    let slot = store(&vault, PLANTED[1]);
    vault
        .db()
        .write(|tx| tx.put(MESSAGES, PLANTED[3], PLANTED[3]))
        .unwrap();
    vault
        .db()
        .write(|tx| tx.remove(MESSAGES, PLANTED[3]))
        .unwrap();
    (vault, slot)
}

/// Stores the planted body under `key`, as the client store does.
fn store(vault: &Vault, key: &[u8]) -> SlotId {
    let rng = &mut seeded(3);
    let message = vault.keys().allocate(rng).unwrap();
    let sealed = vault
        .keys()
        .seal_body(&message, b"context", PLANTED[2], rng)
        .unwrap();
    let row = [message.slot().to_bytes().as_slice(), &sealed].concat();
    vault.db().write(|tx| tx.put(MESSAGES, key, &row)).unwrap();
    message.slot()
}

fn slot_of(row: &[u8]) -> SlotId {
    SlotId::from_bytes(*row.first_chunk().unwrap())
}

fn body(vault: &Vault, slot: SlotId) -> Result<Vec<u8>, BodyError> {
    let row = planted_row(vault);
    assert_eq!(slot_of(&row), slot);
    let opened = vault
        .keys()
        .open_body(slot, b"context", &row[SLOT_ID_BYTES..])?;
    Ok(opened.to_vec())
}

fn planted_row(vault: &Vault) -> Vec<u8> {
    vault
        .db()
        .read(|tx| tx.get(MESSAGES, PLANTED[1]))
        .unwrap()
        .unwrap()
        .to_vec()
}

fn create(home: &Path) -> Result<(), VaultError> {
    Vault::create(home, PASSPHRASE, PassCost::CheapForTests, &mut seeded(9)).map(drop)
}

fn open(home: &Path, passphrase: &[u8]) -> Result<(), VaultError> {
    Vault::open(home, passphrase, &mut seeded(9)).map(drop)
}

fn opened_later(home: &Path) -> Vault {
    Vault::open(home, PASSPHRASE, &mut seeded(9)).unwrap()
}
