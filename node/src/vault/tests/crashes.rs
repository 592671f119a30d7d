//! Database and message keys together, through power cuts at every write and a disk that fails at any.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::StdRng;
use restante_sim_disk::{Disk, DiskFile, Faults};

use super::super::{
    DATABASE_FILE, DbError, KEY_FILE, SLOT_ID_BYTES, SlotId, StoreKey, Table, Vault, VaultError,
};
use crate::fixture::seeded;

const MESSAGES: Table = Table::new("messages");
const CONTEXT: &[u8] = b"context";

/// A person through several lives of the host.
struct Life {
    disk: Disk,
    rng: StdRng,
    key: StoreKey,
    vault: Option<Vault>,
    kept: BTreeMap<u32, Vec<u8>>,
    burnt: BTreeSet<SlotId>,
    next: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Broken {
    Vault(VaultError),
    Message(u32),
    Unburnt,
}

impl<E: Into<VaultError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Vault(error.into())
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let disk = Disk::instant(seed);
        let (vault, key) = create(&disk, &mut seeded(seed));
        Self {
            disk,
            rng: seeded(seed),
            key,
            vault: Some(vault),
            kept: BTreeMap::new(),
            burnt: BTreeSet::new(),
            next: 0,
        }
    }

    /// Keeps a message, or burns one, and relies on it once the disk is done.
    fn work(&mut self) -> Result<(), Broken> {
        let vault = self.vault.as_ref().unwrap();
        let number = self.next;
        self.next += 1;
        let burns = self.rng.random_range(0..4) == 0;
        if let Some((old, _)) = self.kept.first_key_value().filter(|_| burns) {
            let old = *old;
            let slot = slot_of(&row(vault, old)?.ok_or(Broken::Message(old))?);
            // Whether it is burnt is open until the burning is done.
            self.kept.remove(&old);
            vault.keys().burn(&[slot])?;
            vault
                .db()
                .write(|tx| tx.remove(MESSAGES, &old.to_be_bytes()))?;
            self.burnt.insert(slot);
            return Ok(());
        }
        let mut body = vec![0; self.rng.random_range(10..3_000)];
        self.rng.fill(&mut body[..]);
        put(vault, &mut self.rng, number, &body)?;
        self.kept.insert(number, body);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.vault = None;
        let vault = open(&self.disk, &self.key, &mut self.rng)?;
        vault.keys().reconcile(&live(&vault)?)?;
        for (number, body) in &self.kept {
            let row = row(&vault, *number)?.ok_or(Broken::Message(*number))?;
            let sealed = &row[SLOT_ID_BYTES..];
            let opened = vault.keys().open_body(slot_of(&row), CONTEXT, sealed);
            if !opened.is_ok_and(|opened| *opened == *body) {
                return Err(Broken::Message(*number));
            }
        }
        for slot in &self.burnt {
            if vault.keys().read(*slot)?.is_some() {
                return Err(Broken::Unburnt);
            }
        }
        self.vault = Some(vault);
        Ok(())
    }
}

/// Commits a message with a key of its own.
fn put(vault: &Vault, rng: &mut StdRng, number: u32, body: &[u8]) -> Result<(), VaultError> {
    let mut sealing = seeded(number.into());
    vault.write_with_keys(1, rng, |tx, keys| {
        let sealed = vault
            .keys()
            .seal_body(&keys[0], CONTEXT, body, &mut sealing)
            .unwrap();
        let row = [keys[0].slot().to_bytes().as_slice(), &sealed].concat();
        Ok(tx.put(MESSAGES, &number.to_be_bytes(), &row)?)
    })
}

/// Returns the slots that rows name.
fn live(vault: &Vault) -> Result<BTreeSet<SlotId>, DbError> {
    let rows = vault.db().read(|tx| tx.iter(MESSAGES))?;
    Ok(rows.iter().map(|row| slot_of(&row.value)).collect())
}

fn row(vault: &Vault, number: u32) -> Result<Option<Vec<u8>>, VaultError> {
    let row = vault
        .db()
        .read(|tx| tx.get(MESSAGES, &number.to_be_bytes()))?;
    Ok(row.map(|row| row.to_vec()))
}

fn slot_of(row: &[u8]) -> SlotId {
    SlotId::from_bytes(*row.first_chunk().unwrap())
}

fn create(disk: &Disk, rng: &mut StdRng) -> (Vault, StoreKey) {
    let key = StoreKey::random(rng);
    let keys = Box::new(file(disk, KEY_FILE));
    let vault = Vault::create_on(file(disk, DATABASE_FILE), keys, &key, rng);
    (vault.unwrap(), key)
}

fn open(disk: &Disk, key: &StoreKey, rng: &mut StdRng) -> Result<Vault, VaultError> {
    let keys = Box::new(file(disk, KEY_FILE));
    Vault::open_on(file(disk, DATABASE_FILE), keys, key, rng)
}

fn file(disk: &Disk, name: &str) -> DiskFile {
    disk.file(name).unwrap()
}

/// Returns how many crashes lost something, and how many broke a promise.
fn crash_at_work(seeds: u64, faults: &Faults) -> (u64, u32) {
    let (mut with_loss, mut broken) = (0, 0);
    for seed in 0..seeds {
        let mut life = Life::new(seed);
        life.disk.set_faults(*faults);
        for changes in 0..30 {
            life.work().unwrap();
            life.disk.cut_power_after(changes);
            while life.work().is_ok() {}
            assert!(life.disk.is_power_cut());
            life.disk.crash();
            if life.restart().is_err() {
                broken += 1;
                break;
            }
        }
        with_loss += life.disk.effects().crashes_with_loss;
    }
    (with_loss, broken)
}

#[test]
fn no_power_cut_breaks_a_vault() {
    let (with_loss, broken) = crash_at_work(5, &Faults::default());
    assert_eq!(broken, 0);
    assert!(with_loss > 50, "{with_loss}");
}

#[test]
fn a_lying_disk_is_noticed() {
    let faults = Faults {
        lying_sync: 0.3,
        ..Faults::default()
    };
    let (_, broken) = crash_at_work(6, &faults);
    assert!(broken > 2, "{broken}");
}

#[test]
fn a_message_whose_commit_is_in_doubt_keeps_its_key() {
    let mut committed_all_the_same = 0;
    for (calls, power_cut) in (0..60).flat_map(|calls| [(calls, false), (calls, true)]) {
        let disk = Disk::instant(calls);
        let rng = &mut seeded(calls);
        let (vault, key) = create(&disk, rng);
        disk.fail_after(calls);
        let mut promised = 0;
        while put(&vault, rng, promised, b"text").is_ok() {
            promised += 1;
        }
        drop(vault);
        disk.mend();
        match power_cut {
            true => disk.crash(),
            false => disk.kill(),
        };
        let vault = open(&disk, &key, rng).unwrap();
        let live = live(&vault).unwrap();
        assert!((promised as usize..=promised as usize + 1).contains(&live.len()));
        committed_all_the_same += live.len() - promised as usize;
        let found = vault.keys().reconcile(&live).unwrap();
        assert_eq!(found.absent, [], "failure after {calls}, {power_cut}");
        assert_eq!(vault.keys().count().unwrap() as usize, live.len());
    }
    assert!(committed_all_the_same > 3, "{committed_all_the_same}");
}

#[test]
fn a_message_that_is_refused_leaves_no_key() {
    let disk = Disk::instant(1);
    let rng = &mut seeded(1);
    let (vault, _) = create(&disk, rng);
    let refused = vault.write_with_keys(3, rng, |_, _| {
        Err::<(), _>(VaultError::from(DbError::Missing))
    });
    assert_eq!(refused, Err(DbError::Missing.into()));
    assert_eq!(vault.keys().count().unwrap(), 0);
    put(&vault, rng, 1, b"the vault goes on").unwrap();
}
