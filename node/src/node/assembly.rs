//! Network, keeper and account put together, in whatever environment they are given.

use std::sync::Arc;
use std::time::Duration;

use restante_interface::IdInfo;
use restante_proto::keeper::Policy;
use restante_proto::keys::SecretKey;
use restante_proto::person::{Handle, IdCost};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, info};

use super::neighbours::{CHANGES_MAX, Neighbours};
use super::{Costs, Lanes, NodeFault, control_loop, known, router};
use crate::account::{self, AccountEvent, Driver, Services, Settings};
use crate::clock::Clock;
use crate::config::{Config, Profile, Serve};
use crate::control::ControlCall;
use crate::keeper::store::KeeperStore;
use crate::keeper::{self, KeeperHandle};
use crate::net::transport::Transport;
use crate::net::{self, Keypair, NetConfig, NetEvent, NetHandle, NetLimits, Network, SpawnError};
use crate::parts::part;
use crate::vault::Vault;

pub use super::known::PeerList;

/// How long a keeper that ends waits for others to take over what it has.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// Events of the network that may wait for the account.
const ACCOUNT_EVENTS_MAX: usize = 1_024;

/// Makes the transport of the node with this key, under these limits.
pub type MakeTransport =
    Box<dyn FnOnce(&Keypair, &NetLimits) -> Result<Transport, SpawnError> + Send>;

/// What a node runs in, beside its vault and its store: the machine, or a simulated one.
pub struct Environment {
    /// The wall clock.
    pub clock: Clock,
    /// Where blocking work runs.
    pub lanes: Lanes,
    /// What IDs, pass phrases and stamps cost.
    pub costs: Costs,
    /// Where known peers are remembered.
    pub peers: Arc<dyn PeerList>,
    /// How others are reached.
    pub transport: MakeTransport,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Makes an account in an empty vault; slow on purpose.
///
/// # Errors
///
/// [`NodeFault`] when the vault cannot be written.
pub fn create_account(
    vault: &Vault,
    handle: Handle,
    clock: Clock,
    cost: IdCost,
) -> Result<IdInfo, NodeFault> {
    let account = account::create_account(vault, handle, clock.now(), cost)?;
    Ok(restante_client::id_info(&account))
}

/// Runs a person's node until `stop` holds `true`; with a store, it keeps items for others.
///
/// # Errors
///
/// [`NodeFault`] when it cannot be started; once it runs, it runs.
///
/// # Cancel safety
///
/// Dropping the future ends the node as a crash would: nothing acknowledged is lost.
pub async fn run_person<S: KeeperStore>(
    environment: Environment,
    config: Config,
    vault: Vault,
    store: Option<S>,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeFault> {
    let read = environment.lanes.vault.run(move || {
        let account = account::read_account(&vault)?;
        Ok::<_, NodeFault>((vault, account))
    });
    let (vault, account) = read.await??;
    // Who keeps nothing for others need not be known again: keepers cannot link one run to the next.
    let key = match config.serve {
        Serve::Never => SecretKey::generate(&mut rand::rng()),
        Serve::Auto => account.node.clone(),
    };
    let settings = Settings {
        network: config.network.clone(),
        retention_ms: config.retention_ms,
    };
    let mut running = Running::start(environment, config, NetLimits::personal(), &key, store)?;
    let services = Services {
        clock: running.clock,
        net: running.net.clone(),
        keeper: running.keeper.clone(),
        disk: running.lanes.vault.clone(),
        cpu: running.lanes.cpu.clone(),
        stamps: running.lanes.stamps.clone(),
        costs: restante_client::job::Costs {
            id: running.costs.id,
            stamps: Arc::clone(&running.costs.stamps),
        },
    };
    let driver = Driver::open(vault, services, settings).await?;
    let (events_in, account_events) = mpsc::channel::<AccountEvent>(ACCOUNT_EVENTS_MAX);
    running.route(Some(events_in));
    info!("the node is running");
    driver.run(calls, account_events, stop).await;
    running.end().await;
    Ok(())
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
pub async fn run_server<S: KeeperStore>(
    environment: Environment,
    config: Config,
    key: SecretKey,
    store: S,
    calls: mpsc::Receiver<ControlCall>,
    stop: watch::Receiver<bool>,
) -> Result<(), NodeFault> {
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

/// The parts of a node that run beside its person; dropped, they end as in a crash.
struct Running {
    clock: Clock,
    lanes: Lanes,
    costs: Costs,
    peers: Arc<dyn PeerList>,
    net: NetHandle,
    events: Option<mpsc::Receiver<NetEvent>>,
    keeper: Option<KeeperHandle>,
    routing: JoinSet<()>,
    saving: JoinSet<()>,
}

impl Running {
    fn start<S: KeeperStore>(
        environment: Environment,
        config: Config,
        limits: NetLimits,
        key: &SecretKey,
        store: Option<S>,
    ) -> Result<Self, NodeFault> {
        let mut seed = key.seed();
        let keypair = Keypair::ed25519_from_bytes(&mut *seed).map_err(|_| SpawnError::KeyKind)?;
        let transport = (environment.transport)(&keypair, &limits)?;
        let policy = policy_of(&config);
        let known = known::read(&*environment.peers);
        let net_config = net_config(config, known, limits);
        let (net, events) = Network::spawn(&net_config, &keypair, transport)?;
        let keeper = store.map(|store| {
            keeper::spawn(
                store,
                key.clone(),
                policy,
                Arc::clone(&environment.costs.stamps),
                net.clone(),
                environment.lanes.keeper.clone(),
                environment.clock,
            )
        });
        Ok(Self {
            clock: environment.clock,
            lanes: environment.lanes,
            costs: environment.costs,
            peers: environment.peers,
            net,
            events: Some(events),
            keeper,
            routing: JoinSet::new(),
            saving: JoinSet::new(),
        })
    }

    /// Hands what the network receives to keeper and client, and remembers peers, from now on.
    fn route(&mut self, client: Option<mpsc::Sender<AccountEvent>>) {
        if let Some(events) = self.events.take() {
            let (net, keeper) = (self.net.clone(), self.keeper.clone());
            let (changes, changes_waiting) = mpsc::channel(CHANGES_MAX);
            if let Some(keeper) = keeper.clone() {
                let neighbours = Neighbours::new(net.clone(), keeper);
                self.routing.spawn(part(neighbours.watch(changes_waiting)));
            }
            let route = router::route(events, net, keeper, client, changes);
            self.routing.spawn(part(route));
            let (peers, net) = (Arc::clone(&self.peers), self.net.clone());
            self.saving.spawn(part(known::keep(peers, net)));
        }
    }

    /// Ends in good order: what was accepted is finished and the store is closed.
    async fn end(mut self) {
        known::save(&*self.peers, &self.net).await;
        self.saving.abort_all();
        if let Some(keeper) = self.keeper.take() {
            if tokio::time::timeout(LEAVE_MAX, keeper.leave())
                .await
                .is_err()
            {
                debug!("not all neighbours have taken over what was kept here");
            }
            keeper.shutdown().await;
        }
        self.net.shutdown().await;
        self.routing.abort_all();
    }
}

fn net_config(
    config: Config,
    known: Vec<(restante_proto::NodeId, Vec<net::Multiaddr>)>,
    limits: NetLimits,
) -> NetConfig {
    NetConfig {
        network: config.network,
        listen: config.listen,
        external: config.external,
        bootstrap: config.bootstrap,
        known,
        serve: config.serve,
        local: config.profile == Profile::Local,
        limits,
    }
}

/// On one machine everybody comes from the same address, so that a rate for each address is one for all.
fn policy_of(config: &Config) -> Policy {
    match config.profile {
        Profile::Internet => Policy::default(),
        Profile::Local => Policy {
            requests_per_second: u32::MAX,
            requests_burst: u32::MAX,
            ..Policy::default()
        },
    }
}
