//! Placing one item at the keepers closest to its address, and keeping it there (SPEC 10.2).
//!
//! A [`Placement`] asks for the closest keepers, deposits at the nearest [`REPLICAS`] of them, takes the next nearest
//! for each that fails, and tries again with growing pauses until all wanted receipts are in. Then it checks now and
//! then that the keepers closest by that time hold the item.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Address, NodeId, context,
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, REPLICAS, SECOND_MS, receipts_wanted},
    time::{MonoMillis, Now, UnixMillis},
};

#[cfg(test)]
pub(crate) mod driven;
#[cfg(test)]
mod tests;

/// How many keepers are asked for, so that some may fail.
pub const CANDIDATES: usize = REPLICAS + 3;
/// Nearest table entries whose distance from the node itself is the reach within which a keeper is deposited at before
/// the lookup has ended. More than are wanted, since that measures only roughly how far apart nodes lie.
pub const REACH_NODES: usize = 2 * CANDIDATES;
/// The first pause after a try that left something to be done, in milliseconds.
const RETRY_MIN_MS: u64 = 5 * SECOND_MS;
/// The longest pause, in milliseconds.
const RETRY_MAX_MS: u64 = HOUR_MS;
/// How long after everything was in place it is looked at again for the first time, in milliseconds: a network that
/// has just started grows, and so does what a node that has just started sees of it. Each further pause is four times
/// as long.
const REVIEW_MIN_MS: u64 = 2 * MINUTE_MS;
/// The longest of these pauses, in milliseconds.
const REVIEW_MS: u64 = DAY_MS / 4;
/// The longest of these pauses for what took the place of an item at the same keepers, in milliseconds.
const REVIEW_SUCCESSOR_MS: u64 = DAY_MS / 2;
/// How many reviews an item counts as young for: in the first hours what can change is that others come up.
const YOUNG_REVIEWS: u32 = 4;
/// Keepers that are asked in such a review who their neighbours are.
const BRIEF_ASKED: usize = 2;
/// How long after everything was in place at fewer keepers than wanted it is looked at again, in milliseconds.
const FEW_MS: u64 = 30 * SECOND_MS;
/// How long a keeper that failed is passed over, in milliseconds.
const AVOID_MS: u64 = 30 * SECOND_MS;

/// What a placement asks its owner to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub enum Step {
    /// Look up the keepers closest to the address and come back with `on_found`.
    Find,
    /// Send the item to this keeper.
    Deposit(NodeId),
    /// Ask this keeper whether it holds the item, without sending it.
    Offer(NodeId),
}

/// How well an item is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Keepers whose receipt is in and still holds.
    pub with: usize,
    /// Keepers wanted, fewer than R in a small network; 0 before the first lookup.
    pub of: usize,
    /// Until when the keepers hold it, by the earliest receipt.
    pub until: Option<UnixMillis>,
}

impl Standing {
    /// Returns with how many keepers it is of how many wanted, as people count: more receipts than wanted come in when
    /// nearer keepers are found after all, and those of an earlier run are there before the first lookup.
    pub fn counts(&self) -> (usize, usize) {
        match self.of {
            0 => (self.with, self.with),
            of => (self.with.min(of), of),
        }
    }

    /// Tells whether enough receipts are in to call the item stored.
    pub const fn is_stored(&self) -> bool {
        self.of > 0 && self.with >= receipts_wanted(self.of)
    }
}

/// One item on its way to, or at, its keepers.
#[derive(Clone, Debug)]
pub struct Placement {
    address: Address,
    held: BTreeMap<NodeId, UnixMillis>,
    asked: BTreeSet<NodeId>,
    /// Those of `asked` that were only offered the item.
    offered: BTreeSet<NodeId>,
    /// Keepers that this try deposited at before its lookup had ended.
    early: BTreeSet<NodeId>,
    avoided: BTreeMap<NodeId, MonoMillis>,
    candidates: Vec<NodeId>,
    wanted: usize,
    finding: bool,
    failures: u32,
    pauses: u32,
    complete: bool,
    /// Who held the item that this one takes the place of, and how many looks that had had.
    before: Option<(BTreeSet<NodeId>, u32)>,
    /// The same keepers hold this one.
    succeeds: bool,
    next_try: MonoMillis,
}

impl Placement {
    /// Makes the placement of an item at `address`, due at once; `held` are receipts from before a restart.
    pub const fn new(address: Address, held: BTreeMap<NodeId, UnixMillis>) -> Self {
        Self {
            address,
            held,
            asked: BTreeSet::new(),
            offered: BTreeSet::new(),
            early: BTreeSet::new(),
            avoided: BTreeMap::new(),
            candidates: Vec::new(),
            wanted: 0,
            finding: false,
            failures: 0,
            pauses: 0,
            complete: false,
            before: None,
            succeeds: false,
            next_try: MonoMillis::new(0),
        }
    }

    /// Makes the placement of an item that takes the place of this one, due at once. Where the same keepers take it, it
    /// is looked at as rarely as this one would be from now on: its neighbourhood is no young one.
    pub fn succeeded(&self, now: Now) -> Self {
        Self {
            before: self.complete.then(|| (self.holders(now), self.pauses)),
            ..Self::new(self.address, BTreeMap::new())
        }
    }

    /// Returns the item's address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Returns how well the item is placed.
    pub fn standing(&self, now: Now) -> Standing {
        let live = || self.held.values().filter(|until| **until > now.date);
        Standing {
            with: live().count(),
            of: self.wanted,
            until: live().min().copied(),
        }
    }

    /// Returns the receipts, to be stored.
    pub const fn receipts(&self) -> &BTreeMap<NodeId, UnixMillis> {
        &self.held
    }

    /// Returns how many tries have failed since one succeeded.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns when [`Placement::on_timer`] is due; nothing while answers are awaited.
    pub fn next_timeout(&self) -> Option<MonoMillis> {
        let idle = !self.finding && self.asked.is_empty();
        idle.then_some(self.next_try)
    }

    /// Returns the holders to ask in a brief review for the nodes they know closest to the address; empty when none or
    /// a full review is due. Two questions show that nearer nodes have come, without a lookup.
    ///
    /// Nothing when the review has to be a whole one. What they say goes to [`Placement::knows`]; the review ends with
    /// [`Placement::confirm`], or becomes a whole one when [`Placement::on_timer`] is called all the same.
    pub fn brief(&self, now: Now) -> Vec<NodeId> {
        let due = self.next_timeout().is_some_and(|due| due <= now.mono);
        let is_placed = self.complete && self.wanted >= REPLICAS;
        if !(due && is_placed) {
            return Vec::new();
        }
        let holders = self
            .candidates
            .iter()
            .filter(|keeper| self.holds(now, keeper));
        holders.take(BRIEF_ASKED).copied().collect()
    }

    /// Tells whether the item came to its keepers within the last hours.
    pub const fn is_young(&self) -> bool {
        self.pauses <= YOUNG_REVIEWS
    }

    /// Returns the nearest keeper that holds the item.
    pub fn holder(&self, now: Now) -> Option<NodeId> {
        let mut candidates = self.candidates.iter();
        candidates.find(|keeper| self.holds(now, keeper)).copied()
    }

    /// Tells whether the nodes that a holder named as nearest to the address, beside itself, all hold the item.
    pub fn knows(&self, now: Now, nearest: &[NodeId]) -> bool {
        let mut nearest = nearest.iter().take(REPLICAS - 1);
        nearest.len() > 0 && nearest.all(|node| self.holds(now, node))
    }

    /// Ends a review: all is still in place.
    pub fn confirm(&mut self, now: Now) {
        self.pause(now, true);
    }

    /// Makes the next try due now: the network has just come up.
    pub fn hurry(&mut self, now: Now) {
        if self.failures > 0 || self.wanted < REPLICAS {
            self.next_try = self.next_try.min(now.mono);
        }
    }

    /// Starts a try if one is due.
    pub fn on_timer(&mut self, now: Now) -> Vec<Step> {
        if self.next_timeout().is_none_or(|due| due > now.mono) {
            return Vec::new();
        }
        self.finding = true;
        // Those that no lookup has judged yet are judged by this one.
        if !self.candidates.is_empty() {
            self.early.clear();
        }
        vec![Step::Find]
    }

    /// Takes the keepers that are nearest as far as is known while the lookup goes on, nearest first: those of an
    /// earlier lookup of this address, or those this one has heard of.
    ///
    /// An item that is not stored yet is deposited there at once. The lookup has the last word: who it does not find
    /// among the nearest no longer counts.
    pub fn on_near(&mut self, now: Now, keepers: &[NodeId]) -> Vec<Step> {
        if !self.finding || keepers.is_empty() || self.standing(now).is_stored() {
            return Vec::new();
        }
        self.candidates = keepers.iter().take(CANDIDATES).copied().collect();
        if self.candidates.len() >= REPLICAS {
            self.wanted = REPLICAS;
        }
        let nearest: Vec<NodeId> = self.candidates.iter().take(REPLICAS).copied().collect();
        let mut steps = Vec::new();
        for keeper in nearest {
            if self.early.len() < CANDIDATES && self.is_untried(now, &keeper) {
                self.asked.insert(keeper);
                self.early.insert(keeper);
                steps.push(Step::Deposit(keeper));
            }
        }
        steps
    }

    /// Takes the closest keepers, nearest first; none when the lookup failed.
    pub fn on_found(&mut self, now: Now, keepers: &[NodeId]) -> Vec<Step> {
        self.finding = false;
        self.avoided.retain(|_, until| *until > now.mono);
        self.candidates = keepers.iter().take(CANDIDATES).copied().collect();
        if self.candidates.is_empty() {
            self.pause(now, false);
            return Vec::new();
        }
        self.wanted = self.candidates.len().min(REPLICAS);
        let Self {
            held,
            avoided,
            early,
            candidates,
            ..
        } = self;
        // A receipt of somebody who turned out not to be near is worth nothing: nobody will look there. And who could
        // not be reached before has answered since.
        held.retain(|keeper, _| !early.contains(keeper) || candidates.contains(keeper));
        avoided.retain(|keeper, _| !early.contains(keeper) || !candidates.contains(keeper));
        let nearest: Vec<NodeId> = self.candidates.iter().take(self.wanted).copied().collect();
        let mut steps = Vec::new();
        for keeper in nearest {
            let is_done = self.early.contains(&keeper)
                && (self.asked.contains(&keeper) || self.holds(now, &keeper));
            if is_done || self.avoided.contains_key(&keeper) {
                continue;
            }
            self.asked.insert(keeper);
            steps.push(match self.held.get(&keeper) {
                Some(until) if *until > now.date => {
                    self.offered.insert(keeper);
                    Step::Offer(keeper)
                }
                _ => Step::Deposit(keeper),
            });
        }
        steps.extend(self.fill(now));
        steps
    }

    /// Takes a verified receipt.
    pub fn on_receipt(&mut self, now: Now, keeper: NodeId, until: UnixMillis) -> Vec<Step> {
        self.offered.remove(&keeper);
        let is_far =
            !self.finding && self.early.contains(&keeper) && !self.candidates.contains(&keeper);
        if self.asked.remove(&keeper) && !is_far {
            self.held.insert(keeper, until);
            if until <= now.date {
                // Worth nothing while the clock is ahead, and neither is the next one.
                self.avoided.insert(keeper, now.mono.plus(AVOID_MS));
            }
        }
        self.fill(now)
    }

    /// Takes *unknown* from a keeper: after an offer the item is deposited there again, after a deposit it has failed.
    pub fn on_unknown(&mut self, now: Now, keeper: NodeId) -> Vec<Step> {
        if !self.offered.remove(&keeper) {
            return self.on_failed(now, keeper);
        }
        self.held.remove(&keeper);
        vec![Step::Deposit(keeper)]
    }

    /// Learns that a keeper refused, lied or could not be reached.
    pub fn on_failed(&mut self, now: Now, keeper: NodeId) -> Vec<Step> {
        self.asked.remove(&keeper);
        self.offered.remove(&keeper);
        self.avoided.insert(keeper, now.mono.plus(AVOID_MS));
        self.fill(now)
    }

    /// Asks further candidates for what is still missing; ends the try when there is nothing to wait for.
    fn fill(&mut self, now: Now) -> Vec<Step> {
        let mut steps = Vec::new();
        let asked = self.asked.iter();
        let asked = asked.filter(|keeper| self.candidates.contains(keeper));
        let mut expected = self.placed(now) + asked.count();
        for keeper in self.candidates.clone() {
            let is_spent = self.finding && self.early.len() >= CANDIDATES;
            if expected >= self.wanted || is_spent {
                break;
            }
            if self.is_untried(now, &keeper) {
                self.asked.insert(keeper);
                if self.finding {
                    self.early.insert(keeper);
                }
                steps.push(Step::Deposit(keeper));
                expected += 1;
            }
        }
        if self.asked.is_empty() && !self.finding {
            self.pause(now, self.placed(now) >= self.wanted);
        }
        steps
    }

    fn is_untried(&self, now: Now, keeper: &NodeId) -> bool {
        !self.asked.contains(keeper)
            && !self.avoided.contains_key(keeper)
            && !self.holds(now, keeper)
    }

    fn holds(&self, now: Now, keeper: &NodeId) -> bool {
        self.held.get(keeper).is_some_and(|until| *until > now.date)
    }

    fn holders(&self, now: Now) -> BTreeSet<NodeId> {
        let candidates = self.candidates.iter().copied();
        candidates
            .filter(|keeper| self.holds(now, keeper))
            .collect()
    }

    /// Counts the candidates that hold the item and are not being asked.
    fn placed(&self, now: Now) -> usize {
        let holds = |keeper: &&NodeId| {
            !self.asked.contains(*keeper)
                && !self.avoided.contains_key(*keeper)
                && self.holds(now, keeper)
        };
        self.candidates.iter().filter(holds).count()
    }

    /// Sets the next try: soon and then later and later while something is missing, rarely once all is in place.
    ///
    /// Fewer keepers than wanted may be all there are, or all that a node that has just started can see, so that it
    /// looks again soon, and less and less often.
    fn pause(&mut self, now: Now, complete: bool) {
        if complete != self.complete {
            let before = self.before.take_if(|_| complete);
            let same = before.filter(|(holders, _)| *holders == self.holders(now));
            self.succeeds = same.is_some();
            self.pauses = same.map_or(0, |(_, pauses)| pauses);
        }
        self.complete = complete;
        self.failures = if complete {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let (first, longest, doublings) = match (complete, self.wanted >= REPLICAS) {
            (true, true) if self.succeeds => (REVIEW_MIN_MS, REVIEW_SUCCESSOR_MS, 2),
            (true, true) => (REVIEW_MIN_MS, REVIEW_MS, 2),
            (true, false) => (FEW_MS, REVIEW_MS, 1),
            (false, _) => (RETRY_MIN_MS, RETRY_MAX_MS, 1),
        };
        let doublings = self.pauses.saturating_mul(doublings).min(20);
        let pause = first.saturating_mul(1 << doublings).min(longest);
        self.pauses = self.pauses.saturating_add(1);
        self.next_try = now.mono.plus(jittered(pause, &self.address, self.pauses));
    }
}

/// Spreads a pause over 80 to 120 percent of its length, by address and number, so that many do not come due at once.
pub fn jittered(pause_ms: u64, address: &Address, number: u32) -> u64 {
    let [low, high, ..] = context::derive(
        context::JITTER,
        &[address.as_bytes(), &number.to_be_bytes()],
    );
    let part = u64::from(u16::from_be_bytes([high, low]));
    pause_ms * 4 / 5 + (pause_ms * 2 / 5).saturating_mul(part) / u64::from(u16::MAX)
}
