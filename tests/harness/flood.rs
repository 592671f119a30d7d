//! Honest people and a hostile source at one node, each from an address of its own in 127.0.0.0/8.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use restante::clock;
use restante::net::{
    Keypair, Multiaddr, NetConfig, NetHandle, NetLimits, Network, Profile, Serve, transport,
};
use restante_proto::envelope::id_of;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, PAYLOAD_BYTES_MAX};
use restante_proto::request::{Request, Response};
use restante_proto::{ItemId, NodeId};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::peer::node_at;
use crate::{Letterbox, NETWORK, envelope, nonce};

/// How long an honest person waits for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Deposits into one mailbox by one holder, at most: half of what it may hold is its own.
const DEPOSITS_PER_MAILBOX: usize = 500;
/// Requests that each hostile connection keeps under way: what the protocol allows.
const IN_FLIGHT: usize = 64;

/// How long each thing took, and how often it failed.
#[derive(Debug, Default)]
pub struct Times {
    took: Vec<Duration>,
    failed: usize,
}

impl Times {
    fn add(&mut self, since: Instant, done: bool) {
        if done {
            self.took.push(since.elapsed());
        } else {
            self.failed += 1;
        }
    }

    fn join(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
    }

    /// Returns how many there were, failures included.
    pub const fn count(&self) -> usize {
        self.took.len() + self.failed
    }

    /// Returns how many in a thousand succeeded.
    pub const fn success_permille(&self) -> usize {
        if self.count() == 0 {
            return 0;
        }
        self.took.len() * 1_000 / self.count()
    }

    /// Returns the time that `percent` of those that succeeded were done in.
    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.took.sort_unstable();
        let last = self.took.len().saturating_sub(1);
        let at = (self.took.len() * percent / 100).min(last);
        self.took.get(at).copied().unwrap_or_default()
    }
}

/// What honest people saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub deposits: Times,
    /// Fetches of what was deposited.
    pub fetches: Times,
}

/// One peer at an address of its own.
#[derive(Debug)]
struct Client {
    net: NetHandle,
    keeper: NodeId,
}

/// An honest person: a mailbox, and what is to be found in it at the end.
#[derive(Debug)]
struct Person {
    client: Client,
    letterbox: Letterbox,
    kept: Vec<ItemId>,
}

/// People who deposit and fetch, each from a group of addresses of its own.
#[derive(Debug)]
pub struct Honest {
    runtime: Runtime,
    people: Vec<Person>,
}

impl Honest {
    /// Lets so many people connect to a node.
    #[track_caller]
    pub fn new(node: &Multiaddr, count: u8) -> Self {
        let runtime = runtime(1);
        let people = (0..count).map(|number| Person {
            client: Client::at(&runtime, node, &format!("127.1.{number}.1")),
            letterbox: Letterbox::new(),
            kept: Vec::new(),
        });
        let people = people.collect();
        Self { runtime, people }
    }

    /// Lets each of them deposit and fetch for a while, pausing after each time; of four envelopes
    /// three are acked.
    #[track_caller]
    pub fn work(&mut self, time: Duration, pause: Duration) -> Seen {
        let mut seen = Seen::default();
        let mut set = JoinSet::new();
        let until = Instant::now() + time;
        let share = pause / u32::try_from(self.people.len().max(1)).unwrap();
        for (number, mut person) in (0_u32..).zip(std::mem::take(&mut self.people)) {
            let work = async move {
                // Not all in the same moment.
                tokio::time::sleep(share * number).await;
                let seen = person.work(until, pause).await;
                (person, seen)
            };
            set.spawn_on(work, self.runtime.handle());
        }
        for (person, one) in self.runtime.block_on(set.join_all()) {
            self.people.push(person);
            seen.deposits.join(one.deposits);
            seen.fetches.join(one.fetches);
        }
        seen
    }

    /// Returns how many envelopes with a receipt were not acked, and how many of them are not there.
    pub fn lost(&self) -> (usize, usize) {
        let (mut kept, mut lost) = (0, 0);
        for person in &self.people {
            for id in &person.kept {
                kept += 1;
                let fetched = self.runtime.block_on(person.fetch(*id));
                lost += usize::from(!fetched);
            }
        }
        (kept, lost)
    }
}

impl Person {
    async fn work(&mut self, until: Instant, pause: Duration) -> Seen {
        let mut seen = Seen::default();
        let mut number = 0_u32;
        while Instant::now() < until {
            let expires = clock::now().plus(DAY_MS);
            let envelope = envelope(ENVELOPE_BYTES[0], expires);
            let nonce = nonce();
            let deposit = self.letterbox.deposit(&envelope, expires, nonce).encode();
            let start = Instant::now();
            let answer = self.client.ask(deposit).await;
            let claim = self.letterbox.claim(&envelope, nonce);
            let stored = matches!(
                &answer,
                Some(Response::Receipt(receipt))
                    if receipt.verify(&self.client.keeper, &claim).is_ok()
            );
            seen.deposits.add(start, stored);
            if stored {
                let id = id_of(&envelope);
                tokio::time::sleep(pause / 2).await;
                let start = Instant::now();
                let fetched = self.fetch(id).await;
                seen.fetches.add(start, fetched);
                number += 1;
                if number.is_multiple_of(4) {
                    self.kept.push(id);
                } else {
                    // Whether it was acked shows in nothing but the room.
                    let _acked = self.client.ask(self.letterbox.ack([id]).encode()).await;
                }
            }
            tokio::time::sleep(pause / 2).await;
        }
        seen
    }

    async fn fetch(&self, id: ItemId) -> bool {
        let get = self.letterbox.get(&self.client.keeper, vec![id]);
        match self.client.ask(get.encode()).await {
            Some(Response::Envelopes(items)) => {
                items.iter().any(|item| id_of(&item.envelope) == id)
            }
            _ => false,
        }
    }
}

impl Client {
    #[track_caller]
    fn at(runtime: &Runtime, address: &Multiaddr, ip: &str) -> Self {
        let keypair = Keypair::generate_ed25519();
        let listen: Multiaddr = format!("/ip4/{ip}/udp/0/quic-v1").parse().unwrap();
        let config = NetConfig {
            network: NETWORK.to_owned(),
            listen: vec![listen],
            external: Vec::new(),
            bootstrap: Vec::new(),
            known: Vec::new(),
            serve: Serve::Never,
            profile: Profile::Local,
            limits: NetLimits::personal(),
        };
        let entered = runtime.enter();
        let transport = transport::real(&keypair, &config.limits).unwrap();
        let (net, mut events) = Network::spawn(&config, &keypair, transport).unwrap();
        drop(entered);
        let keeper = node_at(address);
        let ready = async {
            // The listener's address is the one that dials come from.
            events.recv().await;
            net.learn(keeper, vec![address.clone()]).await
        };
        runtime.block_on(ready).expect("the network runs");
        runtime.spawn(async move { while events.recv().await.is_some() {} });
        Self { net, keeper }
    }

    async fn ask(&self, payload: Bytes) -> Option<Response> {
        let answer = self
            .net
            .request(self.keeper, payload, DEADLINE)
            .await
            .ok()?;
        Response::decode(&answer).ok()
    }
}

/// Somebody who deposits as fast as a node takes it, with many deposits under way.
#[derive(Debug)]
pub struct Depositor {
    client: Client,
    runtime: Runtime,
}

impl Depositor {
    /// Connects to a node.
    #[track_caller]
    pub fn new(node: &Multiaddr) -> Self {
        let runtime = runtime(1);
        let client = Client::at(&runtime, node, "127.1.200.1");
        Self { client, runtime }
    }

    /// Deposits so many envelopes and returns how many a second got receipts, which are verified.
    #[track_caller]
    pub fn rate(&self, count: usize, in_flight: usize) -> f64 {
        let expires = clock::now().plus(DAY_MS);
        let mut deposits = Vec::with_capacity(count);
        while deposits.len() < count {
            let letterbox = Letterbox::new();
            for _ in 0..DEPOSITS_PER_MAILBOX {
                let (envelope, nonce) = (envelope(ENVELOPE_BYTES[0], expires), nonce());
                let claim = letterbox.claim(&envelope, nonce);
                let payload = letterbox.deposit(&envelope, expires, nonce).encode();
                deposits.push((payload, claim));
            }
        }
        let count = deposits.len();
        let one = |(payload, claim)| async move {
            let answer = self.client.ask(payload).await;
            match &answer {
                Some(Response::Receipt(receipt)) => {
                    receipt
                        .verify(&self.client.keeper, &claim)
                        .expect("the receipt is right");
                }
                other => panic!("a deposit was answered with {other:?}"),
            }
        };
        let begun = Instant::now();
        let all = futures::stream::iter(deposits.into_iter().map(one));
        self.runtime
            .block_on(all.buffer_unordered(in_flight).collect::<()>());
        f64::from(u32::try_from(count).unwrap()) / begun.elapsed().as_secs_f64()
    }
}

/// People who are connected, wait to be told of what arrives, and do nothing.
#[derive(Debug)]
pub struct Crowd {
    _clients: Vec<Client>,
    _runtime: Runtime,
}

impl Crowd {
    /// Lets so many people connect and subscribe, some of each group of addresses.
    #[track_caller]
    pub fn new(node: &Multiaddr, count: u16) -> Self {
        let runtime = runtime(2);
        let clients = (0..count).map(|number| {
            let ip = format!("127.{}.{}.1", 2 + number / 250, number % 250);
            let client = Client::at(&runtime, node, &ip);
            let subscribe = Letterbox::new().subscribe(&client.keeper).encode();
            let answer = runtime.block_on(client.ask(subscribe));
            assert!(
                matches!(answer, Some(Response::Done { until: Some(_) })),
                "person {number} was answered with {answer:?}"
            );
            client
        });
        Self {
            _clients: clients.collect(),
            _runtime: runtime,
        }
    }
}

/// What came back to a hostile source, by the kind of answer, and how much of it was accepted.
pub type Answers = BTreeMap<String, u64>;

/// A hostile source: connections from one group of addresses, each with as much under way as the
/// protocol allows.
#[derive(Debug)]
pub struct Hostile {
    runtime: Runtime,
    clients: Vec<Arc<Client>>,
}

impl Hostile {
    /// Lets it connect so often.
    #[track_caller]
    pub fn new(node: &Multiaddr, connections: u8) -> Self {
        let runtime = runtime(2);
        let clients = (0..connections).map(|number| {
            let ip = format!("127.9.9.{}", number + 1);
            Arc::new(Client::at(&runtime, node, &ip))
        });
        let clients = clients.collect();
        Self { runtime, clients }
    }

    /// Floods the node until told to stop.
    pub fn flood(&self, stop: &Arc<AtomicBool>) -> Answers {
        let mut set = JoinSet::new();
        for (number, client) in self.clients.iter().enumerate() {
            let letterbox = Arc::new(Letterbox::new());
            for lane in 0..IN_FLIGHT {
                let (client, stop) = (Arc::clone(client), Arc::clone(stop));
                let letterbox = Arc::clone(&letterbox);
                let work = one_lane(client, letterbox, stop, number + lane);
                set.spawn_on(work, self.runtime.handle());
            }
        }
        let mut answers = Answers::new();
        for one in self.runtime.block_on(set.join_all()) {
            for (kind, count) in one {
                *answers.entry(kind).or_default() += count;
            }
        }
        answers
    }
}

/// Asks one thing after the other: deposits of all sizes, wrong signatures and plain nonsense.
async fn one_lane(
    client: Arc<Client>,
    first: Arc<Letterbox>,
    stop: Arc<AtomicBool>,
    seed: usize,
) -> Answers {
    let mut answers = Answers::new();
    let mut letterbox = first;
    let mut number = seed;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        if number.is_multiple_of(64) {
            letterbox = Arc::new(Letterbox::new());
        }
        let kind = match client.ask(attack(&letterbox, number)).await {
            Some(Response::Receipt(_)) => "receipt".to_owned(),
            Some(Response::Refusal(refusal)) => refusal.reason.name().to_owned(),
            Some(_) => "answer".to_owned(),
            None => "none".to_owned(),
        };
        *answers.entry(kind).or_default() += 1;
    }
    answers
}

fn attack(letterbox: &Letterbox, number: usize) -> Bytes {
    let expires = clock::now().plus(DAY_MS);
    let size = ENVELOPE_BYTES[usize::from(number.is_multiple_of(10)) * 3];
    let envelope = envelope(size, expires);
    match number % 10 {
        3 => vec![0xff; PAYLOAD_BYTES_MAX].into(),
        6 => {
            let other = Letterbox {
                capability: Letterbox::new().capability,
                ..letterbox.clone()
            };
            other.deposit(&envelope, expires, nonce()).encode()
        }
        8 => Request::Offer {
            mailbox: letterbox.mailbox,
            id: id_of(&envelope),
            nonce: nonce(),
        }
        .encode(),
        _ => letterbox.deposit(&envelope, expires, nonce()).encode(),
    }
}

fn runtime(threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all();
    builder.build().unwrap()
}
