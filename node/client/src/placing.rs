//! From sealed envelopes to receipts: what the outbox asks for, and what comes of it (SPEC 10.2, 10.3).

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::{DeliveryState, MessageCode, Obstacle, ObstacleReason};
use restante_proto::limits::{DAY_MS, MESSAGE_TTL_MAX_MS, REPLICAS, receipts_wanted};
use restante_proto::message::MessageId;
use restante_proto::outbox::{self, OUTBOX_COUNT_MAX, Outbox, Outgoing};
use restante_proto::placement::Standing;
use restante_proto::receipt::Claim;
use restante_proto::request::{Admission, Reason, Request, Response};
use restante_proto::stamp::{EFFORT_DEFAULT, Stamp};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};
use tracing::{debug, info};

use crate::cx::Cx;
use crate::deposit::{Deposited, TooDear, judge};
use crate::io::SEARCH_COUNT;
use crate::model::{OutgoingEnvelope, Payment, Sent};
use crate::obstacles::{Obstacles, reason_of};
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
    /// Envelopes for which keepers ask for more work than may be done.
    too_dear: BTreeMap<ItemId, TooDear>,
    /// Why keepers did not take envelopes.
    obstacles: Obstacles,
}

/// How a message stands, as it is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) code: MessageCode,
    /// What stood in its way, the most frequent first.
    pub(crate) obstacles: Vec<Obstacle>,
    /// With [`MessageCode::TooDear`]: the effort of a stamp that would get it stored.
    pub(crate) effort_asked: Option<u32>,
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
            outgoing.payment = Payment::Ready(Box::new(Admission::Stamp(stamp.clone())));
            cx.records.put_outgoing(outgoing);
            cx.records.then(Then::EnterOutbox(id, Box::new(stamp)));
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
        match self.outbox.add(cx.settled(), outgoing) {
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

    /// A keeper has named the nodes that it knows nearest to an envelope's mailbox, or has not answered.
    pub(crate) fn on_neighbours(
        &mut self,
        cx: &mut Cx<'_>,
        id: ItemId,
        keeper: NodeId,
        mut nodes: Vec<NodeId>,
    ) {
        let own = cx.settings.own_keeper;
        nodes.retain(|node| Some(*node) != own);
        self.handle(cx, outbox::Input::Neighbours(id, keeper, nodes));
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
            self.obstacles.retain(&id, &keepers);
        }
        if let Some(dear) = self.too_dear.get_mut(&id) {
            dear.on_found(&keepers);
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
        if let Some(dear) = self.too_dear.get_mut(&id) {
            dear.forget(&keeper);
        }
        let input = match judge(asked, answer) {
            Deposited::Held(until) => {
                self.obstacles.clear(&id, &keeper);
                outbox::Input::Receipt(id, keeper, until)
            }
            Deposited::Unknown => outbox::Input::Unknown(id, keeper),
            Deposited::Failed => {
                self.obstacles.note(id, keeper, ObstacleReason::NoAnswer);
                outbox::Input::Failed(id, keeper)
            }
            Deposited::Refused(refusal) => {
                self.obstacles.note(id, keeper, reason_of(refusal.reason));
                if refusal.reason == Reason::Stamp {
                    self.pay_more(cx, id, keeper, refusal.effort);
                }
                outbox::Input::Failed(id, keeper)
            }
        };
        self.handle(cx, input);
    }

    /// Orders a better stamp when a keeper asks for one that may be paid, or notes that it is too dear.
    fn pay_more(&mut self, cx: &mut Cx<'_>, id: ItemId, keeper: NodeId, effort: u32) {
        let Some(outgoing) = cx.records.outgoing().get(&id) else {
            return;
        };
        let Payment::Ready(admission) = &outgoing.payment else {
            return;
        };
        let Admission::Stamp(stamp) = &**admission else {
            return;
        };
        if stamp.effort() >= u64::from(effort) {
            return;
        }
        let message = outgoing.message;
        if effort <= effort_max(cx, message) {
            cx.signal(Signal::OrderStamp(StampFor::Envelope(id), effort));
        } else {
            debug!(effort, "a keeper asks for more work than may be paid");
            self.too_dear.entry(id).or_default().note(keeper, effort);
            cx.signal(Signal::Progress(message));
        }
    }

    /// Returns which effort would get a message stored, when it is not because keepers ask for more work than may be
    /// paid.
    pub(crate) fn effort_asked(&self, records: &Records, now: Now, id: MessageId) -> Option<u32> {
        let of_message = |envelope: &&ItemId| {
            let outgoing = records.outgoing().get(*envelope);
            outgoing.is_some_and(|outgoing| outgoing.message == id)
        };
        let asked = |envelope: &ItemId| {
            let (standing, _) = self.outbox.standing(now, envelope)?;
            let missing = receipts_wanted(standing.of).saturating_sub(standing.with);
            self.too_dear.get(envelope)?.effort_for(missing)
        };
        self.too_dear
            .keys()
            .filter(of_message)
            .filter_map(asked)
            .max()
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

    /// Offers messages no longer: they were taken back, or others have taken their place.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, messages: &[MessageId]) {
        let outgoing = cx.records.outgoing().iter();
        let outgoing = outgoing.filter(|(_, outgoing)| messages.contains(&outgoing.message));
        let outgoing: Vec<ItemId> = outgoing.map(|(id, _)| *id).collect();
        for id in outgoing {
            self.behind.retain(|other| *other != id);
            self.outbox.remove(&id);
            self.obstacles.forget(&id);
            cx.records.drop_outgoing(id);
        }
        for message in messages {
            cx.signal(Signal::Progress(*message));
        }
    }

    pub(crate) fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, outbox::Input::NetworkUp);
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        let due = self.outbox.next_timeout(cx.settled());
        if due.is_some_and(|due| due <= cx.mono()) {
            self.drop_old_receipts(cx);
            self.handle(cx, outbox::Input::Timer);
        }
        self.enter_behind(cx);
        self.too_dear
            .retain(|id, dear| !dear.is_empty() && cx.records.outgoing().contains_key(id));
    }

    /// Drops the delivery receipts that have been looked after for long enough; nothing else would come of them.
    fn drop_old_receipts(&mut self, cx: &mut Cx<'_>) {
        let (now, outgoing) = (cx.settled(), cx.records.outgoing());
        let is_done = |(id, outgoing): &(&ItemId, &OutgoingEnvelope)| {
            let standing = self.outbox.standing(now, id).unwrap_or_default().0;
            is_done_with(outgoing, standing, now, false)
        };
        let done: Vec<ItemId> = outgoing.iter().filter(is_done).map(|(id, _)| *id).collect();
        for id in done {
            self.outbox.remove(&id);
            self.obstacles.forget(&id);
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

    /// Returns how a message stands, and what stood in its way.
    pub(crate) fn shown(
        &self,
        records: &Records,
        now: Now,
        message: MessageId,
        sent: &Sent,
        standing: &Standing,
    ) -> Shown {
        let envelopes = || {
            let outgoing = records.outgoing().iter();
            outgoing.filter(move |(_, outgoing)| outgoing.message == message)
        };
        let obstacles = self.obstacles.of(envelopes().map(|(id, _)| id));
        let is_due = envelopes().any(|(_, outgoing)| outgoing.payment == Payment::Due);
        let is_refused = obstacles
            .iter()
            .any(|it| it.reason != ObstacleReason::NoAnswer);
        let effort_asked = self.effort_asked(records, now, message);
        let effort_asked = effort_asked.filter(|_| sent.state == DeliveryState::Waiting && !is_due);
        let code = match sent.state {
            _ if sent.recalled.is_some() => MessageCode::Recalled,
            DeliveryState::Delivered if sent.read.is_some() => MessageCode::Read,
            DeliveryState::Delivered => MessageCode::Delivered,
            DeliveryState::Expired => MessageCode::Expired,
            DeliveryState::Stored if sent.is_outdated => MessageCode::StoredOutdated,
            DeliveryState::Stored if (1..REPLICAS).contains(&standing.of) => MessageCode::StoredFew,
            DeliveryState::Stored => MessageCode::Stored,
            DeliveryState::Waiting if is_due => MessageCode::Stamping,
            DeliveryState::Waiting if effort_asked.is_some() => MessageCode::TooDear,
            DeliveryState::Waiting if is_refused => MessageCode::Refused,
            DeliveryState::Waiting if standing.of == 0 => MessageCode::Unplaced,
            DeliveryState::Waiting => MessageCode::Placing,
        };
        let is_over = code.is_over();
        let is_everywhere = standing.of > 0 && standing.with >= standing.of;
        Shown {
            code,
            obstacles: match is_over || is_everywhere {
                true => Vec::new(),
                false => obstacles,
            },
            effort_asked,
        }
    }

    /// Returns when an envelope of a message is offered again next.
    pub(crate) fn next_try_of(&self, records: &Records, message: MessageId) -> Option<MonoMillis> {
        let envelopes = records.outgoing().iter();
        let envelopes = envelopes.filter(|(_, outgoing)| outgoing.message == message);
        envelopes
            .filter_map(|(id, _)| self.outbox.next_try(id))
            .min()
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
        let outputs = self.outbox.handle(cx.settled(), input);
        self.carry_out(cx, outputs);
    }

    fn carry_out(&mut self, cx: &mut Cx<'_>, outputs: Vec<outbox::Output>) {
        for output in outputs {
            match output {
                outbox::Output::Find(id, mailbox) => self.find(cx, id, mailbox.address()),
                outbox::Output::AskNeighbours(id, mailbox, keeper) => {
                    let question = Question::EnvelopeNeighbours(id, keeper);
                    cx.ask_neighbours(question, keeper, mailbox.address());
                }
                outbox::Output::Deposit(id, keeper) => self.deposit(cx, id, keeper),
                outbox::Output::Offer(id, keeper) => self.offer(cx, id, keeper),
                outbox::Output::Standing(id, standing) => self.on_standing(cx, id, standing),
                outbox::Output::Delivered(id, message) => {
                    debug!("a message was delivered");
                    self.obstacles.forget(&id);
                    end(cx, id, message, DeliveryState::Delivered);
                }
                outbox::Output::Expired(id, message) => {
                    self.obstacles.forget(&id);
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
        if is_done_with(outgoing, standing, cx.settled(), is_crowded) {
            self.outbox.remove(&id);
            self.obstacles.forget(&id);
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
        let standing = self.standing_of(cx.records, cx.settled(), message);
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
        let date = cx.settled;
        let over = self
            .outside(cx.records, cx.settled())
            .filter(|(_, end)| *end <= date);
        let over: Vec<ItemId> = over.map(|(id, _)| id).collect();
        for id in over {
            self.behind.remove(&id);
            self.obstacles.forget(&id);
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

/// Returns the highest effort that may be paid for a message.
fn effort_max(cx: &Cx<'_>, message: MessageId) -> u32 {
    let sent = cx.records.sent().get(&message);
    let allowed = sent.and_then(|sent| sent.effort_max);
    allowed.unwrap_or(cx.settings.effort_max)
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
