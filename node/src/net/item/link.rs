//! One substream as a sequence of frames, with a bounded queue outwards and two alarms.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::core::upgrade::NegotiationError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::limits::{FRAME_TIMEOUT, READ_BYTES, WRITE_JOIN_BYTES, WRITE_TIMEOUT};
use super::super::status::Count;
use super::super::traffic::Way;
use super::codec::{Decoder, Frame, Kind, encode};
use super::meter::Meter;
use super::patience::Patience;

/// Why a substream ended: nothing when it was simply closed.
pub(crate) type End = Option<Count>;

/// The bytes that may wait to be written, over all substreams of the node.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.max;
        if !fits {
            self.give(bytes);
        }
        fits
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns how many bytes may wait.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }
}

/// A substream that carries frames.
#[derive(Debug)]
pub(crate) struct Link<S> {
    stream: S,
    decoder: Decoder,
    chunk: Bytes,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    unflushed: bool,
    budget: Arc<Budget>,
    meter: Meter,
    read_alarm: Alarm,
    write_alarm: Alarm,
    unsupported: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    pub(crate) fn new(stream: S, budget: Arc<Budget>, meter: Meter) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            chunk: Bytes::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            unflushed: false,
            budget,
            meter,
            read_alarm: Alarm::default(),
            write_alarm: Alarm::default(),
            unsupported: false,
        }
    }

    /// Returns whether the substream ended because the peer does not speak the protocol: frames go out before it has
    /// said that it does.
    pub(crate) const fn is_unsupported(&self) -> bool {
        self.unsupported
    }

    /// Adds a frame to be written; false when the node's budget has no room for it.
    #[must_use]
    pub(crate) fn queue(&mut self, kind: Kind, id: u64, payload: &[u8]) -> bool {
        let frame = encode(kind, id, payload);
        if !self.budget.take(frame.len()) {
            return false;
        }
        self.meter.count(Way::Out, kind, id, payload);
        self.queued_bytes += frame.len();
        self.queue.push_back(frame);
        true
    }

    /// Returns how many frames wait, the one being written included.
    pub(crate) fn queued_frames(&self) -> usize {
        self.queue.len() + usize::from(!self.chunk.is_empty())
    }

    pub(crate) const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Returns whether something waits to be written or flushed.
    pub(crate) fn has_output(&self) -> bool {
        self.unflushed || self.queued_frames() > 0
    }

    /// Says that nothing is read for now: the peer's frame is not late because of us.
    pub(crate) fn pause(&mut self) {
        self.read_alarm.clear();
    }

    /// Returns the next frame, or why there is none any more; reads that bring too little are borne with `patience`.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut patience: Option<&mut Patience>,
    ) -> Poll<Result<Frame, End>> {
        loop {
            match self.decoder.next() {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    self.read_alarm.clear();
                    let Frame { kind, id, payload } = &frame;
                    self.meter.count(Way::In, *kind, *id, payload);
                    return Poll::Ready(Ok(frame));
                }
                Err(error) => return Poll::Ready(Err(Some(error.into()))),
            }
            if self.decoder.is_partial() && self.read_alarm.fires(FRAME_TIMEOUT, cx) {
                return Poll::Ready(Err(Some(Count::SlowFrame)));
            }
            let mut bytes = [0; READ_BYTES];
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bytes)) {
                Ok(0) => return Poll::Ready(Err(None)),
                Err(error) => {
                    self.unsupported = is_negotiation(&error);
                    return Poll::Ready(Err(None));
                }
                Ok(count) => {
                    self.decoder.extend(&bytes[..count]);
                    if let Some(patience) = &mut patience
                        && !patience.read(Instant::now(), count)
                    {
                        return Poll::Ready(Err(Some(Count::ShortReads)));
                    }
                }
            }
        }
    }

    /// Writes as much as the peer takes; an error says why the substream is over.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        while self.fill_chunk() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.chunk) {
                Poll::Pending => return self.blocked(cx),
                Poll::Ready(Ok(0) | Err(_)) => return Err(None),
                Poll::Ready(Ok(count)) => {
                    self.chunk.advance(count);
                    self.queued_bytes -= count;
                    self.budget.give(count);
                    self.unflushed = true;
                    self.write_alarm.clear();
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => return self.blocked(cx),
                Poll::Ready(Err(_)) => return Err(None),
                Poll::Ready(Ok(())) => self.unflushed = false,
            }
        }
        self.write_alarm.clear();
        Ok(())
    }

    fn blocked(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.write_alarm.fires(WRITE_TIMEOUT, cx) {
            return Err(Some(Count::SlowReader));
        }
        Ok(())
    }

    /// Makes the next chunk to write, small frames joined; false when nothing waits.
    fn fill_chunk(&mut self) -> bool {
        if !self.chunk.is_empty() {
            return true;
        }
        let Some(first) = self.queue.pop_front() else {
            return false;
        };
        self.chunk = first;
        let joins = |chunk: usize, next: &Bytes| chunk + next.len() <= WRITE_JOIN_BYTES;
        if self
            .queue
            .front()
            .is_some_and(|next| joins(self.chunk.len(), next))
        {
            let mut joined = BytesMut::with_capacity(WRITE_JOIN_BYTES);
            joined.extend_from_slice(&self.chunk);
            while self
                .queue
                .front()
                .is_some_and(|next| joins(joined.len(), next))
            {
                joined.extend_from_slice(&self.queue.pop_front().unwrap_or_default());
            }
            self.chunk = joined.freeze();
        }
        true
    }
}

impl<S> Drop for Link<S> {
    fn drop(&mut self) {
        self.budget.give(self.queued_bytes);
    }
}

/// A timer that is started when it is first asked.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Starts the timer unless it runs, and returns whether it has run out.
    pub(crate) fn fires(&mut self, after: Duration, cx: &mut Context<'_>) -> bool {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + after)));
        sleep.poll_unpin(cx).is_ready()
    }

    /// Sets the timer to `at`, and returns whether that moment has come.
    pub(crate) fn fires_at(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.poll_unpin(cx).is_ready()
    }
}

#[cfg(test)]
pub(super) mod tests;

/// Tells whether a substream failed because the peer does not speak its protocol.
fn is_negotiation(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(NegotiationError::Failed))
}
