//! A connection: two ends, a flow in each direction, and streams.

use std::net::SocketAddrV4;
use std::task::Waker;

use crate::error::NetworkError;
use crate::event::{Kind, Side};
use crate::flow::Flow;
use crate::slab::Key;
use crate::state::State;
use crate::upkeep::Upkeep;

/// No time at all, in microseconds.
pub(crate) const NEVER_US: u64 = u64::MAX;
/// Bytes of a packet that only carries a control message.
const CONTROL_BYTES: u32 = 40;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) ends: [End; 2],
    /// What each end sends, by sender.
    pub(crate) flows: [Flow; 2],
    pub(crate) streams: Vec<Key>,
    /// What was dialled.
    pub(crate) target: SocketAddrV4,
    /// Where the dial came from, as the listener sees it.
    pub(crate) source: SocketAddrV4,
    pub(crate) dialled_us: u64,
    /// When something was or will be sent first that the other end does not hear; its sender's patience begins then.
    pub(crate) silent_since_us: u64,
    pub(crate) upkeep: Upkeep,
    /// Whether nothing gets through now.
    pub(crate) cut: bool,
    /// Whether one end will never be heard again.
    pub(crate) lapsed: bool,
    /// Whether there is a listener's end.
    pub(crate) accepted: bool,
}

/// One process's end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: u32,
    pub(crate) peer: u32,
    /// The host's own port.
    pub(crate) port: u16,
    pub(crate) phase: Phase,
    /// Objects through which the process holds this end.
    pub(crate) handles: u32,
    /// Streams opened here that are not done.
    pub(crate) opened: u32,
    /// Streams that the other end opened and this one has not taken.
    pub(crate) inbound: Vec<Key>,
    pub(crate) shaking: Option<Waker>,
    pub(crate) accepting: Option<Waker>,
    pub(crate) opening: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Shaking,
    Open,
    Closed(NetworkError),
    /// The process is no more; what is left of it notices nothing.
    Gone,
}

impl Phase {
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Shaking | Self::Open)
    }
}

impl End {
    pub(crate) const fn new(host: u32, peer: u32, port: u16) -> Self {
        Self {
            host,
            peer,
            port,
            phase: Phase::Shaking,
            handles: 1,
            opened: 0,
            inbound: Vec::new(),
            shaking: None,
            accepting: None,
            opening: None,
        }
    }
}

impl Conn {
    /// Returns the remote address that an end's router knows.
    pub(crate) const fn remote(&self, side: Side) -> SocketAddrV4 {
        match side {
            Side::Dialer => self.target,
            Side::Listener => self.source,
        }
    }

    /// Returns the hosts of a side and of the other.
    pub(crate) const fn route(&self, side: Side) -> (u32, u32) {
        (self.ends[side.at()].host, self.ends[side.other().at()].host)
    }
}

impl State {
    /// Closes an end, and tells the other.
    pub(crate) fn close(&mut self, key: Key, side: Side) {
        let Some(conn) = self.conns.get(key) else {
            return;
        };
        if !conn.ends[side.at()].phase.is_live() {
            return;
        }
        let other_live = conn.accepted && conn.ends[side.other().at()].phase.is_live();
        let cut = conn.cut;
        self.settle_upkeep(key);
        self.end(key, side, Phase::Closed(NetworkError::ClosedHere));
        if !other_live {
            return;
        }
        if cut {
            self.lapse(key);
        } else {
            self.post(key, side.other(), Kind::Close(key, side.other()));
        }
    }

    /// The other end has said that it closes.
    pub(crate) fn on_close(&mut self, key: Key, side: Side) {
        match self.conns.get(key) {
            Some(conn) if conn.cut => self.lapse(key),
            Some(_) => self.end(key, side, Phase::Closed(NetworkError::ClosedByPeer)),
            None => {}
        }
    }

    /// Starts the idle timer of whoever is left, for good.
    pub(crate) fn lapse(&mut self, key: Key) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.lapsed = true;
        }
        self.fall_silent(key);
    }

    /// The ends hear nothing of each other from now on, which shows with the next keep-alive.
    fn fall_silent(&mut self, key: Key) {
        let (now_us, interval_us) = (self.now_us, self.keep_alive_us());
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        if conn.silent_since_us == NEVER_US {
            let silent_us = now_us - conn.upkeep.active_us.min(now_us);
            self.be_silent_from(key, now_us + interval_us - silent_us % interval_us);
        }
    }

    /// An end sends something that the other does not hear, sooner than a keep-alive would.
    pub(crate) fn on_unheard(&mut self, key: Key) {
        let now_us = self.now_us;
        let is_first =
            |conn: &Conn| conn.silent_since_us != NEVER_US && conn.silent_since_us > now_us;
        if self.conns.get(key).is_some_and(is_first) {
            self.be_silent_from(key, now_us);
        }
    }

    fn be_silent_from(&mut self, key: Key, from_us: u64) {
        if let Some(conn) = self.conns.get_mut(key) {
            conn.silent_since_us = from_us;
        }
        self.schedule(from_us + self.idle_timeout_us(), Kind::Death(key));
    }

    /// The idle timers of both ends, unless they have heard of each other again.
    pub(crate) fn on_death(&mut self, key: Key) {
        let Some(conn) = self.conns.get(key) else {
            return;
        };
        let since_us = conn.silent_since_us;
        if since_us == NEVER_US || self.now_us < since_us.saturating_add(self.idle_timeout_us()) {
            return;
        }
        for side in Side::BOTH {
            let live = |conn: &Conn| conn.ends[side.at()].phase.is_live();
            if self.conns.get(key).is_some_and(live) {
                self.stats.idled_out += 1;
                self.end(key, side, Phase::Closed(NetworkError::IdledOut));
            }
        }
    }

    /// Notes whether the ends of a connection can reach each other, after something about that
    /// changed.
    pub(crate) fn on_route_change(&mut self, key: Key) {
        self.settle_upkeep(key);
        let Some(conn) = self.conns.get(key).filter(|conn| conn.accepted) else {
            return;
        };
        let (from, to) = conn.route(Side::Dialer);
        let cut = self.is_cut(from, to);
        let Some(conn) = self.conns.get_mut(key).filter(|conn| conn.cut != cut) else {
            return;
        };
        conn.cut = cut;
        if cut {
            self.fall_silent(key);
        } else if !conn.lapsed {
            conn.silent_since_us = NEVER_US;
        }
    }

    /// Ends one end and wakes all who wait there.
    pub(crate) fn end(&mut self, key: Key, side: Side, phase: Phase) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        let end = &mut conn.ends[side.at()];
        if !end.phase.is_live() {
            return;
        }
        if side == Side::Dialer && end.phase == Phase::Shaking && phase != Phase::Gone {
            self.stats.dials_failed += 1;
        }
        end.phase = phase;
        let wakers = [end.shaking.take(), end.accepting.take(), end.opening.take()];
        self.wakes.extend(wakers.into_iter().flatten());
        for segment in conn.flows[side.at()].abandon() {
            self.segments.remove(segment);
        }
        for &stream in &conn.streams {
            if let Some(stream) = self.streams.get_mut(stream) {
                let (read, written) = (side.other().at(), side.at());
                self.wakes.extend(stream.halves[read].reader.take());
                self.wakes.extend(stream.halves[written].writer.take());
                stream.halves[written].backlog = None;
            }
        }
    }

    /// Ends an end whose process is gone: nobody is told.
    pub(crate) fn vanish(&mut self, key: Key, side: Side) {
        let live = |conn: &Conn| conn.ends[side.at()].phase.is_live();
        if self.conns.get(key).is_some_and(live) {
            self.settle_upkeep(key);
            self.end(key, side, Phase::Gone);
            self.lapse(key);
        }
    }

    /// One object fewer holds an end: without any it closes, and without both the connection goes.
    pub(crate) fn release_end(&mut self, key: Key, side: Side) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        let end = &mut conn.ends[side.at()];
        end.handles = end.handles.saturating_sub(1);
        if end.handles > 0 {
            return;
        }
        self.close(key, side);
        let held = |conn: &Conn| conn.ends.iter().any(|end| end.handles > 0);
        if !self.conns.get(key).is_some_and(held) {
            self.remove_conn(key);
        }
    }

    fn remove_conn(&mut self, key: Key) {
        let Some(conn) = self.conns.remove(key) else {
            return;
        };
        for stream in &conn.streams {
            if let Some(stream) = self.streams.remove(*stream) {
                let wakers = stream.halves.into_iter();
                let wakers = wakers.flat_map(|half| [half.reader, half.writer]);
                self.wakes.extend(wakers.flatten());
            }
        }
        for side in Side::BOTH {
            if side == Side::Listener && !conn.accepted {
                continue;
            }
            let (end, remote) = (&conn.ends[side.at()], conn.remote(side));
            let host = &mut self.hosts[end.host as usize];
            host.router.release(end.port, remote, self.now_us);
            if let Some(at) = host.conns.iter().position(|&other| other == key) {
                host.conns.swap_remove(at);
            }
        }
    }

    /// Sends a control message to a side, where it is to be an event.
    pub(crate) fn post(&mut self, key: Key, to_side: Side, kind: Kind) {
        let Some(conn) = self.conns.get(key) else {
            return;
        };
        let (from, to) = conn.route(to_side.other());
        let due = self.trip(from, to, CONTROL_BYTES, None).due_us;
        self.schedule(due, kind);
    }
}
