//! The run: all nodes and messages, and the loop over what happens.

use std::collections::BTreeSet;

use rand::{Rng, rngs::Xoshiro256PlusPlus};
use restante_proto::{
    ItemId,
    keys::PublicKey,
    mailbox::{Mailbox, Rule},
    placement::REACH_NODES,
};
use restante_sim_population::draw;

mod counting;
mod findings;
mod latency;
mod recipient;
mod repair;
mod sender;

use crate::model::{
    cost::Cost,
    event::Event,
    keyspace::region_of,
    links::Links,
    lookup::{Distances, Environment, Walk, Walker},
    message::{DeliveryReceipt, Message, wall},
    nodes::{Nodes, weighted},
    options::{Options, READY_MS, Recipients},
    queue::Queue,
    report::Progress,
    tables::Tables,
    tally::Tally,
};
use crate::random::randomness;

/// How often copies are counted in a run.
const SAMPLES: u64 = 120;

pub(crate) struct World<'a> {
    options: &'a Options,
    now_ms: u64,
    queue: Queue<Event>,
    pub(crate) nodes: Nodes,
    distances: Distances,
    walker: Walker,
    tables_seed: u64,
    cost: Cost,
    /// All messages by their numbers; those that are over are no longer there.
    pub(crate) messages: Vec<Option<Box<Message>>>,
    /// Messages before this one are over.
    first: usize,
    people: Xoshiro256PlusPlus,
    /// What nobody but the measurement of latencies draws from.
    least: Xoshiro256PlusPlus,
    /// Messages that keepers look after, by their keys and numbers.
    kept: BTreeSet<(u64, u32)>,
    pub(crate) tally: Tally,
}

impl<'a> World<'a> {
    pub(crate) fn new(options: &'a Options, seed: u64) -> Self {
        let mut queue = Queue::new();
        let nodes = Nodes::draw(options, seed, &mut queue);
        queue.push(0, Event::Sample);
        queue.push(0, Event::Ready);
        Self {
            options,
            now_ms: 0,
            queue,
            nodes,
            distances: Distances::new(&options.regions),
            walker: Walker::default(),
            tables_seed: randomness(seed, "tables").next_u64(),
            cost: Cost::measure(),
            messages: Vec::new(),
            first: 0,
            people: randomness(seed, "people"),
            least: randomness(seed, "least"),
            kept: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// Lets everything happen until the run is over.
    pub(crate) fn run(&mut self, told: &mut dyn FnMut(&Progress)) {
        while let Some((at_ms, event)) = self.queue.pop() {
            if at_ms > self.options.duration_ms {
                break;
            }
            self.now_ms = at_ms;
            self.happen(event);
            if event == Event::Sample {
                told(&self.progress());
            }
        }
        self.now_ms = self.options.duration_ms;
        self.tally.events = self.queue.made();
        self.count_loads();
        told(&self.progress());
    }

    fn happen(&mut self, event: Event) {
        let (now_ms, options) = (self.now_ms, self.options);
        if matches!(
            event,
            Event::Arrive(_) | Event::Change(_) | Event::Depart(_)
        ) {
            self.tally.turns += 1;
        }
        match event {
            Event::Arrive(node) => {
                self.nodes.on_arrive(options, now_ms, node, &mut self.queue);
                self.notice(node);
            }
            Event::Change(node) => {
                self.nodes.on_change(options, now_ms, node, &mut self.queue);
                self.notice(node);
            }
            Event::Depart(node) => {
                self.nodes.on_depart(options, now_ms, node, &mut self.queue);
                self.notice(node);
            }
            Event::Missed(node) => self.nodes.on_missed(options, now_ms, node),
            Event::Sample => {
                self.sample();
                let next_ms = now_ms + (options.duration_ms / SAMPLES).max(1);
                self.queue.push(next_ms, Event::Sample);
            }
            Event::Ready => self.on_ready(),
            Event::Write(id)
            | Event::Expire(id)
            | Event::SenderComes(id)
            | Event::SenderGoes(id)
            | Event::SenderDue(id, _)
            | Event::SenderNear(id, ..)
            | Event::SenderFound(id, _)
            | Event::Deposit(id, ..)
            | Event::Offer(id, ..)
            | Event::Answer(id, ..)
            | Event::RecipientComes(id)
            | Event::RecipientGoes(id, _)
            | Event::RecipientDue(id, _)
            | Event::RecipientFound(id, _)
            | Event::Asked(id, ..)
            | Event::Pushed(id, ..)
            | Event::Ack(id, _)
            | Event::DeliveryReceipt(id)
            | Event::Check(id)
            | Event::Copy(id, _) => {
                // The message is out of the list while something happens to it; one that is over
                // stays out.
                let place = id as usize;
                if let Some(mut message) = self.messages[place].take()
                    && self.happen_to(id, &mut message, event)
                {
                    self.messages[place] = Some(message);
                }
            }
        }
    }

    /// Lets something happen to a message; says whether it goes on.
    fn happen_to(&mut self, id: u32, message: &mut Message, event: Event) -> bool {
        match event {
            Event::Write(_) => self.on_write(id, message),
            Event::Expire(_) => {
                self.on_expire(id, message);
                return false;
            }
            Event::SenderComes(_) => self.on_sender_comes(id, message),
            Event::SenderGoes(_) => self.on_sender_goes(id, message),
            Event::SenderDue(_, stint) if stint == message.sender_stint => {
                self.on_sender_due(id, message);
            }
            Event::SenderNear(_, place, stint) if stint == message.sender_stint => {
                self.on_sender_near(id, message, place);
            }
            Event::SenderFound(_, stint) if stint == message.sender_stint => {
                self.on_sender_found(id, message);
            }
            Event::Deposit(_, node, stint) => self.on_deposit(id, message, node, stint),
            Event::Offer(_, node, stint) => self.on_offer(id, message, node, stint),
            Event::Answer(_, node, reply, stint) if stint == message.sender_stint => {
                self.on_answer(id, message, node, reply);
            }
            Event::RecipientComes(_) => self.on_recipient_comes(id, message),
            Event::RecipientGoes(_, stint) if stint == message.recipient_stint => {
                self.on_recipient_goes(id, message);
            }
            Event::RecipientDue(_, stint) if stint == message.recipient_stint => {
                self.on_recipient_due(id, message);
            }
            Event::RecipientFound(_, stint) if stint == message.recipient_stint => {
                self.on_recipient_found(id, message);
            }
            Event::Asked(_, node, question, stint) if stint == message.recipient_stint => {
                self.on_asked(id, message, node, question);
            }
            Event::Pushed(_, node, stint) if stint == message.recipient_stint => {
                self.on_pushed(id, message, node);
            }
            Event::Ack(_, node) => self.on_ack(message, node),
            Event::DeliveryReceipt(_) => self.on_delivery_receipt(message),
            Event::Check(_) => self.on_check(id, message),
            Event::Copy(_, node) => self.on_copy(message, node),
            // Answers to somebody who has gone, and what is not about one message.
            _ => {}
        }
        true
    }

    /// Makes the next message, and gets its recipient ready if it is there.
    fn on_ready(&mut self) {
        let each = if self.options.latency { 2 } else { 1 };
        let number = self.messages.len() as u64 / each;
        let first = self.draw_message();
        let next = self.options.latency.then(|| self.follow(&first));
        self.bring_in(first);
        if let Some(next) = next {
            self.bring_in(next);
        }
        let total = u64::from(self.options.messages);
        if number + 1 < total {
            let slice = self.options.writing_ms / total;
            let start = self.options.writing_ms * (number + 1) / total;
            let at_ms = start + draw::below(&mut self.people, slice);
            self.queue.push(at_ms.max(self.now_ms), Event::Ready);
        }
    }

    /// Takes a message that is to be written, and gets its recipient ready.
    fn bring_in(&mut self, message: Box<Message>) {
        let id = self.messages.len() as u32;
        self.queue.push(message.written_ms, Event::Write(id));
        self.messages.push(Some(message));
        match self.options.recipients {
            Recipients::Always => self.queue.push(self.now_ms, Event::RecipientComes(id)),
            Recipients::Sometimes { .. } => {}
        }
    }

    fn draw_message(&mut self) -> Box<Message> {
        let rng = &mut self.people;
        let (mut owner, mut item) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut owner);
        rng.fill_bytes(&mut item);
        let written_ms = self.now_ms + READY_MS;
        let mailbox = Mailbox {
            owner: PublicKey::new(owner),
            rule: Rule::Capability,
            epoch: wall(written_ms).epoch(),
        };
        let [a, b, c, d, e, f, g, h, ..] = *mailbox.address().as_bytes();
        let sizes = self.options.sizes.map(u64::from);
        let people = u64::from(self.nodes.keys.len());
        Box::new(Message {
            mailbox,
            key: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            item: ItemId::new(item),
            size: weighted(&sizes, rng) as u8,
            written_ms,
            expires_ms: written_ms + self.options.ttl.draw(rng),
            sender: draw::below(rng, people) as u32,
            recipient: draw::below(rng, people) as u32,
            sending: None,
            receiving: None,
            sender_links: Links::default(),
            recipient_links: Links::default(),
            follows: None,
            keepers: Vec::new(),
            sender_stint: 0,
            recipient_stint: 0,
            receipts: std::collections::BTreeMap::new(),
            delivery_receipt: DeliveryReceipt::None,
            is_stored: false,
            is_taken: false,
            came_ms: 0,
            was_away: match self.options.recipients {
                Recipients::Always => false,
                Recipients::Sometimes { .. } => true,
            },
            copies: Vec::new(),
            copying: Vec::new(),
            acked: Vec::new(),
            copies_max: 0,
        })
    }

    fn on_write(&mut self, id: u32, message: &mut Message) {
        self.tally.written += 1;
        self.queue.push(message.expires_ms, Event::Expire(id));
        if let Recipients::Sometimes { away, .. } = self.options.recipients {
            let at_ms = self.now_ms + away.draw(&mut self.people);
            self.queue.push(at_ms, Event::RecipientComes(id));
        }
        self.look_after(id, message);
        if self.options.latency {
            self.take_up(message);
            self.measure(message);
        }
        self.on_sender_comes(id, message);
    }

    /// A message is over.
    fn on_expire(&mut self, id: u32, message: &mut Message) {
        if !message.is_taken {
            self.drop_gone(message);
            if message.is_stored && message.copies.is_empty() {
                self.tally.lost += 1;
            } else {
                self.tally.expired += 1;
                self.tally.never_stored += u64::from(!message.is_stored);
            }
        }
        self.kept.remove(&(message.key, id));
        for node in std::mem::take(&mut message.copies) {
            self.nodes.load[node as usize].copies -= 1;
        }
        while self.messages.get(self.first).is_some_and(Option::is_none) {
            self.first += 1;
        }
    }

    /// Walks towards a key and returns what that took and whom it found, nearest first.
    fn walk(&mut self, origin: u32, key: u64, links: &Links) -> (Walk, Vec<u32>) {
        let (walk, found) = self.walk_uncounted(origin, key, links);
        self.count_walk(origin, key, walk, &found);
        (walk, found)
    }

    fn walk_uncounted(&mut self, origin: u32, key: u64, links: &Links) -> (Walk, Vec<u32>) {
        let nodes = &self.nodes;
        let environment = Environment {
            tables: Tables {
                keys: &nodes.keys,
                listed: &nodes.listed,
                bucket: self.options.routing.bucket,
                seed: self.tables_seed,
            },
            up: &nodes.up,
            distances: &self.distances,
            rules: &self.options.routing,
            links: (links, self.now_ms),
            within: self.reach(origin),
        };
        let walk = self.walker.walk(&environment, origin, key);
        let found: Vec<u32> = self.walker.found().collect();
        (walk, found)
    }

    /// Notes that connections are open to all who answered the walk that was just made.
    fn connect(&self, links: &mut Links, walk: Walk) {
        for (node, answered_ms) in self.walker.answered() {
            links.on_used(node, self.now_ms + answered_ms);
            links.on_used(node, self.now_ms + walk.end_ms);
        }
    }

    /// Returns within what distance of a key a person expects as many nodes as are near: so far from itself are those
    /// that it knows.
    fn reach(&self, person: u32) -> u64 {
        let mut nearest = Vec::new();
        let (keys, listed) = (&self.nodes.keys, &self.nodes.listed);
        let count = REACH_NODES + 1;
        keys.closest(keys.key(person), count, listed, &mut nearest);
        nearest.last().map_or(u64::MAX, |(distance, _)| *distance)
    }

    /// Returns how long a request takes to reach a node, in milliseconds: all round trips less the
    /// way back.
    fn way_there_ms(&self, person: u32, node: u32, links: &Links) -> u64 {
        self.exchange_ms(person, node, links) - self.way_back_ms(person, node)
    }

    /// Returns how long an answer takes from a node, in milliseconds.
    fn way_back_ms(&self, person: u32, node: u32) -> u64 {
        let keys = &self.nodes.keys;
        let (person, node) = (region_of(keys.key(person)), region_of(keys.key(node)));
        self.distances.one_way_ms(node, person)
    }

    /// Returns how long it takes until a request is answered, in milliseconds.
    fn exchange_ms(&self, person: u32, node: u32, links: &Links) -> u64 {
        let trips = match links.has(node, self.now_ms) {
            true => 1,
            false => self.options.routing.round_trips,
        };
        self.round_trip_ms(person, node) * trips
    }

    fn round_trip_ms(&self, person: u32, node: u32) -> u64 {
        let keys = &self.nodes.keys;
        let (person, node) = (region_of(keys.key(person)), region_of(keys.key(node)));
        self.distances.round_trip_ms(person, node)
    }

    /// Returns how long it takes until a node has answered, or is given up, in milliseconds.
    fn answer_ms(&self, person: u32, node: u32, links: &Links) -> u64 {
        if self.nodes.up.has(node) {
            self.exchange_ms(person, node, links)
        } else {
            self.options.routing.timeout_ms
        }
    }

    /// Counts the bytes of a request and its answer between a node and a person, or two nodes.
    fn moved(&mut self, node: u32, bytes: u64) {
        self.nodes.load[node as usize].moved += bytes;
        self.tally.bytes.total += bytes;
    }

    /// Lets a node keep a message, if it does not already and was not told that it is taken; says
    /// whether it is new.
    fn keep(&mut self, message: &mut Message, node: u32) -> bool {
        if message.copies.contains(&node) || message.acked.contains(&node) {
            return false;
        }
        message.copies.push(node);
        let load = &mut self.nodes.load[node as usize];
        load.copies += 1;
        load.copies_max = load.copies_max.max(load.copies);
        true
    }

    /// Takes out copies on nodes that have left for good, and counts those that somebody still
    /// needed.
    fn drop_gone(&mut self, message: &mut Message) {
        let gone = &self.nodes.gone;
        let before = message.copies.len();
        message.copies_max = message.copies_max.max(before);
        let load = &mut self.nodes.load;
        message.copies.retain(|node| {
            let is_gone = gone.has(*node);
            load[*node as usize].copies -= u32::from(is_gone);
            !is_gone
        });
        if !message.is_taken {
            self.tally.repair.lost += (before - message.copies.len()) as u64;
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            now_ms: self.now_ms,
            until_ms: self.options.duration_ms,
            written: self.tally.written,
            delivered: self.tally.delivered,
            ended: self.tally.delivered + self.tally.expired + self.tally.lost,
            lookups: self.tally.lookups.count,
            events: self.queue.made(),
        }
    }
}
