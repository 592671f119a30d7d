//! What must have happened once the faults are over and time has passed.

use restante_proto::{
    ItemId,
    keys::PublicKey,
    limits::{REPLICAS, receipts_wanted},
    message::MessageId,
    placement::CANDIDATES,
};

use super::{Checker, Letter};
use crate::{
    clock::Instant,
    host::Host,
    network::Tally,
    outturn::{self, Outturn},
    person::{Person, name_of},
    report::{Counts, Effect},
    routing::Routing,
    scenario::Scenario,
};

/// Two clocks and one way over the network apart, at most, in milliseconds: what ends so near to
/// the end of the run may or may not arrive.
const MARGIN_MS: u64 = 60_000;

/// The whole world at its end.
pub(crate) struct End<'a> {
    pub(crate) now: Instant,
    pub(crate) people: &'a [Person],
    pub(crate) hosts: &'a mut [Host],
    pub(crate) routing: &'a mut Routing,
}

impl Checker {
    /// Looks for the first thing that is not as it should be when all is over.
    pub(crate) fn unsettled(&self, mut end: End<'_>) -> Option<(&'static str, String)> {
        let letters = self.letters.iter();
        let mut found = letters.filter_map(|(message, letter)| self.judge(&end, message, letter));
        match found.next() {
            Some(found) => Some(found),
            None => self.leftover(&mut end),
        }
    }

    /// Judges what became of one message.
    fn judge(
        &self,
        end: &End<'_>,
        message: &MessageId,
        letter: &Letter,
    ) -> Option<(&'static str, String)> {
        let sender = end.people.get(letter.from)?;
        let recipient = by_account(end.people, &letter.to)?;
        let name = name_of(message);
        if !recipient.online {
            return None;
        }
        let Some(expires) = letter.expires else {
            let what = format!("{name} was never sealed, though its sender is there");
            return sender.online.then_some(("converged", what));
        };
        let (here, there) = (sender.clock.read(end.now), recipient.clock.read(end.now));
        let lives = expires > here.max(there).plus(MARGIN_MS);
        if letter.shown.is_none() && lives {
            let gone = letter
                .envelope
                .map_or(0, |envelope| self.gone(end, &envelope));
            let spared = gone <= REPLICAS - receipts_wanted(REPLICAS);
            if sender.online || (letter.stored && spared) {
                let stored = if letter.stored {
                    "stored"
                } else {
                    "not stored"
                };
                let what = format!("{name}, {stored} with {gone} keepers gone, has not arrived");
                return Some(("lost", what));
            }
        }
        let unheard = letter.shown.is_some() && !letter.delivered && lives && sender.online;
        unheard.then(|| {
            (
                "converged",
                format!("the sender of {name} has no word that it arrived"),
            )
        })
    }

    /// Counts the keepers of an envelope that are gone for good.
    fn gone(&self, end: &End<'_>, envelope: &ItemId) -> usize {
        let dead = |number: &usize| end.hosts.get(*number).is_none_or(|host| host.dead);
        self.holders(envelope).filter(dead).count()
    }

    /// Looks for envelopes that were taken and still lie where their recipient looks.
    fn leftover(&self, end: &mut End<'_>) -> Option<(&'static str, String)> {
        for (id, sealed) in self.sealed.iter().filter(|(_, sealed)| sealed.taken) {
            let Some(recipient) = by_account(end.people, &sealed.to) else {
                continue;
            };
            let today = recipient.clock.read(end.now).epoch();
            // Mailboxes of past epochs are compared every six hours, and may be behind.
            if !recipient.online || sealed.mailbox.epoch < today.minus(1) {
                continue;
            }
            let address = sealed.mailbox.address();
            let hosts = &mut *end.hosts;
            let is_up = |number| hosts.get(number).is_some_and(Host::is_up);
            for number in end.routing.closest(&address, CANDIDATES, is_up) {
                let Some(host) = hosts.get_mut(number) else {
                    continue;
                };
                let date = host.clock.read(end.now);
                if host.would_serve(date, address, *id) {
                    let what = format!("keeper {number} still holds {id}, which was taken");
                    return Some(("converged", what));
                }
            }
        }
        None
    }

    /// Checks what the scenario wanted, and that every fault did something.
    pub(crate) fn at_last(
        &mut self,
        now: Instant,
        scenario: &Scenario,
        outturn: &Outturn<'_>,
        effects: &[Effect],
    ) {
        if let Some((rule, what)) = outturn::at_last(scenario, outturn, effects) {
            self.violate(now, rule, what);
        }
    }

    /// Tells whether a message that lives was sealed, and is not shown to its recipient, who is there.
    fn is_lost(now: Instant, people: &[Person], letter: &Letter) -> bool {
        let recipient = by_account(people, &letter.to).filter(|recipient| recipient.online);
        let (Some(sender), Some(recipient)) = (people.get(letter.from), recipient) else {
            return false;
        };
        let (here, there) = (sender.clock.read(now), recipient.clock.read(now));
        let end = here.max(there).plus(MARGIN_MS);
        letter.shown.is_none() && letter.expires.is_some_and(|expires| expires > end)
    }

    /// Counts what became of messages.
    pub(crate) fn counts(&self, now: Instant, people: &[Person], tally: &Tally) -> Counts {
        let letters = || self.letters.values();
        let count = |is: fn(&Letter) -> bool| letters().filter(|letter| is(letter)).count() as u64;
        let mut waits: Vec<u64> = letters()
            .filter_map(|letter| Some(letter.shown?.0 - letter.written.0))
            .collect();
        waits.sort_unstable();
        let part = |percent: usize| {
            let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
            waits.get(place).copied().unwrap_or(0)
        };
        let over = |letter: &&Letter| {
            let sender = people.get(letter.from);
            let date = sender.map(|sender| sender.clock.read(now));
            letter.shown.is_none() && (letter.given_up || letter.expires <= date)
        };
        Counts {
            written: self.letters.len() as u64,
            stored: count(|letter| letter.stored),
            shown: count(|letter| letter.shown.is_some()),
            delivered: count(|letter| letter.delivered),
            expired: letters()
                .filter(over)
                .filter(|letter| letter.expires.is_some())
                .count() as u64,
            lost: letters()
                .filter(|letter| Self::is_lost(now, people, letter))
                .count() as u64,
            duplicates: self.duplicates,
            burnt: 0,
            shown_after_p50_ms: part(50),
            shown_after_p99_ms: part(99),
            packets: tally.sent,
            bytes: tally.bytes,
            overtaken: tally.overtaken,
            held_bytes: 0,
            refused_busy: 0,
            refused_clock: 0,
        }
    }
}

fn by_account<'a>(people: &'a [Person], account: &PublicKey) -> Option<&'a Person> {
    people.iter().find(|person| person.account() == *account)
}
