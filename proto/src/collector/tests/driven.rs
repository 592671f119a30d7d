//! A collector driven for hours and days, among keepers that answer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{END, keeper, waiting};
use crate::{
    Address, ItemId, NodeId,
    collector::{
        Collector, Input, OPENING_MAX, Output,
        watch::{COMPARE_PREVIOUS_MS, OTHERS_EVERY, Stage},
        watched_epochs,
    },
    keys::PublicKey,
    limits::{HOUR_MS, LISTING_COUNT_MAX, MINUTE_MS, SECOND_MS, SUBSCRIPTION_MS},
    mailbox::{Mailbox, Rule},
    placement::driven::{Driven, NOW, Setting, settings},
    request::Listed,
    time::{Epoch, MonoMillis},
};

/// Keepers of every mailbox, nearest first.
const KEEPERS: u8 = 8;
/// How long a round may take beyond its pause.
const SLACK_MS: u64 = 2 * MINUTE_MS;

/// What the test knows of a watched mailbox.
struct Seen {
    mailbox: Mailbox,
    stage: Stage,
    /// Since when it is watched so.
    since: MonoMillis,
    compared: MonoMillis,
    listed: MonoMillis,
}

/// One device's collector and the keepers of its mailboxes, one mailbox for each epoch.
struct World {
    collector: Collector,
    driven: Driven<Input>,
    owner: u8,
    /// The present epoch when the mailboxes were last said, and theirs.
    epochs: (Epoch, Vec<Epoch>),
    seen: BTreeMap<Address, Seen>,
    /// Until when keepers push.
    pushing: BTreeMap<(Address, NodeId), MonoMillis>,
    /// What waits at every keeper of the present mailbox.
    waiting: BTreeSet<ItemId>,
    taken: usize,
    /// What it may ask for in an hour.
    hourly_max: usize,
}

impl World {
    fn new(owner: u8, settings: &[Setting], seed: u64) -> Self {
        let mut world = Self {
            collector: Collector::default(),
            driven: Driven::new(settings, seed),
            owner,
            epochs: (Epoch::default(), Vec::new()),
            seen: BTreeMap::new(),
            pushing: BTreeMap::new(),
            waiting: BTreeSet::new(),
            taken: 0,
            // A date that is set brings up to 34 mailboxes to compare, thrice in an hour.
            hourly_max: 3_000,
        };
        world.watch();
        world
    }

    fn mailbox(&self, epoch: Epoch) -> Mailbox {
        Mailbox {
            owner: PublicKey::new([self.owner; 32]),
            rule: Rule::Capability,
            epoch,
        }
    }

    /// Watches other mailboxes when the date says so, like the collector's owner; the account is three days old.
    fn watch(&mut self) {
        let now = self.driven.now;
        let created = NOW.date.epoch().minus(3);
        let since = created.min(now.date.epoch()).minus(1);
        let epochs: Vec<Epoch> = watched_epochs(now.date, since).collect();
        let epochs = (now.date.epoch(), epochs);
        if epochs != self.epochs {
            let mailboxes: Vec<Mailbox> = epochs.1.iter().map(|e| self.mailbox(*e)).collect();
            self.epochs = epochs;
            let watched: BTreeSet<Address> = mailboxes.iter().map(Mailbox::address).collect();
            self.seen.retain(|at, _| watched.contains(at));
            for mailbox in &mailboxes {
                let seen = Seen {
                    mailbox: *mailbox,
                    stage: Stage::of(mailbox, now.date),
                    since: now.mono,
                    compared: now.mono,
                    listed: now.mono,
                };
                self.seen.entry(mailbox.address()).or_insert(seen);
            }
            self.handle(Input::Watch(mailboxes));
        }
    }

    /// Goes on to the next input and handles it.
    fn step(&mut self) {
        let input = self.driven.next(self.collector.next_timeout());
        let now = self.driven.now.mono;
        if let Some(input) = input {
            if let Input::Listed { mailbox: at, .. }
            | Input::Found(at, _)
            | Input::Neighbours(at, ..) = &input
                && let Some(seen) = self.seen.get_mut(at)
            {
                seen.compared = now;
                if let Input::Listed { .. } = &input {
                    seen.listed = now;
                }
            }
            self.handle(input);
        }
        if self.is_due() {
            self.handle(Input::Timer);
            assert!(!self.is_due(), "due again at once");
        }
        self.watch();
    }

    fn is_due(&self) -> bool {
        let due = self.collector.next_timeout();
        due.is_some_and(|due| due <= self.driven.now.mono)
    }

    fn handle(&mut self, input: Input) {
        let outputs = self.collector.handle(self.driven.now, input);
        self.driven.count(outputs.len(), self.hourly_max);
        for output in outputs {
            let pause = 20 + self.driven.draw(200);
            if let Some(answer) = self.answer(output) {
                self.driven.later(pause, answer);
            }
        }
    }

    /// Returns what a keeper, a lookup or the collector's owner says.
    fn answer(&mut self, output: Output) -> Option<Input> {
        let (Output::Find(mailbox)
        | Output::AskNeighbours(mailbox, _)
        | Output::Subscribe(mailbox, _)
        | Output::List(mailbox, ..)
        | Output::Get(mailbox, ..)
        | Output::Open(mailbox, ..)
        | Output::Ack(mailbox, ..)) = &output;
        let at = mailbox.address();
        Some(match output {
            Output::Find(_) => Input::Found(at, (0..KEEPERS).map(keeper).collect()),
            Output::AskNeighbours(_, asked) => {
                let others = (0..KEEPERS).map(keeper).filter(|other| *other != asked);
                Input::Neighbours(at, asked, others.collect())
            }
            Output::Subscribe(_, keeper) => {
                let until = self.driven.now.mono.plus(SUBSCRIPTION_MS);
                self.pushing.insert((at, keeper), until);
                let until = self.driven.true_date().plus(SUBSCRIPTION_MS);
                Input::Subscribed(at, keeper, until)
            }
            Output::List(mailbox, keeper, after) => self.list(mailbox, keeper, after),
            Output::Get(_, keeper, asked) => Input::Got {
                mailbox: at,
                keeper,
                items: asked.iter().map(|id| (*id, waiting())).collect(),
                asked,
            },
            Output::Open(_, id, item) => {
                self.taken += 1;
                Input::Taken(at, vec![(id, item.expires)])
            }
            Output::Ack(_, _, ids) => {
                self.waiting.retain(|id| !ids.contains(id));
                return None;
            }
        })
    }

    fn list(&self, mailbox: Mailbox, keeper: NodeId, after: Option<ItemId>) -> Input {
        let holds = mailbox == self.mailbox(NOW.date.epoch());
        let listed = self.waiting.iter().filter(|_| holds);
        let mut listed = listed.filter(|id| after.is_none_or(|after| **id > after));
        let line = |id: &ItemId| Listed {
            id: *id,
            size_bytes: 2_048,
            expires: END,
        };
        let page = listed.by_ref().take(LISTING_COUNT_MAX);
        Input::Listed {
            mailbox: mailbox.address(),
            keeper,
            items: page.map(line).collect(),
            more: listed.next().is_some(),
        }
    }

    /// Every mailbox is compared as often as its epoch wants, and the nearest keepers of a present one push.
    fn check(&mut self) {
        let now = self.driven.now;
        for (at, seen) in &mut self.seen {
            let stage = Stage::of(&seen.mailbox, now.date);
            if stage != seen.stage {
                // What is present again within its day shows in the next round.
                let again = (seen.stage, stage) == (Stage::Previous, Stage::Present);
                let later = if again {
                    COMPARE_PREVIOUS_MS * 6 / 5
                } else {
                    0
                };
                (seen.stage, seen.since) = (stage, now.mono.plus(later));
            }
            let longest = stage.compare_ms() * 6 / 5 + SLACK_MS;
            let since = |at: MonoMillis| now.mono.since(at.max(seen.since));
            let compared = since(seen.compared);
            assert!(compared <= longest, "not compared for {compared} ms");
            let rounds = match stage {
                Stage::Present => OTHERS_EVERY as u64,
                Stage::Previous | Stage::Past | Stage::Old => 1,
            };
            let listed = since(seen.listed);
            assert!(listed <= rounds * longest, "not listed for {listed} ms");
            if now.mono.since(seen.since) <= SLACK_MS {
                continue;
            }
            for place in 0..stage.pushing() {
                let keeper = keeper(u8::try_from(place).unwrap());
                let until = self.pushing.get(&(*at, keeper));
                assert!(until.is_some_and(|until| *until > now.mono), "no push");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the date is set: mailboxes are compared, keepers push, and it does not spin.
    #[test]
    fn a_collector_neither_stops_nor_spins_while_the_date_is_set(
        settings in settings(),
        owner in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let mut world = World::new(owner, &settings, seed);
        while !world.driven.has_lasted(3) {
            world.step();
            world.check();
        }
    }
}

#[test]
fn pushes_never_lapse_although_rounds_come_every_ten_minutes() {
    // Each owner's rounds come at a pace of their own, from 8 to 12 minutes.
    for owner in 0..20 {
        let mut world = World::new(owner, &[], 0);
        while world.driven.passed() < 12 * HOUR_MS {
            world.step();
            world.check();
        }
    }
}

fn items(count: u16) -> BTreeSet<ItemId> {
    let item = |number: u16| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        ItemId::new(id)
    };
    (0..count).map(item).collect()
}

/// Runs until so many envelopes are taken; returns how long it took.
fn until_taken(world: &mut World, count: usize) -> u64 {
    let begun = world.driven.passed();
    while world.taken < count {
        world.step();
        world.check();
    }
    world.driven.passed() - begun
}

#[test]
fn more_than_can_be_opened_at_once_is_taken_in_rounds_that_follow_at_once() {
    let mut world = World::new(1, &[], 0);
    world.hourly_max = 20_000;
    world.waiting = items(1_000);
    let took = until_taken(&mut world, 1_000);
    assert!(took <= 30 * SECOND_MS, "{took} ms");
    while world.driven.passed() < HOUR_MS {
        world.step();
    }
    assert_eq!(world.taken, 1_000, "each once");
    assert!(world.waiting.is_empty(), "all acked");
}

#[test]
fn what_was_pushed_beyond_what_can_be_opened_at_once_is_taken_at_once() {
    let mut world = World::new(1, &[], 0);
    world.hourly_max = 20_000;
    while world.driven.passed() < HOUR_MS {
        world.step();
    }
    world.waiting = items(2 * u16::try_from(OPENING_MAX).unwrap());
    let at = world.mailbox(NOW.date.epoch()).address();
    for id in world.waiting.clone() {
        world.handle(Input::Pushed(at, keeper(0), id, waiting()));
    }
    assert_eq!(world.taken, OPENING_MAX);
    let took = until_taken(&mut world, 2 * OPENING_MAX);
    assert!(took <= 10 * SECOND_MS, "{took} ms");
}
