use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use restante_sim_disk::{Disk, Faults, Operation};

use super::slot::ORPHAN_COUNT_MAX;
use super::*;
use crate::fixture::{bytes, contains, disk_with, file, leave_room, seeded};

#[test]
fn a_body_opens_with_its_key_and_context_and_nothing_else() {
    let (disk, key) = (Disk::instant(1), store_key());
    let keys = created(&disk, &key);
    let rng = &mut seeded(7);
    let one = keys.allocate(rng).unwrap();
    let two = keys.allocate(rng).unwrap();
    let sealed = keys
        .seal_body(&one, b"id 1", b"attack at dawn", rng)
        .unwrap();
    assert_eq!(
        keys.open_body(one.slot(), b"id 1", &sealed)
            .unwrap()
            .as_slice(),
        b"attack at dawn"
    );
    let damaged = |slot, context: &[u8], sealed: &[u8]| {
        assert_eq!(
            keys.open_body(slot, context, sealed).unwrap_err(),
            BodyError::Damaged
        );
    };
    damaged(two.slot(), b"id 1", &sealed);
    damaged(one.slot(), b"id 2", &sealed);
    damaged(one.slot(), b"", &sealed);
    for length in 0..sealed.len() {
        damaged(one.slot(), b"id 1", &sealed[..length]);
    }
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        damaged(one.slot(), b"id 1", &flipped);
    }
    // The key file alone, under another store key, is not even a key file.
    drop(keys);
    let other = StoreKey::random(&mut seeded(99));
    let error = KeyFile::open_on(Box::new(file(&disk)), &other).unwrap_err();
    let why = "its header does not belong to this home";
    assert_eq!(error, KeyError::Damaged { why });
}

#[test]
fn a_key_alone_without_the_store_key_does_not_open_a_body() {
    let rng = &mut seeded(1);
    let (one, other) = (created(&Disk::instant(1), &store_key()), {
        let key = StoreKey::random(&mut seeded(98));
        created(&Disk::instant(1), &key)
    });
    let key = one.allocate(rng).unwrap();
    let sealed = one.seal_body(&key, b"", b"text", rng).unwrap();
    // The same 32 bytes of message key under the other home's store key.
    let opened = other
        .body_key(&key)
        .open(&body_aad(key.slot(), b""), &sealed);
    assert!(opened.is_none());
}

#[test]
fn a_burnt_slot_is_used_again_and_its_old_name_is_dead() {
    let disk = Disk::instant(1);
    let keys = created(&disk, &store_key());
    let rng = &mut seeded(3);
    let old = keys.allocate(rng).unwrap();
    let sealed = keys.seal_body(&old, b"", b"old", rng).unwrap();
    assert_eq!(keys.burn(&[old.slot()]).unwrap(), 1);
    assert_eq!(keys.burn(&[old.slot()]).unwrap(), 0);
    assert!(!contains(&bytes(&disk), old.as_bytes()));
    let new = keys.allocate(rng).unwrap();
    assert_eq!(
        new.slot().to_bytes()[..4],
        old.slot().to_bytes()[..4],
        "the place is the same"
    );
    assert_eq!(
        keys.open_body(old.slot(), b"", &sealed).unwrap_err(),
        BodyError::Burnt
    );
    assert_eq!(
        keys.burn(&[old.slot()]).unwrap(),
        0,
        "an old name destroys nothing"
    );
    assert_eq!(
        keys.read(new.slot()).unwrap().unwrap().as_bytes(),
        new.as_bytes()
    );
}

#[test]
fn names_of_no_slot_are_burnt_ones() {
    let keys = created(&Disk::instant(1), &store_key());
    for bytes in [
        [0; SLOT_ID_BYTES],
        [0xff; SLOT_ID_BYTES],
        [1; SLOT_ID_BYTES],
    ] {
        let slot = SlotId::from_bytes(bytes);
        assert_eq!(slot.to_bytes(), bytes);
        assert!(keys.read(slot).unwrap().is_none());
        assert_eq!(keys.burn(&[slot]).unwrap(), 0);
    }
}

#[test]
fn a_batch_of_keys_costs_one_sync() {
    let disk = Disk::instant(1);
    let keys = created(&disk, &store_key());
    let before = disk.sync_count();
    let made = keys.allocate_batch(64, &mut seeded(4)).unwrap();
    assert_eq!(disk.sync_count() - before, 1);
    let slots: Vec<SlotId> = made.iter().map(MessageKey::slot).collect();
    assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), 64);
    assert_eq!(keys.burn(&slots).unwrap(), 64);
    assert_eq!(disk.sync_count() - before, 2);
    assert_eq!(keys.count().unwrap(), 0);
}

#[test]
fn reconciling_burns_what_no_row_names_and_reports_what_is_gone() {
    let disk = Disk::instant(1);
    let key = store_key();
    let rng = &mut seeded(5);
    let keys = created(&disk, &key);
    let made = keys.allocate_batch(300, rng).unwrap();
    let late = keys.reconcile(&BTreeSet::new()).unwrap_err();
    assert_eq!(late, KeyError::TooLateToReconcile);
    keys.burn(&[made[7].slot()]).unwrap();
    drop(keys);

    let keys = opened(&disk, &key);
    let live: BTreeSet<SlotId> = made[..100].iter().map(MessageKey::slot).collect();
    let found = keys.reconcile(&live).unwrap();
    assert_eq!(
        found,
        Reconciled {
            burnt_count: 200,
            absent: vec![made[7].slot()]
        }
    );
    for (at, message) in made.iter().enumerate() {
        let there = keys.read(message.slot()).unwrap().is_some();
        assert_eq!(there, at < 100 && at != 7, "key {at}");
        assert_eq!(
            contains(&bytes(&disk), message.as_bytes()),
            there,
            "key {at}"
        );
    }
}

#[test]
fn a_full_file_takes_no_more_keys() {
    let disk = with_garbage(SLOT_COUNT_MAX);
    let keys = opened(&disk, &store_key());
    assert_eq!(keys.count().unwrap(), SLOT_COUNT_MAX);
    let full = keys.allocate(&mut seeded(1)).unwrap_err();
    let limit = SLOT_COUNT_MAX;
    assert_eq!(full, KeyError::Full { limit });
}

#[test]
fn more_orphans_than_one_sync_takes_are_all_burnt() {
    let count = 3 * ORPHAN_COUNT_MAX as u32 + 128;
    let disk = with_garbage(count);
    let keys = opened(&disk, &store_key());
    let before = disk.sync_count();
    let found = keys.reconcile(&BTreeSet::new()).unwrap();
    assert_eq!(found.burnt_count, count);
    assert_eq!(disk.sync_count() - before, 4);
    assert!(bytes(&disk)[4096..].iter().all(|&byte| byte == 0));
    keys.allocate(&mut seeded(1)).unwrap();
}

#[test]
fn one_call_makes_a_bounded_number_of_keys() {
    let keys = created(&Disk::instant(1), &store_key());
    let (got, limit) = (ALLOCATE_COUNT_MAX + 1, ALLOCATE_COUNT_MAX);
    let error = keys.allocate_batch(got, &mut seeded(1)).unwrap_err();
    assert_eq!(error, KeyError::TooMany { got, limit });
    assert_eq!(
        keys.allocate_batch(limit, &mut seeded(1)).unwrap().len(),
        limit
    );
    let body = vec![0; BODY_BYTES_MAX + 1];
    let key = keys.allocate(&mut seeded(2)).unwrap();
    let error = keys
        .seal_body(&key, b"", &body, &mut seeded(3))
        .unwrap_err();
    assert_eq!(
        error,
        BodyError::TooLong {
            got: body.len(),
            limit: BODY_BYTES_MAX
        }
    );
}

#[test]
fn a_full_disk_loses_no_key_and_burning_goes_on() {
    let disk = Disk::instant(1);
    let key = store_key();
    let keys = created(&disk, &key);
    let rng = &mut seeded(6);
    let mut made = keys.allocate_batch(100, rng).unwrap();
    leave_room(&disk, 1);
    let error = loop {
        match keys.allocate_batch(50, rng) {
            Ok(more) => made.extend(more),
            Err(error) => break error,
        }
    };
    assert_eq!(error, KeyError::Disk(DiskError::Full));
    assert_eq!(keys.allocate(rng).unwrap_err(), KeyError::NeedsReopen);
    assert_eq!(made.len(), 250, "two pages were there to fill");
    let burnt = made.pop().unwrap();
    assert_eq!(keys.burn(&[burnt.slot()]).unwrap(), 1);
    let check = |keys: &KeyFile| {
        assert!(keys.read(burnt.slot()).unwrap().is_none());
        for message in &made {
            let read = keys.read(message.slot()).unwrap().unwrap();
            assert_eq!(read.as_bytes(), message.as_bytes());
        }
    };
    check(&keys);
    drop(keys);
    check(&opened(&disk, &key));
}

/// The ways in which the sync of a burning fails: whether the kernel gives up what it should have written, and whether
/// the process then starts again.
const FAILED_SYNCS: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];

/// Burns a key with a sync that fails, and perhaps restarts the process; returns the key.
fn burnt_in_memory_alone(disk: &Disk, (gives_up, restarts): (bool, bool)) -> (KeyFile, MessageKey) {
    let keys = created(disk, &store_key());
    let message = keys.allocate(&mut seeded(1)).unwrap();
    disk.set_faults(Faults {
        sync_error_drops: gives_up,
        ..Faults::default()
    });
    disk.fail_next(Operation::Sync, 1);
    let burnt = keys.burn(&[message.slot()]);
    assert!(matches!(burnt, Err(KeyError::Disk(_))));
    if !restarts {
        return (keys, message);
    }
    drop(keys);
    disk.kill();
    (opened(disk, &store_key()), message)
}

#[test]
fn a_burn_that_failed_is_done_when_it_is_repeated() {
    for (seed, how) in (0..20).flat_map(|seed| FAILED_SYNCS.map(|how| (seed, how))) {
        let disk = Disk::instant(seed);
        let (keys, message) = burnt_in_memory_alone(&disk, how);
        let before = disk.sync_count();
        keys.burn(&[message.slot()]).unwrap();
        assert_eq!(disk.sync_count() - before, 1);
        drop(keys);
        disk.crash();
        let is_there = contains(&bytes(&disk), message.as_bytes());
        assert!(!is_there, "seed {seed}, {how:?}");
    }
}

#[test]
fn files_that_are_no_key_files_are_refused() {
    let disk = Disk::instant(1);
    let key = store_key();
    created(&disk, &key).allocate(&mut seeded(1)).unwrap();
    let sound = bytes(&disk);
    let why_of = |bytes: Vec<u8>| match KeyFile::open_on(Box::new(file(&disk_with(&bytes))), &key)
        .unwrap_err()
    {
        KeyError::Damaged { why } => why,
        other => panic!("{other}"),
    };
    assert_eq!(why_of(vec![]), "it is cut short");
    assert_eq!(why_of(sound[..4095].to_vec()), "it is cut short");
    assert_eq!(
        why_of(vec![7; 8192]),
        "it does not start as a key file does"
    );
    let mut long = sound.clone();
    long.resize(4096 + 32 * SLOT_COUNT_MAX as usize + 1, 0);
    assert_eq!(
        why_of(long),
        "it is longer than any version of this program made it"
    );
    for at in 8..72 {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        assert_eq!(why_of(flipped), "its header does not belong to this home");
    }
    let there = KeyFile::create_on(Box::new(file(&disk)), &key, &mut seeded(1)).unwrap_err();
    assert_eq!(there, KeyError::AlreadyThere);
}

#[test]
fn a_file_cut_in_the_middle_keeps_the_keys_before_the_cut() {
    let disk = Disk::instant(1);
    let key = store_key();
    let made = created(&disk, &key)
        .allocate_batch(200, &mut seeded(1))
        .unwrap();
    let cut = 4096 + 32 * 150 + 7;
    let cut = disk_with(&bytes(&disk)[..cut]);
    let keys = opened(&cut, &key);
    let live: BTreeSet<SlotId> = made.iter().map(MessageKey::slot).collect();
    let found = keys.reconcile(&live).unwrap();
    assert_eq!((found.burnt_count, found.absent.len()), (1, 50));
    assert_eq!(keys.allocate_batch(300, &mut seeded(2)).unwrap().len(), 300);
    let read = keys.read(made[149].slot()).unwrap().unwrap();
    assert_eq!(read.as_bytes(), made[149].as_bytes());
}

#[test]
fn a_file_that_lost_whole_pages_with_keys_of_rows_is_not_reconciled() {
    let disk = Disk::instant(1);
    let key = store_key();
    let made = created(&disk, &key)
        .allocate_batch(200, &mut seeded(1))
        .unwrap();
    let keys = opened(&disk_with(&bytes(&disk)[..8192]), &key);
    let live: BTreeSet<SlotId> = made.iter().map(MessageKey::slot).collect();
    let cut = keys.reconcile(&live).unwrap_err();
    assert!(matches!(cut, KeyError::Damaged { .. }), "{cut}");
    // Nothing was burnt on the way.
    assert!(keys.read(made[0].slot()).unwrap().is_some());
}

#[test]
fn a_real_file_is_created_once_opened_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("message-keys");
    let key = store_key();
    let rng = &mut seeded(1);
    assert_eq!(KeyFile::open(&path, &key).unwrap_err(), KeyError::Missing);
    let keys = KeyFile::create(&path, &key, rng).unwrap();
    assert_eq!(KeyFile::open(&path, &key).unwrap_err(), KeyError::InUse);
    assert_eq!(
        KeyFile::create(&path, &key, rng).unwrap_err(),
        KeyError::AlreadyThere
    );
    let made = keys.allocate_batch(130, rng).unwrap();
    keys.burn(&[made[0].slot()]).unwrap();
    drop(keys);
    let keys = KeyFile::open(&path, &key).unwrap();
    assert!(keys.read(made[0].slot()).unwrap().is_none());
    assert_eq!(keys.count().unwrap(), 129);
    let read = keys.read(made[129].slot()).unwrap().unwrap();
    assert_eq!(read.as_bytes(), made[129].as_bytes());
}

#[test]
fn debug_output_shows_no_key() {
    let keys = created(&Disk::instant(1), &store_key());
    let key = keys.allocate(&mut seeded(1)).unwrap();
    assert_eq!(
        format!("{keys:?} {key:?}"),
        "KeyFile(..) MessageKey(SlotId(0), ..)"
    );
}

#[test]
fn power_cuts_lose_no_key_and_bring_none_back() {
    for seed in 0..400 {
        if let Err(violation) = power_cuts(seed, false) {
            panic!("seed {seed}: {violation}");
        }
    }
}

#[test]
fn the_power_cut_test_notices_a_disk_that_lies_about_syncing() {
    assert!((0..20).any(|seed| power_cuts(seed, true).is_err()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn flipped_bytes_of_slots_never_panic_and_lose_that_key_alone(
        at in 4096..8192_usize,
        flip in 1..=255_u8,
    ) {
        let disk = Disk::instant(1);
        let key = store_key();
        let made = created(&disk, &key).allocate_batch(100, &mut seeded(1)).unwrap();
        let mut bytes = bytes(&disk);
        bytes[at] ^= flip;
        let keys = opened(&disk_with(&bytes), &key);
        let hit = (at - 4096) / 32;
        for (index, message) in made.iter().enumerate() {
            prop_assert_eq!(keys.read(message.slot()).unwrap().is_none(), index == hit);
        }
        let live: BTreeSet<SlotId> = made.iter().map(MessageKey::slot).collect();
        let found = keys.reconcile(&live).unwrap();
        prop_assert_eq!(found.burnt_count, 1);
        prop_assert_eq!(found.absent.len(), usize::from(hit < 100));
    }
}

/// Works on a key file for a while with failures in the middle of calls and power cuts, and
/// compares with what the calls promised.
fn power_cuts(seed: u64, lying: bool) -> Result<(), String> {
    let rng = &mut seeded(seed);
    let key = store_key();
    let disk = Disk::instant(seed);
    let mut keys = created(&disk, &key);
    let mut live: BTreeMap<SlotId, [u8; 32]> = BTreeMap::new();
    let mut burnt: Vec<[u8; 32]> = Vec::new();
    for _ in 0..12 {
        if lying {
            disk.set_faults(Faults {
                lying_sync: 1.0,
                ..Faults::default()
            });
        }
        if rng.random_range(0..2) == 0 {
            disk.fail_after(rng.random_range(0..60));
        }
        for _ in 0..rng.random_range(0..6) {
            work(&keys, rng, &mut live, &mut burnt);
        }
        drop(keys);
        disk.mend();
        disk.crash();
        keys = opened(&disk, &key);
        let found = keys
            .reconcile(&live.keys().copied().collect())
            .map_err(|e| e.to_string())?;
        if !found.absent.is_empty() {
            return Err(format!("{} keys were lost", found.absent.len()));
        }
        let bytes = bytes(&disk);
        let (slots, _) = bytes[4096..].as_chunks::<32>();
        let there: BTreeSet<&[u8; 32]> = slots.iter().filter(|slot| **slot != [0; 32]).collect();
        if there != live.values().collect() {
            return Err("the file does not hold exactly the living keys".into());
        }
        if burnt.iter().any(|bytes| there.contains(bytes)) {
            return Err("a burnt key came back".into());
        }
    }
    Ok(())
}

/// One call; what it promised by returning is noted, a failed burn is repeated never.
fn work(
    keys: &KeyFile,
    rng: &mut StdRng,
    live: &mut BTreeMap<SlotId, [u8; 32]>,
    burnt: &mut Vec<[u8; 32]>,
) {
    if rng.random_range(0..3) > 0 {
        let count = rng.random_range(1..80);
        if let Ok(made) = keys.allocate_batch(count, rng) {
            live.extend(
                made.iter()
                    .map(|message| (message.slot(), *message.as_bytes())),
            );
        }
        return;
    }
    let mut slots: Vec<SlotId> = live.keys().copied().collect();
    slots.retain(|_| rng.next_u32().is_multiple_of(3));
    let done = keys.burn(&slots);
    // A burn that failed promises nothing about these keys: their rows go, as the next reconcile
    // sees them, and they count neither as living nor as burnt.
    for slot in slots {
        let bytes = live.remove(&slot);
        burnt.extend(bytes.filter(|_| done.is_ok()));
    }
}

fn store_key() -> StoreKey {
    StoreKey::random(&mut seeded(42))
}

fn created(disk: &Disk, key: &StoreKey) -> KeyFile {
    KeyFile::create_on(Box::new(file(disk)), key, &mut seeded(43)).unwrap()
}

fn opened(disk: &Disk, key: &StoreKey) -> KeyFile {
    KeyFile::open_on(Box::new(file(disk)), key).unwrap()
}

/// A key file with so many slots that no row names.
fn with_garbage(slots: u32) -> Disk {
    let disk = Disk::instant(1);
    created(&disk, &store_key());
    let mut bytes = bytes(&disk);
    bytes.resize(4096 + 32 * slots as usize, 0xab);
    disk_with(&bytes)
}
