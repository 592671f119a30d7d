//! Time for tests that drive a machine for days while the date is set back and forward.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use crate::{
    limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS},
    time::{MonoMillis, Now, UnixMillis},
};

/// When all of these tests begin.
pub(crate) const NOW: Now = Now::new(
    MonoMillis::new(5_000_000),
    UnixMillis::new(1_800_000_000_000),
);

/// Returns both times when timers run at `mono`, with a clock that is never set.
pub(crate) const fn now_at(mono: MonoMillis) -> Now {
    NOW.plus(mono.since(NOW.mono))
}

/// The longest sleep of a driver: it notices within this time that the date was set.
const SLEEP_MAX_MS: u64 = 30 * SECOND_MS;

/// A moment at which the date is set, and by how much.
pub(crate) type Setting = (MonoMillis, i64);

/// Draws when the date is set, by minutes, hours or days, back or forward.
pub(crate) fn settings() -> impl Strategy<Value = Vec<Setting>> {
    let span = prop_oneof![
        MINUTE_MS..HOUR_MS,
        HOUR_MS..DAY_MS,
        DAY_MS..6 * DAY_MS,
        30 * DAY_MS..40 * DAY_MS,
    ];
    let setting = (20 * MINUTE_MS..8 * HOUR_MS, span, any::<bool>());
    prop::collection::vec(setting, 0..10).prop_map(|settings| {
        let mut moment = NOW.mono;
        let set = |(pause, span, back): (u64, u64, bool)| {
            moment = moment.plus(pause);
            let span = i64::try_from(span).unwrap();
            (moment, if back { -span } else { span })
        };
        settings.into_iter().map(set).collect::<Vec<Setting>>()
    })
}

/// Both times, the events to come, and the draws that decide about them.
pub(crate) struct Driven<E> {
    pub(crate) now: Now,
    settings: VecDeque<Setting>,
    events: BTreeMap<(MonoMillis, u64), E>,
    drawn: u64,
    number: u64,
    hour: (u64, usize),
}

impl<E> Driven<E> {
    pub(crate) fn new(settings: &[Setting], seed: u64) -> Self {
        Self {
            now: NOW,
            settings: settings.iter().copied().collect(),
            events: BTreeMap::new(),
            drawn: seed,
            number: 0,
            hour: (0, 0),
        }
    }

    /// Tells whether so many days have passed.
    pub(crate) fn has_lasted(&self, days: u64) -> bool {
        self.passed() >= days * DAY_MS
    }

    /// Returns how long the test has run.
    pub(crate) fn passed(&self) -> u64 {
        self.now.mono.since(NOW.mono)
    }

    /// Returns the date by a clock that is never set, as keepers have it.
    pub(crate) fn true_date(&self) -> UnixMillis {
        NOW.date.plus(self.passed())
    }

    /// Returns a number below `end`.
    pub(crate) fn draw(&mut self, end: u64) -> u64 {
        self.drawn = self.drawn.wrapping_mul(6_364_136_223_846_793_005);
        self.drawn = self.drawn.wrapping_add(1_442_695_040_888_963_407);
        (self.drawn >> 33) % end
    }

    /// Makes an event happen in `ms`.
    pub(crate) fn later(&mut self, ms: u64, event: E) {
        self.number += 1;
        let key = (self.now.mono.plus(ms), self.number);
        self.events.insert(key, event);
    }

    /// Moves on to what comes first: the timer that is due, an event, which is returned, or the end of a long sleep.
    pub(crate) fn next(&mut self, due: Option<MonoMillis>) -> Option<E> {
        let event = self.events.keys().next().map(|(moment, _)| *moment);
        let wake = due.into_iter().chain(event);
        let to = wake.fold(self.now.mono.plus(SLEEP_MAX_MS), MonoMillis::min);
        self.move_to(to.max(self.now.mono));
        let entry = self.events.first_entry();
        let entry = entry.filter(|entry| entry.key().0 <= self.now.mono);
        entry.map(|entry| entry.remove())
    }

    fn move_to(&mut self, to: MonoMillis) {
        self.now = self.now.plus(to.since(self.now.mono));
        while let Some((moment, by)) = self.settings.front().copied() {
            if moment > to {
                break;
            }
            self.settings.pop_front();
            let date = self.now.date.get().saturating_add_signed(by);
            self.now.date = UnixMillis::new(date);
        }
    }

    /// Counts what a machine asks for: never more in an hour than this.
    pub(crate) fn count(&mut self, outputs: usize, hourly_max: usize) {
        let hour = self.passed() / HOUR_MS;
        if self.hour.0 != hour {
            self.hour = (hour, 0);
        }
        self.hour.1 += outputs;
        assert!(self.hour.1 <= hourly_max, "it spins in hour {hour}");
    }
}
