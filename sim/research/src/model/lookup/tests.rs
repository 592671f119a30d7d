use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
use restante_sim_population::Regions;

use super::*;
use crate::model::keyspace::{KeySpace, key_in};

struct World {
    keys: KeySpace,
    up: Bits,
    listed: Bits,
    distances: Distances,
    rng: Xoshiro256PlusPlus,
}

/// Makes nodes of one region, 10 ms apart one way, with one in `dead` that is listed and not up.
fn world(count: usize, dead: u64) -> World {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(count as u64);
    let mut keys: Vec<u64> = (0..count).map(|_| key_in(rng.next_u64(), 0)).collect();
    keys.sort_unstable();
    let (mut up, mut listed) = (Bits::new(count), Bits::new(count));
    for node in 0..count as u32 {
        listed.set(node, true);
        up.set(node, dead == 0 || !rng.next_u64().is_multiple_of(dead));
    }
    let regions = Regions::new(&[("here", 1, &[10])]).unwrap();
    World {
        keys: KeySpace::new(keys),
        up,
        listed,
        distances: Distances::new(&regions),
        rng,
    }
}

impl World {
    fn walk(&self, rules: &Routing, origin: u32, key: u64) -> (Walk, Vec<u32>) {
        let environment = Environment {
            tables: Tables {
                keys: &self.keys,
                listed: &self.listed,
                bucket: rules.bucket,
                seed: 3,
            },
            up: &self.up,
            distances: &self.distances,
            rules,
            links: (&Links::default(), 0),
            within: 0,
        };
        let mut walker = Walker::default();
        // A second walk with the same memory is no other walk.
        let first = walker.walk(&environment, origin, key);
        let again = walker.walk(&environment, origin, key);
        assert_eq!(first, again);
        (first, walker.found().collect())
    }

    /// Finds the closest that are up by looking at all.
    fn closest(&self, origin: u32, key: u64, count: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..self.keys.len())
            .filter(|node| *node != origin && self.up.has(*node))
            .collect();
        all.sort_unstable_by_key(|node| self.keys.key(*node) ^ key);
        all.truncate(count);
        all
    }
}

#[test]
fn a_walk_finds_whom_a_full_search_finds() {
    for count in [2, 3, 6, 21, 22, 60, 300, 2_000] {
        for dead in [0, 4] {
            let mut world = world(count, dead);
            for _ in 0..16 {
                let origin = (world.rng.next_u64() % count as u64) as u32;
                let key = world.rng.next_u64();
                let (walk, found) = world.walk(&Routing::default(), origin, key);
                assert_eq!(
                    found,
                    world.closest(origin, key, 8),
                    "{count} nodes, {walk:?}"
                );
                assert!(walk.nearest_ms <= walk.end_ms);
            }
        }
    }
}

#[test]
fn whoever_knows_everybody_asks_each_once() {
    let world = world(4, 0);
    let (walk, found) = world.walk(&Routing::default(), 0, 77);
    assert_eq!(found, world.closest(0, 77, 20));
    // Two round trips of 20 ms: a handshake and the question.
    let wanted = Walk {
        questions: 3,
        unanswered: 0,
        hops: 0,
        nearest_ms: 0,
        end_ms: 40,
    };
    assert_eq!(walk, wanted);
}

#[test]
fn a_node_that_does_not_answer_costs_some_patience_and_no_more() {
    let mut world = world(4, 0);
    world.up.set(2, false);
    let (walk, found) = world.walk(&Routing::default(), 0, 77);
    assert_eq!((walk.unanswered, walk.end_ms), (1, 1_000));
    assert_eq!(found, world.closest(0, 77, 8));
}

#[test]
fn nobody_else_is_no_walk() {
    let world = world(1, 0);
    let (walk, found) = world.walk(&Routing::default(), 0, 77);
    assert_eq!((walk, found), (Walk::default(), Vec::new()));
}

#[test]
fn larger_networks_take_more_hops_and_dead_nodes_more_time() {
    let mean = |count, dead| {
        let mut world = world(count, dead);
        let (mut hops, mut end_ms) = (0, 0);
        for _ in 0..60 {
            let key = world.rng.next_u64();
            let (walk, _) = world.walk(&Routing::default(), 0, key);
            hops += walk.hops;
            end_ms += walk.end_ms;
        }
        (f64::from(hops) / 60.0, end_ms as f64 / 60.0)
    };
    let (small, medium, large) = (mean(100, 0), mean(2_000, 0), mean(40_000, 0));
    assert!(
        small.0 < medium.0 && medium.0 < large.0,
        "{small:?} {medium:?} {large:?}"
    );
    assert!(large.0 < 4.0, "{large:?}");
    let dead = mean(2_000, 10);
    assert!(dead.1 > 3.0 * medium.1, "{dead:?} {medium:?}");
}

#[test]
fn the_table_of_places_grows_and_forgets() {
    let mut places = Places::default();
    for round in 0..3 {
        for node in 0..2_000 {
            assert_eq!(places.of(node * 7 + round, node as usize), node as usize);
        }
        for node in 0..2_000 {
            assert_eq!(places.of(node * 7 + round, 9_999), node as usize);
        }
        places.clear();
    }
    assert_eq!(places.of(7, 5), 5);
}
