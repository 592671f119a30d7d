//! Recipients: the protocol's `Collector`, with nodes to talk to (SPEC 10.4).

use std::collections::VecDeque;

use bytes::Bytes;
use rand::Rng;
use restante_proto::{
    collector::{Collector, Input, Output},
    limits::SUBSCRIPTION_MS,
    request::{Listed, Waiting},
};

use super::World;
use crate::model::{
    event::{Event, Question},
    message::{Message, Receiving, both, name_of, node_of, wall},
    options::Recipients,
};

impl World<'_> {
    pub(super) fn on_recipient_comes(&mut self, id: u32, message: &mut Message) {
        if message.is_taken {
            return;
        }
        message.came_ms = self.now_ms;
        message.receiving = Some(Box::new(Receiving {
            collector: Collector::default(),
            found: Vec::new(),
            due_ms: 0,
            subscribed: Vec::new(),
        }));
        self.tally.visits += u64::from(message.was_away);
        if let Recipients::Sometimes { here, .. } = self.options.recipients {
            let at_ms = self.now_ms + here.draw(&mut self.people);
            let event = Event::RecipientGoes(id, message.recipient_stint);
            self.queue.push(at_ms, event);
        }
        self.collect(id, message, Input::Watch(vec![message.mailbox]));
    }

    pub(super) fn on_recipient_goes(&mut self, id: u32, message: &mut Message) {
        self.tally.visits_in_vain += u64::from(message.was_away);
        message.receiving = None;
        message.recipient_stint = message.recipient_stint.wrapping_add(1);
        let at_ms = match self.options.recipients {
            Recipients::Sometimes { away, .. } => self.now_ms + away.draw(&mut self.people),
            Recipients::Always => return,
        };
        self.queue.push(at_ms, Event::RecipientComes(id));
    }

    pub(super) fn on_recipient_due(&mut self, id: u32, message: &mut Message) {
        self.collect(id, message, Input::Timer);
    }

    pub(super) fn on_recipient_found(&mut self, id: u32, message: &mut Message) {
        let Some(receiving) = &message.receiving else {
            return;
        };
        let keepers = receiving.found.iter().map(|node| name_of(*node)).collect();
        let input = Input::Found(message.mailbox.address(), keepers);
        self.collect(id, message, input);
    }

    /// A node answers, or has not.
    pub(super) fn on_asked(
        &mut self,
        id: u32,
        message: &mut Message,
        node: u32,
        question: Question,
    ) {
        let (at, keeper) = (message.mailbox.address(), name_of(node));
        let is_up = self.nodes.up.has(node);
        let holds = is_up && message.copies.contains(&node);
        let size = usize::from(message.size);
        let (input, bytes) = match question {
            Question::Neighbours if is_up => {
                // Neighbours of an address know each other.
                let (rules, keys) = (&self.options.routing, &self.nodes.keys);
                let mut nearest = Vec::new();
                keys.closest(message.key, rules.wanted, &self.nodes.listed, &mut nearest);
                let others = nearest.iter().map(|(_, other)| *other);
                let others = others.filter(|other| *other != node).map(name_of);
                let bytes = rules.question_bytes + rules.named_bytes * rules.bucket as u64;
                (Input::Neighbours(at, keeper, others.collect()), bytes)
            }
            Question::Neighbours => (Input::Neighbours(at, keeper, Vec::new()), 0),
            Question::Subscribe if is_up => {
                if let Some(receiving) = &mut message.receiving {
                    receiving.subscribed.push(node);
                }
                let until = wall(self.now_ms).plus(SUBSCRIPTION_MS);
                (Input::Subscribed(at, keeper, until), self.cost.subscribe)
            }
            Question::Subscribe => (Input::NotSubscribed(at, keeper), 0),
            Question::List if is_up => {
                let listed = Listed {
                    id: message.item,
                    size_bytes: restante_proto::limits::ENVELOPE_BYTES[size] as u32,
                    expires: wall(message.expires_ms),
                };
                let input = Input::Listed {
                    mailbox: at,
                    keeper,
                    items: holds.then_some(listed).into_iter().collect(),
                    more: false,
                };
                (input, self.cost.list[usize::from(holds)])
            }
            Question::List => (Input::NotListed(at, keeper), 0),
            Question::Get if is_up => {
                let items = holds.then(|| (message.item, waiting(message)));
                let input = Input::Got {
                    mailbox: at,
                    keeper,
                    asked: vec![message.item],
                    items: items.into_iter().collect(),
                };
                (input, self.cost.get[size])
            }
            Question::Get => (Input::NotGot(at, keeper, vec![message.item]), 0),
        };
        self.moved(node, bytes);
        self.tally.bytes.collecting += bytes;
        self.collect(id, message, input);
    }

    /// Sends a new message to a recipient that waits for it at this node.
    pub(super) fn push_to_recipient(
        &mut self,
        id: u32,
        message: &Message,
        node: u32,
        commit_ms: u64,
    ) {
        let receiving = message.receiving.as_ref();
        if receiving.is_some_and(|receiving| receiving.subscribed.contains(&node)) {
            let bytes = self.cost.push[usize::from(message.size)];
            self.moved(node, bytes);
            self.tally.bytes.collecting += bytes;
            let at_ms = self.now_ms + commit_ms + self.way_back_ms(message.recipient, node);
            let event = Event::Pushed(id, node, message.recipient_stint);
            self.queue.push(at_ms, event);
        }
    }

    pub(super) fn on_pushed(&mut self, id: u32, message: &mut Message, node: u32) {
        let at = message.mailbox.address();
        let input = Input::Pushed(at, name_of(node), message.item, waiting(message));
        self.collect(id, message, input);
    }

    /// An ack reaches a node: the copy goes, and never comes back.
    pub(super) fn on_ack(&mut self, message: &mut Message, node: u32) {
        if !self.nodes.up.has(node) || message.acked.contains(&node) {
            return;
        }
        self.moved(node, self.cost.ack);
        self.tally.bytes.collecting += self.cost.ack;
        message.acked.push(node);
        if let Some(place) = message.copies.iter().position(|copy| *copy == node) {
            message.copies.swap_remove(place);
            self.nodes.load[node as usize].copies -= 1;
        }
    }

    /// Gives the collector an input and does what it says.
    fn collect(&mut self, id: u32, message: &mut Message, input: Input) {
        let Some(receiving) = &mut message.receiving else {
            return;
        };
        let mut outputs = VecDeque::from(receiving.collector.handle(both(self.now_ms), input));
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Find(_) => {
                    let links = &message.recipient_links;
                    let (walk, found) = self.walk(message.recipient, message.key, links);
                    self.connect(&mut message.recipient_links, walk);
                    if let Some(receiving) = &mut message.receiving {
                        receiving.found = found;
                    }
                    let event = Event::RecipientFound(id, message.recipient_stint);
                    self.queue.push(self.now_ms + walk.end_ms, event);
                }
                Output::AskNeighbours(_, keeper) => {
                    self.ask(id, message, keeper, Question::Neighbours);
                }
                Output::Subscribe(_, keeper) => self.ask(id, message, keeper, Question::Subscribe),
                Output::List(_, keeper, _) => self.ask(id, message, keeper, Question::List),
                Output::Get(_, keeper, _) => self.ask(id, message, keeper, Question::Get),
                Output::Ack(_, keeper, _) => {
                    let node = node_of(keeper);
                    let links = &message.recipient_links;
                    let way_ms = self.way_there_ms(message.recipient, node, links);
                    let at_ms = self.now_ms + way_ms;
                    self.queue.push(at_ms, Event::Ack(id, node));
                }
                Output::Open(..) => outputs.extend(self.take(id, message)),
            }
        }
        if message.is_taken {
            message.receiving = None;
            message.recipient_stint = message.recipient_stint.wrapping_add(1);
            return;
        }
        let Some(receiving) = &mut message.receiving else {
            return;
        };
        let due = receiving.collector.next_timeout();
        let due_ms = due.map(|due| due.get().max(self.now_ms));
        if let Some(due_ms) = due_ms.filter(|due_ms| *due_ms != receiving.due_ms) {
            receiving.due_ms = due_ms;
            let event = Event::RecipientDue(id, message.recipient_stint);
            self.queue.push(due_ms, event);
        }
    }

    fn ask(
        &mut self,
        id: u32,
        message: &mut Message,
        keeper: restante_proto::NodeId,
        question: Question,
    ) {
        let node = node_of(keeper);
        let links = &mut message.recipient_links;
        let at_ms = self.now_ms + self.answer_ms(message.recipient, node, links);
        if self.nodes.up.has(node) {
            links.on_used(node, at_ms);
        }
        let event = Event::Asked(id, node, question, message.recipient_stint);
        self.queue.push(at_ms, event);
    }

    /// The recipient has the message: it counts as delivered, is acked, and the sender gets a delivery receipt.
    fn take(&mut self, id: u32, message: &mut Message) -> Vec<Output> {
        if message.is_taken {
            self.tally.twice += 1;
            return Vec::new();
        }
        self.drop_gone(message);
        message.is_taken = true;
        self.tally.delivered += 1;
        self.tally.shown_ms.add(self.now_ms - message.written_ms);
        if message.was_away {
            let after_ms = self.now_ms - message.came_ms.max(message.written_ms);
            self.tally.after_return_ms.add(after_ms);
        } else {
            let took_ms = self.now_ms - message.written_ms;
            self.tally.online_ms.add(took_ms);
            self.count_showing(message, took_ms);
        }
        self.send_delivery_receipt(id, message);
        let taken = vec![(message.item, wall(message.expires_ms))];
        let input = Input::Taken(message.mailbox.address(), taken);
        match &mut message.receiving {
            Some(receiving) => receiving.collector.handle(both(self.now_ms), input),
            None => Vec::new(),
        }
    }

    /// Brings the delivery receipt out: a lookup, deposits, a push and acks, of which none is lost.
    fn send_delivery_receipt(&mut self, id: u32, message: &Message) {
        let key = self.people.next_u64();
        let (walk, found) = self.walk(message.recipient, key, &message.recipient_links);
        let bytes = self.cost.deposit[0] + self.cost.ack;
        for node in found.into_iter().take(self.options.copies) {
            self.moved(node, bytes);
            self.tally.bytes.delivery_receipts += bytes;
        }
        let links = &message.recipient_links;
        let way_ms = self.exchange_ms(message.recipient, message.sender, links);
        self.queue.push(
            self.now_ms + self.options.delivery_receipt_ms + walk.end_ms + way_ms,
            Event::DeliveryReceipt(id),
        );
    }
}

/// Returns what a node hands over; nobody looks at the bytes.
const fn waiting(message: &Message) -> Waiting {
    Waiting {
        envelope: Bytes::new(),
        expires: wall(message.expires_ms),
    }
}
