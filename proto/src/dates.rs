//! Whether the date can be relied on (SPEC 2.5).
//!
//! A clock may be an hour off after a start, a year after a flat battery, and be set right in the middle. What a date
//! ends, it destroys for good; so nothing is destroyed or published by a date that keepers contradict, or that nobody
//! has confirmed yet.

use std::collections::BTreeMap;

use crate::{
    NodeId,
    limits::{CLOCK_SKEW_MS, DAY_MS, HOUR_MS, MINUTE_MS},
    time::{MonoMillis, Now, UnixMillis},
};

/// Most keepers whose date is remembered.
const HEARD_MAX: usize = 32;
/// For how long that counts, in milliseconds.
const HEARD_MS: u64 = HOUR_MS;
/// How long a date waits at least that no keeper confirms or contradicts, in milliseconds.
const ALONE_MS: u64 = 2 * MINUTE_MS;
/// The longest leap beyond what timers have measured for which that is enough, in milliseconds.
const LEAP_SMALL_MS: u64 = DAY_MS;
/// The longest leap that is believed without a keeper that agrees, in milliseconds.
const LEAP_LARGE_MS: u64 = 30 * DAY_MS;
/// By what a leap is divided for the time it waits when no keeper agrees, and when one does.
const PART_ALONE: u64 = 10;
const PART_SINGLE: u64 = 100;
/// How long a larger leap waits when one keeper agrees, in milliseconds.
const SINGLE_LARGE_MS: u64 = DAY_MS;
/// How long a larger leap of a date that was sure waits when several keepers agree, in milliseconds: one person may
/// have set all their clocks.
const DENIED_MS: u64 = HOUR_MS;
/// By how much the date may part from the timers between two looks before the process counts as having slept or its
/// clock as having been set, in milliseconds.
const APART_MS: u64 = 2 * MINUTE_MS;

/// What is known of the date.
#[derive(Debug)]
pub struct Dates {
    heard: BTreeMap<NodeId, Heard>,
    /// A moment whose date can be relied on: the last one that was sure, or the newest thing on the disk.
    anchor: Now,
    /// Since when the date waits to be confirmed.
    since: MonoMillis,
    /// Whether it was sure while the process ran, and then parted from the timers.
    is_denied: bool,
    /// The moment of the last look.
    last: Now,
}

/// What a keeper made of the date.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: MonoMillis,
    /// By how much this date is ahead of the keeper's, in milliseconds; 0 if they agree.
    ahead_ms: i64,
}

/// How far the date can be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateStanding {
    /// Keepers agree with it, or nothing speaks against it.
    Sure,
    /// Nobody has confirmed it yet.
    #[default]
    Unconfirmed,
    /// More keepers contradict it than agree with it, or the newest thing on the disk does.
    Contradicted {
        /// By how much it is ahead of theirs, in milliseconds; negative if it is behind.
        ahead_ms: i64,
        /// Keepers that contradict it; none if it is the disk alone.
        keepers: usize,
    },
}

impl Dates {
    /// Begins with the latest date that the disk shows to have come.
    pub const fn new(now: Now, newest: UnixMillis) -> Self {
        Self {
            heard: BTreeMap::new(),
            anchor: Now::new(now.mono, newest),
            since: now.mono,
            is_denied: false,
            last: now,
        }
    }

    /// Looks at the clocks; tells whether the date has parted from the timers since the last look, so that nothing that
    /// was said of it before counts any more.
    pub fn look(&mut self, now: Now) -> bool {
        let last = std::mem::replace(&mut self.last, now);
        let expected = last.date.plus(now.mono.since(last.mono));
        let apart = now.date.since(expected).max(expected.since(now.date));
        if apart <= APART_MS {
            return false;
        }
        if self.is_sure(last) {
            self.anchor = last;
            self.is_denied = true;
        }
        self.heard.clear();
        self.since = now.mono;
        true
    }

    /// Returns how far the date can be relied on.
    pub fn standing(&self, now: Now) -> DateStanding {
        let mut differing: Vec<i64> = self.recent(now).collect();
        let heard = differing.len();
        differing.retain(|ahead_ms| *ahead_ms != 0);
        differing.sort_unstable();
        let agreeing = heard - differing.len();
        match differing.get(differing.len() / 2) {
            Some(ahead_ms) if differing.len() > agreeing => DateStanding::Contradicted {
                ahead_ms: *ahead_ms,
                keepers: differing.len(),
            },
            _ if agreeing > differing.len() => match self.has_waited(now, agreeing) {
                true => DateStanding::Sure,
                false => DateStanding::Unconfirmed,
            },
            _ => self.alone(now),
        }
    }

    /// Tells whether the date can be relied on.
    pub fn is_sure(&self, now: Now) -> bool {
        self.standing(now) == DateStanding::Sure
    }

    /// Returns a lower bound of the true date: what ended before it is over.
    pub fn settled(&self, now: Now) -> UnixMillis {
        if self.is_sure(now) {
            return now.date;
        }
        self.measured(now).min(now.date)
    }

    /// Takes what a keeper says the date is.
    pub fn on_heard(&mut self, now: Now, keeper: NodeId, theirs: UnixMillis) {
        let apart = now.date.get().abs_diff(theirs.get());
        let ahead_ms = match (apart > CLOCK_SKEW_MS, now.date > theirs) {
            (false, _) => 0,
            (true, true) => i64::try_from(apart).unwrap_or(i64::MAX),
            (true, false) => i64::try_from(apart).map_or(i64::MIN, |apart| -apart),
        };
        let at = now.mono;
        if self.heard.len() >= HEARD_MAX && !self.heard.contains_key(&keeper) {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| heard.at);
            let oldest = oldest.map(|(keeper, _)| *keeper);
            oldest.and_then(|keeper| self.heard.remove(&keeper));
        }
        self.heard.insert(keeper, Heard { at, ahead_ms });
        if self.is_sure(now) {
            self.anchor = now;
            self.is_denied = false;
        }
    }

    /// Returns when the date may have become sure without another word.
    pub fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        let wait = self.wait_ms(now, self.agreeing(now))?;
        let due = self.since.plus(wait);
        (due > now.mono).then_some(due)
    }

    /// Returns how many keepers agree with the date.
    fn agreeing(&self, now: Now) -> usize {
        self.recent(now).filter(|ahead_ms| *ahead_ms == 0).count()
    }

    /// Returns by how much the date is ahead of each keeper's that has said something of late.
    fn recent(&self, now: Now) -> impl Iterator<Item = i64> {
        let recent = self.heard.values();
        let recent = recent.filter(move |heard| now.mono.since(heard.at) < HEARD_MS);
        recent.map(|heard| heard.ahead_ms)
    }

    /// Returns the latest date that the last moment known and the timers since then account for.
    fn measured(&self, now: Now) -> UnixMillis {
        let elapsed = now.mono.since(self.anchor.mono);
        self.anchor.date.plus(elapsed)
    }

    /// Tells whether the date has gone uncontradicted for long enough, with so many keepers that agree.
    fn has_waited(&self, now: Now, agreeing: usize) -> bool {
        let wait = self.wait_ms(now, agreeing);
        wait.is_some_and(|wait| now.mono.since(self.since) >= wait)
    }

    /// Returns how long the date has to go uncontradicted before it is sure, in milliseconds; `None` if no time is
    /// enough. The further it has leapt, and the fewer keepers agree, the longer.
    fn wait_ms(&self, now: Now, agreeing: usize) -> Option<u64> {
        let leap = now.date.since(self.measured(now));
        match (agreeing, leap) {
            (0, ..=LEAP_SMALL_MS) => Some(ALONE_MS),
            (0, ..=LEAP_LARGE_MS) => Some(leap / PART_ALONE),
            (0, _) => None,
            (_, ..=LEAP_SMALL_MS) => Some(0),
            (1, ..=LEAP_LARGE_MS) => Some(leap / PART_SINGLE),
            (1, _) => Some(SINGLE_LARGE_MS),
            (_, ..=LEAP_LARGE_MS) => Some(0),
            _ if self.is_denied => Some(DENIED_MS),
            _ => Some(0),
        }
    }

    /// Judges a date of which keepers say nothing, or as many this as that.
    fn alone(&self, now: Now) -> DateStanding {
        let behind = self.anchor.date.since(now.date);
        if behind > CLOCK_SKEW_MS {
            return DateStanding::Contradicted {
                ahead_ms: i64::try_from(behind).map_or(i64::MIN, |behind| -behind),
                keepers: 0,
            };
        }
        let last_words = self.heard.values().map(|heard| heard.ahead_ms);
        let (agreed, denied): (Vec<i64>, Vec<i64>) =
            last_words.partition(|ahead_ms| *ahead_ms == 0);
        let is_silent = self.recent(now).next().is_none() && denied.len() <= agreed.len();
        match is_silent && self.has_waited(now, 0) {
            true => DateStanding::Sure,
            false => DateStanding::Unconfirmed,
        }
    }
}
