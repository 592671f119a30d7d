//! One simulated machine: a disk and an address that last, and the process that runs on it now and then.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use rand::CryptoRng;
use restante::account::{AccountDisk, VaultDisk};
use restante::clock::Clock;
use restante::config::{Config, Serve};
use restante::control::{CALL_QUEUE_COUNT_MAX, ControlCall, EventLog, call};
use restante::keeper::store::KeeperStore;
use restante::net::{Keypair, NetConfig, Network, SpawnError, peer_of};
use restante::node::assembly::{Environment, Net};
use restante::node::person::{self, Person, PersonError, Workers};
use restante::node::{NodeError, PeerList as _, server};
use restante::parts::Hold;
use restante::vault::{DbError, DiskError, KeyError, StoreKey, Vault};
use restante::worker::Worker;
use restante_client::model::Account;
use restante_interface::{IdInfo, Refusal, Reply, Request};
use restante_proto::keys::SecretKey;
use restante_proto::person::{Handle, IdCost};
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::stamp::CheapForTests;
use restante_proto::{Address, NodeId};
use restante_sim_disk::{CrashEffect, DiskFile};
use restante_sim_network::{HostId, Internet};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::adversary::{Character, Colluders, Kept, masked};
use super::storage::{PeersOnDisk, Storage, TableStore};
use super::stores::Watch;
use crate::ideal::Ideal;

mod store;

pub(super) use self::store::KEEPER_FILE;

/// The port that machines listen at, each that shares its address at another one behind it.
pub(super) const PORT: u16 = 4_717;
/// What opening an envelope or computing an ID takes, in virtual time.
const CPU_COST: Duration = Duration::from_millis(3);
/// What making a stamp takes on average, in virtual time: one and a half attempts of 0.6 s.
const STAMP_COST: Duration = Duration::from_millis(900);

/// The files of a machine.
const DATABASE_FILE: &str = "client.redb";
const KEYS_FILE: &str = "message-keys";
/// The files of a person's home.
pub(super) const HOME_FILES: [&str; 2] = [DATABASE_FILE, KEYS_FILE];

/// Who a machine belongs to, and the secrets that its disk does not hold.
pub(super) enum Role {
    /// A community server with its node key.
    Server(Box<SecretKey>),
    /// A person's node; the store key stands for the pass phrase.
    Person(Arc<StoreKey>),
}

/// What a machine is.
pub(super) struct Machine {
    pub(super) host: HostId,
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    /// What its store does with what others entrust to it.
    pub(super) character: Character,
    /// How many items were saved when its store was last found damaged.
    pub(super) salvaged: Option<u64>,
    ahead_ms: &'static AtomicI64,
    colluders: Option<Colluders>,
    internet: Internet,
    /// What takes the place of libp2p, in the fast tier.
    ideal: Option<Ideal>,
    role: Role,
    outside: Multiaddr,
    config: Config,
    watch: Watch,
    life: Option<Life>,
}

/// How a process ended that was not crashed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    /// It said why.
    #[error(transparent)]
    Error(#[from] PersonError),
    /// It has a defect.
    #[error("the node panicked: {0}")]
    Panic(String),
}

/// One process.
struct Life {
    calls: mpsc::Sender<ControlCall>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), PersonError>>,
    hold: Hold,
    is_suspended: bool,
}

/// Where a machine is seen from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outside {
    pub(super) ip: Ipv4Addr,
    pub(super) port: u16,
}

/// Where a machine stands in the network.
pub(super) struct Place {
    pub(super) host: HostId,
    pub(super) address: Outside,
    /// Whether its operator vouches for its address.
    pub(super) vouched: bool,
    /// Whether it keeps items for others.
    pub(super) serve: Serve,
    pub(super) bootstrap: Vec<Multiaddr>,
}

impl Machine {
    pub(super) fn new(
        role: Role,
        place: Place,
        (internet, ideal, storage): (Internet, Option<Ideal>, Storage),
        ahead_ms: i64,
        cap_bytes: u64,
        watch: Watch,
    ) -> Self {
        let outside = address_of(place.address);
        // A clock is handed to every part of a node by value; this one lasts as long as all copies.
        let ahead_ms: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(ahead_ms)));
        let config = Config {
            network: "sim".to_owned(),
            serve: place.serve,
            external: if place.vouched {
                vec![outside.clone()]
            } else {
                Vec::new()
            },
            listen: vec![address_of(Outside {
                ip: Ipv4Addr::UNSPECIFIED,
                ..place.address
            })],
            bootstrap: place.bootstrap,
            disk_cap_bytes: cap_bytes,
            ..Config::default()
        };
        Self {
            host: place.host,
            storage,
            clock: Clock::set_by(ahead_ms),
            character: Character::default(),
            salvaged: None,
            ahead_ms,
            colluders: None,
            internet,
            ideal,
            role,
            outside,
            config,
            watch,
            life: None,
        }
    }

    /// Makes a machine elsewhere that goes on from a copy of this person's home.
    pub(super) fn twin(
        &self,
        (host, address): (HostId, Outside),
        storage: Storage,
        watch: Watch,
    ) -> Option<Self> {
        let Role::Person(key) = &self.role else {
            return None;
        };
        let serve = match self.ideal {
            // Ideal routing knows a node by its key, and the two would have the same.
            Some(_) => Serve::Never,
            None => self.config.serve,
        };
        let place = Place {
            host,
            address,
            vouched: false,
            serve,
            bootstrap: self.config.bootstrap.clone(),
        };
        let network = (self.internet.clone(), self.ideal.clone(), storage);
        let (ahead_ms, cap_bytes) = (self.ahead_ms(), self.config.disk_cap_bytes);
        let role = Role::Person(Arc::clone(key));
        Some(Self::new(role, place, network, ahead_ms, cap_bytes, watch))
    }

    /// Makes it one of some colluders, whose addresses are given with their names.
    pub(super) fn collude(&mut self, colluders: Colluders, all: &[Multiaddr]) {
        let entries = std::mem::take(&mut self.config.bootstrap);
        let entries = entries.into_iter().map(masked);
        self.config.bootstrap = entries.chain(all.iter().cloned()).collect();
        self.config.external = vec![self.outside.clone()];
        self.colluders = Some(colluders);
    }

    /// Returns how far its clock is ahead, or behind if it is negative, in milliseconds.
    pub(super) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    /// Puts its clock forward, or back, by so many milliseconds.
    pub(super) fn turn_clock(&self, by_ms: i64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Returns the key of a community server.
    pub(super) const fn server_key(&self) -> Option<&SecretKey> {
        match &self.role {
            Role::Server(key) => Some(key),
            Role::Person(_) => None,
        }
    }

    /// Returns whether it is a personal node.
    pub(super) const fn is_personal(&self) -> bool {
        matches!(self.role, Role::Person(_))
    }

    /// Makes the account of a person on an empty storage, long before the run.
    pub(super) fn create_account(&self, handle: &str) -> Result<IdInfo, PersonError> {
        let Role::Person(key) = &self.role else {
            return Err(NodeError::Keeper("a server has no account".into()).into());
        };
        let (cost, rng) = (IdCost::CheapForTests, &mut chance());
        let phrase = RecoveryPhrase::generate(rng);
        let handle: Handle = handle
            .parse()
            .map_err(|_| NodeError::Keeper("no handle".into()))?;
        if let Storage::Tables(tables) = &self.storage {
            let account = Account::generate(&phrase, handle, self.clock.now(), cost, rng);
            let info = restante_client::id_info(&account);
            tables.put_account(account);
            return Ok(info);
        }
        let database = self.file(DATABASE_FILE)?;
        let keys = Box::new(self.file(KEYS_FILE)?);
        let vault = Vault::create_on(database, keys, key, rng)?;
        let info = person::create_in(&vault, &phrase, handle, self.clock, cost)?;
        vault.close()?;
        self.storage.settle();
        Ok(info)
    }

    /// Returns the first-contact mailbox of its person on the day of its clock, as anybody can tell who has the card.
    pub(super) fn first_contact_mailbox(&self) -> Option<Address> {
        let Role::Person(key) = &self.role else {
            return None;
        };
        let now = self.clock.now();
        let loaded = self.account_disk(key).ok()?.load().ok()?;
        self.storage.close_all();
        self.storage.settle();
        let mailbox = loaded.account.identity.first_contact_mailbox(now.epoch());
        Some(mailbox.address())
    }

    /// Returns the nodes that it knew when it last wrote them down, as many as it remembers; none where it has no
    /// files.
    pub(super) fn remembered(&self) -> Vec<NodeId> {
        let list = PeersOnDisk(self.storage.clone()).read().unwrap_or_default();
        let list: Vec<serde_json::Value> = serde_json::from_slice(&list).unwrap_or_default();
        let node = |peer: &serde_json::Value| node_of_hex(peer.get("node")?.as_str()?);
        list.iter().filter_map(node).collect()
    }

    /// Returns whether a process runs on it.
    pub(super) const fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Starts a process unless one runs.
    ///
    /// # Errors
    ///
    /// [`PersonError`] when its files cannot be opened.
    pub(super) fn start(&mut self) -> Result<(), PersonError> {
        if self.life.is_some() {
            return Ok(());
        }
        if let Storage::Tables(tables) = &self.storage {
            let store = TableStore(tables.clone());
            return self.start_with(store);
        }
        let store = self.open_store()?;
        self.start_with(store)
    }

    fn start_with(&mut self, store: impl KeeperStore) -> Result<(), PersonError> {
        let (calls, waiting) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
        let (stop, stopped) = watch::channel(false);
        let (environment, config) = (self.environment(), self.config.clone());
        let hold = Hold::default();
        #[cfg(debug_assertions)]
        let store = crate::world::planted::FaultyStore::new(store);
        let store = self.observe(store);
        #[cfg(debug_assertions)]
        let store = crate::world::planted::HastyStore::new(store);
        let store = Kept::new(store, self.character.clone());
        let running = match &self.role {
            Role::Server(key) => {
                let key = SecretKey::clone(key);
                let server = async move {
                    let run = server::run_in(environment, config, key, store, waiting, stopped);
                    run.await.map_err(PersonError::from)
                };
                tokio::spawn(hold.clone().over(server))
            }
            Role::Person(key) => {
                let disk = self.account_disk(key)?;
                #[cfg(debug_assertions)]
                let disk: Arc<dyn AccountDisk> = Arc::new(super::planted::ForgetfulDisk(disk));
                let person = Person {
                    disk,
                    workers: self.workers(),
                    id_cost: IdCost::CheapForTests,
                };
                let store = Some(store);
                let events = EventLog::new(0);
                let node =
                    person::run_in(environment, config, person, store, waiting, events, stopped);
                tokio::spawn(hold.clone().over(node))
            }
        };
        self.life = Some(Life {
            calls,
            stop,
            running,
            hold,
            is_suspended: false,
        });
        Ok(())
    }

    fn account_disk(&self, key: &StoreKey) -> Result<Arc<dyn AccountDisk>, PersonError> {
        if let Storage::Tables(tables) = &self.storage {
            return Ok(Arc::new(tables.clone()));
        }
        let disk = self.storage.files().cloned().ok_or_else(store::no_files)?;
        let open = move |key: &StoreKey| {
            let file = |name| disk.file(name).map_err(|error| DiskError::from(&error));
            let database = file(DATABASE_FILE).map_err(DbError::from)?;
            let keys = Box::new(file(KEYS_FILE).map_err(KeyError::from)?);
            Vault::open_on(database, keys, key, &mut chance())
        };
        let vault = open(key)?;
        let key = vault.store_key();
        Ok(Arc::new(VaultDisk::opened_by(vault, move || open(&key))))
    }

    /// Holds the process until it is told to go on, or ends.
    pub(super) fn suspend(&mut self) {
        if let Some(life) = &mut self.life {
            life.is_suspended = true;
            life.hold.hold();
        }
    }

    /// Lets the process go on.
    pub(super) fn resume(&mut self) {
        if let Some(life) = &mut self.life {
            life.is_suspended = false;
            life.hold.release();
        }
    }

    /// Ends the process in good order.
    ///
    /// # Errors
    ///
    /// [`Ending`] when it was no good one.
    pub(super) async fn stop(&mut self) -> Result<(), Ending> {
        let Some(life) = self.life.take() else {
            return Ok(());
        };
        life.hold.release();
        life.stop.send_replace(true);
        let running = life.running.await;
        self.storage.close_all();
        match running {
            Ok(ended) => Ok(ended?),
            Err(error) => Err(Ending::Panic(error.to_string())),
        }
    }

    /// Returns how its process has ended by itself, if it has.
    pub(super) async fn ended(&mut self) -> Option<Result<(), Ending>> {
        let life = self.life.as_ref()?;
        if !life.running.is_finished() {
            return None;
        }
        Some(self.stop().await)
    }

    /// Ends the process as a power cut does: what is not on the disk is gone, and no part is told.
    ///
    /// Returns what that did to the disk.
    pub(super) async fn crash(&mut self) -> CrashEffect {
        let Some(life) = self.life.take() else {
            // A process may have ended by itself because its power was cut.
            if self.storage.is_power_cut() {
                self.watch.on_crash();
                return self.storage.crash();
            }
            return CrashEffect::default();
        };
        match &self.ideal {
            Some(ideal) => ideal.crash(self.host),
            None => self.internet.crash(self.host),
        }
        self.watch.on_crash();
        let effect = self.storage.crash();
        life.running.abort();
        // Its other parts end when they find that it is gone.
        life.hold.release();
        // It ends with having been aborted.
        let _aborted = life.running.await;
        effect
    }

    /// Returns the way to ask the process things, as a command does, if it answers.
    pub(super) fn calls(&self) -> Option<mpsc::Sender<ControlCall>> {
        let life = self.life.as_ref().filter(|life| !life.is_suspended);
        life.map(|life| life.calls.clone())
    }

    /// Asks the process something.
    pub(super) async fn ask(&self, request: Request) -> Option<Result<Reply, Refusal>> {
        let calls = self.calls()?;
        Some(call(&calls, request).await)
    }

    /// Returns how many connections, or links in their place, a crash would end.
    pub(super) fn connections(&self) -> usize {
        match &self.ideal {
            Some(ideal) => ideal.links_of(self.host),
            None => self.internet.connections_of(self.host),
        }
    }

    fn file(&self, name: &str) -> Result<DiskFile, NodeError> {
        let disk = self.storage.files();
        let disk = disk.ok_or_else(store::no_files)?;
        disk.file(name)
            .map_err(|error| NodeError::Keeper(format!("{name}: {error}")))
    }

    fn workers(&self) -> Workers {
        let storage = self.storage.clone();
        Workers {
            disk: Worker::inline_costing(move || storage.take_cost()),
            processor: Worker::inline_costing(|| CPU_COST),
            stamps: Worker::inline_costing(|| STAMP_COST),
            backups: Worker::inline(),
        }
    }

    fn environment(&self) -> Environment {
        let (storage, watch) = (self.storage.clone(), self.watch.clone());
        let keeper = Worker::inline_costing(move || {
            let cost = storage.take_cost();
            watch.on_cost(cost);
            cost
        });
        let (internet, host) = (self.internet.clone(), self.host);
        let (ideal, colluders) = (self.ideal.clone(), self.colluders.clone());
        Environment {
            clock: self.clock,
            keeper,
            stamps: Arc::new(CheapForTests),
            peers: Arc::new(PeersOnDisk(self.storage.clone())),
            network: Box::new(move |config, keypair| match ideal {
                Some(ideal) => ideal.spawn(host, config, keypair),
                None => spawn_network(&internet, host, colluders, config, keypair),
            }),
        }
    }
}

/// Starts libp2p on the simulated internet.
fn spawn_network(
    internet: &Internet,
    host: HostId,
    colluders: Option<Colluders>,
    config: &NetConfig,
    keypair: &Keypair,
) -> Result<Net, SpawnError> {
    let network = internet.transport(host, keypair.public().to_peer_id());
    let network = match colluders {
        Some(colluders) => colluders.see(network),
        None => network,
    };
    Network::spawn(config, keypair, network)
}

/// Counts the writes that a crash lost or tore.
pub(super) const fn lost_writes(effect: &CrashEffect) -> u64 {
    effect.unissued_writes
        + effect.lost_writes
        + effect.torn_writes
        + effect.lost_lengths
        + effect.lost_names
}

/// Returns the randomness that a node uses, which comes from the seed in virtual time.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread of a run has its randomness replaced"
)]
pub(super) fn chance() -> impl CryptoRng {
    rand::rng()
}

fn address_of(address: Outside) -> Multiaddr {
    Multiaddr::from(address.ip)
        .with(Protocol::Udp(address.port))
        .with(Protocol::QuicV1)
}

fn node_of_hex(text: &str) -> Option<NodeId> {
    let mut bytes = [0; 32];
    for (number, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * number..2 * number + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(NodeId::new(bytes))
}

/// Returns what others put into their configuration to join through a server.
pub(super) fn entry(address: Outside, key: &SecretKey) -> Option<Multiaddr> {
    let node = NodeId::new(*key.public().as_bytes());
    let peer: PeerId = peer_of(&node)?;
    address_of(address).with_p2p(peer).ok()
}
