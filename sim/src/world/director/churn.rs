//! People and keepers who come and go because that is their habit.

use restante_proto::limits::SECOND_MS;
use restante_sim_population::{Habit, Stay};

use super::faults::ARMED_WRITES_MAX;
use super::{Director, Event, Party};
use crate::clock::Instant;
use crate::scenario::Ends;
use crate::world::machine::Machine;

/// How long a node whose power is to be cut in the middle of a write has time to write, in milliseconds.
const ARMED_MS: u64 = 5 * SECOND_MS;
/// How often it is looked whether the power is cut, in milliseconds.
const LOOK_MS: u64 = 20;

impl Director<'_> {
    /// Draws whether a machine is up at the beginning, and when that changes.
    pub(super) fn settle_in(&mut self, who: Party, at: Instant) {
        let rank = u32::try_from(self.classes.rank(who)).unwrap_or(u32::MAX);
        let (habit, stay) = self.classes.stays(who).settle(rank, &mut self.random);
        if stay.up {
            let start = match who {
                Party::Keeper(keeper) => Event::StartKeeper(keeper),
                Party::Person(person) => Event::StartPerson(person),
            };
            self.at(at, start);
        }
        self.plan_turn(who, habit, stay, at);
    }

    /// Ends a stay and begins the next.
    pub(super) async fn turn(&mut self, who: Party, habit: Habit, up: bool) {
        let now = self.now();
        if now.0 >= self.scenario.duration_ms() {
            return;
        }
        let stay = self
            .classes
            .stays(who)
            .next(habit, up, now.0, &mut self.random);
        if up && self.machine(who).is_some_and(Machine::is_up) {
            self.go(who).await;
        } else if stay.up {
            self.start(who).await;
        }
        self.plan_turn(who, habit, stay, now);
    }

    fn plan_turn(&mut self, who: Party, habit: Habit, stay: Stay, from: Instant) {
        // A stay that does not end saturates far behind the end of the run.
        let end = from.plus(stay.lasts_ms);
        if end.0 < self.scenario.duration_ms() {
            self.at(end, Event::Turn(who, habit, stay.up));
        }
    }

    async fn start(&mut self, who: Party) {
        match who {
            Party::Keeper(keeper) => self.start_keeper(keeper),
            Party::Person(person) => {
                if self.failing.contains_key(&person) {
                    self.vanish(who).await;
                }
                self.start_person(person);
            }
        }
    }

    async fn go(&mut self, who: Party) {
        let ends = self.class(who).map_or(Ends::Crashes, |class| class.ends);
        self.classes.count_turn(who);
        match (ends, who) {
            (Ends::Stops, _) => self.end_well(who, "goes", "not there").await,
            // Without a word, as when a lid is closed.
            (Ends::Crashes, Party::Keeper(_)) => self.vanish(who).await,
            (Ends::Crashes, Party::Person(person)) => {
                let writes = self.random.between(0, ARMED_WRITES_MAX);
                if let Some(machine) = self.machine(who) {
                    machine.storage.cut_power_after(writes);
                }
                let latest = self.now().plus(ARMED_MS);
                self.failing.insert(person, latest);
                self.later(LOOK_MS, Event::LookAtPower(person));
            }
        }
    }

    /// Ends a process in good order.
    pub(super) async fn end_well(&mut self, who: Party, said: &str, what: &str) {
        let stopped = match self.machine_mut(who) {
            Some(machine) => machine.stop().await,
            None => Ok(()),
        };
        self.line(format_args!("{who} {said}"));
        self.begin(what, who.to_string());
        if let Err(error) = stopped
            && !self.loses_power(who)
        {
            let what = format!("{who} does not end well: {error}");
            self.ledger.violate(self.now(), "stop", what);
        }
    }

    /// Ends a person's node once its power is cut: in the middle of a write if there is one in time.
    pub(super) async fn look_at_power(&mut self, person: usize) {
        let Some(latest) = self.failing.get(&person).copied() else {
            return;
        };
        let who = Party::Person(person);
        let is_cut = self
            .machine(who)
            .is_some_and(|one| one.storage.is_power_cut());
        if is_cut || self.now() >= latest {
            self.vanish(who).await;
        } else {
            self.later(LOOK_MS, Event::LookAtPower(person));
        }
    }

    /// Ends a process without a word.
    pub(super) async fn vanish(&mut self, who: Party) {
        self.disarm(who);
        let Some(machine) = self.machine_mut(who).filter(|one| one.is_up()) else {
            return;
        };
        machine.crash().await;
        self.line(format_args!("{who} goes"));
        self.begin("not there", who.to_string());
    }
}
