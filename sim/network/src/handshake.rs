//! Dials: one round trip until the dialer has its connection, half of one more for the listener.
//!
//! As QUIC with certificates on both sides: the dialer's first packet makes the listener answer;
//! the dialer is done when the answer is there, and may write at once; the listener knows who it
//! talks to when the dialer's last part is there. A first packet that nobody answers is sent again
//! after 1 s and 3 s.

use std::net::SocketAddrV4;
use std::task::{Context, Poll};

use crate::connection::{Conn, End, NEVER_US, Phase};
use crate::error::NetworkError;
use crate::event::{Kind, Side};
use crate::flow::Flow;
use crate::host::{INCOMING_MAX, LifeEvent};
use crate::slab::Key;
use crate::state::{State, keep_waker};
use crate::upkeep::Upkeep;

/// Bytes of the first packet, which QUIC pads.
const INITIAL_BYTES: u32 = 1_200;
/// Bytes of the listener's answer, certificate included.
const ANSWER_BYTES: u32 = 2_000;
/// Bytes of the dialer's last part, certificate included.
const FINISH_BYTES: u32 = 1_000;
/// First time after which a packet of a handshake is sent again.
const AGAIN_US: u64 = 1_000_000;
/// Nobody.
const NO_HOST: u32 = u32::MAX;

impl State {
    /// Begins a dial from a host's present process.
    pub(crate) fn dial(
        &mut self,
        host: u32,
        target: SocketAddrV4,
        reuse: bool,
    ) -> Result<Key, NetworkError> {
        let here = &mut self.hosts[host as usize];
        let peer = here.life.as_ref().ok_or(NetworkError::ProcessGone)?.peer;
        let port = here.dial_port(reuse);
        let source = SocketAddrV4::new(here.address, port);
        let key = self.conns.insert(Conn {
            ends: [End::new(host, peer, port), End::new(NO_HOST, 0, 0)],
            flows: [Flow::new(), Flow::new()],
            streams: Vec::new(),
            target,
            source,
            dialled_us: self.now_us,
            silent_since_us: NEVER_US,
            upkeep: Upkeep::new(self.now_us),
            cut: false,
            lapsed: false,
            accepted: false,
        });
        // The listener's end is nobody's until there is one.
        if let Some(conn) = self.conns.get_mut(key) {
            conn.ends[Side::Listener.at()].handles = 0;
        }
        let here = &mut self.hosts[host as usize];
        here.conns.push(key);
        here.router.hold(port, target);
        self.stats.dials += 1;
        self.on_knock(key);
        let due_us = self.now_us + self.handshake_timeout_us();
        self.schedule(due_us, Kind::Timeout(key, Side::Dialer));
        Ok(key)
    }

    /// Sends the first packet of a dial.
    pub(crate) fn on_knock(&mut self, key: Key) {
        let now_us = self.now_us;
        let Some(target) = self.conns.get(key).map(|conn| conn.target) else {
            return;
        };
        let there = self.host_at(target);
        let Some(conn) = self.conns.get_mut(key).filter(|conn| !conn.accepted) else {
            return;
        };
        let dialer = &conn.ends[Side::Dialer.at()];
        if dialer.phase != Phase::Shaking {
            return;
        }
        let (from, port) = (dialer.host, dialer.port);
        let here = &mut self.hosts[from as usize];
        if here.is_own(*target.ip()) && there.is_none_or(|there| there == from) {
            conn.source = SocketAddrV4::new(*target.ip(), port);
            return self.schedule(now_us + self.latency_us(from, from), Kind::Initial(key));
        }
        conn.source = SocketAddrV4::new(here.address, here.router.send(port, target, now_us));
        let Some(to) = there else {
            return self.knock_again(key);
        };
        if self.is_cut(from, to) {
            self.blame(from, to);
            return self.knock_again(key);
        }
        let due_us = self.trip(from, to, INITIAL_BYTES, Some(AGAIN_US)).due_us;
        self.schedule(due_us, Kind::Initial(key));
    }

    /// Nobody answers: the next try, unless it would come after the handshake's end.
    fn knock_again(&mut self, key: Key) {
        self.stats.knocks_unheard += 1;
        let timeout_us = self.handshake_timeout_us();
        let Some(conn) = self.conns.get(key) else {
            return;
        };
        let began_us = conn.dialled_us;
        let (mut next_us, mut wait_us) = (began_us + AGAIN_US, AGAIN_US);
        while next_us <= self.now_us {
            wait_us *= 2;
            next_us += wait_us;
        }
        if next_us < began_us + timeout_us {
            self.schedule(next_us, Kind::Knock(key));
        }
    }

    /// The first packet of a dial is there; a process with a listener on the port answers.
    pub(crate) fn on_initial(&mut self, key: Key) {
        let now_us = self.now_us;
        let Some(conn) = self.conns.get(key).filter(|conn| !conn.accepted) else {
            return;
        };
        let (target, source) = (conn.target, conn.source);
        let dialer = &conn.ends[Side::Dialer.at()];
        if let Phase::Closed(_) = dialer.phase {
            return;
        }
        let from = dialer.host;
        let there = self.host_at(target);
        let is_own = self.hosts[from as usize].is_own(*target.ip());
        let own = is_own && there.is_none_or(|there| there == from);
        let to = if own { Some(from) } else { there };
        let Some(to) = to else {
            return self.knock_again(key);
        };
        if self.is_cut(from, to) && !own {
            self.blame(from, to);
            return self.knock_again(key);
        }
        let there = &mut self.hosts[to as usize];
        let port = if own {
            Some(target.port())
        } else {
            there.router.receive(target.port(), source, now_us)
        };
        let listening = port.is_some_and(|port| there.offer(port, source, key));
        if !listening {
            return self.knock_again(key);
        }
        self.accept(key, to, port.unwrap_or_default());
    }

    /// Makes the listener's end, and answers.
    fn accept(&mut self, key: Key, to: u32, port: u16) {
        let there = &mut self.hosts[to as usize];
        let Some(life) = there.life.as_mut() else {
            return;
        };
        let peer = life.peer;
        self.wakes.extend(life.waker.take());
        there.conns.push(key);
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        there.router.hold(port, conn.source);
        conn.accepted = true;
        conn.ends[Side::Listener.at()] = End::new(to, peer, port);
        let from = conn.ends[Side::Dialer.at()].host;
        let dialer_gone = conn.ends[Side::Dialer.at()].phase == Phase::Gone;
        if dialer_gone {
            self.lapse(key);
        }
        let due_us = self.trip(to, from, ANSWER_BYTES, Some(AGAIN_US)).due_us;
        self.schedule(due_us, Kind::Answer(key));
        let due_us = self.now_us + self.handshake_timeout_us();
        self.schedule(due_us, Kind::Timeout(key, Side::Listener));
    }

    /// The answer is there: the dialer has its connection.
    pub(crate) fn on_answer(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if conn.ends[Side::Dialer.at()].phase != Phase::Shaking {
            return;
        }
        let (from, to) = conn.route(Side::Dialer);
        if conn.cut {
            self.blame(from, to);
            return self.schedule(self.now_us + AGAIN_US, Kind::Answer(key));
        }
        let dialer = &mut conn.ends[Side::Dialer.at()];
        dialer.phase = Phase::Open;
        self.wakes.extend(dialer.shaking.take());
        let due_us = self.trip(from, to, FINISH_BYTES, Some(AGAIN_US)).due_us;
        self.schedule(due_us, Kind::Finish(key));
    }

    /// The dialer's last part is there: the listener has its connection.
    pub(crate) fn on_finish(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if conn.ends[Side::Listener.at()].phase != Phase::Shaking {
            return;
        }
        let (from, to) = conn.route(Side::Dialer);
        if conn.cut {
            self.blame(from, to);
            return self.schedule(self.now_us + AGAIN_US, Kind::Finish(key));
        }
        self.stats.established += 1;
        conn.upkeep = Upkeep::new(self.now_us);
        let listener = &mut conn.ends[Side::Listener.at()];
        listener.phase = Phase::Open;
        self.wakes.extend(listener.shaking.take());
    }

    /// A handshake takes too long.
    pub(crate) fn on_timeout(&mut self, key: Key, side: Side) {
        let shaking = |conn: &Conn| conn.ends[side.at()].phase == Phase::Shaking;
        if self.conns.get(key).is_some_and(shaking) {
            self.end(key, side, Phase::Closed(NetworkError::HandshakeTimedOut));
        }
    }

    /// Waits until a handshake is over, and returns the number of the other end's peer.
    pub(crate) fn poll_shaken(
        &mut self,
        key: Key,
        side: Side,
        context: &Context<'_>,
    ) -> Poll<Result<u32, NetworkError>> {
        let Some(conn) = self.conns.get_mut(key) else {
            return Poll::Ready(Err(NetworkError::ClosedHere));
        };
        match conn.ends[side.at()].phase {
            Phase::Open => Poll::Ready(Ok(conn.ends[side.other().at()].peer)),
            Phase::Closed(fault) => Poll::Ready(Err(fault)),
            Phase::Gone => Poll::Pending,
            Phase::Shaking => {
                let waker = &mut conn.ends[side.at()].shaking;
                keep_waker(waker, context, &mut self.replaced);
                Poll::Pending
            }
        }
    }
}

impl crate::host::Host {
    /// Offers an incoming connection to the process; returns whether there is a listener for it.
    fn offer(&mut self, port: u16, source: SocketAddrV4, conn: Key) -> bool {
        let Some(life) = self.life.as_mut() else {
            return false;
        };
        let Some(listener) = life.listener(port) else {
            return false;
        };
        if life.events.len() >= INCOMING_MAX {
            return false;
        }
        let event = LifeEvent::Incoming {
            listener: listener.id,
            local: listener.address,
            remote: source,
            conn,
        };
        life.events.push_back(event);
        true
    }
}
