//! From sealed envelopes to receipts: what the outbox asks for, and what comes of it (SPEC 10.2, 10.3).

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::DeliveryState;
use restante_proto::limits::{DAY_MS, MESSAGE_TTL_MAX_MS, REPLICAS};
use restante_proto::message::MessageId;
use restante_proto::outbox::{self, OUTBOX_COUNT_MAX, Outbox, Outgoing};
use restante_proto::placement::Standing;
use restante_proto::receipt::Claim;
use restante_proto::request::{Admission, Reason, Request, Response};
use restante_proto::stamp::{EFFORT_DEFAULT, EFFORT_MAX, Stamp};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};
use tracing::{debug, info};

use crate::cx::Cx;
use crate::deposit::{Deposited, judge};
use crate::io::SEARCH_COUNT;
use crate::model::{OutgoingEnvelope, Payment};
use crate::pending::{Asked, Question, StampFor};
use crate::records::Records;
use crate::signal::Signal;
use crate::then::Then;

/// Until how long after it was made a delivery receipt, which is not answered, is looked after although it is with all
/// its keepers, in milliseconds: these may all have been replaced by nearer ones before its reader comes.
const RECEIPT_KEPT_MS: u64 = DAY_MS;
/// Mailboxes whose keepers are remembered; beyond that one of the others is forgotten for each.
const KNOWN_MAILBOXES_MAX: usize = 256;

/// Envelopes on their way to their keepers.
#[derive(Debug, Default)]
pub(crate) struct Placing {
    outbox: Outbox,
    /// Keepers that were found last for mailboxes that were written to.
    keepers: BTreeMap<Address, Vec<NodeId>>,
    /// Envelopes with an admission proof for which the outbox has no room.
    behind: BTreeSet<ItemId>,
}

impl Placing {
    /// Takes up what was under way before a restart.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>) {
        let ids: Vec<ItemId> = cx.records.outgoing().keys().copied().collect();
        for id in ids {
            let date = cx.date();
            let Some(outgoing) = cx.records.outgoing().get(&id) else {
                continue;
            };
            let placed = outgoing.receipts.values().filter(|until| **until > date);
            if !outgoing.awaits_receipt && placed.count() >= REPLICAS {
                // A node that starts often has better things to do than to look again where all of these are.
                cx.records.drop_outgoing(id);
            } else {
                self.begin(cx, id);
            }
        }
    }

    /// Brings a committed envelope out; first a stamp is made if it needs one.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_>, id: ItemId) {
        match cx
            .records
            .outgoing()
            .get(&id)
            .map(|outgoing| &outgoing.payment)
        {
            Some(Payment::Due) => {
                cx.signal(Signal::OrderStamp(StampFor::Envelope(id), EFFORT_DEFAULT));
            }
            Some(Payment::Ready(_)) => self.enter_outbox(cx, id),
            None => {}
        }
    }

    /// Stages the stamp of an envelope.
    pub(crate) fn on_stamp(&self, cx: &mut Cx<'_>, id: ItemId, stamp: Stamp) {
        if let Some(outgoing) = cx.records.outgoing().get(&id) {
            let mut outgoing = outgoing.clone();
            outgoing.payment = Payment::Ready(Box::new(Admission::Stamp(stamp)));
            cx.records.put_outgoing(outgoing);
            cx.records.then(Then::EnterOutbox(id));
        }
    }

    /// Enters an envelope into the outbox once its admission proof is committed.
    pub(crate) fn enter_outbox(&mut self, cx: &mut Cx<'_>, id: ItemId) {
        let Some(outgoing) = cx.records.outgoing().get(&id) else {
            return;
        };
        if self.outbox.standing(cx.now, &id).is_some() {
            return;
        }
        let outgoing = Outgoing {
            message: outgoing.message,
            envelope: id,
            mailbox: outgoing.envelope.mailbox,
            expires: outgoing.envelope.expires,
            receipts: outgoing.receipts.clone(),
        };
        match self.outbox.add(cx.now, outgoing) {
            Ok(outputs) => self.carry_out(cx, outputs),
            Err(error) => {
                debug!(%error, "an envelope stays behind for now");
                self.behind.insert(id);
            }
        }
    }

    /// The keepers found so far while a search goes on.
    pub(crate) fn on_near(&mut self, cx: &mut Cx<'_>, id: ItemId, keepers: Vec<NodeId>) {
        self.handle(cx, outbox::Input::Near(id, keepers));
    }

    /// A search has ended.
    pub(crate) fn on_found(&mut self, cx: &mut Cx<'_>, id: ItemId, keepers: Vec<NodeId>) {
        let outgoing = cx
            .records
            .outgoing()
            .get(&id)
            .filter(|_| !keepers.is_empty());
        if let Some(outgoing) = outgoing {
            let address = outgoing.envelope.mailbox.address();
            if self.keepers.len() >= KNOWN_MAILBOXES_MAX && !self.keepers.contains_key(&address) {
                self.keepers.pop_first();
            }
            self.keepers.insert(address, keepers.clone());
        }
        self.handle(cx, outbox::Input::Found(id, keepers));
    }

    /// A keeper has answered a deposit or an offer.
    pub(crate) fn on_answer(
        &mut self,
        cx: &mut Cx<'_>,
        id: ItemId,
        asked: &Asked,
        answer: Option<Response>,
    ) {
        let keeper = asked.keeper;
        let input = match judge(asked, answer) {
            Deposited::Held(until) => outbox::Input::Receipt(id, keeper, until),
            Deposited::Unknown => outbox::Input::Unknown(id, keeper),
            Deposited::Failed => outbox::Input::Failed(id, keeper),
            Deposited::Refused(refusal) => {
                if refusal.reason == Reason::Stamp {
                    pay_more(cx, id, refusal.effort);
                }
                outbox::Input::Failed(id, keeper)
            }
        };
        self.handle(cx, input);
    }

    /// A message's recipient holds it.
    pub(crate) fn on_delivered(&mut self, cx: &mut Cx<'_>, message: MessageId) {
        self.behind.retain(|id| {
            let outgoing = cx.records.outgoing().get(id);
            outgoing.is_some_and(|outgoing| outgoing.message != message)
        });
        self.handle(cx, outbox::Input::Delivered(message));
        cx.signal(Signal::Progress(message));
    }

    pub(crate) fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, outbox::Input::NetworkUp);
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        let due = self.outbox.next_timeout(cx.now);
        if due.is_some_and(|due| due <= cx.mono()) {
            self.drop_old_receipts(cx);
            self.handle(cx, outbox::Input::Timer);
        }
        self.enter_behind(cx);
    }

    /// Drops the delivery receipts that have been looked after for long enough; nothing else would come of them.
    fn drop_old_receipts(&mut self, cx: &mut Cx<'_>) {
        let (now, outgoing) = (cx.now, cx.records.outgoing());
        let is_done = |(id, outgoing): &(&ItemId, &OutgoingEnvelope)| {
            let standing = self.outbox.standing(now, id).unwrap_or_default().0;
            is_done_with(outgoing, standing, now, false)
        };
        let done: Vec<ItemId> = outgoing.iter().filter(is_done).map(|(id, _)| *id).collect();
        for id in done {
            self.outbox.remove(&id);
            cx.records.drop_outgoing(id);
        }
    }

    pub(crate) fn next_timeout(&self, records: &Records, now: Now) -> Option<MonoMillis> {
        let outside = self
            .outside(records, now)
            .map(|(_, expires)| now.when(expires));
        outside.chain(self.outbox.next_timeout(now)).min()
    }

    /// Returns how well the worst placed envelope of a message is placed.
    pub(crate) fn standing_of(&self, records: &Records, now: Now, message: MessageId) -> Standing {
        let envelopes = records.outgoing().iter();
        let envelopes = envelopes.filter(|(_, outgoing)| outgoing.message == message);
        let standing = |id: &ItemId| self.outbox.standing(now, id).unwrap_or_default().0;
        envelopes
            .map(|(id, _)| standing(id))
            .min_by_key(|standing| standing.with)
            .unwrap_or_default()
    }

    /// Returns how often an envelope was tried in vain, and when it is tried next.
    pub(crate) fn tries(&self, now: Now, id: &ItemId) -> (u32, Option<MonoMillis>) {
        let failures = self
            .outbox
            .standing(now, id)
            .map_or(0, |(_, failures)| failures);
        (failures, self.outbox.next_try(id))
    }

    fn handle(&mut self, cx: &mut Cx<'_>, input: outbox::Input) {
        let outputs = self.outbox.handle(cx.now, input);
        self.carry_out(cx, outputs);
    }

    fn carry_out(&mut self, cx: &mut Cx<'_>, outputs: Vec<outbox::Output>) {
        for output in outputs {
            match output {
                outbox::Output::Find(id, mailbox) => self.find(cx, id, mailbox.address()),
                outbox::Output::Deposit(id, keeper) => self.deposit(cx, id, keeper),
                outbox::Output::Offer(id, keeper) => self.offer(cx, id, keeper),
                outbox::Output::Standing(id, standing) => self.on_standing(cx, id, standing),
                outbox::Output::Delivered(id, message) => {
                    debug!("a message was delivered");
                    end(cx, id, message, DeliveryState::Delivered);
                }
                outbox::Output::Expired(id, message) => {
                    info!("a message expired before its recipient took it");
                    end(cx, id, message, DeliveryState::Expired);
                }
            }
        }
    }

    /// Searches keepers; those that were found last for this mailbox count as the nearest until then.
    fn find(&mut self, cx: &mut Cx<'_>, id: ItemId, address: Address) {
        cx.search(Question::FindKeepers(id), address, SEARCH_COUNT);
        if let Some(keepers) = self.keepers.get(&address).cloned() {
            self.handle(cx, outbox::Input::Near(id, keepers));
        }
    }

    fn deposit(&mut self, cx: &mut Cx<'_>, id: ItemId, keeper: NodeId) {
        let nonce = cx.nonce();
        let Some(outgoing) = cx.records.outgoing().get(&id) else {
            return self.handle(cx, outbox::Input::Failed(id, keeper));
        };
        let Payment::Ready(admission) = &outgoing.payment else {
            return self.handle(cx, outbox::Input::Failed(id, keeper));
        };
        let envelope = &outgoing.envelope;
        let asked = Asked {
            keeper,
            claim: Claim {
                address: envelope.mailbox.address(),
                id,
                nonce,
            },
            expires: envelope.expires,
            offer: false,
        };
        let request = Request::DepositEnvelope {
            mailbox: envelope.mailbox,
            expires: envelope.expires,
            envelope: envelope.bytes.clone(),
            nonce,
            admission: (**admission).clone(),
        };
        cx.ask(Question::Deposit(id, asked), keeper, request);
    }

    fn offer(&mut self, cx: &mut Cx<'_>, id: ItemId, keeper: NodeId) {
        let nonce = cx.nonce();
        let Some(outgoing) = cx.records.outgoing().get(&id) else {
            return self.handle(cx, outbox::Input::Failed(id, keeper));
        };
        let mailbox = outgoing.envelope.mailbox;
        let asked = Asked {
            keeper,
            claim: Claim {
                address: mailbox.address(),
                id,
                nonce,
            },
            expires: outgoing.envelope.expires,
            offer: true,
        };
        let request = Request::Offer { mailbox, id, nonce };
        cx.ask(Question::Deposit(id, asked), keeper, request);
    }

    fn on_standing(&mut self, cx: &mut Cx<'_>, id: ItemId, standing: Standing) {
        let receipts = self.outbox.receipts(&id).cloned().unwrap_or_default();
        let is_crowded = cx.records.outgoing().len() > OUTBOX_COUNT_MAX / 2;
        let Some(outgoing) = cx.records.outgoing().get(&id) else {
            return;
        };
        let message = outgoing.message;
        if is_done_with(outgoing, standing, cx.now, is_crowded) {
            self.outbox.remove(&id);
            cx.records.drop_outgoing(id);
            return;
        }
        let mut outgoing = outgoing.clone();
        outgoing.receipts = receipts;
        if standing.is_stored() || standing.with == standing.of {
            // Receipts that are lost with a restart are asked for again.
            cx.records.put_outgoing(outgoing);
        } else {
            cx.records.note_receipts(&id, outgoing.receipts);
        }
        let standing = self.standing_of(cx.records, cx.now, message);
        cx.records.note_standing(message, &standing);
        cx.signal(Signal::Progress(message));
    }

    /// Enters envelopes that found no room before, and ends those that expired outside the outbox.
    fn enter_behind(&mut self, cx: &mut Cx<'_>) {
        while let Some(id) = self.behind.pop_first() {
            self.enter_outbox(cx, id);
            if self.behind.contains(&id) {
                break;
            }
        }
        let date = cx.date();
        let over = self
            .outside(cx.records, cx.now)
            .filter(|(_, end)| *end <= date);
        let over: Vec<ItemId> = over.map(|(id, _)| id).collect();
        for id in over {
            self.behind.remove(&id);
            if let Some(outgoing) = cx.records.outgoing().get(&id) {
                let message = outgoing.message;
                end(cx, id, message, DeliveryState::Expired);
            }
        }
    }

    /// Returns the envelopes that are not in the outbox, with their ends.
    fn outside<'a>(
        &'a self,
        records: &'a Records,
        now: Now,
    ) -> impl Iterator<Item = (ItemId, UnixMillis)> {
        let outgoing = records.outgoing().iter();
        outgoing
            .filter(move |(id, _)| self.outbox.standing(now, id).is_none())
            .map(|(id, outgoing)| (*id, outgoing.envelope.expires))
    }
}

/// Orders a better stamp when a keeper asks for one that is not too dear.
fn pay_more(cx: &mut Cx<'_>, id: ItemId, effort: u32) {
    let payment = cx
        .records
        .outgoing()
        .get(&id)
        .map(|outgoing| &outgoing.payment);
    let Some(Payment::Ready(admission)) = payment else {
        return;
    };
    if let Admission::Stamp(stamp) = &**admission
        && stamp.effort() < u64::from(effort)
        && effort <= EFFORT_MAX
    {
        cx.signal(Signal::OrderStamp(StampFor::Envelope(id), effort));
    }
}

/// Stages the end of an envelope, and what became of its message.
fn end(cx: &mut Cx<'_>, id: ItemId, message: MessageId, state: DeliveryState) {
    cx.records.drop_outgoing(id);
    if let Some(sent) = cx.records.sent().get(&message)
        && sent.state != state
        && sent.state != DeliveryState::Delivered
    {
        let mut sent = sent.clone();
        sent.state = state;
        cx.records.put_sent(message, sent);
    }
    cx.signal(Signal::Progress(message));
}

/// Tells whether an envelope is a delivery receipt that is with all its keepers and has been looked after for long
/// enough, or for as long as there is room.
fn is_done_with(
    outgoing: &OutgoingEnvelope,
    standing: Standing,
    now: Now,
    is_crowded: bool,
) -> bool {
    let is_everywhere = standing.with >= standing.of && standing.of >= REPLICAS;
    let left_ms = outgoing.envelope.expires.since(now.date);
    let age_ms = MESSAGE_TTL_MAX_MS.saturating_sub(left_ms);
    is_everywhere && !outgoing.awaits_receipt && (age_ms >= RECEIPT_KEPT_MS || is_crowded)
}
