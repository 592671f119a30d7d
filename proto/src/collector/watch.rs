//! One watched mailbox: who keeps it, who pushes, and when it is compared next.

use std::collections::{BTreeMap, BTreeSet};

use super::Output;
use crate::{
    NodeId,
    limits::{
        CLOCK_SKEW_MS, DAY_MS, HOUR_MS, MINUTE_MS, REPLICAS, SECOND_MS, SUBSCRIPTION_MS,
        receipts_wanted,
    },
    mailbox::Mailbox,
    placement::jittered,
    time::{MonoMillis, Now, UnixMillis},
};

/// Keepers of a mailbox of the present epoch that are asked to push: senders deposit at both, keepers that compare with
/// them copy to them what others took, and a second one stands in for one that is gone and not missed yet. A connection
/// is kept to each.
pub(super) const SUBSCRIBED: usize = 2;
/// How often a mailbox of the present epoch is compared with its keepers, in milliseconds.
pub(super) const COMPARE_LIVE_MS: u64 = 10 * MINUTE_MS;
/// How often one of the previous epoch is, in milliseconds.
pub(super) const COMPARE_PREVIOUS_MS: u64 = 40 * MINUTE_MS;
/// How often one of a past epoch is, in milliseconds.
pub(super) const COMPARE_PAST_MS: u64 = 6 * HOUR_MS;
/// How often one of an old epoch is, in milliseconds.
pub(super) const COMPARE_OLD_MS: u64 = DAY_MS;
/// How many epochs ago one began that is an old one, at least: what most messages live, and a day more.
const OLD_EPOCHS: u32 = 8;
/// Brief rounds from one in which a keeper that does not push is compared to the next: an hour of them, so that what
/// the nearest two do not tell, because they lie or take nothing, is found in hours and not in half a day.
pub(super) const OTHERS_EVERY: usize = 6;
/// How long after its end an epoch counts as the present one, in milliseconds: for some it is, and what they send takes
/// a while.
const PRESENT_AFTER_MS: u64 = 2 * CLOCK_SKEW_MS;
/// The pause after a lookup that found nobody, in milliseconds.
pub(super) const RETRY_MS: u64 = 5 * SECOND_MS;
/// The pause after all keepers there are were compared, when they were fewer than wanted, in milliseconds; it grows.
const FEW_MS: u64 = 15 * SECOND_MS;
/// How long before its end a subscription is renewed, in milliseconds.
const RENEW_BEFORE_MS: u64 = 5 * MINUTE_MS;

/// How a mailbox is watched, by its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Senders use it, or will shortly.
    Present,
    /// What was sealed for it and could be brought nowhere comes now.
    Previous,
    /// What comes is from somebody who was away for a day or longer.
    Past,
    /// What comes is from somebody who was away for longer than most messages live.
    Old,
}

impl Stage {
    pub(super) fn of(mailbox: &Mailbox, date: UnixMillis) -> Self {
        if mailbox.epoch >= date.minus(PRESENT_AFTER_MS).epoch() {
            Self::Present
        } else if mailbox.epoch >= date.epoch().minus(1) {
            Self::Previous
        } else if mailbox.epoch >= date.epoch().minus(OLD_EPOCHS) {
            Self::Past
        } else {
            Self::Old
        }
    }

    /// Returns how many keepers are asked to push.
    pub(super) const fn pushing(self) -> usize {
        match self {
            Self::Present => SUBSCRIBED,
            Self::Previous => 1,
            Self::Past | Self::Old => 0,
        }
    }

    /// Returns how often a mailbox is compared, in milliseconds.
    pub(super) const fn compare_ms(self) -> u64 {
        match self {
            Self::Present => COMPARE_LIVE_MS,
            Self::Previous => COMPARE_PREVIOUS_MS,
            Self::Past => COMPARE_PAST_MS,
            Self::Old => COMPARE_OLD_MS,
        }
    }
}

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
    /// How many brief rounds there were.
    turn: usize,
    /// The keepers were looked up and enough of them answered; they are looked up again when something is wrong.
    is_known: bool,
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
            is_known: false,
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

    /// Returns how the mailbox is watched.
    pub(super) fn stage(&self, now: Now) -> Stage {
        Stage::of(&self.mailbox, now.date)
    }

    /// Tells whether a keeper pushes.
    pub(super) fn pushes(&self, now: Now, keeper: &NodeId) -> bool {
        let until = self.subscribed.get(keeper);
        until.is_some_and(|until| *until > now.mono)
    }

    /// Returns a keeper that can say whether a brief round will do: one of those that push, so that it is connected, or
    /// of a past mailbox one of the nearest; they take turns.
    pub(super) fn neighbour(&self, now: Now) -> Option<NodeId> {
        let stage = self.stage(now);
        let calm = self.is_known && self.hastened.is_none() && !self.again;
        let pushing = self.keepers.get(..stage.pushing())?;
        let asked = match pushing {
            [] => self.keepers.get(..SUBSCRIBED)?,
            pushing => pushing,
        };
        let keeper = asked.get(self.turn % asked.len())?;
        let all_push = pushing.iter().all(|keeper| self.pushes(now, keeper));
        (calm && all_push).then_some(*keeper)
    }

    /// Tells whether those whom a keeper knows nearest are known as this mailbox's keepers.
    pub(super) fn knows(&self, nearest: &[NodeId]) -> bool {
        // The one that was asked leaves itself out.
        let mut nearest = nearest.iter().take(REPLICAS - 1);
        nearest.all(|node| self.keepers.contains(node))
    }

    /// Starts a brief round: renews subscriptions that end soon and lists, every few rounds, one of the keepers that do
    /// not push, each in its turn. A past mailbox is listed at the keeper that was `asked` for its neighbours.
    pub(super) fn ask_some(&mut self, now: Now, asked: NodeId) -> Vec<Output> {
        let stage = self.stage(now);
        self.pages.clear();
        self.listed.clear();
        self.passed_over = std::mem::take(&mut self.unhelpful);
        self.brief = true;
        let pushing = stage.pushing().min(self.keepers.len());
        let (pushing, others) = self.keepers.split_at(pushing);
        self.subscribed.retain(|keeper, _| pushing.contains(keeper));
        let ending = pushing.iter().filter(|keeper| self.is_ending(now, keeper));
        let mailbox = self.mailbox;
        let mut outputs: Vec<Output> = ending
            .map(|keeper| Output::Subscribe(mailbox, *keeper))
            .collect();
        let turn = self.turn / OTHERS_EVERY;
        let in_turn = |turn: usize| others.get(turn % others.len().max(1));
        let other = match stage {
            Stage::Present if self.turn.is_multiple_of(OTHERS_EVERY) => in_turn(turn),
            Stage::Present => None,
            Stage::Previous => in_turn(self.turn),
            // The one that was asked is connected.
            Stage::Past | Stage::Old if self.turn.is_multiple_of(2) => Some(&asked),
            Stage::Past | Stage::Old => in_turn(SUBSCRIBED + self.turn / 2),
        };
        outputs.extend(other.map(|keeper| Output::List(mailbox, *keeper, None)));
        self.turn = self.turn.wrapping_add(1);
        self.awaited = outputs.iter().filter_map(Output::keeper).collect();
        if outputs.is_empty() {
            self.due = self.next_round(now);
        }
        outputs
    }

    /// Tells whether a keeper does not push, or not until long after the next round.
    fn is_ending(&self, now: Now, keeper: &NodeId) -> bool {
        let until = self.subscribed.get(keeper);
        let next_ms = self.stage(now).compare_ms() * 6 / 5;
        until.is_none_or(|until| until.since(now.mono) < next_ms + RENEW_BEFORE_MS)
    }

    /// Asks all keepers what waits, and the nearest to push from now on.
    pub(super) fn ask_all(&mut self, now: Now) -> Vec<Output> {
        let (mailbox, pushing) = (self.mailbox, self.stage(now).pushing());
        self.pages.clear();
        self.listed.clear();
        self.passed_over = std::mem::take(&mut self.unhelpful);
        self.awaited = self.keepers.iter().copied().collect();
        let nearest: Vec<NodeId> = self.keepers.iter().take(pushing).copied().collect();
        self.subscribed
            .retain(|keeper, until| *until > now.mono && nearest.contains(keeper));
        self.brief = false;
        self.owes_acks = false;
        self.is_known = false;
        let ask = |(place, keeper): (usize, &NodeId)| {
            if place < pushing && self.is_ending(now, keeper) {
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
            self.is_known = false;
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
        let compare = self.stage(now).compare_ms();
        if enough && count >= REPLICAS {
            self.is_known = !self.owes_acks;
            self.failures = 0;
            self.due = self.next_round(now);
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
        let due = if answered.count() > 0 && self.is_known {
            self.next_round(now)
        } else {
            self.is_known = false;
            now.mono.plus(RETRY_MS)
        };
        self.due = due.min(self.hastened.unwrap_or(due));
    }

    /// Returns when the next round is due: before the subscriptions end, should the mailbox have become a past one,
    /// with longer pauses, while a round was under way.
    fn next_round(&self, now: Now) -> MonoMillis {
        let stage = self.stage(now);
        let number = now.date.epoch().get();
        let pause = jittered(stage.compare_ms(), &self.mailbox.address(), number);
        let pushing = self.keepers.iter().take(stage.pushing());
        let ends = pushing.filter_map(|keeper| self.subscribed.get(keeper));
        let renewal = ends.map(|until| until.since(now.mono).saturating_sub(RENEW_BEFORE_MS));
        let renewal = renewal.min().unwrap_or(pause).max(pause / 4);
        now.mono.plus(pause.min(renewal))
    }

    /// Tells whether the round under way is a brief one.
    pub(super) const fn is_brief(&self) -> bool {
        self.brief
    }

    /// Has all keepers compared in the next round, whenever it comes: one of them has to be told again what to delete.
    pub(super) const fn owe_acks(&mut self) {
        self.is_known = false;
        self.owes_acks = true;
    }

    /// Has the keepers looked up soon, because those that are known are not to be relied on.
    pub(super) fn distrust(&mut self, now: Now) {
        self.is_known = false;
        self.hasten(now.mono.plus(RETRY_MS));
    }

    /// Makes the next round due now when it was put off, or no keeper pushes, since the epoch was a past one: it is
    /// present again, for the date was set back. Of one that has become past, nobody pushes any more.
    pub(super) fn catch_up(&mut self, now: Now) {
        let stage = self.stage(now);
        if stage.pushing() == 0 {
            self.subscribed.clear();
        }
        let latest = now.mono.plus(stage.compare_ms() * 6 / 5);
        let is_pushed =
            stage.pushing() == 0 || self.subscribed.values().any(|until| *until > now.mono);
        let is_late = self.due > latest || !is_pushed;
        if !self.finding && is_late {
            self.hasten(now.mono);
        }
    }

    /// Makes the next round due at `at` if it is not before, whatever a round under way decides.
    pub(super) fn hasten(&mut self, at: MonoMillis) {
        self.hastened = Some(self.hastened.map_or(at, |sooner| sooner.min(at)));
        self.due = self.due.min(at);
    }
}
