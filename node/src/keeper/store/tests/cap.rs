//! The operator's cap and what the file takes of the disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use restante_proto::{
    Address, ItemId,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, StoreOp, StoreOutcome},
    keys::Signature,
    limits::{HOUR_MS, MINUTE_MS},
    mailbox::AckEntry,
    request::Reason,
    time::UnixMillis,
};
use tempfile::TempDir;

use super::{
    super::RedbStore,
    world::{self, START, sweep_all},
};
use crate::fixture::seeded;

/// The smallest cap that a configuration may have.
const CAP_BYTES: u64 = 16 << 20;
const SIZES: [usize; 3] = [2_048, 8_192, 65_536];

/// A store in a file, and who deposits what.
struct Scene {
    _folder: TempDir,
    path: PathBuf,
    store: RedbStore,
    rng: StdRng,
    now: UnixMillis,
    held: Vec<(Address, ItemId)>,
    most: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keeper.redb");
        let (store, _) = RedbStore::open(&path, CAP_BYTES).unwrap();
        Self {
            _folder: folder,
            path,
            store,
            rng: seeded(seed),
            now: START,
            held: Vec::new(),
            most: 0,
        }
    }

    fn apply(&mut self, ops: Vec<StoreOp>) -> Vec<StoreOutcome> {
        let outcomes = self.store.apply(self.now, ops).unwrap();
        let taken = fs::metadata(&self.path).unwrap().blocks() * 512;
        self.most = self.most.max(taken);
        assert!(taken <= CAP_BYTES, "{taken} bytes of the disk are taken");
        outcomes
    }

    /// Deposits until nothing of this size is taken in any more; returns the bytes that were.
    fn fill(&mut self, sizes: &[usize], batch: usize, life_ms: u64) -> u64 {
        let mut bytes = 0;
        for _ in 0..100_000 {
            let ops: Vec<StoreOp> = (0..batch).map(|_| self.put(sizes, life_ms)).collect();
            let named: Vec<_> = ops.iter().map(named).collect();
            let mut is_full = true;
            for (outcome, (address, id, size)) in self.apply(ops).into_iter().zip(named) {
                match outcome {
                    StoreOutcome::Held { new: true, .. } => {
                        (bytes, is_full) = (bytes + size, false);
                        self.held.push((address, id));
                    }
                    StoreOutcome::Refused(Reason::Full) => {}
                    other => panic!("a deposit came to {other:?}"),
                }
            }
            if is_full {
                return bytes;
            }
        }
        panic!("the store is never full");
    }

    fn put(&mut self, sizes: &[usize], life_ms: u64) -> StoreOp {
        let mut bytes = vec![0; sizes[self.rng.random_range(0..sizes.len())]];
        self.rng.fill_bytes(&mut bytes);
        StoreOp::PutEnvelope {
            address: Address::new(self.rng.random()),
            id: id_of(&bytes),
            bytes: Bytes::from(bytes),
            expires: self.now.plus(self.rng.random_range(life_ms / 2..life_ms)),
            budget: Budget {
                count: 1_024,
                bytes: 1 << 24,
                effort: 0,
                shared: true,
            },
            proof: world::proof(1),
        }
    }

    /// Acks what `is_chosen` says, by its place.
    fn ack(&mut self, is_chosen: impl Fn(usize) -> bool) -> (u64, u64) {
        let (mut done, mut refused) = (0, 0);
        let held = std::mem::take(&mut self.held);
        let mut ops = Vec::new();
        for (place, (address, id)) in held.into_iter().enumerate() {
            if is_chosen(place) {
                ops.push(ack(address, id));
            } else {
                self.held.push((address, id));
            }
        }
        for ops in ops.chunks(64) {
            for outcome in self.apply(ops.to_vec()) {
                done += u64::from(outcome == StoreOutcome::Done);
                refused += u64::from(outcome != StoreOutcome::Done);
            }
        }
        (done, refused)
    }

    /// Lets everything expire and go.
    fn expire(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.held.clear();
        sweep_all(&mut self.store, self.now, 1_000);
        self.apply(Vec::new());
    }
}

fn named(op: &StoreOp) -> (Address, ItemId, u64) {
    match op {
        StoreOp::PutEnvelope {
            address, id, bytes, ..
        } => (*address, *id, bytes.len() as u64),
        other => panic!("{other:?} is no deposit"),
    }
}

fn ack(address: Address, id: ItemId) -> StoreOp {
    let signature = Signature::new([0; 64]);
    StoreOp::Ack {
        address,
        entries: vec![AckEntry { id, signature }],
        mailbox: world::mailbox(),
    }
}

#[test]
fn the_file_never_takes_more_than_the_cap_whatever_comes() {
    let mut scene = Scene::new(0);
    for round in 0..4 {
        let sizes = &SIZES[round % 3..(round % 3 + 1 + round / 3).min(3)];
        let batch = [24, 64][scene.rng.random_range(0..2_usize)];
        let filled = scene.fill(sizes, batch, HOUR_MS);
        // Whatever was there before, most of the cap is of use again.
        assert!(filled > CAP_BYTES / 5, "round {round}: {filled}");
        let step = scene.rng.random_range(2..4_usize);
        let (done, refused) = scene.ack(|place| place % step == 0);
        assert!(done > 0 && refused == 0, "{done} {refused}");
        scene.fill(&SIZES, 16, HOUR_MS);
        scene.expire(2 * HOUR_MS);
    }
    assert!(scene.most > CAP_BYTES * 3 / 4, "{}", scene.most);
    assert_eq!(scene.store.recount().unwrap(), scene.store.usage());
}

#[test]
fn holes_between_small_items_are_not_taken_for_room_for_large_ones() {
    let mut scene = Scene::new(9);
    scene.fill(&SIZES[..1], 32, HOUR_MS);
    scene.ack(|place| place % 2 == 0);
    let large = scene.fill(&SIZES[2..], 1, HOUR_MS);
    let small = scene.fill(&SIZES[..1], 32, HOUR_MS);
    assert!(
        small > CAP_BYTES / 20,
        "{small} of small ones and {large} of large ones"
    );
}

#[test]
fn acks_of_what_was_never_here_do_not_fill_the_disk_either() {
    let mut scene = Scene::new(10);
    let mut refused = 0;
    for _ in 0..600 {
        let ops = (0..64)
            .map(|_| {
                let id = ItemId::new(scene.rng.random());
                ack(Address::new(scene.rng.random()), id)
            })
            .collect();
        let outcomes = scene.apply(ops);
        refused += outcomes
            .iter()
            .filter(|outcome| **outcome == StoreOutcome::Refused(Reason::Full))
            .count();
    }
    assert!(refused > 0 && scene.store.usage().tombstones > 10_000);
}

#[test]
fn a_store_that_filled_its_cap_is_of_use_after_a_restart_too() {
    let mut scene = Scene::new(11);
    let first = scene.fill(&SIZES[..1], 64, MINUTE_MS);
    let (path, cap) = (scene.path.clone(), CAP_BYTES);
    scene.expire(HOUR_MS);
    let Scene { store, .. } = &mut scene;
    let again = std::mem::replace(
        store,
        RedbStore::open(&path.with_extension("other"), cap)
            .unwrap()
            .0,
    );
    again.close().unwrap();
    scene.store = RedbStore::open(&path, cap).unwrap().0;
    let second = scene.fill(&SIZES[..1], 64, MINUTE_MS);
    assert!(second * 10 > first * 9, "{first} {second}");
}
