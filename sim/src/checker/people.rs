//! What must never happen to people.

use restante_proto::{
    envelope::{self, Envelope, Lifetime, OpenerIdentity},
    keys::PublicKey,
    message::MessageId,
    placement::Standing,
    time::UnixMillis,
};

use super::{Checker, Letter, Sealed};
use crate::{
    clock::Instant,
    person::{Fact, Person, name_of},
};

/// Where in an envelope the hint stands that tells a recipient which key opens it (SPEC 6.1).
const HINT: std::ops::Range<usize> = 10..18;
/// A text as short as this may stand in an envelope by chance.
const CHANCE_BYTES: usize = 8;

impl Checker {
    /// Somebody, by their number, lets this be known.
    pub(crate) fn on_fact(&mut self, now: Instant, number: usize, people: &[Person], fact: &Fact) {
        let Some(person) = people.get(number) else {
            return;
        };
        let date = person.clock.read(now);
        match fact {
            Fact::Written { message, to, body } => {
                let letter = Letter::new(now, number, *to, body.clone());
                self.letters.insert(*message, letter);
            }
            Fact::Sealed {
                message,
                to,
                text,
                envelope,
            } => {
                self.on_sealed(now, people, (*message, *to, *text), envelope);
            }
            Fact::Standing {
                message,
                envelope,
                standing,
                ..
            } => {
                let given = self.holders(envelope).count();
                self.on_standing(now, message, given, *standing);
            }
            Fact::Opening {
                envelope,
                known: true,
            } => {
                let what = format!("{} opens {envelope} again", name(person));
                self.violate(now, "once", what);
            }
            Fact::Shown {
                sender,
                message,
                body,
                expires,
            } => {
                let own = person.account();
                if *expires <= date {
                    let what = format!("{} was shown {} too late", name(person), name_of(message));
                    self.violate(now, "late", what);
                }
                let from = people.get(self.letters.get(message).map_or(usize::MAX, |l| l.from));
                let right = from.is_some_and(|p| p.account() == *sender);
                self.on_shown(now, (own, right), message, body);
            }
            Fact::Taken { envelope } => {
                if let Some(sealed) = self.sealed.get_mut(envelope) {
                    sealed.taken = true;
                }
            }
            Fact::Delivered { message } => self.on_delivered(now, message),
            Fact::Expired { message } => {
                if let Some(letter) = self.letters.get_mut(message) {
                    letter.given_up = true;
                }
            }
            Fact::Opening { .. } | Fact::Worthless { .. } | Fact::Published { .. } => {}
        }
    }

    fn on_delivered(&mut self, now: Instant, message: &MessageId) {
        let Some(letter) = self.letters.get_mut(message) else {
            return;
        };
        letter.delivered = true;
        if letter.shown.is_none() {
            let what = format!("{} counts as delivered, unseen", name_of(message));
            self.violate(now, "lost", what);
        }
    }

    fn on_sealed(
        &mut self,
        now: Instant,
        people: &[Person],
        (message, to, text): (MessageId, PublicKey, bool),
        envelope: &Envelope,
    ) {
        let Envelope {
            mailbox,
            expires,
            bytes,
        } = envelope;
        if let Some(letter) = self.letters.get_mut(&message).filter(|_| text) {
            letter.envelope = Some(envelope.id());
            letter.expires = Some(*expires);
            let body = letter.body.clone();
            if body.len() > CHANCE_BYTES && bytes.windows(body.len()).any(|part| part == body) {
                let what = format!("{} can be read from outside", envelope.id());
                self.violate(now, "right-person", what);
            }
        }
        let others = people.iter().filter(|p| p.account() != to);
        if let Some(who) = others
            .into_iter()
            .find(|person| opens(person, now, envelope))
        {
            let what = format!(
                "{} opens {}, which is for another",
                name(who),
                envelope.id()
            );
            self.violate(now, "right-person", what);
        }
        let sealed = Sealed {
            mailbox: *mailbox,
            to,
            expires: *expires,
            taken: false,
        };
        self.sealed.insert(envelope.id(), sealed);
    }

    fn on_standing(&mut self, now: Instant, message: &MessageId, given: usize, standing: Standing) {
        if standing.with > given {
            let what = format!(
                "{} counts {} receipts, and {given} keepers gave one",
                name_of(message),
                standing.with
            );
            self.violate(now, "receipts-counted", what);
        }
        // W of R = 3 of 5, shrinking with the network; counted here once more, since this is what
        // is promised.
        let enough = standing.of > 0 && standing.with >= (3 * standing.of).div_ceil(5);
        if standing.is_stored() != enough {
            let (with, of) = (standing.with, standing.of);
            let what = format!(
                "{} is taken for stored or not at {with} of {of}",
                name_of(message)
            );
            self.violate(now, "receipts-counted", what);
        }
        if let Some(letter) = self.letters.get_mut(message) {
            letter.stored |= enough;
        }
    }

    fn on_shown(
        &mut self,
        now: Instant,
        (own, right_sender): (PublicKey, bool),
        message: &MessageId,
        body: &[u8],
    ) {
        let Some(letter) = self.letters.get_mut(message) else {
            return self.violate(
                now,
                "true-text",
                format!("{} was never written", name_of(message)),
            );
        };
        let (again, wrong) = (letter.shown.is_some(), letter.body != body || !right_sender);
        let stray = letter.to != own;
        letter.shown.get_or_insert(now);
        if again {
            self.duplicates += 1;
            self.violate(now, "once", format!("{} was shown twice", name_of(message)));
        }
        if wrong {
            self.violate(
                now,
                "true-text",
                format!("{} was changed on its way", name_of(message)),
            );
        }
        if stray {
            self.violate(
                now,
                "right-person",
                format!("{} went astray", name_of(message)),
            );
        }
    }
}

/// Tries to open an envelope as `person`, with the hint bent to the person's own key.
fn opens(person: &Person, now: Instant, envelope: &Envelope) -> bool {
    let Some(prekey) = person.disk.prekeys.last() else {
        return false;
    };
    let mut bytes = envelope.bytes.to_vec();
    let hint = prekey.public().hint(&envelope.mailbox.address());
    if let Some(place) = bytes.get_mut(HINT) {
        place.copy_from_slice(&hint);
    }
    let date: UnixMillis = person.clock.read(now);
    let lifetime = Lifetime {
        now: date,
        expires: envelope.expires,
    };
    let opener = OpenerIdentity::from(&person.disk.identity);
    envelope::open(&bytes, &envelope.mailbox, lifetime, &opener, [prekey]).is_ok()
}

fn name(person: &Person) -> &str {
    person.disk.identity.handle.as_str()
}
