//! Kill -9 in the middle of deposits, again and again: a receipt is a promise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use restante::clock;
use restante::home::Home;
use restante::keeper::store::RedbStore;
use restante::net::NetHandle;
use restante_proto::envelope::id_of;
use restante_proto::keeper::{Budget, ItemStore as _, StoreOp};
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, GET_COUNT_MAX};
use restante_proto::request::{Response, Waiting};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};
use tokio::sync::watch;

use crate::letterbox::{Letterbox, envelope, nonce};
use crate::node::Node;
use crate::peer::Peer;
use crate::site::Site;

/// Deposits under way at once.
const IN_FLIGHT: usize = 48;
/// Mailboxes of one round.
const MAILBOXES: usize = 4;
/// Deposits into one of them, at most: one holder has half of a mailbox (SPEC 8.5).
const DEPOSITS_MAX: usize = 500;
/// Their bytes, at most.
const DEPOSITS_BYTES_MAX: usize = 7 << 20;
/// How long a round lasts until the kill, in milliseconds, chosen anew each time.
const ROUND_MS: std::ops::Range<u64> = 20..250;
/// How long a keeper may take to answer.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long after the kill an answer is still taken.
const GRACE: Duration = Duration::from_millis(100);
/// Envelopes put into the store at once before the first round.
const FILL_BATCH: u64 = 1_024;

/// What a keeper gave receipts for, with the expiry it promised.
type Promised = BTreeMap<ItemId, UnixMillis>;

/// How a keeper is stopped.
#[derive(Debug, Clone, Copy)]
pub struct Kills {
    /// How often it is killed.
    pub count: usize,
    /// What it holds before the first time, in bytes of small envelopes.
    pub fill_bytes: u64,
    /// Decides when it is killed, and about sizes.
    pub seed: u64,
}

#[derive(Debug, Default)]
pub struct KillReport {
    /// Receipts given; everything they promised was there after the next start and at the end.
    pub receipts: usize,
    /// Kills that left deposits without an answer.
    pub cut_short: usize,
    /// How long each start took after a kill, until the keeper answered.
    pub starts: Vec<Duration>,
}

impl Kills {
    /// Kills a keeper as often as wanted, each time in the middle of deposits, and looks after each start whether it
    /// holds what it promised; `progress` hears how often it was killed.
    ///
    /// # Panics
    ///
    /// When anything is missing.
    #[track_caller]
    pub fn run(self, progress: impl Fn(usize)) -> KillReport {
        let site = Site::new();
        let mut keeper = site.community("keeper");
        let settings = ["--disk-cap", "64 GiB"];
        if self.fill_bytes > 0 {
            keeper.run(&settings);
            keeper.stop();
            fill(&keeper, self.fill_bytes);
        }
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut rounds: Vec<Vec<Kept>> = Vec::new();
        let mut report = KillReport::default();
        for number in 0..self.count {
            let begun = Instant::now();
            keeper.run(&settings);
            if number > 0 {
                report.starts.push(begun.elapsed());
            }
            // A new one each time: the old one's connection would have to notice first that it is over.
            let peer = Peer::asking();
            let node = peer.meet(&keeper.address());
            for kept in rounds.last().into_iter().flatten() {
                assert_kept(&peer, node, kept);
            }
            let round = deposit_until_killed(&peer, node, &mut keeper, &mut rng);
            report.cut_short += usize::from(round.unanswered > 0);
            report.receipts += round
                .kept
                .iter()
                .map(|kept| kept.promised.len())
                .sum::<usize>();
            rounds.push(round.kept);
            progress(number + 1);
        }
        keeper.run(&settings);
        let peer = Peer::asking();
        let node = peer.meet(&keeper.address());
        for kept in rounds.iter().flatten() {
            assert_kept(&peer, node, kept);
        }
        report
    }
}

/// Puts small envelopes into the store of a keeper that does not run.
#[track_caller]
fn fill(keeper: &Node, bytes: u64) {
    let home = Home::open(keeper.home()).unwrap();
    let (mut store, _) = RedbStore::open(&home.keeper_database(), 1 << 40).unwrap();
    let size = ENVELOPE_BYTES[0];
    for _ in 0..bytes.div_ceil(size as u64 * FILL_BATCH) {
        let expires = clock::now().plus(DAY_MS);
        let put = |_| {
            let bytes = envelope(size, expires);
            let id = id_of(&bytes);
            StoreOp::PutEnvelope {
                address: Address::new(*id.as_bytes()),
                id,
                bytes,
                expires,
                budget: Budget {
                    count: 1,
                    bytes: 1 << 20,
                    effort: 0,
                    shared: true,
                },
                proof: Bytes::new(),
            }
        };
        store
            .apply(clock::now(), (0..FILL_BATCH).map(put).collect())
            .unwrap();
    }
    store.close().unwrap();
}

/// A mailbox, and what a keeper promised about it.
struct Kept {
    letterbox: Letterbox,
    promised: Promised,
}

struct Round {
    kept: Vec<Kept>,
    unanswered: usize,
}

/// What the deposits of one round share.
struct Depositors {
    net: NetHandle,
    keeper: NodeId,
    expires: UnixMillis,
    /// Envelopes that are left, and the number of the mailbox of each.
    envelopes: Mutex<Vec<(usize, Bytes)>>,
    letterboxes: Vec<Letterbox>,
    promised: Mutex<Vec<Promised>>,
    unanswered: Mutex<usize>,
    killed: watch::Receiver<bool>,
}

/// Deposits with many in flight, kills the keeper at a random moment, and returns what it promised.
fn deposit_until_killed(peer: &Peer, node: NodeId, keeper: &mut Node, rng: &mut StdRng) -> Round {
    let expires = clock::now().plus(DAY_MS);
    let mut envelopes: Vec<(usize, Bytes)> = Vec::new();
    for _ in 0..DEPOSITS_MAX {
        let size = match rng.random_range(0..20) {
            0 => ENVELOPE_BYTES[3],
            1..4 => ENVELOPE_BYTES[1],
            _ => ENVELOPE_BYTES[0],
        };
        let taken: usize = envelopes.iter().map(|(_, envelope)| envelope.len()).sum();
        if taken / MAILBOXES + size <= DEPOSITS_BYTES_MAX {
            envelopes.extend((0..MAILBOXES).map(|number| (number, envelope(size, expires))));
        }
    }
    let (kill, killed) = watch::channel(false);
    let depositors = Arc::new(Depositors {
        net: peer.net().clone(),
        keeper: node,
        expires,
        envelopes: Mutex::new(envelopes),
        letterboxes: (0..MAILBOXES).map(|_| Letterbox::new()).collect(),
        promised: Mutex::new(vec![Promised::new(); MAILBOXES]),
        unanswered: Mutex::default(),
        killed,
    });
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            peer.runtime()
                .spawn(deposit_one_by_one(Arc::clone(&depositors)))
        })
        .collect();
    let kill_at = Instant::now() + Duration::from_millis(rng.random_range(ROUND_MS));
    // Not for luck: the moment of the kill is what is random here.
    thread::sleep(kill_at - Instant::now());
    keeper.kill9();
    kill.send_replace(true);
    for task in tasks {
        peer.runtime()
            .block_on(task)
            .expect("a deposit ends with an answer or without");
    }
    let promised = std::mem::take(&mut *depositors.promised.lock().unwrap());
    let kept = depositors.letterboxes.iter().zip(promised);
    let kept = kept.map(|(letterbox, promised)| Kept {
        letterbox: letterbox.clone(),
        promised,
    });
    Round {
        kept: kept.collect(),
        unanswered: *depositors.unanswered.lock().unwrap(),
    }
}

/// Deposits until one is not answered, or nothing is left.
async fn deposit_one_by_one(shared: Arc<Depositors>) {
    loop {
        let Some((number, envelope)) = shared.envelopes.lock().unwrap().pop() else {
            return;
        };
        let nonce = nonce();
        let letterbox = &shared.letterboxes[number];
        let request = letterbox.deposit(&envelope, shared.expires, nonce).encode();
        let answer = shared.net.request(shared.keeper, request, DEADLINE);
        let mut killed = shared.killed.clone();
        let late = async {
            let _ended = killed.wait_for(|killed| *killed).await.is_ok();
            // What was sent before the kill is in a buffer of this machine by now.
            tokio::time::sleep(GRACE).await;
        };
        let answer = tokio::select! {
            biased;
            answer = answer => answer.ok(),
            () = late => None,
        };
        let Some(payload) = answer else {
            *shared.unanswered.lock().unwrap() += 1;
            return;
        };
        match Response::decode(&payload).expect("a keeper's answer decodes") {
            Response::Receipt(receipt) => {
                let claim = letterbox.claim(&envelope, nonce);
                receipt
                    .verify(&shared.keeper, &claim)
                    .expect("the receipt is for this deposit");
                shared.promised.lock().unwrap()[number].insert(claim.id, receipt.until);
            }
            other => panic!("an honest deposit was answered with {other:?}"),
        }
    }
}

/// Checks that a keeper lists and hands over everything that was promised, whole.
#[track_caller]
fn assert_kept(peer: &Peer, node: NodeId, kept: &Kept) {
    let Kept {
        letterbox,
        promised,
    } = kept;
    let mut listed = Promised::new();
    loop {
        let after = listed.keys().next_back().copied();
        match peer.ask(node, &letterbox.list(&node, after)) {
            Response::Listing { items, more } => {
                listed.extend(items.iter().map(|item| (item.id, item.expires)));
                if !more {
                    break;
                }
            }
            other => panic!("a list was answered with {other:?}"),
        }
    }
    for (id, until) in promised {
        assert_eq!(listed.get(id), Some(until), "{id} was promised");
    }
    let ids: Vec<ItemId> = promised.keys().copied().collect();
    for ids in ids.chunks(GET_COUNT_MAX) {
        let mut missing = ids.to_vec();
        while !missing.is_empty() {
            let got = get(peer, node, letterbox, &missing);
            assert!(!got.is_empty(), "{missing:?} were promised");
            let got: Vec<ItemId> = got.iter().map(|item| id_of(&item.envelope)).collect();
            missing.retain(|id| !got.contains(id));
        }
    }
}

#[track_caller]
fn get(peer: &Peer, node: NodeId, letterbox: &Letterbox, ids: &[ItemId]) -> Vec<Waiting> {
    match peer.ask(node, &letterbox.get(&node, ids.to_vec())) {
        Response::Envelopes(items) => items,
        other => panic!("a fetch was answered with {other:?}"),
    }
}
