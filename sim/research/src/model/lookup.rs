//! One lookup: the protocol's own state machine, among nodes of which some do not answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use restante_proto::routing::Lookup;
use restante_proto::time::MonoMillis;
use restante_sim_population::{Regions, draw::mix};

use crate::model::{
    bits::Bits,
    keyspace::region_of,
    links::Links,
    options::Routing,
    tables::{Near, Tables},
};

#[cfg(test)]
mod tests;

/// What a walk goes through.
pub(crate) struct Environment<'a> {
    pub(crate) tables: Tables<'a>,
    /// Nodes that answer.
    pub(crate) up: &'a Bits,
    pub(crate) distances: &'a Distances,
    pub(crate) rules: &'a Routing,
    /// Connections of who looks, and the moment at which it begins, in milliseconds.
    pub(crate) links: (&'a Links, u64),
    /// How far from the key as many nodes are to be expected as are wanted.
    pub(crate) within: u64,
}

/// One-way latencies between regions.
#[derive(Debug)]
pub(crate) struct Distances {
    regions: usize,
    one_way_ms: Vec<u32>,
}

impl Distances {
    pub(crate) fn new(regions: &Regions) -> Self {
        let one_way = |from| regions.all().map(move |to| regions.one_way_ms(from, to));
        Self {
            regions: regions.all().count(),
            one_way_ms: regions.all().flat_map(one_way).collect(),
        }
    }

    #[inline]
    pub(crate) fn one_way_ms(&self, from: u8, to: u8) -> u64 {
        u64::from(self.one_way_ms[usize::from(from) * self.regions + usize::from(to)])
    }

    #[inline]
    pub(crate) fn round_trip_ms(&self, from: u8, to: u8) -> u64 {
        self.one_way_ms(from, to) + self.one_way_ms(to, from)
    }
}

/// What a walk took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Questions asked.
    pub(crate) questions: u32,
    /// Those asked of nodes that do not answer, whether the walk waited for them or not.
    pub(crate) unanswered: u32,
    /// From how far the nearest node was first heard of: 0 is the own table, 1 the answer of
    /// somebody in it.
    pub(crate) hops: u32,
    /// When the nearest of all nodes that are up was first heard of, in milliseconds.
    pub(crate) nearest_ms: u64,
    /// When the walk ended, in milliseconds.
    pub(crate) end_ms: u64,
}

/// Walks towards keys; it keeps its memory from one walk to the next.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    /// Questions under way: when each ends, and who was asked.
    awaited: BinaryHeap<Reverse<(u64, u32)>>,
    /// From how far each node was first heard of, by its place.
    hops: Vec<u32>,
    places: Places,
    near: Near,
    answer: Vec<(u64, u32)>,
    answers: Vec<(u32, u32)>,
    /// When each of those answered, in milliseconds.
    answered_ms: Vec<u64>,
    /// Who was near so far, each time that changed, and when.
    near_ms: Vec<(u64, Vec<u32>)>,
    found: Vec<u32>,
    key: u64,
    best: Option<u64>,
    walk: Walk,
}

impl Walker {
    /// Walks from `origin`'s table towards `key`; what was found is in [`Walker::found`]
    /// afterwards.
    pub(crate) fn walk(&mut self, environment: &Environment<'_>, origin: u32, key: u64) -> Walk {
        let mut lookup = self.begin(environment, origin, key);
        let mut now_ms = 0;
        loop {
            self.note_near(environment, &lookup, now_ms);
            while let Some(node) = lookup.ask(MonoMillis::new(now_ms)) {
                self.contact(environment, origin, node, now_ms);
            }
            if lookup.is_done(MonoMillis::new(now_ms)) {
                break;
            }
            let timeout_ms = lookup.next_timeout(MonoMillis::new(now_ms)).get();
            match self.awaited.peek() {
                Some(Reverse((at_ms, node))) if *at_ms <= timeout_ms => {
                    let (at_ms, node) = (*at_ms, *node);
                    self.awaited.pop();
                    now_ms = at_ms;
                    self.on_answer(environment, &mut lookup, (origin, node), now_ms);
                }
                _ => now_ms = timeout_ms,
            }
        }
        self.walk.end_ms = now_ms;
        self.found.clear();
        self.found.extend(lookup.found());
        self.walk
    }

    /// Returns the nodes that answered and are closest to the key, nearest first.
    pub(crate) fn found(&self) -> impl Iterator<Item = u32> + '_ {
        self.found.iter().copied()
    }

    /// Returns who was nearest within reach so far, each time that changed, with when, in milliseconds.
    pub(crate) fn near(&self) -> &[(u64, Vec<u32>)] {
        &self.near_ms
    }

    /// Returns the nodes that answered, each with when it did, in milliseconds.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let nodes = self.answers.iter().map(|(node, _)| *node);
        nodes.zip(self.answered_ms.iter().copied())
    }

    /// Returns the nodes that answered, each with how many it named.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.answers.iter().copied()
    }

    fn begin(&mut self, environment: &Environment<'_>, origin: u32, key: u64) -> Lookup<u32, u64> {
        self.walk = Walk::default();
        (self.key, self.best) = (key, None);
        self.awaited.clear();
        self.hops.clear();
        self.places.clear();
        self.answers.clear();
        self.answered_ms.clear();
        self.near_ms.clear();
        environment.tables.near(key, &mut self.near);
        environment
            .tables
            .answer(origin, key, &self.near, &mut self.answer);
        for place in 0..self.answer.len() {
            let (distance, node) = self.answer[place];
            self.hear_of(environment, (node, distance), 0, 0);
        }
        let seeds = self
            .answer
            .iter()
            .map(|(distance, node)| (*node, *distance));
        Lookup::new(MonoMillis::default(), environment.rules.wanted, seeds)
    }

    /// Notes who is near so far, if that has changed.
    fn note_near(&mut self, environment: &Environment<'_>, lookup: &Lookup<u32, u64>, now_ms: u64) {
        let near: Vec<u32> = lookup
            .near(MonoMillis::new(now_ms), environment.within)
            .collect();
        let last = self.near_ms.last().map(|(_, near)| near);
        if !near.is_empty() && last != Some(&near) {
            self.near_ms.push((now_ms, near));
        }
    }

    /// Notes from how far a node was heard of, and whether it is the nearest so far of those that are up.
    fn hear_of(
        &mut self,
        environment: &Environment<'_>,
        (node, distance): (u32, u64),
        hops: u32,
        now_ms: u64,
    ) {
        if self.places.of(node, self.hops.len()) == self.hops.len() {
            self.hops.push(hops);
        }
        if self.best.is_none_or(|best| distance < best) && environment.up.has(node) {
            self.best = Some(distance);
            self.walk.nearest_ms = now_ms;
            self.walk.hops = hops;
        }
    }

    fn contact(&mut self, environment: &Environment<'_>, origin: u32, node: u32, now_ms: u64) {
        self.walk.questions += 1;
        let keys = environment.tables.keys;
        let (from, to) = (region_of(keys.key(origin)), region_of(keys.key(node)));
        let (links, began_ms) = environment.links;
        let after_ms = if environment.up.has(node) {
            let trips = match links.has(node, began_ms + now_ms) {
                true => 1,
                false => environment.rules.round_trips,
            };
            environment.distances.round_trip_ms(from, to) * trips
        } else {
            self.walk.unanswered += 1;
            environment.rules.timeout_ms
        };
        self.awaited.push(Reverse((now_ms + after_ms, node)));
    }

    fn on_answer(
        &mut self,
        environment: &Environment<'_>,
        lookup: &mut Lookup<u32, u64>,
        (origin, node): (u32, u32),
        now_ms: u64,
    ) {
        let distance = environment.tables.keys.key(node) ^ self.key;
        if !environment.up.has(node) {
            lookup.on_failed(distance);
            return;
        }
        environment
            .tables
            .answer(node, self.key, &self.near, &mut self.answer);
        self.answers.push((node, self.answer.len() as u32));
        self.answered_ms.push(now_ms);
        // One does not ask oneself.
        self.answer.retain(|(_, named)| *named != origin);
        let place = self.places.of(node, self.hops.len());
        let hops = self.hops.get(place).copied().unwrap_or_default() + 1;
        for place in 0..self.answer.len() {
            let (distance, named) = self.answer[place];
            self.hear_of(environment, (named, distance), hops, now_ms);
        }
        let named = self
            .answer
            .iter()
            .map(|(distance, node)| (*node, *distance));
        lookup.on_answer(MonoMillis::new(now_ms), distance, named);
    }
}

/// Which place each node has that was heard of: a hash table, always looked at in the same
/// order.
#[derive(Debug)]
struct Places {
    cells: Vec<(u32, u32)>,
    used: Vec<usize>,
}

/// Cells of the table at first: a power of two.
const CELLS: usize = 512;
/// A cell without a node.
const FREE: u32 = u32::MAX;

impl Default for Places {
    fn default() -> Self {
        Self {
            cells: vec![(FREE, 0); CELLS],
            used: Vec::new(),
        }
    }
}

impl Places {
    fn clear(&mut self) {
        for cell in self.used.drain(..) {
            self.cells[cell].0 = FREE;
        }
    }

    /// Returns the place of a node, and gives it the place `next` if it has none.
    fn of(&mut self, node: u32, next: usize) -> usize {
        let mut cell = self.cell_of(node);
        if self.cells[cell].0 == node {
            return self.cells[cell].1 as usize;
        }
        if self.used.len() >= self.cells.len() / 2 {
            self.grow();
            cell = self.cell_of(node);
        }
        self.cells[cell] = (node, next as u32);
        self.used.push(cell);
        next
    }

    /// Returns the cell that has a node, or may have it.
    fn cell_of(&self, node: u32) -> usize {
        let mask = self.cells.len() - 1;
        let mut cell = mix(u64::from(node)) as usize & mask;
        while self.cells[cell].0 != FREE && self.cells[cell].0 != node {
            cell = (cell + 1) & mask;
        }
        cell
    }

    fn grow(&mut self) {
        let double = vec![(FREE, 0); self.cells.len() * 2];
        let old = std::mem::replace(&mut self.cells, double);
        for cell in &mut self.used {
            let (node, place) = old[*cell];
            let mask = self.cells.len() - 1;
            let mut free = mix(u64::from(node)) as usize & mask;
            while self.cells[free].0 != FREE {
                free = (free + 1) & mask;
            }
            self.cells[free] = (node, place);
            *cell = free;
        }
    }
}
