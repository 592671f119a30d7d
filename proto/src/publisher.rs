//! Publication of one's own card at its locators, as a state machine (SPEC 10.1).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Address, NodeId,
    limits::{CARD_TTL_MS, CLOCK_SKEW_MS, MINUTE_MS, PREKEY_ROTATION_MS},
    placement::{Placement, Step},
    time::{MonoMillis, Now, SaltEpoch, UnixMillis},
};

#[cfg(test)]
mod tests;

/// The pause after a card could not be made, in milliseconds.
const MAKE_AGAIN_MS: u64 = 10 * MINUTE_MS;

/// The shortest time between two cards, in milliseconds.
const MAKE_MIN_MS: u64 = MINUTE_MS;

/// What enters a publisher.
#[derive(Clone, Debug)]
pub enum Input {
    /// A new card was made, signed and stored at `issued`: publish it at these locators and nowhere else.
    Made {
        /// When it was made.
        issued: UnixMillis,
        /// Where it is to be found now.
        present: Vec<Address>,
        /// Where it is to be found after the salt epoch changes.
        next: Vec<Address>,
    },
    /// The present card does not show what it should: another is wanted.
    Outdated,
    /// Another device of the account has published a card that shows the newest prekey of this one.
    PublishedElsewhere,
    /// The card asked for could not be made or stored.
    MakeFailed,
    /// There is a stamp for this locator, so that its keepers will take the record.
    Stamped(Address),
    /// The keepers closest to a locator, nearest first; none if the lookup failed.
    Found(Address, Vec<NodeId>),
    /// The nodes that a keeper knows closest to a locator beside itself, nearest first and without this one; none if
    /// it does not answer.
    Neighbours(Address, NodeId, Vec<NodeId>),
    /// A keeper's receipt, verified.
    Receipt(Address, NodeId, UnixMillis),
    /// A keeper refused, lied or could not be reached.
    Failed(Address, NodeId),
    /// The network has just come up.
    NetworkUp,
    /// The time asked for by [`Publisher::next_timeout`] has come.
    Timer,
}

/// What leaves a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Make a new prekey and a card with the next sequence, and come back with [`Input::Made`].
    Make,
    /// Look up the keepers closest to a locator.
    Find(Address),
    /// Ask a keeper which nodes it knows closest to a locator beside itself.
    AskNeighbours(Address, NodeId),
    /// Send the record of this locator to a keeper.
    Deposit(Address, NodeId),
    /// The card is stored at so many of the locators it is to be found at now.
    Published {
        /// Locators with enough receipts.
        locators: usize,
        /// All present locators.
        of: usize,
    },
}

/// Keeps one's own card published, with a prekey that is never older than a day.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    placements: BTreeMap<Address, Placement>,
    /// Those of the card before, until the present one has a stamp.
    before: BTreeMap<Address, Placement>,
    /// Whose neighbours are awaited in a brief review.
    asked: BTreeMap<Address, BTreeSet<NodeId>>,
    present: Vec<Address>,
    wanted: Vec<Address>,
    /// When the present card was made, by the date; none before the first.
    issued: Option<UnixMillis>,
    /// No card is made before.
    make_after: MonoMillis,
    making: bool,
    /// Another device looks after the card.
    elsewhere: bool,
}

impl Publisher {
    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        match input {
            Input::Made {
                issued,
                present,
                next,
            } => {
                self.making = false;
                self.elsewhere = false;
                self.issued = Some(issued);
                self.before.append(&mut self.placements);
                self.asked.clear();
                self.wanted = present.iter().chain(&next).copied().collect();
                self.before.retain(|at, _| self.wanted.contains(at));
                self.present = present;
                self.on_timer(now)
            }
            Input::Outdated => {
                self.issued = None;
                self.on_timer(now)
            }
            Input::PublishedElsewhere => {
                self.elsewhere = true;
                self.placements.clear();
                self.asked.clear();
                Vec::new()
            }
            Input::MakeFailed => {
                self.making = false;
                self.make_after = now.mono.plus(MAKE_AGAIN_MS);
                Vec::new()
            }
            Input::Stamped(at) => {
                if self.wanted.contains(&at) {
                    self.asked.remove(&at);
                    let before = self.before.remove(&at);
                    let placement = before.map_or_else(
                        || Placement::new(at, BTreeMap::new()),
                        |before| before.succeeded(now),
                    );
                    self.placements.insert(at, placement);
                }
                self.on_timer(now)
            }
            Input::Found(at, keepers) => self.advance(now, at, |p| p.on_found(now, &keepers)),
            Input::Neighbours(at, keeper, nodes) => self.on_neighbours(now, at, keeper, &nodes),
            Input::Receipt(at, keeper, until) => {
                self.advance(now, at, |p| p.on_receipt(now, keeper, until))
            }
            Input::Failed(at, keeper) => self.advance(now, at, |p| p.on_failed(now, keeper)),
            Input::NetworkUp => {
                self.placements
                    .values_mut()
                    .for_each(|placement| placement.hurry(now));
                self.on_timer(now)
            }
            Input::Timer => self.on_timer(now),
        }
    }

    /// Returns when [`Input::Timer`] is due.
    pub fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        let idle = |(at, _): &(&Address, &Placement)| !self.asked.contains_key(*at);
        let placements = self.placements.iter().filter(idle);
        let placements = placements.filter_map(|(_, placement)| placement.next_timeout());
        let renewal = (!self.making).then(|| now.when(self.renewal(now)).max(self.make_after));
        placements.chain(renewal).min()
    }

    /// Returns the date from which a new card is wanted. A card from ahead of time, made while the clock was wrong, is
    /// refused everywhere: it is renewed at once.
    fn renewal(&self, now: Now) -> UnixMillis {
        match self.issued {
            Some(issued) if issued <= now.date.plus(CLOCK_SKEW_MS) => {
                issued.plus(PREKEY_ROTATION_MS)
            }
            _ => now.date,
        }
    }

    /// Returns how many present locators have the card stored, and how many there are.
    pub fn published(&self, now: Now) -> (usize, usize) {
        if self.elsewhere {
            return (self.present.len(), self.present.len());
        }
        let placed = self.present.iter().filter_map(|at| self.placements.get(at));
        let stored = placed.filter(|placement| placement.standing(now).is_stored());
        (stored.count(), self.present.len())
    }

    /// Returns a locator and the nearest of its keepers that hold the card there.
    pub fn holder(&self, now: Now) -> Option<(Address, NodeId)> {
        let holders = self.placements.iter();
        let mut holders = holders.filter_map(|(at, placement)| Some((*at, placement.holder(now)?)));
        holders.next()
    }

    fn on_timer(&mut self, now: Now) -> Vec<Output> {
        let mut outputs = Vec::new();
        if !self.making && self.renewal(now) <= now.date && self.make_after <= now.mono {
            self.making = true;
            // However often the clock is set, one card a while.
            self.make_after = now.mono.plus(MAKE_MIN_MS);
            outputs.push(Output::Make);
        }
        for (at, placement) in &mut self.placements {
            if self.asked.contains_key(at) {
                continue;
            }
            let asked = placement.brief(now);
            if asked.is_empty() {
                outputs.extend(outputs_of(*at, placement.on_timer(now)));
            } else {
                let ask = |keeper: &NodeId| Output::AskNeighbours(*at, *keeper);
                outputs.extend(asked.iter().map(ask));
                self.asked.insert(*at, asked.into_iter().collect());
            }
        }
        outputs
    }

    /// Ends a brief review, or makes it a whole one when somebody knows nodes that have no record or does not answer.
    fn on_neighbours(
        &mut self,
        now: Now,
        at: Address,
        keeper: NodeId,
        nodes: &[NodeId],
    ) -> Vec<Output> {
        let (Some(asked), Some(placement)) =
            (self.asked.get_mut(&at), self.placements.get_mut(&at))
        else {
            return Vec::new();
        };
        if !asked.remove(&keeper) {
            return Vec::new();
        }
        let knows = placement.knows(now, nodes);
        if knows && !asked.is_empty() {
            return Vec::new();
        }
        self.asked.remove(&at);
        if knows {
            placement.confirm(now);
            return Vec::new();
        }
        outputs_of(at, placement.on_timer(now))
    }

    fn advance(
        &mut self,
        now: Now,
        at: Address,
        step: impl FnOnce(&mut Placement) -> Vec<Step>,
    ) -> Vec<Output> {
        let before = self.published(now);
        let Some(placement) = self.placements.get_mut(&at) else {
            return Vec::new();
        };
        let mut outputs = outputs_of(at, step(placement));
        let after = self.published(now);
        if before != after {
            outputs.push(Output::Published {
                locators: after.0,
                of: after.1,
            });
        }
        outputs
    }
}

/// Returns the salt epochs a card made at `now` must be published under: the present one, and in the last thirty days
/// of it the next, so that somebody who is away when it changes stays findable.
pub fn salt_epochs(now: UnixMillis) -> Vec<SaltEpoch> {
    let present = now.salt_epoch();
    let next = now.plus(CARD_TTL_MS).salt_epoch();
    if next == present {
        vec![present]
    } else {
        vec![present, next]
    }
}

/// A card is deposited anew rather than offered: keepers answer the very record they hold with a receipt.
fn outputs_of(at: Address, steps: Vec<Step>) -> Vec<Output> {
    let output = |step| match step {
        Step::Find => Output::Find(at),
        Step::Deposit(keeper) | Step::Offer(keeper) => Output::Deposit(at, keeper),
    };
    steps.into_iter().map(output).collect()
}
