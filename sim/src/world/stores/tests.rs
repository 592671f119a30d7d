use std::time::Duration;

use bytes::Bytes;
use restante::keeper::store::KeeperStore;
use restante_proto::account::{Handle, Identity};
use restante_proto::card::{Card, CardDevice, CardRecord};
use restante_proto::envelope::id_of;
use restante_proto::keeper::{
    Budget, Expired, ItemStore as _, MemoryStore, StoreError, StoreOp, StoreOutcome, Usage,
};
use restante_proto::keys::SecretKey;
use restante_proto::limits::{DAY_MS, HOUR_MS, SECOND_MS};
use restante_proto::mailbox::{AckEntry, Mailbox, Rule};
use restante_proto::person::IdCost;
use restante_proto::prekey::PrekeySecret;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::{ObservedStore, Stores, Watch};
use crate::random::Random;

const START: UnixMillis = UnixMillis::new(1_790_000_000_000);
const AT: Address = Address::new([7; 32]);
const ELSEWHERE: Address = Address::new([8; 32]);
const CAP_BYTES: u64 = 1 << 20;
const BUDGET: Budget = Budget {
    count: 3,
    bytes: 10_000,
    effort: 0,
    shared: true,
};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    KeepsNothing,
    ForgetsAcks,
    IgnoresAcks,
    ServesLate,
    NeverSweeps,
    SweepsFail,
    MixesMailboxes,
    MindsNoBudget,
    MindsNoCap,
    TakesOldCards,
}

struct WrongStore {
    store: MemoryStore,
    wrong: Wrong,
}

impl restante_proto::keeper::StoreLayer for WrongStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    fn inner_mut(&mut self) -> &mut MemoryStore {
        &mut self.store
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        let mut outcomes = Vec::new();
        for op in ops {
            outcomes.push(self.one(now, op)?);
        }
        Ok(outcomes)
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        match self.wrong {
            Wrong::NeverSweeps => Ok(Expired::default()),
            Wrong::SweepsFail if now > START => Err(StoreError::Io("the disk fails".into())),
            _ => self.store.sweep(now, limit),
        }
    }

    fn usage(&self) -> Usage {
        let usage = self.store.usage();
        match self.wrong {
            Wrong::MindsNoCap => Usage {
                cap_bytes: usage.bytes.saturating_sub(1),
                ..usage
            },
            _ => usage,
        }
    }
}

impl KeeperStore for WrongStore {
    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl WrongStore {
    fn one(&mut self, now: UnixMillis, op: StoreOp) -> Result<StoreOutcome, StoreError> {
        let mut own = |now, op| {
            let outcomes = self.store.apply(now, vec![op]);
            outcomes.map(|mut all| all.pop().unwrap())
        };
        match (self.wrong, op) {
            (Wrong::KeepsNothing, StoreOp::PutEnvelope { expires, .. }) => Ok(StoreOutcome::Held {
                until: expires,
                new: true,
            }),
            (Wrong::ForgetsAcks, StoreOp::Ack { .. }) => {
                // Deleted it is, and nothing remembers why.
                self.store = MemoryStore::new(CAP_BYTES);
                Ok(StoreOutcome::Done)
            }
            (Wrong::IgnoresAcks, StoreOp::Ack { .. }) => Ok(StoreOutcome::Done),
            (Wrong::ServesLate, op) => own(now.minus(HOUR_MS), op),
            (Wrong::MixesMailboxes, StoreOp::Get { ids, .. }) => {
                own(now, StoreOp::Get { address: AT, ids })
            }
            (
                Wrong::MindsNoBudget,
                StoreOp::PutEnvelope {
                    address,
                    id,
                    bytes,
                    expires,
                    proof,
                    ..
                },
            ) => {
                let budget = Budget {
                    count: u32::MAX,
                    bytes: u64::MAX,
                    effort: 0,
                    shared: true,
                };
                let op = StoreOp::PutEnvelope {
                    address,
                    id,
                    bytes,
                    expires,
                    budget,
                    proof,
                };
                own(now, op)
            }
            (Wrong::TakesOldCards, StoreOp::PutCard { record, .. }) => Ok(StoreOutcome::Held {
                until: record.expires,
                new: true,
            }),
            (_, op) => own(now, op),
        }
    }
}

struct Scene {
    stores: Stores,
    watch: Watch,
    store: ObservedStore<WrongStore>,
}

impl Scene {
    fn new(wrong: Wrong) -> Self {
        let stores = Stores::new(tokio::time::Instant::now(), Duration::ZERO);
        let watch = stores.watch("k1");
        let store = WrongStore {
            store: MemoryStore::new(CAP_BYTES),
            wrong,
        };
        let mut store = watch.observe(store, START, || false);
        store.sweep(START, 1_000).unwrap();
        Self {
            stores,
            watch,
            store,
        }
    }

    fn apply(&mut self, now: UnixMillis, op: StoreOp) -> StoreOutcome {
        let outcome = self.store.apply(now, vec![op]).unwrap().pop().unwrap();
        self.watch.on_cost(Duration::ZERO);
        outcome
    }

    fn put(&mut self, number: u8) -> ItemId {
        let (id, op) = put(number, START.plus(HOUR_MS));
        self.apply(START, op);
        id
    }

    fn get(&mut self, now: UnixMillis, address: Address, id: ItemId) {
        let ids = vec![id];
        self.apply(now, StoreOp::Get { address, ids });
    }

    fn ack(&mut self, id: ItemId) {
        self.apply(START, ack(id));
    }

    /// Opens what is left of the store, as another process.
    fn reopen(&mut self, store: MemoryStore, wrong: Wrong) {
        let store = WrongStore { store, wrong };
        self.store = self.watch.observe(store, START, || false);
    }

    #[track_caller]
    fn breaks(&self, rule: &str) {
        let broken = self.stores.take_broken();
        assert_eq!(
            broken.as_ref().map(|(_, rule, _)| *rule),
            Some(rule),
            "{broken:?}"
        );
    }

    #[track_caller]
    fn is_fine(&self) {
        assert_eq!(self.stores.take_broken(), None);
    }
}

fn put(number: u8, expires: UnixMillis) -> (ItemId, StoreOp) {
    // The end stands behind version and size class.
    let mut bytes = vec![number; 64];
    bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
    let bytes = Bytes::from(bytes);
    let id = id_of(&bytes);
    let op = StoreOp::PutEnvelope {
        address: AT,
        id,
        bytes,
        expires,
        budget: BUDGET,
        proof: Bytes::new(),
    };
    (id, op)
}

fn ack(id: ItemId) -> StoreOp {
    let owner = SecretKey::from_seed(&[1; 32]);
    let entries = vec![AckEntry::sign(&owner, &AT, id)];
    StoreOp::Ack {
        address: AT,
        entries,
        mailbox: Mailbox {
            owner: owner.public(),
            rule: Rule::Capability,
            epoch: START.epoch(),
        },
    }
}

#[test]
fn a_store_that_does_what_it_says_is_fine() {
    let mut scene = Scene::new(Wrong::Nothing);
    let mut random = Random::of(7, "ops");
    let mut now = START;
    for _ in 0..3_000 {
        let number = u8::try_from(random.below(12)).unwrap();
        let life = random.between(1, 20) * SECOND_MS;
        let (id, op) = put(number, now.plus(life));
        let op = match random.below(6) {
            0 | 1 => op,
            2 => ack(id),
            3 => StoreOp::Offer { address: AT, id },
            4 => StoreOp::List {
                address: AT,
                after: None,
            },
            _ => StoreOp::Get {
                address: AT,
                ids: vec![id],
            },
        };
        scene.apply(now, op);
        now = now.plus(random.below(3) * SECOND_MS);
        if random.below(5) == 0 {
            scene.store.sweep(now, 1_000).unwrap();
        }
        if random.below(50) == 0 {
            let left = scene.store.store.store.clone();
            scene.watch.on_crash();
            let store = WrongStore {
                store: left,
                wrong: Wrong::Nothing,
            };
            scene.store = scene.watch.observe(store, now, || false);
        }
        scene.is_fine();
    }
    assert!(scene.stores.take_lines().len() > 300);
}

#[test]
fn what_was_promised_must_be_there() {
    let mut scene = Scene::new(Wrong::KeepsNothing);
    scene.put(1);
    scene.is_fine();
    scene.apply(
        START,
        StoreOp::List {
            address: AT,
            after: None,
        },
    );
    scene.breaks("durable-receipt");

    let mut scene = Scene::new(Wrong::KeepsNothing);
    let id = scene.put(1);
    scene.apply(START, StoreOp::Offer { address: AT, id });
    scene.breaks("durable-receipt");
}

#[tokio::test(start_paused = true)]
async fn a_crash_may_undo_what_was_not_durable_and_nothing_else() {
    let mut scene = Scene::new(Wrong::Nothing);
    scene.put(1);
    tokio::time::advance(Duration::from_secs(1)).await;
    let before = scene.store.store.store.clone();
    let (_, op) = put(2, START.plus(HOUR_MS));
    scene.store.apply(START, vec![op]).unwrap();
    scene.watch.on_cost(Duration::from_millis(20));
    scene.watch.on_crash();
    scene.reopen(before, Wrong::Nothing);
    scene.is_fine();

    scene.put(3);
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.watch.on_crash();
    scene.reopen(MemoryStore::new(CAP_BYTES), Wrong::Nothing);
    scene.breaks("durable-receipt");
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_what_was_never_there_stays_in_doubt_after_a_crash() {
    let mut scene = Scene::new(Wrong::Nothing);
    let (id, op) = put(1, START.plus(HOUR_MS));
    // The ack comes first, and is on its way to the disk when the power is cut; it got there.
    scene.ack(id);
    let acked = scene.store.store.store.clone();
    scene.watch.on_cost(Duration::from_millis(20));
    scene.watch.on_crash();
    scene.reopen(acked, Wrong::Nothing);
    // Then the envelope, which is as good as taken; and the power is cut again.
    scene.store.apply(START, vec![op]).unwrap();
    let after = scene.store.store.store.clone();
    scene.watch.on_cost(Duration::from_millis(20));
    scene.watch.on_crash();
    scene.reopen(after, Wrong::Nothing);
    scene.is_fine();
}

#[tokio::test(start_paused = true)]
async fn a_disk_at_fault_excuses_its_store() {
    let mut scene = Scene::new(Wrong::Nothing);
    scene.put(1);
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.watch.on_crash();
    let store = WrongStore {
        store: MemoryStore::new(CAP_BYTES),
        wrong: Wrong::Nothing,
    };
    scene.store = scene.watch.observe(store, START, || true);
    scene.is_fine();
}

#[test]
fn what_was_acked_must_not_come_back() {
    let mut scene = Scene::new(Wrong::ForgetsAcks);
    let id = scene.put(1);
    scene.ack(id);
    scene.breaks("acked");

    let mut scene = Scene::new(Wrong::IgnoresAcks);
    let (id, other) = (scene.put(1), scene.put(2));
    scene.ack(id);
    scene.stores.take_broken();
    scene.get(START, AT, other);
    scene.stores.take_broken();
    scene.get(START, AT, id);
    scene.breaks("acked");
}

#[tokio::test(start_paused = true)]
async fn what_was_acked_must_not_be_there_after_a_restart() {
    let mut scene = Scene::new(Wrong::Nothing);
    let id = scene.put(1);
    let before = scene.store.store.store.clone();
    scene.ack(id);
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.reopen(before, Wrong::Nothing);
    scene.breaks("acked");
}

#[test]
fn what_has_ended_is_neither_served_nor_kept() {
    let late = START.plus(HOUR_MS + 1);
    let mut scene = Scene::new(Wrong::ServesLate);
    let id = scene.put(1);
    scene.get(late, AT, id);
    scene.breaks("expiry");

    let mut scene = Scene::new(Wrong::NeverSweeps);
    scene.put(1);
    scene.store.sweep(late, 1_000).unwrap();
    scene.breaks("expiry");
}

#[tokio::test(start_paused = true)]
async fn somebody_must_sweep() {
    let mut scene = Scene::new(Wrong::Nothing);
    let id = scene.put(1);
    scene.store.sweep(START, 1_000).unwrap();
    tokio::time::advance(Duration::from_hours(1)).await;
    scene.get(START.plus(HOUR_MS + 1), AT, id);
    scene.breaks("expiry");
}

#[tokio::test(start_paused = true)]
async fn nobody_sweeps_a_disk_that_fails() {
    let mut scene = Scene::new(Wrong::SweepsFail);
    let id = scene.put(1);
    tokio::time::advance(Duration::from_hours(1)).await;
    let late = START.plus(HOUR_MS + 1);
    assert!(scene.store.sweep(late, 1_000).is_err());
    scene.get(late, AT, id);
    scene.is_fine();
}

#[test]
fn each_mailbox_has_its_own() {
    let mut scene = Scene::new(Wrong::MixesMailboxes);
    let id = scene.put(1);
    scene.get(START, ELSEWHERE, id);
    scene.breaks("right-mailbox");
}

#[test]
fn budgets_hold() {
    let mut scene = Scene::new(Wrong::MindsNoBudget);
    for number in 1..=3 {
        scene.put(number);
    }
    scene.is_fine();
    scene.put(4);
    scene.breaks("budget");

    let mut scene = Scene::new(Wrong::MindsNoCap);
    scene.put(1);
    scene.breaks("budget");
}

fn identity() -> Identity {
    Identity::new(
        &SecretKey::from_seed(&[2; 32]),
        1,
        SecretKey::from_seed(&[3; 32]),
        "somebody".parse::<Handle>().unwrap(),
    )
}

fn card(identity: &Identity, sequence: u64, prekey: &PrekeySecret) -> CardRecord {
    let id = identity.person_id(IdCost::CheapForTests);
    let locators = id.locators(START.salt_epoch(), IdCost::CheapForTests);
    let card = Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: identity.handle.clone(),
        sequence,
        issued: START,
        expires: START.plus(DAY_MS),
        terminated: false,
        devices: vec![CardDevice {
            certificate: identity.certificate(),
            prekey: prekey.public().clone(),
            first_contact: identity.first_contact().public(),
        }],
        avatar: None,
    };
    let (at, key) = (locators.addresses[0], &locators.record_key);
    let mut random = Random::of(sequence, "card");
    CardRecord::seal(&card, identity, at, key, &mut random).unwrap()
}

#[test]
fn a_card_shows_a_prekey_of_its_own_and_gives_way_to_newer_ones_alone() {
    let (identity, mut random) = (identity(), Random::of(1, "prekeys"));
    let mut prekey = || PrekeySecret::generate(START, &mut random);
    let (first, second) = (prekey(), prekey());
    let put = |sequence, prekey| StoreOp::PutCard {
        record: Box::new(card(&identity, sequence, prekey)),
        stamped: true,
        proof: Bytes::new(),
    };
    let mut scene = Scene::new(Wrong::TakesOldCards);
    let id = identity.person_id(IdCost::CheapForTests);
    scene.stores.learn(0, &id, START);
    scene.apply(START, put(5, &first));
    scene.apply(START, put(6, &second));
    scene.is_fine();
    scene.apply(START, put(4, &second));
    scene.breaks("prekey");
    scene.apply(START, put(6, &second));
    scene.breaks("rollback");
}

#[tokio::test(start_paused = true)]
async fn receipts_are_counted_by_the_end_of_what_they_are_for() {
    let mut scene = Scene::new(Wrong::Nothing);
    let end = START.plus(HOUR_MS);
    assert_eq!(scene.stores.takers(end), 0);
    scene.store.apply(START, vec![put(1, end).1]).unwrap();
    scene.watch.on_cost(Duration::from_millis(5));
    assert_eq!(scene.stores.takers(end), 0);
    tokio::time::advance(Duration::from_millis(5)).await;
    assert_eq!(scene.stores.takers(end), 1);
    let liar = scene.stores.watch("k2");
    liar.distrust();
    assert_eq!(scene.stores.takers(end), 2);
}
