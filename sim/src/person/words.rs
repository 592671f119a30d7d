//! Words: telling contacts that their messages have arrived, and what they may deposit without
//! stamps.

use std::collections::BTreeSet;

use restante_proto::{
    card::Card,
    keys::PublicKey,
    limits::{DELIVERED_COUNT_MAX, GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS, SECOND_MS},
    message::{Content, Grant, MessageId},
    outbox,
    time::{Epoch, UnixMillis},
};

use super::{Person, collecting::DEVICE_MAILBOXES};

/// How long words are gathered before they are sent, in milliseconds, as in the node.
const GATHER_MS: u64 = SECOND_MS;
/// The pause after words could not be sent, in milliseconds, as in the node.
const RETRY_MS: u64 = 60 * SECOND_MS;
/// Epochs left of a grant at which it is renewed, as in the node.
const RENEW_EPOCHS: u32 = 6;

impl Person {
    /// Notes a word that is due, and sends it soon.
    pub(super) fn owe_word(&mut self, now: UnixMillis, to: PublicKey, message: MessageId) {
        self.disk.words.insert((to, message));
        self.run
            .words_due
            .get_or_insert_with(|| now.plus(GATHER_MS));
    }

    /// Looks up everybody who is to hear something.
    pub(super) fn send_words(&mut self, now: UnixMillis) {
        self.run.words_due = None;
        let accounts: BTreeSet<PublicKey> = self.disk.words.iter().map(|(to, _)| *to).collect();
        for account in accounts {
            self.run.words_due.get_or_insert_with(|| now.plus(RETRY_MS));
            self.resolve(now, account);
        }
    }

    /// Seals the words due to one contact.
    pub(super) fn on_words_resolved(&mut self, now: UnixMillis, account: PublicKey) {
        let Some(contact) = self.disk.contacts.get(&account) else {
            return;
        };
        let Some(card) = contact.card(now) else {
            return;
        };
        let due = self.disk.words.iter().filter(|(to, _)| *to == account);
        let words: Vec<(PublicKey, MessageId)> = due.take(DELIVERED_COUNT_MAX).copied().collect();
        if words.is_empty() {
            return;
        }
        let grant = self.grant_due(now, card.card(), contact.granted);
        if let (Some(grant), Some(contact)) = (&grant, self.disk.contacts.get_mut(&account)) {
            contact.granted = Some(grant.last_epoch());
        }
        let ids = words.iter().map(|(_, message)| *message).collect();
        let message = self.message(now, Content::Delivered { ids });
        let expires = now.plus(MESSAGE_TTL_MAX_MS);
        self.send(now, &card, message.granting(grant), expires);
        for word in words {
            self.disk.words.remove(&word);
        }
        if self.disk.words.iter().any(|(to, _)| *to == account) {
            self.run
                .words_due
                .get_or_insert_with(|| now.plus(GATHER_MS));
        } else if self.disk.words.is_empty() {
            self.run.words_due = None;
        }
    }

    /// Returns a grant for the account of `card` when it has none, or one that ends soon.
    fn grant_due(&self, now: UnixMillis, card: &Card, granted: Option<Epoch>) -> Option<Grant> {
        let present = now.epoch();
        let lasts = granted.is_some_and(|last| last > present.plus(RENEW_EPOCHS));
        if lasts {
            return None;
        }
        self.grant_to(now, card)
    }

    /// Returns a grant for the one device of `card` from today on.
    pub(super) fn grant_to(&self, now: UnixMillis, card: &Card) -> Option<Grant> {
        let index = card.account.as_bytes()[0] % DEVICE_MAILBOXES;
        Some(Grant::issue(
            &self.disk.identity,
            &card.account,
            &card.devices.first()?.certificate.device,
            index,
            now.epoch(),
            GRANT_EPOCHS_MAX,
        ))
    }

    /// Takes what a contact grants beside a message, unless an older one comes late.
    pub(super) fn on_grant(&mut self, sender: PublicKey, grant: Grant) {
        if let Some(contact) = self.disk.contacts.get_mut(&sender)
            && contact
                .grant
                .as_ref()
                .is_none_or(|known| grant.last_epoch() >= known.last_epoch())
        {
            contact.grant = Some(grant);
        }
    }

    /// Takes a contact's word that messages have arrived.
    pub(super) fn on_word(&mut self, now: UnixMillis, sender: PublicKey, ids: &[MessageId]) {
        for id in ids {
            if self.disk.sent.get(id) == Some(&sender) {
                self.send_out(now, outbox::Input::Delivered(*id));
            }
        }
    }
}
