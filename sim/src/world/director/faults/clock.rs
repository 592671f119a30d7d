//! Clocks that jump or drift, and processes that are held for a while.

use restante_proto::limits::CLOCK_SKEW_MS;

use super::{Director, Event, Party, What};
use crate::clock::Instant;
use crate::fault::Source;

/// How often a clock that drifts is moved, in milliseconds.
const DRIFT_MS: u64 = 10_000;

/// A clock that is wrong by more than before, until it is put right.
pub(super) struct WrongClock {
    pub(super) who: Party,
    /// By how much, so far.
    by_ms: i64,
    /// By how much in the end.
    whole_ms: i64,
    since: Instant,
    lasts_ms: u64,
}

impl WrongClock {
    /// Returns by how much it is to be wrong at a moment while it drifts.
    fn drifted_ms(&self, now: Instant) -> i64 {
        let passed = i128::from(now.0.saturating_sub(self.since.0).min(self.lasts_ms));
        let lasts = i128::from(self.lasts_ms.max(1));
        i64::try_from(i128::from(self.whole_ms) * passed / lasts).unwrap_or(self.whole_ms)
    }
}

impl Director<'_> {
    pub(super) fn turn_clock(
        &mut self,
        number: usize,
        who: Party,
        (whole_ms, drift): (i64, bool),
        lasts_ms: u64,
    ) {
        let how = if drift { "drifts" } else { "jumps" };
        self.line(format_args!("the clock of {who} {how} by {whole_ms} ms"));
        self.begin("clock wrong", who.to_string());
        let by_ms = if drift { 0 } else { whole_ms };
        if let Some(machine) = self.machine(who) {
            machine.turn_clock(by_ms);
        }
        // It runs, and goes by its clock from now on.
        self.effects.add(Source::Fault(number), 1);
        if let Party::Keeper(keeper) = who
            && whole_ms.unsigned_abs() > CLOCK_SKEW_MS
        {
            // What has ended by its own clock it need not have.
            self.injected.unsound.insert(keeper);
        }
        let wrong = WrongClock {
            who,
            by_ms,
            whole_ms,
            since: self.now(),
            lasts_ms,
        };
        let serial = self.begin_lasting(number, What::Clock(wrong), lasts_ms);
        if drift {
            self.later(DRIFT_MS, Event::Drift(serial));
        }
    }

    /// Tells whether a person's clock is wrong by more than clocks may be: what is written and read by it need not
    /// hold.
    pub(in crate::world::director) fn is_far_off(&self, person: usize) -> bool {
        let machine = self.people.get(person);
        machine.is_some_and(|machine| machine.ahead_ms().unsigned_abs() > CLOCK_SKEW_MS)
    }

    /// Moves a clock that drifts a bit further.
    pub(in crate::world::director) fn drift(&mut self, serial: u64) {
        let now = self.now();
        let Some(lasting) = self.injected.lasting.get_mut(&serial) else {
            return;
        };
        let What::Clock(wrong) = &mut lasting.what else {
            return;
        };
        let (who, by_ms) = (wrong.who, wrong.drifted_ms(now));
        let step_ms = by_ms - std::mem::replace(&mut wrong.by_ms, by_ms);
        if let Some(machine) = self.machine(who) {
            machine.turn_clock(step_ms);
        }
        self.later(DRIFT_MS, Event::Drift(serial));
    }

    pub(super) fn mend_clock(&mut self, wrong: &WrongClock) {
        let who = wrong.who;
        if let Some(machine) = self.machine(who) {
            let shown = machine.clock.now();
            machine.turn_clock(-wrong.by_ms);
            if let Party::Person(person) = who {
                let latest = self.injected.latest.entry(person).or_default();
                *latest = shown.max(*latest);
            }
        }
        self.line(format_args!("the clock of {who} is put right"));
        self.end(&who.to_string());
    }

    /// Holds a process; packets to it get lost meanwhile.
    pub(super) fn suspend(&mut self, number: usize, who: Party, lasts_ms: u64) {
        let internet = self.internet.clone();
        let Some(machine) = self.machine_mut(who) else {
            return;
        };
        machine.suspend();
        let cut = internet.cut(&[machine.host]);
        self.line(format_args!("{who} is suspended for {lasts_ms} ms"));
        self.begin("suspended", who.to_string());
        self.effects.add(Source::Fault(number), 1);
        self.begin_lasting(number, What::Suspended(who, cut), lasts_ms);
    }

    /// Lets a process go on; returns how many packets were cut.
    pub(super) fn resume(&mut self, who: Party, cut: restante_sim_network::CutId) -> u64 {
        let packets = self.internet.heal(cut).packets;
        if let Some(machine) = self.machine_mut(who) {
            machine.resume();
        }
        self.line(format_args!("{who} goes on; {packets} packets were cut"));
        self.end(&who.to_string());
        if let Party::Person(person) = who {
            self.hand_over_drafts(person);
        }
        packets
    }
}
