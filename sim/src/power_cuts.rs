//! Power cuts under the keeper's real store, on the simulated disk, as many as wanted.
//!
//! A disk lives through some cuts, each wherever in the store's work it falls, some of them with another one while the
//! store is opened again. After each the store must hold what it acknowledged, no more and no less: the batch that was
//! under way has happened as a whole or not at all. What it should hold comes from the model in memory, which gets the
//! same operations.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use redb::StorageBackend;
use restante::keeper::store::{Check, RedbStore};
use restante_proto::envelope::id_of;
use restante_proto::keeper::{
    AdmissionProof, Budget, ItemStore, MemoryStore, StoreError, StoreOp, StoreOutcome, Usage,
};
use restante_proto::keys::{PublicKey, SecretKey, Signature};
use restante_proto::mailbox::{AckEntry, Mailbox, Rule};
use restante_proto::time::{Epoch, UnixMillis};
use restante_proto::{Address, context};
use restante_sim_disk::{Disk, DiskFile, DiskOptions};

use crate::parallel::in_parallel;

const FILE: &str = "keeper.redb";
const START: UnixMillis = UnixMillis::new(1_780_000_000_000);
const CAP_BYTES: u64 = 2_000_000;
/// Cuts that one disk lives through, at most.
const CUTS_PER_DISK: u64 = 20;
/// A cut comes after no more changes of the disk than this; a batch makes some dozen.
const CHANGES_MAX: u64 = 150;
/// The same while the store is opened.
const OPENING_CHANGES_MAX: u64 = 12;
/// Of a hundred cuts, so many are followed by another one while the store is opened.
const SECOND_CUT_PERCENT: u32 = 30;
const ADDRESSES: u8 = 5;
const NAMES: u8 = 40;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Power cuts.
    pub(crate) cuts: u64,
    /// Those of them with a second one while the store was opened again.
    pub(crate) second_cuts: u64,
    /// Cuts that undid the batch under way; in the others it was there as a whole.
    pub(crate) undone: u64,
    /// Items and acks that were acknowledged and looked for after a cut.
    pub(crate) looked_for: u64,
    /// Disks whose store broke a promise.
    pub(crate) broken: u64,
    /// The seeds of the first of them, with what was wrong.
    pub(crate) findings: Vec<(u64, String)>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.second_cuts += other.second_cuts;
        self.undone += other.undone;
        self.looked_for += other.looked_for;
        self.broken += other.broken;
        self.findings.extend(other.findings);
        self.findings.truncate(10);
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Cuts in all, second ones not counted.
    pub(crate) cuts: u64,
    /// The seed of the first disk.
    pub(crate) from: u64,
    /// One sync of the disk in this many does nothing, if that is wanted.
    pub(crate) skip_sync: Option<u64>,
    /// Disks at once.
    pub(crate) jobs: Option<NonZero<usize>>,
}

/// Cuts the power as planned; `progress` hears of each disk's cuts.
pub(crate) fn run(plan: Plan, progress: &(dyn Fn(u64) + Sync)) -> Tally {
    let disk = |number| {
        let cuts = CUTS_PER_DISK.min(plan.cuts - number * CUTS_PER_DISK);
        (plan.from + number, cuts)
    };
    let disks: Vec<(u64, u64)> = (0..plan.cuts.div_ceil(CUTS_PER_DISK)).map(disk).collect();
    let lives = in_parallel(&disks, plan.jobs, &|(seed, cuts)| {
        let tally = Life::new(*seed, plan.skip_sync).live(*cuts);
        progress(*cuts);
        tally
    });
    let mut sum = Tally::default();
    for life in lives {
        sum.add(life);
    }
    sum
}

/// One disk through its cuts.
struct Life {
    seed: u64,
    rng: StdRng,
    disk: Disk,
    skip_sync: Option<u64>,
    model: MemoryStore,
    now: UnixMillis,
    tally: Tally,
}

/// All that can be asked of a store.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    answers: Vec<StoreOutcome>,
    usage: Usage,
}

impl Life {
    fn new(seed: u64, skip_sync: Option<u64>) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        // Every operation takes its time at once; what a cut leaves depends on what was synced.
        let disk = Disk::new(seed, DiskOptions::default(), move || {
            Duration::from_secs(clock.fetch_add(1, Ordering::Relaxed))
        });
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            disk,
            skip_sync,
            model: MemoryStore::new(CAP_BYTES),
            now: START,
            tally: Tally::default(),
        }
    }

    fn live(mut self, cuts: u64) -> Tally {
        for _ in 0..cuts {
            if let Err(finding) = self.cut() {
                self.tally.broken += 1;
                self.tally.findings.push((self.seed, finding));
                break;
            }
        }
        self.tally
    }

    /// Works until the power fails, opens the store again and looks what is there.
    fn cut(&mut self) -> Result<(), String> {
        let mut store = self.open()?;
        self.disk
            .cut_power_after(self.rng.random_range(0..CHANGES_MAX));
        let next = self.work(&mut store)?;
        drop(store);
        self.disk.crash();
        self.tally.cuts += 1;
        if self.rng.random_range(0..100) < SECOND_CUT_PERCENT {
            self.tally.second_cuts += 1;
            let changes = self.rng.random_range(0..OPENING_CHANGES_MAX);
            self.disk.cut_power_after(changes);
            // It may or may not come to an end before the power does.
            drop(self.open());
            self.disk.crash();
        }
        let mut store = self.open()?;
        self.settle(&mut store, next)?;
        store.close().map_err(|error| error.to_string())
    }

    fn open(&mut self) -> Result<RedbStore, String> {
        let (disk, every) = (self.disk.clone(), self.skip_sync);
        let storage = move || {
            Ok(Skipping {
                file: disk.file(FILE)?,
                every,
                syncs: AtomicU64::new(0),
            })
        };
        let check = [Check::Trust, Check::Whole][self.rng.random_range(0..2_usize)];
        let opened = RedbStore::open_on(storage, CAP_BYTES, check);
        opened.map_err(|error| format!("it cannot be opened: {error}"))
    }

    /// Applies batches until one fails; returns the model as it is if that one happened after all.
    fn work(&mut self, store: &mut RedbStore) -> Result<MemoryStore, String> {
        loop {
            self.now = self.now.plus(self.rng.random_range(0..4_000));
            let mut next = self.model.clone();
            let done = if self.rng.random_range(0..8) == 0 {
                sweep(&mut next, self.now).and_then(|()| sweep(store, self.now))
            } else {
                let count = self.rng.random_range(1..12);
                let ops: Vec<StoreOp> = (0..count).map(|_| self.op()).collect();
                let expected = next.apply(self.now, ops.clone());
                match store.apply(self.now, ops) {
                    Ok(outcomes) if Ok(&outcomes) != expected.as_ref() => {
                        return Err("an answer is not the model's".to_owned());
                    }
                    done => done.map(drop),
                }
            };
            if done.is_err() {
                return Ok(next);
            }
            self.model = next;
        }
    }

    /// Goes on with whichever of the two states the store is in.
    fn settle(&mut self, store: &mut RedbStore, mut next: MemoryStore) -> Result<(), String> {
        // What had expired may be gone or not, when the cut fell into a sweep.
        for store in [&mut self.model as &mut dyn ItemStore, &mut next, store] {
            sweep(store, self.now).map_err(|error| error.to_string())?;
        }
        if store.recount().ok() != Some(store.usage()) {
            return Err("its sums are wrong".to_owned());
        }
        let error = |error: StoreError| error.to_string();
        let found = self.picture(store).map_err(error)?;
        self.tally.looked_for += found.usage.items + found.usage.tombstones;
        let before = self.picture(&mut self.model.clone()).map_err(error)?;
        if found == before {
            self.tally.undone += 1;
            return Ok(());
        }
        if found != self.picture(&mut next).map_err(error)? {
            let (got, wanted) = (found.usage, before.usage);
            return Err(format!("it holds neither state: {got:?}, not {wanted:?}"));
        }
        self.model = next;
        Ok(())
    }

    fn picture(&self, store: &mut dyn ItemStore) -> Result<Picture, StoreError> {
        let page = store.elements(self.now, None, usize::MAX)?;
        let export = |element: &restante_proto::keeper::Element| StoreOp::Export {
            keys: vec![element.key],
        };
        let mut ops: Vec<StoreOp> = page.elements.iter().map(export).collect();
        for number in 0..ADDRESSES {
            let address = Address::new([number; 32]);
            ops.push(StoreOp::List {
                address,
                after: None,
            });
            ops.extend((0..NAMES).map(|name| StoreOp::Offer {
                address,
                id: id_of(&envelope(name)),
            }));
        }
        Ok(Picture {
            answers: store.apply(self.now, ops)?,
            usage: store.usage(),
        })
    }

    /// Draws one operation on a small world, so that they meet.
    fn op(&mut self) -> StoreOp {
        let address = Address::new([self.rng.random_range(0..ADDRESSES); 32]);
        let name = self.rng.random_range(0..NAMES);
        let life = [1, 2_000, 20_000, 3_600_000][self.rng.random_range(0..4_usize)];
        let expires = self.now.plus(life);
        let proof = AdmissionProof {
            signature: Some(Signature::new([name; 64])),
            ..AdmissionProof::default()
        };
        let proof = proof.encode();
        match self.rng.random_range(0..10) {
            0..5 => {
                let bytes = envelope(name);
                StoreOp::PutEnvelope {
                    address,
                    id: id_of(&bytes),
                    bytes,
                    expires,
                    budget: Budget {
                        count: 1_000,
                        bytes: 1 << 30,
                        effort: 0,
                        shared: true,
                    },
                    proof,
                }
            }
            5..8 => {
                let entry = |name| AckEntry {
                    id: id_of(&envelope(name)),
                    signature: Signature::new([1; 64]),
                };
                StoreOp::Ack {
                    address,
                    entries: (name..NAMES.min(name + 3)).map(entry).collect(),
                    mailbox: Mailbox {
                        owner: PublicKey::new([0; 32]),
                        rule: Rule::Capability,
                        epoch: Epoch::new(0),
                    },
                }
            }
            8 => StoreOp::PutChunk {
                address: chunk_address(name),
                bytes: chunk(name),
                expires,
                deletion_key: SecretKey::from_seed(&[name; 32]).public(),
                proof,
            },
            _ => {
                let address = chunk_address(name);
                let key = SecretKey::from_seed(&[name; 32]);
                let signature = key.sign(context::SIGN_DELETE, &[address.as_bytes()]);
                StoreOp::DeleteChunk { address, signature }
            }
        }
    }
}

fn sweep(store: &mut dyn ItemStore, now: UnixMillis) -> Result<(), StoreError> {
    while store.sweep(now, 1_000)?.more {}
    Ok(())
}

fn envelope(name: u8) -> Bytes {
    let size = match name % 16 {
        0 => 65_536,
        1..4 => 8_192,
        _ => 2_048,
    };
    noise(name, size)
}

fn chunk(name: u8) -> Bytes {
    noise(100 + name % 8, 500 + 3_000 * usize::from(name % 8))
}

fn chunk_address(name: u8) -> Address {
    Address::new(*id_of(&chunk(name)).as_bytes())
}

fn noise(seed: u8, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    StdRng::from_seed([seed; 32]).fill_bytes(&mut bytes);
    bytes.into()
}

/// A file of which some syncs do nothing.
#[derive(Debug)]
struct Skipping {
    file: DiskFile,
    every: Option<u64>,
    syncs: AtomicU64,
}

impl StorageBackend for Skipping {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(&self.file, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        StorageBackend::set_len(&self.file, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let number = self.syncs.fetch_add(1, Ordering::Relaxed) + 1;
        if self.every.is_some_and(|every| number.is_multiple_of(every)) {
            return Ok(());
        }
        StorageBackend::sync_data(&self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        StorageBackend::write(&self.file, offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        cuts: 300,
        from: 1,
        skip_sync: None,
        jobs: None,
    };

    #[test]
    fn no_cut_breaks_a_promise() {
        let tally = run(PLAN, &|_| ());
        assert_eq!((tally.cuts, tally.broken), (300, 0), "{tally:?}");
        assert!(tally.second_cuts > 60 && tally.undone < 300, "{tally:?}");
    }

    #[test]
    fn a_sync_in_three_left_out_is_noticed() {
        let skipping = Plan {
            cuts: 160,
            skip_sync: Some(3),
            ..PLAN
        };
        let tally = run(skipping, &|_| ());
        assert!(tally.broken > 5, "{tally:?}");
    }

    #[test]
    fn the_same_seeds_end_the_same() {
        let plan = Plan { cuts: 40, ..PLAN };
        let alone = Plan {
            jobs: NonZero::new(1),
            ..plan
        };
        assert_eq!(run(plan, &|_| ()), run(alone, &|_| ()));
    }
}
