//! A million envelopes that expire at once: how long they take to go, what live requests notice, and where the space
//! of the file is afterwards.
//!
//! Run it with `cargo bench -p restante --bench expiry`; `-- 100000` does it with another number. The file lies in the
//! target folder. The sweeps take turns with live deposits, as they do in a keeper.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use restante::keeper::store::RedbStore;
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, StoreOp, StoreOutcome},
    limits::{DAY_MS, HOUR_MS},
    time::UnixMillis,
};

const ENVELOPE_BYTES: usize = 2_048;
const WARRANT_BYTES: usize = 400;
const ITEMS: u64 = 1_000_000;
const CAP_BYTES: u64 = 1 << 40;
/// As a keeper does it.
const BATCH: u64 = 64;
const SWEEP_ITEMS: usize = 10_000;
const START: UnixMillis = UnixMillis::new(1_780_000_000_000);

struct Bench {
    store: RedbStore,
    next: u64,
    /// What admitted each of them: of the size that a mailbox and a capability have.
    proof: Bytes,
}

/// How long each slice of a sweep took, and each live deposit between them.
#[derive(Default)]
struct Times {
    slices: Vec<Duration>,
    clearing: Vec<Duration>,
    live: Vec<Duration>,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    let items = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let items = items.unwrap_or(ITEMS);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let path = folder.path().join("keeper.redb");
    let (store, _) = RedbStore::open(&path, CAP_BYTES).expect("a store can be made");
    let mut bench = Bench {
        store,
        next: 0,
        proof: Bytes::from(vec![1; WARRANT_BYTES]),
    };
    let mut now = START;
    for round in ["first", "second"] {
        // They come within an hour and live for six days each: their ends are an hour apart as well.
        let begun = Instant::now();
        while bench.store.usage().items < items {
            let at = now.plus(bench.store.usage().items * HOUR_MS / items);
            bench.deposit(at, at.plus(6 * DAY_MS), BATCH);
        }
        println!(
            "{round} fill: {items} envelopes of {ENVELOPE_BYTES} bytes in {:.1?}; {}",
            begun.elapsed(),
            size(&path)
        );
        now = now.plus(6 * DAY_MS + HOUR_MS);
        let times = bench.sweep(now);
        report(&times);
        println!("  left: {:?}; {}", bench.store.usage().items, size(&path));
    }
}

impl Bench {
    fn deposit(&mut self, now: UnixMillis, expires: UnixMillis, count: u64) {
        let ops = (0..count).map(|_| self.put(expires)).collect();
        let outcomes = self.store.apply(now, ops).expect("the disk works");
        let is_held = |outcome| matches!(outcome, StoreOutcome::Held { new: true, .. });
        assert!(outcomes.into_iter().all(is_held));
    }

    /// Sweeps until nothing is left to do, with a live deposit between any two slices.
    fn sweep(&mut self, now: UnixMillis) -> Times {
        let mut times = Times::default();
        loop {
            let begun = Instant::now();
            let expired = self.store.sweep(now, SWEEP_ITEMS).expect("the disk works");
            let took = begun.elapsed();
            if expired.items > 0 {
                times.slices.push(took);
            } else {
                times.clearing.push(took);
            }
            if !expired.more {
                return times;
            }
            let begun = Instant::now();
            self.deposit(now, now.plus(HOUR_MS), 1);
            times.live.push(begun.elapsed());
        }
    }

    /// A deposit into a mailbox of its own, as from many strangers.
    fn put(&mut self, expires: UnixMillis) -> StoreOp {
        self.next += 1;
        let mut bytes = vec![0; ENVELOPE_BYTES];
        blake3::Hasher::new()
            .update(&self.next.to_be_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        let id = id_of(&bytes);
        StoreOp::PutEnvelope {
            address: Address::new(*blake3::hash(id.as_bytes()).as_bytes()),
            id,
            bytes: Bytes::from(bytes),
            expires,
            budget: Budget {
                count: 1_024,
                bytes: 1 << 24,
                effort: 0,
                shared: true,
            },
            proof: self.proof.clone(),
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn report(times: &Times) {
    let total = |times: &[Duration]| times.iter().sum::<Duration>();
    let worst = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    for (what, times) in [
        ("dropping", &times.slices),
        ("clearing the index", &times.clearing),
        ("live deposits in between", &times.live),
    ] {
        let (count, total, worst) = (times.len(), total(times), worst(times));
        println!("  {what}: {total:.2?} in {count} slices, the longest {worst:.2?}");
    }
}

fn size(path: &Path) -> String {
    let file = std::fs::metadata(path).expect("the file is there");
    format!(
        "the file is {} MiB long and takes {} MiB of the disk",
        file.len() >> 20,
        file.blocks() >> 11
    )
}
