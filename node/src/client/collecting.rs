//! From envelopes at keepers to committed messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use restante_interface::ContactState;
use restante_proto::account::PersonId;
use restante_proto::collector::{self, watched_epochs};
use restante_proto::envelope::{self, Lifetime, OpenFault, OpenerIdentity, VerifiedMessage};
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::message::{Content, Grant, Message, MessageId};
use restante_proto::person::IdCost;
use restante_proto::placement::CANDIDATES;
use restante_proto::request::{Push, Waiting};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};
use tracing::debug;

use super::exchange;
use super::rows::{Account, Contact};
use super::store::{Effect, HeaderDraft, Received};
use super::{Client, Done};
use crate::clock;

/// Mailboxes of one device in one epoch that contacts deposit into.
pub(super) const DEVICE_MAILBOXES: u8 = 2;
/// Messages kept at once; further ones stay at the keepers.
const INBOX_COUNT_MAX: usize = 10_000;

/// An envelope after it was opened, or not.
pub(super) struct Opened {
    id: ItemId,
    expires: UnixMillis,
    result: Result<(VerifiedMessage, PersonId), OpenFault>,
}

impl Client {
    /// Watches the mailboxes of the present epochs, and those of past ones as long as mail can wait there.
    pub(super) fn watch_mailboxes(&mut self, now: UnixMillis) {
        let granted = self
            .contacts
            .values()
            .any(|contact| contact.granted.is_some());
        let wanted = watched_epochs(now, now.epoch()).next();
        let wanted = wanted.map(|last| (now.epoch(), last, granted));
        if self.watching == wanted {
            return;
        }
        self.watching = wanted;
        let identity = &self.account.identity;
        // A clock that was ahead when the account was made must not hide the present.
        let since = self.account.created.epoch().min(now.epoch()).minus(1);
        let mut mailboxes = Vec::new();
        for epoch in watched_epochs(now, since) {
            mailboxes.push(identity.first_contact_mailbox(epoch));
            if granted {
                let own = (0..DEVICE_MAILBOXES).map(|index| identity.device_mailbox(epoch, index));
                mailboxes.extend(own);
            }
        }
        self.collect(now, collector::Input::Watch(mailboxes));
    }

    /// Gives the collector an input and does what it says.
    pub(super) fn collect(&mut self, now: UnixMillis, input: collector::Input) {
        let outputs = self.collector.handle(now, input);
        let mut opening: Vec<(Mailbox, ItemId, Waiting)> = Vec::new();
        for output in outputs {
            match output {
                collector::Output::Open(mailbox, id, item) => opening.push((mailbox, id, item)),
                other => self.do_collector(other),
            }
        }
        if let Some((mailbox, _, _)) = opening.first() {
            self.open_all(*mailbox, opening);
        }
    }

    fn do_collector(&mut self, output: collector::Output) {
        let services = self.services.clone();
        match output {
            collector::Output::Find(mailbox) => self.spawn(async move {
                let at = mailbox.address();
                Done::MailFound(at, services.holders(at, CANDIDATES).await)
            }),
            collector::Output::AskNeighbours(mailbox, keeper) => self.spawn(async move {
                let at = mailbox.address();
                Done::Neighbours(at, keeper, services.neighbours(keeper, at).await)
            }),
            collector::Output::Subscribe(mailbox, keeper) => {
                let owner = self.owner_of(&mailbox);
                self.spawn(async move {
                    let until = exchange::subscribe(services, keeper, owner, mailbox).await;
                    Done::Subscribed(mailbox.address(), keeper, until)
                });
            }
            collector::Output::List(mailbox, keeper, after) => {
                let owner = self.owner_of(&mailbox);
                self.spawn(async move {
                    let listing = exchange::list(services, keeper, owner, mailbox, after).await;
                    Done::Listed(mailbox.address(), keeper, listing)
                });
            }
            collector::Output::Get(mailbox, keeper, ids) => {
                let owner = self.owner_of(&mailbox);
                self.spawn(async move {
                    let items = exchange::get(services, keeper, owner, mailbox, ids.clone()).await;
                    Done::Got(mailbox.address(), keeper, ids, items)
                });
            }
            collector::Output::Ack(mailbox, keeper, ids) => {
                let owner = self.owner_of(&mailbox);
                self.spawn(async move {
                    if exchange::ack(services, keeper, owner, mailbox, ids).await {
                        return Done::Nothing;
                    }
                    debug!("a keeper did not take an ack");
                    Done::NotAcked(mailbox.address())
                });
            }
            // Gathered by the caller, so that one batch is one commit.
            collector::Output::Open(mailbox, id, item) => {
                self.open_all(mailbox, vec![(mailbox, id, item)]);
            }
        }
    }

    fn owner_of(&self, mailbox: &Mailbox) -> SecretKey {
        let identity = &self.account.identity;
        if mailbox.rule == Rule::Stamp {
            return identity.first_contact();
        }
        (0..DEVICE_MAILBOXES)
            .map(|index| identity.device_mailbox_owner(mailbox.epoch, index))
            .find(|owner| owner.public() == mailbox.owner)
            .unwrap_or_else(|| identity.first_contact())
    }

    pub(super) fn on_push(&mut self, now: UnixMillis, keeper: NodeId, payload: &[u8]) {
        match Push::decode(payload) {
            Ok(push) => {
                let (id, item) = exchange::named(push.item);
                self.collect(
                    now,
                    collector::Input::Pushed(push.mailbox, keeper, id, item),
                );
            }
            Err(fault) => debug!(%fault, "a keeper's push does not decode"),
        }
    }

    /// Opens envelopes of one mailbox in the processor's lane.
    fn open_all(&mut self, mailbox: Mailbox, items: Vec<(Mailbox, ItemId, Waiting)>) {
        let services = self.services.clone();
        let account = Arc::clone(&self.account);
        let prekeys = Arc::clone(&self.prekeys);
        let known = Arc::clone(&self.known_ids);
        let address = mailbox.address();
        let ids = items.iter().map(|(_, id, _)| *id).collect();
        self.spawn(async move {
            let cost = services.cost;
            let opened = services.cpu.run(move || {
                let open = |(mailbox, id, item): (Mailbox, ItemId, Waiting)| Opened {
                    id,
                    expires: item.expires,
                    result: open_one(&account, &mailbox, &item, prekeys.iter()).map(|message| {
                        let sender = message.message();
                        let from = known.get(&sender.sender).cloned();
                        let from = from.unwrap_or_else(|| id_of(sender, cost));
                        (message, from)
                    }),
                };
                items.into_iter().map(open).collect()
            });
            match opened.await {
                Ok(opened) => Done::Opened(address, opened),
                Err(_) => Done::NotOpened(address, ids),
            }
        });
    }

    /// Commits what was opened, and only then lets the collector ack it.
    pub(super) async fn on_opened(
        &mut self,
        now: UnixMillis,
        mailbox: Address,
        mut opened: Vec<Opened>,
    ) {
        // Identifiers come in no order; what was written first is shown first.
        opened.sort_by_key(|opened| opened.result.as_ref().ok().map(|(m, _)| m.message().sent));
        let mut batch: Vec<Received> = Vec::new();
        for item in opened {
            let Opened {
                id,
                expires,
                result,
            } = item;
            match self.effect_of(now, result, &batch).await {
                Some((effect, contact)) => batch.push(Received {
                    mailbox,
                    envelope: id,
                    expires,
                    effect,
                    contact,
                }),
                None => self.collect(now, collector::Input::Deferred(mailbox, id)),
            }
        }
        if batch.is_empty() {
            return;
        }
        let taken = batch
            .iter()
            .map(|received| (received.envelope, received.expires))
            .collect();
        let words: Vec<_> = batch.iter().filter_map(word_of).collect();
        let seen: Vec<_> = batch.iter().filter_map(name_of).collect();
        let ids: Vec<ItemId> = batch.iter().map(|received| received.envelope).collect();
        let store = self.store.clone();
        let committed = self.commit(move || {
            let headers = store.commit_received(&batch)?;
            Ok((headers, batch))
        });
        let Some((headers, batch)) = committed.await else {
            return self.defer(now, mailbox, ids);
        };
        self.seen.extend(seen);
        for (arrival, header) in headers {
            self.inbox.insert(arrival, header);
        }
        for received in batch {
            if let Some(contact) = received.contact {
                self.contacts.insert(contact.account, contact);
            }
            if let Effect::Word { sent, .. } = received.effect {
                self.on_word(now, sent);
            }
        }
        self.gather_words(now, words);
        self.collect(now, collector::Input::Taken(mailbox, taken));
        self.answer_readers(now).await;
    }

    /// Leaves envelopes where they are, to be tried again.
    pub(super) fn defer(&mut self, now: UnixMillis, mailbox: Address, ids: Vec<ItemId>) {
        for id in ids {
            self.collect(now, collector::Input::Deferred(mailbox, id));
        }
    }

    /// Decides what an envelope changes, of its sender too; nothing if it must stay where it is for now.
    async fn effect_of(
        &mut self,
        now: UnixMillis,
        result: Result<(VerifiedMessage, PersonId), OpenFault>,
        batch: &[Received],
    ) -> Option<(Effect, Option<Contact>)> {
        let (message, from) = match result {
            Ok(opened) => opened,
            Err(fault) => {
                debug!(%fault, "an envelope does not open");
                return is_worthless(&fault).then_some((Effect::Nothing, None));
            }
        };
        let expires = message.expires();
        let Message {
            sender,
            id,
            sent,
            content,
            grant,
            ..
        } = message.into_message();
        let state = self.contacts.get(&sender).map(|contact| contact.state);
        if state == Some(ContactState::Blocked) {
            return Some((Effect::Nothing, None));
        }
        let (body, burn_ms, file_name) = match content {
            Content::Text {
                body,
                burn_ms,
                file_name,
            } => (body, burn_ms, file_name),
            Content::Delivered { ids } if state == Some(ContactState::Accepted) => {
                let contact = self.contact_heard(now, &sender, grant, batch);
                return Some((self.word_effect(sender, ids), contact));
            }
            Content::Delivered { .. } => return Some((Effect::Nothing, None)),
        };
        if self.is_known(&(sender, id), batch) {
            return Some((Effect::Nothing, None));
        }
        if self.inbox.len() + batch.len() >= INBOX_COUNT_MAX {
            return None;
        }
        if !self
            .ensure_contact(now, &from, sender, ContactState::Request)
            .await
        {
            return None;
        }
        let arrival = self.next_arrival(batch);
        let header = Box::new(HeaderDraft {
            sender,
            message: id,
            from,
            received: now,
            sent,
            expires: expires.min(now.plus(self.settings.retention_ms)),
            burn_ms,
            file_name,
        });
        let effect = Effect::Message {
            arrival,
            header,
            body: copied(&body),
            word: state == Some(ContactState::Accepted),
        };
        Some((effect, self.contact_after(&sender, grant, batch)))
    }

    /// Tells whether a message was taken before, or is in `batch`.
    fn is_known(&self, named: &(PublicKey, MessageId), batch: &[Received]) -> bool {
        let in_batch = batch.iter().any(|received| match &received.effect {
            Effect::Message { header, .. } => (header.sender, header.message) == *named,
            Effect::Nothing | Effect::Word { .. } => false,
        });
        let is_known = in_batch || self.seen.contains_key(named);
        #[cfg(feature = "planted")]
        let is_known = is_known && !restante_proto::planted::Planted::NoDedup.is_here();
        is_known
    }

    /// Returns a contact with what it grants beside a message, if that is new.
    fn contact_after(
        &self,
        account: &PublicKey,
        grant: Option<Grant>,
        batch: &[Received],
    ) -> Option<Contact> {
        contact_in(&self.contacts, account, batch)?.granting(grant?)
    }

    /// Returns a contact that has just been heard of, with what it grants.
    fn contact_heard(
        &self,
        now: UnixMillis,
        account: &PublicKey,
        grant: Option<Grant>,
        batch: &[Received],
    ) -> Option<Contact> {
        let contact = self.contact_after(account, grant, batch);
        let contact = contact.or_else(|| contact_in(&self.contacts, account, batch).cloned())?;
        Some(Contact {
            last_seen: Some(now),
            ..contact
        })
    }

    fn next_arrival(&self, batch: &[Received]) -> u64 {
        let in_batch = batch.iter().filter_map(|received| match received.effect {
            Effect::Message { arrival, .. } => Some(arrival),
            Effect::Nothing | Effect::Word { .. } => None,
        });
        let stored = self.inbox.keys().next_back().copied();
        let now = self.services.clock.now().get();
        in_batch
            .chain(stored)
            .max()
            .map_or(now, |last| now.max(last + 1))
    }
}

/// Returns a contact as it is once `batch` is committed.
pub(super) fn contact_in<'a>(
    contacts: &'a BTreeMap<PublicKey, Contact>,
    account: &PublicKey,
    batch: &'a [Received],
) -> Option<&'a Contact> {
    let changed = batch
        .iter()
        .rev()
        .filter_map(|received| received.contact.as_ref())
        .find(|contact| contact.account == *account);
    changed.or_else(|| contacts.get(account))
}

/// Lets go of the envelope's buffer around a body.
fn copied(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

/// Tells whether an envelope that does not open may go: whatever it is, nobody will ever open it.
///
/// One that a keeper handed over with another expiry is as good as ever at the others, and one of a later version will
/// open after an update.
const fn is_worthless(fault: &OpenFault) -> bool {
    !matches!(
        fault,
        OpenFault::OtherExpiry | OpenFault::Version(..) | OpenFault::Expired
    )
}

/// Returns what duplicates of a message are known by, for as long as one can come.
fn name_of(received: &Received) -> Option<((PublicKey, MessageId), UnixMillis)> {
    match &received.effect {
        Effect::Message { header, .. } => Some(((header.sender, header.message), received.expires)),
        Effect::Nothing | Effect::Word { .. } => None,
    }
}

fn word_of(received: &Received) -> Option<(PublicKey, MessageId)> {
    match &received.effect {
        Effect::Message {
            header, word: true, ..
        } => Some((header.sender, header.message)),
        _ => None,
    }
}

fn open_one<'a>(
    account: &Account,
    mailbox: &Mailbox,
    item: &Waiting,
    prekeys: impl Iterator<Item = &'a restante_proto::prekey::PrekeySecret>,
) -> Result<VerifiedMessage, OpenFault> {
    let lifetime = Lifetime {
        now: clock::now(),
        expires: item.expires,
    };
    let opener = OpenerIdentity::from(&account.identity);
    envelope::open(&item.envelope, mailbox, lifetime, &opener, prekeys)
}

/// Computes the ID a stranger goes by: the tag cannot be claimed, only computed.
fn id_of(message: &Message, cost: IdCost) -> PersonId {
    PersonId::of(&message.sender, message.handle.clone(), cost)
}
