//! Senders: the protocol's `Placement`, with nodes to talk to (SPEC 10.2 and 10.3).

use std::collections::BTreeMap;

use restante_proto::{
    limits::{REPLICAS, receipts_wanted},
    placement::{Placement, Step},
};

use super::World;
use crate::model::{
    event::{Event, Reply, Stint},
    message::{DeliveryReceipt, Message, Sending, both, name_of, node_of, wall},
    options::Senders,
};

impl World<'_> {
    pub(super) fn on_sender_comes(&mut self, id: u32, message: &mut Message) {
        if message.delivery_receipt == DeliveryReceipt::Waiting {
            self.know(message);
        }
        if message.delivery_receipt == DeliveryReceipt::Known {
            return;
        }
        let receipts = std::mem::take(&mut message.receipts);
        let mut placement = Placement::new(message.mailbox.address(), receipts);
        let steps = placement.on_timer(both(self.now_ms));
        message.sending = Some(Box::new(Sending {
            placement,
            further: BTreeMap::new(),
            found: Vec::new(),
            near: Vec::new(),
            due_ms: 0,
        }));
        if let Senders::Sometimes { here, .. } = self.options.senders {
            let at_ms = self.now_ms + here.draw(&mut self.people);
            self.queue.push(at_ms, Event::SenderGoes(id));
        }
        self.send(id, message, steps);
    }

    pub(super) fn on_sender_goes(&mut self, id: u32, message: &mut Message) {
        let Some(sending) = message.sending.take() else {
            return;
        };
        message.receipts = sending.placement.receipts().clone();
        message.sender_stint = message.sender_stint.wrapping_add(1);
        if let Senders::Sometimes { away, .. } = self.options.senders {
            let at_ms = self.now_ms + away.draw(&mut self.people);
            self.queue.push(at_ms, Event::SenderComes(id));
        }
    }

    pub(super) fn on_sender_due(&mut self, id: u32, message: &mut Message) {
        if let Some(sending) = &mut message.sending {
            let steps = sending.placement.on_timer(both(self.now_ms));
            self.send(id, message, steps);
        }
    }

    /// Lets a sender hear of whom its lookup takes for the nearest: first those of its last one, then those that the
    /// walk which was just made has heard of.
    fn near(&mut self, id: u32, message: &mut Message, found: Vec<u32>) {
        let Some(sending) = &mut message.sending else {
            return;
        };
        sending.near.clear();
        if !self.options.early {
            sending.found = found;
            return;
        }
        let known = std::mem::replace(&mut message.keepers, found.clone());
        let known = (!known.is_empty()).then_some((0, known));
        for (after_ms, near) in known.into_iter().chain(self.walker.near().iter().cloned()) {
            let place = u8::try_from(sending.near.len()).unwrap_or(u8::MAX);
            sending.near.push(near);
            let event = Event::SenderNear(id, place, message.sender_stint);
            self.queue.push(self.now_ms + after_ms, event);
        }
        sending.found = found;
    }

    pub(super) fn on_sender_near(&mut self, id: u32, message: &mut Message, place: u8) {
        let Some(sending) = &mut message.sending else {
            return;
        };
        let near = sending.near.get(usize::from(place));
        let keepers: Vec<_> = near
            .into_iter()
            .flatten()
            .map(|node| name_of(*node))
            .collect();
        let steps = sending.placement.on_near(both(self.now_ms), &keepers);
        self.send(id, message, steps);
    }

    pub(super) fn on_sender_found(&mut self, id: u32, message: &mut Message) {
        let Some(sending) = &mut message.sending else {
            return;
        };
        // Fewer than the protocol's number are what a smaller network would offer; more are
        // deposited at beside it.
        let offered = if self.options.copies < REPLICAS {
            sending.found.len().min(self.options.copies)
        } else {
            sending.found.len()
        };
        let keepers: Vec<_> = sending.found[..offered]
            .iter()
            .map(|node| name_of(*node))
            .collect();
        let steps = sending.placement.on_found(both(self.now_ms), &keepers);
        let wanted = sending.found.iter().take(self.options.copies);
        let further = wanted.skip(REPLICAS).copied();
        let further: Vec<u32> = further
            .filter(|node| !sending.further.contains_key(node))
            .collect();
        let asked = further.iter().map(|node| (*node, false));
        sending.further.extend(asked);
        for node in further {
            self.deposit(id, message, node);
        }
        self.send(id, message, steps);
    }

    /// Takes a node's answer, or its silence.
    pub(super) fn on_answer(&mut self, id: u32, message: &mut Message, node: u32, reply: Reply) {
        let until = wall(message.expires_ms);
        let Some(sending) = &mut message.sending else {
            return;
        };
        if let Some(has_receipt) = sending.further.get_mut(&node) {
            *has_receipt = reply == Reply::Receipt;
            if !*has_receipt {
                sending.further.remove(&node);
            }
            self.send(id, message, Vec::new());
            return;
        }
        let keeper = name_of(node);
        let steps = match reply {
            Reply::Receipt => sending
                .placement
                .on_receipt(both(self.now_ms), keeper, until),
            Reply::Unknown => sending.placement.on_unknown(both(self.now_ms), keeper),
            Reply::Failed => sending.placement.on_failed(both(self.now_ms), keeper),
        };
        self.send(id, message, steps);
    }

    /// Does what the placement asks for, and sees how far it is.
    fn send(&mut self, id: u32, message: &mut Message, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Find => {
                    let links = &message.sender_links;
                    let (walk, found) = self.walk(message.sender, message.key, links);
                    self.connect(&mut message.sender_links, walk);
                    self.near(id, message, found);
                    let event = Event::SenderFound(id, message.sender_stint);
                    self.queue.push(self.now_ms + walk.end_ms, event);
                }
                Step::Deposit(keeper) => self.deposit(id, message, node_of(keeper)),
                Step::Offer(keeper) => {
                    let node = node_of(keeper);
                    let at_ms = self.now_ms + self.reach_from_sender_ms(message, node);
                    let event = Event::Offer(id, node, message.sender_stint);
                    self.queue.push(at_ms, event);
                }
            }
        }
        self.look_at_receipts(message);
        self.await_next_try(id, message);
    }

    /// Returns how long a request of the sender takes to reach a node, in milliseconds; the
    /// connection is open from then on.
    fn reach_from_sender_ms(&self, message: &mut Message, node: u32) -> u64 {
        let links = &mut message.sender_links;
        let way_ms = self.way_there_ms(message.sender, node, links);
        if self.nodes.up.has(node) {
            links.on_used(node, self.now_ms + way_ms);
        }
        way_ms
    }

    fn deposit(&mut self, id: u32, message: &mut Message, node: u32) {
        let at_ms = self.now_ms + self.reach_from_sender_ms(message, node);
        let event = Event::Deposit(id, node, message.sender_stint);
        self.queue.push(at_ms, event);
    }

    /// Calls the message stored once enough receipts are in.
    fn look_at_receipts(&mut self, message: &mut Message) {
        let Some(sending) = &message.sending else {
            return;
        };
        let further = sending.further.values().filter(|has| **has).count();
        let with = sending.placement.standing(both(self.now_ms)).with + further;
        let of = sending.found.len().min(self.options.copies);
        if message.is_stored || of == 0 || with < receipts_wanted(of) {
            return;
        }
        message.is_stored = true;
        self.tally.stored += 1;
        let took_ms = self.now_ms - message.written_ms;
        self.tally.stored_ms.add(took_ms);
        self.count_deposit(message, took_ms);
    }

    /// Remembers when the placement is due next; a sender that is done with it goes.
    fn await_next_try(&mut self, id: u32, message: &mut Message) {
        let stint = message.sender_stint;
        let Some(sending) = &mut message.sending else {
            return;
        };
        let Some(due) = sending.placement.next_timeout() else {
            return;
        };
        let awaits_further = sending.further.values().any(|has| !has);
        if self.options.senders == Senders::UntilStored && message.is_stored && !awaits_further {
            message.sending = None;
            message.sender_stint = stint.wrapping_add(1);
            return;
        }
        let due_ms = due.get().max(self.now_ms);
        if due_ms != sending.due_ms && due_ms < message.expires_ms {
            sending.due_ms = due_ms;
            self.queue.push(due_ms, Event::SenderDue(id, stint));
        }
    }

    /// A deposit reaches a node, which keeps it, tells who waits for it, and gives a receipt.
    pub(super) fn on_deposit(&mut self, id: u32, message: &mut Message, node: u32, stint: Stint) {
        if !self.nodes.up.has(node) {
            self.reply_failed(id, node, stint);
            return;
        }
        let size = usize::from(message.size);
        self.moved(node, self.cost.deposit[size]);
        self.tally.bytes.deposits += self.cost.deposit[size];
        let commit_ms = self.options.commit.draw(&mut self.people);
        if self.keep(message, node) {
            self.push_to_recipient(id, message, node, commit_ms);
        }
        message.copies_max = message.copies_max.max(message.copies.len());
        let at_ms = self.now_ms + commit_ms + self.way_back_ms(message.sender, node);
        let event = Event::Answer(id, node, Reply::Receipt, stint);
        self.queue.push(at_ms, event);
    }

    /// An offer reaches a node, which says whether it holds the message or was told that it is
    /// taken.
    pub(super) fn on_offer(&mut self, id: u32, message: &mut Message, node: u32, stint: Stint) {
        if !self.nodes.up.has(node) {
            self.reply_failed(id, node, stint);
            return;
        }
        self.moved(node, self.cost.offer);
        self.tally.bytes.offers += self.cost.offer;
        let holds = message.copies.contains(&node) || message.acked.contains(&node);
        let reply = if holds {
            Reply::Receipt
        } else {
            Reply::Unknown
        };
        let at_ms = self.now_ms + self.way_back_ms(message.sender, node);
        let event = Event::Answer(id, node, reply, stint);
        self.queue.push(at_ms, event);
    }

    fn reply_failed(&mut self, id: u32, node: u32, stint: Stint) {
        let at_ms = self.now_ms + self.options.routing.timeout_ms;
        let event = Event::Answer(id, node, Reply::Failed, stint);
        self.queue.push(at_ms, event);
    }

    /// The delivery receipt reaches the sender, or waits for it.
    pub(super) fn on_delivery_receipt(&mut self, message: &mut Message) {
        if message.sending.take().is_some() {
            message.sender_stint = message.sender_stint.wrapping_add(1);
            self.know(message);
        } else {
            message.delivery_receipt = DeliveryReceipt::Waiting;
        }
    }

    fn know(&mut self, message: &mut Message) {
        message.delivery_receipt = DeliveryReceipt::Known;
        self.tally.known += 1;
    }
}
