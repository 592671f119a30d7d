//! Homes that go back to an earlier state.

use super::{Director, Party, What};
use crate::clock::Instant;
use crate::fault::Source;
use crate::world::machine::lost_writes;
use crate::world::storage::Snapshot;

impl Director<'_> {
    /// Copies a person's home, to go back to it later.
    pub(super) fn copy_home(&mut self, number: usize, who: Party, lasts_ms: u64) {
        let (Some(machine), Party::Person(person)) = (self.machine(who), who) else {
            return;
        };
        let snapshot = machine.storage.snapshot();
        let now = self.now();
        self.line(format_args!("the home of {who} is copied"));
        self.effects.add(Source::Fault(number), 1);
        self.begin_lasting(number, What::Rollback(person, snapshot, now), lasts_ms);
    }

    /// Puts a copy in the place of a person's home; returns how many writes were lost beside.
    pub(super) async fn roll_back(
        &mut self,
        person: usize,
        snapshot: Snapshot,
        since: Instant,
    ) -> u64 {
        let who = Party::Person(person);
        self.disarm(who);
        let Some(machine) = self.machine_mut(who) else {
            return 0;
        };
        let effect = machine.crash().await;
        machine.storage.restore(snapshot);
        let now = self.now();
        self.line(format_args!(
            "{who} goes on from a copy of {} ms before",
            now.0 - since.0
        ));
        self.ledger.on_rollback(now, person);
        self.burns.forget(person);
        self.restart(who);
        lost_writes(&effect)
    }
}
