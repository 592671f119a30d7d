//! Hands what the network receives to whom it is for.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use restante_proto::NodeId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::neighbours::Change;
use crate::keeper::{self, KeeperHandle, KeeperRequest, RepairCall};
use crate::net::{InboundToken, NetEvent, NetHandle};

#[cfg(test)]
mod tests;

/// How long the answer *busy* to a request that found no room is held back.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// What the network tells the person's side.
#[derive(Debug)]
pub enum ClientEvent {
    /// A keeper sent an envelope unasked.
    Push(NodeId, Bytes),
    /// Subscriptions at this keeper are gone.
    Lost(NodeId),
    /// There are peers to ask, after there were none.
    NetworkUp,
}

/// Routes events until the network ends; never waits for keeper or client.
///
/// `neighbours` is told when somebody may have come or gone.
///
/// What finds no room is refused or dropped: a peer is told to come back, and a push is brought again by the next
/// comparison with the keeper.
///
/// # Cancel safety
///
/// Dropping the future drops the events that wait.
pub(super) async fn route(
    mut events: mpsc::Receiver<NetEvent>,
    net: NetHandle,
    keeper: Option<KeeperHandle>,
    client: Option<mpsc::Sender<ClientEvent>>,
    neighbours: mpsc::Sender<Change>,
) {
    let mut router = Router {
        net,
        keeper,
        client,
        neighbours,
        refused: Refused::new(),
    };
    loop {
        tokio::select! {
            token = router.refused.next() => router.refuse(token).await,
            event = events.recv() => match event {
                Some(event) => router.on_event(event).await,
                None => return,
            },
        }
    }
}

/// Those to whom events go.
struct Router {
    net: NetHandle,
    keeper: Option<KeeperHandle>,
    client: Option<mpsc::Sender<ClientEvent>>,
    neighbours: mpsc::Sender<Change>,
    refused: Refused<InboundToken>,
}

impl Router {
    async fn on_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Request {
                via,
                source,
                token,
                payload,
                ..
            } => {
                let request = KeeperRequest {
                    conn: via,
                    source,
                    token,
                    payload,
                };
                self.on_request(request).await;
            }
            NetEvent::Repair {
                from,
                token,
                payload,
            } => {
                let call = RepairCall {
                    from,
                    token,
                    payload,
                };
                self.on_repair(call).await;
            }
            NetEvent::ViaClosed(conn) => {
                if let Some(keeper) = &self.keeper {
                    keeper.closed(conn);
                }
            }
            NetEvent::Push { from, payload } => self.tell(ClientEvent::Push(from, payload)),
            NetEvent::OutboundClosed(node) => self.tell(ClientEvent::Lost(node)),
            NetEvent::RoutingChanged => {
                let _seen_later = self.neighbours.try_send(Change::Routing);
                self.tell(ClientEvent::NetworkUp);
            }
            NetEvent::Mode(mode) => {
                let _seen_later = self.neighbours.try_send(Change::Routing);
                debug!(?mode, "the node's part in the network has changed");
            }
            NetEvent::Listening(address) => debug!(%address, "listening"),
            NetEvent::Disconnected(node) => {
                let _seen_later = self.neighbours.try_send(Change::Lost(node));
            }
            NetEvent::Connected(_) => {}
        }
    }

    fn tell(&self, event: ClientEvent) {
        if let Some(client) = &self.client
            && client.try_send(event).is_err()
        {
            debug!("the account's side is busy; an event was dropped");
        }
    }

    /// Hands a request to the keeper, or refuses it: at once where there is no keeper, later where it has too much to
    /// do.
    async fn on_request(&mut self, request: KeeperRequest) {
        let Some(keeper) = &self.keeper else {
            return self.refuse(request.token).await;
        };
        if let Err(token) = keeper.try_request(request) {
            debug!("a request found no room");
            self.refused.push(token);
        }
    }

    async fn refuse(&self, token: InboundToken) {
        // Fails only when the network has ended.
        let _ended = self.net.respond(token, keeper::busy()).await;
    }

    /// Hands another keeper's request to this one, or refuses it.
    async fn on_repair(&self, call: RepairCall) {
        let refused = match &self.keeper {
            Some(keeper) => keeper.try_repair(call).err(),
            None => Some(call),
        };
        if let Some(RepairCall { token, .. }) = refused {
            // Fails only when the network has ended.
            let _ended = self.net.respond(token, keeper::busy_with_repair()).await;
        }
    }
}

/// Requests that found no room and are told so after [`REFUSED_AFTER`].
///
/// Each counts among those that its connection has without an answer, so that there are never more than connections
/// allow, and whoever asks anew as soon as he is refused does not ask more often for it.
struct Refused<T>(VecDeque<(Instant, T)>);

impl<T> Refused<T> {
    const fn new() -> Self {
        Self(VecDeque::new())
    }

    fn push(&mut self, token: T) {
        self.0.push_back((Instant::now() + REFUSED_AFTER, token));
    }

    /// Returns the next one that is to be told, when it is time.
    ///
    /// # Cancel safety
    ///
    /// None is lost when the future is dropped.
    async fn next(&mut self) -> T {
        match self.0.front() {
            Some((due, _)) => tokio::time::sleep_until(*due).await,
            None => std::future::pending().await,
        }
        match self.0.pop_front() {
            Some((_, token)) => token,
            None => std::future::pending().await,
        }
    }
}
