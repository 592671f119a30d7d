//! Listening again where a listener has ended, as an error of its socket makes it.

use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use restante_proto::pauses::Pauses;
use restante_proto::time::MonoMillis;
use tokio::time::Instant;

/// Where this node listens, and where it will again.
#[derive(Debug)]
pub(super) struct Listeners {
    started: Instant,
    open: Vec<(ListenerId, Listener)>,
    closed: Vec<(MonoMillis, Listener)>,
}

/// An address of the configuration, and the pauses before it is listened at again.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: Multiaddr,
    pauses: Pauses,
}

impl Listeners {
    pub(super) fn new(now: Instant, open: Vec<(ListenerId, Multiaddr)>) -> Self {
        let listener = |(id, address)| {
            let pauses = Pauses::default();
            (id, Listener { address, pauses })
        };
        Self {
            started: now,
            open: open.into_iter().map(listener).collect(),
            closed: Vec::new(),
        }
    }

    /// Notes that a listener has ended; returns where it was, if that was an address of the configuration.
    pub(super) fn on_closed(&mut self, now: Instant, id: ListenerId) -> Option<Multiaddr> {
        let place = self.open.iter().position(|(open, _)| *open == id)?;
        let (_, listener) = self.open.swap_remove(place);
        let address = listener.address.clone();
        self.on_refused(now, listener);
        Some(address)
    }

    /// Returns when the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.closed.iter().map(|(due, _)| *due).min()?;
        Some(self.started + Duration::from_millis(due.get()))
    }

    /// Takes those that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Listener> {
        let now = self.mono(now);
        let due = self.closed.extract_if(.., |(due, _)| *due <= now);
        due.map(|(_, listener)| listener).collect()
    }

    pub(super) fn on_opened(&mut self, id: ListenerId, listener: Listener) {
        self.open.push((id, listener));
    }

    /// Notes that it cannot be listened at yet.
    pub(super) fn on_refused(&mut self, now: Instant, mut listener: Listener) {
        let due = listener.pauses.after_failure(self.mono(now));
        self.closed.push((due, listener));
    }

    fn mono(&self, now: Instant) -> MonoMillis {
        let since = now.saturating_duration_since(self.started).as_millis();
        MonoMillis::new(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
