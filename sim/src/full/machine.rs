//! One simulated machine: a disk and an address that last, and the process that runs on it now and then.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use rand::CryptoRng;
use restante::clock::Clock;
use restante::config::{Config, Serve};
use restante::control::protocol::{ControlFault, ControlReply, ControlRequest};
use restante::control::report::IdInfo;
use restante::control::{CALL_QUEUE_COUNT_MAX, ControlCall, call};
use restante::keeper::store::{Check, RedbStore};
use restante::lane::Lane;
use restante::net::{Keypair, peer_of};
use restante::node::assembly::{self, Ground};
use restante::node::{Costs, Lanes, NodeFault, PeerList};
use restante::vault::{PassCost, StoreKey, Vault};
use restante_proto::keys::SecretKey;
use restante_proto::person::IdCost;
use restante_proto::stamp::CheapForTests;
use restante_sim_disk::Disk;
use restante_sim_network::{HostId, Internet};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The port every machine listens at.
const PORT: u16 = 4_717;
/// What opening an envelope or computing an ID takes, in virtual time.
const CPU_COST: Duration = Duration::from_millis(3);
/// What making a stamp takes on average, in virtual time: one and a half attempts of 0.6 s.
const STAMP_COST: Duration = Duration::from_millis(900);

/// The files of a machine.
const KEEPER_FILE: &str = "keeper.redb";
const DATABASE_FILE: &str = "client.redb";
const KEYS_FILE: &str = "message-keys";
const PEERS_FILE: &str = "peers.json";

/// Who a machine belongs to, and the secrets that its disk does not hold.
pub(super) enum Role {
    /// A community server with its node key.
    Server(SecretKey),
    /// A person's node; the store key stands for the pass phrase.
    Person(StoreKey),
}

/// What a machine is.
pub(super) struct Machine {
    pub(super) host: HostId,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    internet: Internet,
    role: Role,
    config: Config,
    life: Option<Life>,
}

/// One process.
struct Life {
    calls: mpsc::Sender<ControlCall>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), NodeFault>>,
}

/// Where a machine stands in the network.
pub(super) struct Place {
    pub(super) host: HostId,
    pub(super) address: Ipv4Addr,
    /// Whether its operator vouches for its address.
    pub(super) vouched: bool,
    pub(super) bootstrap: Vec<Multiaddr>,
}

impl Machine {
    pub(super) fn new(
        role: Role,
        place: Place,
        (internet, disk): (Internet, Disk),
        clock: Clock,
        cap_bytes: u64,
    ) -> Self {
        let outside = address_of(place.address);
        let config = Config {
            network: "sim".to_owned(),
            serve: Serve::Auto,
            external: if place.vouched {
                vec![outside]
            } else {
                Vec::new()
            },
            listen: vec![address_of(Ipv4Addr::UNSPECIFIED)],
            bootstrap: place.bootstrap,
            disk_cap_bytes: cap_bytes,
            ..Config::default()
        };
        Self {
            host: place.host,
            disk,
            clock,
            internet,
            role,
            config,
            life: None,
        }
    }

    /// Makes the account of a person on an empty disk.
    pub(super) fn create_account(&self, handle: &str) -> Result<IdInfo, NodeFault> {
        let Role::Person(key) = &self.role else {
            return Err(NodeFault::Keeper("a server has no account".into()));
        };
        let database = self.file(DATABASE_FILE)?;
        let keys = Box::new(self.file(KEYS_FILE)?);
        let vault = Vault::create_on(database, keys, key, &mut chance())?;
        let handle = handle
            .parse()
            .map_err(|_| NodeFault::Keeper("no handle".into()))?;
        let info = assembly::create_account(&vault, handle, self.clock, IdCost::CheapForTests)?;
        vault.close()?;
        Ok(info)
    }

    /// Returns whether a process runs on it.
    pub(super) const fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Starts a process; nothing if one runs.
    ///
    /// # Errors
    ///
    /// [`NodeFault`] when its files cannot be opened.
    pub(super) fn start(&mut self) -> Result<(), NodeFault> {
        if self.life.is_some() {
            return Ok(());
        }
        let (calls, waiting) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
        let (stop, stopped) = watch::channel(false);
        let (ground, config) = (self.ground(), self.config.clone());
        let store = RedbStore::open_with_backend(
            self.file(KEEPER_FILE)?,
            config.disk_cap_bytes,
            Check::Whole,
        )
        .map_err(|fault| NodeFault::Keeper(fault.to_string()))?;
        let running = match &self.role {
            Role::Server(key) => {
                let key = key.clone();
                tokio::spawn(async move {
                    assembly::run_server(ground, config, key, store, waiting, stopped).await
                })
            }
            Role::Person(key) => {
                let database = self.file(DATABASE_FILE)?;
                let keys = Box::new(self.file(KEYS_FILE)?);
                let vault = Vault::open_on(database, keys, key, &mut chance())?;
                tokio::spawn(async move {
                    assembly::run_person(ground, config, vault, Some(store), waiting, stopped).await
                })
            }
        };
        self.life = Some(Life {
            calls,
            stop,
            running,
        });
        Ok(())
    }

    /// Ends the process in good order.
    ///
    /// # Errors
    ///
    /// [`NodeFault`] as its process would have ended with.
    pub(super) async fn stop(&mut self) -> Result<(), NodeFault> {
        let Some(life) = self.life.take() else {
            return Ok(());
        };
        life.stop.send_replace(true);
        match life.running.await {
            Ok(ended) => ended,
            Err(fault) => Err(NodeFault::Keeper(format!("the node panicked: {fault}"))),
        }
    }

    /// Ends the process as a power cut does: what is not on the disk is gone, and nobody is told.
    ///
    /// Returns how many writes were lost or torn.
    pub(super) async fn crash(&mut self) -> u64 {
        let Some(life) = self.life.take() else {
            return 0;
        };
        self.internet.crash(self.host);
        let effect = self.disk.crash();
        let lost = effect.unissued_writes
            + effect.lost_writes
            + effect.torn_writes
            + effect.lost_lengths
            + effect.lost_names;
        life.running.abort();
        // It ends with having been aborted.
        let _aborted = life.running.await;
        lost
    }

    /// Returns the way to ask the process things, as a command does.
    pub(super) fn calls(&self) -> Option<mpsc::Sender<ControlCall>> {
        self.life.as_ref().map(|life| life.calls.clone())
    }

    /// Asks the process something.
    pub(super) async fn ask(
        &self,
        request: ControlRequest,
    ) -> Option<Result<ControlReply, ControlFault>> {
        let calls = self.calls()?;
        Some(call(&calls, request).await)
    }

    fn file(&self, name: &str) -> Result<restante_sim_disk::DiskFile, NodeFault> {
        self.disk
            .file(name)
            .map_err(|fault| NodeFault::Keeper(format!("{name}: {fault}")))
    }

    fn ground(&self) -> Ground {
        let disk_lane = || {
            let disk = self.disk.clone();
            Lane::inline_costing(move || disk.take_cost())
        };
        let lanes = Lanes {
            vault: disk_lane(),
            keeper: disk_lane(),
            cpu: Lane::inline_costing(|| CPU_COST),
            stamps: Lane::inline_costing(|| STAMP_COST),
        };
        let costs = Costs {
            id: IdCost::CheapForTests,
            pass: PassCost::CheapForTests,
            stamps: Arc::new(CheapForTests),
        };
        let (internet, host) = (self.internet.clone(), self.host);
        Ground {
            clock: self.clock,
            lanes,
            costs,
            peers: Arc::new(PeersOnDisk(self.disk.clone())),
            transport: Box::new(move |keypair: &Keypair, _| {
                Ok(internet.transport(host, keypair.public().to_peer_id()))
            }),
        }
    }
}

/// The list of known peers, on a simulated disk.
struct PeersOnDisk(Disk);

impl PeerList for PeersOnDisk {
    fn read(&self) -> Option<Vec<u8>> {
        self.0.read_small(PEERS_FILE).ok().flatten()
    }

    fn write(&self, text: &[u8]) -> std::io::Result<()> {
        self.0.write_small(PEERS_FILE, text)
    }
}

/// Returns the randomness that a node uses, which comes from the seed in virtual time.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread of a run has its randomness replaced"
)]
pub(super) fn chance() -> impl CryptoRng {
    rand::rng()
}

/// Returns where a machine with this address listens.
fn address_of(address: Ipv4Addr) -> Multiaddr {
    Multiaddr::from(address)
        .with(Protocol::Udp(PORT))
        .with(Protocol::QuicV1)
}

/// Returns what others put into their configuration to join through a server.
pub(super) fn entry(address: Ipv4Addr, key: &SecretKey) -> Option<Multiaddr> {
    let node = restante_proto::NodeId::new(*key.public().as_bytes());
    let peer: PeerId = peer_of(&node)?;
    address_of(address).with_p2p(peer).ok()
}
