//! What lies at keepers for those who are away: when they come back, and when keepers are gone for good.

use std::collections::BTreeMap;

use restante_proto::time::UnixMillis;

use super::Director;
use crate::observed::{Return, Survivors};

/// How many keepers that run hold each message that waits, and how many run.
pub(super) struct Copies {
    by_message: BTreeMap<UnixMillis, u64>,
    keepers_up: u64,
}

impl Director<'_> {
    /// Writes down what waits for a person whose node has just been started again.
    pub(super) fn on_return(&mut self, person: usize) {
        let now = self.now();
        let waiting = self.ledger.on_return(now, person);
        let copies = waiting.iter().map(|end| self.copies_of(*end)).sum();
        self.observed.returns.push(Return {
            at_ms: now.0,
            waiting: waiting.len() as u64,
            copies,
        });
    }

    /// Counts the copies of what waits.
    pub(super) fn standing_copies(&self) -> Copies {
        let waiting = self.ledger.waiting().into_iter();
        let up = self.keepers.iter().filter(|machine| machine.is_up());
        Copies {
            by_message: waiting.map(|end| (end, self.copies_of(end))).collect(),
            keepers_up: up.count() as u64,
        }
    }

    /// Writes down what is left of the copies there were, some keepers being gone for good.
    pub(super) fn count_survivors(&mut self, before: &Copies) {
        let after = self.standing_copies();
        let gone = before.keepers_up.saturating_sub(after.keepers_up);
        let share = gone as f64 / before.keepers_up.max(1) as f64;
        let held = before.by_message.iter().filter(|(_, copies)| **copies > 0);
        let mut seen = Survivors {
            at_ms: self.now().0,
            keepers: before.keepers_up,
            gone,
            ..Survivors::default()
        };
        for (end, copies) in held {
            let left = after.by_message.get(end).copied().unwrap_or(0);
            let lost_by_chance = share.powi(i32::try_from(*copies).unwrap_or(i32::MAX));
            seen.waiting += 1;
            seen.copies += copies;
            seen.survived += u64::from(left > 0);
            seen.expected_millis += ((1.0 - lost_by_chance) * 1_000.0).round() as u64;
        }
        self.observed.survivors.push(seen);
    }

    fn copies_of(&self, end: UnixMillis) -> u64 {
        let takers = self.stores.taken_by(end);
        let keepers = self.keepers.iter().enumerate();
        let there = keepers.filter(|(_, machine)| machine.is_up());
        let names = there.map(|(number, _)| format!("k{number}"));
        names.filter(|name| takers.contains(&**name)).count() as u64
    }
}
