//! A person's vault on the disk: database and message keys through crashes.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::StdRng;
use restante::vault::{SLOT_ID_BYTES, SlotId, StoreKey, Table, Vault, VaultFault};

use super::{Clock, file, rng};
use crate::{Disk, Faults};

pub(super) const DATABASE: &str = "client.redb";
pub(super) const KEYS: &str = "message-keys";
const MESSAGES: Table = Table::new("messages");
const CONTEXT: &[u8] = b"context";

/// A person through several lives of the host.
struct Life {
    clock: Clock,
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
    Vault(VaultFault),
    Message(u32),
    Unburnt,
}

impl<E: Into<VaultFault>> From<E> for Broken {
    fn from(fault: E) -> Self {
        Self::Vault(fault.into())
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = Clock::default();
        let disk = clock.disk(seed);
        let (vault, key) = create(&disk, &mut rng(seed));
        clock.wait(&disk);
        Self {
            clock,
            disk,
            rng: rng(seed),
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
            self.clock.wait(&self.disk);
            self.burnt.insert(slot);
            return Ok(());
        }
        let mut body = vec![0; self.rng.random_range(10..3_000)];
        self.rng.fill(&mut body[..]);
        let message = vault.keys().allocate(&mut self.rng)?;
        let sealed = vault
            .keys()
            .seal_body(&message, CONTEXT, &body, &mut self.rng)
            .map_err(|_| Broken::Message(number))?;
        let row = [message.slot().to_bytes().as_slice(), &sealed].concat();
        vault
            .db()
            .write(|tx| tx.put(MESSAGES, &number.to_be_bytes(), &row))?;
        self.clock.wait(&self.disk);
        self.kept.insert(number, body);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.vault = None;
        let vault = open(&self.disk, &self.key, &mut self.rng)?;
        let rows = vault.db().read(|tx| tx.iter(MESSAGES))?;
        let live = rows.iter().map(|row| slot_of(&row.value)).collect();
        vault.keys().reconcile(&live)?;
        self.clock.wait(&self.disk);
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

fn row(vault: &Vault, number: u32) -> Result<Option<Vec<u8>>, VaultFault> {
    let row = vault
        .db()
        .read(|tx| tx.get(MESSAGES, &number.to_be_bytes()))?;
    Ok(row.map(|row| row.to_vec()))
}

fn slot_of(row: &[u8]) -> SlotId {
    SlotId::from_bytes(*row.first_chunk().unwrap())
}

pub(super) fn create(disk: &Disk, rng: &mut StdRng) -> (Vault, StoreKey) {
    let key = StoreKey::random(rng);
    let keys = Box::new(file(disk, KEYS));
    let vault = Vault::create_on(file(disk, DATABASE), keys, &key, rng);
    (vault.unwrap(), key)
}

fn open(disk: &Disk, key: &StoreKey, rng: &mut StdRng) -> Result<Vault, VaultFault> {
    let keys = Box::new(file(disk, KEYS));
    Vault::open_on(file(disk, DATABASE), keys, key, rng)
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
