//! What is left over of items that have expired.

use restante_proto::{
    Address,
    envelope::id_of,
    keeper::{ItemStore as _, StoreOp, StoreOutcome},
    limits::{HOUR_MS, MINUTE_MS},
    time::UnixMillis,
};
use restante_sim_disk::Disk;

use super::{
    super::{
        RedbStore,
        upkeep::{SLICE_LINES, SWEEPS_PER_PASS},
    },
    model::open,
    world::{START, envelope, put_envelope, sweep_all},
};

/// Envelopes that stay, so many that a few lines left over are not worth a pass.
const STAYING: u16 = 700;
const LONG: UnixMillis = START.plus(24 * HOUR_MS);

fn at(number: u16) -> Address {
    let mut address = [7; 32];
    address[..2].copy_from_slice(&number.to_be_bytes());
    Address::new(address)
}

fn put(numbers: std::ops::Range<u16>, expires: UnixMillis) -> Vec<StoreOp> {
    numbers
        .map(|number| put_envelope(at(number), 0, expires, 3))
        .collect()
}

/// Returns a store in which the lines of five envelopes are left over that ended a minute after the start.
fn with_lines_left_over(disk: &Disk) -> RedbStore {
    let mut store = open(disk, 1 << 30);
    store.apply(START, put(0..STAYING, LONG)).unwrap();
    // The first pass after a start is due whatever there is.
    store.apply(START, put(900..901, START.plus(1))).unwrap();
    sweep_all(&mut store, START.plus(MINUTE_MS / 2), 1_000);
    assert_eq!((store.sums.lines, store.sums.stale), (700, 0));
    let end = START.plus(MINUTE_MS);
    store.apply(START, put(1_000..1_005, end)).unwrap();
    sweep_all(&mut store, end.plus(MINUTE_MS), 1_000);
    assert_eq!((store.sums.lines, store.sums.stale), (705, 5));
    store
}

#[test]
fn what_is_left_over_is_no_item_even_when_the_clock_is_set_back() {
    let disk = Disk::instant(1);
    drop(with_lines_left_over(&disk));
    let mut store = open(&disk, 1 << 30);
    assert_eq!(store.usage().items, u64::from(STAYING));
    let offer = || StoreOp::Offer {
        address: at(1_000),
        id: id_of(&envelope(0)),
    };

    // At this moment they were all alive, by a clock that has been ahead since.
    let outcomes = store.apply(START, vec![offer()]).unwrap();
    assert_eq!(outcomes, [StoreOutcome::Unknown]);
    let held = store.holdings(START, None, 10_000).unwrap().items.len();
    let elements = store.elements(START, None, 10_000).unwrap().elements.len();
    assert_eq!((held, elements), (700, 700));

    let until = START.plus(MINUTE_MS);
    let outcomes = store.apply(START, put(1_000..1_001, until)).unwrap();
    assert_eq!(outcomes, [StoreOutcome::Held { until, new: true }]);
    let outcomes = store.apply(START, vec![offer()]).unwrap();
    assert_eq!(outcomes, [StoreOutcome::Held { until, new: false }]);
    assert_eq!(store.recount().unwrap(), store.usage());
}

#[test]
fn what_is_left_over_goes_after_some_sweeps_or_when_there_is_much_of_it() {
    let mut store = with_lines_left_over(&Disk::instant(1));
    let now = START.plus(3 * MINUTE_MS);
    for _ in 0..SWEEPS_PER_PASS {
        assert_eq!(store.sweep(now, 1_000).unwrap().items, 0);
    }
    assert_eq!((store.sums.lines, store.sums.stale), (700, 0));

    let mut store = with_lines_left_over(&Disk::instant(1));
    let now = START.plus(3 * MINUTE_MS);
    store.apply(now, put(1_005..1_025, now.plus(1))).unwrap();
    sweep_all(&mut store, now.plus(MINUTE_MS), 1_000);
    assert_eq!((store.sums.lines, store.sums.stale), (700, 0));
    assert_eq!(store.recount().unwrap(), store.usage());
}

#[test]
fn what_ends_during_a_pass_is_left_to_the_next_one() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    // So many lines that a pass takes two slices, and what ends lies in the first of them.
    let chunk = |number: u32, expires| {
        let mut address = [9; 32];
        address[..4].copy_from_slice(&number.to_be_bytes());
        StoreOp::PutChunk {
            address: Address::new(address),
            bytes: bytes::Bytes::from_static(b"chunk"),
            expires,
            deletion_key: restante_proto::keys::PublicKey::new([1; 32]),
            proof: bytes::Bytes::new(),
        }
    };
    let (soon, later) = (START.plus(MINUTE_MS), START.plus(2 * MINUTE_MS));
    let staying = u32::try_from(SLICE_LINES).unwrap() + 1_000;
    for first in (100..100 + staying).step_by(1_000) {
        let last = (first + 1_000).min(100 + staying);
        let ops = (first..last).map(|number| chunk(number, LONG)).collect();
        store.apply(START, ops).unwrap();
    }
    let ending = (0..3).map(|number| chunk(number, soon));
    let ending = ending.chain((10..17).map(|number| chunk(number, later)));
    store.apply(START, ending.collect()).unwrap();

    assert!(
        store.sweep(soon.plus(MINUTE_MS / 2), 1_000).unwrap().more,
        "a slice of two"
    );
    sweep_all(&mut store, later.plus(MINUTE_MS), 1_000);
    assert_eq!(store.usage().items, u64::from(staying));
    assert_eq!(store.sums.stale, 7);
    assert_eq!(store.recount().unwrap(), store.usage());

    for _ in 0..SWEEPS_PER_PASS {
        sweep_all(&mut store, later.plus(MINUTE_MS), 1_000);
    }
    assert_eq!(
        (store.sums.lines, store.sums.stale),
        (u64::from(staying), 0)
    );
    assert_eq!(store.recount().unwrap(), store.usage());
}

#[test]
fn rows_that_ended_before_the_rest_of_their_pack_do_not_count_until_it_goes() {
    let mut store = open(&Disk::instant(1), 1 << 30);
    // Twelve rows of one span, a millisecond after the other.
    let base = START.plus(MINUTE_MS);
    let ops = (0..12).flat_map(|number| {
        let expires = base.plus(u64::from(number));
        put(number..number + 1, expires)
    });
    store.apply(START, ops.collect()).unwrap();
    for ended in 0..12_u64 {
        let expired = store.sweep(base.plus(ended), 1_000).unwrap();
        assert_eq!((expired.items, store.usage().items), (1, 11 - ended));
        assert_eq!(store.recount().unwrap(), store.usage());
    }
    assert_eq!(store.sums.pack_bytes, 0);
}

#[test]
fn what_was_acked_gives_its_space_back_before_the_rest_of_its_pack_ends() {
    let disk = Disk::instant(1);
    let mut store = open(&disk, 1 << 30);
    store.apply(START, put(0..24, LONG)).unwrap();
    let full = store.sums.pack_bytes;
    let signature = restante_proto::keys::Signature::new([0; 64]);
    for number in 0..20 {
        let ack = StoreOp::Ack {
            address: at(number),
            entries: vec![restante_proto::mailbox::AckEntry {
                id: id_of(&envelope(0)),
                signature,
            }],
            mailbox: super::world::mailbox(),
        };
        store.apply(START, vec![ack]).unwrap();
    }
    assert!(
        store.sums.pack_bytes * 2 < full,
        "{} of {full}",
        store.sums.pack_bytes
    );
    drop(store);
    let mut store = open(&disk, 1 << 30);
    for number in 20..24 {
        let get = StoreOp::Get {
            address: at(number),
            ids: vec![id_of(&envelope(0))],
        };
        let outcomes = store.apply(START, vec![get]).unwrap();
        assert!(matches!(&outcomes[..], [StoreOutcome::Envelopes(found)] if found.len() == 1));
    }
}
