//! Looking whether what was to be destroyed is gone.

use std::collections::BTreeSet;

use restante_interface::InboxMessage;
use restante_interface::{InboxRequest, Reply, Request};

use super::Director;
use crate::world::machine::Machine;

impl Director<'_> {
    /// Looks whether what was shown burns as its sender asked.
    pub(super) fn on_burning(&mut self, person: usize, letter: usize, message: &InboxMessage) {
        if let Some(what) = self.burns.on_shown(person, letter, message) {
            self.ledger.violate(self.now(), "burnt", what);
        }
    }

    /// Looks through the inboxes of those who have read what burns.
    pub(super) async fn look_at_burns(&mut self) {
        for person in self.burns.readers() {
            let Some(machine) = self.people.get(person) else {
                continue;
            };
            let clock = machine.clock.now();
            let Some(inbox) = whole_inbox(machine).await else {
                continue;
            };
            if let Some(what) = self.burns.on_inbox(person, &inbox, clock) {
                self.ledger.violate(self.now(), "burnt", what);
            }
        }
    }
}

/// Returns the names of all messages that a node still has, if it tells.
async fn whole_inbox(machine: &Machine) -> Option<BTreeSet<String>> {
    let mut inbox = BTreeSet::new();
    let mut after = None;
    loop {
        let request = InboxRequest {
            wait_ms: 0,
            all: true,
            after,
            only: None,
        };
        let answer = machine.ask(Request::Inbox(request)).await?;
        let Ok(Reply::Inbox(page)) = answer else {
            return None;
        };
        after = page.messages.last().map(|message| message.id.clone());
        inbox.extend(page.messages.into_iter().map(|message| message.id));
        if !page.more || after.is_none() {
            return Some(inbox);
        }
    }
}
