//! From a person's words to envelopes at keepers.

use restante_interface::{
    ContactState, DeliveryState, Refusal, Reply, SEND_ANSWER_MS, SendNote, SendRequest, SendResult,
    Stored,
};
use restante_proto::account::PersonId;
use restante_proto::card::VerifiedCard;
use restante_proto::envelope::{self, Lifetime, Recipient, SealFault};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{MESSAGE_TTL_MAX_MS, REPLICAS};
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::message::{Content, Message, MessageId};
use restante_proto::outbox;
use restante_proto::placement::Standing;
use restante_proto::request::Admission;
use restante_proto::time::UnixMillis;

use super::contacts::{Who, parse_who};
use super::directory::{Before, Resolution, ResolveFault};
use super::rows::{Contact, OutgoingEnvelope, Postage, Sent};
use super::{Client, Done};
use crate::control::Answer;

/// How long a message that is stored waits for the last receipts before its sender is told, in milliseconds.
const LAST_RECEIPTS_MS: u64 = 1_500;
/// Messages under way, at most, as an outbox holds envelopes.
const SENDS_MAX: usize = outbox::OUTBOX_COUNT_MAX;

/// What is to be done once an ID is resolved.
pub(super) enum Intent {
    /// Send this.
    Send {
        who: Who,
        request: SendRequest,
        answer: Answer,
    },
    /// Make a contact.
    Add {
        who: Who,
        petname: Option<String>,
        answer: Answer,
    },
    /// Send the words due to this contact.
    Words(PublicKey),
}

/// What leaves together, and what changes with it: on disk all of it or nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Letters {
    /// The envelopes of one message.
    pub(super) sealed: Vec<OutgoingEnvelope>,
    /// The message, if it is a person's own.
    pub(super) sent: Option<(MessageId, Sent)>,
    /// Words that are due no longer.
    pub(super) words: Vec<(PublicKey, MessageId)>,
    /// The contact as it is from now on.
    pub(super) contact: Option<Contact>,
}

/// A `send` that has not been answered yet.
pub(super) struct SendWaiter {
    pub(super) message: MessageId,
    pub(super) answer: Answer,
    pub(super) deadline: Option<UnixMillis>,
}

impl Client {
    /// Starts a `send`.
    pub(super) async fn on_send(&mut self, request: SendRequest, answer: Answer) {
        let now = self.services.clock.now();
        let who = match parse_who(&request.to) {
            Ok(who) => who,
            Err(refusal) => return answer.refuse(refusal),
        };
        if request.ttl_ms == 0 || request.ttl_ms > MESSAGE_TTL_MAX_MS {
            return answer.refuse(Refusal::InvalidLifetime {
                max_ms: MESSAGE_TTL_MAX_MS,
            });
        }
        if self.outgoing.len() >= SENDS_MAX {
            return answer.refuse(Refusal::OutboxFull {
                waiting: self.outgoing.len() as u32,
            });
        }
        let contact = self.contact_by_id(&who.id);
        if who.id == self.account.id {
            return answer.refuse(Refusal::OwnId);
        }
        if let Some(refusal) = contact.and_then(refusal_of) {
            return answer.refuse(refusal);
        }
        let fresh = contact
            .filter(|contact| who.matches(&contact.account))
            .and_then(|contact| contact.fresh_card(now));
        match fresh {
            Some(card) => self.send_to(now, &card, &request, answer).await,
            None => self.resolve(Intent::Send {
                who,
                request,
                answer,
            }),
        }
    }

    /// Looks the ID of `intent` up, and comes back with it.
    pub(super) fn resolve(&mut self, intent: Intent) {
        let id = match &intent {
            Intent::Send { who, .. } | Intent::Add { who, .. } => who.id.clone(),
            Intent::Words(account) => match self.contacts.get(account) {
                Some(contact) => contact.id.clone(),
                None => return,
            },
        };
        let before = self.before(&id);
        let services = self.services.clone();
        self.spawn(async move {
            let result = super::contacts::resolve_patiently(services, id, before).await;
            Done::Resolved(Box::new(intent), result.map(Box::new))
        });
    }

    fn before(&self, id: &PersonId) -> Before {
        let contact = self.contact_by_id(id);
        Before {
            account: contact.map(|contact| contact.account),
            sequence: contact.and_then(|contact| contact.sequence),
        }
    }

    pub(super) async fn on_resolved(
        &mut self,
        now: UnixMillis,
        intent: Intent,
        result: Result<Box<Resolution>, ResolveFault>,
    ) {
        if let Ok(resolution) = &result {
            self.meet(now, &intent, resolution).await;
        }
        match intent {
            // Whoever asked has given up, and may have asked again.
            Intent::Send { answer, .. } | Intent::Add { answer, .. } if answer.is_gone() => {}
            Intent::Send {
                who,
                request,
                answer,
            } => match self.usable_card(now, &who, result) {
                Ok(card) => self.send_to(now, &card, &request, answer).await,
                Err(refusal) => answer.refuse(refusal),
            },
            Intent::Add {
                who,
                petname,
                answer,
            } => match self.usable_card(now, &who, result) {
                Ok(card) => self.add_contact(now, &card, petname, answer).await,
                Err(refusal) => answer.refuse(refusal),
            },
            Intent::Words(account) => self.on_words_resolved(now, account).await,
        }
    }

    /// Makes a contact of whoever was looked up in order to be written to, and notes the card.
    async fn meet(&mut self, now: UnixMillis, intent: &Intent, found: &Resolution) {
        let card = found.card.card();
        let own = card.account == self.account.identity.account.public();
        if let Intent::Send { who, .. } | Intent::Add { who, .. } = intent
            && !own
            && !card.terminated
            && who.matches(&card.account)
        {
            self.ensure_contact(now, &who.id, card.account, ContactState::Accepted)
                .await;
        }
        self.learn_card(now, found).await;
    }

    /// Returns the card to seal to: the one found, or the last one seen if the network is away.
    fn usable_card(
        &self,
        now: UnixMillis,
        who: &Who,
        result: Result<Box<Resolution>, ResolveFault>,
    ) -> Result<VerifiedCard, Refusal> {
        let known = self.contact_by_id(&who.id);
        let card = match result {
            Ok(resolution) => resolution.card,
            Err(fault) => match known.and_then(|contact| contact.card(now)) {
                Some(card) => card,
                None => return Err(not_resolved(&who.id, fault)),
            },
        };
        if card.card().terminated {
            return Err(Refusal::Terminated {
                id: who.id.to_string(),
            });
        }
        if !who.matches(&card.card().account) {
            return Err(Refusal::LinkMismatch {
                id: who.id.to_string(),
            });
        }
        Ok(card)
    }

    /// Seals, commits, and only then starts to send.
    async fn send_to(
        &mut self,
        now: UnixMillis,
        card: &VerifiedCard,
        request: &SendRequest,
        answer: Answer,
    ) {
        let account = card.card().account;
        self.befriend(now, &account).await;
        let (message, contact) = self.text(now, &account, request);
        let expires = now.plus(request.ttl_ms);
        let sealed = match self.seal_for(now, card, &message, expires) {
            Ok(sealed) => sealed,
            Err(fault) => {
                let to = self.contacts.get(&account);
                let id = to.map_or_else(String::new, |contact| contact.id.to_string());
                return answer.refuse(not_sealed(id, fault));
            }
        };
        let sent = Sent {
            to: account,
            state: DeliveryState::Waiting,
            sent: now,
            expires,
        };
        let message = message.id;
        let letters = Letters {
            sealed,
            sent: Some((message, sent)),
            contact,
            ..Letters::default()
        };
        if !self.commit_outgoing(now, letters).await {
            return answer.refuse(Refusal::NotStored {
                what: Stored::Message,
            });
        }
        let deadline = (!request.wait).then(|| now.plus(SEND_ANSWER_MS));
        self.sends.push(SendWaiter {
            message,
            answer,
            deadline,
        });
    }

    /// Returns what a person writes as a message. If it is to pay with a stamp, nothing has been heard from its
    /// recipient: a grant goes with it, so that the answer need not pay too. The contact is then as it is with that.
    fn text(
        &self,
        now: UnixMillis,
        to: &PublicKey,
        request: &SendRequest,
    ) -> (Message, Option<Contact>) {
        let content = Content::Text {
            body: request.body.as_bytes().to_vec().into(),
            burn_ms: request.burn_ms.unwrap_or(0),
            file_name: request.file_name.clone().unwrap_or_default(),
        };
        let id = MessageId::random(&mut rand::rng());
        let message = Message::new(&self.account.identity, id, now, content);
        let Some(contact) = self.contacts.get(to) else {
            return (message, None);
        };
        let granted = contact.grant.as_ref();
        if granted.is_some_and(|grant| grant.mailbox(now.epoch()).is_some()) {
            return (message, None);
        }
        let message = envelope::with_grant(message, self.grant_to(now, to));
        let contact = message.grant.as_ref().map(|grant| Contact {
            granted: Some(grant.last_epoch()),
            ..contact.clone()
        });
        (message, contact)
    }

    /// Seals one message for every device of `card`.
    pub(super) fn seal_for(
        &self,
        now: UnixMillis,
        card: &VerifiedCard,
        message: &Message,
        expires: UnixMillis,
    ) -> Result<Vec<OutgoingEnvelope>, SealFault> {
        let card = card.card();
        let identity = &self.account.identity;
        let awaits_word = matches!(message.content, Content::Text { .. });
        let epoch = now.epoch();
        let contact = self.contacts.get(&card.account);
        let granted = contact.and_then(|contact| contact.grant.as_ref()?.mailbox(epoch));
        let mailbox = match &granted {
            Some((mailbox, _)) => *mailbox,
            None => Mailbox {
                owner: card.first_contact,
                rule: Rule::Stamp,
                epoch,
            },
        };
        let mut sealed = Vec::new();
        for device in &card.devices {
            let recipient = Recipient {
                account: card.account,
                device: device.certificate.device,
                prekey: &device.prekey,
            };
            let times = Lifetime { now, expires };
            let rng = &mut rand::rng();
            let envelope = envelope::seal(message, identity, &recipient, mailbox, times, rng)?;
            let postage = granted.as_ref().map_or(Postage::Due, |(_, capability)| {
                let proof = capability.prove(&mailbox.address(), &envelope.id(), expires);
                Postage::Paid(Box::new(Admission::Capability(proof)))
            });
            sealed.push(OutgoingEnvelope {
                message: message.id,
                to: card.account,
                envelope,
                postage,
                receipts: std::collections::BTreeMap::new(),
                awaits_word,
            });
        }
        Ok(sealed)
    }

    /// Commits sealed envelopes and starts bringing them out; tells whether they are committed.
    pub(super) async fn commit_outgoing(&mut self, now: UnixMillis, letters: Letters) -> bool {
        let (store, rows) = (self.store.clone(), letters.clone());
        if self
            .commit(move || store.put_outgoing(&rows))
            .await
            .is_none()
        {
            return false;
        }
        self.sent.extend(letters.sent);
        if let Some(contact) = letters.contact {
            self.contacts.insert(contact.account, contact);
        }
        for word in letters.words {
            self.words.remove(&word);
        }
        for outgoing in letters.sealed {
            self.bring_out(now, outgoing);
        }
        true
    }

    /// Tells those who wait for a message how far it has come.
    pub(super) fn report_progress(&mut self, message: MessageId) {
        let now = self.services.clock.now();
        let Some(result) = self.send_result(now, message) else {
            return;
        };
        let over = match result.state {
            DeliveryState::Waiting => false,
            DeliveryState::Stored => result.stored_with == result.stored_of,
            DeliveryState::Delivered | DeliveryState::Expired => true,
        };
        for mut waiter in std::mem::take(&mut self.sends) {
            if waiter.message == message && over {
                waiter.answer.finish(Ok(Reply::Sent(result.clone())));
                continue;
            }
            if waiter.message == message {
                waiter.answer.progress(result.clone());
                if result.state == DeliveryState::Stored {
                    let soon = now.plus(LAST_RECEIPTS_MS);
                    waiter.deadline = Some(waiter.deadline.map_or(soon, |due| due.min(soon)));
                }
            }
            self.sends.push(waiter);
        }
    }

    /// Answers those who have waited long enough.
    pub(super) fn answer_late_sends(&mut self, now: UnixMillis) {
        for waiter in std::mem::take(&mut self.sends) {
            if waiter.answer.is_gone() {
                continue;
            }
            if waiter.deadline.is_none_or(|deadline| deadline > now) {
                self.sends.push(waiter);
                continue;
            }
            let result = self.send_result(now, waiter.message);
            match result {
                Some(result) => waiter.answer.finish(Ok(Reply::Sent(result))),
                None => waiter.answer.refuse(Refusal::MessageGone),
            }
        }
    }

    /// Returns what became of a message so far.
    pub(super) fn send_result(&self, now: UnixMillis, message: MessageId) -> Option<SendResult> {
        let sent = self.sent.get(&message)?;
        let standing = self.standing_of(now, message);
        let note = match (sent.state, standing.of) {
            (DeliveryState::Waiting, 0) => Some(SendNote::NoKeeperYet),
            (DeliveryState::Waiting, _) => Some(SendNote::TooFewKeepers),
            (DeliveryState::Stored, of) if of < REPLICAS => Some(SendNote::SmallNetwork),
            _ => None,
        };
        Some(SendResult {
            message_id: message.to_string(),
            state: sent.state,
            stored_with: u32::try_from(standing.with).unwrap_or(u32::MAX),
            stored_of: u32::try_from(standing.of).unwrap_or(u32::MAX),
            until_ms: sent.expires.get(),
            note,
        })
    }

    /// Returns how well the worst placed envelope of a message is placed.
    pub(super) fn standing_of(&self, now: UnixMillis, message: MessageId) -> Standing {
        let envelopes = self
            .outgoing
            .iter()
            .filter(|(_, out)| out.message == message);
        envelopes
            .map(|(id, _)| {
                self.outbox
                    .standing(now, id)
                    .map_or_else(Standing::default, |s| s.0)
            })
            .min_by_key(|standing| standing.with)
            .unwrap_or_default()
    }
}

fn refusal_of(contact: &Contact) -> Option<Refusal> {
    let id = contact.id.to_string();
    match contact.state {
        ContactState::Blocked => Some(Refusal::Blocked { id }),
        ContactState::Terminated => Some(Refusal::Terminated { id }),
        ContactState::Request | ContactState::Accepted => None,
    }
}

fn not_resolved(id: &PersonId, fault: ResolveFault) -> Refusal {
    match fault {
        ResolveFault::NotFound => Refusal::UnknownId { id: id.to_string() },
        ResolveFault::Offline => Refusal::Offline,
        ResolveFault::Stopping => Refusal::Stopping,
    }
}

fn not_sealed(id: String, fault: SealFault) -> Refusal {
    match fault {
        SealFault::TooLong { limit, .. } => Refusal::TooLong {
            max_bytes: limit as u64,
        },
        SealFault::PrekeyExpired | SealFault::Prekey => Refusal::StaleKeys { id },
        SealFault::Lifetime => Refusal::InvalidLifetime {
            max_ms: MESSAGE_TTL_MAX_MS,
        },
        fault => Refusal::Internal {
            why: fault.to_string(),
        },
    }
}
