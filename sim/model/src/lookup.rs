//! One lookup: the walk of libp2p's Kademlia towards a key, on disjoint paths, with nodes that do
//! not answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use restante_sim_population::Regions;

use crate::{
    bits::Bits,
    keyspace::region_of,
    options::Routing,
    tables::{Near, Tables, mix},
};

mod path;
#[cfg(test)]
mod tests;

use path::{Ask, Path};

/// What a walk goes through.
pub(crate) struct Ground<'a> {
    pub(crate) tables: Tables<'a>,
    /// Nodes that answer.
    pub(crate) up: &'a Bits,
    pub(crate) distances: &'a Distances,
    pub(crate) rules: &'a Routing,
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

/// A question that was asked of a node.
#[derive(Clone, Copy, Debug)]
struct Contact {
    node: u32,
    path: usize,
    hops: u16,
    distance: u64,
    /// Nodes its answer named.
    named: u32,
    state: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Came,
    Failed,
}

/// Walks towards keys; it keeps its memory from one walk to the next.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    paths: Vec<Path>,
    contacts: Vec<Contact>,
    /// Questions under way: when each ends, and its place in `contacts`.
    awaited: BinaryHeap<Reverse<(u64, usize)>>,
    places: Places,
    near: Near,
    answer: Vec<(u64, u32)>,
    found: Vec<(u64, u32)>,
    key: u64,
    best: Option<u64>,
    walk: Walk,
}

impl Walker {
    /// Walks from `origin`'s table towards `key`; what was found is in [`Walker::found`]
    /// afterwards.
    pub(crate) fn walk(&mut self, ground: &Ground<'_>, origin: u32, key: u64) -> Walk {
        self.begin(ground, origin, key);
        let mut now_ms = 0;
        loop {
            self.ask_all(ground, origin, now_ms);
            if self.paths.iter().all(Path::is_finished) || now_ms >= ground.rules.lookup_ms {
                break;
            }
            let Some(Reverse((at_ms, contact))) = self.awaited.pop() else {
                break;
            };
            now_ms = at_ms.min(ground.rules.lookup_ms);
            if at_ms <= now_ms {
                self.on_answer(ground, origin, contact, now_ms);
            }
        }
        self.walk.end_ms = now_ms;
        self.gather(ground.rules);
        self.walk
    }

    /// Returns the nodes that answered and are closest to the key, nearest first.
    pub(crate) fn found(&self) -> impl Iterator<Item = u32> + '_ {
        self.found.iter().map(|(_, node)| *node)
    }

    /// Returns the nodes that answered, each with how many it named.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let came = |contact: &&Contact| contact.state == Answer::Came;
        let contacts = self.contacts.iter().filter(came);
        contacts.map(|contact| (contact.node, contact.named))
    }

    fn begin(&mut self, ground: &Ground<'_>, origin: u32, key: u64) {
        self.walk = Walk::default();
        (self.key, self.best) = (key, None);
        self.contacts.clear();
        self.awaited.clear();
        self.places.clear();
        self.paths.resize_with(ground.rules.paths, Path::default);
        ground.tables.near(key, &mut self.near);
        ground
            .tables
            .answer(origin, key, &self.near, &mut self.answer);
        for path in &mut self.paths {
            path.begin();
        }
        for place in 0..self.answer.len() {
            let (distance, node) = self.answer[place];
            self.hear_of(ground, node, distance, 0, 0);
            for path in &mut self.paths {
                path.learn(distance, node);
            }
        }
    }

    /// Notes a node that is the nearest so far of those that are up.
    fn hear_of(&mut self, ground: &Ground<'_>, node: u32, distance: u64, hops: u16, now_ms: u64) {
        if self.best.is_none_or(|best| distance < best) && ground.up.has(node) {
            self.best = Some(distance);
            self.walk.nearest_ms = now_ms;
            self.walk.hops = u32::from(hops);
        }
    }

    /// Asks whom the paths want to ask now.
    fn ask_all(&mut self, ground: &Ground<'_>, origin: u32, now_ms: u64) {
        // Paths take turns, one question each, until nobody has one.
        let mut asked = true;
        while asked {
            asked = false;
            for index in 0..self.paths.len() {
                asked |= self.ask_on(ground, origin, index, now_ms);
            }
        }
    }

    /// Lets one path ask one question of somebody whom no path has asked; says whether it did.
    fn ask_on(&mut self, ground: &Ground<'_>, origin: u32, index: usize, now_ms: u64) -> bool {
        loop {
            let Some(Ask { node, hops }) = self.paths[index].next(ground.rules) else {
                return false;
            };
            let place = self.places.of(node, self.contacts.len());
            let Some(known) = self.contacts.get(place) else {
                self.contact(ground, origin, index, Ask { node, hops }, now_ms);
                return true;
            };
            // This path hears whether there was an answer, but not what was in it: paths are
            // disjoint.
            match known.state {
                Answer::Awaited => {}
                Answer::Came => {
                    self.paths[index].on_answer(known.distance, &[], hops, ground.rules)
                }
                Answer::Failed => self.paths[index].on_failure(known.distance),
            }
        }
    }

    fn contact(
        &mut self,
        ground: &Ground<'_>,
        origin: u32,
        path: usize,
        Ask { node, hops }: Ask,
        now_ms: u64,
    ) {
        self.walk.questions += 1;
        let distance = ground.tables.keys.key(node) ^ self.key;
        let from = region_of(ground.tables.keys.key(origin));
        let round_trip_ms = ground
            .distances
            .round_trip_ms(from, region_of(distance ^ self.key));
        let after_ms = if ground.up.has(node) {
            round_trip_ms * ground.rules.round_trips
        } else {
            self.walk.unanswered += 1;
            ground.rules.timeout_ms
        };
        let ends = (now_ms + after_ms, self.contacts.len());
        self.awaited.push(Reverse(ends));
        self.contacts.push(Contact {
            node,
            path,
            hops,
            distance,
            named: 0,
            state: Answer::Awaited,
        });
    }

    fn on_answer(&mut self, ground: &Ground<'_>, origin: u32, contact: usize, now_ms: u64) {
        let Contact {
            node,
            path,
            hops,
            distance,
            ..
        } = self.contacts[contact];
        if !ground.up.has(node) {
            self.contacts[contact].state = Answer::Failed;
            for path in &mut self.paths {
                path.on_failure(distance);
            }
            return;
        }
        ground
            .tables
            .answer(node, self.key, &self.near, &mut self.answer);
        self.contacts[contact].state = Answer::Came;
        self.contacts[contact].named = self.answer.len() as u32;
        // One does not ask oneself.
        self.answer.retain(|(_, named)| *named != origin);
        for place in 0..self.answer.len() {
            let (distance, named) = self.answer[place];
            self.hear_of(ground, named, distance, hops + 1, now_ms);
        }
        for (index, other) in self.paths.iter_mut().enumerate() {
            let named: &[(u64, u32)] = if index == path { &self.answer } else { &[] };
            other.on_answer(distance, named, hops + 1, ground.rules);
        }
    }

    /// Collects what the paths found.
    fn gather(&mut self, rules: &Routing) {
        self.found.clear();
        let came = |contact: &&Contact| contact.state == Answer::Came;
        let place = |contact: &Contact| (contact.distance, contact.node);
        self.found
            .extend(self.contacts.iter().filter(came).map(place));
        self.found.sort_unstable();
        self.found.truncate(rules.wanted);
    }
}

/// Where each node that was asked is among the contacts: a hash table, always looked at in the same
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
