//! Hands what the network receives to whom it is for.

use tokio::sync::mpsc;
use tracing::debug;

use super::neighbours::Change;
use crate::client::ClientEvent;
use crate::keeper::{self, KeeperHandle, KeeperRequest, RepairCall};
use crate::net::{NetEvent, NetHandle};

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
    let tell = |event: ClientEvent| {
        if let Some(client) = &client
            && client.try_send(event).is_err()
        {
            debug!("the account's side is busy; an event was dropped");
        }
    };
    while let Some(event) = events.recv().await {
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
                let refused = match &keeper {
                    Some(keeper) => keeper.try_request(request).err(),
                    None => Some(request.token),
                };
                if let Some(token) = refused {
                    debug!("a request found no room");
                    // Fails only when the network has ended, and with it this loop.
                    let _ended = net.respond(token, keeper::busy()).await;
                }
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
                pass_on(&net, keeper.as_ref(), call).await;
            }
            NetEvent::ViaClosed(conn) => {
                if let Some(keeper) = &keeper {
                    keeper.closed(conn);
                }
            }
            NetEvent::Push { from, payload } => tell(ClientEvent::Push(from, payload)),
            NetEvent::OutboundClosed(node) => tell(ClientEvent::Lost(node)),
            NetEvent::RoutingChanged => {
                let _seen_later = neighbours.try_send(Change::Routing);
                tell(ClientEvent::NetworkUp);
            }
            NetEvent::Mode(mode) => {
                let _seen_later = neighbours.try_send(Change::Routing);
                debug!(?mode, "the node's part in the network has changed");
            }
            NetEvent::Listening(address) => debug!(%address, "listening"),
            NetEvent::Disconnected(node) => {
                let _seen_later = neighbours.try_send(Change::Lost(node));
            }
            NetEvent::Connected(_) => {}
        }
    }
}

/// Hands another keeper's request to this one, or refuses it.
async fn pass_on(net: &NetHandle, keeper: Option<&KeeperHandle>, call: RepairCall) {
    let refused = match keeper {
        Some(keeper) => keeper.try_repair(call).err(),
        None => Some(call),
    };
    if let Some(RepairCall { token, .. }) = refused {
        // Fails only when the network has ended.
        let _ended = net.respond(token, keeper::busy_with_repair()).await;
    }
}
