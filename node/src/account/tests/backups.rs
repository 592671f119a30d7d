//! What is in a backup, and what is in a home that is made of one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use restante_client::restored;
use restante_interface::BackupInfo;
use restante_proto::limits::HOUR_MS;

use super::super::AccountDisk;
use super::super::backup::{BackupError, RestoreError, Target, examine};
use super::*;
use crate::fixture::seeded;
use crate::home::Home;
use crate::passphrase::Passphrase;
use crate::vault::archive::{ArchiveError, ArchiveReader, ArchiveWriter};
use crate::vault::{UNLOCK_FILE, UnlockError};

fn passphrase() -> Passphrase {
    Passphrase::new(b"pass".to_vec()).unwrap()
}

fn to(path: &Path, replace: bool) -> Target {
    Target::File {
        path: path.to_owned(),
        replace,
    }
}

fn back_up(disk: &VaultDisk, target: &Target, date: UnixMillis) -> Result<BackupInfo, BackupError> {
    super::super::backup::write(disk, target, date)
}

/// Makes a home of a backup, and opens it.
fn restore(file: &Path, home: &Path, date: UnixMillis) -> Result<VaultDisk, RestoreError> {
    let examined = examine(file, &passphrase())?;
    let (_, info) = Home::create(home, |staging| {
        let cost = PassCost::CheapForTests;
        let restored = examined.restore(staging, &passphrase(), cost, date);
        restored.map_err(Made::Restore)
    })
    .map_err(|error| match error {
        Made::Restore(error) => error,
        Made::Home(error) => panic!("{error}"),
    })?;
    assert_eq!(info.made_ms, NOW.get());
    Ok(reopened(home))
}

#[derive(Debug)]
enum Made {
    Restore(RestoreError),
    Home(crate::home::HomeError),
}

impl From<crate::home::HomeError> for Made {
    fn from(error: crate::home::HomeError) -> Self {
        Self::Home(error)
    }
}

/// A home with something of every kind in it.
fn full(folder: &Path) -> VaultDisk {
    let disk = store(folder);
    let inbox = BTreeMap::new();
    for number in 0..40_u8 {
        let kinds = [
            0, 2, 4, 6, 9, 10, 12, 14, 15, 17, 23, 26, 28, 30, 32, 40, 42,
        ];
        let changes = kinds
            .iter()
            .filter_map(|kind| change(*kind, number, &inbox));
        disk.commit(&changes.collect::<Vec<_>>()).unwrap();
    }
    disk
}

/// Checks what messages of both sides say.
fn assert_bodies(disk: &VaultDisk, rows: &Loaded) {
    assert_eq!((rows.inbox.len(), rows.sent.len()), (40, 40));
    for (arrival, header) in &rows.inbox {
        let body = disk.body(*arrival, header.slot.unwrap()).unwrap().unwrap();
        assert_eq!(body, vec![u8::try_from(*arrival).unwrap(); 100]);
    }
    for sent in rows.sent.values() {
        let words = disk.body(sent.place, sent.words.slot().unwrap());
        let number = u8::try_from(sent.place - 1_000).unwrap();
        assert_eq!(words.unwrap().unwrap(), vec![number; 200]);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_home_of_a_backup_has_all_there_was_and_is_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).unwrap();
    let disk = full(&before);
    fs::write(before.join("config.toml"), "ttl = \"1d\"").unwrap();
    fs::write(before.join("entry-points.toml"), "bootstrap = []").unwrap();
    let file = folder.path().join("file");
    let info = back_up(&disk, &to(&file, false), NOW).unwrap();
    let (rows, _) = disk.snapshot().unwrap();
    assert_eq!(info.messages as usize, rows.inbox.len());
    assert_eq!(info.bytes, fs::metadata(&file).unwrap().len());
    assert!(rows.inbox.len() == 40 && rows.prekeys.len() > 10 && rows.contacts.len() == 40);
    assert!(rows.card.is_some() && rows.memberships.len() == 2 && !rows.packages.is_empty());

    let again = restore(&file, &after, NOW).unwrap();
    let got = again.load().unwrap();
    let mut expected = restored(rows.clone(), NOW, NOW, &mut seeded(1)).rows;
    // Contacts are told by messages of random names.
    assert_eq!(got.due.len(), expected.due.len());
    expected.due.clone_from(&got.due);
    assert_eq!(comparable(&got), comparable(&expected));
    assert_bodies(&again, &got);
    let (old, new) = (&rows.account, &got.account);
    assert_eq!(new.identity.account, old.identity.account);
    assert_ne!(new.identity.device.public(), old.identity.device.public());
    assert_ne!(new.node.public(), old.node.public());
    let former = &new.former[0].device;
    assert_eq!(former.public(), old.identity.device.public());
    assert!(got.card.is_none() && got.memberships.is_empty() && got.packages.is_empty());
    for name in ["config.toml", "entry-points.toml"] {
        let read = |home: &Path| fs::read(home.join(name)).unwrap();
        assert_eq!(read(&after), read(&before));
    }
    // Two homes of one backup are two devices, under keys that have nothing to do with each other.
    let other = folder.path().join("other");
    let twin = restore(&file, &other, NOW).unwrap();
    let device = |disk: &VaultDisk| disk.load().unwrap().account.identity.device.public();
    assert_ne!(device(&twin), device(&again));
    let label = |disk: &VaultDisk| disk.snapshot().unwrap().1.label();
    assert!(label(&twin) != label(&again) && label(&again) != label(&disk));
}

#[test]
fn what_has_ended_or_may_have_burned_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).unwrap();
    let disk = store(&before);
    let burning = |number: u8, burn_ms, read: Option<UnixMillis>| {
        let header = Header {
            burn_ms,
            read,
            ..header(number, NOW.plus(30 * DAY_MS))
        };
        Change::PutMessage {
            arrival: u64::from(number),
            header: Box::new(HeaderDraft::new(header)),
            body: vec![number; 100].into(),
        }
    };
    disk.commit(&[
        message(1, NOW.plus(2 * HOUR_MS)),
        message(2, NOW.plus(HOUR_MS)),
        burning(3, HOUR_MS, Some(NOW)),
        burning(4, 2 * HOUR_MS, Some(NOW)),
        burning(5, HOUR_MS, None),
        burning(6, 2 * HOUR_MS, None),
        message(7, NOW.plus(2 * HOUR_MS)),
    ])
    .unwrap();
    // One that is destroyed is in no backup from then on.
    let (rows, _) = disk.snapshot().unwrap();
    disk.commit(&[Change::Destroy(7, rows.inbox[&7].slot.unwrap())])
        .unwrap();
    let file = folder.path().join("file");
    assert_eq!(back_up(&disk, &to(&file, false), NOW).unwrap().messages, 6);
    let again = restore(&file, &after, NOW.plus(HOUR_MS)).unwrap();
    let inbox = again.load().unwrap().inbox;
    assert_eq!(inbox.keys().copied().collect::<Vec<_>>(), [1, 4, 6]);
    let (rows, _) = disk.snapshot().unwrap();
    let counted = restored(rows, NOW, NOW.plus(HOUR_MS), &mut seeded(1));
    assert_eq!((counted.ended, counted.doubtful), (2, 1));
}

#[test]
fn a_backup_is_its_owners_alone_and_replaces_nothing_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let disk = full(&home);
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let file = place.join("file");
    back_up(&disk, &to(&file, false), NOW).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let bytes = fs::read(&file).unwrap();
    for number in [7, 30] {
        assert!(!bytes.windows(20).any(|part| part == [number; 20]));
    }
    let refused = back_up(&disk, &to(&file, false), NOW);
    assert!(
        matches!(refused, Err(BackupError::Exists(_))),
        "{refused:?}"
    );
    assert!(fs::read(&file).unwrap() == bytes);
    back_up(&disk, &to(&file, true), NOW).unwrap();
    assert!(
        fs::read(&file).unwrap() != bytes,
        "it has another name inside"
    );
    let nowhere = folder.path().join("nowhere/file");
    let refused = back_up(&disk, &to(&nowhere, false), NOW);
    assert!(matches!(refused, Err(BackupError::NotWritten { .. })));
    fs::create_dir(place.join("folder")).unwrap();
    let refused = back_up(&disk, &to(&place.join("folder"), true), NOW);
    assert!(matches!(refused, Err(BackupError::NotWritten { .. })));
    assert_eq!(names(&place), ["file", "folder"]);
}

#[test]
fn a_folder_keeps_the_newest_of_each_home() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let disks: Vec<(PathBuf, VaultDisk)> = ["one", "two"]
        .map(|name| folder.path().join(name))
        .map(|home| {
            fs::create_dir(&home).unwrap();
            (home.clone(), store(&home))
        })
        .into();
    let target = Target::Folder {
        path: place.clone(),
        keep: 2,
    };
    fs::write(place.join("holiday.jpg"), "mine").unwrap();
    for hours in 0..4 {
        for (_, disk) in &disks {
            let date = NOW.plus(hours * HOUR_MS);
            back_up(disk, &target, date).unwrap();
            let newest = AccountDisk::newest_backup(disk, &place).unwrap();
            assert_eq!(newest, Some(date));
        }
    }
    assert_eq!(names(&place).len(), 5, "{:?}", names(&place));
    // What a crash left is removed, by the one whose it is.
    let mine = names(&place)[0].split('-').next().unwrap().to_owned();
    for whose in [mine.as_str(), "0123456789ab"] {
        fs::write(place.join(format!(".unfinished-{whose}-x")), "half").unwrap();
    }
    for (_, disk) in &disks {
        back_up(disk, &target, NOW.plus(DAY_MS)).unwrap();
    }
    let left = names(&place);
    assert_eq!(left[0], ".unfinished-0123456789ab-x");
    assert!(left.len() == 6 && left.contains(&"holiday.jpg".to_owned()));
}

#[test]
fn a_file_that_is_not_whole_makes_no_home() {
    let folder = tempfile::tempdir().unwrap();
    let (home, after) = (folder.path().join("home"), folder.path().join("after"));
    fs::create_dir(&home).unwrap();
    let disk = full(&home);
    let file = folder.path().join("file");
    back_up(&disk, &to(&file, false), NOW).unwrap();
    let whole = fs::read(&file).unwrap();
    for length in [0, 100, 300, 4_096, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        let refused = restore(&file, &after, NOW);
        assert!(
            matches!(refused, Err(RestoreError::Archive { .. })),
            "{length}"
        );
    }
    fs::write(&file, &whole).unwrap();
    let wrong = Passphrase::new(b"wrong".to_vec()).unwrap();
    let refused = examine(&file, &wrong).unwrap_err();
    let RestoreError::Archive { source, .. } = refused else {
        panic!("{refused:?}");
    };
    let is_wrong = matches!(source, ArchiveError::Unlock(UnlockError::WrongPassphrase));
    assert!(is_wrong, "{source}");
    assert!(!after.exists());
}

#[test]
fn what_a_later_version_put_in_is_refused_and_so_is_nonsense() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let disk = store(&home);
    let file = folder.path().join("file");
    back_up(&disk, &to(&file, false), NOW).unwrap();
    let (_, key) = disk.snapshot().unwrap();
    let unlock = fs::read(home.join(UNLOCK_FILE)).unwrap();
    let read = fs::File::open(&file).unwrap();
    let mut reader = ArchiveReader::open(read, b"pass").unwrap();
    let records = reader.read_frame().unwrap().unwrap();
    let with = |kind: u8, skip: usize| {
        let rng = &mut seeded(1);
        let mut writer = ArchiveWriter::begin(Vec::new(), &unlock, &key, rng).unwrap();
        for record in records.iter().skip(skip) {
            writer
                .put((record.kind, &record.key), &record.value, rng)
                .unwrap();
        }
        writer.put((kind, b""), b"", rng).unwrap();
        fs::write(&file, writer.finish(rng).unwrap().0).unwrap();
        examine(&file, &passphrase()).unwrap_err()
    };
    assert!(matches!(with(99, 0), RestoreError::Newer(_)));
    for (kind, skip) in [(2, 0), (5, 0), (12, 0), (10, 0), (12, records.len())] {
        let refused = with(kind, skip);
        assert!(
            matches!(refused, RestoreError::Senseless { .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn what_is_written_anew_is_all_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    for home in [&before, &after] {
        fs::create_dir(home).unwrap();
    }
    let disk = restarted(full(&before), &before);
    let cost = PassCost::CheapForTests;
    let rewritten = disk.write_anew(&after, &passphrase(), cost).unwrap();
    assert_eq!(
        (rewritten.messages, rewritten.contacts, rewritten.unreadable),
        (40, 40, 0)
    );
    let new = reopened(&after);
    let (old_rows, old_key) = disk.snapshot().unwrap();
    let (new_rows, new_key) = new.snapshot().unwrap();
    assert_eq!(comparable(&new_rows), comparable(&old_rows));
    assert!(new_rows.card.is_some() && !new_rows.packages.is_empty());
    assert!(!new_rows.conversations.is_empty());
    let device = |rows: &Loaded| rows.account.identity.device.public();
    assert_eq!(device(&new_rows), device(&old_rows));
    assert_ne!(new_key.label(), old_key.label());
    assert_bodies(&new, &new_rows);
}
