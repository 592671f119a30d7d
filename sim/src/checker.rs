//! Checkers, always on: what must never happen at any step, and what must be so at the end.
//!
//! A run is broken, by the name of the rule, when
//!
//! - `durable-receipt`: a keeper gives a receipt for what is not on its disk, or loses it early;
//! - `expiry`: a keeper hands over what has ended by its own clock, or keeps it a minute longer;
//! - `acked`: a keeper hands over what was acked at it;
//! - `once`: a message is shown twice, or an envelope that is done with is opened again;
//! - `right-person`: anybody but the recipient opens an envelope, or its text can be seen in it;
//! - `true-text`: what is shown is not what was written;
//! - `prekey`: a card shows a prekey that another has shown;
//! - `late`: a message is shown after its end;
//! - `receipts-counted`: a sender counts more receipts than were given, or calls too few enough;
//! - `budget`: a mailbox or a disk holds more than it may;
//! - `idle`: somebody wants to be woken at once, having just been woken;
//! - `lost`: a living message has not arrived though its keepers are within the fault budget;
//! - `converged`: a sender has no word, or a keeper still holds what was taken;
//! - `fault-without-effect`: something was injected and changed nothing;
//! - `expectation`: the scenario wanted more.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use restante_proto::{
    Address, ItemId,
    keys::PublicKey,
    mailbox::{Mailbox, Rule},
    message::MessageId,
    time::UnixMillis,
};

use crate::{clock::Instant, report::Violation};

mod cards;
mod end;
mod keepers;
mod people;
#[cfg(test)]
mod tests;

pub(crate) use self::cards::Cards;
pub(crate) use self::end::End;

/// How long an expired item may stay on a disk, in milliseconds.
const LINGER_MS: u64 = 60_000;

/// One message, from being written to its end.
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) to: PublicKey,
    pub(crate) envelope: Option<ItemId>,
    pub(crate) stored: bool,
    pub(crate) shown: Option<Instant>,
    written: Instant,
    body: Bytes,
    expires: Option<UnixMillis>,
    delivered: bool,
    given_up: bool,
}

impl Letter {
    const fn new(written: Instant, from: usize, to: PublicKey, body: Bytes) -> Self {
        Self {
            from,
            to,
            envelope: None,
            stored: false,
            shown: None,
            written,
            body,
            expires: None,
            delivered: false,
            given_up: false,
        }
    }
}

/// One envelope, of a message or a word.
struct Sealed {
    mailbox: Mailbox,
    to: PublicKey,
    expires: UnixMillis,
    taken: bool,
}

/// Everything the rules need to remember.
#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) letters: BTreeMap<MessageId, Letter>,
    sealed: BTreeMap<ItemId, Sealed>,
    rules: BTreeMap<Address, Rule>,
    /// Keepers by number, with what they gave receipts for and until when.
    receipts: BTreeMap<usize, BTreeMap<(Address, ItemId), UnixMillis>>,
    /// Keepers that ever gave a receipt for an envelope.
    holders: BTreeMap<ItemId, BTreeSet<usize>>,
    acked: BTreeSet<(usize, Address, ItemId)>,
    pub(crate) cards: Cards,
    /// Messages that were shown again.
    duplicates: u64,
    violation: Option<Violation>,
}

impl Checker {
    /// Returns the first violation.
    pub(crate) fn violation(&mut self) -> Option<Violation> {
        self.violation.take()
    }

    /// Tells whether something was violated.
    pub(crate) const fn is_violated(&self) -> bool {
        self.violation.is_some()
    }

    /// Returns the keepers that gave a receipt for an envelope.
    pub(crate) fn holders(&self, envelope: &ItemId) -> impl Iterator<Item = usize> {
        self.holders.get(envelope).into_iter().flatten().copied()
    }

    /// Notes a violation, if it is the first.
    pub(crate) fn violate(&mut self, now: Instant, rule: &'static str, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                rule: rule.into(),
                what,
                at_ms: now.0,
            });
        }
    }
}
