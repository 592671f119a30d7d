//! The keeper's store on the disk: whatever it acknowledged is there after every crash.

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use restante::keeper::store::{Check, OpenError, RedbStore};
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, StoreError, StoreOp, StoreOutcome},
    time::UnixMillis,
};

use super::{Clock, file, rng};
use crate::{Disk, Faults, Operation};

pub(super) const NAME: &str = "keeper.redb";
const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);
const CAP_BYTES: u64 = 1 << 30;
const MAILBOX: Address = Address::new([3; 32]);

/// A keeper through several lives of its host.
struct Life {
    clock: Clock,
    disk: Disk,
    rng: StdRng,
    store: Option<RedbStore>,
    acked: Vec<Bytes>,
    /// The batch that nobody has heard of yet.
    open_batch: Vec<Bytes>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = Clock::default();
        let disk = clock.disk(seed);
        let mut life = Self {
            clock,
            disk,
            rng: rng(seed),
            store: None,
            acked: Vec::new(),
            open_batch: Vec::new(),
        };
        life.store = Some(open(&life.disk).unwrap());
        life.clock.wait(&life.disk);
        life
    }

    /// Deposits some envelopes at once; returns whether the store took them.
    fn deposit(&mut self) -> Result<(), StoreError> {
        let count = self.rng.random_range(1..4);
        let batch: Vec<Bytes> = (0..count).map(|_| envelope(&mut self.rng)).collect();
        let ops = batch.iter().map(put).collect();
        self.open_batch = batch;
        let store = self.store.as_mut().unwrap();
        let outcomes = store.apply(NOW, ops)?;
        assert!(outcomes.iter().all(is_held));
        Ok(())
    }

    /// Waits until the disk is done; then the senders hear of it.
    fn acknowledge(&mut self) {
        self.clock.wait(&self.disk);
        self.acked.append(&mut self.open_batch);
    }

    /// Starts again; returns whether everything is as promised.
    fn restart(&mut self) -> bool {
        self.store = None;
        let Ok(mut store) = open(&self.disk) else {
            return false;
        };
        self.clock.wait(&self.disk);
        let acked: Vec<bool> = self.acked.iter().map(|e| holds(&mut store, e)).collect();
        let open: Vec<bool> = self
            .open_batch
            .iter()
            .map(|e| holds(&mut store, e))
            .collect();
        let is_whole = open.iter().all(|held| *held == open[0]);
        if is_whole && open.first() == Some(&true) {
            self.acked.append(&mut self.open_batch);
        }
        self.open_batch.clear();
        let usage = store.recount();
        let is_counted = usage.is_ok_and(|usage| usage.items == self.acked.len() as u64);
        self.store = Some(store);
        acked.into_iter().all(|held| held) && is_whole && is_counted
    }
}

fn envelope(rng: &mut StdRng) -> Bytes {
    let mut bytes = vec![0; [2_048, 8_192, 65_536][rng.random_range(0..3_usize)]];
    rng.fill(&mut bytes[..]);
    bytes.into()
}

fn put(bytes: &Bytes) -> StoreOp {
    StoreOp::PutEnvelope {
        address: MAILBOX,
        id: id_of(bytes),
        bytes: bytes.clone(),
        expires: NOW.plus(600_000),
        budget: Budget {
            count: 1_000,
            bytes: 1 << 30,
            effort: 0,
            shared: true,
        },
        warrant: Bytes::new(),
    }
}

fn is_held(outcome: &StoreOutcome) -> bool {
    matches!(outcome, StoreOutcome::Held { .. })
}

fn holds(store: &mut RedbStore, envelope: &Bytes) -> bool {
    let ids = vec![id_of(envelope)];
    let get = StoreOp::Get {
        address: MAILBOX,
        ids,
    };
    match store.apply(NOW, vec![get]).as_deref() {
        Ok([StoreOutcome::Envelopes(found)]) => found.iter().any(|it| it.envelope == *envelope),
        _ => false,
    }
}

pub(super) fn open(disk: &Disk) -> Result<RedbStore, OpenError> {
    RedbStore::open_with_backend(file(disk, NAME), CAP_BYTES, Check::Whole)
}

/// Returns how many commits the crashes undid, and how many broke a promise.
fn crash_in_commits(seeds: u64, faults: &Faults) -> (u32, u32) {
    let (mut undone, mut broken) = (0, 0);
    for seed in 0..seeds {
        let mut life = Life::new(seed);
        life.disk.set_faults(*faults);
        for changes in 0..26 {
            life.deposit().unwrap();
            life.acknowledge();
            life.disk.cut_power_after(changes);
            while life.deposit().is_ok() {
                life.acknowledge();
            }
            assert!(life.disk.is_power_cut());
            let acked = life.acked.len();
            life.disk.crash();
            let is_sound = life.restart();
            undone += u32::from(life.acked.len() == acked);
            if !is_sound {
                broken += 1;
                break;
            }
        }
    }
    (undone, broken)
}

#[test]
fn no_power_cut_within_a_commit_loses_what_was_acknowledged() {
    let (undone, broken) = crash_in_commits(6, &Faults::default());
    assert_eq!(broken, 0);
    assert!(undone > 50, "{undone}");
}

#[test]
fn a_lying_disk_is_noticed() {
    // Proof that the test above sees a sync that does nothing.
    let faults = Faults {
        lying_sync: 0.3,
        ..Faults::default()
    };
    let (_, broken) = crash_in_commits(6, &faults);
    assert!(broken > 2, "{broken}");
}

#[test]
fn no_crash_while_a_commit_is_waited_for_loses_what_was_acknowledged() {
    let (mut kept, mut undone) = (0, 0);
    for seed in 0..60 {
        let mut life = Life::new(seed);
        for _ in 0..3 {
            life.deposit().unwrap();
            life.acknowledge();
            life.deposit().unwrap();
            let acked = life.acked.len();
            let percent = life.rng.random_range(0..100);
            life.clock.advance(life.disk.take_cost() * percent / 100);
            let is_killed = life.rng.random();
            let effect = match is_killed {
                true => life.disk.kill(),
                false => life.disk.crash(),
            };
            assert!(life.restart(), "seed {seed}: {effect:?}");
            undone += u32::from(life.acked.len() == acked);
            kept += u32::from(life.acked.len() > acked);
        }
    }
    assert!(kept > 10 && undone > 10, "{kept} {undone}");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let mut life = Life::new(1);
    life.disk.set_capacity(300 * 1_024);
    let fault = loop {
        match life.deposit() {
            Ok(()) => life.acknowledge(),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, StoreError::DiskFull);
    assert!(life.disk.effects().full > 0 && life.disk.used_bytes() <= 300 * 1_024);
    life.disk.set_capacity(1 << 30);
    assert!(life.restart());
    life.deposit().unwrap();
}

#[test]
fn a_failing_disk_stops_the_store_and_loses_nothing() {
    for operation in [Operation::Write, Operation::Sync] {
        for failures_after in 0..4 {
            let mut life = Life::new(failures_after);
            for _ in 0..=failures_after {
                life.deposit().unwrap();
                life.acknowledge();
            }
            life.disk.fail_next(operation, 1);
            assert!(matches!(life.deposit(), Err(StoreError::Io(_))));
            life.clock.wait(&life.disk);
            assert!(life.deposit().is_err());
            life.open_batch.clear();
            life.disk.crash();
            assert!(life.restart());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut life = Life::new(seed);
        for changes in [3, 7, 12] {
            life.disk.cut_power_after(changes);
            while life.deposit().is_ok() {
                life.acknowledge();
            }
            life.disk.crash();
            assert!(life.restart());
        }
        life.store = None;
        (life.disk.image(), life.disk.effects(), life.clock.now())
    };
    assert!(run(5) == run(5));
    assert!(run(5) != run(6));
}

#[test]
fn a_sync_that_fails_and_is_made_good_later_loses_nothing() {
    for seed in 0..40 {
        let mut life = Life::new(seed);
        life.disk.set_faults(Faults {
            sync_error: 0.3,
            ..Faults::default()
        });
        while life.deposit().is_ok() {
            life.acknowledge();
        }
        life.disk.set_faults(Faults::default());
        life.clock.wait(&life.disk);
        // The process starts again, the operating system goes on.
        life.disk.kill();
        assert!(life.restart(), "seed {seed}");
        life.deposit().unwrap();
        life.acknowledge();
        life.disk.crash();
        assert!(life.restart(), "seed {seed}");
        assert!(life.disk.effects().sync_errors > 0);
    }
}
