//! A vault on a disk that fails or is full for a while: it is opened again, and holds what was promised and no more.

use std::collections::{BTreeMap, BTreeSet};

use restante_client::CommitError;
use restante_interface::StoreTrouble;
use restante_sim_disk::{Disk, DiskFile, PAGE_BYTES};

use super::*;
use crate::fixture::seeded;
use crate::vault::{DATABASE_FILE, KEY_FILE, StoreKey, VaultError};

/// A person's store on a simulated disk, and the messages that it took.
struct Scene {
    disk: Disk,
    key: StoreKey,
    store: VaultDisk,
    taken: BTreeMap<u64, Slot>,
    /// A message that it did not take, or so it said.
    refused: Option<u64>,
    next: u8,
}

fn file(disk: &Disk, name: &str) -> DiskFile {
    disk.file(name).unwrap()
}

fn open(disk: &Disk, key: &StoreKey) -> Result<Vault, VaultError> {
    let keys = Box::new(file(disk, KEY_FILE));
    Vault::open_on(file(disk, DATABASE_FILE), keys, key, &mut seeded(2))
}

fn store_on(disk: &Disk, vault: Vault) -> VaultDisk {
    let (disk, key) = (disk.clone(), vault.store_key());
    VaultDisk::opened_by(vault, move || open(&disk, &key))
}

impl Scene {
    fn new(seed: u64) -> Self {
        let (disk, rng) = (Disk::instant(seed), &mut seeded(seed));
        let key = StoreKey::random(rng);
        let keys = Box::new(file(&disk, KEY_FILE));
        let vault = Vault::create_on(file(&disk, DATABASE_FILE), keys, &key, rng).unwrap();
        create_account(
            &vault,
            &phrase(),
            "alice".parse().unwrap(),
            NOW,
            IdCost::CheapForTests,
        )
        .unwrap();
        let store = store_on(&disk, vault);
        Self {
            disk,
            key,
            store,
            taken: BTreeMap::new(),
            refused: None,
            next: 0,
        }
    }

    /// Stores a message.
    fn take(&mut self) -> Result<(), CommitError> {
        let number = self.next;
        self.next += 1;
        let place = u64::from(number);
        match self.store.commit(&[message(number, NOW.plus(DAY_MS))]) {
            Ok(slots) => {
                self.taken.insert(place, slots[0]);
                Ok(())
            }
            Err(error) => {
                self.refused = Some(place);
                Err(error)
            }
        }
    }

    /// Stores messages until one is refused.
    fn take_until_refused(&mut self) -> CommitError {
        loop {
            if let Err(error) = self.take() {
                return error;
            }
        }
    }

    /// Makes sure that what was refused is not there, as the core does.
    fn pay(&self) -> Result<(), CommitError> {
        let owed: Vec<Change> = self.refused.into_iter().map(Change::Discard).collect();
        self.store.commit(&owed).map(drop)
    }

    #[track_caller]
    fn check_bodies(&self) {
        for (place, slot) in &self.taken {
            let body = self.store.body(*place, *slot).unwrap();
            assert_eq!(body, Some(vec![u8::try_from(*place).unwrap(); 100]));
        }
    }

    /// Cuts the power and starts again: what was taken is there, and neither a row nor a key of anything else.
    #[track_caller]
    fn check_after_power_cut(self) {
        drop(self.store);
        self.disk.crash();
        let vault = open(&self.disk, &self.key).unwrap();
        let keys = vault.keys().count().unwrap();
        assert_eq!(keys as usize, self.taken.len());
        let loaded = store_on(&self.disk, vault).load().unwrap();
        let places: BTreeSet<u64> = loaded.inbox.keys().copied().collect();
        assert_eq!(places, self.taken.keys().copied().collect());
    }
}

#[test]
fn a_disk_that_failed_for_a_moment_is_gone_on_with_wherever_it_failed() {
    let (mut in_doubt, mut committed_all_the_same) = (0, 0);
    for calls in 0..60 {
        let mut scene = Scene::new(calls);
        scene.take().unwrap();
        scene.disk.fail_after(calls);
        let error = scene.take_until_refused();
        assert!(
            error.trouble.as_ref().is_some_and(StoreTrouble::passes),
            "{error:?}"
        );
        in_doubt += u32::from(error.in_doubt);
        let refused = scene.refused;
        // As long as the disk fails, so does every try.
        assert!(scene.take().is_err() && scene.pay().is_err());
        scene.disk.mend();
        scene.check_bodies();
        let loaded = scene.store.load().unwrap();
        committed_all_the_same += loaded.inbox.len() - scene.taken.len();
        scene.refused = refused;
        scene.pay().unwrap();
        scene.take().unwrap();
        scene.check_bodies();
        scene.check_after_power_cut();
    }
    assert!(in_doubt > 20, "{in_doubt}");
    assert!(committed_all_the_same > 1, "{committed_all_the_same}");
}

#[test]
fn a_full_disk_can_be_read_and_burned_on_and_is_gone_on_with_once_there_is_room() {
    for room in 0..30 {
        let mut scene = Scene::new(room);
        for _ in 0..3 {
            scene.take().unwrap();
        }
        let before = scene.disk.used_bytes();
        scene.disk.set_capacity(before + room * PAGE_BYTES as u64);
        let error = scene.take_until_refused();
        assert_eq!(error.trouble, Some(StoreTrouble::DiskFull), "{room}");
        scene.check_bodies();
        // A key is destroyed where it lies.
        let (place, slot) = scene.taken.pop_first().unwrap();
        let destroyed = scene.store.commit(&[Change::Destroy(place, slot)]);
        assert_eq!(scene.store.body(place, slot).unwrap(), None, "{room}");
        scene.disk.set_capacity(1 << 30);
        scene.pay().unwrap();
        if destroyed.is_err() {
            scene.store.commit(&[Change::Discard(place)]).unwrap();
        }
        scene.take().unwrap();
        scene.check_bodies();
        scene.check_after_power_cut();
    }
}

#[test]
fn a_vault_whose_file_is_damaged_is_not_opened_again() {
    let mut scene = Scene::new(3);
    scene.take().unwrap();
    scene.disk.fail_after(0);
    scene.take().unwrap_err();
    scene.disk.mend();
    let sound = scene.disk.read_small(DATABASE_FILE).unwrap().unwrap();
    let mut torn = sound.clone();
    torn[PAGE_BYTES..].fill(0x5a);
    scene.disk.write_small(DATABASE_FILE, &torn).unwrap();
    let damage = |store: &VaultDisk| store.commit(&[]).unwrap_err().trouble;
    assert!(matches!(
        damage(&scene.store),
        Some(StoreTrouble::Damaged { .. })
    ));
    // It stays so: a person has to see to it.
    scene.disk.write_small(DATABASE_FILE, &sound).unwrap();
    assert!(matches!(
        damage(&scene.store),
        Some(StoreTrouble::Damaged { .. })
    ));
}
