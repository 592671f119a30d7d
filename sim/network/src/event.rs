//! What happens when: one queue for the whole internet.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::slab::Key;

/// One of the two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialer,
    Listener,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Dialer, Self::Listener];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }

    pub(crate) const fn at(self) -> usize {
        self as usize
    }
}

/// What happens. Keys are of connections unless said otherwise; a side is where it happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A segment comes to the line of its receiver.
    Arrive(Key),
    /// A segment is through the line of its receiver.
    Deliver(Key),
    /// A dial's first packet is sent, perhaps again.
    Knock(Key),
    /// A dial's first packet is there.
    Initial(Key),
    /// The listener's answer is there.
    Answer(Key),
    /// The dialer's last part of the handshake is there.
    Finish(Key),
    /// A handshake takes too long at this side.
    Timeout(Key, Side),
    /// This side's retransmission timer, for what could not get through.
    Retry(Key, Side),
    /// This side learns that packets have arrived, and may have room for more.
    Pump(Key, Side),
    /// This side may send more on the connection.
    Grant(Key, Side),
    /// This side may send more on the stream.
    StreamGrant(Key, Side),
    /// This side is told that nobody reads what it writes to the stream.
    Stop(Key, Side),
    /// This side is told that the connection is closed.
    Close(Key, Side),
    /// Both sides' idle timers.
    Death(Key),
}

#[derive(Debug)]
struct Event {
    due_us: u64,
    number: u64,
    kind: Kind,
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due_us, self.number).cmp(&(other.due_us, other.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

/// Events in the order of their time, and of their making where that is the same.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    heap: BinaryHeap<Reverse<Event>>,
    made: u64,
}

impl EventQueue {
    pub(crate) fn push(&mut self, due_us: u64, kind: Kind) {
        let number = self.made;
        self.made += 1;
        self.heap.push(Reverse(Event {
            due_us,
            number,
            kind,
        }));
    }

    #[cfg(test)]
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// Returns when the next event is due, in microseconds.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(event)| event.due_us)
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Kind)> {
        let Reverse(event) = self.heap.pop()?;
        Some((event.due_us, event.kind))
    }
}
