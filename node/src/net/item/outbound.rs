//! The opener's half: requests go out, answers and pushes come in, on one substream.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::command::Call;
use super::super::error::RequestError;
use super::super::limits::{REQUESTS_EXPIRED_MAX, REQUESTS_IN_FLIGHT_MAX, REQUESTS_WAITING_MAX};
use super::super::status::Count;
use super::codec::{Frame, Kind};
use super::link::{Alarm, End, Link};

/// What the opener's half reports.
#[derive(Debug)]
pub(crate) enum Outcome {
    Open,
    Push(Bytes),
    /// The substream is over, and with it whatever it carried.
    Ended(End),
}

/// The substream to the peer, opened when first needed.
#[derive(Debug)]
pub(crate) struct Outbound<S> {
    link: Option<Link<S>>,
    opening: bool,
    next_id: u64,
    calls: BTreeMap<u64, Call>,
    /// The calls' deadlines, earliest first.
    deadlines: BTreeSet<(Instant, u64)>,
    /// Calls that are not written yet, oldest first.
    waiting: VecDeque<u64>,
    /// Calls that were written and have no answer.
    sent: BTreeSet<u64>,
    /// Calls whose answer may still come and is dropped then.
    expired: BTreeSet<u64>,
    alarm: Alarm,
}

impl<S> Outbound<S> {
    pub(crate) fn new() -> Self {
        Self {
            link: None,
            opening: false,
            next_id: 1,
            calls: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: VecDeque::new(),
            sent: BTreeSet::new(),
            expired: BTreeSet::new(),
            alarm: Alarm::default(),
        }
    }

    /// Takes a request, or fails it at once when too many wait.
    pub(crate) fn call(&mut self, call: Call) {
        if self.calls.len() >= REQUESTS_IN_FLIGHT_MAX + REQUESTS_WAITING_MAX {
            call.finish(Err(RequestError::QueueFull));
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.deadlines.insert((call.deadline, id));
        self.calls.insert(id, call);
        self.waiting.push_back(id);
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// Takes the substream that was asked for.
    pub(crate) fn opened(&mut self, link: Link<S>) {
        self.opening = false;
        self.link = Some(link);
    }

    /// Gives up: every call fails, and the next one opens a new substream.
    pub(crate) fn fail(&mut self, error: RequestError) {
        self.opening = false;
        self.link = None;
        self.deadlines.clear();
        self.waiting.clear();
        self.sent.clear();
        self.expired.clear();
        self.alarm.clear();
        for (_, call) in std::mem::take(&mut self.calls) {
            call.finish(Err(error));
        }
    }

    fn expire(&mut self, cx: &mut Context<'_>) {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if !self.alarm.fires_at(deadline, cx) {
                return;
            }
            self.deadlines.pop_first();
            self.alarm.clear();
            if self.sent.remove(&id) {
                self.expired.insert(id);
            } else {
                self.waiting.retain(|waiting| *waiting != id);
            }
            if let Some(call) = self.calls.remove(&id) {
                call.finish(Err(RequestError::TimedOut));
            }
        }
        self.alarm.clear();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outbound<S> {
    /// Drives the half and returns the next thing to report.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.expire(cx);
        if self.link.is_none() {
            if self.calls.is_empty() || self.opening {
                return Poll::Pending;
            }
            self.opening = true;
            return Poll::Ready(Outcome::Open);
        }
        match self.exchange(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(payload)) => Poll::Ready(Outcome::Push(payload)),
            Poll::Ready(Err(end)) => {
                let unsupported = self.link.as_ref().is_some_and(Link::is_unsupported);
                self.fail(if unsupported {
                    RequestError::Unsupported
                } else {
                    RequestError::Disconnected
                });
                Poll::Ready(Outcome::Ended(end))
            }
        }
    }

    /// Writes what waits and reads until a push arrives.
    fn exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        if self.expired.len() > REQUESTS_EXPIRED_MAX {
            return Poll::Ready(Err(Some(Count::Unresponsive)));
        }
        loop {
            self.send_waiting()?;
            let Some(link) = &mut self.link else {
                return Poll::Pending;
            };
            link.poll_write(cx)?;
            let Poll::Ready(frame) = link.poll_read(cx, None) else {
                return Poll::Pending;
            };
            let Frame { kind, id, payload } = frame?;
            match kind {
                Kind::Request | Kind::Question | Kind::Repair => {
                    return Poll::Ready(Err(Some(Count::WrongDirection)));
                }
                Kind::Push => return Poll::Ready(Ok(payload)),
                Kind::Response => self.answered(id, payload)?,
            }
        }
    }

    fn send_waiting(&mut self) -> Result<(), End> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        while self.sent.len() < REQUESTS_IN_FLIGHT_MAX
            && link.queued_frames() < REQUESTS_IN_FLIGHT_MAX
        {
            let Some(id) = self.waiting.pop_front() else {
                return Ok(());
            };
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            let payload = std::mem::take(&mut call.payload);
            self.sent.insert(id);
            if !link.queue(call.kind, id, &payload) {
                return Err(Some(Count::BudgetFull));
            }
        }
        Ok(())
    }

    fn answered(&mut self, id: u64, payload: Bytes) -> Result<(), End> {
        if !self.sent.remove(&id) {
            let late = self.expired.remove(&id);
            return if late {
                Ok(())
            } else {
                Err(Some(Count::UnknownResponse))
            };
        }
        if let Some(call) = self.calls.remove(&id) {
            self.deadlines.remove(&(call.deadline, id));
            call.finish(Ok(payload));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
