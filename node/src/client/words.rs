//! Words: telling contacts that their messages have arrived, and what they may deposit without stamps.

use std::collections::{BTreeMap, BTreeSet};

use restante_proto::keys::PublicKey;
use restante_proto::limits::{DELIVERED_COUNT_MAX, GRANT_EPOCHS_MAX, MESSAGE_TTL_DEFAULT_MS, SECOND_MS};
use restante_proto::message::{Content, Grant, MessageId};
use restante_proto::time::{Epoch, UnixMillis};
use tracing::debug;

use super::sending::Intent;
use super::Client;
use crate::control::report::ContactState;

/// How long words are gathered before they are sent, in milliseconds: one envelope says several things.
const GATHER_MS: u64 = SECOND_MS;
/// The pause after words could not be sent, in milliseconds.
const RETRY_MS: u64 = 60 * SECOND_MS;
/// Epochs left of a grant at which it is renewed.
const RENEW_EPOCHS: u32 = 6;

impl Client {
    /// Notes words that are due, on disk too, and sends them soon.
    pub(super) async fn owe_words(
        &mut self,
        now: UnixMillis,
        words: Vec<(PublicKey, MessageId)>,
    ) {
        if words.is_empty() {
            return;
        }
        let store = self.store.clone();
        let rows = words.clone();
        if self.commit(move || store.put_words(&rows)).await.is_some() {
            self.gather_words(now, words);
        }
    }

    /// Takes up words that are on the disk already.
    pub(super) fn gather_words(
        &mut self,
        now: UnixMillis,
        words: impl IntoIterator<Item = (PublicKey, MessageId)>,
    ) {
        let before = self.words.len();
        self.words.extend(words);
        if self.words.len() > before {
            self.words_due.get_or_insert_with(|| now.plus(GATHER_MS));
        }
    }

    /// Looks up everybody who is to hear something.
    pub(super) fn send_words(&mut self, now: UnixMillis) {
        self.words_due = None;
        let accounts: BTreeSet<PublicKey> = self.words.iter().map(|(account, _)| *account).collect();
        for account in accounts {
            let Some(contact) = self.contacts.get(&account) else { continue };
            if contact.state != ContactState::Accepted {
                continue;
            }
            self.words_due.get_or_insert_with(|| now.plus(RETRY_MS));
            self.resolve(Intent::Words(account));
        }
    }

    /// Seals the words due to one contact.
    pub(super) async fn on_words_resolved(&mut self, now: UnixMillis, account: PublicKey) {
        let Some(contact) = self.contacts.get(&account) else { return };
        let Some(card) = contact.card(now) else {
            debug!("a contact cannot be told yet that its messages arrived");
            return;
        };
        let due = self.words.iter().filter(|(to, _)| *to == account);
        let words: Vec<(PublicKey, MessageId)> = due.take(DELIVERED_COUNT_MAX).copied().collect();
        if words.is_empty() {
            return;
        }
        let grant = self.grant_due(now, &account, contact.granted);
        let granted = grant.as_ref().map(Grant::last_epoch);
        let ids = words.iter().map(|(_, message)| *message).collect();
        let content = Content::Delivered { ids, grant };
        let message = MessageId::random(&mut rand::rng());
        let expires = now.plus(MESSAGE_TTL_DEFAULT_MS);
        let sealed = match self.seal_for(now, &card, message, expires, &content, false) {
            Ok(sealed) => sealed,
            Err(fault) => {
                debug!(%fault, "words cannot be sealed");
                return;
            }
        };
        if granted.is_some() {
            let mut contact = contact.clone();
            contact.granted = granted;
            // Before the grant leaves: from then on the mailboxes in it are watched.
            if !self.put_contact(contact).await {
                return;
            }
        }
        self.commit_outgoing(now, sealed, None, words).await;
        if self.words.iter().any(|(to, _)| *to == account) {
            self.words_due.get_or_insert_with(|| now.plus(GATHER_MS));
        } else if self.words.is_empty() {
            self.words_due = None;
        }
    }

    /// Returns a grant for `account` when it has none, or one that ends soon.
    fn grant_due(
        &self,
        now: UnixMillis,
        account: &PublicKey,
        granted: Option<Epoch>,
    ) -> Option<Grant> {
        let present = now.epoch();
        if granted.is_some_and(|last| last > present.plus(RENEW_EPOCHS)) {
            return None;
        }
        let identity = &self.account.identity;
        Some(Grant::issue(identity, account, mailbox_index(account), present, GRANT_EPOCHS_MAX))
    }

    /// Takes a contact's word that messages have arrived, and what it grants.
    pub(super) async fn on_word(
        &mut self,
        now: UnixMillis,
        sender: PublicKey,
        ids: Vec<MessageId>,
        grant: Option<Grant>,
    ) {
        if let (Some(contact), Some(grant)) = (self.contacts.get(&sender), grant) {
            let mut contact = contact.clone();
            contact.grant = Some(grant);
            contact.last_seen = Some(now);
            self.put_contact(contact).await;
        }
        let by_recipient: BTreeMap<MessageId, bool> = ids
            .into_iter()
            .map(|id| (id, self.sent.get(&id).is_some_and(|sent| sent.to == sender)))
            .collect();
        for (id, right) in by_recipient {
            if right {
                self.send_out(now, restante_proto::outbox::Input::Delivered(id));
            }
        }
    }
}

/// Returns which of the device's two mailboxes a contact deposits into.
pub(super) fn mailbox_index(account: &PublicKey) -> u8 {
    account.as_bytes()[0] % super::collecting::DEVICE_MAILBOXES
}
