//! Keepers that come and go because that is their habit.

use restante_sim_population::{Churn, Habit, Stay};

use super::{Director, Event};
use crate::clock::Instant;

impl Director<'_> {
    /// Draws whether a keeper is there at the beginning, and when that changes.
    pub(super) fn settle_in(&mut self, keeper: usize, at: Instant) {
        let churn: &Churn = &self.scenario.population.churn;
        let number = u32::try_from(keeper).unwrap_or(u32::MAX);
        let (habit, stay) = churn.settle(number, &mut self.random);
        if stay.up {
            self.at(at, Event::StartKeeper(keeper));
        }
        self.plan_turn(keeper, habit, stay, at);
    }

    /// Ends a keeper's stay and begins the next: without a word when it goes, as when a lid is closed.
    pub(super) async fn turn(&mut self, keeper: usize, habit: Habit, up: bool) {
        let now = self.now();
        if now.0 >= self.scenario.duration_ms {
            return;
        }
        let churn: &Churn = &self.scenario.population.churn;
        let stay = churn.next(habit, up, now.0, &mut self.random);
        match self.keepers.get_mut(keeper) {
            Some(machine) if up && machine.is_up() => {
                machine.crash().await;
                self.turns += 1;
                self.line(format_args!("k{keeper} goes"));
                self.begin("not there", format!("k{keeper}"));
            }
            _ if stay.up => self.start_keeper(keeper),
            _ => {}
        }
        self.plan_turn(keeper, habit, stay, now);
    }

    fn plan_turn(&mut self, keeper: usize, habit: Habit, stay: Stay, from: Instant) {
        // A stay that does not end saturates far behind the end of the run.
        let end = from.plus(stay.lasts_ms);
        if end.0 < self.scenario.duration_ms {
            self.at(end, Event::Turn(keeper, habit, stay.up));
        }
    }
}
