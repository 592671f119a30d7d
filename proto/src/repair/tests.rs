//! A handful of keepers with their stores, and what becomes of items when some come and go.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{Input, Output, Repair, RepairRequest, RepairResponse};
use crate::{
    Address, ItemId, NodeId,
    envelope::id_of,
    fixture::{NOW, bytes, key, noise_envelope},
    keeper::{
        self, CallId, ConnId, ElementKey, ItemStore as _, Keeper, MemoryStore, Policy, Source,
        StoreOp,
    },
    keys::SecretKey,
    limits::{DAY_MS, MINUTE_MS, REPLICAS, SECOND_MS},
    mailbox::{AckEntry, Capability, Mailbox, Rule},
    receipt::NONCE_BYTES,
    request::{Admission, Request},
    routing::distance,
    stamp::CheapForTests,
    time::{MonoMillis, Now, UnixMillis},
};

mod clocks;
mod hostile;
mod upkeep;

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);

/// A keeper with its store.
struct Office {
    node: NodeId,
    up: bool,
    keeper: Keeper,
    store: MemoryStore,
    repair: Repair,
}

/// What is on its way within the world, from one office to another or within one.
enum Post {
    Repair(usize, Input),
    /// A request, the office that asked, and its ticket.
    Request(usize, usize, keeper::Ticket, Bytes),
}

struct World {
    now: Now,
    offices: Vec<Office>,
    post: VecDeque<Post>,
    /// Who waits for the answer to a call, at whose office it is.
    calls: Vec<(usize, keeper::Ticket)>,
    bytes: usize,
    left: Vec<usize>,
    /// Whose requests never arrive, and are never answered.
    silent: Vec<usize>,
}

fn office(number: usize) -> Office {
    let secret = key(&format!("keeper {number}"));
    let node = NodeId::new(*secret.public().as_bytes());
    Office {
        node,
        up: true,
        keeper: Keeper::new(secret, Policy::default(), Arc::new(CheapForTests)),
        store: MemoryStore::new(u64::MAX),
        repair: Repair::new(node, bytes(&format!("repair {number}"))),
    }
}

/// A mailbox of somebody's, and the key that owns it.
fn mailbox(number: usize) -> (Mailbox, SecretKey) {
    let owner = key(&format!("owner {number}"));
    let mailbox = Mailbox {
        owner: owner.public(),
        rule: Rule::Capability,
        epoch: NOW.epoch(),
    };
    (mailbox, owner)
}

fn deposit(number: usize, label: &str) -> (ElementKey, Request) {
    let (mailbox, owner) = mailbox(number);
    let envelope = noise_envelope(label, 2_048, EXPIRES);
    let (address, id) = (mailbox.address(), id_of(&envelope));
    let holder = label.split(' ').next().unwrap_or_default();
    let capability = Capability::issue(&owner, &mailbox, key(holder));
    let proof = capability.prove(&address, &id, EXPIRES);
    let request = Request::DepositEnvelope {
        mailbox,
        expires: EXPIRES,
        envelope,
        nonce: [7; NONCE_BYTES],
        admission: Admission::Capability(proof),
    };
    (ElementKey::envelope(address, id), request)
}

impl World {
    fn new(count: usize) -> Self {
        let mut world = Self {
            now: Now::new(MonoMillis::default(), NOW),
            offices: (0..count).map(office).collect(),
            post: VecDeque::new(),
            calls: Vec::new(),
            bytes: 0,
            left: Vec::new(),
            silent: Vec::new(),
        };
        world.tell_neighbours();
        world.run(20 * MINUTE_MS);
        world
    }

    /// Tells every office who is up.
    fn tell_neighbours(&mut self) {
        let up: Vec<NodeId> = self
            .offices
            .iter()
            .filter(|office| office.up)
            .map(|office| office.node)
            .collect();
        for at in 0..self.offices.len() {
            if self.offices[at].up {
                self.post
                    .push_back(Post::Repair(at, Input::Neighbours(up.clone())));
            }
        }
        self.deliver();
    }

    fn set_up(&mut self, at: usize, up: bool) {
        self.offices[at].up = up;
        self.tell_neighbours();
    }

    /// Lets time pass.
    fn run(&mut self, ms: u64) {
        let end = self.now.mono.plus(ms);
        loop {
            let up = self
                .offices
                .iter()
                .enumerate()
                .filter(|(_, office)| office.up);
            let due = up
                .filter_map(|(at, office)| Some((office.repair.next_timeout()?, at)))
                .min();
            let Some((due, at)) = due.filter(|(due, _)| *due <= end) else {
                break;
            };
            self.pass(due.since(self.now.mono));
            self.post.push_back(Post::Repair(at, Input::Timer));
            self.deliver();
            let next = self.offices[at].repair.next_timeout();
            assert!(next.is_none_or(|next| next > self.now.mono), "it spins");
        }
        self.pass(end.since(self.now.mono));
    }

    fn pass(&mut self, ms: u64) {
        self.now = Now::new(self.now.mono.plus(ms), self.now.date.plus(ms));
    }

    fn deliver(&mut self) {
        while let Some(post) = self.post.pop_front() {
            let (at, input) = match post {
                Post::Repair(at, input) => (at, input),
                Post::Request(at, from, ticket, payload) => {
                    self.calls.push((from, ticket));
                    let call = CallId(self.calls.len() as u64 - 1);
                    let from = self.offices[from].node;
                    (
                        at,
                        Input::Request {
                            call,
                            from,
                            payload,
                        },
                    )
                }
            };
            let now = self.now;
            for output in self.offices[at].repair.handle(now, input) {
                self.act(at, output);
            }
        }
    }

    fn act(&mut self, at: usize, output: Output) {
        let now = self.now;
        let office = &mut self.offices[at];
        let input = match output {
            Output::Respond(call, response) => {
                let (to, ticket) = self.calls[usize::try_from(call.0).unwrap()];
                let answer = response.encode();
                assert!(RepairResponse::decode(&answer).unwrap().encode() == answer);
                self.bytes += answer.len();
                self.post
                    .push_back(Post::Repair(to, Input::Answered(ticket, Some(answer))));
                return;
            }
            Output::Scan(ticket, mut scan) => {
                while !scan.slice(&office.store, now.date).unwrap() {}
                Input::Scanned(ticket, Ok(scan))
            }
            Output::Store(ticket, op) => Input::Stored(ticket, Ok(office.one(now, op))),
            Output::Import(ticket, replicas) => {
                let call = CallId(ticket.0);
                let outputs = office.ask(now, keeper::Input::Import { call, replicas });
                let taken = outputs.iter().find_map(|output| match output {
                    keeper::Output::Imported { taken, .. } => Some(*taken),
                    _ => None,
                });
                Input::Imported(ticket, taken.expect("an import has an end"))
            }
            Output::Date(keeper, date) => {
                let outputs = office.ask(now, keeper::Input::Date(keeper, date));
                assert!(outputs.is_empty());
                return;
            }
            Output::Ask(ticket, to, request) => {
                let payload = request.encode();
                assert_eq!(RepairRequest::decode(&payload), Ok(request));
                self.bytes += payload.len();
                let to = self
                    .offices
                    .iter()
                    .position(|office| office.node == to && office.up);
                match to {
                    Some(to) if self.silent.contains(&to) => {}
                    Some(to) => self.post.push_back(Post::Request(to, at, ticket, payload)),
                    None => self
                        .post
                        .push_back(Post::Repair(at, Input::Answered(ticket, None))),
                }
                return;
            }
            Output::Left => {
                self.left.push(at);
                return;
            }
        };
        self.post.push_back(Post::Repair(at, input));
    }

    /// Deposits an envelope at the nearest offices that are up.
    fn place(&mut self, mailbox: usize, label: &str) -> ElementKey {
        let (key, request) = deposit(mailbox, label);
        for at in self.nearest(&key.address) {
            self.offices[at].deposit(self.now, &request);
        }
        key
    }

    /// Returns the offices that should have what lies at an address.
    fn nearest(&self, address: &Address) -> Vec<usize> {
        let up = (0..self.offices.len()).filter(|at| self.offices[*at].up);
        let mut nearest: Vec<usize> = up.collect();
        nearest.sort_by_key(|at| distance(&self.offices[*at].node, address));
        nearest.truncate(REPLICAS);
        nearest
    }

    fn holds(&self, at: usize, key: &ElementKey) -> bool {
        let page = self.offices[at]
            .store
            .elements(self.now.date, None, usize::MAX)
            .unwrap();
        page.elements.iter().any(|element| element.key == *key)
    }

    #[track_caller]
    fn is_whole(&self, keys: &[ElementKey]) {
        for key in keys {
            for at in self.nearest(&key.address) {
                assert!(self.holds(at, key), "{at} lacks {key:?}");
            }
        }
    }

    fn copied(&self) -> u64 {
        self.offices
            .iter()
            .map(|office| office.repair.counters().copied)
            .sum()
    }
}

impl Office {
    fn one(&mut self, now: Now, op: StoreOp) -> keeper::StoreOutcome {
        self.store.apply(now.date, vec![op]).unwrap().remove(0)
    }

    /// Hands an input to the keeper and does all that it wants done; returns the rest.
    fn ask(&mut self, now: Now, input: keeper::Input) -> Vec<keeper::Output> {
        let mut rest = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.keeper.handle(now, input) {
                match output {
                    keeper::Output::Store { ticket, op } => {
                        let result = Ok(self.one(now, op));
                        inputs.push_back(keeper::Input::Stored { ticket, result });
                    }
                    output => rest.push(output),
                }
            }
        }
        rest
    }

    fn deposit(&mut self, now: Now, request: &Request) {
        let outputs = self.ask(
            now,
            keeper::Input::Request {
                conn: ConnId(1),
                call: CallId(1),
                source: Source(0),
                payload: request.encode(),
            },
        );
        let is_done = matches!(
            outputs.first(),
            Some(keeper::Output::Respond {
                response: crate::request::Response::Receipt(_)
                    | crate::request::Response::Done { .. },
                ..
            })
        );
        assert!(is_done, "{outputs:?}");
    }
}

/// An ack of an envelope by its mailbox's owner.
fn ack(number: usize, key: &ElementKey) -> Request {
    let (mailbox, owner) = mailbox(number);
    let id = ItemId::new(key.name);
    Request::Ack {
        mailbox,
        entries: vec![AckEntry::sign(&owner, &key.address, id)],
    }
}

const AFTER_A_LOSS_MS: u64 = super::neighbourhood::GRACE_MS + MINUTE_MS;
const AFTER_A_START_MS: u64 = 90 * SECOND_MS;
