//! One lookup: whom to ask for the nodes nearest to a point, and when that is enough (SPEC 9.4).
//!
//! A lookup goes along [`PATHS`] paths that share no question: each begins at other nodes, and learns from the answers
//! to its own questions alone, so that a liar misleads one of them. A path walks from one node to a nearer one, a
//! question at a time. When an answer brings nobody nearer, it asks all it knows nearest at once; it has ended when as
//! many of them as are wanted have answered. What is found is the nearest of all that answered, on whatever path.
//!
//! Nodes that are gone cost time, so that two limits follow from the longest time an answer has taken in this lookup: a
//! node that is silent for half as long again is *slow*, and the next one is asked beside it; one that is silent for
//! twice as long is passed over.

#[cfg(test)]
mod tests;

use crate::limits::SECOND_MS;
use crate::time::MonoMillis;

/// Paths of a lookup that share no question.
pub const PATHS: usize = 3;
/// Longest time for one question, connecting included, in milliseconds.
pub const QUESTION_MS: u64 = 15 * SECOND_MS;
/// Longest time for a lookup, in milliseconds.
const LOOKUP_MS: u64 = 30 * SECOND_MS;
/// Nodes that a lookup keeps in mind, at most; the farthest that nobody was asked about give way.
const KNOWN_MAX: usize = 256;
/// Bounds of the time after which a node is slow, in milliseconds; before any answer it is the second.
const SLOW_MS: [u64; 3] = [300, SECOND_MS, 3 * SECOND_MS];
/// Bounds of the time after which a silent node is passed over, in milliseconds; before any answer it is the second.
const PATIENCE_MS: [u64; 2] = [SECOND_MS, 10 * SECOND_MS];

/// A lookup of the nodes nearest to a point: `N` names a node, `D` is how far it is from there.
#[derive(Clone, Debug)]
pub struct Lookup<N, D> {
    /// Nearest first; no two have the same distance.
    known: Vec<Known<N, D>>,
    wanted: usize,
    began: MonoMillis,
    /// The path that asks next; they take turns.
    turn: usize,
    /// Whether the last answer on each path brought nobody nearer.
    stalled: [bool; PATHS],
    /// Longest time that an answer took.
    slowest_ms: Option<u64>,
    /// Since when all paths but one have ended.
    most_ended: Option<MonoMillis>,
    refused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Known<N, D> {
    distance: D,
    node: N,
    /// The paths that know it, a bit each.
    paths: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked { at: MonoMillis, path: usize },
    Answered,
    Failed,
}

/// What a path wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// To ask the node at this place.
    Ask(usize),
    /// To wait for an answer.
    Wait,
    /// Nothing any more.
    Ended,
}

impl<N: Copy, D: Copy + Ord> Lookup<N, D> {
    /// Begins a lookup of `wanted` nodes with those that are known already, dealt out to the paths in turn.
    pub fn new(now: MonoMillis, wanted: usize, seeds: impl IntoIterator<Item = (N, D)>) -> Self {
        let mut lookup = Self {
            known: Vec::new(),
            wanted,
            began: now,
            turn: 0,
            stalled: [false; PATHS],
            slowest_ms: None,
            most_ended: None,
            refused: false,
        };
        let mut seeds: Vec<(N, D)> = seeds.into_iter().collect();
        seeds.sort_by_key(|(_, distance)| *distance);
        for (place, (node, distance)) in seeds.into_iter().enumerate() {
            lookup.learn(place % PATHS, node, distance);
        }
        lookup
    }

    /// Returns the next node to ask and marks it as asked; `None` while the lookup waits, or when it is done.
    ///
    /// Of each the lookup is told what came of it: [`on_answer`](Self::on_answer), [`on_failed`](Self::on_failed) or
    /// [`on_refused`](Self::on_refused).
    pub fn ask(&mut self, now: MonoMillis) -> Option<N> {
        for step in 0..PATHS {
            let path = (self.turn + step) % PATHS;
            if let Look::Ask(place) = self.look(path, now)
                && let Some(known) = self.known.get_mut(place)
            {
                known.state = State::Asked { at: now, path };
                self.turn = (path + 1) % PATHS;
                return Some(known.node);
            }
        }
        None
    }

    /// Takes the answer of the node at `distance`, which names these nodes.
    pub fn on_answer(
        &mut self,
        now: MonoMillis,
        distance: D,
        named: impl IntoIterator<Item = (N, D)>,
    ) {
        let Some(known) = self.asked(distance) else {
            return;
        };
        let State::Asked { at, path } = known.state else {
            return;
        };
        known.state = State::Answered;
        let took_ms = now.since(at);
        self.slowest_ms = self.slowest_ms.max(Some(took_ms));
        let before = self.nearest(path);
        for (node, distance) in named {
            self.learn(path, node, distance);
        }
        let nearer = before.is_none() || self.nearest(path) < before;
        if let Some(stalled) = self.stalled.get_mut(path) {
            *stalled = !nearer;
        }
    }

    /// Learns that the node at `distance` will not answer.
    pub fn on_failed(&mut self, distance: D) {
        if let Some(known) = self.asked(distance) {
            known.state = State::Failed;
        }
    }

    /// Learns that the node at `distance` was not asked, for want of means of our own: what is found without it is not
    /// to be believed.
    pub fn on_refused(&mut self, distance: D) {
        self.refused = true;
        self.on_failed(distance);
    }

    /// Tells whether the lookup is done.
    pub fn is_done(&mut self, now: MonoMillis) -> bool {
        let begun = (0..PATHS).filter(|path| self.nearest(*path).is_some());
        let begun = begun.count();
        let ended =
            |path: &usize| self.nearest(*path).is_some() && self.look(*path, now) == Look::Ended;
        let ended = (0..PATHS).filter(ended).count();
        if ended == begun || now.since(self.began) >= LOOKUP_MS {
            return true;
        }
        if ended == 0 || ended + 1 < begun {
            self.most_ended = None;
            return false;
        }
        let since = *self.most_ended.get_or_insert(now);
        now.since(since) >= self.patience_ms()
    }

    /// Returns when [`ask`](Self::ask) and [`is_done`](Self::is_done) may say something else although nothing came.
    pub fn next_timeout(&self, now: MonoMillis) -> MonoMillis {
        let (slow_ms, patience_ms) = (self.slow_ms(), self.patience_ms());
        let end = self.began.plus(LOOKUP_MS);
        let ended = self.most_ended.map(|since| since.plus(patience_ms));
        let asked = self.known.iter().filter_map(|known| match known.state {
            State::Asked { at, .. } => Some(at),
            _ => None,
        });
        let changes = asked.flat_map(|at| [at.plus(slow_ms), at.plus(patience_ms)]);
        let changes = changes.chain(ended).filter(|at| *at > now);
        changes.chain([end]).min().unwrap_or(end)
    }

    /// Returns the nearest nodes that have answered, nearest first, as many as are wanted.
    pub fn found(&self) -> impl Iterator<Item = N> + '_ {
        let answered = |known: &&Known<N, D>| known.state == State::Answered;
        let answered = self.known.iter().filter(answered);
        answered.map(|known| known.node).take(self.wanted)
    }

    /// Returns the nearest nodes so far that lie within a distance and may be there, nearest first, as many as are
    /// wanted: most of them have not been asked.
    ///
    /// A distance within which as many nodes are to be expected as are wanted makes these the right ones more often
    /// than not, long before the lookup is done.
    pub fn near(&self, now: MonoMillis, within: D) -> impl Iterator<Item = N> + '_ {
        let slow_ms = self.slow_ms();
        let near = self
            .known
            .iter()
            .take_while(move |known| known.distance <= within);
        let may_be_there = move |known: &&Known<N, D>| match known.state {
            State::New | State::Answered => true,
            State::Asked { at, .. } => now.since(at) < slow_ms,
            State::Failed => false,
        };
        near.filter(may_be_there)
            .map(|known| known.node)
            .take(self.wanted)
    }

    /// Tells whether somebody could not be asked for want of means of our own.
    pub const fn was_refused(&self) -> bool {
        self.refused
    }

    /// Tells whether anybody was asked.
    pub fn was_asked(&self) -> bool {
        self.known.iter().any(|known| known.state != State::New)
    }

    /// Returns a node that was asked and has not answered.
    fn asked(&mut self, distance: D) -> Option<&mut Known<N, D>> {
        let place = self.place_of(distance).ok()?;
        let known = self.known.get_mut(place)?;
        matches!(known.state, State::Asked { .. }).then_some(known)
    }

    fn place_of(&self, distance: D) -> Result<usize, usize> {
        self.known
            .binary_search_by_key(&distance, |known| known.distance)
    }

    /// Lets a path know a node.
    fn learn(&mut self, path: usize, node: N, distance: D) {
        let bit = 1 << path;
        match self.place_of(distance) {
            Ok(place) => {
                if let Some(known) = self.known.get_mut(place) {
                    known.paths |= bit;
                }
            }
            Err(place) => {
                self.known.insert(
                    place,
                    Known {
                        distance,
                        node,
                        paths: bit,
                        state: State::New,
                    },
                );
                if self.known.len() > KNOWN_MAX {
                    let new = |known: &Known<N, D>| known.state == State::New;
                    if let Some(farthest) = self.known.iter().rposition(new) {
                        self.known.remove(farthest);
                    }
                }
            }
        }
    }

    /// Returns how far the nearest node is that a path knows and that has not failed.
    fn nearest(&self, path: usize) -> Option<D> {
        let known =
            |known: &&Known<N, D>| known.paths & (1 << path) != 0 && known.state != State::Failed;
        self.known.iter().find(known).map(|known| known.distance)
    }

    /// Decides what a path wants.
    fn look(&self, path: usize, now: MonoMillis) -> Look {
        let (slow_ms, patience_ms) = (self.slow_ms(), self.patience_ms());
        let at_once = if self.is_stalled(path) {
            self.wanted
        } else {
            1
        };
        // So many have answered, may answer soon, and may answer at all; and so many were asked by this path just now.
        let (mut answered, mut soon, mut awaited, mut busy) = (0, 0, 0, 0);
        let all = self.known.iter().enumerate();
        for (place, known) in all.filter(|(_, known)| known.paths & (1 << path) != 0) {
            if answered + soon >= self.wanted {
                break;
            }
            match known.state {
                State::Answered => answered += 1,
                State::Failed => {}
                State::Asked { at, path: by } => {
                    let silent_ms = now.since(at);
                    awaited += usize::from(silent_ms < patience_ms);
                    if silent_ms < slow_ms {
                        soon += 1;
                        busy += usize::from(by == path);
                    }
                }
                State::New if busy < at_once => return Look::Ask(place),
                State::New => return Look::Wait,
            }
        }
        if awaited == 0 {
            Look::Ended
        } else {
            Look::Wait
        }
    }

    fn is_stalled(&self, path: usize) -> bool {
        self.stalled.get(path).copied().unwrap_or_default()
    }

    fn slow_ms(&self) -> u64 {
        let [least, first, most] = SLOW_MS;
        let longer = |slowest_ms: u64| (slowest_ms + slowest_ms / 2).clamp(least, most);
        self.slowest_ms.map_or(first, longer)
    }

    fn patience_ms(&self) -> u64 {
        let [least, most] = PATIENCE_MS;
        let twice = |slowest_ms: u64| slowest_ms.saturating_mul(2).clamp(least, most);
        self.slowest_ms.map_or(most, twice)
    }
}
