//! A community server: a node without a person.

use std::sync::Arc;

use restante_proto::keys::SecretKey;
use restante_proto::stamp::Equihash;
use tokio::sync::{mpsc, watch};
use tracing::info;

use super::assembly::{Environment, Running};
use super::node_key::read_key;
use super::{NodeError, control_loop, environment, open_store, worker};
use crate::config::Config;
use crate::control::ControlCall;
use crate::home::Home;
use crate::keeper::store::KeeperStore;
use crate::net::NetLimits;

pub use super::node_key::create_key;

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
