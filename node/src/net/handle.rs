//! The handle through which the rest of the node uses the network.

use std::time::Duration;

use bytes::Bytes;
use libp2p::Multiaddr;
use restante_proto::routing::{Answer, Point, Question};
use restante_proto::{Address, NodeId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::command::{Call, Command, Reply};
use super::error::{NetError, RequestError};
use super::event::{ConnToken, InboundToken};
use super::item::Kind;
use super::limits::PAYLOAD_BYTES_MAX;
use super::peer::peer_of;
use super::status::NetStatus;

/// A handle to the network task; when the last one is dropped, the task ends.
///
/// What a call has asked the task for goes on when its future is dropped, and only its result is lost. A future that is
/// dropped before the task took what it asks for has asked for nothing.
#[derive(Debug, Clone)]
pub struct NetHandle {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
pub struct Search {
    near: watch::Receiver<Vec<NodeId>>,
    found: oneshot::Receiver<Result<Vec<NodeId>, NetError>>,
}

/// What a lookup says.
#[derive(Debug)]
pub enum Heard {
    /// Nodes that it takes for the nearest so far, nearest first; most of them have not answered.
    Near(Vec<NodeId>),
    /// What it found, as [`NetHandle::closest`] says it; nothing comes after that.
    Found(Result<Vec<NodeId>, NetError>),
}

impl Search {
    /// Returns what the lookup says next.
    pub async fn next(&mut self) -> Heard {
        tokio::select! {
            biased;
            found = &mut self.found => Heard::Found(found.unwrap_or(Err(NetError::Closed))),
            Ok(()) = self.near.changed() => Heard::Near(self.near.borrow_and_update().clone()),
        }
    }
}

impl NetHandle {
    /// Makes a handle to whatever carries its commands out: the network task, or a simulated network.
    pub const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Looks up the serving nodes closest to an address, nearest first, at most 20.
    ///
    /// Only nodes that answered in this lookup are returned, and never this node. When this node knows no
    /// other, the list is empty.
    ///
    /// # Errors
    ///
    /// [`NetError::Busy`], [`NetError::TimedOut`] when no node that was asked answered,
    /// [`NetError::Closed`].
    pub async fn closest(&self, address: Address, count: usize) -> Result<Vec<NodeId>, NetError> {
        self.ask(|reply| Command::Closest {
            address,
            count,
            near: None,
            reply,
        })
        .await?
    }

    /// Begins a lookup as [`NetHandle::closest`] does that also tells, while it goes on, whom it takes for the nearest.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn search(&self, address: Address, count: usize) -> Result<Search, NetError> {
        let (near, heard) = watch::channel(Vec::new());
        let (reply, found) = oneshot::channel();
        let near = Some(near);
        self.send(Command::Closest {
            address,
            count,
            near,
            reply,
        })
        .await?;
        Ok(Search { near: heard, found })
    }

    /// Returns the nodes of the routing table closest to an address, nearest first, without asking
    /// any node.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn closest_known(
        &self,
        address: Address,
        count: usize,
    ) -> Result<Vec<NodeId>, NetError> {
        self.ask(|reply| Command::ClosestKnown {
            address,
            count,
            reply,
        })
        .await
    }

    /// Sends a request and waits for its answer, dialling the node if needed.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]; all of it, dialling included, ends at the deadline. After
    /// [`RequestError::TimedOut`] and [`RequestError::Disconnected`] the request may have been
    /// carried out all the same.
    pub async fn request(
        &self,
        to: NodeId,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RequestError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(RequestError::TooLong(payload.len()));
        }
        self.call(to, Kind::Request, payload, deadline).await
    }

    /// Asks another keeper to compare or hand over what it keeps, dialling it if needed.
    ///
    /// # Errors
    ///
    /// See [`request`](Self::request).
    pub async fn repair(
        &self,
        of: NodeId,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RequestError> {
        self.call(of, Kind::Repair, payload, deadline).await
    }

    /// Returns the nodes of the routing table nearest to this one, nearest first; none while this node does not serve.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn fellow_keepers(&self, count: usize) -> Result<Vec<NodeId>, NetError> {
        self.ask(|reply| Command::Neighbours { count, reply }).await
    }

    /// Asks a node for so many of the serving nodes it knows closest to an address beside itself, nearest first; an
    /// answer that does not decode counts as none.
    ///
    /// # Errors
    ///
    /// See [`request`](Self::request).
    pub async fn neighbours(
        &self,
        of: NodeId,
        (address, count): (Address, usize),
        deadline: Duration,
    ) -> Result<Vec<NodeId>, RequestError> {
        let question = Question {
            point: Point::of_address(&address),
            count,
        };
        let answer = self
            .call(of, Kind::Question, question.encode(), deadline)
            .await?;
        let nodes = Answer::decode(&answer).unwrap_or_default().nodes;
        Ok(nodes.into_iter().map(|named| named.node).collect())
    }

    async fn call(
        &self,
        to: NodeId,
        kind: Kind,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, RequestError> {
        let to = peer_of(&to).ok_or(RequestError::NotReachable)?;
        let deadline = Instant::now() + deadline;
        let (reply, answer) = oneshot::channel();
        let command = Command::Request {
            to,
            call: Call {
                kind,
                payload,
                deadline,
                reply,
            },
        };
        let exchange = async {
            self.commands
                .send(command)
                .await
                .map_err(|_| RequestError::Closed)?;
            answer.await.unwrap_or(Err(RequestError::Disconnected))
        };
        timeout_at(deadline, exchange)
            .await
            .unwrap_or(Err(RequestError::TimedOut))
    }

    /// Answers an inbound request; when its substream is gone, the answer is dropped.
    ///
    /// # Errors
    ///
    /// [`NetError::TooLong`], [`NetError::Closed`].
    pub async fn respond(&self, token: InboundToken, payload: Bytes) -> Result<(), NetError> {
        check_length(&payload)?;
        self.send(Command::Respond {
            via: token.via,
            id: token.id,
            payload,
        })
        .await
    }

    /// Pushes on an inbound substream; when it is gone, the push is dropped.
    ///
    /// A reader who is too slow for it is cut off: its substream ends, which
    /// [`NetEvent::ViaClosed`](super::NetEvent::ViaClosed) tells.
    ///
    /// # Errors
    ///
    /// [`NetError::TooLong`], [`NetError::Closed`].
    pub async fn push(&self, to: ConnToken, payload: Bytes) -> Result<(), NetError> {
        check_length(&payload)?;
        self.send(Command::Push { via: to.0, payload }).await
    }

    /// Keeps the connection while the peer's substream `via` is open, or no longer.
    ///
    /// The keeper of a subscription calls it, or the connection is closed as idle; it ends by
    /// itself with the substream.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn keep(&self, via: ConnToken, kept: bool) -> Result<(), NetError> {
        self.send(Command::Keep { via: via.0, kept }).await
    }

    /// Keeps connections with a node although nothing is asked, until as many
    /// [`release`](Self::release) follow; it does not dial.
    ///
    /// A subscriber calls it for each node it subscribes at.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn hold(&self, node: NodeId) -> Result<(), NetError> {
        let Some(peer) = peer_of(&node) else {
            return Ok(());
        };
        self.send(Command::Hold(peer)).await
    }

    /// Takes back one [`hold`](Self::hold).
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn release(&self, node: NodeId) -> Result<(), NetError> {
        let Some(peer) = peer_of(&node) else {
            return Ok(());
        };
        self.send(Command::Release(peer)).await
    }

    /// Remembers addresses of a node for later requests; those that may not be dialled are ignored.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn learn(&self, node: NodeId, addresses: Vec<Multiaddr>) -> Result<(), NetError> {
        let Some(peer) = peer_of(&node) else {
            return Ok(());
        };
        self.send(Command::Learn { peer, addresses }).await
    }

    /// Starts to dial an address that the user named, with or without `/p2p`, public or not.
    ///
    /// # Errors
    ///
    /// [`NetError::Undialable`], [`NetError::Closed`]. Success says that the dial has begun.
    pub async fn dial(&self, address: Multiaddr) -> Result<(), NetError> {
        self.ask(|reply| Command::Dial { address, reply }).await?
    }

    /// Returns nodes to give to the next start as [`NetConfig::known`](super::NetConfig::known).
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn known_peers(&self) -> Result<Vec<(NodeId, Vec<Multiaddr>)>, NetError> {
        self.ask(Command::KnownPeers).await
    }

    /// Returns a picture of the network layer.
    ///
    /// # Errors
    ///
    /// [`NetError::Closed`].
    pub async fn status(&self) -> Result<NetStatus, NetError> {
        self.ask(Command::Status).await
    }

    /// Closes every connection and ends the network task; returns when it has ended.
    pub async fn shutdown(&self) {
        // A task that has ended already is what the caller wants.
        let _ended = self.ask(Command::Shutdown).await;
    }

    async fn send(&self, command: Command) -> Result<(), NetError> {
        self.commands
            .send(command)
            .await
            .map_err(|_| NetError::Closed)
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, NetError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| NetError::Closed)
    }
}

fn check_length(payload: &Bytes) -> Result<(), NetError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(NetError::TooLong(payload.len()));
    }
    Ok(())
}
