//! The store on a disk that takes time, whose syncs and writes fail one by one: what it acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, StoreError, StoreOp, StoreOutcome},
    time::UnixMillis,
};
use restante_sim_disk::{Disk, DiskOptions, Faults, Operation};

use super::super::{Check, KeeperStore as _, OpenError, RedbStore};
use crate::fixture::{leave_room, seeded, storage};

const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);
const CAP_BYTES: u64 = 1 << 30;
const MAILBOX: Address = Address::new([3; 32]);

/// A clock that goes when it is told to.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Waits until the disk has done what it was asked.
    fn wait(&self, disk: &Disk) {
        self.advance(disk.take_cost());
    }
}

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
        let time = clock.clone();
        let disk = Disk::new(seed, DiskOptions::default(), move || time.now());
        let mut life = Self {
            clock,
            disk,
            rng: seeded(seed),
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

    /// Deposits, each time with an operation of the disk that fails, until the store does; redb does without some.
    fn fail(&mut self, operation: Operation) -> StoreError {
        loop {
            self.disk.fail_next(operation, 1);
            if let Err(error) = self.deposit() {
                self.disk.mend();
                return error;
            }
            self.acknowledge();
        }
    }

    /// Waits until the disk is done; then the senders hear of it.
    fn acknowledge(&mut self) {
        self.clock.wait(&self.disk);
        self.acked.append(&mut self.open_batch);
    }

    /// Starts again; returns whether everything is as promised.
    fn restart(&mut self) -> bool {
        self.store = None;
        let Ok(store) = open(&self.disk) else {
            return false;
        };
        self.clock.wait(&self.disk);
        self.is_as_promised(store)
    }

    /// Opens the store again as a keeper does that goes on; returns whether everything is as promised.
    fn reopen(&mut self) -> Result<bool, StoreError> {
        self.clock.wait(&self.disk);
        let mut store = self.store.take().unwrap();
        let done = store.reopen();
        self.clock.wait(&self.disk);
        if let Err(error) = done {
            self.store = Some(store);
            return Err(error);
        }
        Ok(self.is_as_promised(store))
    }

    fn is_as_promised(&mut self, mut store: RedbStore) -> bool {
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
    let mut bytes = vec![0; [2_048, 8_192, 32_768, 65_536][rng.random_range(0..4_usize)]];
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
        proof: Bytes::new(),
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

fn open(disk: &Disk) -> Result<RedbStore, OpenError> {
    RedbStore::open_on(storage(disk), CAP_BYTES, Check::Whole)
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

#[test]
fn a_store_goes_on_after_a_disk_that_failed_for_a_moment() {
    for operation in [Operation::Write, Operation::Sync] {
        for failures_after in 0..4 {
            let mut life = Life::new(failures_after);
            for _ in 0..3 {
                for _ in 0..=failures_after {
                    life.deposit().unwrap();
                    life.acknowledge();
                }
                assert!(matches!(life.fail(operation), StoreError::Io(_)));
                assert!(life.reopen().unwrap());
            }
            life.deposit().unwrap();
            life.acknowledge();
            life.disk.crash();
            assert!(life.restart());
        }
    }
}

#[test]
fn a_store_on_a_full_disk_can_be_read_and_goes_on_once_there_is_room() {
    for room in 0..40 {
        let mut life = Life::new(room);
        life.deposit().unwrap();
        life.acknowledge();
        leave_room(&life.disk, room);
        for _ in 0..3 {
            let error = loop {
                match life.deposit() {
                    Ok(()) => life.acknowledge(),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, StoreError::DiskFull, "{room}");
            // The disk is full, and what is there can be read.
            assert!(life.reopen().unwrap(), "{room}");
        }
        life.disk.set_capacity(1 << 30);
        life.deposit().unwrap();
        life.acknowledge();
        life.disk.crash();
        assert!(life.restart(), "{room}");
    }
}

#[test]
fn a_store_is_opened_again_as_often_as_it_takes() {
    let mut life = Life::new(7);
    life.deposit().unwrap();
    life.acknowledge();
    life.disk.fail_next(Operation::Sync, 1);
    life.deposit().unwrap_err();
    life.disk.fail_after(0);
    for _ in 0..20 {
        assert!(matches!(life.reopen(), Err(StoreError::Io(_))));
        assert!(life.deposit().is_err());
        life.open_batch.clear();
    }
    life.disk.mend();
    assert!(life.reopen().unwrap());
    life.deposit().unwrap();
}

#[test]
fn a_file_is_opened_again_where_it_was_and_never_made_anew() {
    let folder = tempfile::TempDir::new().unwrap();
    let (path, away) = (folder.path().join("store"), folder.path().join("away"));
    let mark = folder.path().join("store.open");
    let (mut store, _) = RedbStore::open(&path, CAP_BYTES).unwrap();
    let trusted = std::fs::read(&mark).unwrap();
    let envelope = envelope(&mut seeded(1));
    store.apply(NOW, vec![put(&envelope)]).unwrap();
    let full = || redb::Error::Io(std::io::ErrorKind::StorageFull.into());
    assert_eq!(
        store.watch(|| Err::<(), _>(full())),
        Err(StoreError::DiskFull)
    );
    assert!(
        std::fs::read(&mark).unwrap().is_empty(),
        "a crash now must not trust it"
    );

    std::fs::rename(&path, &away).unwrap();
    assert!(matches!(store.reopen(), Err(StoreError::Io(_))));
    assert!(!path.exists());
    assert!(store.apply(NOW, vec![put(&envelope)]).is_err());

    std::fs::rename(&away, &path).unwrap();
    store.reopen().unwrap();
    assert!(holds(&mut store, &envelope));
    assert_eq!(std::fs::read(&mark).unwrap(), trusted);
    store.close().unwrap();
    assert!(!mark.exists());
}

#[test]
fn a_store_that_is_damaged_is_not_opened_again() {
    let mut life = Life::new(9);
    life.deposit().unwrap();
    life.acknowledge();
    let store = life.store.as_mut().unwrap();
    let damage = || redb::Error::Corrupted("on purpose".into());
    let error = store.watch(|| Err::<(), _>(damage())).unwrap_err();
    assert_eq!(error, StoreError::Damaged("on purpose".into()));
    assert_eq!(store.reopen(), Err(error));
}
