//! The last events of a node, numbered, for those who listen at its socket.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restante_interface::Event;
use tokio::sync::watch;

/// Events that are kept for listeners who were away, at most; the oldest go first.
pub const EVENTS_KEPT_MAX: usize = 1_024;
/// Events that a listener takes at once, at most.
const BATCH_COUNT_MAX: usize = 64;

/// The events of one run of a node; clones are one log.
#[derive(Debug, Clone)]
pub struct EventLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    start: u64,
    kept: Mutex<Kept>,
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The number of the last event; the first one is 1.
    last: u64,
    events: VecDeque<Event>,
}

/// Names an event, and with it a place in the log: what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventId {
    start: u64,
    number: u64,
}

/// What the log has after a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These, in order, and there may be more; none if nothing has happened since.
    Events(Vec<(EventId, Event)>),
    /// Some are not kept any more; it goes on after this place.
    Missing(EventId),
}

impl EventLog {
    /// Makes the log of a run that `start` tells from all others.
    pub fn new(start: u64) -> Self {
        let (news, _) = watch::channel(0);
        Self(Arc::new(Log {
            start,
            kept: Mutex::default(),
            news,
        }))
    }

    /// Adds an event, in place of the oldest if there are too many.
    pub fn append(&self, event: Event) {
        let mut kept = self.lock();
        kept.last += 1;
        kept.events.push_back(event);
        if kept.events.len() > EVENTS_KEPT_MAX {
            kept.events.pop_front();
        }
        self.0.news.send_replace(kept.last);
    }

    /// Returns the place after everything that has happened.
    pub(crate) fn end(&self) -> EventId {
        self.place(self.lock().last)
    }

    /// Returns a watch that changes with every event.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// Returns what comes after a place; one of another run has lost its events.
    pub(crate) fn after(&self, place: EventId) -> Next {
        let kept = self.lock();
        let first = kept.last - kept.events.len() as u64;
        let is_kept = place.start == self.0.start && (first..=kept.last).contains(&place.number);
        if !is_kept {
            return Next::Missing(self.place(kept.last));
        }
        let passed = usize::try_from(place.number - first).unwrap_or(usize::MAX);
        let rest = kept.events.iter().skip(passed).take(BATCH_COUNT_MAX);
        let numbers = place.number + 1..;
        Next::Events(
            numbers
                .map(|number| self.place(number))
                .zip(rest.cloned())
                .collect(),
        )
    }

    fn place(&self, number: u64) -> EventId {
        let start = self.0.start;
        EventId { start, number }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.start, self.number)
    }
}

/// The text is no [`EventId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no event")]
pub(crate) struct InvalidEventId;

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let (start, number) = text.split_once('-').ok_or(InvalidEventId)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if start.len() != 16
            || !start.bytes().all(is_hex)
            || !number.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(InvalidEventId);
        }
        Ok(Self {
            start: u64::from_str_radix(start, 16).map_err(|_| InvalidEventId)?,
            number: number.parse().map_err(|_| InvalidEventId)?,
        })
    }
}
