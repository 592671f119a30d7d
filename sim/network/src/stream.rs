//! Streams: bytes in order, in both directions, as far as the reader has room.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::{Context, Poll, Waker};

use crate::connection::Phase;
use crate::error::NetworkError;
use crate::event::{Kind, Side};
use crate::flow::Segment;
use crate::slab::Key;
use crate::state::{State, keep_waker};

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) conn: Key,
    pub(crate) opener: Side,
    /// Whether the other end knows of it: opening alone sends nothing.
    announced: bool,
    /// Whether each end has its object, or may still be given it.
    alive: [bool; 2],
    /// What each end writes, by writer.
    pub(crate) halves: [Half; 2],
}

/// One direction of a stream.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "idle streams have neither, and are many"
)]
pub(crate) struct Half {
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    /// What has arrived and was not read.
    unread: VecDeque<Box<[u8]>>,
    /// Bytes of the first of those that were read.
    read: usize,
    /// What waits for the congestion window.
    pub(crate) backlog: Option<Box<VecDeque<Segment>>>,
    /// What has arrived before something that was sent earlier.
    early: Option<Box<BTreeMap<u32, Segment>>>,
    /// Bytes taken from the writer and not yet given free.
    outstanding: u32,
    /// Bytes read and not yet given free.
    consumed: u32,
    /// Bytes given free by a message on its way.
    granting: u32,
    sent: u32,
    arrived: u32,
    /// The writer is done.
    finished: bool,
    /// Everything has arrived.
    complete: bool,
    /// The writer knows that nobody reads.
    stopped: bool,
}

impl Half {
    /// Appends what arrived, in order.
    fn append(&mut self, segment: Segment) {
        self.arrived += 1;
        self.complete |= segment.fin;
        if !segment.data.is_empty() {
            self.unread.push_back(segment.data);
        }
    }

    fn accept(&mut self, segment: Segment) {
        if segment.number != self.arrived {
            let early = self.early.get_or_insert_default();
            early.insert(segment.number, segment);
            return;
        }
        self.append(segment);
        while let Some(early) = self.early.as_mut() {
            let Some(next) = early.remove(&self.arrived) else {
                break;
            };
            if early.is_empty() {
                self.early = None;
            }
            self.append(next);
        }
    }

    /// Moves bytes to a reader and returns how many.
    fn take(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(front) = self.unread.front()
            && filled < out.len()
        {
            let rest = &front[self.read..];
            let count = rest.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.read += count;
            if self.read == front.len() {
                self.unread.pop_front();
                self.read = 0;
            }
        }
        filled
    }

    /// Throws away what has arrived and returns how many bytes it was.
    fn discard(&mut self) -> u32 {
        let early = self.early.take().into_iter().flat_map(|early| *early);
        let early: usize = early.map(|(_, segment)| segment.data.len()).sum();
        let unread: usize = self.unread.iter().map(|chunk| chunk.len()).sum();
        let bytes = unread + early - self.read;
        self.unread = VecDeque::new();
        self.read = 0;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl State {
    /// Opens a stream, if there is one left.
    pub(crate) fn poll_open(
        &mut self,
        conn_key: Key,
        side: Side,
        context: &Context<'_>,
    ) -> Poll<Result<Key, NetworkError>> {
        let most = self.options.quic.streams_max;
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return Poll::Ready(Err(NetworkError::ClosedHere));
        };
        let end = &mut conn.ends[side.at()];
        match end.phase {
            Phase::Closed(fault) => return Poll::Ready(Err(fault)),
            Phase::Gone => return Poll::Pending,
            Phase::Shaking | Phase::Open => {}
        }
        if end.opened >= most {
            keep_waker(&mut end.opening, context, &mut self.replaced);
            return Poll::Pending;
        }
        end.opened += 1;
        end.handles += 1;
        let key = self.streams.insert(Stream {
            conn: conn_key,
            opener: side,
            announced: false,
            alive: [true; 2],
            halves: Default::default(),
        });
        conn.streams.push(key);
        Poll::Ready(Ok(key))
    }

    /// Takes a stream that the other end opened.
    pub(crate) fn poll_accept(
        &mut self,
        conn_key: Key,
        side: Side,
        context: &Context<'_>,
    ) -> Poll<Result<Key, NetworkError>> {
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return Poll::Ready(Err(NetworkError::ClosedHere));
        };
        let end = &mut conn.ends[side.at()];
        if end.phase == Phase::Gone {
            return Poll::Pending;
        }
        if !end.inbound.is_empty() {
            end.handles += 1;
            return Poll::Ready(Ok(end.inbound.remove(0)));
        }
        if let Phase::Closed(fault) = end.phase {
            return Poll::Ready(Err(fault));
        }
        keep_waker(&mut end.accepting, context, &mut self.replaced);
        Poll::Pending
    }

    /// Takes bytes from a writer.
    pub(crate) fn poll_write(
        &mut self,
        key: Key,
        side: Side,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let quic = self.options.quic;
        let gone = || Poll::Ready(Err(NetworkError::ClosedHere.on_stream()));
        let Some(stream) = self.streams.get_mut(key) else {
            return gone();
        };
        let Some(conn) = self.conns.get_mut(stream.conn) else {
            return gone();
        };
        match conn.ends[side.at()].phase {
            Phase::Gone => return Poll::Pending,
            Phase::Closed(fault) => return Poll::Ready(Err(fault.on_stream())),
            Phase::Shaking | Phase::Open => {}
        }
        let half = &mut stream.halves[side.at()];
        if half.stopped {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if half.finished {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let flow = &mut conn.flows[side.at()];
        let room = quic.connection_bytes_max.saturating_sub(flow.outstanding);
        flow.starved |= room == 0;
        let room = room.min(quic.stream_bytes_max.saturating_sub(half.outstanding));
        if room == 0 {
            keep_waker(&mut half.writer, context, &mut self.replaced);
            return Poll::Pending;
        }
        let count = bytes.len().min(room.min(flow.segment_max()) as usize);
        let taken = u32::try_from(count).unwrap_or(room);
        half.outstanding += taken;
        flow.outstanding += taken;
        self.send_piece(key, side, bytes[..count].into(), false);
        Poll::Ready(Ok(count))
    }

    fn send_piece(&mut self, key: Key, side: Side, data: Box<[u8]>, fin: bool) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let half = &mut stream.halves[side.at()];
        let segment = Segment {
            conn: stream.conn,
            stream: key,
            side,
            number: half.sent,
            order: 0,
            fin,
            congested: false,
            data,
        };
        half.sent += 1;
        self.send_segment(segment);
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&mut self, key: Key, side: Side) -> io::Result<()> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let phase = self.conns.get(stream.conn);
        let phase = phase.map_or(Phase::Gone, |conn| conn.ends[side.at()].phase);
        let half = &mut stream.halves[side.at()];
        match phase {
            Phase::Gone => return Ok(()),
            Phase::Closed(fault) => return Err(fault.on_stream()),
            Phase::Shaking | Phase::Open => {}
        }
        if half.stopped {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !half.finished {
            half.finished = true;
            self.send_piece(key, side, Box::default(), true);
        }
        Ok(())
    }

    /// Gives bytes to a reader.
    pub(crate) fn poll_read(
        &mut self,
        key: Key,
        side: Side,
        out: &mut [u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Poll::Ready(Err(NetworkError::ClosedHere.on_stream()));
        };
        let conn_key = stream.conn;
        let phase = self.conns.get(conn_key);
        let phase = phase.map_or(Phase::Gone, |conn| conn.ends[side.at()].phase);
        if phase == Phase::Gone {
            return Poll::Pending;
        }
        let writer = side.other();
        let half = &mut stream.halves[writer.at()];
        if !half.unread.is_empty() {
            let count = half.take(out);
            let bytes = u32::try_from(count).unwrap_or(u32::MAX);
            half.consumed += bytes;
            self.grant_stream(key, writer);
            self.consume(conn_key, writer, bytes);
            return Poll::Ready(Ok(count));
        }
        if half.complete {
            return Poll::Ready(Ok(0));
        }
        if let Phase::Closed(fault) = phase {
            return Poll::Ready(Err(fault.on_stream()));
        }
        keep_waker(&mut half.reader, context, &mut self.replaced);
        Poll::Pending
    }

    /// Tells a writer now and then how much was read.
    fn grant_stream(&mut self, key: Key, writer: Side) {
        let most = self.options.quic.stream_bytes_max;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let half = &mut stream.halves[writer.at()];
        let worth_it = half.consumed > 0 && half.consumed >= most / 8;
        if worth_it && half.granting == 0 && !half.complete {
            half.granting = std::mem::take(&mut half.consumed);
            let conn_key = stream.conn;
            self.post(conn_key, writer, Kind::StreamGrant(key, writer));
        }
    }

    /// A writer learns how much was read.
    pub(crate) fn on_stream_grant(&mut self, key: Key, writer: Side) {
        let Some(conn_key) = self.streams.get(key).map(|stream| stream.conn) else {
            return;
        };
        if self.again_if_cut(conn_key, Kind::StreamGrant(key, writer)) {
            return;
        }
        if let Some(stream) = self.streams.get_mut(key) {
            let half = &mut stream.halves[writer.at()];
            let granted = std::mem::take(&mut half.granting);
            half.outstanding = half.outstanding.saturating_sub(granted);
            self.wakes.extend(half.writer.take());
        }
        self.grant_stream(key, writer);
    }

    /// A writer learns that nobody reads.
    pub(crate) fn on_stop(&mut self, key: Key, writer: Side) {
        let Some(conn_key) = self.streams.get(key).map(|stream| stream.conn) else {
            return;
        };
        if self.again_if_cut(conn_key, Kind::Stop(key, writer)) {
            return;
        }
        if let Some(stream) = self.streams.get_mut(key) {
            let half = &mut stream.halves[writer.at()];
            half.stopped = true;
            self.wakes.extend(half.writer.take());
        }
    }

    /// Gives a segment to the stream it belongs to.
    pub(crate) fn take_segment(&mut self, segment: Segment) {
        let (conn_key, key, side) = (segment.conn, segment.stream, segment.side);
        let reader = side.other();
        let stream = self.streams.get_mut(key);
        let Some(stream) = stream.filter(|stream| stream.alive[reader.at()]) else {
            return self.consume(conn_key, side, segment.len());
        };
        if stream.opener == side
            && !stream.announced
            && let Some(conn) = self.conns.get_mut(conn_key)
        {
            stream.announced = true;
            let end = &mut conn.ends[reader.at()];
            end.inbound.push(key);
            self.wakes.extend(end.accepting.take());
        }
        let half = &mut stream.halves[side.at()];
        half.accept(segment);
        self.wakes.extend(half.reader.take());
    }

    /// An end lets go of a stream: what it wrote is finished, what it did not read is refused.
    pub(crate) fn drop_stream(&mut self, key: Key, side: Side) {
        let Some(conn_key) = self.streams.get(key).map(|stream| stream.conn) else {
            return;
        };
        // A stream whose reader has stopped is as good as finished.
        let _: io::Result<()> = self.finish(key, side);
        let writer = side.other();
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.alive[side.at()] = false;
        let half = &mut stream.halves[writer.at()];
        let read = half.complete && half.unread.is_empty();
        let discarded = half.discard();
        let halves = &mut stream.halves;
        self.wakes.extend(halves[writer.at()].reader.take());
        self.wakes.extend(halves[side.at()].writer.take());
        let done = !stream.alive[writer.at()];
        let live = |end: &Phase| end.is_live();
        let conn = self.conns.get(conn_key);
        let phase = conn.map(|conn| conn.ends[side.at()].phase);
        if phase.as_ref().is_some_and(live) {
            self.consume(conn_key, writer, discarded);
            if !read && !done {
                self.post(conn_key, writer, Kind::Stop(key, writer));
            }
        }
        if done {
            self.remove_stream(conn_key, key);
        }
        self.release_end(conn_key, side);
    }

    fn remove_stream(&mut self, conn_key: Key, key: Key) {
        let Some(stream) = self.streams.remove(key) else {
            return;
        };
        for side in Side::BOTH {
            let backlog = stream.halves[side.at()].backlog.iter();
            let unsent = backlog.flat_map(|queue| queue.iter()).map(Segment::len);
            self.consume(conn_key, side, unsent.sum());
        }
        let Some(conn) = self.conns.get_mut(conn_key) else {
            return;
        };
        if let Some(at) = conn.streams.iter().position(|&other| other == key) {
            conn.streams.swap_remove(at);
        }
        let end = &mut conn.ends[stream.opener.at()];
        end.opened = end.opened.saturating_sub(1);
        self.wakes.extend(end.opening.take());
    }
}
