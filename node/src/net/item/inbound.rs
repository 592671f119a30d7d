//! The acceptor's half: requests come in, answers and pushes go out, on one substream.

use std::collections::BTreeSet;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::super::limits::{
    FRAME_HEAD_BYTES, FRAME_LENGTH_BYTES, PUSH_BYTES_MAX, PUSHES_WAITING_MAX,
    REQUESTS_IN_FLIGHT_MAX,
};
use super::super::status::Count;
use super::codec::{Frame, Kind};
use super::link::{End, Link};
use super::patience::Patience;

/// A substream that the peer opened.
#[derive(Debug)]
pub(crate) struct Inbound<S> {
    link: Link<S>,
    /// Which of the connection's inbound substreams this is.
    serial: u64,
    /// Requests that have no answer yet.
    open: BTreeSet<u64>,
    /// Whether the node wants the connection kept although nothing is asked.
    kept: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Inbound<S> {
    pub(crate) const fn new(link: Link<S>, serial: u64) -> Self {
        Self {
            link,
            serial,
            open: BTreeSet::new(),
            kept: false,
        }
    }

    pub(crate) const fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) const fn keep(&mut self, kept: bool) {
        self.kept = kept;
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.kept || !self.open.is_empty() || self.link.has_output()
    }

    /// Answers a request; an answer to a request that is not open is dropped.
    pub(crate) fn respond(&mut self, id: u64, payload: &[u8]) -> Result<(), End> {
        if self.open.remove(&id) && !self.link.queue(Kind::Response, id, payload) {
            return Err(Some(Count::BudgetFull));
        }
        Ok(())
    }

    /// Sends a push; a reader who is too slow for it is cut off.
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), End> {
        let bytes = FRAME_LENGTH_BYTES + FRAME_HEAD_BYTES + payload.len();
        let frames = self.link.queued_frames();
        if self.link.queued_bytes() + bytes > PUSH_BYTES_MAX
            || frames >= REQUESTS_IN_FLIGHT_MAX + PUSHES_WAITING_MAX
        {
            return Err(Some(Count::PushOverflow));
        }
        if !self.link.queue(Kind::Push, 0, payload) {
            return Err(Some(Count::BudgetFull));
        }
        Ok(())
    }

    /// Returns the next request, or why there will be none.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        patience: &mut Patience,
    ) -> Poll<Result<Frame, End>> {
        self.link.poll_write(cx)?;
        if self.open.len() + self.link.queued_frames() >= REQUESTS_IN_FLIGHT_MAX {
            self.link.pause();
            return Poll::Pending;
        }
        let frame = ready!(self.link.poll_read(cx, Some(patience)))?;
        if !frame.kind.is_asked() {
            return Poll::Ready(Err(Some(Count::WrongDirection)));
        }
        if !self.open.insert(frame.id) {
            return Poll::Ready(Err(Some(Count::DuplicateRequest)));
        }
        Poll::Ready(Ok(frame))
    }
}

#[cfg(test)]
mod tests;
