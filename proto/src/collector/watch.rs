//! One watched mailbox: who keeps it, who pushes, and when it is compared next.

use std::collections::{BTreeMap, BTreeSet};

use super::Output;
use crate::{
    NodeId,
    limits::{HOUR_MS, MINUTE_MS, REPLICAS, SECOND_MS, SUBSCRIPTION_MS, receipts_wanted},
    mailbox::Mailbox,
    placement::jittered,
    time::{Epoch, MonoMillis, Now, UnixMillis},
};

/// Keepers of one mailbox that are asked to push.
pub(super) const SUBSCRIBED: usize = 2;
/// How often a mailbox of the present epochs is compared with its keepers, in milliseconds.
pub(super) const COMPARE_LIVE_MS: u64 = 10 * MINUTE_MS;
/// How often a mailbox of a past epoch is compared with all its keepers, in milliseconds.
pub(super) const COMPARE_PAST_MS: u64 = 6 * HOUR_MS;
/// How often the keepers of a mailbox of the present epochs are looked up, and all of them compared, although those
/// that push know nobody nearer, in milliseconds.
pub(super) const LOOK_UP_MS: u64 = 2 * HOUR_MS;
/// The pause after a lookup that found nobody, in milliseconds.
pub(super) const RETRY_MS: u64 = 5 * SECOND_MS;
/// The pause after all keepers there are were compared, when they were fewer than wanted, in milliseconds; it grows.
const FEW_MS: u64 = 15 * SECOND_MS;
/// How long before its end a subscription is renewed, in milliseconds.
const RENEW_BEFORE_MS: u64 = 5 * MINUTE_MS;

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) mailbox: Mailbox,
    pub(super) keepers: Vec<NodeId>,
    pub(super) subscribed: BTreeMap<NodeId, MonoMillis>,
    pub(super) finding: bool,
    pub(super) failures: u32,
    pub(super) due: MonoMillis,
    pub(super) compared: bool,
    /// Keepers whose list is awaited in this round.
    pub(super) awaited: BTreeSet<NodeId>,
    /// Keepers whose list came in this round.
    pub(super) listed: BTreeSet<NodeId>,
    /// Keepers that listed what they did not hand over, in this round.
    pub(super) unhelpful: BTreeSet<NodeId>,
    /// Those of the last round; others are asked first.
    pub(super) passed_over: BTreeSet<NodeId>,
    /// More waits than could be asked for.
    pub(super) again: bool,
    /// A round that ends puts the next one off no further than this.
    pub(super) hastened: Option<MonoMillis>,
    pub(super) pages: BTreeMap<NodeId, u32>,
    /// How many of the nearest, counted from the first that does not push, were compared in brief rounds.
    turn: usize,
    /// When the keepers were last looked up and enough of them answered; nothing if they have to be looked up.
    looked_up: Option<MonoMillis>,
    /// Whether the round under way is a brief one.
    brief: bool,
    /// Whether an ack was lost since the round under way began.
    owes_acks: bool,
}

impl Watch {
    /// Watches a mailbox, which is due at once.
    pub(super) const fn new(mailbox: Mailbox, now: MonoMillis) -> Self {
        Self {
            mailbox,
            keepers: Vec::new(),
            subscribed: BTreeMap::new(),
            finding: false,
            failures: 0,
            due: now,
            compared: false,
            awaited: BTreeSet::new(),
            listed: BTreeSet::new(),
            unhelpful: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            again: false,
            hastened: None,
            pages: BTreeMap::new(),
            turn: 0,
            looked_up: None,
            brief: false,
            owes_acks: false,
        }
    }

    /// Notes that a keeper pushes until `until` by its own clock; how long that is counts here, whatever the date.
    pub(super) fn on_subscribed(&mut self, now: Now, keeper: NodeId, until: UnixMillis) {
        let granted = until.since(now.date);
        let lasts = if granted == 0 {
            SUBSCRIPTION_MS
        } else {
            granted.min(SUBSCRIPTION_MS)
        };
        self.subscribed.insert(keeper, now.mono.plus(lasts));
    }

    /// Returns a keeper that can say whether a brief round will do: one of the nearest two, which push, so that it is
    /// connected; they take turns.
    pub(super) fn neighbour(&self, now: Now) -> Option<NodeId> {
        let recent = self
            .looked_up
            .is_some_and(|at| now.mono.since(at) < LOOK_UP_MS);
        let pushes = |keeper: &NodeId| {
            self.subscribed
                .get(keeper)
                .is_some_and(|until| *until > now.mono)
        };
        let nearest = self.keepers.get(..SUBSCRIBED)?;
        let calm = recent && self.hastened.is_none() && !self.again;
        let keeper = nearest.get(self.turn % SUBSCRIBED)?;
        (calm && nearest.iter().all(pushes)).then_some(*keeper)
    }

    /// Tells whether those whom a keeper knows nearest are known as this mailbox's keepers.
    pub(super) fn knows(&self, nearest: &[NodeId]) -> bool {
        // The one that was asked leaves itself out.
        let mut nearest = nearest.iter().take(REPLICAS - 1);
        nearest.all(|node| self.keepers.contains(node))
    }

    /// Asks one of the keepers that do not push, each in its turn, what waits, and renews what is about to end.
    pub(super) fn ask_some(&mut self, now: Now) -> Vec<Output> {
        self.pages.clear();
        self.listed.clear();
        self.passed_over = std::mem::take(&mut self.unhelpful);
        self.brief = true;
        let (pushing, others) = self.keepers.split_at(SUBSCRIBED.min(self.keepers.len()));
        let ending = pushing.iter().filter(|keeper| self.is_ending(now, keeper));
        let mailbox = self.mailbox;
        let mut outputs: Vec<Output> = ending
            .map(|keeper| Output::Subscribe(mailbox, *keeper))
            .collect();
        let other = others.get(self.turn % others.len().max(1));
        outputs.extend(other.map(|keeper| Output::List(mailbox, *keeper, None)));
        self.turn = self.turn.wrapping_add(1);
        self.awaited = outputs.iter().filter_map(Output::keeper).collect();
        outputs
    }

    /// Tells whether a keeper does not push, or not until long after the next round.
    fn is_ending(&self, now: Now, keeper: &NodeId) -> bool {
        let until = self.subscribed.get(keeper);
        until.is_none_or(|until| until.since(now.mono) < COMPARE_LIVE_MS + RENEW_BEFORE_MS)
    }

    /// Asks all keepers what waits, and the nearest to push from now on.
    pub(super) fn ask_all(&mut self, now: Now, present: Epoch) -> Vec<Output> {
        let (mailbox, past) = (self.mailbox, is_past(&self.mailbox, present));
        self.pages.clear();
        self.listed.clear();
        self.passed_over = std::mem::take(&mut self.unhelpful);
        self.awaited = self.keepers.iter().copied().collect();
        self.subscribed
            .retain(|keeper, until| *until > now.mono && self.keepers.contains(keeper));
        self.brief = false;
        self.owes_acks = false;
        self.looked_up = None;
        let ask = |(place, keeper): (usize, &NodeId)| {
            if !past && place < SUBSCRIBED && self.is_ending(now, keeper) {
                Output::Subscribe(mailbox, *keeper)
            } else {
                Output::List(mailbox, *keeper, None)
            }
        };
        self.keepers.iter().enumerate().map(ask).collect()
    }

    /// Notes that a keeper listed the mailbox or did not; the last one of a round decides about the next.
    pub(super) fn on_answer(&mut self, now: Now, keeper: NodeId, listed: bool) {
        if listed {
            self.listed.insert(keeper);
        } else {
            self.listed.remove(&keeper);
            self.subscribed.remove(&keeper);
            self.looked_up = None;
        }
        let was_awaited = self.awaited.remove(&keeper);
        if self.finding || !was_awaited || !self.awaited.is_empty() {
            return;
        }
        if self.brief {
            return self.end_brief(now);
        }
        let count = self.keepers.len();
        let silent = self
            .keepers
            .iter()
            .filter(|keeper| !self.listed.contains(keeper))
            .count();
        // What W keepers hold, the nearest or those that stood in for them, is at one that answered
        // as long as fewer than W did not.
        let enough = silent < receipts_wanted(count.min(REPLICAS));
        let compare = compare_ms(&self.mailbox, now.date.epoch());
        if enough && count >= REPLICAS {
            self.looked_up = (!self.owes_acks).then_some(now.mono);
            self.failures = 0;
            self.due = now.mono.plus(jittered(
                compare,
                &self.mailbox.address(),
                now.date.epoch().get(),
            ));
        } else {
            // Too few answered, or were there to be asked: what waits may be elsewhere.
            let first = if enough { FEW_MS } else { RETRY_MS };
            let pause = (first << self.failures.min(10)).min(compare);
            self.failures = self.failures.saturating_add(1);
            self.due = now
                .mono
                .plus(jittered(pause, &self.mailbox.address(), self.failures));
        }
        self.due = self.due.min(self.hastened.unwrap_or(self.due));
        self.compared |= enough;
    }

    /// Decides after a brief round: when one of those that were asked was silent, all are.
    fn end_brief(&mut self, now: Now) {
        let answered = self
            .keepers
            .iter()
            .filter(|keeper| self.listed.contains(keeper));
        let wait_ms = if answered.count() > 0 && self.looked_up.is_some() {
            COMPARE_LIVE_MS
        } else {
            self.looked_up = None;
            RETRY_MS
        };
        let due = now.mono.plus(jittered(
            wait_ms,
            &self.mailbox.address(),
            now.date.epoch().get(),
        ));
        self.due = due.min(self.hastened.unwrap_or(due));
    }

    /// Tells whether the round under way is a brief one.
    pub(super) const fn is_brief(&self) -> bool {
        self.brief
    }

    /// Has all keepers compared in the next round, whenever it comes: one of them has to be told again what to delete.
    pub(super) const fn owe_acks(&mut self) {
        self.looked_up = None;
        self.owes_acks = true;
    }

    /// Has the keepers looked up soon, because those that are known are not to be relied on.
    pub(super) fn distrust(&mut self, now: Now) {
        self.looked_up = None;
        self.hasten(now.mono.plus(RETRY_MS));
    }

    /// Makes the next round due now when it was put off, or no keeper pushes, since the epoch was a past one: it is
    /// present again, for the date was set back.
    pub(super) fn catch_up(&mut self, now: Now) {
        let latest = now.mono.plus(COMPARE_LIVE_MS * 6 / 5);
        let is_pushed = self.subscribed.values().any(|until| *until > now.mono);
        let is_late = self.due > latest || !is_pushed;
        if !self.finding && is_late && !is_past(&self.mailbox, now.date.epoch()) {
            self.hasten(now.mono);
        }
    }

    /// Makes the next round due at `at` if it is not before, whatever a round under way decides.
    pub(super) fn hasten(&mut self, at: MonoMillis) {
        self.hastened = Some(self.hastened.map_or(at, |sooner| sooner.min(at)));
        self.due = self.due.min(at);
    }
}

pub(super) fn is_past(mailbox: &Mailbox, present: Epoch) -> bool {
    mailbox.epoch < present.minus(1)
}

pub(super) fn compare_ms(mailbox: &Mailbox, present: Epoch) -> u64 {
    if is_past(mailbox, present) {
        COMPARE_PAST_MS
    } else {
        COMPARE_LIVE_MS
    }
}
