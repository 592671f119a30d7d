//! One path of a lookup: whom it knows, whom it asks next, and when it is done.
//!
//! These are the rules of `ClosestPeersIter` in libp2p-kad: as long as answers bring nodes that are
//! closer, a few questions are under way at a time; once as many answers in a row brought none, all
//! of the closest are asked at once; the path ends when as many of the closest as are wanted have
//! answered.

use crate::options::Routing;

/// Somebody to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) node: u32,
    pub(super) hops: u16,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    distance: u64,
    node: u32,
    hops: u16,
    state: State,
}

/// Nodes a path keeps in mind, at most: more than it ever hears of in a walk without liars.
const KNOWN_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked,
    Answered,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Finished,
    /// So many answers in a row brought nothing closer.
    Walking(usize),
    Stalled,
}

/// One of the disjoint paths.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Nearest first.
    known: Vec<Known>,
    asked: usize,
    phase: Phase,
    /// So many of the nearest have answered or failed, and so many of those have answered.
    settled: (usize, usize),
}

impl Path {
    pub(super) fn begin(&mut self) {
        self.known.clear();
        self.asked = 0;
        self.phase = Phase::Walking(0);
        self.settled = (0, 0);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Learns of a node.
    pub(super) fn learn(&mut self, distance: u64, node: u32) {
        if let Err(place) = self.place_of(distance) {
            self.learn_at(place, distance, node, 0);
        }
    }

    fn learn_at(&mut self, place: usize, distance: u64, node: u32, hops: u16) {
        if self.known.len() == KNOWN_MAX {
            // Whoever was asked is in the list for good: its answer counts.
            match self.known.last() {
                Some(last) if place < KNOWN_MAX && last.state == State::New => self.known.pop(),
                _ => return,
            };
        }
        if place < self.settled.0 {
            self.settled = (0, 0);
        }
        self.known.insert(
            place,
            Known {
                distance,
                node,
                hops,
                state: State::New,
            },
        );
    }

    /// Returns whom to ask next, who is asked from now on; nobody when it has to wait, or is
    /// finished.
    pub(super) fn next(&mut self, rules: &Routing) -> Option<Ask> {
        let limit = match self.phase {
            Phase::Finished => return None,
            Phase::Walking(_) => rules.parallel,
            Phase::Stalled => rules.parallel.max(rules.wanted),
        };
        let has_room = self.asked < limit;
        self.settle(rules);
        if self.settled.1 >= rules.wanted {
            self.phase = Phase::Finished;
            return None;
        }
        let next = self.known[self.settled.0..].iter_mut();
        for known in next {
            match known.state {
                State::Asked | State::New if !has_room => return None,
                State::New => {
                    known.state = State::Asked;
                    self.asked += 1;
                    return Some(Ask {
                        node: known.node,
                        hops: known.hops,
                    });
                }
                // After somebody who has yet to answer, answers of others do not end the path.
                State::Asked | State::Answered | State::Failed => {}
            }
        }
        if self.asked == 0 {
            self.phase = Phase::Finished;
        }
        None
    }

    /// Counts the nearest that have answered or failed, up to the first that has not.
    fn settle(&mut self, rules: &Routing) {
        let (mut place, mut answered) = self.settled;
        while let Some(known) = self.known.get(place) {
            match known.state {
                State::Answered if answered < rules.wanted => answered += 1,
                State::Failed => {}
                _ => break,
            }
            place += 1;
        }
        self.settled = (place, answered);
    }

    /// Takes the answer of the node at `distance`, which named these nodes.
    pub(super) fn on_answer(
        &mut self,
        distance: u64,
        named: &[(u64, u32)],
        hops: u16,
        rules: &Routing,
    ) {
        if !self.settle_one(distance, State::Answered) {
            return;
        }
        let last = self
            .known
            .get(rules.wanted - 1)
            .or_else(|| self.known.last());
        let range = last.map_or(distance, |known| known.distance);
        let mut progress = self.known.len() < rules.wanted;
        let mut next = 0;
        for (distance, node) in named {
            // Near the key the same nodes are named again and again, in the same order.
            if self
                .known
                .get(next)
                .is_some_and(|known| known.distance == *distance)
            {
                next += 1;
                continue;
            }
            let is_full = self.known.len() == KNOWN_MAX;
            if is_full
                && self
                    .known
                    .last()
                    .is_some_and(|last| last.distance < *distance)
            {
                continue;
            }
            match self.place_of(*distance) {
                Ok(place) => next = place + 1,
                Err(place) => {
                    self.learn_at(place, *distance, *node, hops);
                    progress |= *distance < range;
                    next = place + 1;
                }
            }
        }
        self.phase = match self.phase {
            Phase::Walking(_) | Phase::Stalled if progress => Phase::Walking(0),
            Phase::Walking(fruitless) if fruitless + 1 < rules.parallel => {
                Phase::Walking(fruitless + 1)
            }
            _ => Phase::Stalled,
        };
    }

    /// Learns that the node at `distance` does not answer.
    pub(super) fn on_failure(&mut self, distance: u64) {
        self.settle_one(distance, State::Failed);
    }

    /// Notes what became of the question to the node at `distance`; says whether there was one.
    fn settle_one(&mut self, distance: u64, state: State) -> bool {
        if self.is_finished() {
            return false;
        }
        // Whoever has yet to answer is mostly at the front.
        let open = self.known[self.settled.0..].iter_mut();
        let mut open = open.skip_while(|known| known.distance < distance);
        let known = open.next().filter(|known| known.distance == distance);
        let Some(known) = known.filter(|known| known.state == State::Asked) else {
            return false;
        };
        known.state = state;
        self.asked -= 1;
        true
    }

    fn place_of(&self, distance: u64) -> Result<usize, usize> {
        self.known
            .binary_search_by_key(&distance, |known| known.distance)
    }
}
