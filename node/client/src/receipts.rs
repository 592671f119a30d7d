//! Delivery receipts: telling contacts that their messages have arrived (SPEC 10.6).

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::ContactState;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{
    DAY_MS, DELIVERED_COUNT_MAX, MESSAGE_TTL_MAX_MS, MINUTE_MS, SECOND_MS,
};
use restante_proto::message::{Content, Message, MessageId};
use restante_proto::time::MonoMillis;
use tracing::debug;

use crate::cx::Cx;
use crate::records::SenderMessage;
use crate::sealing::{self, Granting};
use crate::signal::{Intent, Signal};
use crate::then::{Sealed, SealedFor, Then};

/// How long receipts for a contact are gathered before they are sent, in milliseconds: one envelope says several
/// things.
pub const GATHER_MS: u64 = SECOND_MS;
/// How long a contact waits at most to hear that a message was read which does not burn, in milliseconds: the moment is
/// the reader's own.
const READ_LATER_MS: u64 = 10 * SECOND_MS;
/// The first pause after a contact could not be sent its receipts, in milliseconds; each is twice the one before.
const RETRY_MS: u64 = 10 * MINUTE_MS;
/// The longest such pause, in milliseconds: looking up who has not published for a month costs several searches.
const RETRY_MAX_MS: u64 = DAY_MS;

/// When the delivery receipts that are due are sent.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    due_at: Option<MonoMillis>,
    /// Contacts that could not be sent theirs.
    failed: BTreeMap<PublicKey, Failed>,
}

#[derive(Debug)]
struct Failed {
    tries: u32,
    again: MonoMillis,
    /// How many were due: with another one the contact has written, and can be looked up again.
    due: usize,
}

impl Receipts {
    /// Sends what was due before a restart, or could not be sent for want of a network.
    pub(crate) fn start(&mut self, cx: &Cx<'_>) {
        self.failed.clear();
        if is_any(cx) {
            self.due_by(cx.mono());
        }
    }

    /// Gathers receipts that have become due.
    pub(crate) fn on_due(&mut self, cx: &Cx<'_>) {
        if is_any(cx) {
            self.due_by(cx.mono().plus(GATHER_MS));
        }
    }

    /// Tells of what was read at a moment of its own, unless there is something to tell before.
    pub(crate) fn on_read_due(&mut self, cx: &mut Cx<'_>) {
        let later = cx.rng.next_u64() % READ_LATER_MS;
        self.due_by(cx.mono().plus(GATHER_MS + later));
    }

    /// Sends every contact what it is to hear, and looks up those whose cards are old.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        if self.due_at.is_none_or(|due| due > cx.mono()) {
            return;
        }
        self.due_at = None;
        let mut due: BTreeMap<PublicKey, usize> = BTreeMap::new();
        for (account, _) in cx.records.due().iter().chain(cx.records.read_due()) {
            *due.entry(*account).or_default() += 1;
        }
        self.failed.retain(|account, _| due.contains_key(account));
        for (account, due) in due {
            let contact = cx.records.contacts().get(&account);
            let contact = contact.filter(|contact| contact.state == ContactState::Accepted);
            let Some(contact) = contact else {
                continue;
            };
            let is_known = contact.fresh_card(cx.now.date).is_some();
            if !self.try_now(cx.mono(), account, due) {
                continue;
            }
            if is_known {
                self.send(cx, account);
            } else {
                cx.signal(Signal::Resolve(Intent::Receipts(account)));
            }
        }
    }

    /// Tells whether a contact's receipts are tried now, and plans the next attempt should this one fail.
    fn try_now(&mut self, now: MonoMillis, account: PublicKey, due: usize) -> bool {
        let last = self.failed.get(&account);
        let last = last.filter(|failed| failed.due >= due);
        if let Some(again) = last.map(|failed| failed.again).filter(|again| *again > now) {
            self.due_by(again);
            return false;
        }
        let tries = last.map_or(0, |failed| failed.tries);
        let again = now.plus((RETRY_MS << tries.min(8)).min(RETRY_MAX_MS));
        let tries = tries.saturating_add(1);
        self.failed.insert(account, Failed { tries, again, due });
        self.due_by(again);
        true
    }

    /// Seals the receipts due to one contact and stages them.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>, account: PublicKey) {
        // It may have been blocked while it was looked up.
        let contact = cx.records.contacts().get(&account);
        let contact = contact.filter(|contact| contact.state == ContactState::Accepted);
        let Some(card) = contact.and_then(|contact| contact.card(cx.now.date)) else {
            debug!("a contact cannot be told yet that its messages arrived");
            return;
        };
        let take = |due: &BTreeSet<SenderMessage>| -> Vec<SenderMessage> {
            let due = due.iter().filter(|(to, _)| *to == account);
            due.take(DELIVERED_COUNT_MAX).copied().collect()
        };
        let (due, read_due) = (take(cx.records.due()), take(cx.records.read_due()));
        if due.is_empty() && read_due.is_empty() {
            return;
        }
        let names = |due: &[SenderMessage]| due.iter().map(|(_, message)| *message).collect();
        let (ids, read) = (names(&due), names(&read_due));
        let id = MessageId::random(&mut cx.rng);
        let identity = &cx.records.account().identity;
        let message = Message::new(identity, id, cx.now.date, Content::Delivered { ids, read });
        // As long as the messages it is about may have been under way.
        let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
        let sealed = match sealing::seal(
            cx,
            &card,
            &message,
            expires,
            Granting::WhenDue,
            &BTreeSet::new(),
        ) {
            Ok(sealed) => sealed,
            Err(error) => {
                debug!(%error, "delivery receipts cannot be sealed");
                return;
            }
        };
        for named in due {
            cx.records.drop_due(named);
        }
        for named in read_due {
            cx.records.drop_read_due(named);
        }
        self.failed.remove(&account);
        let envelopes = sealed
            .iter()
            .map(|outgoing| outgoing.envelope.id())
            .collect();
        cx.records.then(Then::Send(Sealed {
            envelopes,
            what: SealedFor::Receipts,
        }));
        let mut left = cx.records.due().iter().chain(cx.records.read_due());
        if left.any(|(to, _)| *to == account) {
            self.due_by(cx.mono().plus(GATHER_MS));
        } else if !is_any(cx) {
            self.due_at = None;
        }
    }

    /// Tries again later what could not be committed.
    pub(crate) fn on_failed(&mut self, cx: &Cx<'_>) {
        if is_any(cx) {
            self.due_by(cx.mono().plus(RETRY_MS));
        }
    }

    pub(crate) const fn next_timeout(&self) -> Option<MonoMillis> {
        self.due_at
    }

    fn due_by(&mut self, due: MonoMillis) {
        self.due_at = Some(self.due_at.map_or(due, |earlier| earlier.min(due)));
    }
}

fn is_any(cx: &Cx<'_>) -> bool {
    !(cx.records.due().is_empty() && cx.records.read_due().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_told_is_tried_ever_more_rarely_until_the_next_message() {
        let mut receipts = Receipts::default();
        let account = PublicKey::new([1; 32]);
        let mut now = MonoMillis::new(1);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert!(receipts.try_now(now, account, 2));
            let again = receipts.failed[&account].again;
            assert!(!receipts.try_now(now, account, 2), "not before its time");
            pauses.push(again.since(now));
            now = again;
        }
        assert_eq!(pauses[..3], [RETRY_MS, 2 * RETRY_MS, 4 * RETRY_MS]);
        assert_eq!(pauses[9], RETRY_MAX_MS);
        assert!(receipts.try_now(now, account, 2));
        assert!(receipts.try_now(now, account, 3), "it has written again");
        assert_eq!(receipts.failed[&account].again.since(now), RETRY_MS);
    }
}
