//! What goes over a connection beside streams: acknowledgements and keep-alives.
//!
//! They cost no events. They are counted when something else goes over the connection, when it ends, and when somebody
//! looks.

use crate::connection::{Conn, NEVER_US};
use crate::event::Side;
use crate::slab::Key;
use crate::state::State;

/// Bytes of a packet that acknowledges others or asks whether the other end is there, headers included.
const EMPTY_PACKET_BYTES: u64 = 60;
/// How long a single packet waits for its acknowledgement (RFC 9000 13.2.1); what is sent back meanwhile carries it.
const ACK_DELAY_US: u64 = 25_000;

/// What is known of a connection's silence.
#[derive(Debug)]
pub(crate) struct Upkeep {
    /// When something last went over it, or was last counted as silence.
    pub(crate) active_us: u64,
    /// When the packet came that each end has not acknowledged; [`NEVER_US`] if there is none.
    owed_us: [u64; 2],
}

impl Upkeep {
    pub(crate) const fn new(now_us: u64) -> Self {
        Self {
            active_us: now_us,
            owed_us: [NEVER_US; 2],
        }
    }
}

impl State {
    /// An end sends packets: with them goes what it has to acknowledge, if that is not due already.
    pub(crate) fn on_sent(&mut self, key: Key, side: Side) {
        self.settle_upkeep(key);
        let now_us = self.now_us;
        if let Some(conn) = self.conns.get_mut(key) {
            conn.upkeep.owed_us[side.at()] = NEVER_US;
            conn.upkeep.active_us = now_us;
        }
    }

    /// Packets have come to an end, which acknowledges every other one.
    pub(crate) fn on_heard(&mut self, key: Key, side: Side, packets: u32) {
        self.settle_upkeep(key);
        let now_us = self.now_us;
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        conn.upkeep.active_us = now_us;
        let owed = &mut conn.upkeep.owed_us[side.at()];
        let open = u64::from(packets) + u64::from(*owed != NEVER_US);
        *owed = match open % 2 {
            0 => NEVER_US,
            _ => now_us,
        };
        let (from, to) = conn.route(side);
        self.empty_packets(from, to, open / 2);
    }

    /// Counts what has gone over a connection beside streams.
    pub(crate) fn settle_upkeep(&mut self, key: Key) {
        let (now_us, interval_us) = (self.now_us, self.keep_alive_us());
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        let (from, to) = conn.route(Side::Dialer);
        let is_whole =
            |conn: &Conn| conn.accepted && conn.ends.iter().all(|end| end.phase.is_live());
        if conn.cut || !is_whole(conn) {
            conn.upkeep = Upkeep::new(now_us);
            return;
        }
        let mut acks = [0, 0];
        for (owed_us, acks) in conn.upkeep.owed_us.iter_mut().zip(&mut acks) {
            if *owed_us != NEVER_US && now_us > *owed_us + ACK_DELAY_US {
                *owed_us = NEVER_US;
                *acks = 1;
            }
        }
        let kept = (now_us - conn.upkeep.active_us.min(now_us)) / interval_us;
        conn.upkeep.active_us += kept * interval_us;
        // A keep-alive is answered.
        self.empty_packets(from, to, kept + acks[Side::Dialer.at()]);
        self.empty_packets(to, from, kept + acks[Side::Listener.at()]);
    }

    /// Counts what has gone over all connections of a host beside streams.
    pub(crate) fn settle_host(&mut self, host: u32) {
        for at in 0..self.conns_of(host).len() {
            self.settle_upkeep(self.conns_of(host)[at]);
        }
    }

    fn empty_packets(&mut self, from: u32, to: u32, count: u64) {
        let bytes = count * EMPTY_PACKET_BYTES;
        self.stats.packets += count;
        self.stats.sent_bytes += bytes;
        self.hosts[from as usize].traffic.up_bytes += bytes;
        self.hosts[to as usize].traffic.down_bytes += bytes;
    }
}
