//! People with cores and disks, and keepers, in one hand; what is under way is delivered in whatever order a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use restante_interface::{
    Body, ContactState, DeliveryState, InboxMessage, InboxRequest, Refusal, Reply, Request as Call,
    SendRequest, SendResult, StoreTrouble,
};
use restante_proto::account::Identity;
use restante_proto::envelope::Envelope;
use restante_proto::keeper::{Keeper, MemoryStore, Policy};
use restante_proto::keys::SecretKey;
use restante_proto::limits::{DAY_MS, HOUR_MS};
use restante_proto::person::IdCost;
use restante_proto::receipt::NONCE_BYTES;
use restante_proto::request::{Admission, Request, Response};
use restante_proto::routing::distance;
use restante_proto::stamp::{Challenge, CheapForTests, EFFORT_DEFAULT, StampScheme};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, NodeId};

use super::super::job::{Costs, Job};
use super::super::model::{Account, Header, Slot};
use super::super::records::Change;
use super::super::{CallId, CommitError, Input, Output, Token};
use super::keeper::TestKeeper;
use super::person::Person;
use super::seeded::Seeded;

pub(super) const START: UnixMillis = UnixMillis::new(1_800_000_000_000);

/// Something that was asked and is not answered yet.
#[derive(Debug)]
pub(super) enum Flying {
    Ask(Token, NodeId, Request),
    Search(Token, Address, usize),
    Neighbours(Token, NodeId, Address),
    Compute(Token, Box<Job>),
    Commit(Token, Vec<Change>),
    Read(Token, Vec<(u64, Slot)>),
    Push(NodeId, restante_proto::request::Push),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    /// The request never arrives, and the core is told so, as a deadline does.
    Failed,
    /// It arrives, and its answer never does.
    Lost,
    /// The answer comes twice.
    Twice,
}

pub(super) struct World {
    pub(super) mono: MonoMillis,
    pub(super) rng: Seeded,
    pub(super) people: Vec<Person>,
    /// The keys of their accounts, which no device has.
    pub(super) accounts: Vec<SecretKey>,
    pub(super) keepers: Vec<TestKeeper>,
    /// Nobody reaches anybody but what runs in the same node.
    pub(super) is_cut_off: bool,
    pub(super) costs: Costs,
    /// What every `inbox` showed, by person and by the name of the message.
    pub(super) shown: BTreeMap<(usize, String), InboxMessage>,
    /// Times at which a core wanted to be woken at once after it had just been woken.
    pub(super) spins: u32,
    pub(super) lose_pushes: bool,
}

impl World {
    pub(super) fn new(seed: u64, people: usize, keepers: usize) -> Self {
        let costs = Costs {
            id: IdCost::CheapForTests,
            stamps: Arc::new(CheapForTests),
        };
        let mut world = Self {
            mono: MonoMillis::new(1_000),
            rng: Seeded::new(seed),
            people: Vec::new(),
            accounts: Vec::new(),
            keepers: Vec::new(),
            is_cut_off: false,
            costs,
            shown: BTreeMap::new(),
            spins: 0,
            lose_pushes: false,
        };
        for _ in 0..keepers {
            world.add_keeper();
        }
        for number in 0..people {
            let account = world.account(number);
            world.people.push(Person::new(world.now_at(0), account));
            world.input(number, Input::Start);
        }
        world
    }

    /// Adds a keeper that holds nothing yet.
    pub(super) fn add_keeper(&mut self) {
        let key = SecretKey::generate(&mut self.rng);
        let keeper = Keeper::new(key.clone(), Policy::default(), Arc::new(CheapForTests));
        self.keepers.push(TestKeeper {
            node: NodeId::new(*key.public().as_bytes()),
            key,
            keeper,
            store: MemoryStore::new(u64::MAX),
            calls: 0,
            lie: None,
        });
    }

    /// The first of some people, and others whom it has accepted and who have accepted it: they are in a conversation.
    pub(super) fn friends(seed: u64, people: usize) -> Self {
        let mut world = Self::new(seed, people, 6);
        world.warm_up();
        for other in 1..people {
            world.send(0, other, "hello");
            world.run(60_000);
            world.send(other, 0, "hello yourself");
            world.run(60_000);
        }
        world
    }

    fn account(&mut self, number: usize) -> Account {
        let account = SecretKey::generate(&mut self.rng);
        let handle = format!("person{number}").parse().unwrap();
        let device = SecretKey::generate(&mut self.rng);
        let identity = Identity::new(&account, 1, device, handle);
        self.accounts.push(account);
        self.account_of(identity)
    }

    /// Brings somebody's account back with its key alone, on a new device; returns the number of the person there.
    pub(super) fn recover(&mut self, person: usize) -> usize {
        let before = self.people[person].core.account();
        let handle = before.identity.handle.clone();
        let number = before.identity.delegation.number + 1;
        let device = SecretKey::generate(&mut self.rng);
        let identity = Identity::new(&self.accounts[person], number, device, handle);
        let account = self.account_of(identity);
        let recovered = Person::new(self.now(person), account);
        self.people.push(recovered);
        let number = self.people.len() - 1;
        self.input(number, Input::Start);
        number
    }

    fn account_of(&mut self, identity: Identity) -> Account {
        Account {
            id: identity.person_id(IdCost::CheapForTests),
            node: SecretKey::generate(&mut self.rng),
            identity,
            created: START,
            former: Vec::new(),
            shut_out: false,
        }
    }

    fn now_at(&self, ahead_ms: i64) -> Now {
        let date = START.plus(self.mono.get());
        Now::new(
            self.mono,
            UnixMillis::new(date.get().saturating_add_signed(ahead_ms)),
        )
    }

    pub(super) fn now(&self, person: usize) -> Now {
        let one = &self.people[person];
        let now = self.now_at(one.ahead_ms);
        Now::new(MonoMillis::new(now.mono.get() - one.slept_ms), now.date)
    }

    /// Returns when a core wants to be woken, by the world's timers.
    fn due(&self, person: usize) -> Option<MonoMillis> {
        let one = &self.people[person];
        let due = one.core.next_timeout(self.now(person))?;
        Some(due.plus(one.slept_ms))
    }

    pub(super) fn id(&self, person: usize) -> String {
        self.people[person].core.account().id.to_string()
    }

    /// Gives a core an input and takes what it wants done.
    pub(super) fn input(&mut self, person: usize, input: Input) {
        let now = self.now(person);
        let one = &mut self.people[person];
        let outputs = one.core.handle(now, &mut self.rng, input);
        for output in outputs {
            self.output(person, output);
        }
    }

    fn output(&mut self, person: usize, output: Output) {
        self.check_before(person, &output);
        let one = &mut self.people[person];
        match output {
            Output::Ask(token, keeper, request) => {
                one.flying.push(Flying::Ask(token, keeper, request))
            }
            Output::Search(token, at, count) => one.flying.push(Flying::Search(token, at, count)),
            Output::Neighbours(token, node, at) => {
                one.flying.push(Flying::Neighbours(token, node, at));
            }
            Output::Compute(token, job) => one.flying.push(Flying::Compute(token, job)),
            Output::Commit(token, changes) => one.flying.push(Flying::Commit(token, changes)),
            Output::Read(token, places) => one.flying.push(Flying::Read(token, places)),
            Output::Reply(call, reply) => {
                self.on_reply(person, &reply);
                self.people[person].replies.insert(call, reply);
            }
            Output::Hold(..) | Output::Progress(..) | Output::Event(_) => {}
        }
    }

    /// What must be on the disk before it leaves.
    fn check_before(&self, person: usize, output: &Output) {
        let rows = self.people[person].disk.rows();
        match output {
            Output::Ask(_, _, Request::DepositEnvelope { envelope, .. }) => {
                let id = restante_proto::envelope::id_of(envelope);
                assert!(
                    rows.outgoing.contains_key(&id),
                    "an envelope leaves before its commit"
                );
            }
            Output::Ask(_, _, Request::DepositCard { record, .. }) => {
                let card = rows
                    .card
                    .as_ref()
                    .expect("a card is on the disk before it leaves");
                assert!(
                    card.sequence >= record.sequence,
                    "a card leaves before its commit"
                );
            }
            Output::Ask(_, _, Request::Ack { mailbox, entries }) => {
                for entry in entries {
                    let place = (mailbox.address(), entry.id);
                    assert!(
                        rows.taken.contains_key(&place),
                        "an ack leaves before its commit"
                    );
                }
            }
            Output::Reply(_, Ok(Reply::Sent(sent))) => {
                let known = rows.sent.keys().any(|id| id.to_string() == sent.message_id);
                assert!(known, "a message is said to be sent before its commit");
            }
            _ => {}
        }
    }

    /// What people are shown: nothing twice.
    fn on_reply(&mut self, person: usize, reply: &Result<Reply, Refusal>) {
        let Ok(Reply::Inbox(page)) = reply else {
            return;
        };
        for message in &page.messages {
            let key = (person, message.id.clone());
            let before = self.shown.entry(key).or_insert_with(|| message.clone());
            assert_eq!(
                before.received_ms, message.received_ms,
                "a message is taken twice"
            );
            assert!(
                message.expires_ms > self.now(person).date.get(),
                "shown after its end"
            );
        }
    }

    /// Answers one thing that is under way.
    pub(super) fn deliver(&mut self, person: usize, place: usize, fate: Fate) {
        let flying = self.people[person].flying.remove(place);
        let twice = fate == Fate::Twice;
        match flying {
            Flying::Ask(token, ..) if fate == Fate::Failed => {
                self.input(person, Input::Answer(token, None));
            }
            Flying::Ask(token, keeper, request) => {
                let response = self.ask(person, keeper, &request);
                if fate == Fate::Lost {
                    return;
                }
                if twice {
                    self.input(person, Input::Answer(token, response.clone()));
                }
                self.input(person, Input::Answer(token, response));
            }
            Flying::Search(token, at, count) => {
                let nodes = match fate {
                    _ if self.is_cut_off => Vec::new(),
                    Fate::Failed => Vec::new(),
                    Fate::Lost => return,
                    _ => self.nearest(&at, count),
                };
                if twice {
                    self.input(person, Input::Near(token, nodes.clone()));
                    self.input(person, Input::Found(token, nodes.clone()));
                }
                self.input(person, Input::Found(token, nodes));
            }
            Flying::Neighbours(token, node, at) => {
                let mut nodes = self.nearest(&at, self.keepers.len());
                nodes.retain(|other| *other != node);
                match fate {
                    Fate::Failed => self.input(person, Input::Found(token, Vec::new())),
                    Fate::Lost => {}
                    _ => self.input(person, Input::Found(token, nodes)),
                }
            }
            Flying::Compute(token, job) => {
                let done = match fate {
                    Fate::Failed | Fate::Lost => None,
                    _ => job.run(&self.costs, &mut self.rng),
                };
                self.input(person, Input::Done(token, done));
                if twice {
                    self.input(person, Input::Done(token, None));
                }
            }
            Flying::Commit(token, changes) => self.commit(person, token, &changes, fate),
            Flying::Read(token, places) => {
                let bodies = match fate {
                    Fate::Failed => None,
                    _ => Some(self.people[person].disk.bodies(&places)),
                };
                self.input(person, Input::Bodies(token, bodies));
            }
            Flying::Push(keeper, push) => {
                if matches!(fate, Fate::Delivered | Fate::Twice) {
                    self.input(person, Input::Push(keeper, push.clone()));
                }
                if twice {
                    self.input(person, Input::Push(keeper, push));
                }
            }
        }
    }

    fn commit(&mut self, person: usize, token: Token, changes: &[Change], fate: Fate) {
        let one = &mut self.people[person];
        one.commits += 1;
        let result = match (fate, one.trouble.clone()) {
            (Fate::Delivered | Fate::Twice, None) => Ok(one.disk.commit(changes)),
            (Fate::Delivered | Fate::Twice, Some(trouble)) => Err(CommitError::of(trouble, false)),
            (Fate::Failed, _) => Err(CommitError::of(StoreTrouble::DiskFull, false)),
            // In doubt: it is on the disk, and the core hears that it may not be.
            (Fate::Lost, _) => {
                one.disk.commit(changes);
                let why = "a sync failed".to_owned();
                Err(CommitError::of(StoreTrouble::DiskFailed { why }, true))
            }
        };
        self.input(person, Input::Committed(token, result.clone()));
        if fate == Fate::Twice {
            self.input(person, Input::Committed(token, result));
        }
    }

    fn nearest(&self, at: &Address, count: usize) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.keepers.iter().map(|keeper| keeper.node).collect();
        nodes.sort_by_key(|node| distance(node, at));
        nodes.truncate(count);
        nodes
    }

    /// Hands a request to a keeper and takes its answer and pushes.
    pub(super) fn ask(
        &mut self,
        person: usize,
        node: NodeId,
        request: &Request,
    ) -> Option<Response> {
        let now = self.now_at(0);
        let own = self
            .people
            .get(person)
            .and_then(|it| it.settings.own_keeper);
        if self.is_cut_off && own != Some(node) {
            return None;
        }
        let keeper = self.keepers.iter_mut().find(|keeper| keeper.node == node)?;
        let (response, pushes) = keeper.ask(now, person, request);
        for (to, push) in pushes {
            if let Some(person) = self.people.get_mut(to).filter(|_| !self.lose_pushes) {
                person.flying.push(Flying::Push(node, push));
            }
        }
        response
    }

    /// Ends a process in the middle of everything and starts it again on what is on its disk.
    pub(super) fn restart(&mut self, person: usize) {
        let now = self.now(person);
        self.people[person].restart(now);
        self.input(person, Input::Start);
    }

    /// Lets time pass, with every timer at its moment.
    pub(super) fn wait(&mut self, ms: u64) {
        let end = self.mono.plus(ms);
        loop {
            let due = (0..self.people.len()).filter_map(|it| Some((self.due(it)?, it)));
            match due.min().filter(|(due, _)| *due <= end) {
                Some((due, person)) => {
                    self.mono = self.mono.max(due);
                    self.input(person, Input::Timer);
                    let next = self.due(person);
                    self.spins += u32::from(next.is_some_and(|next| next <= self.mono));
                }
                None => break,
            }
        }
        self.mono = end;
    }

    /// Answers everything in its order until nothing is under way.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let busy =
                (0..self.people.len()).find(|person| !self.people[*person].flying.is_empty());
            match busy {
                Some(person) => self.deliver(person, 0, Fate::Delivered),
                None => return,
            }
        }
        panic!("it never settles");
    }

    /// Lets time pass in small steps, answering everything.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.mono.plus(ms);
        while self.mono < end {
            self.settle();
            let due = (0..self.people.len()).filter_map(|person| self.due(person));
            let next = due.min().unwrap_or(end).max(self.mono.plus(1)).min(end);
            self.wait(next.since(self.mono));
        }
        self.settle();
    }

    /// Makes a request of the local interface.
    pub(super) fn call(&mut self, person: usize, call: Call) -> CallId {
        let one = &mut self.people[person];
        one.calls += 1;
        let id = CallId(one.calls);
        self.input(person, Input::Call(id, call));
        id
    }

    pub(super) fn send(&mut self, from: usize, to: usize, text: &str) -> CallId {
        let to = self.id(to);
        self.send_to(from, &to, text)
    }

    pub(super) fn send_to(&mut self, from: usize, to: &str, text: &str) -> CallId {
        self.send_with(from, to, text, None)
    }

    /// Sends a text that may burn so long after it was read.
    pub(super) fn send_with(
        &mut self,
        from: usize,
        to: &str,
        text: &str,
        burn_ms: Option<u64>,
    ) -> CallId {
        let request = SendRequest {
            to: to.to_owned(),
            body: Body::new(text.as_bytes().to_vec()),
            ttl_ms: Some(6 * DAY_MS),
            burn_ms,
            file_name: None,
            effort_max: None,
            reply_to: None,
            replaces: None,
            wait: false,
        };
        self.call(from, Call::Send(request))
    }

    pub(super) fn read(&mut self, person: usize) -> CallId {
        let request = InboxRequest {
            all: true,
            ..InboxRequest::default()
        };
        self.call(person, Call::Inbox(request))
    }

    /// Returns the texts that a person has in the inbox.
    pub(super) fn texts(&mut self, person: usize) -> BTreeSet<String> {
        let call = self.read(person);
        self.settle();
        let Some(Ok(Reply::Inbox(page))) = self.people[person].replies.get(&call) else {
            panic!("the inbox is not answered");
        };
        let texts = page
            .messages
            .iter()
            .filter_map(|message| message.text.clone());
        texts.map(|text| text.0).collect()
    }

    /// Returns how a message stands by what its sender is told.
    pub(super) fn state(&self, person: usize, call: CallId) -> DeliveryState {
        let id = self.sent(person, call).unwrap().message_id.clone();
        let outbox = self.people[person].core.overview(self.now(person)).outbox;
        let entry = outbox.iter().find(|entry| entry.message_id == id);
        entry.unwrap().state
    }

    /// Brings an envelope to a keeper, with a stamp.
    pub(super) fn deposit(&mut self, keeper: usize, envelope: &Envelope) -> Option<Response> {
        let (id, expires) = (envelope.id(), envelope.expires);
        let challenge = Challenge::envelope(&envelope.mailbox.address(), &id, expires);
        let stamp = CheapForTests.solve(&challenge, &[0; 24], EFFORT_DEFAULT, 100_000)?;
        let request = Request::DepositEnvelope {
            mailbox: envelope.mailbox,
            expires,
            envelope: envelope.bytes.clone(),
            nonce: [0; NONCE_BYTES],
            admission: Admission::Stamp(stamp),
        };
        self.ask(usize::MAX, self.keepers[keeper].node, &request)
    }

    /// Tells whether a person has taken an envelope, whatever it said.
    pub(super) fn has_taken(&self, person: usize, envelope: &Envelope) -> bool {
        let taken = &self.people[person].disk.rows().taken;
        taken.contains_key(&(envelope.mailbox.address(), envelope.id()))
    }

    /// Marks everything as read that a person has in the inbox.
    pub(super) fn mark_read(&mut self, person: usize) {
        let inbox = &self.people[person].disk.rows().inbox;
        let ids = inbox.values().map(Header::shown_id).collect();
        self.call(person, Call::MarkRead { ids });
        self.settle();
    }

    pub(super) fn sent(&self, person: usize, call: CallId) -> Option<&SendResult> {
        match self.people[person].replies.get(&call) {
            Some(Ok(Reply::Sent(sent))) => Some(sent),
            _ => None,
        }
    }

    /// Makes everybody known and published, and two people friends.
    pub(super) fn warm_up(&mut self) {
        self.run(2 * 60_000);
        for person in 0..self.people.len() {
            let card = self.people[person]
                .disk
                .rows()
                .card
                .clone()
                .expect("a card is made");
            assert!(card.records.len() >= 4);
        }
    }

    pub(super) fn has_accepted(&self, person: usize, other: usize) -> bool {
        let other = self.people[other].core.account().identity.account;
        let contact = self.people[person].disk.rows().contacts.get(&other);
        contact.is_some_and(|contact| contact.state == ContactState::Accepted)
    }

    pub(super) fn an_hour() -> u64 {
        HOUR_MS
    }

    /// Answers the oldest thing under way of a person, if there is one; else a second passes.
    pub(super) fn settle_one_of(&mut self, person: usize) {
        if self.people[person].flying.is_empty() {
            self.wait(1_000);
        } else {
            self.deliver(person, 0, Fate::Delivered);
        }
    }

    /// Lets the date of everybody go on while the timers of one person stand still.
    pub(super) fn sleep(&mut self, person: usize, ms: u64) {
        let sleeper = self.people.remove(person);
        self.run(ms);
        self.people.insert(person, sleeper);
        self.people[person].slept_ms += ms;
    }

    /// Copies what all keepers hold.
    pub(super) fn stores(&self) -> Vec<MemoryStore> {
        self.keepers
            .iter()
            .map(|keeper| keeper.store.clone())
            .collect()
    }

    /// Puts back what all keepers held.
    pub(super) fn set_stores(&mut self, stores: Vec<MemoryStore>) {
        for (keeper, store) in self.keepers.iter_mut().zip(stores) {
            keeper.store = store;
        }
    }
}
