//! Stamps, made one after the other: messages first, then the card, then what can wait.

use std::collections::{BTreeMap, VecDeque};

use restante_proto::stamp::{Challenge, Stamp};
use tracing::debug;

use crate::cx::Cx;
use crate::job::Job;
use crate::pending::{Question, StampFor};
use crate::signal::Signal;

/// Stamps to be made, at most one at a time, so that they never take the place of anything quicker.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    waiting: VecDeque<StampFor>,
    efforts: BTreeMap<StampFor, u32>,
    /// What is being made, and what it is to be worth.
    making: Option<(StampFor, u32)>,
}

impl Stamps {
    /// Orders a stamp, or raises the effort of one that waits.
    pub(crate) fn order(&mut self, cx: &mut Cx<'_>, what: StampFor, effort: u32) {
        // Keepers ask for it again while it is made.
        if matches!(self.making, Some((made, worth)) if made == what && worth >= effort) {
            return;
        }
        self.enqueue(what, effort);
        self.make_next(cx);
    }

    /// Tells whether none is being made or waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.making.is_none() && self.waiting.is_empty()
    }

    /// Takes a stamp, or that none was found.
    pub(crate) fn on_made(&mut self, cx: &mut Cx<'_>, what: StampFor, stamp: Option<Stamp>) {
        let made = self.making.take();
        match stamp {
            Some(stamp) => cx.signal(Signal::Stamped(what, stamp)),
            None => {
                debug!("no stamp was found; it is tried again");
                self.enqueue(what, made.map_or(1, |(_, effort)| effort));
            }
        }
        self.make_next(cx);
    }

    fn enqueue(&mut self, what: StampFor, effort: u32) {
        let known = self.efforts.entry(what).or_insert(0);
        let is_new = *known == 0;
        *known = effort.max(*known);
        if !is_new {
            return;
        }
        match what {
            StampFor::Envelope(_) => {
                let is_card = |what: &StampFor| matches!(what, StampFor::Locator(_));
                let place = self.waiting.iter().position(is_card);
                let place = place.unwrap_or(self.waiting.len());
                self.waiting.insert(place, what);
            }
            StampFor::Locator(_) => self.waiting.push_back(what),
        }
    }

    fn make_next(&mut self, cx: &mut Cx<'_>) {
        while self.making.is_none() {
            let Some(what) = self.waiting.pop_front() else {
                return;
            };
            let effort = self.efforts.remove(&what).unwrap_or(1);
            let Some(challenge) = challenge_of(cx, what) else {
                continue;
            };
            self.making = Some((what, effort));
            cx.compute(Question::Stamp(what), Job::Stamp(challenge, effort));
        }
    }
}

/// Returns what a stamp is bound to; none if it is no longer needed.
fn challenge_of(cx: &Cx<'_>, what: StampFor) -> Option<Challenge> {
    match what {
        StampFor::Envelope(id) => {
            let envelope = &cx.records.outgoing().get(&id)?.envelope;
            let address = envelope.mailbox.address();
            Some(Challenge::envelope(&address, &id, envelope.expires))
        }
        StampFor::Locator(locator) => {
            let writer = cx.records.account().identity.writer(&locator).public();
            Some(Challenge::card(&locator, &writer))
        }
    }
}
