//! A keeper around the state machine of `restante_proto::keeper`: its disk, its timers and its way
//! to the network.
//!
//! ```text
//! network -> RequestQueue [4,096] -> KeeperTask -> ready [1,024] -> store's worker [64] -> [4] -> KeeperTask ->
//! network
//! ```
//!
//! Every arrow has a bound. The network never waits for the keeper: what finds no room is refused. The keeper never
//! waits for the disk: requests stay in their queue while too much is under way. The worker owns the store, in a thread
//! of its own.
//!
//! Both queues are fair between sources, so that a source that sends much waits for itself and not for others: the
//! request queue shares out the keeper's own work, which is mostly signatures, and the operations that are ready share
//! out the room in the next commit.
//!
//! The node's own person is served like anybody else, past the network: a node does not find itself among the nodes
//! closest to an address, but others deposit with it.

use std::sync::Arc;

use bytes::Bytes;
use restante_proto::{
    keeper::{Input, Keeper, Policy},
    keys::SecretKey,
    limits::SECOND_MS,
    repair::RepairResponse,
    request::{Reason, Refusal, Response},
    stamp::StampScheme,
    time::UnixMillis,
};

mod disk;
mod handle;
mod port;
mod repair;
mod request_queue;
pub mod store;
mod task;
#[cfg(test)]
mod tests;

use self::{disk::DiskState, store::KeeperStore, task::KeeperTask};
pub use self::{
    handle::{KeeperHandle, KeeperReport, cursor_of, parse_cursor},
    port::{KeeperPort, KeeperRequest, RepairCall},
};
use crate::clock::Clock;
use crate::parts::part;
use crate::worker::Worker;

/// Starts a keeper with the node's key that keeps items in `store`, which `worker` reads and writes, and answers over
/// `port`.
///
/// It must be called within a tokio runtime.
pub fn spawn<S: KeeperStore, P: KeeperPort>(
    store: S,
    key: SecretKey,
    policy: Policy,
    scheme: Arc<dyn StampScheme>,
    port: P,
    worker: Worker,
    clock: Clock,
) -> KeeperHandle<P> {
    let mut keeper = Keeper::new(key, policy, scheme);
    let changed = store.changed();
    if changed != UnixMillis::default() {
        // It asks for nothing.
        let _nothing = keeper.handle(clock.both(), Input::Opened(changed));
    }
    let (handle, inlets) = KeeperHandle::new(keeper.node());
    let disk_state = DiskState {
        usage: store.usage(),
        counters: store.counters(),
    };
    let disk = disk::spawn(store, worker, clock);
    let task = KeeperTask::new(keeper, port, inlets, disk, disk_state, clock);
    tokio::spawn(part(task.run()));
    handle
}

/// Returns the answer to another keeper's request that found no room.
#[must_use]
pub fn busy_with_repair() -> Bytes {
    RepairResponse::Refusal(Refusal::until(Reason::Busy, SECOND_MS)).encode()
}

/// Returns the answer to a request that found no room: come back in a second.
#[must_use]
pub fn busy() -> Bytes {
    Response::Refusal(Refusal::until(Reason::Busy, SECOND_MS)).encode()
}
