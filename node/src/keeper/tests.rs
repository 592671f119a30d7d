//! The keeper's task over a port that remembers, with a real store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use restante_proto::{
    Address, ItemId, NodeId,
    envelope::id_of,
    keeper::{
        Holding, HoldingKey, HoldingKind, ItemStore as _, MemoryStore, Policy, Source, StoreError,
        StoreOp, StoreOutcome,
    },
    keys::SecretKey,
    limits::{DAY_MS, MINUTE_MS, SOURCE_OPS_MAX},
    mailbox::{AckEntry, Capability, Mailbox, OwnerProof, OwnerRequest, Rule},
    pauses::PAUSE_MAX_MS,
    receipt::Claim,
    request::{Admission, Push, Reason, Request, Response},
    stamp::CheapForTests,
    time::UnixMillis,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::handle::LOCAL_PUSHES_WAITING_MAX;
use super::request_queue::WAITING;
use super::store::{KeeperStore, RedbStore};
use super::{KeeperHandle, KeeperPort, KeeperRequest, busy, cursor_of, parse_cursor, spawn};
use crate::clock::{self, Clock};
use crate::worker::Worker;

mod gate;
mod world;

use self::gate::{Gate, GatedStore};
use self::world::{Said, World, envelope};

#[tokio::test]
async fn a_receipt_is_given_once_the_envelope_is_on_the_disk_and_pushed_to_subscribers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keeper.redb");
    let (store, _) = RedbStore::open(&path, 1 << 30).unwrap();
    let mut world = World::start(store, Worker::thread("keeper").unwrap());

    world.ask(7, 1, world.subscribe());
    assert!(matches!(
        world.answer(1).await,
        Response::Done { until: Some(_) }
    ));
    let (envelope, expires) = envelope(1, MINUTE_MS);
    world.ask(8, 2, world.deposit(&envelope, expires));
    let Response::Receipt(receipt) = world.answer(2).await else {
        panic!()
    };
    let (address, id) = (world.mailbox.address(), id_of(&envelope));
    receipt
        .verify(
            &world.node,
            &Claim {
                address,
                id,
                nonce: [9; 16],
            },
        )
        .unwrap();
    let Said::Push(7, push) = world.next().await else {
        panic!()
    };
    let push = Push::decode(&push).unwrap();
    assert_eq!(
        (push.mailbox, push.item.map(|item| item.envelope)),
        (world.mailbox.address(), Some(envelope.clone()))
    );
    assert_eq!(world.kept, BTreeSet::from([7]));

    let status = world.handle.status().await.unwrap();
    assert_eq!((status.usage.items, status.usage.bytes), (1, 2_048));
    assert_eq!((status.subscriptions, status.counters.receipts), (1, 1));
    assert_eq!((status.store.commits, status.read_only), (1, None));
    let page = world.handle.holdings(None, 10).await.unwrap().unwrap();
    let kind = HoldingKind::Envelope;
    assert_eq!(
        page.items,
        [Holding {
            address,
            kind,
            size_bytes: 2_048,
            expires
        }]
    );

    world.handle.shutdown().await;
    assert_eq!(world.handle.status().await, None);
    let (mut store, report) = RedbStore::open(&path, 1 << 30).unwrap();
    assert!(!report.created);
    let get = StoreOp::Offer { address, id };
    let held = StoreOutcome::Held {
        until: expires,
        new: false,
    };
    assert_eq!(store.apply(clock::now(), vec![get]), Ok(vec![held]));
}

#[tokio::test]
async fn a_closed_substream_takes_its_subscriptions_with_it_even_those_still_waiting() {
    let mut world = World::start(MemoryStore::new(1 << 30), Worker::inline());
    // Nothing runs between these three lines: the request waits when the substream closes.
    world.ask(7, 1, world.subscribe());
    world.ask(8, 2, world.subscribe());
    world.handle.closed(7);
    assert!(matches!(world.answer(2).await, Response::Done { .. }));
    assert_eq!(world.handle.status().await.unwrap().subscriptions, 1);

    world.handle.closed(8);
    let (envelope, expires) = envelope(1, MINUTE_MS);
    world.ask(9, 3, world.deposit(&envelope, expires));
    assert!(matches!(world.answer(3).await, Response::Receipt(_)));
    let status = world.handle.status().await.unwrap();
    assert_eq!((status.subscriptions, status.counters.pushes), (0, 0));
}

#[tokio::test]
async fn an_acked_envelope_is_gone_and_does_not_come_back() {
    let mut world = World::start(MemoryStore::new(1 << 30), Worker::inline());
    let (envelope, expires) = envelope(1, MINUTE_MS);
    let deposit = world.deposit(&envelope, expires);
    world.ask(1, 1, deposit.clone());
    assert!(matches!(world.answer(1).await, Response::Receipt(_)));
    world.ask(1, 2, world.ack(id_of(&envelope)));
    assert_eq!(world.answer(2).await, Response::Done { until: None });
    world.ask(1, 3, deposit);
    assert!(matches!(world.answer(3).await, Response::Receipt(_)));
    world.ask(1, 4, world.get(id_of(&envelope)));
    assert_eq!(world.answer(4).await, Response::Envelopes(Vec::new()));
    assert_eq!(world.handle.status().await.unwrap().usage.items, 0);
}

#[tokio::test]
async fn a_person_collects_from_the_keeper_of_their_own_node() {
    let folder = TempDir::new().unwrap();
    let (store, _) = RedbStore::open(&folder.path().join("keeper.redb"), 1 << 30).unwrap();
    let mut world = World::start(store, Worker::thread("keeper").unwrap());
    assert_eq!(world.handle.node(), world.node);
    let (envelope, expires) = envelope(1, MINUTE_MS);
    let id = id_of(&envelope);
    world.ask(8, 1, world.deposit(&envelope, expires));
    assert!(matches!(world.answer(1).await, Response::Receipt(_)));

    let Response::Listing { items, more: false } = world.local(world.list()).await else {
        panic!()
    };
    assert_eq!(items.iter().map(|item| item.id).collect::<Vec<_>>(), [id]);
    let Response::Envelopes(items) = world.local(world.get(id)).await else {
        panic!()
    };
    assert_eq!(items[0].envelope, envelope);
    let done = Response::Done { until: None };
    assert_eq!(world.local(world.ack(id)).await, done);
    assert_eq!(
        world.local(world.get(id)).await,
        Response::Envelopes(Vec::new())
    );
    // Nobody is trusted for being near.
    let mut forged = world.list();
    if let Request::List { proof, .. } = &mut forged {
        proof.time = proof.time.plus(1);
    }
    let Response::Refusal(refusal) = world.local(forged).await else {
        panic!()
    };
    assert_eq!(refusal.reason, Reason::Signature);
    let junk = world.handle.local(Bytes::from_static(b"junk")).await;
    let Ok(Response::Refusal(refusal)) = Response::decode(&junk.unwrap()) else {
        panic!()
    };
    assert_eq!(refusal.reason, Reason::Malformed);
    assert!(world.said.try_recv().is_err(), "nothing leaves the node");

    world.handle.shutdown().await;
    assert_eq!(world.handle.local(world.list().encode()).await, None);
    assert!(world.handle.local_pushes().await.is_none());
}

#[tokio::test]
async fn a_person_is_pushed_what_is_deposited_at_their_own_node() {
    let mut world = World::start(MemoryStore::new(1 << 30), Worker::inline());
    let mut first = world.handle.local_pushes().await.unwrap();
    let mut pushes = world.handle.local_pushes().await.unwrap();
    let subscribed = world.local(world.subscribe()).await;
    assert!(matches!(subscribed, Response::Done { until: Some(_) }));
    world.ask(7, 1, world.subscribe());
    assert!(matches!(world.answer(1).await, Response::Done { .. }));
    let push = Push::decode(&pushes.recv().await.unwrap()).unwrap();
    assert_eq!(push.item, None, "somebody else reads the mailbox");

    // One more than there is room for, and nobody takes any.
    let count = LOCAL_PUSHES_WAITING_MAX as u64 + 1;
    let mut envelopes = Vec::new();
    for call in 0..count {
        let (envelope, expires) = envelope(u8::try_from(call).unwrap(), MINUTE_MS);
        world.ask(8, 100 + call, world.deposit(&envelope, expires));
        assert!(matches!(
            world.answer(100 + call).await,
            Response::Receipt(_)
        ));
        assert!(matches!(world.next().await, Said::Push(7, _)));
        envelopes.push(envelope);
    }

    assert_eq!(first.recv().await, None, "the next took its place");
    let address = world.mailbox.address();
    for envelope in &envelopes[..LOCAL_PUSHES_WAITING_MAX] {
        let push = Push::decode(&pushes.recv().await.unwrap()).unwrap();
        let item = push.item.map(|item| item.envelope);
        assert_eq!((push.mailbox, item.as_ref()), (address, Some(envelope)));
    }
    assert!(pushes.try_recv().is_err(), "what found no room is dropped");
    let missed = id_of(&envelopes[LOCAL_PUSHES_WAITING_MAX]);
    let Response::Envelopes(items) = world.local(world.get(missed)).await else {
        panic!()
    };
    assert_eq!(items.len(), 1, "and still there");
    world.handle.shutdown().await;
    assert_eq!(pushes.recv().await, None);
}

#[tokio::test]
async fn what_finds_no_room_is_handed_back() {
    let mut world = World::start(MemoryStore::new(1 << 30), Worker::inline());
    let room = WAITING.source_count as u64;
    // The task does not run before this one waits.
    for call in 0..room {
        world.ask(1, call, world.subscribe());
    }
    for call in room..room + 2 {
        assert_eq!(world.try_ask(1, call, world.subscribe()), Err(call));
    }
    let other = |call| world.try_ask_from(2, 1, call, world.subscribe());
    assert_eq!(other(room + 2), Ok(()), "there is room for somebody else");
    let Response::Refusal(refusal) = Response::decode(&busy()).unwrap() else {
        panic!()
    };
    assert_eq!(refusal.reason, Reason::Busy);
    // The state machine's turn: first the one, then the other, however many the one has.
    let mut answered = Vec::new();
    while answered.len() < 4 {
        match world.next().await {
            Said::Answer(call, _) => answered.push(call),
            other => panic!("{other:?}"),
        }
    }
    assert!(answered.contains(&(room + 2)), "{answered:?}");
    world.handle.shutdown().await;
    let late = world.try_ask(1, 9_999, world.subscribe());
    assert_eq!(late, Err(9_999), "nobody is let in any more");
}

fn chunk_request() -> Request {
    Request::GetChunk {
        address: Address::new([1; 32]),
    }
}

#[tokio::test]
async fn a_slow_disk_lets_requests_wait_and_batches_fill() {
    let gate = Gate::default();
    let store = GatedStore {
        store: MemoryStore::new(1 << 30),
        gate: gate.clone(),
    };
    let mut world = World::start(store, Worker::thread("slow").unwrap());
    let room = (SOURCE_OPS_MAX + WAITING.source_count) as u64;
    let mut refused = 0;
    for call in 0..room + 10 {
        // It takes the first few while these come.
        while world.handle.status().await.unwrap().load.store_ops
            < SOURCE_OPS_MAX.min(call as usize)
        {
            tokio::task::yield_now().await;
        }
        refused += u64::from(world.try_ask(1, call, chunk_request()).is_err());
    }
    assert_eq!(refused, 10);
    // The keeper answers what needs no disk.
    let status = world.handle.status().await.unwrap();
    assert_eq!(status.load.store_ops, SOURCE_OPS_MAX);
    assert_eq!(status.waiting.count, WAITING.source_count);
    assert_eq!(status.ready.count, SOURCE_OPS_MAX - 1, "one is at the disk");

    gate.open();
    for _ in 0..room {
        let Said::Answer(_, answer) = world.next().await else {
            panic!()
        };
        assert_eq!(Response::decode(&answer), Ok(Response::Unknown));
    }
    let batches = gate.batches();
    assert_eq!(batches.iter().sum::<usize>() as u64, room);
    // One that went alone, and the first ones after it in full company.
    assert_eq!(batches[..2], [1, 64], "{batches:?}");
    assert!(batches[2] >= 63, "{batches:?}");
    assert!(batches.iter().all(|batch| *batch <= 64), "{batches:?}");
}

#[tokio::test]
async fn whoever_asks_little_is_in_the_next_batch_however_much_others_ask() {
    let gate = Gate::default();
    let store = GatedStore {
        store: MemoryStore::new(1 << 30),
        gate: gate.clone(),
    };
    let mut world = World::start(store, Worker::thread("slow").unwrap());
    for call in 0..WAITING.source_count as u64 {
        world.ask(1, call, chunk_request());
    }
    while world.handle.status().await.unwrap().load.store_ops < SOURCE_OPS_MAX {
        tokio::task::yield_now().await;
    }
    let quiet = 10_000;
    world.try_ask_from(2, 2, quiet, chunk_request()).unwrap();
    while world.handle.status().await.unwrap().load.store_ops == SOURCE_OPS_MAX {
        tokio::task::yield_now().await;
    }
    gate.open();
    let mut before = 0;
    loop {
        match world.next().await {
            Said::Answer(call, _) if call == quiet => break,
            Said::Answer(..) => before += 1,
            other => panic!("{other:?}"),
        }
    }
    // The batch at the disk when it came, and those of its own batch.
    assert!(before <= 1 + 64, "{before} were answered before");
}

#[tokio::test]
async fn a_failed_disk_makes_the_keeper_read_only_and_says_so() {
    let gate = Gate::default();
    gate.open();
    let store = GatedStore {
        store: MemoryStore::new(1 << 30),
        gate: gate.clone(),
    };
    let mut world = World::start(store, Worker::inline());
    gate.fail(StoreError::DiskFull);
    let (envelope, expires) = envelope(1, MINUTE_MS);
    for call in [1, 2] {
        world.ask(1, call, world.deposit(&envelope, expires));
        let Response::Refusal(refusal) = world.answer(call).await else {
            panic!()
        };
        assert_eq!(refusal.reason, Reason::Unavailable);
    }
    assert_eq!(gate.batches().len(), 1, "the second was not even tried");
    let status = world.handle.status().await.unwrap();
    assert_eq!(status.read_only, Some(StoreError::DiskFull));
}

#[tokio::test(start_paused = true)]
async fn a_keeper_goes_on_once_its_disk_does() {
    let gate = Gate::default();
    gate.open();
    let store = GatedStore {
        store: MemoryStore::new(1 << 30),
        gate: gate.clone(),
    };
    let mut world = World::start(store, Worker::inline());
    gate.fail(StoreError::DiskFull);
    let (first, expires) = envelope(1, MINUTE_MS);
    world.ask(1, 1, world.deposit(&first, expires));
    assert!(matches!(world.answer(1).await, Response::Refusal(_)));
    // It is tried for as long as it takes, and answers meanwhile.
    tokio::time::sleep(Duration::from_millis(20 * PAUSE_MAX_MS)).await;
    let tries = gate.batches().len();
    assert!((20..30).contains(&tries), "{tries} tries");
    world.ask(1, 2, world.subscribe());
    let Response::Refusal(refusal) = world.answer(2).await else {
        panic!("nobody is to rely on it")
    };
    assert_eq!(refusal.reason, Reason::Unavailable);
    let status = world.handle.status().await.unwrap();
    assert_eq!(status.read_only, Some(StoreError::DiskFull));
    gate.mend();
    tokio::time::sleep(Duration::from_millis(PAUSE_MAX_MS)).await;
    world.ask(1, 3, world.deposit(&first, expires));
    assert!(matches!(world.answer(3).await, Response::Receipt(_)));
    let status = world.handle.status().await.unwrap();
    assert_eq!(status.read_only, None);
    assert!(status.recovered.is_some());
}

#[tokio::test]
async fn a_store_that_panics_is_a_failed_disk() {
    let gate = Gate::default();
    gate.open();
    let store = GatedStore {
        store: MemoryStore::new(1 << 30),
        gate: gate.clone(),
    };
    let mut world = World::start(store, Worker::thread("doomed").unwrap());
    gate.panic();
    let (envelope, expires) = envelope(1, MINUTE_MS);
    for call in [1, 2] {
        world.ask(1, call, world.deposit(&envelope, expires));
        let Response::Refusal(refusal) = world.answer(call).await else {
            panic!()
        };
        assert_eq!(refusal.reason, Reason::Unavailable);
    }
    assert!(world.handle.holdings(None, 1).await.unwrap().is_err());
    assert!(world.handle.status().await.unwrap().read_only.is_some());
    world.handle.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_expires_leaves_the_store_without_being_asked() {
    // Three slices of a sweep, in virtual time; the items are over by the real clock from the start, which is believed
    // once nobody has contradicted it for a while.
    let mut store = MemoryStore::new(1 << 30);
    let past = clock::now().minus(2_000);
    for number in 0..2_500_u32 {
        let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
        let address = Address::new(*id_of(&bytes).as_bytes());
        let deletion_key = SecretKey::from_seed(&[1; 32]).public();
        let expires = past.plus(1_000);
        store
            .apply(
                past,
                vec![StoreOp::PutChunk {
                    address,
                    bytes,
                    expires,
                    deletion_key,
                    proof: Bytes::new(),
                }],
            )
            .unwrap();
    }
    let world = World::start(store, Worker::inline());
    let mut waits = 0;
    while world.handle.status().await.unwrap().usage.items > 0 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        waits += 1;
        assert!(waits < 15);
    }
}

#[test]
fn a_cursor_survives_being_written_down() {
    for kind in [HoldingKind::Card, HoldingKind::Envelope, HoldingKind::Chunk] {
        let key = HoldingKey {
            kind,
            address: Address::new([1; 32]),
            name: [2; 32],
        };
        assert_eq!(parse_cursor(&cursor_of(&key)), Some(key));
    }
    for bad in [
        "",
        "00",
        "zz",
        &"04".repeat(65),
        &"01".repeat(64),
        &"01".repeat(66),
    ] {
        assert_eq!(parse_cursor(bad), None, "{bad}");
    }
}
