//! Which addresses of this node others reach: what is asked of whom, and what follows from the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use super::super::address::ip_of;
use super::super::limits::{
    CANDIDATES_MAX, TEST_AGAIN, TEST_AGAIN_REACHED, TEST_FAILURES, TEST_PAUSE, TEST_TIMEOUT,
    TESTERS_WANTED,
};
use super::super::status::{AddressState, Claim};
use super::handler::Outcome;

/// A node that dials back when it is asked to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tester<'a> {
    pub(super) connection: ConnectionId,
    pub(super) peer: PeerId,
    /// Where it is: it has no other IP family for certain.
    pub(super) address: &'a Multiaddr,
}

/// One test to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) connection: ConnectionId,
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) nonce: u64,
}

/// What became certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Others reach this address.
    Confirmed(Multiaddr),
    /// Others do not reach this address, although it was claimed; told after each test from then on.
    Refuted {
        address: Multiaddr,
        /// The configuration names it, and this was not known before.
        is_news: bool,
    },
}

/// The addresses of this node, claimed or only seen by others.
#[derive(Debug, Default)]
pub(super) struct Addresses(BTreeMap<Multiaddr, Known>);

#[derive(Debug)]
struct Known {
    /// Counted as reachable until others find that it is not, and tested for ever.
    is_claimed: bool,
    /// Claimed by the configuration.
    is_set: bool,
    state: AddressState,
    /// Who failed to reach it since somebody last did.
    failed: Vec<PeerId>,
    asked: Option<Asked>,
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    nonce: u64,
    peer: PeerId,
    until: Instant,
}

impl Addresses {
    /// Takes an address that counts until it is found false.
    pub(super) fn claim(&mut self, now: Instant, address: Multiaddr, is_set: bool) {
        let known = self.0.entry(address).or_insert_with(|| Known::new(now));
        known.is_claimed = true;
        known.is_set |= is_set;
        known.due = known.due.or(Some(now));
    }

    /// Forgets an address that this machine has no more, unless it is in the configuration.
    pub(super) fn forget(&mut self, address: &Multiaddr) {
        if self.0.get(address).is_some_and(|known| !known.is_set) {
            self.0.remove(address);
        }
    }

    /// Takes an address under which somebody has seen this node; there is room for a few that nobody has confirmed.
    pub(super) fn offer(&mut self, now: Instant, address: &Multiaddr) {
        let seen = self.0.values().filter(|known| !known.is_claimed).count();
        if seen < CANDIDATES_MAX && !self.0.contains_key(address) {
            self.0.insert(address.clone(), Known::new(now));
        }
    }

    /// Tells whether a claimed address waits for somebody who can test it.
    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        let mut known = self.0.values();
        known.any(|known| known.is_claimed && known.is_due(now))
    }

    /// Returns the tests that are due, no more than one for each tester; `random` numbers are drawn by the caller.
    pub(super) fn due(
        &mut self,
        now: Instant,
        testers: &[Tester<'_>],
        mut random: impl FnMut() -> u64,
    ) -> Vec<Test> {
        let mut busy: BTreeSet<ConnectionId> = BTreeSet::new();
        let mut tests = Vec::new();
        for (address, known) in &mut self.0 {
            known.asked = known.asked.filter(|asked| asked.until > now);
            if !known.is_due(now) {
                continue;
            }
            let fits = |tester: &&Tester<'_>| {
                !busy.contains(&tester.connection) && is_same_family(tester.address, address)
            };
            let fit: Vec<&Tester<'_>> = testers.iter().filter(fits).collect();
            // Who has not failed yet comes first.
            let (new, old): (Vec<&Tester<'_>>, Vec<&Tester<'_>>) = fit
                .into_iter()
                .partition(|tester| !known.failed.contains(&tester.peer));
            let choice = if new.is_empty() { old } else { new };
            let place = usize::try_from(random() >> 1).unwrap_or(0);
            let Some(tester) = place
                .checked_rem(choice.len())
                .and_then(|place| choice.get(place))
            else {
                continue;
            };
            let nonce = random();
            known.asked = Some(Asked {
                nonce,
                peer: tester.peer,
                until: now + 2 * TEST_TIMEOUT,
            });
            busy.insert(tester.connection);
            tests.push(Test {
                connection: tester.connection,
                peer: tester.peer,
                address: address.clone(),
                nonce,
            });
        }
        tests
    }

    /// Somebody who was told this nonce has dialled this node.
    pub(super) fn on_dialled_back(&mut self, now: Instant, nonce: u64) -> Option<Change> {
        let (address, known) = self.asked(nonce)?;
        known.asked = None;
        known.failed.clear();
        known.due = known.is_claimed.then(|| now + TEST_AGAIN_REACHED);
        let is_new = known.state != AddressState::Confirmed;
        known.state = AddressState::Confirmed;
        is_new.then(|| Change::Confirmed(address.clone()))
    }

    /// A tester says what became of a test; `others` is how many nodes could be asked.
    pub(super) fn on_outcome(
        &mut self,
        now: Instant,
        nonce: u64,
        outcome: Outcome,
        others: usize,
    ) -> Option<Change> {
        let (address, known) = self.asked(nonce)?;
        let is_failed = match outcome {
            // The dial back comes on another connection, and may come later.
            Outcome::Reached => return None,
            Outcome::Unreachable => true,
            // Where nobody's word weighs much, a test without an answer is made again.
            Outcome::Silent => known.is_claimed,
            Outcome::Untried => false,
        };
        let peer = known.asked.take()?.peer;
        if !is_failed {
            known.due = Some(now + TEST_PAUSE);
            return None;
        }
        if known.failed.len() < TEST_FAILURES {
            known.failed.push(peer);
        } else if let Some(last) = known.failed.last_mut() {
            *last = peer;
        }
        if !known.is_claimed {
            known.due = None;
            known.state = AddressState::Refuted;
            return None;
        }
        let distinct: BTreeSet<&PeerId> = known.failed.iter().collect();
        let is_certain = known.failed.len() >= TEST_FAILURES
            && distinct.len() >= others.clamp(1, TESTERS_WANTED);
        if !is_certain {
            return None;
        }
        known.due = Some(now + TEST_AGAIN);
        let is_news = known.is_set && known.state != AddressState::Refuted;
        known.state = AddressState::Refuted;
        let address = address.clone();
        Some(Change::Refuted { address, is_news })
    }

    /// Tells whether others reach some address for certain.
    pub(super) fn has_confirmed(&self) -> bool {
        let mut known = self.0.values();
        known.any(|known| known.state == AddressState::Confirmed)
    }

    /// Returns the claimed addresses with what is known of them.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let known = self.0.iter().filter(|(_, known)| known.is_claimed);
        known
            .map(|(address, known)| Claim {
                address: address.clone(),
                is_set: known.is_set,
                state: known.state,
            })
            .collect()
    }

    /// Returns from which IP addresses others have seen this node come.
    pub(super) fn seen_from(&self) -> BTreeSet<IpAddr> {
        let seen = self.0.iter().filter(|(_, known)| !known.is_claimed);
        seen.filter_map(|(address, _)| ip_of(address)).collect()
    }

    fn asked(&mut self, nonce: u64) -> Option<(&Multiaddr, &mut Known)> {
        let mut all = self.0.iter_mut();
        all.find(|(_, known)| known.asked.is_some_and(|asked| asked.nonce == nonce))
    }
}

impl Known {
    const fn new(now: Instant) -> Self {
        Self {
            is_claimed: false,
            is_set: false,
            state: AddressState::Untested,
            failed: Vec::new(),
            asked: None,
            due: Some(now),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.asked.is_none() && self.due.is_some_and(|due| due <= now)
    }
}

/// Tells whether who is at the one address can be expected to reach the other: machines have one IP family or both.
fn is_same_family(one: &Multiaddr, other: &Multiaddr) -> bool {
    match (family(one), family(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Returns the IP version of an address, if it says.
fn family(address: &Multiaddr) -> Option<u8> {
    match address.iter().next()? {
        Protocol::Ip4(_) | Protocol::Dns4(_) => Some(4),
        Protocol::Ip6(_) | Protocol::Dns6(_) => match ip_of(address) {
            Some(IpAddr::V4(_)) => Some(4),
            _ => Some(6),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
