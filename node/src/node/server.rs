//! A community server: a node without a person.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rand::Rng as _;
use restante_proto::keys::SecretKey;
use restante_proto::stamp::Equihash;
use tokio::sync::{mpsc, watch};
use tracing::info;
use zeroize::Zeroizing;

use super::assembly::{Environment, Running};
use super::{NodeError, control_loop, environment, open_store, worker};
use crate::config::Config;
use crate::control::ControlCall;
use crate::home::Home;
use crate::keeper::store::KeeperStore;
use crate::net::NetLimits;

/// Makes the key of a community server, which has no pass phrase: whoever has the file is the server.
///
/// # Errors
///
/// [`NodeError::NodeKey`] when the file cannot be written.
pub fn create_key(path: &Path) -> Result<(), NodeError> {
    let mut seed = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(&mut *seed);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(&*seed).and_then(|()| file.sync_all()));
    written.map_err(|error| key_error(path, &error.to_string()))
}

fn read_key(path: &Path) -> Result<SecretKey, NodeError> {
    let mut seed = Zeroizing::new([0; 32]);
    let mut file = fs::File::open(path).map_err(|error| key_error(path, &error.to_string()))?;
    file.read_exact(&mut *seed)
        .map_err(|_| key_error(path, "it is not 32 bytes long"))?;
    Ok(SecretKey::from_seed(&seed))
}

fn key_error(path: &Path, why: &str) -> NodeError {
    NodeError::NodeKey {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

/// Runs the server of a home until `stop` holds `true`.
///
/// # Errors
///
/// [`NodeError`] when it cannot be started; once it runs, it runs.
///
/// # Cancel safety
///
/// Dropping the future ends the server as a crash would: nothing acknowledged is lost.
pub async fn run(
    home: &Home,
    config: Config,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeError> {
    let keeper = worker("keeper")?;
    let key = read_key(&home.node_key_file())?;
    let store = open_store(home, &config, &keeper).await?;
    let environment = environment(home, Arc::new(Equihash), keeper);
    run_in(environment, config, key, store, calls, stop).await
}

/// Runs a server in any environment until `stop` holds `true`.
///
/// # Errors
///
/// [`NodeError`] when it cannot be started.
///
/// # Cancel safety
///
/// Dropping the future ends the server as a crash would: nothing acknowledged is lost.
pub async fn run_in<S: KeeperStore>(
    environment: Environment,
    config: Config,
    key: SecretKey,
    store: S,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeError> {
    let network = config.network.clone();
    let limits = NetLimits::community();
    let mut running = Running::start(environment, config, limits, &key, Some(store))?;
    running.route(None);
    info!("the server is running");
    let (net, clock) = (running.net.clone(), running.clock);
    if let Some(keeper) = running.keeper.clone() {
        control_loop::serve(network, net, keeper, clock, calls, stop).await;
    }
    running.end().await;
    Ok(())
}
