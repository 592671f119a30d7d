//! Lookups in made-up networks, compared with what somebody sees who knows everybody.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{KNOWN_MAX, LOOKUP_MS, Lookup, PATHS, QUESTION_MS};
use crate::limits::FOUND_NODES_MAX;
use crate::time::MonoMillis;

const WANTED: usize = 8;

const fn at(ms: u64) -> MonoMillis {
    MonoMillis::new(ms)
}

/// How a node behaves when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    Gone,
    /// Names colluders alone.
    Liar,
    /// Names nodes that do not exist, nearer to the point than anybody.
    Inventor,
}

struct Network {
    /// All nodes in order: where each lies and how it behaves.
    nodes: Vec<(u64, Manner)>,
    /// Time there and back, in milliseconds.
    round_trip_ms: u64,
}

/// What came of a lookup.
#[derive(Debug)]
struct Outcome {
    found: Vec<u64>,
    questions: usize,
    took_ms: u64,
}

/// The output function of SplitMix64: where a node lies.
const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Network {
    /// Makes a network in which a share of the nodes, in percent, has another manner than the others.
    fn new(count: u64, seed: u64, percent: u64, manner: Manner) -> Self {
        let node = |number| {
            let other = mix(number ^ seed.rotate_left(17)) % 100 < percent;
            let manner = if other { manner } else { Manner::Honest };
            (mix(seed.wrapping_add(number + 1)), manner)
        };
        let nodes: std::collections::BTreeMap<u64, Manner> = (0..count).map(node).collect();
        Self {
            nodes: nodes.into_iter().collect(),
            round_trip_ms: 100,
        }
    }

    fn manner(&self, node: u64) -> Manner {
        let place = self.nodes.binary_search_by_key(&node, |(node, _)| *node);
        place.map_or(Manner::Gone, |place| self.nodes[place].1)
    }

    /// Returns the routing table of a node: up to k of the nodes at each distance.
    fn table(&self, node: u64) -> Vec<u64> {
        let mut table = Vec::new();
        for depth in 0..64 {
            let inside = |other: &u64| *other != node && (other ^ node).leading_zeros() == depth;
            let others = self.nodes.iter().map(|(other, _)| *other).filter(inside);
            let mut bucket: Vec<u64> = others.collect();
            bucket.sort_unstable_by_key(|other| mix(other ^ node));
            table.extend(bucket.into_iter().take(FOUND_NODES_MAX));
        }
        table
    }

    fn nearest(&self, mut nodes: Vec<u64>, point: u64) -> Vec<u64> {
        nodes.sort_unstable_by_key(|node| node ^ point);
        nodes.truncate(FOUND_NODES_MAX);
        nodes
    }

    fn answer(&self, node: u64, point: u64) -> Vec<u64> {
        match self.manner(node) {
            Manner::Gone => Vec::new(),
            Manner::Honest => self.nearest(self.table(node), point),
            Manner::Liar => {
                let liars = self
                    .nodes
                    .iter()
                    .filter(|(_, manner)| *manner == Manner::Liar);
                self.nearest(liars.map(|(node, _)| *node).collect(), point)
            }
            Manner::Inventor => (1..=20).map(|number| point ^ number).collect(),
        }
    }

    /// Looks up what lies near `point` with the routing table of `from`.
    fn look_up(&self, from: u64, point: u64) -> Outcome {
        let seeds = self.nearest(self.table(from), point);
        let seeds = seeds.into_iter().map(|node| (node, node ^ point));
        let mut lookup = Lookup::new(at(0), WANTED, seeds);
        let (mut now_ms, mut questions) = (0, 0);
        // When a question ends, and whose it is.
        let mut open: BTreeSet<(u64, u64)> = BTreeSet::new();
        while !lookup.is_done(at(now_ms)) {
            while let Some(node) = lookup.ask(at(now_ms)) {
                questions += 1;
                let gone = self.manner(node) == Manner::Gone;
                let after_ms = if gone {
                    QUESTION_MS
                } else {
                    self.round_trip_ms
                };
                assert!(open.insert((now_ms + after_ms, node)));
            }
            if lookup.is_done(at(now_ms)) {
                break;
            }
            let timeout_ms = lookup.next_timeout(at(now_ms)).get();
            assert!(
                timeout_ms > now_ms,
                "a lookup that waits for the past spins"
            );
            match open
                .first()
                .copied()
                .filter(|(at_ms, _)| *at_ms <= timeout_ms)
            {
                None => now_ms = timeout_ms,
                Some((at_ms, node)) => {
                    open.pop_first();
                    now_ms = at_ms;
                    if self.manner(node) == Manner::Gone {
                        lookup.on_failed(node ^ point);
                    } else {
                        let named = self.answer(node, point).into_iter();
                        let named = named.filter(|named| *named != from);
                        let named = named.map(|named| (named, named ^ point));
                        lookup.on_answer(at(now_ms), node ^ point, named);
                    }
                }
            }
        }
        let found = lookup.found().collect();
        Outcome {
            found,
            questions,
            took_ms: now_ms,
        }
    }

    /// Returns the nearest nodes that answer truly, from the outside.
    fn truth(&self, from: u64, point: u64) -> Vec<u64> {
        let here = self
            .nodes
            .iter()
            .filter(|(node, manner)| *node != from && *manner == Manner::Honest);
        let mut nodes = self.nearest(here.map(|(node, _)| *node).collect(), point);
        nodes.truncate(WANTED);
        nodes
    }

    fn somebody(&self, seed: u64) -> u64 {
        let turn = usize::try_from(mix(seed) >> 32).unwrap();
        self.nodes[turn % self.nodes.len()].0
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_nearest_are_found_with_few_questions(count in 1_u64..600, seed: u64, point: u64) {
        let network = Network::new(count, seed, 0, Manner::Gone);
        let from = network.somebody(seed);
        let outcome = network.look_up(from, point);
        prop_assert_eq!(&outcome.found, &network.truth(from, point));
        prop_assert!(outcome.questions <= 30, "{:?}", outcome);
        prop_assert!(outcome.took_ms <= 1_000, "{:?}", outcome);
    }

    #[test]
    fn nodes_that_are_gone_cost_time_and_hide_nobody(
        count in 30_u64..600, seed: u64, point: u64, gone in 1_u64..30,
    ) {
        let network = Network::new(count, seed, gone, Manner::Gone);
        let from = network.somebody(seed);
        let outcome = network.look_up(from, point);
        prop_assert_eq!(&outcome.found, &network.truth(from, point));
        prop_assert!(outcome.took_ms <= 10_000, "{:?}", outcome);
        prop_assert!(outcome.questions <= 60, "{:?}", outcome);
    }

    #[test]
    fn slow_lines_change_nothing_but_the_time(seed: u64, point: u64) {
        let mut network = Network::new(200, seed, 0, Manner::Gone);
        network.round_trip_ms = 4_000;
        let from = network.somebody(seed);
        let outcome = network.look_up(from, point);
        prop_assert_eq!(outcome.found, network.truth(from, point));
        prop_assert!(outcome.took_ms < LOOKUP_MS);
    }

    #[test]
    fn inventors_neither_hold_a_lookup_up_for_long_nor_flood_it(seed: u64, point: u64) {
        let network = Network::new(300, seed, 10, Manner::Inventor);
        let from = network.somebody(seed);
        let outcome = network.look_up(from, point);
        prop_assert!(outcome.took_ms <= 15_000, "{:?}", outcome);
        prop_assert!(outcome.questions <= 150, "{:?}", outcome);
    }
}

proptest! {
    #[test]
    fn of_more_than_can_be_known_the_farthest_give_way(
        seeds in proptest::collection::btree_set(1_u64..100_000, 1..60),
        named in proptest::collection::vec(1_u64..100_000, 300..900),
    ) {
        let mut lookup = Lookup::new(at(0), KNOWN_MAX, seeds.iter().map(|node| (*node, *node)));
        let mut heard = seeds;
        let asked: Vec<u64> = std::iter::from_fn(|| lookup.ask(at(0))).collect();
        for (node, named) in asked.iter().zip(named.chunks(300)) {
            heard.extend(named);
            lookup.on_answer(at(1), *node, named.iter().map(|node| (*node, *node)));
        }
        let near: Vec<u64> = lookup.near(at(1), u64::MAX).collect();
        let nearest: Vec<u64> = heard.into_iter().take(KNOWN_MAX).collect();
        // Whoever was asked stays known, be it far.
        let surely = KNOWN_MAX.min(nearest.len()) - asked.len();
        prop_assert_eq!(&near[..surely], &nearest[..surely]);
    }
}

#[test]
fn among_three_hundred_nodes_the_nearest_is_asked_first() {
    let seeds = (1..=300).map(|node: u64| (node, node));
    let mut lookup = Lookup::new(at(0), WANTED, seeds);
    assert_eq!(lookup.ask(at(0)), Some(1));
}

#[test]
fn one_liar_on_the_way_hides_nobody() {
    let mut hidden = 0;
    for seed in 0..200 {
        let mut network = Network::new(400, mix(seed), 0, Manner::Gone);
        let (from, point) = (network.somebody(seed), mix(!seed));
        let seeds = network.nearest(network.table(from), point);
        // The one that is asked first lies, and with it all that it names.
        let first = network
            .nodes
            .binary_search_by_key(&seeds[0], |(node, _)| *node);
        network.nodes[first.unwrap()].1 = Manner::Liar;
        let truth = network.truth(from, point);
        let outcome = network.look_up(from, point);
        hidden += truth
            .iter()
            .take(5)
            .filter(|node| !outcome.found.contains(node))
            .count();
    }
    assert_eq!(hidden, 0);
}

#[test]
fn a_tenth_of_all_being_liars_hides_few() {
    let (mut hidden, mut all) = (0, 0);
    for seed in 0..200 {
        let network = Network::new(400, mix(seed), 10, Manner::Liar);
        let (from, point) = (network.somebody(seed), mix(!seed));
        let truth = network.truth(from, point);
        let found = network.look_up(from, point).found;
        // Liars may be among the nearest themselves; the honest ones that are nearer than the last found must be there.
        let Some(last) = found.last().map(|node| node ^ point) else {
            continue;
        };
        let nearer = truth.iter().filter(|node| **node ^ point < last);
        for node in nearer {
            all += 1;
            hidden += usize::from(!found.contains(node));
        }
    }
    assert!(
        all > 800 && hidden * 50 < all,
        "{hidden} of {all} are hidden"
    );
}

#[test]
fn with_nobody_to_ask_a_lookup_is_done_at_once() {
    let mut lookup: Lookup<u64, u64> = Lookup::new(at(5), WANTED, []);
    assert!(lookup.is_done(at(5)));
    assert_eq!(lookup.ask(at(5)), None);
    assert_eq!(lookup.found().count(), 0);
}

#[test]
fn a_refused_question_is_told() {
    let mut lookup = Lookup::new(at(0), WANTED, [(1_u64, 1_u64), (2, 2)]);
    let first = lookup.ask(at(0)).unwrap();
    lookup.on_refused(first);
    assert!(lookup.was_refused());
    let second = lookup.ask(at(0)).unwrap();
    lookup.on_answer(at(1), second, []);
    assert!(lookup.is_done(at(1)));
    assert_eq!(lookup.found().collect::<Vec<_>>(), [second]);
}

#[test]
fn paths_begin_apart_and_ask_nobody_twice() {
    let mut lookup = Lookup::new(at(0), WANTED, (1..=9).map(|node: u64| (node, node)));
    let asked: Vec<u64> = std::iter::from_fn(|| lookup.ask(at(0))).collect();
    assert_eq!(asked, [1, 2, 3]);
    assert_eq!(asked.len(), PATHS);
    // An answer counts on the path of its question alone, and once.
    lookup.on_answer(at(10), 1, [(100, 100)]);
    lookup.on_answer(at(11), 1, [(0, 0)]);
    let more: Vec<u64> = std::iter::from_fn(|| lookup.ask(at(11))).collect();
    assert_eq!(more, [4, 7, 100]);
    assert!(!lookup.is_done(at(11)));
}

#[test]
fn the_nearest_so_far_are_told_before_anybody_has_answered() {
    let near = |lookup: &Lookup<u64, u64>, now_ms, within| -> Vec<u64> {
        lookup.near(at(now_ms), within).collect()
    };
    let seeds = [40, 10, 30, 20, 50].map(|node| (node, node));
    let mut lookup = Lookup::new(at(0), 3, seeds);
    assert_eq!(near(&lookup, 0, 100), [10, 20, 30]);
    assert_eq!(near(&lookup, 0, 20), [10, 20]);
    assert_eq!(lookup.ask(at(0)), Some(10));
    assert_eq!(lookup.ask(at(0)), Some(20));
    // Who is silent for a second may not be there, and who has failed is not.
    assert_eq!(near(&lookup, 999, 100), [10, 20, 30]);
    assert_eq!(near(&lookup, 1_000, 100), [30, 40, 50]);
    lookup.on_failed(20);
    lookup.on_answer(at(1_100), 10, [(5, 5)]);
    assert_eq!(near(&lookup, 1_100, 100), [5, 10, 30]);
}
