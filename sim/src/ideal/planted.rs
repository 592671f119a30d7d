//! Bugs of what a node hears from the network.
//!
//! `group-limit`: a routing table that refuses whoever is the fourth of its group of addresses. Whom each node knows,
//! and lookups that ask these, take the place of lookups that find everybody.
//!
//! `ack-unopened`: a node that has just started hears of no card, its own above all, by which an old copy of a home
//! knows what it is.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use restante_proto::placement::CANDIDATES;
use restante_proto::request::Response;
use restante_proto::routing::Point;
use restante_sim_network::HostId;

use super::processes::Serving;
use super::state::State;
use crate::planted::Planted;

/// Nodes of one group (/16) that a table takes.
const GROUP_MAX: usize = 3;

/// How long a node that has just started hears of no card.
const CARDLESS: Duration = Duration::from_secs(5);

/// Tells whether this process has the first bug.
pub(super) fn is_here() -> bool {
    Planted::GroupLimit.is_here()
}

impl State {
    /// Returns whom a host has in its table, of all that it can reach, the nearest to a point first.
    ///
    /// It has met its neighbours first.
    pub(super) fn limited(&self, host: HostId, point: &Point) -> Vec<Serving> {
        let Some(own) = self.processes.get(&host).map(|own| own.point) else {
            return Vec::new();
        };
        let mut of_group: BTreeMap<[u8; 2], usize> = BTreeMap::new();
        let mut known = self.reachable(host, &own, usize::MAX);
        known.retain(|one| {
            let [high, low, ..] = self.internet.address(one.host).octets();
            let count = of_group.entry([high, low]).or_default();
            *count += 1;
            *count <= GROUP_MAX
        });
        known.sort_by_key(|one| one.distance(point));
        known
    }

    /// Returns what a host hears of an answer.
    pub(super) fn heard(&self, host: HostId, answer: Bytes) -> Bytes {
        let since = self.processes.get(&host).map(|one| one.since);
        let is_new = since.is_some_and(|since| self.now.duration_since(since) < CARDLESS);
        let is_cards = || matches!(Response::decode(&answer), Ok(Response::Cards(_)));
        if Planted::AckUnopened.is_here() && is_new && is_cards() {
            return Response::Cards(Vec::new()).encode();
        }
        answer
    }

    /// Returns whom a lookup finds that begins with a host's own table, and asks the nearest of those it hears of.
    pub(super) fn limited_lookup(&self, host: HostId, point: &Point, count: usize) -> Vec<Serving> {
        let mut heard = self.limited(host, point);
        let mut asked: Vec<HostId> = Vec::new();
        loop {
            let nearest = heard.iter().take(CANDIDATES);
            let Some(next) = nearest.map(|one| one.host).find(|one| !asked.contains(one)) else {
                break;
            };
            asked.push(next);
            for named in self.limited(next, point) {
                let is_new = !heard.iter().any(|one| one.host == named.host);
                if is_new && named.host != host {
                    heard.push(named);
                }
            }
            heard.sort_by_key(|one| one.distance(point));
        }
        heard.truncate(count);
        heard
    }
}
