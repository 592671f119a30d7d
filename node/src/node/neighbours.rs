//! Who the keepers nearest to this one are, and whether they are still there.
//!
//! A keeper must learn soon that one of those is gone who share its items: only then is what is lost copied again. So
//! connections to them are kept, and their end is looked into at once. Each pair compares six times an hour, so that a
//! new connection each time would cost thrice as much.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use restante_proto::limits::COMPARED_POINTS_MAX;
use restante_proto::{Address, NodeId};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::keeper::KeeperHandle;
use crate::net::{NetError, NetHandle};

/// How often it is looked whether they are still there, whatever happens.
const INTERVAL: Duration = Duration::from_secs(300);
/// Changes that follow each other within this time are looked at together.
const SETTLE: Duration = Duration::from_secs(2);
/// Partners that connections are kept to, at most: as many as there can be.
const HELD_MAX: usize = COMPARED_POINTS_MAX - 1;
/// What neighbours are asked about, to see whether they answer.
const ANYWHERE: Address = Address::new([0; 32]);
/// How long a neighbour may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Changes that wait, at most; what finds no room is seen at the next look.
pub(super) const CHANGES_MAX: usize = 64;

/// What may concern the neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The routing table has changed, or this node's part in the network.
    Routing,
    /// The last connection with a node is closed.
    Lost(NodeId),
}

/// The watch over the neighbours of one keeper.
pub(super) struct Neighbours {
    net: NetHandle,
    keeper: KeeperHandle,
    held: BTreeSet<NodeId>,
}

impl Neighbours {
    pub(super) const fn new(net: NetHandle, keeper: KeeperHandle) -> Self {
        Self {
            net,
            keeper,
            held: BTreeSet::new(),
        }
    }

    /// Tells the keeper of its neighbours whenever they may have changed, until the network ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch.
    pub(super) async fn watch(mut self, mut changes: mpsc::Receiver<Change>) {
        let mut next = Instant::now();
        loop {
            match timeout_at(next, changes.recv()).await {
                Ok(None) => return,
                Ok(Some(Change::Lost(node))) if !self.held.contains(&node) => continue,
                Ok(Some(_)) => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                }
                Err(_) => {}
            }
            if self.look().await.is_err() {
                return;
            }
            next = Instant::now() + INTERVAL;
        }
    }

    async fn look(&mut self) -> Result<(), NetError> {
        let nearest = self.net.fellow_keepers(COMPARED_POINTS_MAX - 1).await?;
        let silent = self.silent(&nearest).await?;
        let live = nearest.iter().copied();
        let live = live.filter(|node| !silent.contains(node)).collect();
        let partners = self.keeper.neighbours(live).await.ok_or(NetError::Closed)?;
        let partners: BTreeSet<NodeId> = partners.into_iter().collect();
        let nearest = nearest.into_iter().filter(|node| partners.contains(node));
        self.hold(nearest.take(HELD_MAX).collect()).await
    }

    /// Returns those of the `nearest` to whom connections should be kept, and who do not answer.
    async fn silent(&self, nearest: &[NodeId]) -> Result<BTreeSet<NodeId>, NetError> {
        let held = nearest.iter().filter(|node| self.held.contains(node));
        let mut unsure: BTreeSet<NodeId> = held.copied().collect();
        if unsure.is_empty() {
            return Ok(unsure);
        }
        for node in self.net.status().await?.connected {
            unsure.remove(&node);
        }
        let asked = unsure.into_iter().map(|node| async move {
            let question = self.net.neighbours(node, (ANYWHERE, 1), ANSWER_MAX);
            question.await.is_err().then_some(node)
        });
        Ok(join_all(asked).await.into_iter().flatten().collect())
    }

    /// Keeps connections to these, and to no others.
    async fn hold(&mut self, wanted: BTreeSet<NodeId>) -> Result<(), NetError> {
        for node in self.held.difference(&wanted) {
            self.net.release(*node).await?;
        }
        for node in wanted.difference(&self.held) {
            self.net.hold(*node).await?;
        }
        self.held = wanted;
        Ok(())
    }
}
