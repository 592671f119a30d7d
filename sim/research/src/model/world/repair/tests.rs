use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};

use super::near;
use crate::model::{bits::Bits, keyspace::KeySpace};

#[test]
fn every_key_that_has_a_node_among_its_nearest_is_near() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for (nodes, count) in [(3, 5), (40, 1), (200, 5), (1_000, 8)] {
        let mut all: Vec<u64> = (0..nodes).map(|_| rng.next_u64()).collect();
        all.sort_unstable();
        let keys = KeySpace::new(all);
        let mut up = Bits::new(nodes);
        for node in 0..keys.len() {
            up.set(node, rng.next_u64() % 4 > 0);
        }
        let (mut among, mut taken) = (0, 0);
        for node in (0..keys.len()).step_by(1 + nodes / 40) {
            // Whether it went or came makes no difference.
            let mut with = up.clone();
            with.set(node, true);
            let mut ranges = Vec::new();
            near(&keys, &up, node, count, |from, to| ranges.push(from..=to));
            for _ in 0..400 {
                // Half of the keys share many bits with the node.
                let key = match rng.next_u64() % 2 {
                    0 => rng.next_u64(),
                    _ => keys.key(node) ^ (rng.next_u64() >> (rng.next_u64() % 12)),
                };
                let mut nearest = Vec::new();
                keys.closest(key, count, &with, &mut nearest);
                let is_among = nearest.iter().any(|(_, one)| *one == node);
                let is_taken = ranges.iter().any(|range| range.contains(&key));
                assert!(is_taken || !is_among, "{nodes} nodes, {count}: {key:x}");
                (among, taken) = (among + u32::from(is_among), taken + u32::from(is_taken));
            }
        }
        // Not simply all of them, where there are others.
        assert!(among > 0 && taken >= among);
        assert!(nodes < 100 || taken < 3 * among, "{taken} for {among}");
    }
}
