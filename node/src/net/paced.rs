//! Connections whose peers open streams no faster than they may.
//!
//! A stream costs its opener nothing, and its acceptor a negotiation and a task. Those beyond the pace are not
//! refused: they wait, and since a peer may have few open at a time, so does the peer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::item::Alarm;
use super::limits::{STREAMS_AT_ONCE, STREAMS_PER_SECOND};

/// A connection that takes its peer's streams at a pace.
pub(super) struct Paced<M> {
    muxer: M,
    streams: Bucket,
    alarm: Alarm,
}

impl<M> Paced<M> {
    pub(super) fn new(muxer: M) -> Self {
        Self {
            muxer,
            streams: Bucket::new(Instant::now(), STREAMS_AT_ONCE, STREAMS_PER_SECOND),
            alarm: Alarm::default(),
        }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Paced<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let this = &mut *self;
        let now = Instant::now();
        let ready = this.streams.ready(now, 1);
        if ready > now && !this.alarm.fires_at(ready, cx) {
            return Poll::Pending;
        }
        this.alarm.clear();
        let stream = ready!(Pin::new(&mut this.muxer).poll_inbound(cx))?;
        this.streams.take(Instant::now(), 1);
        Poll::Ready(Ok(stream))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.muxer).poll_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

#[cfg(test)]
mod tests;
