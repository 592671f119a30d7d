//! The store does what the model in memory does, restarts included.

use proptest::prelude::*;
use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{Budget, ItemStore as _, MemoryStore, StoreOp, StoreOutcome, Usage},
    keys::Signature,
    limits::{MAILBOX_TOMBSTONES_MAX, MINUTE_MS, TOMBSTONE_BYTES},
    mailbox::AckEntry,
    request::Reason,
};
use restante_sim_disk::Disk;

use super::{
    super::{Check, KeeperStore as _, OpenError, RedbStore},
    world::{self, Draw, START, picture, put_envelope, sweep_all},
};
use crate::fixture::{bytes, file, storage};

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Draw>),
    Wait(u64),
    Sweep(usize),
    Restart,
    Holdings(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let draw = any::<(u8, u8, u8, u8)>().prop_map(|(what, address, name, number)| Draw {
        what,
        address,
        name,
        number,
    });
    prop_oneof![
        8 => prop::collection::vec(draw, 1..8).prop_map(Step::Batch),
        2 => prop_oneof![Just(1), Just(399), Just(5_000), Just(MINUTE_MS)].prop_map(Step::Wait),
        1 => (1..20_usize).prop_map(Step::Sweep),
        1 => Just(Step::Restart),
        1 => (1..5_usize).prop_map(Step::Holdings),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_store_does_what_the_model_does(
        steps in prop::collection::vec(step(), 1..50),
        cap_bytes in prop_oneof![Just(30_000_u64), Just(150_000), Just(1 << 30)],
    ) {
        let disk = Disk::instant(1);
        let mut store = open(&disk, cap_bytes);
        let mut model = MemoryStore::new(cap_bytes);
        let mut now = START;
        for step in steps {
            match step {
                Step::Batch(draws) => {
                    let ops: Vec<StoreOp> = draws.iter().map(|draw| draw.op(now)).collect();
                    let outcomes = store.apply(now, ops.clone()).unwrap();
                    prop_assert_eq!(outcomes, model.apply(now, ops).unwrap());
                }
                Step::Wait(ms) => now = now.plus(ms),
                Step::Sweep(limit) => {
                    let dropped = sweep_all(&mut store, now, limit);
                    prop_assert_eq!(dropped, sweep_all(&mut model, now, limit));
                }
                Step::Restart => {
                    drop(store);
                    store = open(&disk, cap_bytes);
                }
                Step::Holdings(limit) => {
                    let mut last = None;
                    loop {
                        let page = store.elements(now, last, limit).unwrap();
                        prop_assert_eq!(&page, &model.elements(now, last, limit).unwrap());
                        last = page.next;
                        if last.is_none() {
                            break;
                        }
                    }
                    let mut after = None;
                    loop {
                        let page = store.holdings(now, after, limit).unwrap();
                        prop_assert_eq!(&page, &model.holdings(now, after, limit).unwrap());
                        after = page.next;
                        if after.is_none() {
                            break;
                        }
                    }
                }
            }
            prop_assert_eq!(store.usage(), model.usage());
            prop_assert!(store.usage().counted_bytes() <= cap_bytes);
        }
        prop_assert_eq!(store.recount().unwrap(), store.usage());
        prop_assert_eq!(picture(&mut store, now), picture(&mut model, now));
        prop_assert_eq!(store.counters().damaged_items, 0);
    }
}

#[test]
fn reading_syncs_nothing_and_neither_does_refusing() {
    let disk = Disk::instant(1);
    let mut store = open(&disk, 10_000);
    let expires = START.plus(MINUTE_MS);
    store
        .apply(START, vec![put_envelope(world::address(0), 0, expires, 3)])
        .unwrap();
    let syncs = disk.sync_count();

    let mut ops = world::questions();
    let refused = put_envelope(world::address(0), 7, expires, 3);
    let held = put_envelope(world::address(0), 0, expires, 3);
    ops.extend([refused, held]);
    let mut outcomes = store.apply(START, ops).unwrap();
    store.sweep(START, 1_000).unwrap();

    assert_eq!(
        outcomes.pop(),
        Some(StoreOutcome::Held {
            until: expires,
            new: false
        })
    );
    assert_eq!(outcomes.pop(), Some(StoreOutcome::Refused(Reason::Full)));
    assert_eq!(disk.sync_count(), syncs);
}

#[test]
fn one_batch_is_one_commit_of_two_syncs() {
    let disk = Disk::instant(1);
    let mut store = open(&disk, 1 << 30);
    let put = |address| put_envelope(Address::new([address; 32]), 0, START.plus(MINUTE_MS), 3);
    store.apply(START, vec![put(0)]).unwrap();
    let (syncs, commits) = (disk.sync_count(), store.counters().commits);

    store.apply(START, (1..65).map(put).collect()).unwrap();

    assert_eq!(store.counters().commits, commits + 1);
    assert_eq!(disk.sync_count(), syncs + 2);
}

#[test]
fn what_expired_is_not_served_and_leaves_with_one_sweep() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    let end = START.plus(2_000);
    let at = world::address(1);
    store
        .apply(
            START,
            (0..8).map(|name| put_envelope(at, name, end, 3)).collect(),
        )
        .unwrap();
    store
        .apply(
            START,
            vec![StoreOp::PutCard {
                record: Box::new(world::card(1, 1, 1, end)),
                stamped: true,
                proof: world::proof(1),
            }],
        )
        .unwrap();
    let full = store.usage();
    assert_eq!(full.items, 9);

    let (before, _) = picture(&mut store, START.plus(1_999));
    let (at_end, held) = picture(&mut store, end);
    let (nothing, _) = picture(&mut MemoryStore::new(0), end);
    assert_ne!(before, nothing);
    assert_eq!((at_end, held.items.len()), (nothing, 0));

    let expired = store.sweep(end, 1_000).unwrap();
    assert_eq!(
        (expired.items, expired.bytes, expired.more),
        (9, full.bytes, false)
    );
    assert_eq!((store.usage().items, store.usage().bytes), (0, 0));
    assert_eq!(store.recount().unwrap(), store.usage());
}

#[test]
fn a_sweep_takes_no_more_than_it_is_told_to() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    let put = |address| put_envelope(Address::new([address; 32]), 0, START.plus(1), 3);
    store.apply(START, (0..10).map(put).collect()).unwrap();

    let steps: Vec<(u64, bool)> = (0..4)
        .map(|_| store.sweep(START.plus(1), 4).unwrap())
        .map(|expired| (expired.items, expired.more))
        .collect();

    assert_eq!(steps, [(4, true), (4, true), (2, false), (0, false)]);
}

#[test]
fn the_file_reuses_what_expired() {
    let disk = Disk::instant(1);
    let mut store = open(&disk, 1 << 30);
    let mut now = START;
    let mut lengths = Vec::new();
    for _ in 0..6 {
        for batch in 0..8_u8 {
            let put = |n: u8| {
                let at = Address::new([batch * 16 + n; 32]);
                put_envelope(at, 7, now.plus(1_000), 3)
            };
            store.apply(now, (0..16).map(put).collect()).unwrap();
        }
        lengths.push(bytes(&disk).len());
        now = now.plus(1_000);
        sweep_all(&mut store, now, 1_000);
        assert_eq!(store.usage().bytes, 0);
    }
    // 8 MiB of envelopes each round: the file stays as large as the first rounds made it.
    assert!(lengths[5] <= lengths[1], "{lengths:?}");
}

#[test]
fn acks_of_what_was_never_here_count_against_the_cap() {
    let cap_bytes = 100 * TOMBSTONE_BYTES;
    let mut store = open(&Disk::instant(1), cap_bytes);
    let ack = |from: u32, count: u32| StoreOp::Ack {
        address: world::address(0),
        entries: (from..from + count)
            .map(|n| AckEntry {
                id: id_of(&n.to_be_bytes()),
                signature: Signature::new([0; 64]),
            })
            .collect(),
        mailbox: world::mailbox(),
    };
    assert!(u64::from(MAILBOX_TOMBSTONES_MAX) > 100);

    let outcomes = store
        .apply(START, vec![ack(0, 100), ack(0, 100), ack(100, 1)])
        .unwrap();

    let full = StoreOutcome::Refused(Reason::Full);
    assert_eq!(outcomes, [StoreOutcome::Done, StoreOutcome::Done, full]);
    let Usage {
        items,
        bytes,
        tombstones,
        ..
    } = store.usage();
    assert_eq!((items, bytes, tombstones), (0, 0, 100));
}

#[test]
fn an_offer_does_not_show_an_ack_that_came_first() {
    let disk = Disk::instant(1);
    let mut store = open(&disk, 1 << 30);
    let (address, id) = (world::address(0), id_of(&world::envelope(0)));
    let end = START.plus(MINUTE_MS);
    let signature = Signature::new([0; 64]);
    let entries = vec![AckEntry { id, signature }];
    let offer = || StoreOp::Offer { address, id };
    let held = StoreOutcome::Held {
        until: end,
        new: false,
    };

    let ops = vec![
        StoreOp::Ack {
            address,
            entries,
            mailbox: world::mailbox(),
        },
        offer(),
    ];
    let outcomes = store.apply(START, ops).unwrap();
    assert_eq!(outcomes, [StoreOutcome::Done, StoreOutcome::Unknown]);
    drop(store);
    let mut store = open(&disk, 1 << 30);
    assert_eq!(
        store.apply(START, vec![offer()]),
        Ok(vec![StoreOutcome::Unknown])
    );

    // From its deposit on it is like any other that was acked.
    let deposit = || put_envelope(address, 0, end, 3);
    let outcomes = store.apply(START, vec![deposit(), offer()]).unwrap();
    assert_eq!(outcomes, [held.clone(), held.clone()]);
    drop(store);
    let mut store = open(&disk, 1 << 30);
    let syncs = disk.sync_count();
    let outcomes = store.apply(START, vec![deposit(), offer()]).unwrap();
    assert_eq!(outcomes, [held.clone(), held]);
    assert_eq!(disk.sync_count(), syncs, "nothing is left to be written");
    let usage = store.usage();
    assert_eq!((usage.items, usage.tombstones), (0, 1));
    assert_eq!(store.recount().unwrap(), usage);
    let end_of_memory = store.sweep(end, 1_000).unwrap();
    assert_eq!((end_of_memory.items, store.usage().tombstones), (0, 0));
}

#[test]
fn a_store_of_another_format_is_refused_and_left_alone() {
    let disk = Disk::instant(1);
    drop(open(&disk, 1 << 20));
    {
        let database = redb::Builder::new()
            .create_with_backend(file(&disk))
            .unwrap();
        let tx = database.begin_write().unwrap();
        tx.open_table(super::super::META)
            .unwrap()
            .insert("format", 1)
            .unwrap();
        tx.commit().unwrap();
    }
    let refused = RedbStore::open_on(storage(&disk), 1 << 20, Check::Whole).unwrap_err();
    assert_eq!(refused, OpenError::UnknownFormat { found: Some(1) });
    assert_eq!(
        refused.to_string(),
        "the keeper's store has format 1, this version knows format 4"
    );
}

#[test]
fn a_listing_has_a_thousand_lines_and_says_whether_there_are_more() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    let budget = Budget {
        count: u32::MAX,
        bytes: u64::MAX,
        effort: 0,
        shared: true,
    };
    let put = |address, number: u32, expires| {
        let bytes = bytes::Bytes::copy_from_slice(&number.to_be_bytes());
        StoreOp::PutEnvelope {
            address,
            id: id_of(&bytes),
            bytes,
            expires,
            budget,
            proof: world::proof(0),
        }
    };
    let end = START.plus(MINUTE_MS);
    for count in [999_u32, 1_000, 1_001] {
        let address = Address::new([u8::try_from(count % 7).unwrap(); 32]);
        // What ends before it is listed takes no line.
        let ops = (0..count + 20).map(|number| {
            put(
                address,
                number,
                if number < count { end } else { START.plus(1) },
            )
        });
        store.apply(START, ops.collect()).unwrap();
        let mut pages = Vec::new();
        let (mut after, mut listed) = (None, std::collections::BTreeSet::new());
        loop {
            let list = StoreOp::List { address, after };
            let outcomes = store.apply(START.plus(1), vec![list]).unwrap();
            let [StoreOutcome::Listing { items, more }] = &outcomes[..] else {
                panic!("{outcomes:?}");
            };
            pages.push((items.len(), *more));
            assert!(items.iter().all(|item| listed.insert(item.id)));
            after = items.last().map(|item| item.id);
            if !more {
                break;
            }
        }
        let expected: &[(usize, bool)] = match count {
            1_001 => &[(1_000, true), (1, false)],
            _ => &[(count as usize, false)],
        };
        assert_eq!((pages.as_slice(), listed.len()), (expected, count as usize));
    }
}

#[test]
fn a_mailbox_within_its_budget_takes_one_more() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    let put = |name: u8, count| {
        let bytes = world::noise(name, 2_048);
        let budget = Budget {
            count,
            bytes: 1 << 30,
            effort: 0,
            shared: true,
        };
        let (address, id) = (world::address(0), id_of(&bytes));
        StoreOp::PutEnvelope {
            address,
            id,
            bytes,
            expires: START.plus(9),
            budget,
            proof: world::proof(name),
        }
    };
    let outcomes = store
        .apply(START, (0..5).map(|name| put(name, 4)).collect())
        .unwrap();
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, StoreOutcome::Refused(_)));
    assert_eq!(refused.count(), 1);
}

pub(super) fn open(disk: &Disk, cap_bytes: u64) -> RedbStore {
    RedbStore::open_on(storage(disk), cap_bytes, Check::Whole).unwrap()
}
