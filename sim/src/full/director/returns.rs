//! What somebody who comes back finds.

use super::Director;
use crate::observed::Return;

impl Director<'_> {
    /// Writes down what waits for somebody whose node has just been started again.
    pub(super) fn on_return(&mut self, person: usize) {
        let now = self.now();
        let waiting = self.ledger.on_return(now, person);
        let mut copies = 0;
        for end in &waiting {
            let takers = self.stores.taken_by(*end);
            let keepers = self.keepers.iter().enumerate();
            let there = keepers.filter(|(_, machine)| machine.is_up());
            let names = there.map(|(number, _)| format!("k{number}"));
            copies += names.filter(|name| takers.contains(&**name)).count() as u64;
        }
        self.observed.returns.push(Return {
            at_ms: now.0,
            waiting: waiting.len() as u64,
            copies,
        });
    }
}
