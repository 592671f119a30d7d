//! From sealed envelopes to receipts: what the outbox asks for, and what comes of it.

use restante_interface::DeliveryState;
use restante_proto::limits::{DAY_MS, MESSAGE_TTL_MAX_MS, REPLICAS};
use restante_proto::message::MessageId;
use restante_proto::outbox::{self, OUTBOX_COUNT_MAX, Outgoing};
use restante_proto::placement::{CANDIDATES, Standing};
use restante_proto::receipt::Claim;
use restante_proto::request::{Admission, Reason, Request};
use restante_proto::stamp::{EFFORT_DEFAULT, EFFORT_MAX, Stamp};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};
use tracing::{debug, info};

use super::exchange::{self, Deposited};
use super::rows::{OutgoingEnvelope, Postage};
use super::stamping::StampOrder;
use super::{Client, Done};
use crate::net::{Heard, Search};

/// Until how long after it was made a word, which nobody answers, is looked after although it is with all its keepers,
/// in milliseconds: these may all have been replaced by nearer ones before its reader comes.
const WORD_KEPT_MS: u64 = DAY_MS;

/// Mailboxes whose keepers are remembered; beyond that one of the others is forgotten for each.
const KNOWN_MAILBOXES_MAX: usize = 256;

/// Waits for what a lookup says next.
async fn hear(id: ItemId, mut search: Search) -> Done {
    match search.next().await {
        Heard::Near(keepers) => Done::OutboxNear(id, keepers, search),
        Heard::Found(found) => Done::OutboxFound(id, found.unwrap_or_default()),
    }
}

impl Client {
    /// Takes up what was under way before a restart.
    pub(super) fn resume_outbox(&mut self, now: UnixMillis) {
        let outgoing: Vec<OutgoingEnvelope> =
            std::mem::take(&mut self.outgoing).into_values().collect();
        for outgoing in outgoing {
            let placed = outgoing.receipts.values().filter(|until| **until > now);
            let done = !outgoing.awaits_word && placed.count() >= REPLICAS;
            let (id, message) = (outgoing.envelope.id(), outgoing.message);
            if done {
                // A node that starts often has better things to do than to look again where all its words are.
                self.outgoing.insert(id, outgoing);
                self.ended.push((id, message, None));
            } else {
                self.bring_out(now, outgoing);
            }
        }
    }

    pub(super) fn bring_out(&mut self, now: UnixMillis, outgoing: OutgoingEnvelope) {
        let id = outgoing.envelope.id();
        let due = matches!(outgoing.postage, Postage::Due);
        self.outgoing.insert(id, outgoing);
        if due {
            self.order_stamp(StampOrder::Envelope(id), EFFORT_DEFAULT);
        } else {
            self.enter_outbox(now, id);
        }
    }

    pub(super) async fn on_stamped(&mut self, now: UnixMillis, id: ItemId, stamp: Stamp) {
        let Some(outgoing) = self.outgoing.get_mut(&id) else {
            return;
        };
        outgoing.postage = Postage::Paid(Box::new(Admission::Stamp(stamp)));
        let row = outgoing.clone();
        let store = self.store.clone();
        self.commit(move || store.put_receipts(&row)).await;
        self.enter_outbox(now, id);
    }

    fn enter_outbox(&mut self, now: UnixMillis, id: ItemId) {
        let Some(outgoing) = self.outgoing.get(&id) else {
            return;
        };
        if self.outbox.standing(now, &id).is_some() {
            return;
        }
        let added = self.outbox.add(
            now,
            Outgoing {
                message: outgoing.message,
                envelope: id,
                mailbox: outgoing.envelope.mailbox,
                expires: outgoing.envelope.expires,
                receipts: outgoing.receipts.clone(),
            },
        );
        match added {
            Ok(outputs) => self.do_outbox(outputs),
            Err(fault) => {
                debug!(%fault, "an envelope stays behind for now");
                self.behind.insert(id);
            }
        }
    }

    /// Gives the outbox an input and does what it says.
    pub(super) fn send_out(&mut self, now: UnixMillis, input: outbox::Input) {
        let outputs = self.outbox.handle(now, input);
        self.do_outbox(outputs);
    }

    fn do_outbox(&mut self, outputs: Vec<outbox::Output>) {
        for output in outputs {
            match output {
                outbox::Output::Find(id, mailbox) => self.find(id, mailbox.address()),
                outbox::Output::Deposit(id, keeper) => self.deposit(id, keeper),
                outbox::Output::Offer(id, keeper) => self.offer(id, keeper),
                outbox::Output::Standing(id, standing) => self.on_standing(id, standing),
                outbox::Output::Delivered(id, message) => {
                    self.end(id, message, DeliveryState::Delivered);
                }
                outbox::Output::Expired(id, message) => {
                    self.end(id, message, DeliveryState::Expired);
                }
            }
        }
    }

    /// Looks keepers up; those that were found last for this mailbox are taken for the nearest until then.
    fn find(&mut self, id: ItemId, address: Address) {
        let net = self.services.net.clone();
        self.spawn(async move {
            match net.search(address, CANDIDATES).await {
                Ok(search) => hear(id, search).await,
                Err(_) => Done::OutboxFound(id, Vec::new()),
            }
        });
        if let Some(keepers) = self.keepers.get(&address).cloned() {
            let now = self.services.clock.now();
            self.send_out(now, outbox::Input::Near(id, keepers));
        }
    }

    pub(super) fn on_near(
        &mut self,
        now: UnixMillis,
        id: ItemId,
        keepers: Vec<NodeId>,
        search: Search,
    ) {
        self.spawn(hear(id, search));
        self.send_out(now, outbox::Input::Near(id, keepers));
    }

    pub(super) fn on_found(&mut self, now: UnixMillis, id: ItemId, keepers: Vec<NodeId>) {
        let outgoing = self.outgoing.get(&id).filter(|_| !keepers.is_empty());
        if let Some(outgoing) = outgoing {
            let address = outgoing.envelope.mailbox.address();
            if self.keepers.len() >= KNOWN_MAILBOXES_MAX && !self.keepers.contains_key(&address) {
                self.keepers.pop_first();
            }
            self.keepers.insert(address, keepers.clone());
        }
        self.send_out(now, outbox::Input::Found(id, keepers));
    }

    fn deposit(&mut self, id: ItemId, keeper: NodeId) {
        let Some(outgoing) = self.outgoing.get(&id) else {
            return;
        };
        let Postage::Paid(admission) = &outgoing.postage else {
            return;
        };
        let nonce = exchange::nonce();
        let envelope = &outgoing.envelope;
        let claim = exchange::claim(envelope.mailbox.address(), &envelope.bytes, nonce);
        let expires = envelope.expires;
        let request = Request::DepositEnvelope {
            mailbox: envelope.mailbox,
            expires: envelope.expires,
            envelope: envelope.bytes.clone(),
            nonce,
            admission: (**admission).clone(),
        };
        self.spawn_deposit(id, keeper, request, claim, expires);
    }

    fn offer(&mut self, id: ItemId, keeper: NodeId) {
        let Some(outgoing) = self.outgoing.get(&id) else {
            return;
        };
        let nonce = exchange::nonce();
        let mailbox = outgoing.envelope.mailbox;
        let claim = exchange::claim(mailbox.address(), &outgoing.envelope.bytes, nonce);
        let request = Request::Offer { mailbox, id, nonce };
        self.spawn_deposit(id, keeper, request, claim, outgoing.envelope.expires);
    }

    fn spawn_deposit(
        &mut self,
        id: ItemId,
        keeper: NodeId,
        request: Request,
        claim: Claim,
        expires: UnixMillis,
    ) {
        let services = self.services.clone();
        self.spawn(async move {
            let answer = exchange::deposit(services, keeper, request, claim, expires).await;
            Done::OutboxAnswer(id, keeper, answer)
        });
    }

    pub(super) fn on_deposited(
        &mut self,
        now: UnixMillis,
        id: ItemId,
        keeper: NodeId,
        answer: Deposited,
    ) {
        let input = match answer {
            Deposited::Held(until) => outbox::Input::Receipt(id, keeper, until),
            Deposited::Unknown => outbox::Input::Unknown(id, keeper),
            Deposited::Failed => outbox::Input::Failed(id, keeper),
            Deposited::Refused(refusal) => {
                if refusal.reason == Reason::Stamp {
                    self.pay_more(id, refusal.effort);
                }
                outbox::Input::Failed(id, keeper)
            }
        };
        self.send_out(now, input);
    }

    /// Makes a better stamp when a keeper asks for one that is not too dear.
    fn pay_more(&mut self, id: ItemId, effort: u32) {
        let Some(outgoing) = self.outgoing.get(&id) else {
            return;
        };
        let Postage::Paid(admission) = &outgoing.postage else {
            return;
        };
        let worth = match &**admission {
            Admission::Stamp(stamp) => stamp.effort(),
            Admission::Capability(_) => return,
        };
        if worth < u64::from(effort) && effort <= EFFORT_MAX {
            self.order_stamp(StampOrder::Envelope(id), effort);
        }
    }

    fn on_standing(&mut self, id: ItemId, standing: Standing) {
        let Some(outgoing) = self.outgoing.get_mut(&id) else {
            return;
        };
        outgoing.receipts = self.outbox.receipts(&id).cloned().unwrap_or_default();
        let (message, awaits_word) = (outgoing.message, outgoing.awaits_word);
        let row = outgoing.to_owned();
        let everywhere = standing.with == standing.of && standing.of >= REPLICAS;
        let now = self.services.clock.now();
        let age_ms = MESSAGE_TTL_MAX_MS.saturating_sub(row.envelope.expires.since(now));
        let crowded = self.outgoing.len() > OUTBOX_COUNT_MAX / 2;
        if everywhere && !awaits_word && (age_ms >= WORD_KEPT_MS || crowded) {
            self.outbox.remove(&id);
            self.ended.push((id, message, None));
            return;
        }
        if standing.is_stored() || standing.with == standing.of {
            let store = self.store.clone();
            let disk = self.services.disk.clone();
            self.spawn(async move {
                // Receipts are asked for again after a restart.
                match disk.run(move || store.put_receipts(&row)).await {
                    Ok(Err(fault)) => Done::NotStored(fault),
                    Ok(Ok(())) | Err(_) => Done::Nothing,
                }
            });
        }
        self.note_standing(now, message);
        self.report_progress(message);
    }

    /// Says of a message whether it is stored; no longer, too, when those who gave receipts early turn out not to be
    /// its keepers.
    fn note_standing(&mut self, now: UnixMillis, message: MessageId) {
        let standing = self.standing_of(now, message);
        let Some(sent) = self.sent.get_mut(&message) else {
            return;
        };
        sent.state = match sent.state {
            DeliveryState::Waiting if standing.is_stored() => DeliveryState::Stored,
            DeliveryState::Stored if standing.of > 0 && !standing.is_stored() => {
                DeliveryState::Waiting
            }
            state => state,
        };
    }

    fn end(&mut self, id: ItemId, message: MessageId, state: DeliveryState) {
        if let Some(sent) = self.sent.get_mut(&message) {
            sent.state = state;
        }
        match state {
            DeliveryState::Expired => info!("a message expired before its recipient took it"),
            _ => debug!("a message was delivered"),
        }
        self.ended
            .push((id, message, self.sent.get(&message).cloned()));
        self.report_progress(message);
    }

    /// Lets envelopes into the outbox that found no room before, and ends those that never got there.
    pub(super) fn bring_up_the_rear(&mut self, now: UnixMillis) {
        while let Some(id) = self.behind.pop_first() {
            self.enter_outbox(now, id);
            if self.behind.contains(&id) {
                break;
            }
        }
        let outside = |id: &ItemId| self.outbox.standing(now, id).is_none();
        let over: Vec<(ItemId, MessageId)> = self
            .outgoing
            .iter()
            .filter(|(id, outgoing)| outgoing.envelope.expires <= now && outside(id))
            .filter(|(id, _)| self.ended.iter().all(|(ended, ..)| ended != *id))
            .map(|(id, outgoing)| (*id, outgoing.message))
            .collect();
        for (id, message) in over {
            self.behind.remove(&id);
            self.end(id, message, DeliveryState::Expired);
        }
    }

    /// Drops what has ended from the disk.
    pub(super) async fn end_outgoing(&mut self) {
        for (id, message, sent) in std::mem::take(&mut self.ended) {
            self.outgoing.remove(&id);
            let store = self.store.clone();
            self.commit(move || store.end_outgoing(&id, &message, sent.as_ref()))
                .await;
        }
    }
}
