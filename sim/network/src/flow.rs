//! One direction of a connection: how much may be under way, and what is sent when.
//!
//! Congestion control is Reno's in outline: the window doubles in each round trip until something
//! is lost or waits long before a line, and then grows by a packet in each. Acknowledgements cost
//! no events; they are looked at when there is something to send.

use std::collections::VecDeque;

use crate::event::{Kind, Side};
use crate::path::PACKET_BYTES;
use crate::path::RETRANSMIT_US_MAX;
use crate::slab::Key;
use crate::state::State;

/// Bytes under way before anything is known of the path (RFC 9002 7.2).
const WINDOW_BYTES: u32 = 12_000;
/// Bytes that may always be under way.
const WINDOW_BYTES_MIN: u32 = 2_400;
/// Bytes by which the window grows in a round trip without trouble.
const WINDOW_STEP: u64 = 1_200;
/// Largest piece of a stream that is sent at a time.
const SEGMENT_BYTES_MAX: u32 = 16 << 10;
/// A cut end asks again after this time whether it may tell the other how much it has read.
const GRANT_AGAIN_US: u64 = 500_000;

/// A piece of a stream on its way.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) conn: Key,
    pub(crate) stream: Key,
    /// Who sent it.
    pub(crate) side: Side,
    /// Its number within its half of the stream.
    pub(crate) number: u32,
    /// Its number among the segments of the flow, from its first sending.
    pub(crate) order: u32,
    /// Nothing comes after it.
    pub(crate) fin: bool,
    pub(crate) congested: bool,
    pub(crate) data: Box<[u8]>,
}

impl Segment {
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.data.len()).unwrap_or(u32::MAX)
    }
}

/// What one end sends to the other.
#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "idle connections have neither, and are many"
)]
pub(crate) struct Flow {
    window: u32,
    threshold: u32,
    /// Bytes that are not acknowledged.
    in_flight: u32,
    /// Bytes taken from the writers and not yet given free by the other end.
    pub(crate) outstanding: u32,
    /// Bytes the other end has read and not yet given free.
    consumed: u32,
    /// Bytes given free by a message that is on its way.
    granting: u32,
    acks: VecDeque<Ack>,
    /// Streams with segments for which the window has no room; they take turns.
    waiting: Option<Box<VecDeque<Key>>>,
    /// Segments that a cut holds up.
    held: Option<Box<VecDeque<Key>>>,
    sent: u32,
    arrived: u32,
    /// Segments up to this one were sent before the last slowing down and call for no other.
    slowed_at: u32,
    backoff: u32,
    retrying: bool,
    pumping: bool,
    /// Whether a writer waits for room in the connection.
    pub(crate) starved: bool,
}

#[derive(Debug)]
struct Ack {
    due_us: u64,
    /// Number of the segment among those of the flow.
    order: u32,
    bytes: u16,
    congested: bool,
}

impl Flow {
    pub(crate) const fn new() -> Self {
        Self {
            window: WINDOW_BYTES,
            threshold: u32::MAX,
            in_flight: 0,
            outstanding: 0,
            consumed: 0,
            granting: 0,
            acks: VecDeque::new(),
            waiting: None,
            held: None,
            sent: 0,
            arrived: 0,
            slowed_at: 0,
            backoff: 0,
            retrying: false,
            pumping: false,
            starved: false,
        }
    }

    /// Returns how large a segment may be; small ones let a narrow window stay busy.
    pub(crate) fn segment_max(&self) -> u32 {
        (self.window / 2).clamp(WINDOW_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    /// Gives up what has not been sent and returns what was held up.
    pub(crate) fn abandon(&mut self) -> impl Iterator<Item = Key> + use<> {
        self.waiting = None;
        let held = self.held.take().into_iter();
        held.flat_map(|held| held.into_iter())
    }

    fn admits(&self, bytes: u32) -> bool {
        self.in_flight == 0 || self.in_flight.saturating_add(bytes) <= self.window
    }

    /// Takes note of the acknowledgements that have come by now.
    fn settle(&mut self, now_us: u64) {
        // A window that is not used says nothing about the path.
        let limited = self.waiting.is_some() || self.in_flight >= self.window / 2;
        while let Some(ack) = self.acks.front()
            && ack.due_us <= now_us
        {
            let (bytes, congested) = (u32::from(ack.bytes), ack.congested);
            let before = ack.order <= self.slowed_at;
            self.acks.pop_front();
            self.in_flight = self.in_flight.saturating_sub(bytes);
            if congested && before {
                continue;
            }
            if congested {
                self.slowed_at = self.sent;
                self.window = (self.window / 10 * 7).max(WINDOW_BYTES_MIN);
                self.threshold = self.window;
            } else if limited && self.window < self.threshold {
                self.window = self.window.saturating_add(bytes);
            } else if limited {
                let step = u64::from(bytes) * WINDOW_STEP / u64::from(self.window);
                let step = u32::try_from(step).unwrap_or(u32::MAX);
                self.window = self.window.saturating_add(step);
            }
        }
        if self.acks.is_empty() && self.acks.capacity() > 0 {
            self.acks = VecDeque::new();
        }
    }
}

impl State {
    /// Takes a segment to send it now or when there is room.
    pub(crate) fn send_segment(&mut self, segment: Segment) {
        let (conn_key, side, bytes) = (segment.conn, segment.side, segment.len());
        let now_us = self.now_us;
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        let flow = &mut conn.flows[side.at()];
        flow.settle(now_us);
        if flow.waiting.is_none() && flow.admits(bytes) {
            flow.in_flight += bytes;
            let key = self.segments.insert(segment);
            return self.transmit(key);
        }
        let stream_key = segment.stream;
        if let Some(stream) = self.streams.get_mut(stream_key) {
            let backlog = stream.halves[side.at()].backlog.get_or_insert_default();
            if backlog.is_empty() {
                flow.waiting.get_or_insert_default().push_back(stream_key);
            }
            backlog.push_back(segment);
            self.plan_pump(conn_key, side);
        }
    }

    /// Sends what the window has room for by now.
    pub(crate) fn on_pump(&mut self, conn_key: Key, side: Side) {
        let now_us = self.now_us;
        if let Some(conn) = self.conns.get_mut(conn_key) {
            let flow = &mut conn.flows[side.at()];
            flow.pumping = false;
            flow.settle(now_us);
        }
        while let Some(conn) = self.conns.get_mut(conn_key) {
            let flow = &mut conn.flows[side.at()];
            let Some(waiting) = flow.waiting.as_mut() else {
                return;
            };
            let Some(stream_key) = waiting.pop_front() else {
                flow.waiting = None;
                return;
            };
            let Some(stream) = self.streams.get_mut(stream_key) else {
                continue;
            };
            let backlog = &mut stream.halves[side.at()].backlog;
            let Some(segment) = backlog.as_mut().and_then(|queue| queue.pop_front()) else {
                *backlog = None;
                continue;
            };
            let bytes = segment.len();
            if !flow.admits(bytes) {
                backlog.get_or_insert_default().push_front(segment);
                flow.waiting.get_or_insert_default().push_front(stream_key);
                return self.plan_pump(conn_key, side);
            }
            flow.in_flight += bytes;
            if backlog.as_ref().is_some_and(|queue| queue.is_empty()) {
                *backlog = None;
            } else {
                flow.waiting.get_or_insert_default().push_back(stream_key);
            }
            let key = self.segments.insert(segment);
            self.transmit(key);
        }
    }

    /// Wakes the flow at its next acknowledgement, if something waits and it is known.
    fn plan_pump(&mut self, conn_key: Key, side: Side) {
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        let flow = &mut conn.flows[side.at()];
        if let Some(ack) = flow.acks.front()
            && !flow.pumping
            && flow.waiting.is_some()
        {
            flow.pumping = true;
            let due_us = ack.due_us;
            self.schedule(due_us, Kind::Pump(conn_key, side));
        }
    }

    /// Puts a segment on the wire.
    fn transmit(&mut self, key: Key) {
        let Some(segment) = self.segments.get_mut(key) else {
            return;
        };
        let (conn_key, side, bytes) = (segment.conn, segment.side, segment.len());
        let Some(conn) = self.conns.get_mut(conn_key) else {
            self.segments.remove(key);
            return;
        };
        let flow = &mut conn.flows[side.at()];
        flow.sent += 1;
        segment.order = flow.sent;
        let (from, to) = conn.route(side);
        if conn.cut {
            self.on_unheard(conn_key);
            return self.hold(key);
        }
        self.on_sent(conn_key, side);
        let trip = self.trip(from, to, bytes, None);
        if let Some(segment) = self.segments.get_mut(key) {
            segment.congested |= trip.congested;
        }
        self.schedule(trip.due_us, Kind::Arrive(key));
    }

    /// A segment has come to its receiver's line.
    pub(crate) fn on_arrive(&mut self, key: Key) {
        let Some((side, conn_key)) = self.segments.get(key).map(|s| (s.side, s.conn)) else {
            return;
        };
        let Some(conn) = self.conns.get(conn_key) else {
            self.segments.remove(key);
            return;
        };
        if conn.cut {
            return self.hold(key);
        }
        let (_, to) = conn.route(side);
        let Some(segment) = self.segments.get_mut(key) else {
            return;
        };
        let bytes = segment.len();
        let (through_us, waited) = self.enter(to, bytes);
        if let Some(segment) = self.segments.get_mut(key) {
            segment.congested |= waited;
        }
        if through_us <= self.now_us {
            self.on_deliver(key);
        } else {
            self.schedule(through_us, Kind::Deliver(key));
        }
    }

    /// A segment is through; its receiver takes it, if there is one.
    pub(crate) fn on_deliver(&mut self, key: Key) {
        let Some(segment) = self.segments.remove(key) else {
            return;
        };
        let (conn_key, side) = (segment.conn, segment.side);
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        if !conn.ends[side.other().at()].phase.is_live() {
            return;
        }
        let (from, to) = conn.route(side);
        let flow = &mut conn.flows[side.at()];
        if segment.order < flow.arrived {
            self.stats.overtaken += 1;
        }
        flow.arrived = flow.arrived.max(segment.order);
        let ack = Ack {
            due_us: self.now_us,
            order: segment.order,
            bytes: u16::try_from(segment.len()).unwrap_or(u16::MAX),
            congested: segment.congested,
        };
        self.stats.segments += 1;
        self.stats.payload_bytes += u64::from(ack.bytes);
        self.hash_segment(from, to, &segment);
        let packets = segment.len().div_ceil(PACKET_BYTES).max(1);
        self.on_heard(conn_key, side.other(), packets);
        self.acknowledge(conn_key, side, ack);
        self.take_segment(segment);
    }

    fn acknowledge(&mut self, conn_key: Key, side: Side, mut ack: Ack) {
        ack.due_us += self.way_us(conn_key);
        let now_us = self.now_us;
        if let Some(conn) = self.conns.get_mut(conn_key)
            && (ack.bytes > 0 || ack.congested)
        {
            let flow = &mut conn.flows[side.at()];
            flow.settle(now_us);
            flow.acks.push_back(ack);
            self.plan_pump(conn_key, side);
        }
    }

    /// Keeps a segment that cannot get through until the retransmission timer.
    fn hold(&mut self, key: Key) {
        let Some((side, conn_key)) = self.segments.get(key).map(|s| (s.side, s.conn)) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        let (from, to) = conn.route(side);
        if !conn.ends[side.at()].phase.is_live() {
            self.segments.remove(key);
            return self.blame(from, to);
        }
        let flow = &mut conn.flows[side.at()];
        flow.held.get_or_insert_default().push_back(key);
        self.blame(from, to);
        self.plan_retry(conn_key, side);
    }

    fn plan_retry(&mut self, conn_key: Key, side: Side) {
        let Some(conn) = self.conns.get(conn_key) else {
            return;
        };
        let (from, to) = conn.route(side);
        let wait_us = self.retransmit_us(from, to);
        let now_us = self.now_us;
        if let Some(conn) = self.conns.get_mut(conn_key)
            && !conn.flows[side.at()].retrying
        {
            let flow = &mut conn.flows[side.at()];
            flow.retrying = true;
            let wait_us = (wait_us << flow.backoff.min(16)).min(RETRANSMIT_US_MAX);
            self.schedule(now_us + wait_us, Kind::Retry(conn_key, side));
        }
    }

    /// The retransmission timer: sends again what was held up, or learns that it still is.
    pub(crate) fn on_retry(&mut self, conn_key: Key, side: Side) {
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        let (from, to) = conn.route(side);
        let flow = &mut conn.flows[side.at()];
        flow.retrying = false;
        if flow.held.is_none() {
            return;
        }
        if conn.cut {
            flow.backoff += 1;
            self.blame(from, to);
            return self.plan_retry(conn_key, side);
        }
        flow.backoff = 0;
        let held = flow.held.take();
        for key in held.into_iter().flat_map(|held| held.into_iter()) {
            self.transmit(key);
        }
    }

    /// Notes that bytes of a flow were read or thrown away, and gives them free now and then.
    pub(crate) fn consume(&mut self, conn_key: Key, side: Side, bytes: u32) {
        let most = self.options.quic.connection_bytes_max;
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        let flow = &mut conn.flows[side.at()];
        flow.consumed += bytes;
        if flow.granting == 0 && flow.consumed > 0 && flow.consumed >= most / 8 {
            flow.granting = std::mem::take(&mut flow.consumed);
            self.post(conn_key, side, Kind::Grant(conn_key, side));
        }
    }

    /// A side learns how much the other end has read.
    pub(crate) fn on_grant(&mut self, conn_key: Key, side: Side) {
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        if conn.cut {
            let due_us = self.now_us + GRANT_AGAIN_US;
            return self.schedule(due_us, Kind::Grant(conn_key, side));
        }
        let flow = &mut conn.flows[side.at()];
        let granted = std::mem::take(&mut flow.granting);
        flow.outstanding = flow.outstanding.saturating_sub(granted);
        if std::mem::take(&mut flow.starved) {
            for &stream in &conn.streams {
                if let Some(stream) = self.streams.get_mut(stream) {
                    self.wakes.extend(stream.halves[side.at()].writer.take());
                }
            }
        }
        self.consume(conn_key, side, 0);
    }

    /// Schedules again what a cut kept from a side.
    pub(crate) fn again_if_cut(&mut self, conn_key: Key, kind: Kind) -> bool {
        let cut = self.conns.get(conn_key).is_some_and(|conn| conn.cut);
        if cut {
            let due_us = self.now_us + GRANT_AGAIN_US;
            self.schedule(due_us, kind);
        }
        cut
    }

    fn way_us(&self, conn_key: Key) -> u64 {
        self.conns.get(conn_key).map_or(0, |conn| {
            let (from, to) = conn.route(Side::Dialer);
            self.latency_us(from, to)
        })
    }
}
