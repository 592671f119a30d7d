//! Power cuts, wherever they fall: what was promised holds, and a batch happened as a whole or not
//! at all.

use rand::RngExt as _;
use rand::rngs::StdRng;
use redb::{ReadableDatabase as _, ReadableTable as _};
use restante_proto::{
    keeper::{ItemStore as _, MemoryStore, StoreError, StoreOp},
    time::UnixMillis,
};
use restante_sim_disk::{Disk, Faults};

use super::{
    super::{
        Check, OpenError, RedbStore,
        tables::{INDEX, KEY_BYTES, Pointer, PointerValue, TALLIES},
    },
    model::open,
    world::{Draw, START, picture, put_envelope, sweep_all},
};
use crate::fixture::{leave_room, seeded, storage};

const CAP_BYTES: u64 = 600_000;

#[derive(Debug, Default)]
struct Tally {
    cuts: u32,
    double_cuts: u32,
    batches: u32,
    undone: u32,
    violations: u32,
}

/// One disk through several lives.
struct Life {
    disk: Disk,
    model: MemoryStore,
    /// The index as it lay on the disk when the model was last known to be right.
    index: Vec<Line>,
    now: UnixMillis,
    rng: StdRng,
}

/// A line of the index: key and value.
type Line = ([u8; KEY_BYTES], PointerValue);

/// Returns the lines whose items are there.
fn index_of(store: &RedbStore) -> Result<Vec<Line>, StoreError> {
    store.watch(|| {
        let tx = store.database()?.begin_read()?;
        let tallies = tx.open_table(TALLIES)?;
        let mut lines = Vec::new();
        for line in tx.open_table(INDEX)?.iter()? {
            let (key, value) = line?;
            let pointer = Pointer::from_value(value.value());
            if tallies.get(pointer.pack())?.is_some() {
                lines.push((*key.value(), value.value()));
            }
        }
        Ok(lines)
    })
}

impl Life {
    fn new(seed: u64) -> Self {
        let (disk, model) = (Disk::instant(seed), MemoryStore::new(CAP_BYTES));
        drop(open(&disk, CAP_BYTES));
        Self {
            disk,
            model,
            index: Vec::new(),
            now: START,
            rng: seeded(seed),
        }
    }

    /// Works until the power fails, and returns the model as it is if the last batch took place
    /// after all.
    fn work_until_cut(&mut self, tally: &mut Tally) -> MemoryStore {
        let Ok(mut store) = RedbStore::open_on(storage(&self.disk), CAP_BYTES, Check::Trust) else {
            tally.violations += 1;
            return self.model.clone();
        };
        self.disk.cut_power_after(self.rng.random_range(0..120));
        loop {
            let mut next = self.model.clone();
            self.now = self.now.plus(self.rng.random_range(0..700));
            let done = if self.rng.random_range(0..10) == 0 {
                sweep_all(&mut next, self.now, 1_000);
                store.sweep(self.now, 1_000).map(drop)
            } else {
                let count = self.rng.random_range(1..10);
                let ops: Vec<StoreOp> = (0..count)
                    .map(|_| Draw::random(&mut self.rng).op(self.now))
                    .collect();
                let expected = next.apply(self.now, ops.clone()).unwrap();
                store.apply(self.now, ops).map(|outcomes| {
                    tally.violations += u32::from(outcomes != expected);
                })
            };
            tally.batches += 1;
            if done.is_err() {
                // Whatever is asked now, nothing more is promised.
                let put = put_envelope(super::world::address(0), 0, self.now.plus(1), 3);
                assert!(store.apply(self.now, vec![put]).is_err());
                return next;
            }
            self.model = next;
            let Ok(index) = index_of(&store) else {
                return self.model.clone();
            };
            self.index = index;
        }
    }

    /// Starts again, with a second cut in the middle of that in some cases.
    fn restart(&mut self, tally: &mut Tally) -> Option<RedbStore> {
        self.disk.crash();
        tally.cuts += 1;
        let check = if self.rng.random() {
            Check::Whole
        } else {
            Check::Trust
        };
        if self.rng.random_range(0..10) < 4 {
            self.disk.cut_power_after(self.rng.random_range(0..12));
            drop(RedbStore::open_on(storage(&self.disk), CAP_BYTES, check));
            self.disk.crash();
            tally.double_cuts += 1;
        }
        RedbStore::open_on(storage(&self.disk), CAP_BYTES, check).ok()
    }

    /// Goes on with whichever of the two states the disk is in.
    fn settle(&mut self, store: &mut RedbStore, next: MemoryStore, tally: &mut Tally) -> bool {
        let (now, usage) = (self.now, store.usage());
        if store.recount().ok() != Some(usage) {
            return false;
        }
        let Ok(answers) = store.apply(now, super::world::questions()) else {
            return false;
        };
        let Ok(holdings) = store.holdings(now, None, 10_000) else {
            return false;
        };
        // An ack that came before its envelope shows in no answer: the index tells which of the two
        // it is.
        let Ok(index) = index_of(store) else {
            return false;
        };
        let is_undone = index == self.index;
        let mut state = if is_undone { self.model.clone() } else { next };
        if picture(&mut state, now) != (answers, holdings) || state.usage() != usage {
            return false;
        }
        tally.undone += u32::from(is_undone);
        (self.model, self.index) = (state, index);
        true
    }
}

fn run(seeds: u64, lies_every: Option<u32>) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let mut life = Life::new(seed);
        if let Some(every) = lies_every {
            life.disk.set_faults(Faults {
                lying_sync: 1.0 / f64::from(every),
                ..Faults::default()
            });
        }
        for _ in 0..6 {
            let next = life.work_until_cut(&mut tally);
            let is_sound = life
                .restart(&mut tally)
                .is_some_and(|mut store| life.settle(&mut store, next, &mut tally));
            if !is_sound {
                tally.violations += 1;
                break;
            }
        }
    }
    tally
}

#[test]
fn no_power_cut_breaks_a_promise() {
    let tally = run(60, None);
    eprintln!("{tally:?}");
    assert_eq!(tally.violations, 0, "{tally:?}");
    // The cuts fell where they can hurt.
    assert!(
        tally.cuts == 360 && tally.double_cuts > 80 && tally.undone > 30,
        "{tally:?}"
    );
}

#[test]
fn a_disk_that_lies_about_syncing_is_noticed() {
    // Proof that the test above sees a missing fsync.
    let tally = run(40, Some(3));
    eprintln!("{tally:?}");
    assert!(tally.violations > 5, "{tally:?}");
}

#[test]
fn a_full_disk_stops_the_store_and_loses_nothing() {
    for room in 0..40 {
        let disk = Disk::instant(1);
        let mut store = open(&disk, 1 << 30);
        let mut model = MemoryStore::new(1 << 30);
        leave_room(&disk, room);
        let mut held = 0;
        let error = loop {
            let at = restante_proto::Address::new([held; 32]);
            let ops = vec![put_envelope(at, 7, START.plus(60_000), 3)];
            match store.apply(START, ops.clone()) {
                Ok(_) => model.apply(START, ops).map(drop).unwrap(),
                Err(error) => break error,
            }
            held += 1;
        };
        assert_eq!(error, StoreError::DiskFull);
        assert_eq!(store.error(), Some(&StoreError::DiskFull));
        let again = put_envelope(super::world::address(0), 0, START.plus(60_000), 3);
        assert_eq!(store.apply(START, vec![again]), Err(StoreError::DiskFull));
        drop(store);

        disk.set_capacity(u64::MAX);
        let mut store = open(&disk, 1 << 30);
        assert_eq!(picture(&mut store, START), picture(&mut model, START));
        assert_eq!(store.usage(), model.usage());
    }
}

#[test]
fn a_full_disk_is_said_to_be_full_when_a_store_is_made() {
    for room in 0..8 {
        let disk = Disk::instant(1);
        leave_room(&disk, room);
        match RedbStore::open_on(storage(&disk), 1 << 30, Check::Trust) {
            Ok(_) => assert!(room > 1),
            Err(error) => assert_eq!(error, OpenError::Store(StoreError::DiskFull)),
        }
    }
}
