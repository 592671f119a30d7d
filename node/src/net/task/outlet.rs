//! The queue to the consumer of events, which the network task never waits for.

use std::collections::VecDeque;
use std::sync::Arc;

use libp2p::PeerId;
use restante_proto::NodeId;
use tokio::sync::mpsc;

use super::super::event::NetEvent;
use super::super::limits::{EVENTS_KEPT_MAX, EVENTS_RESERVED};
use super::super::peer::node_of;
use super::super::status::{Count, Counters};

/// The sending end of the event queue, with a backlog for what must not be lost.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<NetEvent>,
    kept: VecDeque<NetEvent>,
    counters: Arc<Counters>,
}

impl Outlet {
    pub(super) const fn new(events: mpsc::Sender<NetEvent>, counters: Arc<Counters>) -> Self {
        Self {
            events,
            kept: VecDeque::new(),
            counters,
        }
    }

    /// Passes on what may be lost; false when the consumer does not keep up.
    pub(super) fn offer(&self, event: NetEvent) -> bool {
        // What waits came earlier and goes first.
        self.kept.is_empty()
            && self.events.capacity() > EVENTS_RESERVED
            && self.events.try_send(event).is_ok()
    }

    /// Passes on what must not be lost, now or as soon as there is room.
    pub(super) fn tell(&mut self, event: NetEvent) {
        let event = if self.kept.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(event)) => event,
            }
        } else {
            event
        };
        if self.kept.len() < EVENTS_KEPT_MAX {
            self.kept.push_back(event);
        } else {
            self.counters.add(Count::EventDropped);
        }
    }

    pub(super) fn tell_of(&mut self, peer: &PeerId, event: impl FnOnce(NodeId) -> NetEvent) {
        if let Some(node) = node_of(peer) {
            self.tell(event(node));
        }
    }

    /// Tells that the routing table changed, unless that waits to be told already.
    pub(super) fn tell_routing_changed(&mut self) {
        if !matches!(self.kept.back(), Some(NetEvent::RoutingChanged)) {
            self.tell(NetEvent::RoutingChanged);
        }
    }

    /// Moves one waiting event to the consumer; never ready while none waits.
    pub(super) async fn drain(&mut self) {
        if self.kept.is_empty() {
            return std::future::pending().await;
        }
        match self.events.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.kept.pop_front() {
                    permit.send(event);
                }
            }
            Err(_) => self.kept.clear(),
        }
    }
}

#[cfg(test)]
mod tests;
