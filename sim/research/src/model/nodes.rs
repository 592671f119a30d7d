//! All nodes there will ever be: where they are, whether they are up, and what they keep.

use rand::{Rng, rngs::Xoshiro256PlusPlus};
use restante_sim_population::{FOREVER_MS, Habit, Stay, draw};

use crate::model::{
    bits::Bits,
    event::Event,
    keyspace::{KeySpace, key_in},
    options::Options,
    queue::Queue,
};
use crate::random::randomness;

/// What one node keeps and moves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) copies: u32,
    pub(crate) copies_max: u32,
    /// Bytes sent and received.
    pub(crate) moved: u64,
}

/// All nodes, by their places in the order of keys.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) keys: KeySpace,
    /// Nodes that answer.
    pub(crate) up: Bits,
    /// Nodes that are in others' tables.
    pub(crate) listed: Bits,
    /// Nodes that have left for good.
    pub(crate) gone: Bits,
    /// Nodes that have been up at some time.
    pub(crate) seen: Bits,
    pub(crate) load: Vec<Load>,
    habit: Vec<Habit>,
    /// When a node was last up, in milliseconds, by its lower 32 bits.
    left: Vec<u32>,
    rng: Xoshiro256PlusPlus,
}

/// A node before it has its place.
struct Draft {
    key: u64,
    born_ms: u64,
    leaves_ms: u64,
}

impl Nodes {
    /// Draws all nodes and lets their first changes into the queue.
    pub(crate) fn draw(options: &Options, seed: u64, queue: &mut Queue<Event>) -> Self {
        let mut rng = randomness(seed, "nodes");
        let drafts = drafts(options, &mut rng);
        let count = drafts.len();
        let mut nodes = Self {
            keys: KeySpace::new(drafts.iter().map(|draft| draft.key).collect()),
            up: Bits::new(count),
            listed: Bits::new(count),
            gone: Bits::new(count),
            seen: Bits::new(count),
            load: vec![Load::default(); count],
            habit: vec![Habit::Common; count],
            left: vec![0; count],
            rng: randomness(seed, "churn"),
        };
        for (node, draft) in (0..).zip(&drafts) {
            if draft.leaves_ms < options.duration_ms {
                queue.push(draft.leaves_ms, Event::Depart(node));
            }
            if draft.born_ms > 0 {
                queue.push(draft.born_ms, Event::Arrive(node));
            } else if draw::uniform(&mut rng) <= options.dead_share {
                nodes.listed.set(node, true);
            } else {
                let (habit, stay) = options.churn.settle(node, &mut nodes.rng);
                nodes.habit[node as usize] = habit;
                nodes.stay(node, stay, 0, queue);
            }
        }
        nodes
    }

    /// A node comes for the first time.
    pub(crate) fn on_arrive(
        &mut self,
        options: &Options,
        now_ms: u64,
        node: u32,
        queue: &mut Queue<Event>,
    ) {
        let (habit, stay) = options.churn.arrive(node, now_ms, &mut self.rng);
        self.habit[node as usize] = habit;
        self.stay(node, stay, now_ms, queue);
    }

    /// A node leaves for good.
    pub(crate) fn on_depart(
        &mut self,
        options: &Options,
        now_ms: u64,
        node: u32,
        queue: &mut Queue<Event>,
    ) {
        self.gone.set(node, true);
        if self.up.has(node) {
            self.on_down(options, now_ms, node, queue);
        }
    }

    /// A node comes up, or goes down.
    pub(crate) fn on_change(
        &mut self,
        options: &Options,
        now_ms: u64,
        node: u32,
        queue: &mut Queue<Event>,
    ) {
        if self.gone.has(node) {
            return;
        }
        let was_up = self.up.has(node);
        if was_up {
            self.on_down(options, now_ms, node, queue);
        }
        let habit = self.habit[node as usize];
        let stay = options.churn.next(habit, was_up, now_ms, &mut self.rng);
        self.stay(node, stay, now_ms, queue);
    }

    /// Others miss a node, unless it has come back since.
    pub(crate) fn on_missed(&mut self, options: &Options, now_ms: u64, node: u32) {
        let since = now_ms.wrapping_sub(options.routing.stale_ms) as u32;
        if !self.up.has(node) && self.left[node as usize] == since {
            self.listed.set(node, false);
        }
    }

    fn on_down(&mut self, options: &Options, now_ms: u64, node: u32, queue: &mut Queue<Event>) {
        self.up.set(node, false);
        self.left[node as usize] = now_ms as u32;
        if options.routing.stale_ms == 0 {
            self.listed.set(node, false);
        } else {
            queue.push(now_ms + options.routing.stale_ms, Event::Missed(node));
        }
    }

    fn stay(&mut self, node: u32, stay: Stay, now_ms: u64, queue: &mut Queue<Event>) {
        if stay.up {
            self.up.set(node, true);
            self.listed.set(node, true);
            self.seen.set(node, true);
        }
        if stay.lasts_ms != FOREVER_MS {
            queue.push(now_ms.saturating_add(stay.lasts_ms), Event::Change(node));
        }
    }
}

/// Draws keys and lives: as many nodes as there are at a time, and one more for each that leaves,
/// in order of keys.
fn drafts(options: &Options, rng: &mut Xoshiro256PlusPlus) -> Vec<Draft> {
    let mut drafts = Vec::with_capacity(options.nodes as usize);
    for _ in 0..options.nodes {
        let mut born_ms = 0;
        while born_ms < options.duration_ms {
            let life = |mean| (libm::round(mean as f64 * draw::exponential(rng)) as u64).max(1);
            let lasts_ms = options.mean_life_ms.map_or(FOREVER_MS, life);
            let leaves_ms = lasts_ms.saturating_add(born_ms);
            let region = options.regions.draw(rng);
            drafts.push(Draft {
                key: key_in(rng.next_u64(), region.index() as u8),
                born_ms,
                leaves_ms,
            });
            born_ms = leaves_ms;
        }
    }
    drafts.sort_unstable_by_key(|draft| draft.key);
    // One key in 2^64: two nodes with the same one would be the same node.
    drafts.dedup_by_key(|draft| draft.key);
    drafts
}

/// Draws a place in a list of weights.
pub(crate) fn weighted(weights: &[u64], rng: &mut Xoshiro256PlusPlus) -> usize {
    let mut left = draw::below(rng, weights.iter().sum());
    for (place, weight) in weights.iter().enumerate() {
        if left < *weight {
            return place;
        }
        left -= weight;
    }
    0
}
