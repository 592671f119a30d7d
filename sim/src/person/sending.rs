//! From words to envelopes at keepers.

use std::collections::BTreeMap;

use bytes::Bytes;
use restante_proto::{
    ItemId, NodeId,
    card::{Card, VerifiedCard},
    envelope::{self, Lifetime, Recipient},
    keys::PublicKey,
    limits::{DAY_MS, HOUR_MS, MESSAGE_TTL_MAX_MS, REPLICAS, SECOND_MS},
    mailbox::{Mailbox, Rule},
    message::{Content, Message, MessageId},
    outbox::{self, Outgoing as Posted},
    placement::{CANDIDATES, Standing},
    receipt::Claim,
    request::{Admission, Request, Response},
    stamp::{Challenge, CheapForTests, EFFORT_DEFAULT, Stamp, StampScheme as _},
    time::UnixMillis,
};

use super::{
    Call, Fact, Person,
    disk::{Draft, Outgoing},
};

/// How old a contact's card may be before it is looked up again, in milliseconds, as in the node.
const CARD_FRESH_MS: u64 = DAY_MS + HOUR_MS;
/// When somebody who could not be found is looked up again, in milliseconds: a person tries once
/// more.
const DRAFT_RETRY_MS: u64 = 30 * SECOND_MS;
/// How long a word is looked after once it is stored, in milliseconds, as in the node.
const WORD_KEPT_MS: u64 = DAY_MS;
/// The longest time a stamp takes, in milliseconds.
const STAMP_MS: u64 = 2 * SECOND_MS;
/// Tries of one cheap stamp, 256 on average.
const STAMP_ATTEMPTS: u64 = 1 << 16;

impl Person {
    /// Writes a message; it is sealed once there is a card to seal it to.
    pub(crate) fn write(&mut self, now: UnixMillis, to: PublicKey, body: Bytes, ttl_ms: u64) {
        let message = MessageId::random(&mut self.random);
        self.tell(Fact::Written {
            message,
            to,
            body: body.clone(),
        });
        self.disk.drafts.push(Draft {
            message,
            to,
            body,
            ttl_ms,
            due: now,
        });
        self.send_drafts(now);
    }

    /// Seals what can be sealed, and looks up the others.
    pub(super) fn send_drafts(&mut self, now: UnixMillis) {
        let mut due: Vec<PublicKey> = Vec::new();
        for draft in self.disk.drafts.iter_mut().filter(|draft| draft.due <= now) {
            draft.due = now.plus(DRAFT_RETRY_MS);
            due.push(draft.to);
        }
        for to in due {
            let card = self
                .disk
                .contacts
                .get(&to)
                .and_then(|contact| contact.card(now));
            match card.filter(|card| now.since(card.card().issued) < CARD_FRESH_MS) {
                Some(_) => self.send_drafts_to(now, to),
                None => self.resolve(now, to),
            }
        }
    }

    /// Seals all drafts for one contact, if a card of it is known.
    pub(super) fn send_drafts_to(&mut self, now: UnixMillis, to: PublicKey) {
        let card = self
            .disk
            .contacts
            .get(&to)
            .and_then(|contact| contact.card(now));
        let Some(card) = card else { return };
        let all = std::mem::take(&mut self.disk.drafts);
        let (due, other) = all.into_iter().partition(|draft| draft.to == to);
        self.disk.drafts = other;
        let due: Vec<Draft> = due;
        for draft in due {
            let content = Content::Text {
                body: draft.body,
                burn_ms: 0,
                file_name: String::new(),
            };
            self.disk.sent.insert(draft.message, to);
            let expires = now.plus(draft.ttl_ms);
            let message = Message::new(&self.disk.identity, draft.message, now, content);
            let message = self.introduce(now, card.card(), message);
            self.send(now, &card, message, expires);
        }
    }

    /// Puts a grant beside a text to somebody who has never been heard from, as the node does.
    fn introduce(&mut self, now: UnixMillis, card: &Card, message: Message) -> Message {
        let to = card.account;
        let contact = self.disk.contacts.get(&to);
        let granted = contact.and_then(|contact| contact.grant.as_ref());
        if granted.is_some_and(|grant| grant.mailbox(now.epoch()).is_some()) {
            return message;
        }
        let Some(grant) = self.grant_to(now, card) else {
            return message;
        };
        let message = envelope::with_grant(message, grant);
        if let (Some(grant), Some(contact)) = (&message.grant, self.disk.contacts.get_mut(&to)) {
            contact.granted = Some(grant.last_epoch());
        }
        message
    }

    /// Makes a message that says this.
    pub(super) fn message(&mut self, now: UnixMillis, content: Content) -> Message {
        let id = MessageId::random(&mut self.random);
        Message::new(&self.disk.identity, id, now, content)
    }

    /// Seals a message, commits it, and starts bringing it out.
    pub(super) fn send(
        &mut self,
        now: UnixMillis,
        card: &VerifiedCard,
        message: Message,
        expires: UnixMillis,
    ) {
        let card = card.card();
        let Some(device) = card.devices.first() else {
            return;
        };
        let (id, awaits_word) = (message.id, matches!(message.content, Content::Text { .. }));
        let identity = self.disk.identity.clone();
        let contact = self.disk.contacts.get(&card.account);
        let granted = contact.and_then(|contact| contact.grant.as_ref()?.mailbox(now.epoch()));
        let first = Mailbox {
            owner: device.first_contact,
            rule: Rule::Stamp,
            epoch: now.epoch(),
        };
        let mailbox = granted.as_ref().map_or(first, |(mailbox, _)| *mailbox);
        let recipient = Recipient {
            account: card.account,
            device: device.certificate.device,
            prekey: &device.prekey,
        };
        let times = Lifetime { now, expires };
        let sealed = envelope::seal(
            &message,
            &identity,
            &recipient,
            mailbox,
            times,
            &mut self.random,
        );
        let Ok(envelope) = sealed else { return };
        let item = envelope.id();
        let admission = granted.map(|(mailbox, capability)| {
            Admission::Capability(capability.prove(&mailbox.address(), &item, expires))
        });
        let (to, text) = (card.account, awaits_word);
        self.tell(Fact::Sealed {
            message: id,
            to,
            text,
            envelope: envelope.clone(),
        });
        let receipts = BTreeMap::new();
        let outgoing = Outgoing {
            message: id,
            envelope,
            admission,
            receipts,
            awaits_word,
        };
        self.disk.outgoing.insert(item, outgoing);
        self.bring_out(now, item);
    }

    /// Takes up what was under way before an absence.
    pub(super) fn resume_outbox(&mut self, now: UnixMillis) {
        let items: Vec<ItemId> = self.disk.outgoing.keys().copied().collect();
        for item in items {
            self.bring_out(now, item);
        }
    }

    fn bring_out(&mut self, now: UnixMillis, item: ItemId) {
        let Some(outgoing) = self.disk.outgoing.get(&item) else {
            return;
        };
        if outgoing.admission.is_none() {
            let ms = self.random.between(1, STAMP_MS);
            return self.work(ms, Call::Stamp(item));
        }
        let posted = Posted {
            message: outgoing.message,
            envelope: item,
            mailbox: outgoing.envelope.mailbox,
            expires: outgoing.envelope.expires,
            receipts: outgoing.receipts.clone(),
        };
        // A full outbox keeps the envelope on the disk until the next start, as the node does.
        if let Ok(outputs) = self.run.outbox.add(super::both(now), posted) {
            self.do_outbox(now, outputs);
        }
    }

    pub(super) fn stamp(&mut self, challenge: &Challenge) -> Option<Stamp> {
        let seed: [u8; 24] = self.random.bytes();
        CheapForTests.solve(challenge, &seed, EFFORT_DEFAULT, STAMP_ATTEMPTS)
    }

    pub(super) fn on_stamped(&mut self, now: UnixMillis, item: ItemId) {
        let Some(outgoing) = self.disk.outgoing.get(&item) else {
            return;
        };
        let envelope = &outgoing.envelope;
        let challenge = Challenge::envelope(&envelope.mailbox.address(), &item, envelope.expires);
        let stamp = self.stamp(&challenge);
        if let (Some(outgoing), Some(stamp)) = (self.disk.outgoing.get_mut(&item), stamp) {
            outgoing.admission = Some(Admission::Stamp(stamp));
            self.bring_out(now, item);
        }
    }

    /// Gives the outbox an input and does what it says.
    pub(super) fn send_out(&mut self, now: UnixMillis, input: outbox::Input) {
        let outputs = self.run.outbox.handle(super::both(now), input);
        self.do_outbox(now, outputs);
    }

    fn do_outbox(&mut self, now: UnixMillis, outputs: Vec<outbox::Output>) {
        for output in outputs {
            match output {
                outbox::Output::Find(item, mailbox) => {
                    self.look_up(mailbox.address(), CANDIDATES, Call::OutboxFound(item));
                }
                outbox::Output::Deposit(item, keeper) => self.deposit(now, item, keeper),
                outbox::Output::Offer(item, keeper) => self.offer(item, keeper),
                outbox::Output::Standing(item, standing) => self.on_standing(now, item, standing),
                outbox::Output::Delivered(item, message) => {
                    self.disk.outgoing.remove(&item);
                    self.tell(Fact::Delivered { message });
                }
                outbox::Output::Expired(item, message) => {
                    let ended = self.disk.outgoing.remove(&item);
                    if ended.is_some_and(|ended| ended.awaits_word) {
                        self.tell(Fact::Expired { message });
                    }
                }
            }
        }
    }

    fn deposit(&mut self, now: UnixMillis, item: ItemId, keeper: NodeId) {
        let Some(outgoing) = self.disk.outgoing.get(&item) else {
            return;
        };
        let Some(admission) = outgoing.admission.clone() else {
            return self.send_out(now, outbox::Input::Failed(item, keeper));
        };
        let nonce = self.random.bytes();
        let envelope = &outgoing.envelope;
        let claim = Claim {
            address: envelope.mailbox.address(),
            id: item,
            nonce,
        };
        let request = Request::DepositEnvelope {
            mailbox: envelope.mailbox,
            expires: envelope.expires,
            envelope: envelope.bytes.clone(),
            nonce,
            admission,
        };
        self.ask(keeper, request, Call::Deposit(item, keeper, claim));
    }

    fn offer(&mut self, item: ItemId, keeper: NodeId) {
        let Some(outgoing) = self.disk.outgoing.get(&item) else {
            return;
        };
        let nonce = self.random.bytes();
        let mailbox = outgoing.envelope.mailbox;
        let claim = Claim {
            address: mailbox.address(),
            id: item,
            nonce,
        };
        let request = Request::Offer {
            mailbox,
            id: item,
            nonce,
        };
        self.ask(keeper, request, Call::Deposit(item, keeper, claim));
    }

    pub(super) fn on_deposited(
        &mut self,
        now: UnixMillis,
        item: ItemId,
        keeper: NodeId,
        claim: &Claim,
        answer: Option<Response>,
    ) {
        let expires = self
            .disk
            .outgoing
            .get(&item)
            .map(|outgoing| outgoing.envelope.expires);
        let input = match answer {
            // A receipt that ends before the item is worth nothing.
            Some(Response::Receipt(receipt))
                if receipt.verify(&keeper, claim).is_ok() && Some(receipt.until) >= expires =>
            {
                outbox::Input::Receipt(item, keeper, receipt.until)
            }
            Some(Response::Unknown) => outbox::Input::Unknown(item, keeper),
            _ => outbox::Input::Failed(item, keeper),
        };
        self.send_out(now, input);
    }

    fn on_standing(&mut self, now: UnixMillis, item: ItemId, standing: Standing) {
        let Some(outgoing) = self.disk.outgoing.get_mut(&item) else {
            return;
        };
        outgoing.receipts = self.run.outbox.receipts(&item).cloned().unwrap_or_default();
        let (message, awaits_word) = (outgoing.message, outgoing.awaits_word);
        let expires = outgoing.envelope.expires;
        self.tell(Fact::Standing {
            message,
            envelope: item,
            standing,
        });
        let everywhere = standing.with == standing.of && standing.of >= REPLICAS;
        let age_ms = MESSAGE_TTL_MAX_MS.saturating_sub(expires.since(now));
        if everywhere && !awaits_word && age_ms >= WORD_KEPT_MS {
            self.run.outbox.remove(&item);
            self.disk.outgoing.remove(&item);
        }
    }
}
