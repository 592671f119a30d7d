//! Files that something else has written to.

use std::fs;
use std::path::Path;

use rand::RngExt as _;
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{ElementKey, ItemStore as _, StoreError, StoreOp, StoreOutcome, rules},
    limits::MINUTE_MS,
    time::UnixMillis,
};
use restante_sim_disk::Disk;
use tempfile::TempDir;

use super::{
    super::{
        Check, KeeperStore as _, OpenError, OpenReport, RedbStore,
        tables::{PACKS, ROW_MAGIC, Row},
    },
    model,
    world::{self, START, picture, put_envelope, sweep_all},
};
use crate::fixture::{bytes, disk_with, file, seeded, storage};

const CAP_BYTES: u64 = 1 << 30;
const END: UnixMillis = START.plus(60 * MINUTE_MS);

#[test]
fn any_damage_ends_in_a_store_that_works() {
    let sound = filled();
    let mut rng = seeded(1);
    let (mut sound_count, mut salvaged_count, mut saved) = (0, 0, 0);
    for _ in 0..150 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keeper.redb");
        let mut bytes = sound.clone();
        match rng.random_range(0..4) {
            0 => bytes.truncate(rng.random_range(0..bytes.len())),
            1 => {
                let bit = rng.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            2 => {
                let from = rng.random_range(0..bytes.len());
                let to = (from + rng.random_range(0..100_000)).min(bytes.len());
                bytes[from..to].fill(0);
            }
            _ => {
                let to = rng.random_range(0..20_000);
                rng.fill(&mut bytes[..to]);
            }
        }
        fs::write(&path, &bytes).unwrap();

        let (mut store, report) = RedbStore::open(&path, CAP_BYTES).unwrap();
        let OpenReport { created, salvaged } = report;
        assert!(!created);
        if let Some(salvaged) = salvaged {
            salvaged_count += 1;
            saved += salvaged.items;
            assert_eq!(
                fs::read(&salvaged.kept).unwrap(),
                bytes,
                "the damaged file stays as it was"
            );
            assert_eq!(store.usage().items, salvaged.items);
        } else {
            sound_count += 1;
            assert_eq!(store.usage().items, ITEMS_FILLED);
        }
        check_works(&mut store);
    }
    // Some flips hit nothing that is in use; a lost page does not cost the rest.
    assert!(
        sound_count > 10 && salvaged_count > 60,
        "{sound_count} {salvaged_count}"
    );
    assert!(
        saved > salvaged_count * ITEMS_FILLED / 2,
        "{saved} of {salvaged_count} stores"
    );
}

#[test]
fn a_salvaged_store_holds_what_the_damaged_one_held_and_no_more() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let mut bytes = filled();
    let before = picture(&mut model::open(&disk_with(&bytes), CAP_BYTES), START);
    // Both commit slots and all that redb knows of the file.
    bytes[..4_096].fill(0);
    fs::write(&path, &bytes).unwrap();

    let (mut store, report) = RedbStore::open(&path, CAP_BYTES).unwrap();

    let salvaged = report.salvaged.unwrap();
    assert_eq!(salvaged.items, ITEMS_FILLED);
    assert_eq!(
        salvaged.to_string(),
        "the store is damaged: it is cut short or is no database; 13 items were saved, \
         and the old file is kept as keeper.redb.damaged-1"
    );
    assert_eq!(picture(&mut store, START), before);
    drop(store);
    assert_eq!(
        RedbStore::open(&path, CAP_BYTES).unwrap().1,
        OpenReport::default()
    );
}

#[test]
fn an_interrupted_replacement_is_finished_or_begun_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    // Half written, with the damaged file still in place.
    fs::write(&path, [0; 9_000]).unwrap();
    fs::write(folder.path().join("keeper.redb.salvage"), b"half").unwrap();
    assert_eq!(
        RedbStore::open(&path, CAP_BYTES)
            .unwrap()
            .1
            .salvaged
            .unwrap()
            .items,
        0
    );
    // Whole, with the damaged file moved away.
    fs::write(folder.path().join("keeper.redb.salvage"), filled()).unwrap();
    fs::remove_file(&path).unwrap();
    let (store, report) = RedbStore::open(&path, CAP_BYTES).unwrap();
    assert_eq!(
        (store.usage().items, report),
        (ITEMS_FILLED, OpenReport::default())
    );
    drop(store);
    assert_eq!(
        names(folder.path()),
        ["keeper.redb", "keeper.redb.damaged-1"]
    );
}

#[test]
fn rows_hidden_in_an_envelope_are_not_believed() {
    let address = Address::new([9; 32]);
    let victim = world::envelope(1);
    // A tombstone for somebody else's envelope, inside an envelope that is sound.
    let key = ElementKey::ack(address, id_of(&victim));
    let mut forged = Vec::new();
    let tombstone = rules::Row::tombstone(END, true, world::proof(0));
    Row::of(key, &tombstone).encode_into(&mut forged);
    let mut carrier = world::noise(1, 2_048).to_vec();
    carrier[100..100 + forged.len()].copy_from_slice(&forged);
    let carrier = bytes::Bytes::from(carrier);
    let put = |bytes: bytes::Bytes| StoreOp::PutEnvelope {
        address,
        id: id_of(&bytes),
        bytes,
        expires: END,
        budget: restante_proto::keeper::Budget {
            count: 9,
            bytes: 1 << 20,
            effort: 0,
            shared: true,
        },
        proof: world::proof(0),
    };
    let disk = Disk::instant(1);
    let mut store = model::open(&disk, CAP_BYTES);
    store
        .apply(START, vec![put(carrier), put(victim.clone())])
        .unwrap();
    drop(store);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let mut bytes = bytes(&disk);
    bytes[..4_096].fill(0);
    fs::write(&path, bytes).unwrap();

    let (mut store, _) = RedbStore::open(&path, CAP_BYTES).unwrap();

    assert_eq!((store.usage().items, store.usage().tombstones), (2, 0));
    let offered = StoreOp::Offer {
        address,
        id: id_of(&victim),
    };
    let outcomes = store.apply(START, vec![offered]).unwrap();
    assert_eq!(
        outcomes,
        [StoreOutcome::Held {
            until: END,
            new: false
        }]
    );
}

#[test]
fn acks_are_salvaged_with_what_is_known_of_their_envelopes() {
    let (address, other) = (world::address(0), Address::new([9; 32]));
    let id = id_of(&world::envelope(0));
    let signature = restante_proto::keys::Signature::new([0; 64]);
    let ack = |address| StoreOp::Ack {
        address,
        entries: vec![restante_proto::mailbox::AckEntry { id, signature }],
        mailbox: world::mailbox(),
    };
    let disk = Disk::instant(1);
    let mut store = model::open(&disk, CAP_BYTES);
    // One whose ack came first, and one where the deposit followed: both rows of it may be found.
    for op in [ack(address), ack(other), put_envelope(other, 0, END, 3)] {
        store.apply(START, vec![op]).unwrap();
    }
    drop(store);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let mut bytes = bytes(&disk);
    bytes[..4_096].fill(0);
    fs::write(&path, bytes).unwrap();

    let (mut store, report) = RedbStore::open(&path, CAP_BYTES).unwrap();

    assert!(report.salvaged.is_some());
    assert_eq!((store.usage().items, store.usage().tombstones), (0, 2));
    let held = StoreOutcome::Held {
        until: END,
        new: false,
    };
    let offers = [address, other].map(|address| StoreOp::Offer { address, id });
    assert_eq!(
        store.apply(START, offers.to_vec()),
        Ok(vec![StoreOutcome::Unknown, held.clone()])
    );
    let again = put_envelope(address, 0, END, 3);
    assert_eq!(store.apply(START, vec![again]), Ok(vec![held]));
}

#[test]
fn a_damaged_item_is_left_out_counted_and_dropped() {
    let disk = Disk::instant(1);
    let mut store = model::open(&disk, CAP_BYTES);
    let at = world::address(0);
    store
        .apply(
            START,
            (0..3).map(|name| put_envelope(at, name, END, 3)).collect(),
        )
        .unwrap();
    drop(store);
    let mut bytes = bytes(&disk);
    let needle = world::envelope(1);
    let place = find(&bytes, &needle[..64]).unwrap();
    bytes[place] ^= 1;
    let disk = disk_with(&bytes);
    let mut store = RedbStore::open_on(storage(&disk), CAP_BYTES, Check::Trust).unwrap();

    let ids = (0..3).map(|name| id_of(&world::envelope(name))).collect();
    let outcomes = store
        .apply(START, vec![StoreOp::Get { address: at, ids }])
        .unwrap();

    let [StoreOutcome::Envelopes(found)] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(found.len(), 2);
    assert_eq!(store.counters().damaged_items, 1);
    store.sweep(START, 1_000).unwrap();
    assert_eq!(store.usage().items, 2);
    assert_eq!(store.recount().unwrap(), store.usage());
    let outcomes = store
        .apply(START, vec![put_envelope(at, 1, END, 3)])
        .unwrap();
    assert_eq!(
        outcomes,
        [StoreOutcome::Held {
            until: END,
            new: true
        }]
    );
}

#[test]
fn damage_found_while_running_stops_the_store() {
    let disk = disk_with(&filled());
    {
        let database = redb::Builder::new()
            .create_with_backend(file(&disk))
            .unwrap();
        let tx = database.begin_write().unwrap();
        tx.delete_table(PACKS).unwrap();
        tx.commit().unwrap();
    }
    let mut store = RedbStore::open_on(storage(&disk), CAP_BYTES, Check::Trust).unwrap();

    let error = store.apply(START, world::questions()).unwrap_err();

    assert_eq!(
        error,
        StoreError::Damaged("its tables are not what they should be".into())
    );
    let put = put_envelope(world::address(0), 0, END, 3);
    assert_eq!(store.apply(START, vec![put]), Err(error.clone()));
    assert_eq!(store.error(), Some(&error));
}

#[test]
fn a_store_that_was_not_closed_in_peace_leaves_its_mark() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let (store, _) = RedbStore::open(&path, CAP_BYTES).unwrap();
    assert_eq!(names(folder.path()), ["keeper.redb", "keeper.redb.open"]);
    drop(store);
    assert_eq!(names(folder.path()), ["keeper.redb"]);
    let (store, _) = RedbStore::open(&path, CAP_BYTES).unwrap();
    store.error.set(StoreError::DiskFull).unwrap();
    drop(store);
    assert_eq!(names(folder.path()), ["keeper.redb", "keeper.redb.open"]);
    drop(RedbStore::open(&path, CAP_BYTES).unwrap());
    assert_eq!(names(folder.path()), ["keeper.redb"]);
}

#[test]
fn reading_a_damaged_file_that_was_trusted_never_panics() {
    let sound = filled();
    let mut rng = seeded(2);
    let mut stopped = 0;
    for _ in 0..200 {
        let mut bytes = sound.clone();
        for _ in 0..rng.random_range(1..40) {
            let at = rng.random_range(0..bytes.len() - 64);
            rng.fill(&mut bytes[at..at + 64]);
        }
        let disk = disk_with(&bytes);
        let opened = RedbStore::open_on(storage(&disk), CAP_BYTES, Check::Trust);
        let Ok(mut store) = opened else {
            stopped += 1;
            continue;
        };
        let is_stopped = store.apply(START, world::questions()).is_err()
            | store.holdings(START, None, 100).is_err()
            | store.recount().is_err();
        assert_eq!(is_stopped, store.error().is_some());
        stopped += u32::from(is_stopped);
        // redb must not be asked to write to such a file: it can panic while it panics.
        std::mem::forget(store);
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let (store, report) = RedbStore::open(&path, CAP_BYTES).unwrap();
    assert!(report.created);
    let refused = RedbStore::open(&path, CAP_BYTES).unwrap_err();
    assert_eq!(refused, OpenError::InUse);
    store.close().unwrap();
    assert_eq!(
        RedbStore::open(&path, CAP_BYTES).unwrap().1,
        OpenReport::default()
    );
    assert_eq!(names(folder.path()), ["keeper.redb"]);
}

const ITEMS_FILLED: u64 = 13;

/// Returns the file of a store with some of everything, some of which was replaced, acked and
/// deleted.
fn filled() -> Vec<u8> {
    let disk = Disk::instant(1);
    let mut store = model::open(&disk, CAP_BYTES);
    let at = world::address(0);
    let mut ops: Vec<StoreOp> = (0..8).map(|name| put_envelope(at, name, END, 3)).collect();
    for (writer, sequence) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 3)] {
        let record = Box::new(world::card(1, writer, sequence, END));
        ops.push(StoreOp::PutCard {
            record,
            stamped: true,
            proof: world::proof(writer),
        });
    }
    for name in 0..4 {
        let deletion_key = world::deletion_key(0).public();
        let (address, bytes) = (world::chunk_address(name), world::chunk(name));
        ops.push(StoreOp::PutChunk {
            address,
            bytes,
            expires: END,
            deletion_key,
            proof: world::proof(name),
        });
    }
    let signature = restante_proto::keys::Signature::new([0; 64]);
    let entries = [0, 2].map(|name| id_of(&world::envelope(name)));
    let entries = entries
        .map(|id| restante_proto::mailbox::AckEntry { id, signature })
        .to_vec();
    ops.push(StoreOp::Ack {
        address: at,
        entries,
        mailbox: world::mailbox(),
    });
    for op in ops {
        let outcome = store.apply(START, vec![op]).unwrap();
        assert!(!matches!(outcome[0], StoreOutcome::Refused(_)));
    }
    assert_eq!(store.usage().items, ITEMS_FILLED);
    drop(store);
    bytes(&disk)
}

/// Everything a store does, on what was saved.
fn check_works(store: &mut RedbStore) {
    assert_eq!(store.recount().unwrap(), store.usage());
    picture(store, START);
    let at = Address::new([77; 32]);
    let outcomes = store
        .apply(START, vec![put_envelope(at, 0, END, 3)])
        .unwrap();
    assert_eq!(
        outcomes,
        [StoreOutcome::Held {
            until: END,
            new: true
        }]
    );
    assert_eq!(store.counters().damaged_items, 0);
    sweep_all(store, END, 1_000);
    assert_eq!((store.usage().items, store.usage().bytes), (0, 0));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    assert_ne!(needle[..8], ROW_MAGIC);
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
