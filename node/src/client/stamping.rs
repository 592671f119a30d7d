//! Stamps, made one after the other: messages first, then the card, then what can wait.

use std::collections::{BTreeMap, VecDeque};

use restante_proto::stamp::{Challenge, Stamp};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};
use tracing::debug;

use super::services::make_stamp;
use super::{Client, Done};

/// What a stamp is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StampOrder {
    /// One envelope.
    Envelope(ItemId),
    /// One's own slot at a locator.
    Locator(Address),
}

/// Stamps to be made, at most one at a time, so that they never take the place of anything quicker.
#[derive(Debug, Default)]
pub(super) struct StampQueue {
    waiting: VecDeque<StampOrder>,
    efforts: BTreeMap<StampOrder, u32>,
    making: bool,
}

impl StampQueue {
    /// Puts an order in line, or raises the effort of one that waits.
    fn order(&mut self, order: StampOrder, effort: u32) {
        let known = self.efforts.entry(order).or_insert(0);
        let is_new = *known == 0;
        *known = effort.max(*known);
        if is_new {
            match order {
                StampOrder::Envelope(_) => {
                    let cards = |order: &StampOrder| matches!(order, StampOrder::Locator(_));
                    let place = self.waiting.iter().position(cards);
                    self.waiting
                        .insert(place.unwrap_or(self.waiting.len()), order);
                }
                StampOrder::Locator(_) => self.waiting.push_back(order),
            }
        }
    }

    /// Tells whether nothing is being made or waits.
    pub(super) fn is_idle(&self) -> bool {
        !self.making && self.waiting.is_empty()
    }
}

impl Client {
    /// Orders a stamp worth `effort`.
    pub(super) fn order_stamp(&mut self, order: StampOrder, effort: u32) {
        self.stamps.order(order, effort);
        self.make_next_stamp();
    }

    fn make_next_stamp(&mut self) {
        while !self.stamps.making {
            let Some(order) = self.stamps.waiting.pop_front() else {
                return;
            };
            let effort = self.stamps.efforts.remove(&order).unwrap_or(1);
            let Some(challenge) = self.challenge_of(order) else {
                continue;
            };
            self.stamps.making = true;
            let services = self.services.clone();
            self.spawn(async move {
                let scheme = services.scheme.clone();
                let work = move || make_stamp(&*scheme, &challenge, effort);
                Done::Stamped(order, services.stamps.run(work).await.ok().flatten())
            });
        }
    }

    /// Returns what a stamp is bound to; nothing if it is no longer needed.
    fn challenge_of(&self, order: StampOrder) -> Option<Challenge> {
        match order {
            StampOrder::Envelope(id) => {
                let envelope = &self.outgoing.get(&id)?.envelope;
                let address = envelope.mailbox.address();
                Some(Challenge::envelope(&address, &id, envelope.expires))
            }
            StampOrder::Locator(locator) => {
                let writer = self.account.identity.writer(&locator).public();
                Some(Challenge::card(&locator, &writer))
            }
        }
    }

    /// Takes a stamp that was made.
    pub(super) async fn on_stamp(
        &mut self,
        now: UnixMillis,
        order: StampOrder,
        stamp: Option<Stamp>,
    ) {
        self.stamps.making = false;
        match (order, stamp) {
            (StampOrder::Envelope(id), Some(stamp)) => self.on_stamped(now, id, stamp).await,
            (StampOrder::Locator(at), Some(stamp)) => self.on_card_stamped(now, at, stamp).await,
            (_, None) => {
                debug!("no stamp was found; it is tried again");
                self.stamps.order(order, 1);
            }
        }
        self.make_next_stamp();
    }
}
