//! Who the keepers nearest to this one are, and whether they are still there.
//!
//! A keeper must learn soon that one of those is gone who share its items: only then is what is lost copied again. So
//! connections to the nearest of them are kept, their end is looked into at once, and the others are asked now and
//! then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use restante_proto::limits::COMPARED_POINTS_MAX;
use restante_proto::{Address, NodeId};
use tokio::sync::Notify;

use crate::keeper::KeeperHandle;
use crate::net::{NetFault, NetHandle};

/// How often it is looked whether they are still there, whatever happens.
const INTERVAL: Duration = Duration::from_secs(120);
/// Changes that follow each other within this time are looked at together.
const SETTLE: Duration = Duration::from_secs(1);
/// Partners that connections are kept to, at most.
const HELD_MAX: usize = 8;
/// What neighbours are asked about, to see whether they answer.
const ANYWHERE: Address = Address::new([0; 32]);
/// How long a neighbour may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

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
    pub(super) async fn watch(mut self, changed: Arc<Notify>) {
        while self.look().await.is_ok() {
            // At the interval's end it is looked anyway.
            let _quiet = tokio::time::timeout(INTERVAL, changed.notified()).await;
            tokio::time::sleep(SETTLE).await;
        }
    }

    async fn look(&mut self) -> Result<(), NetFault> {
        let nearest = self.net.fellow_keepers(COMPARED_POINTS_MAX - 1).await?;
        let connected: BTreeSet<NodeId> = self.net.status().await?.connected.into_iter().collect();
        let unsure = nearest.iter().filter(|node| !connected.contains(node));
        let asked = unsure.map(|node| async {
            let node = *node;
            let question = self.net.neighbours(node, ANYWHERE, ANSWER_MAX);
            question.await.is_err().then_some(node)
        });
        let silent: BTreeSet<NodeId> = join_all(asked).await.into_iter().flatten().collect();
        let live = nearest
            .iter()
            .copied()
            .filter(|node| !silent.contains(node));
        let Some(partners) = self.keeper.neighbours(live.collect()).await else {
            return Err(NetFault::Closed);
        };
        let partners: BTreeSet<NodeId> = partners.into_iter().collect();
        let nearest = nearest.into_iter().filter(|node| partners.contains(node));
        self.hold(nearest.take(HELD_MAX).collect()).await
    }

    /// Keeps connections to these, and to no others.
    async fn hold(&mut self, wanted: BTreeSet<NodeId>) -> Result<(), NetFault> {
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
