//! What keepers' stores tell the director, and what it holds against it.

use restante_interface::{OutboxEntry, SendResult};
use restante_proto::time::UnixMillis;

use super::Director;

impl Director<'_> {
    /// Lets the stores' rules open everybody's cards.
    pub(super) fn learn_ids(&self) {
        for (person, (machine, info)) in self.people.iter().zip(&self.ids).enumerate() {
            if let Ok(id) = info.id.parse() {
                self.stores.learn(person, &id, machine.clock.now());
            }
        }
    }

    /// Writes down what the stores have told since it was done last.
    pub(super) fn hear(&mut self) {
        for (at, what) in self.stores.take_lines() {
            self.trace.line(at, format_args!("{what}"));
        }
        if let Some((at, rule, what)) = self.stores.take_broken() {
            self.ledger.violate(at, rule, what);
        }
    }

    /// Looks whether a sender counts more receipts for a letter than were given.
    pub(super) fn count_receipts(&mut self, letter: usize, result: &SendResult) {
        let what = format!("m{letter}");
        self.count(&what, result.stored_with, result.until_ms);
    }

    /// Does so for all messages that a person has under way.
    pub(super) fn count_all_receipts(&mut self, person: usize, outbox: &[OutboxEntry]) {
        for entry in outbox {
            let what = format!("p{person}'s {}", entry.message_id);
            self.count(&what, entry.stored_with, entry.until_ms);
        }
    }

    fn count(&mut self, what: &str, with: u32, until_ms: u64) {
        let given = self.stores.takers(UnixMillis::new(until_ms));
        if with as usize > given {
            let now = self.now();
            let what =
                format!("{what} counts {with} receipts, and {given} keepers can have given one");
            self.ledger.violate(now, "receipts-counted", what);
        }
    }
}
