//! What people tell of what their nodes say.

use restante_interface::{InboxMessage, Refusal, SendResult};

use super::{AGAIN_MS, Director, Event};
use crate::world::moment;
use crate::world::person::News;

/// What a node says of a letter.
type Sent = Result<SendResult, Refusal>;

impl Director<'_> {
    pub(super) fn on_news(&mut self, news: News) {
        let now = self.now();
        match news {
            News::Sent { letter, outcome } => {
                let outcome = self.unless_dead(letter, outcome);
                match &outcome {
                    Ok(result) => {
                        self.count_receipts(letter, result);
                        let (state, with, of) =
                            (result.state, result.stored_with, result.stored_of);
                        self.line(format_args!("m{letter} is {state:?} with {with} of {of}"));
                    }
                    Err(error) => self.line(format_args!("m{letter} is refused: {error:?}")),
                }
                if self.ledger.on_sent(now, letter, outcome) {
                    self.later(AGAIN_MS, Event::Compose(letter));
                }
            }
            News::Shown {
                person,
                message,
                at,
                date,
            } => {
                let at = moment(self.base, at);
                let shown = InboxMessage::clone(&message);
                let from = self.ids.iter().position(|info| info.id == message.from);
                let seen = (from, person);
                if let Some(letter) = self.ledger.on_shown(at, seen, date, *message) {
                    self.line(format_args!("p{person} is shown m{letter}"));
                    if self.is_far_off(person) {
                        self.ledger.excuse(letter);
                    }
                    self.on_burning(person, letter, &shown);
                }
            }
            News::Outbox {
                person,
                outbox,
                under_way,
            } => {
                self.ledger.on_outbox(now, person, (&outbox, under_way));
                self.count_all_receipts(person, &outbox);
            }
            News::Read { person, ids } => {
                if let Some(machine) = self.people.get(person) {
                    self.burns.on_read(person, &ids, machine.clock.now());
                }
                self.ledger.on_read(person, ids);
            }
        }
    }

    /// Takes the last words of a node whose power is cut for its silence.
    fn unless_dead(&self, letter: usize, outcome: Sent) -> Sent {
        let from = self.ledger.letters.get(letter).map(|letter| letter.from);
        let sender = from.and_then(|from| self.people.get(from));
        match outcome {
            Err(_) if sender.is_some_and(|sender| sender.storage.is_power_cut()) => {
                Err(Refusal::Stopping)
            }
            outcome => outcome,
        }
    }
}
