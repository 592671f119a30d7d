//! What people wait for, beside the least that it can be: what somebody would wait for who knows beforehand which
//! nodes are nearest and up, in the same places of the same world.

use rand::Rng;
use restante_proto::{
    limits::{LOCATORS, REPLICAS, SECOND_MS, receipts_wanted},
    placement::CANDIDATES,
};

use super::World;
use crate::model::{links::Links, message::Message};

/// How long after a message its writer writes another one, in milliseconds.
const FOLLOWS_MS: u64 = 5 * SECOND_MS;
/// Keepers at which a recipient has its messages pushed (SPEC 10.4).
const PUSHING: usize = 2;
/// Nodes asked at one locator, at most.
const ASKED_MAX: usize = 2 * CANDIDATES;
/// Locators with a record that are enough (SPEC 4.4).
const LOCATORS_ENOUGH: usize = LOCATORS - 1;

impl World<'_> {
    /// Returns the message that follows another one: to the same mailbox, from where that is sent.
    pub(super) fn follow(&mut self, first: &Message) -> Box<Message> {
        let mut next = self.draw_message();
        (next.mailbox, next.key) = (first.mailbox, first.key);
        (next.sender, next.recipient) = (first.sender, first.recipient);
        next.written_ms = first.written_ms + FOLLOWS_MS;
        next.expires_ms = first.expires_ms + FOLLOWS_MS;
        // Both are brought in one after the other.
        next.follows = u32::try_from(self.messages.len()).ok();
        next
    }

    /// Lets a sender go on with the connections that it has from the message before.
    pub(super) fn take_up(&self, message: &mut Message) {
        let first = message
            .follows
            .and_then(|first| self.messages.get(first as usize)?.as_ref());
        if let Some(first) = first {
            message.sender_links = first.sender_links.clone();
            message.keepers = first.keepers.clone();
        }
    }

    /// Measures the least that the writer of a message waits for, and how long a card takes to look up.
    pub(super) fn measure(&mut self, message: &Message) {
        let key = message.key;
        let nearest = self.nearest(message.sender, key, self.options.copies);
        let wanted = receipts_wanted(nearest.len());
        let is_first = message.follows.is_none();
        let trips = if is_first {
            self.options.routing.round_trips
        } else {
            1
        };
        let mut deposits = self.exchanges(message.sender, &nearest, trips);
        let mut shown: Vec<u64> = Vec::new();
        for (node, deposit_ms) in nearest.iter().zip(&deposits).take(PUSHING) {
            let back_ms = self.way_back_ms(message.sender, *node);
            shown.push(deposit_ms - back_ms + self.way_back_ms(message.recipient, *node));
        }
        deposits.sort_unstable();
        let deposit_ms = wanted.checked_sub(1).and_then(|place| deposits.get(place));
        let deposit_ms = deposit_ms.copied().unwrap_or_default();
        let shown_ms = shown.into_iter().min().unwrap_or_default();
        let tally = &mut self.tally.latency;
        if is_first {
            tally.deposit_least_ms.add(deposit_ms);
            self.look_up_card(message.sender);
        } else {
            tally.again_least_ms.add(deposit_ms);
            tally.shown_least_ms.add(shown_ms);
        }
    }

    pub(super) fn count_deposit(&mut self, message: &Message, took_ms: u64) {
        let tally = &mut self.tally.latency;
        match message.follows {
            None => tally.deposit_ms.add(took_ms),
            Some(_) => tally.again_ms.add(took_ms),
        }
    }

    pub(super) fn count_showing(&mut self, message: &Message, took_ms: u64) {
        if message.follows.is_some() {
            self.tally.latency.shown_ms.add(took_ms);
        }
    }

    /// Looks a card up: all locators at once, at each those whom the walk takes for near and the keepers that it found,
    /// until enough have answered.
    fn look_up_card(&mut self, person: u32) {
        let (mut took, mut least) = (Vec::new(), Vec::new());
        for _ in 0..LOCATORS {
            let key = self.least.next_u64();
            let (walk, found) = self.walk_uncounted(person, key, &Links::default());
            let nearest = self.nearest(person, key, REPLICAS);
            let early_ms = self.early_ms(person, &nearest);
            let found = &found[..found.len().min(REPLICAS)];
            let late_ms = walk.end_ms + self.enough_ms(person, found, 1);
            took.push(early_ms.map_or(late_ms, |early_ms| early_ms.min(late_ms)));
            least.push(self.enough_ms(person, &nearest, self.options.routing.round_trips));
        }
        took.sort_unstable();
        least.sort_unstable();
        let tally = &mut self.tally.latency;
        tally.card_ms.add(took[LOCATORS_ENOUGH - 1]);
        tally.card_least_ms.add(least[LOCATORS_ENOUGH - 1]);
    }

    /// Returns when enough of those whom the walk just made took for near have answered with a record, which `holders`
    /// have, if they ever did.
    fn early_ms(&mut self, person: u32, holders: &[u32]) -> Option<u64> {
        let near: Vec<(u64, Vec<u32>)> = self.walker.near().to_vec();
        let answered: Vec<(u32, u64)> = self.walker.answered().collect();
        let (mut asked, mut with_record): (Vec<u32>, Vec<u64>) = (Vec::new(), Vec::new());
        for (at_ms, nodes) in near {
            for node in nodes.into_iter().take(REPLICAS) {
                if asked.len() >= ASKED_MAX || asked.contains(&node) {
                    continue;
                }
                asked.push(node);
                if !holders.contains(&node) {
                    continue;
                }
                let is_open = answered
                    .iter()
                    .any(|(other, ms)| *other == node && *ms <= at_ms);
                let trips = if is_open {
                    1
                } else {
                    self.options.routing.round_trips
                };
                with_record.push(at_ms + self.round_trip_ms(person, node) * trips);
            }
        }
        with_record.sort_unstable();
        with_record
            .get(REPLICAS - receipts_wanted(REPLICAS))
            .copied()
    }

    /// Returns when so many keepers of a locator have answered that a record cannot have escaped them.
    fn enough_ms(&mut self, person: u32, keepers: &[u32], trips: u64) -> u64 {
        let each = keepers
            .iter()
            .map(|node| self.round_trip_ms(person, *node) * trips);
        let mut each: Vec<u64> = each.collect();
        each.sort_unstable();
        let enough = keepers.len() + 1 - receipts_wanted(keepers.len().max(1));
        enough
            .checked_sub(1)
            .and_then(|place| each.get(place))
            .copied()
            .unwrap_or_default()
    }

    /// Returns how long each deposit of a person takes, the keeper's disk included.
    fn exchanges(&mut self, person: u32, nodes: &[u32], trips: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for node in nodes {
            let commit_ms = self.options.commit.draw(&mut self.least);
            all.push(self.round_trip_ms(person, *node) * trips + commit_ms);
        }
        all
    }

    /// Returns the nodes nearest to a key that are up, without the person's own.
    fn nearest(&self, person: u32, key: u64, count: usize) -> Vec<u32> {
        let mut nearest = Vec::new();
        let (keys, up) = (&self.nodes.keys, &self.nodes.up);
        keys.closest(key, count + 1, up, &mut nearest);
        let nearest = nearest.into_iter().map(|(_, node)| node);
        nearest.filter(|node| *node != person).take(count).collect()
    }
}
