//! A whole node, and the home it lives in.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rand::Rng as _;
use restante_interface::IdInfo;
use restante_proto::keys::SecretKey;
use restante_proto::person::{Handle, IdCost};
use restante_proto::stamp::{Equihash, StampScheme};
use tokio::sync::{mpsc, watch};
use tracing::warn;
use zeroize::Zeroizing;

use crate::account::{AccountStoreError, OpenError};
use crate::clock::Clock;
use crate::config::{Config, Serve};
use crate::control::ControlCall;
use crate::home::Home;
use crate::keeper::store::RedbStore;
use crate::lane::{Lane, LaneClosed};
use crate::net::{self, SpawnError};
use crate::passphrase::Passphrase;
use crate::vault::{PassCost, Vault, VaultError};

pub mod assembly;
mod control_loop;
mod known;
mod neighbours;
mod router;
pub(crate) mod status;

use self::assembly::Environment;
pub use self::known::{PeerFile, PeerList};

/// Why a node could not be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeFault {
    /// The vault of the home.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is in the vault.
    #[error(transparent)]
    Store(#[from] AccountStoreError),
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
    /// A lane has ended early.
    #[error(transparent)]
    Lane(#[from] LaneClosed),
}

impl From<OpenError> for NodeFault {
    fn from(fault: OpenError) -> Self {
        match fault {
            OpenError::Store(fault) => Self::Store(fault),
            OpenError::Worker(fault) => Self::Lane(fault),
        }
    }
}

/// What an identity, a pass phrase and a stamp cost: one set for everybody on a network.
#[derive(Clone)]
pub struct Costs {
    /// The Argon2id of IDs.
    pub id: IdCost,
    /// The Argon2id of the pass phrase.
    pub pass: PassCost,
    /// The stamps.
    pub stamps: Arc<dyn StampScheme>,
}

impl Costs {
    /// Returns what people's nodes use.
    pub fn production() -> Self {
        Self {
            id: IdCost::Production,
            pass: PassCost::Production,
            stamps: Arc::new(Equihash),
        }
    }
}

impl std::fmt::Debug for Costs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Costs")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The threads blocking work runs in, one kind each, so that a stamp never holds up a commit.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// The client's vault.
    pub vault: Lane,
    /// The keeper's store.
    pub keeper: Lane,
    /// Opening envelopes, Argon2id.
    pub cpu: Lane,
    /// Stamps.
    pub stamps: Lane,
}

impl Lanes {
    /// Starts a thread for each.
    ///
    /// # Errors
    ///
    /// What the operating system says when it refuses a thread.
    pub fn threads() -> std::io::Result<Self> {
        Ok(Self {
            vault: Lane::thread("vault")?,
            keeper: Lane::thread("keeper")?,
            cpu: Lane::thread("cpu")?,
            stamps: Lane::thread("stamps")?,
        })
    }
}

/// Makes an account in an empty home; slow on purpose, twice.
///
/// # Errors
///
/// [`NodeFault`] when the vault cannot be made.
pub fn create(
    home: &Home,
    handle: &Handle,
    passphrase: &Passphrase,
    costs: &Costs,
) -> Result<IdInfo, NodeFault> {
    let mut rng = rand::rng();
    let vault = Vault::create(home.path(), passphrase.as_bytes(), costs.pass, &mut rng)?;
    let info = assembly::create_account(&vault, handle.clone(), Clock::system(), costs.id)?;
    vault.close()?;
    Ok(info)
}

/// Makes the key of a community server, which has no pass phrase: whoever has the file is the server.
///
/// # Errors
///
/// [`NodeFault::NodeKey`] when the file cannot be written.
pub fn create_node_key(path: &Path) -> Result<(), NodeFault> {
    let mut seed = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(&mut *seed);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(&*seed).and_then(|()| file.sync_all()));
    written.map_err(|error| key_fault(path, &error.to_string()))
}

fn read_node_key(path: &Path) -> Result<SecretKey, NodeFault> {
    let mut seed = Zeroizing::new([0; 32]);
    let mut file = fs::File::open(path).map_err(|error| key_fault(path, &error.to_string()))?;
    file.read_exact(&mut *seed)
        .map_err(|_| key_fault(path, "it is not 32 bytes long"))?;
    Ok(SecretKey::from_seed(&seed))
}

fn key_fault(path: &Path, why: &str) -> NodeFault {
    NodeFault::NodeKey {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

/// Runs a person's node until `stop` holds `true`.
///
/// # Errors
///
/// [`NodeFault`] when it cannot be started; once it runs, it runs.
///
/// # Cancel safety
///
/// Dropping the future ends the node as a crash would: nothing acknowledged is lost.
pub async fn run(
    home: &Home,
    config: Config,
    passphrase: Passphrase,
    costs: Costs,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeFault> {
    let lanes = Lanes::threads().map_err(NodeFault::Thread)?;
    let folder = home.path().to_owned();
    let opened = lanes
        .vault
        .run(move || Vault::open(&folder, passphrase.as_bytes(), &mut rand::rng()));
    let vault = opened.await??;
    let store = match config.serve {
        Serve::Never => None,
        Serve::Auto => Some(open_store(home, &config, &lanes).await?),
    };
    let environment = environment(home, costs, lanes);
    assembly::run_person(environment, config, vault, store, calls, stop).await
}

/// Runs a community server, a node without a person, until `stop` holds `true`.
///
/// # Errors
///
/// [`NodeFault`] when it cannot be started.
///
/// # Cancel safety
///
/// Dropping the future ends the server as a crash would: nothing acknowledged is lost.
pub async fn run_community(
    home: &Home,
    config: Config,
    costs: Costs,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeFault> {
    let lanes = Lanes::threads().map_err(NodeFault::Thread)?;
    let key = read_node_key(&home.node_key_file())?;
    let store = open_store(home, &config, &lanes).await?;
    let environment = environment(home, costs, lanes);
    assembly::run_server(environment, config, key, store, calls, stop).await
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

/// What a node on this machine stands on.
fn environment(home: &Home, costs: Costs, lanes: Lanes) -> Environment {
    Environment {
        clock: Clock::system(),
        lanes,
        costs,
        peers: Arc::new(PeerFile(home.peers_file())),
        transport: Box::new(net::transport::real),
    }
}

async fn open_store(home: &Home, config: &Config, lanes: &Lanes) -> Result<RedbStore, NodeFault> {
    let (path, cap) = (home.keeper_database(), config.disk_cap_bytes);
    let opened = lanes
        .keeper
        .run(move || RedbStore::open(&path, cap))
        .await?;
    let (store, report) = opened.map_err(|fault| NodeFault::Keeper(fault.to_string()))?;
    if let Some(salvage) = report.salvaged {
        warn!(%salvage, "the keeper's store was damaged; what could be read was kept");
    }
    Ok(store)
}
