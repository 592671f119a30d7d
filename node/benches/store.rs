//! Durable deposits per second into the keeper's store, beside what redb does with the same bytes.
//!
//! Run it with `cargo bench -p restante --bench store`. The rounds of all variants take turns, so
//! that a disk that changes its mood does so for all of them; the files lie in the target folder.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redb::{Database, Durability, TableDefinition};
use restante::keeper::store::RedbStore;
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, StoreOp, StoreOutcome},
    time::UnixMillis,
};

const ENVELOPE_BYTES: usize = 2_048;
const CAP_BYTES: u64 = 1 << 40;
const ROUNDS: u32 = 8;
/// Long enough for some dozen commits on a slow disk.
const ROUND: Duration = Duration::from_millis(750);
const NOW: UnixMillis = UnixMillis::new(1_780_000_000_000);
const PLAIN: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("plain");

/// What is written, and how it is committed.
#[derive(Clone, Copy)]
enum Variant {
    Store,
    Plain { two_phase: bool, quick_repair: bool },
}

/// The first is what is measured, the second its ceiling: the same guarantees, and nothing but the
/// bytes, one after the other, which is how redb takes them best.
const VARIANTS: [(&str, Variant); 4] = [
    ("RedbStore::apply", Variant::Store),
    (
        "plain table, same commit",
        Variant::Plain {
            two_phase: true,
            quick_repair: false,
        },
    ),
    (
        "plain table, with quick repair",
        Variant::Plain {
            two_phase: true,
            quick_repair: true,
        },
    ),
    (
        "plain table, one phase",
        Variant::Plain {
            two_phase: false,
            quick_repair: false,
        },
    ),
];

enum Target {
    Store(Box<RedbStore>),
    Plain {
        database: Database,
        two_phase: bool,
        quick_repair: bool,
        next: u64,
    },
}

struct Runner {
    target: Target,
    path: PathBuf,
    next: u64,
    items: u64,
    spent: Duration,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    println!(
        "durable inserts of {ENVELOPE_BYTES}-byte envelopes, {ROUNDS} rounds of {ROUND:?} each"
    );
    for batch in [1, 64] {
        let header = ["envelopes/s", "ms/commit", "of ceiling", "file/items"];
        let [rate, commit, share, size] = header;
        println!("\nbatches of {batch:<19}{rate:>11}{commit:>12}{share:>12}{size:>12}");
        let results = measure(batch);
        let ceiling = results[1].0;
        for ((name, _), (rate, size)) in VARIANTS.iter().zip(results) {
            let commit_ms = 1_000.0 * f64::from(batch) / rate;
            let share = 100.0 * rate / ceiling;
            println!("{name:<30}{rate:>11.0}{commit_ms:>12.2}{share:>11.0}%{size:>12.2}");
        }
    }
}

/// Returns the envelopes per second of every variant, and the length of its file in bytes per byte
/// stored.
fn measure(batch: u32) -> Vec<(f64, f64)> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let mut runners: Vec<Runner> = VARIANTS
        .iter()
        .enumerate()
        .map(|(number, (_, variant))| {
            Runner::new(*variant, folder.path().join(format!("{number}.redb")))
        })
        .collect();
    // The first round grows the files and is not counted.
    for round in 0..=ROUNDS {
        for runner in &mut runners {
            runner.run(batch);
            if round == 0 {
                (runner.items, runner.spent) = (0, Duration::ZERO);
            }
        }
    }
    let result = |runner: &Runner| {
        let length = std::fs::metadata(&runner.path)
            .expect("the file is there")
            .len();
        let stored = runner.next * ENVELOPE_BYTES as u64;
        let rate = runner.items as f64 / runner.spent.as_secs_f64();
        (rate, length as f64 / stored as f64)
    };
    runners.iter().map(result).collect()
}

impl Runner {
    fn new(variant: Variant, path: PathBuf) -> Self {
        let target = match variant {
            Variant::Store => {
                let (store, _) = RedbStore::open(&path, CAP_BYTES).expect("a store can be made");
                Target::Store(Box::new(store))
            }
            Variant::Plain {
                two_phase,
                quick_repair,
            } => {
                let database = Database::create(&path).expect("a database can be made");
                Target::Plain {
                    database,
                    two_phase,
                    quick_repair,
                    next: 0,
                }
            }
        };
        Self {
            target,
            path,
            next: 0,
            items: 0,
            spent: Duration::ZERO,
        }
    }

    fn run(&mut self, batch: u32) {
        let started = Instant::now();
        while started.elapsed() < ROUND {
            let envelopes: Vec<Bytes> = (0..batch).map(|_| self.envelope()).collect();
            let begun = Instant::now();
            self.target.commit(envelopes);
            self.spent += begun.elapsed();
            self.items += u64::from(batch);
        }
    }

    /// Bytes like those of a sealed envelope: nothing can be saved on them.
    fn envelope(&mut self) -> Bytes {
        self.next += 1;
        let mut bytes = vec![0; ENVELOPE_BYTES];
        blake3::Hasher::new()
            .update(&self.next.to_be_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        bytes.into()
    }
}

impl Target {
    fn commit(&mut self, envelopes: Vec<Bytes>) {
        match self {
            Self::Store(store) => {
                let ops = envelopes.into_iter().map(put).collect();
                let outcomes = store.apply(NOW, ops).expect("the disk works");
                let is_held = |outcome| matches!(outcome, StoreOutcome::Held { new: true, .. });
                assert!(outcomes.into_iter().all(is_held));
            }
            Self::Plain {
                database,
                two_phase,
                quick_repair,
                next,
            } => {
                let mut tx = database.begin_write().expect("the disk works");
                tx.set_durability(Durability::Immediate)
                    .expect("there are no savepoints");
                tx.set_two_phase_commit(*two_phase);
                tx.set_quick_repair(*quick_repair);
                {
                    let mut table = tx.open_table(PLAIN).expect("the disk works");
                    for envelope in &envelopes {
                        *next += 1;
                        table.insert(*next, &envelope[..]).expect("the disk works");
                    }
                }
                tx.commit().expect("the disk works");
            }
        }
        black_box(self);
    }
}

/// A deposit into a mailbox of its own, as from many strangers.
fn put(bytes: Bytes) -> StoreOp {
    let id = id_of(&bytes);
    let address = Address::new(*blake3::hash(id.as_bytes()).as_bytes());
    let expires = NOW.plus(6 * 24 * 3_600_000);
    let budget = Budget {
        count: 1_024,
        bytes: 1 << 24,
        effort: 0,
        shared: true,
    };
    StoreOp::PutEnvelope {
        address,
        id,
        bytes,
        expires,
        budget,
        proof: Bytes::new(),
    }
}
