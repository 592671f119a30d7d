//! Members that commit and speak at any moment, over a network that delays, repeats and reorders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Device, conversation};
use crate::conversation::{Committed, Opened, Sealed, Wanted};
use crate::{ConversationError, EpochName};

/// One unit of time, in milliseconds.
const TICK_MS: u64 = 60_000;
/// For how many of them something happens.
const BUSY_TICKS: u64 = 200;

/// What is under way.
#[derive(Clone, Debug)]
enum Message {
    Text(Sealed),
    Commit(Committed),
}

/// A member with what has reached it.
struct Peer {
    device: Device,
    /// What follows or was said in an epoch that it does not know.
    early: Vec<Message>,
    read: BTreeSet<String>,
    /// Its commit that is not known to have won.
    doing: Option<EpochName>,
    refused: usize,
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    members: u8,
    /// The longest delay, in ticks.
    delay: u64,
    /// How long an epoch that was left can be followed, in ticks.
    window: u64,
}

/// What a run has come to.
#[derive(Debug, Default)]
struct Outcome {
    heads: BTreeSet<EpochName>,
    texts: usize,
    unread: usize,
    commits: usize,
    lost: usize,
    refused: usize,
}

impl Peer {
    /// Takes a message, and whatever has waited for it.
    fn take(&mut self, message: Message) {
        self.early.push(message);
        loop {
            let waiting = std::mem::take(&mut self.early);
            let before = waiting.len();
            for message in waiting {
                if !self.try_take(&message) {
                    self.early.push(message);
                }
            }
            if self.early.len() == before {
                break;
            }
        }
    }

    /// Returns whether it is done with.
    fn try_take(&mut self, message: &Message) -> bool {
        let (epoch, bytes) = match message {
            Message::Text(sealed) => (sealed.epoch, &sealed.message),
            Message::Commit(committed) => (committed.parent, &committed.message),
        };
        match self.device.open(&epoch, bytes) {
            Ok(Opened::Text { body, .. }) => {
                let body = String::from_utf8(body.to_vec()).unwrap();
                assert!(self.read.insert(body), "shown twice");
                true
            }
            Ok(_) | Err(ConversationError::OpenedBefore) => true,
            Err(ConversationError::Unknown) => false,
            Err(_) => {
                self.refused += 1;
                true
            }
        }
    }
}

/// Runs a plan to its end.
fn run(plan: Plan) -> Outcome {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let devices = (0..plan.members).map(|i| Device::new(1 + i % 2, 1 + i / 2));
    let mut peers: Vec<Peer> = conversation(devices.collect())
        .into_iter()
        .map(|device| Peer {
            device,
            early: Vec::new(),
            read: BTreeSet::new(),
            doing: None,
            refused: 0,
        })
        .collect();
    let mut wire: BTreeMap<u64, VecDeque<(usize, Message)>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    for tick in 1..BUSY_TICKS + 4 * plan.delay + 2 * plan.window {
        for (to, message) in wire.remove(&tick).unwrap_or_default() {
            peers[to].take(message);
        }
        for (from, peer) in peers.iter_mut().enumerate() {
            if random.random_ratio(1, 50) {
                peer.device.restart();
            }
            peer.device.pass(TICK_MS, plan.window * TICK_MS);
            let mut sent = Vec::new();
            if tick < BUSY_TICKS && random.random_ratio(1, 12) {
                outcome.texts += 1;
                let body = outcome.texts.to_string();
                sent.push(Message::Text(peer.device.seal(&body)));
                peer.read.insert(body);
            }
            let on_chain = |epoch: EpochName| {
                let conversation = peer.device.conversation.as_ref().unwrap();
                conversation.is_on_chain(&epoch)
            };
            let has_lost = peer.doing.is_some_and(|epoch| !on_chain(epoch));
            outcome.lost += usize::from(has_lost);
            let begins = tick < BUSY_TICKS && random.random_ratio(1, 25);
            if has_lost || begins {
                outcome.commits += 1;
                let made = peer
                    .device
                    .act(|of, turn| of.commit(turn, &Wanted::default()));
                let made = made.unwrap();
                peer.doing = Some(made.epoch);
                sent.push(Message::Commit(made));
            }
            for message in sent {
                for to in (0..usize::from(plan.members)).filter(|to| *to != from) {
                    let copies = if random.random_ratio(1, 10) { 2 } else { 1 };
                    for _ in 0..copies {
                        let at = tick + random.random_range(1..=plan.delay);
                        wire.entry(at).or_default().push_back((to, message.clone()));
                    }
                }
            }
        }
    }
    outcome.heads = peers.iter().map(|peer| peer.device.head()).collect();
    for peer in &peers {
        outcome.unread += outcome.texts - peer.read.len();
        outcome.refused += peer.refused;
    }
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// With states kept for twice the longest delay nothing is lost, and all end in the same epoch.
    #[test]
    fn all_end_in_one_epoch_and_read_everything_once(
        seed in any::<u64>(),
        members in 2..=5_u8,
        delay in 1..=10_u64,
    ) {
        let outcome = run(Plan { seed, members, delay, window: 2 * delay });
        prop_assert_eq!(outcome.heads.len(), 1, "{:?}", outcome);
        prop_assert_eq!(outcome.unread, 0, "{:?}", outcome);
        prop_assert_eq!(outcome.refused, 0, "{:?}", outcome);
    }
}

#[test]
fn a_window_shorter_than_the_delay_is_seen_to_be_too_short() {
    let window = |window| {
        let plan = |seed| Plan {
            seed,
            members: 4,
            delay: 10,
            window,
        };
        let runs = (0..3).map(|seed| run(plan(seed)));
        runs.fold((0, 0, 0), |(heads, unread, lost), outcome| {
            (
                heads.max(outcome.heads.len()),
                unread + outcome.unread,
                lost + outcome.lost,
            )
        })
    };
    let (heads, unread, lost) = window(20);
    assert_eq!((heads, unread), (1, 0));
    assert!(lost > 20, "{lost} commits had lost");
    let (heads, unread, _) = window(5);
    assert!(heads > 1 && unread > 0, "{heads} heads, {unread} unread");
}
