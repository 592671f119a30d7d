use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use bytes::Bytes;
use libp2p::Multiaddr;
use restante::net::distance;
use restante_proto::keeper::{Budget, ItemStore, MemoryStore, StoreOp, StoreOutcome};
use restante_proto::keys::SecretKey;
use restante_proto::limits::HOUR_MS;
use restante_proto::mailbox::{AckEntry, Mailbox, Rule};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::route::{masked, unmasked};
use super::{Character, Conduct, Kept, Witness, grind, node_of};
use crate::random::Random;

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);
/// Of an address that a stale store does not hide.
const SHOWN: Address = Address::new([1; 32]);
const HIDDEN: Address = Address::new([2; 32]);
const ID: ItemId = ItemId::new([7; 32]);

fn kept(conduct: Conduct) -> Kept<MemoryStore> {
    let character = Character {
        conduct,
        ..Character::default()
    };
    Kept::new(MemoryStore::new(1 << 20), character)
}

fn put(address: Address) -> StoreOp {
    StoreOp::PutEnvelope {
        address,
        id: ID,
        bytes: Bytes::from_static(b"envelope"),
        expires: NOW.plus(HOUR_MS),
        budget: Budget {
            count: 10,
            bytes: 1 << 20,
            effort: 0,
            shared: true,
        },
        proof: Bytes::new(),
    }
}

fn ack(address: Address) -> StoreOp {
    let entries = vec![AckEntry::sign(
        &SecretKey::from_seed(&[3; 32]),
        &address,
        ID,
    )];
    StoreOp::Ack {
        address,
        entries,
        mailbox: Mailbox {
            owner: SecretKey::from_seed(&[3; 32]).public(),
            rule: Rule::Capability,
            epoch: NOW.epoch(),
        },
    }
}

/// Applies operations one after the other and counts how many envelopes a listing shows at the end.
fn listed(
    store: &mut Kept<MemoryStore>,
    ops: Vec<StoreOp>,
    address: Address,
    at: UnixMillis,
) -> usize {
    for op in ops {
        let outcomes = store.apply(NOW, vec![op]).unwrap();
        let is_word = matches!(
            outcomes[..],
            [StoreOutcome::Held { .. } | StoreOutcome::Done]
        );
        assert!(is_word, "{outcomes:?}");
    }
    let list = StoreOp::List {
        address,
        after: None,
    };
    match &store.apply(at, vec![list]).unwrap()[..] {
        [StoreOutcome::Listing { items, .. }] => items.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_conduct_shows_what_it_should_and_counts_what_it_should_not() {
    let late = NOW.plus(HOUR_MS + 1);
    for (conduct, ops, address, at, shown, deeds) in [
        (Conduct::Honest, vec![put(SHOWN)], SHOWN, NOW, 1, 0),
        (
            Conduct::Honest,
            vec![put(SHOWN), ack(SHOWN)],
            SHOWN,
            NOW,
            0,
            0,
        ),
        (Conduct::Honest, vec![put(SHOWN)], SHOWN, late, 0, 0),
        (Conduct::Drop, vec![put(SHOWN)], SHOWN, NOW, 0, 2),
        (Conduct::Stale, vec![put(SHOWN)], SHOWN, NOW, 1, 0),
        (
            Conduct::Stale,
            vec![put(SHOWN), ack(SHOWN)],
            SHOWN,
            NOW,
            1,
            2,
        ),
        (Conduct::Stale, vec![put(SHOWN)], SHOWN, late, 1, 1),
        (Conduct::Stale, vec![put(HIDDEN)], HIDDEN, NOW, 0, 1),
    ] {
        let what = format!("{conduct:?} {ops:?}");
        let mut store = kept(conduct);
        assert_eq!(listed(&mut store, ops, address, at), shown, "{what}");
        assert_eq!(store.deeds().total(), deeds, "{what}");
    }
}

#[test]
fn masked_addresses_differ_come_back_and_are_not_public() {
    let address = |ip: [u8; 4]| {
        let address: Multiaddr = format!("/ip4/{}/udp/4717/quic-v1", Ipv4Addr::from(ip))
            .parse()
            .unwrap();
        address
    };
    let all = [[20, 0, 0, 1], [21, 0, 0, 1], [20, 1, 0, 1], [99, 255, 7, 1]].map(address);
    for one in &all {
        let other = masked(one.clone());
        assert!(other.to_string().starts_with("/ip6/fd"), "{other}");
        assert_eq!(unmasked(other), *one);
        assert_eq!(unmasked(one.clone()), *one);
    }
    let mut masked = all.map(masked).to_vec();
    masked.sort();
    masked.dedup();
    assert_eq!(masked.len(), 4);
}

#[test]
fn ground_keys_are_nearer_than_everybody() {
    let mut random = Random::of(7, "test");
    let others: Vec<_> = (0..50)
        .map(|_| node_of(&SecretKey::from_seed(&random.bytes())))
        .collect();
    let nearest = others
        .iter()
        .map(|node| distance(node, &SHOWN))
        .min()
        .unwrap();
    let ground = grind(&SHOWN, &others, 5, &mut random);
    assert_eq!(ground.len(), 5);
    for key in ground {
        assert!(distance(&node_of(&key), &SHOWN) < nearest);
    }
}

#[test]
fn what_liars_took_by_their_place_is_told_from_what_they_took_from_others() {
    let mut random = Random::of(8, "test");
    let mut nodes: Vec<_> = (0..20)
        .map(|_| node_of(&SecretKey::from_seed(&random.bytes())))
        .collect();
    nodes.sort_by_key(|node| distance(node, &SHOWN));
    let near: BTreeSet<usize> = (0..5).collect();
    let far: BTreeSet<usize> = (5..10).collect();
    let servers: BTreeMap<_, _> = nodes.into_iter().zip(0..).collect();
    for (liars, swallowed) in [(&near, true), (&far, false)] {
        let witness = Witness::new(servers.clone(), BTreeSet::new());
        for keeper in liars {
            witness.on_receipt(*keeper, NOW, (SHOWN, ID));
        }
        assert_eq!(witness.exposed(NOW, liars), Some(5));
        assert_eq!(witness.exposed(NOW.plus(1), liars), None);
        assert_eq!(witness.is_swallowed(NOW..=NOW, liars), swallowed);
        assert!(!witness.is_swallowed(NOW.plus(1).., liars));
        // Nobody is sure to ask who took it beside them.
        witness.on_receipt(15, NOW, (SHOWN, ID));
        assert_eq!(witness.is_swallowed(NOW..=NOW, liars), swallowed);
        assert_eq!(witness.exposed(NOW, liars), Some(5));
    }
}
