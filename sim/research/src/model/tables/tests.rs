use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

struct World {
    keys: KeySpace,
    listed: Bits,
    rng: Xoshiro256PlusPlus,
}

fn world(count: usize, one_in: u64) -> World {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(count as u64);
    let mut keys: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    keys.sort_unstable();
    let keys = KeySpace::new(keys);
    let mut listed = Bits::new(count);
    for node in 0..keys.len() {
        listed.set(node, rng.next_u64().is_multiple_of(one_in));
    }
    World { keys, listed, rng }
}

impl World {
    fn tables(&self) -> Tables<'_> {
        Tables {
            keys: &self.keys,
            listed: &self.listed,
            bucket: 20,
            seed: 7,
        }
    }

    /// Returns a whole table, bucket by bucket.
    fn table(&self, node: u32) -> Vec<Vec<u32>> {
        let bucket = |depth| {
            let mut out = Vec::new();
            self.tables().fill(node, 0, depth, &mut out);
            out.into_iter().map(|(_, other)| other).collect()
        };
        (0..64).map(bucket).collect()
    }
}

#[test]
fn buckets_hold_up_to_k_listed_nodes_of_their_subtree() {
    let world = world(20_000, 3);
    for node in [0, 777, 19_999] {
        for (depth, bucket) in (0..).zip(world.table(node)) {
            let all = (0..world.keys.len()).filter(|other| {
                let shared = (world.keys.key(node) ^ world.keys.key(*other)).leading_zeros();
                *other != node && shared == depth && world.listed.has(*other)
            });
            let all: Vec<u32> = all.collect();
            assert_eq!(bucket.len(), all.len().min(20), "depth {depth}");
            assert!(bucket.iter().all(|other| all.contains(other)));
            let distinct: std::collections::BTreeSet<_> = bucket.iter().collect();
            assert_eq!(distinct.len(), bucket.len());
        }
    }
}

#[test]
fn an_answer_is_the_best_of_the_whole_table() {
    for (count, one_in) in [(30, 1), (400, 2), (20_000, 1), (20_000, 5)] {
        let mut world = world(count, one_in);
        let (mut near, mut got) = (Near::default(), Vec::new());
        let mut quick = 0;
        for round in 0..400_u32 {
            let key = world.rng.next_u64();
            world.tables().near(key, &mut near);
            let mut closest = Vec::new();
            world.keys.closest(key, 30, &world.listed, &mut closest);
            // Half of the time somebody near, half of the time anybody.
            let near_by = closest[round as usize % closest.len()].1;
            let node = if round % 2 == 0 {
                near_by
            } else {
                round % count as u32
            };
            quick += u32::from((near.low..near.high).contains(&node));
            world.tables().answer(node, key, &near, &mut got);
            let distance = |other: &u32| world.keys.key(*other) ^ key;
            let mut wanted: Vec<u32> = world.table(node).concat();
            wanted.sort_unstable_by_key(distance);
            wanted.truncate(20);
            got.sort_unstable();
            let got: Vec<u32> = got.iter().map(|(_, other)| *other).collect();
            assert_eq!(got, wanted, "{count} nodes, node {node}");
        }
        assert!(count < 100 || quick > 50, "{quick}");
    }
}

#[test]
fn entries_stay_when_others_go() {
    let mut world = world(20_000, 1);
    let before = world.table(5);
    let gone = before[0][3];
    world.listed.set(gone, false);
    let after = world.table(5);
    let kept = before[0].iter().filter(|other| after[0].contains(other));
    assert_eq!(kept.count(), 19);
    assert_eq!(before[1..], after[1..]);
}
