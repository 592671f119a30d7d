//! The keeper's side of the network, without any network in it.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use restante_proto::NodeId;
use restante_proto::keeper::Source;

use crate::net::{ConnToken, InboundToken, IpGroup, NetHandle};

/// The quota group of the node's own person; no group of network addresses is it.
pub(super) const LOCAL_SOURCE: Source = Source(u64::MAX);

/// How long another keeper may take to answer: one that is told of a departure takes over all there is first.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a keeper's answers and pushes go.
pub trait KeeperPort: Send + Sync + 'static {
    /// A peer's substream.
    type Conn: Copy + Ord + Send + Sync + 'static;
    /// Where the answer to one request goes.
    type Token: Send + 'static;
    /// Whom a request's sender shares its quota with.
    type Source: Send + 'static;

    /// Returns the quota group as the state machine knows it.
    fn source(source: Self::Source) -> Source;

    /// Answers a request; dropped if its substream is gone.
    fn respond(&self, token: Self::Token, payload: Bytes) -> impl Future<Output = ()> + Send;

    /// Sends something unasked; dropped if the substream is gone.
    fn push(&self, conn: Self::Conn, payload: Bytes) -> impl Future<Output = ()> + Send;

    /// Asks another keeper for something and returns its answer, `None` when there is none in time.
    fn ask(
        &self,
        keeper: NodeId,
        payload: Bytes,
    ) -> impl Future<Output = Option<Bytes>> + Send + 'static;

    /// Keeps the connection under a substream open although nothing is asked, or no longer.
    fn keep(&self, conn: Self::Conn, kept: bool) -> impl Future<Output = ()> + Send;
}

impl KeeperPort for NetHandle {
    type Conn = ConnToken;
    type Token = InboundToken;
    type Source = IpGroup;

    fn source(source: IpGroup) -> Source {
        // A /48 has its bits at the top; the two low bits keep the families apart.
        Source(match source {
            IpGroup::V4(prefix) => u64::from(prefix) << 2 | 1,
            IpGroup::V6(prefix) => u64::try_from(prefix >> 80).unwrap_or(u64::MAX) << 2 | 2,
            IpGroup::Other => 0,
        })
    }

    async fn respond(&self, token: InboundToken, payload: Bytes) {
        // An error says that the network is shut down, and the keeper follows.
        let _closed = Self::respond(self, token, payload).await;
    }

    async fn push(&self, conn: ConnToken, payload: Bytes) {
        let _closed = Self::push(self, conn, payload).await;
    }

    fn ask(
        &self,
        keeper: NodeId,
        payload: Bytes,
    ) -> impl Future<Output = Option<Bytes>> + Send + 'static {
        let net = self.clone();
        async move { net.repair(keeper, payload, ASK_TIMEOUT).await.ok() }
    }

    async fn keep(&self, conn: ConnToken, kept: bool) {
        let _closed = Self::keep(self, conn, kept).await;
    }
}

/// One request of a peer.
#[derive(Debug)]
pub struct KeeperRequest<P: KeeperPort = NetHandle> {
    /// The substream it came on.
    pub conn: P::Conn,
    /// Whom its sender shares a quota with.
    pub source: P::Source,
    /// Where the answer goes.
    pub token: P::Token,
    /// Its bytes.
    pub payload: Bytes,
}

/// One request of another keeper.
#[derive(Debug)]
pub struct RepairCall<P: KeeperPort = NetHandle> {
    /// Who asks.
    pub from: NodeId,
    /// Where the answer goes.
    pub token: P::Token,
    /// Its bytes.
    pub payload: Bytes,
}
