//! Words: telling contacts that their messages have arrived, and what they may deposit without stamps.

use std::collections::BTreeSet;

use restante_interface::{ContactState, DeliveryState};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{
    DELIVERED_COUNT_MAX, GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS, MINUTE_MS, SECOND_MS,
};
use restante_proto::message::{Content, Grant, Message, MessageId};
use restante_proto::outbox;
use restante_proto::time::{Epoch, UnixMillis};
use tracing::debug;

use super::Client;
use super::rows::{Contact, Sent};
use super::sending::{Intent, Letters};
use super::store::Effect;

/// How long words for a contact are gathered before they are sent, in milliseconds: one envelope says several things.
pub const GATHER_MS: u64 = SECOND_MS;
/// The pause after words could not be sent, in milliseconds.
const RETRY_MS: u64 = 10 * MINUTE_MS;
/// Epochs left of a grant at which it is renewed.
const RENEW_EPOCHS: u32 = 6;

impl Client {
    /// Notes words that are due, on disk too, and sends them soon.
    pub(super) async fn owe_words(&mut self, now: UnixMillis, words: Vec<(PublicKey, MessageId)>) {
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
            self.words_due_by(now.plus(GATHER_MS));
        }
    }

    fn words_due_by(&mut self, due: UnixMillis) {
        self.words_due = Some(self.words_due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Tells everybody who is to hear something, and looks those up whose cards are old.
    pub(super) async fn send_words(&mut self, now: UnixMillis) {
        self.words_due = None;
        let accounts: BTreeSet<PublicKey> =
            self.words.iter().map(|(account, _)| *account).collect();
        for account in accounts {
            let Some(contact) = self.contacts.get(&account) else {
                continue;
            };
            if contact.state != ContactState::Accepted {
                continue;
            }
            let is_known = contact.fresh_card(now).is_some();
            self.words_due_by(now.plus(RETRY_MS));
            if is_known {
                self.on_words_resolved(now, account).await;
            } else {
                self.resolve(Intent::Words(account));
            }
        }
    }

    /// Seals the words due to one contact.
    pub(super) async fn on_words_resolved(&mut self, now: UnixMillis, account: PublicKey) {
        let Some(contact) = self.contacts.get(&account) else {
            return;
        };
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
        let content = Content::Delivered { ids };
        let message = Message::new(
            &self.account.identity,
            MessageId::random(&mut rand::rng()),
            now,
            content,
        );
        let message = message.granting(grant);
        // As long as the message they are about may have been under way.
        let expires = now.plus(MESSAGE_TTL_MAX_MS);
        let sealed = match self.seal_for(now, &card, &message, expires) {
            Ok(sealed) => sealed,
            Err(fault) => {
                debug!(%fault, "words cannot be sealed");
                return;
            }
        };
        // With the grant on disk its mailboxes are watched, and only then does it leave.
        let contact = granted.map(|last| Contact {
            granted: Some(last),
            ..contact.clone()
        });
        let letters = Letters {
            sealed,
            words,
            contact,
            ..Letters::default()
        };
        self.commit_outgoing(now, letters).await;
        if self.words.iter().any(|(to, _)| *to == account) {
            self.words_due_by(now.plus(GATHER_MS));
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
        let lasts = granted.is_some_and(|last| last > present.plus(RENEW_EPOCHS));
        (!lasts).then(|| self.grant_to(now, account))
    }

    /// Returns a grant for `account` from today on.
    pub(super) fn grant_to(&self, now: UnixMillis, account: &PublicKey) -> Grant {
        Grant::issue(
            &self.account.identity,
            account,
            mailbox_index(account),
            now.epoch(),
            GRANT_EPOCHS_MAX,
        )
    }

    /// Returns what a contact's word changes: which messages have arrived.
    pub(super) fn word_effect(&self, sender: PublicKey, ids: Vec<MessageId>) -> Effect {
        let own = |id: &MessageId| self.sent.get(id).is_some_and(|sent| sent.to == sender);
        let delivered: BTreeSet<MessageId> = ids.into_iter().filter(own).collect();
        let ended = self
            .outgoing
            .iter()
            .filter(|(_, out)| delivered.contains(&out.message));
        let ended = ended.map(|(id, _)| *id).collect();
        let sent = delivered.into_iter().filter_map(|id| {
            let sent = self.sent.get(&id)?.clone();
            Some((
                id,
                Sent {
                    state: DeliveryState::Delivered,
                    ..sent
                },
            ))
        });
        Effect::Word {
            ended,
            sent: sent.collect(),
        }
    }

    /// Takes a word that is committed.
    pub(super) fn on_word(&mut self, now: UnixMillis, sent: Vec<(MessageId, Sent)>) {
        for (id, sent) in sent {
            self.sent.insert(id, sent);
            self.send_out(now, outbox::Input::Delivered(id));
        }
    }
}

/// Returns which of the device's two mailboxes a contact deposits into.
pub(super) fn mailbox_index(account: &PublicKey) -> u8 {
    account.as_bytes()[0] % super::collecting::DEVICE_MAILBOXES
}
