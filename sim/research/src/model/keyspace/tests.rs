use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;

fn keys(count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<u64> {
    let mut keys: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn subtrees_are_what_a_full_search_finds() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for count in [1, 2, 3, 7, 40, 1_000] {
        let space = KeySpace::new(keys(count, &mut rng));
        for _ in 0..300 {
            let key = rng.next_u64();
            let len = (rng.next_u64() % 20) as u32;
            let (low, high) = space.subtree(key, len);
            let wanted: Vec<u32> = (0..space.len())
                .filter(|node| (space.key(*node) ^ key).leading_zeros() >= len)
                .collect();
            assert_eq!((low..high).collect::<Vec<_>>(), wanted, "{count} {len}");
        }
        let own = space.key(0);
        assert_eq!(space.subtree(own, 64), (0, 1));
    }
}

#[test]
fn the_closest_are_what_a_full_search_finds() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for count in [1, 2, 5, 33, 500, 3_000] {
        let space = KeySpace::new(keys(count, &mut rng));
        for part in [1, 2, 10] {
            let mut set = Bits::new(count);
            for node in 0..space.len() {
                set.set(node, rng.next_u64().is_multiple_of(part));
            }
            for wanted in [1, 5, 8, 20] {
                let key = rng.next_u64();
                let mut all: Vec<(u64, u32)> = (0..space.len())
                    .filter(|node| set.has(*node))
                    .map(|node| (space.key(node) ^ key, node))
                    .collect();
                all.sort_unstable();
                all.truncate(wanted);
                let mut got = Vec::new();
                space.closest(key, wanted, &set, &mut got);
                assert_eq!(got, all);
            }
        }
    }
}
