//! Cuts, hosts without network, and crashes.

use crate::connection::Conn;
use crate::event::Side;
use crate::host::{Life, LifeEvent};
use crate::slab::Key;
use crate::state::State;
use crate::stats::CutEffect;

/// Two sets of hosts that cannot reach each other.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The side of each host, by number: those beyond the end are on the last side.
    sides: Vec<CutSide>,
    rest: CutSide,
    pub(crate) effect: CutEffect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutSide {
    One,
    Other,
    Neither,
}

impl Cut {
    /// Cuts hosts off from some others, or from all.
    pub(crate) fn new(one: &[u32], other: Option<&[u32]>) -> Self {
        let rest = match other {
            Some(_) => CutSide::Neither,
            None => CutSide::Other,
        };
        let all = one.iter().chain(other.unwrap_or_default());
        let most = all.max().map_or(0, |&most| most as usize + 1);
        let mut sides = vec![rest; most];
        for &host in other.unwrap_or_default() {
            sides[host as usize] = CutSide::Other;
        }
        for &host in one {
            sides[host as usize] = CutSide::One;
        }
        Self {
            sides,
            rest,
            effect: CutEffect::default(),
        }
    }

    fn side(&self, host: u32) -> CutSide {
        self.sides.get(host as usize).copied().unwrap_or(self.rest)
    }

    fn separates(&self, from: u32, to: u32) -> bool {
        matches!(
            (self.side(from), self.side(to)),
            (CutSide::One, CutSide::Other) | (CutSide::Other, CutSide::One)
        )
    }

    /// Returns the hosts of the first side.
    fn hosts(&self) -> Vec<u32> {
        let numbers = (0..).zip(&self.sides);
        let ones = numbers.filter(|(_, side)| **side == CutSide::One);
        ones.map(|(host, _)| host).collect()
    }
}

impl State {
    /// Returns whether packets from one host reach another.
    pub(crate) fn is_cut(&self, from: u32, to: u32) -> bool {
        if from == to {
            return false;
        }
        let offline = |host: u32| !self.hosts[host as usize].online;
        offline(from) || offline(to) || self.cuts.values().any(|cut| cut.separates(from, to))
    }

    /// Counts a packet that did not get through.
    pub(crate) fn blame(&mut self, from: u32, to: u32) {
        self.stats.cut += 1;
        for cut in self.cuts.values_mut() {
            if cut.separates(from, to) {
                cut.effect.packets += 1;
            }
        }
    }

    pub(crate) fn cut(&mut self, mut cut: Cut) -> u32 {
        let number = self.cuts_made;
        self.cuts_made += 1;
        let hosts = cut.hosts();
        for &host in &hosts {
            for &key in self.conns_of(host) {
                let crosses = |conn: &&Conn| {
                    let (from, to) = conn.route(Side::Dialer);
                    conn.accepted && cut.separates(from, to)
                };
                let crossing = self.conns.get(key).filter(crosses).is_some();
                cut.effect.connections += u64::from(crossing);
            }
        }
        self.cuts.insert(number, cut);
        for host in hosts {
            self.on_routes_change(host);
        }
        number
    }

    pub(crate) fn heal(&mut self, number: u32) -> CutEffect {
        let Some(cut) = self.cuts.remove(&number) else {
            return CutEffect::default();
        };
        for host in cut.hosts() {
            self.on_routes_change(host);
        }
        cut.effect
    }

    pub(crate) fn set_online(&mut self, host: u32, online: bool) {
        self.hosts[host as usize].online = online;
        self.on_routes_change(host);
    }

    pub(crate) fn conns_of(&self, host: u32) -> &[Key] {
        &self.hosts[host as usize].conns
    }

    fn on_routes_change(&mut self, host: u32) {
        self.route_changes += 1;
        for at in 0..self.conns_of(host).len() {
            self.on_route_change(self.conns_of(host)[at]);
        }
    }

    /// Starts a process; one that still runs there crashes.
    pub(crate) fn start(&mut self, host: u32, peer: libp2p::PeerId) -> u32 {
        if self.hosts[host as usize].life.is_some() {
            self.crash(host);
        }
        let number = self.lives;
        self.lives += 1;
        let peer_number = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        self.peers.push(peer);
        self.hosts[host as usize].life = Some(Life::new(number, peer_number));
        number
    }

    /// Ends a host's processes without a word.
    pub(crate) fn crash(&mut self, host: u32) {
        self.stats.crashes += 1;
        let life = self.hosts[host as usize].life.take();
        for key in self.conns_of(host).to_vec() {
            for side in Side::BOTH {
                let here = |conn: &Conn| conn.ends[side.at()].host == host;
                if self.conns.get(key).is_some_and(here) {
                    self.vanish(key, side);
                }
            }
        }
        self.release_life(life);
    }

    /// A transport is dropped: its listeners are closed, its connections are their owners'.
    pub(crate) fn stop(&mut self, host: u32, number: u32) {
        let life = &mut self.hosts[host as usize].life;
        if life.as_ref().is_some_and(|life| life.number == number) {
            let life = life.take();
            self.release_life(life);
        }
    }

    fn release_life(&mut self, life: Option<Life>) {
        let Some(life) = life else {
            return;
        };
        for event in life.events {
            if let LifeEvent::Incoming { conn, .. } = event {
                self.release_end(conn, Side::Listener);
            }
        }
        self.wakes.extend(life.waker);
    }

    /// Closes a listener and, as QUIC does, all connections of its port.
    pub(crate) fn close_listener(
        &mut self,
        host: u32,
        number: u32,
        id: libp2p::core::transport::ListenerId,
    ) -> bool {
        let here = &mut self.hosts[host as usize];
        let Some(life) = here.life.as_mut().filter(|life| life.number == number) else {
            return false;
        };
        let Some(at) = life.listeners.iter().position(|open| open.id == id) else {
            return false;
        };
        let port = life.listeners.remove(at).address.port();
        life.events.push_back(LifeEvent::Closed(id));
        self.wakes.extend(life.waker.take());
        for key in here.conns.clone() {
            for side in Side::BOTH {
                let of_port = |conn: &Conn| {
                    let end = &conn.ends[side.at()];
                    end.host == host && end.port == port
                };
                if self.conns.get(key).is_some_and(of_port) {
                    self.close(key, side);
                }
            }
        }
        true
    }
}
