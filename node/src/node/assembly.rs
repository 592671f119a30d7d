//! Network and keeper put together, in whatever environment they are given.

use std::sync::Arc;
use std::time::Duration;

use restante_proto::keeper::Policy;
use restante_proto::keys::SecretKey;
use restante_proto::stamp::StampScheme;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::debug;

use super::neighbours::{CHANGES_MAX, Neighbours};
use super::{ClientEvent, NodeError, known, router};
use crate::clock::Clock;
use crate::config::{Config, Profile};
use crate::keeper::store::KeeperStore;
use crate::keeper::{self, KeeperHandle};
use crate::net::{self, Keypair, NetConfig, NetEvent, NetHandle, NetLimits, SpawnError};
use crate::parts::part;
use crate::worker::Worker;

pub use super::known::PeerList;

/// How long a keeper that ends waits for others to take over what it has.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// A network at work: the handle to it, and what it tells.
pub type Net = (NetHandle, mpsc::Receiver<NetEvent>);

/// Starts the network of the node with this key.
pub type MakeNetwork = Box<dyn FnOnce(&NetConfig, &Keypair) -> Result<Net, SpawnError> + Send>;

/// What a node runs in, beside its store: the machine, or a simulated one.
pub struct Environment {
    /// Both times.
    pub clock: Clock,
    /// Reads and writes the keeper's store.
    pub keeper: Worker,
    /// What stamps cost on this network.
    pub stamps: Arc<dyn StampScheme>,
    /// Where known peers are remembered.
    pub peers: Arc<dyn PeerList>,
    /// How others are reached.
    pub network: MakeNetwork,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// The parts of a node that run beside its person; dropped, they end as in a crash.
pub(super) struct Running {
    pub(super) clock: Clock,
    pub(super) net: NetHandle,
    pub(super) keeper: Option<KeeperHandle>,
    peers: Arc<dyn PeerList>,
    events: Option<mpsc::Receiver<NetEvent>>,
    routing: JoinSet<()>,
    saving: JoinSet<()>,
}

impl Running {
    pub(super) fn start<S: KeeperStore>(
        environment: Environment,
        config: Config,
        limits: NetLimits,
        key: &SecretKey,
        store: Option<S>,
    ) -> Result<Self, NodeError> {
        let mut seed = key.seed();
        let keypair = Keypair::ed25519_from_bytes(&mut *seed).map_err(|_| SpawnError::KeyKind)?;
        let policy = policy_of(&config);
        let known = known::read(&*environment.peers);
        let net_config = net_config(config, known, limits);
        let (net, events) = (environment.network)(&net_config, &keypair)?;
        let keeper = store.map(|store| {
            keeper::spawn(
                store,
                key.clone(),
                policy,
                environment.stamps,
                net.clone(),
                environment.keeper,
                environment.clock,
            )
        });
        Ok(Self {
            clock: environment.clock,
            net,
            keeper,
            peers: environment.peers,
            events: Some(events),
            routing: JoinSet::new(),
            saving: JoinSet::new(),
        })
    }

    /// Hands what the network receives to keeper and client, and remembers peers, from now on.
    pub(super) fn route(&mut self, client: Option<mpsc::Sender<ClientEvent>>) {
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
    pub(super) async fn end(mut self) {
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
        profile: config.profile,
        limits,
    }
}

/// On one machine everybody comes from the same address, so that a rate for each address is one for all.
fn policy_of(config: &Config) -> Policy {
    match config.profile {
        Profile::Internet | Profile::Lan => Policy::default(),
        Profile::Local => Policy {
            requests_per_second: u32::MAX,
            requests_burst: u32::MAX,
            ..Policy::default()
        },
    }
}
