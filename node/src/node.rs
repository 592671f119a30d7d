//! A whole node in its home: what a person's and a community server's have in common.

use std::sync::Arc;

use restante_proto::stamp::StampScheme;
use tokio::sync::watch;
use tracing::warn;

use crate::clock::Clock;
use crate::config::Config;
use crate::home::Home;
use crate::keeper::store::RedbStore;
use crate::net::{Network, SpawnError, check_free, transport};
use crate::worker::{Worker, WorkerEnded};

pub mod assembly;
mod control_loop;
mod known;
mod neighbours;
mod node_key;
pub mod person;
mod router;
pub mod server;
pub(crate) mod status;

use self::assembly::Environment;
pub use self::known::{PeerFile, PeerList};
pub(crate) use self::router::ClientEvent;

/// Why a node could not be made or run, its person's side apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The keeper's store.
    #[error("the keeper's store cannot be opened: {0}")]
    Keeper(String),
    /// The key file of a community server.
    #[error("the node key {path} cannot be used: {why}")]
    NodeKey {
        /// Where it is.
        path: String,
        /// Why.
        why: String,
    },
    /// The network.
    #[error("the network cannot be started")]
    Net(#[from] SpawnError),
    /// The operating system refuses a thread.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// A worker has ended early.
    #[error(transparent)]
    Worker(#[from] WorkerEnded),
}

/// Waits until the node is to stop.
///
/// # Cancel safety
///
/// Cancel safe: a later call sees the same stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that no sender is left, and with it no other way to stop the node.
    let _guard = stop.wait_for(|stop| *stop).await;
}

fn worker(name: &str) -> Result<Worker, NodeError> {
    Worker::thread(name).map_err(NodeError::Thread)
}

/// What a node on this machine stands on.
fn environment(home: &Home, stamps: Arc<dyn StampScheme>, keeper: Worker) -> Environment {
    Environment {
        clock: Clock::system(),
        keeper,
        stamps,
        peers: Arc::new(PeerFile(home.peers_file())),
        network: Box::new(|config, keypair| {
            check_free(&config.listen)?;
            let transport = transport::real(keypair, &config.limits)?;
            Network::spawn(config, keypair, transport)
        }),
    }
}

async fn open_store(home: &Home, config: &Config, keeper: &Worker) -> Result<RedbStore, NodeError> {
    let (path, cap) = (home.keeper_database(), config.disk_cap_bytes);
    let opened = keeper.run(move || RedbStore::open(&path, cap)).await?;
    let (store, report) = opened.map_err(|error| NodeError::Keeper(error.to_string()))?;
    if let Some(salvage) = report.salvaged {
        warn!(%salvage, "the keeper's store was damaged; what could be read was kept");
    }
    Ok(store)
}
