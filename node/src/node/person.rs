//! A person's node.

use std::sync::Arc;

use restante_interface::IdInfo;
use restante_proto::keys::SecretKey;
use restante_proto::person::{Handle, IdCost};
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::stamp::{Equihash, StampScheme};
use tokio::sync::{mpsc, watch};
use tracing::info;

use super::assembly::{Environment, Running};
use super::{ClientEvent, NodeError, environment, open_store, worker};
use crate::account::backup::Plan;
use crate::account::{self, AccountDisk, AccountStoreError, Driver, Services, Settings, VaultDisk};
use crate::clock::Clock;
use crate::config::{Config, Serve};
use crate::control::{ControlCall, EventLog};
use crate::home::Home;
use crate::keeper::store::KeeperStore;
use crate::net::NetLimits;
use crate::passphrase::Passphrase;
use crate::vault::{PassCost, Vault, VaultError};
use crate::worker::{Worker, WorkerEnded};

/// Events of the network that may wait for the account.
const EVENTS_MAX: usize = 1_024;

/// Why a person's node could not be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// The vault of the home.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is in the vault.
    #[error(transparent)]
    Store(#[from] AccountStoreError),
    /// Everything that a server has too.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<WorkerEnded> for PersonError {
    fn from(error: WorkerEnded) -> Self {
        Self::Node(NodeError::Worker(error))
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

/// Where a person's blocking work runs, one worker for each kind, so that a stamp never holds up a commit.
#[derive(Clone, Debug)]
pub struct Workers {
    /// Reads and writes the account's disk.
    pub disk: Worker,
    /// Opens envelopes and runs Argon2id.
    pub processor: Worker,
    /// Makes stamps.
    pub stamps: Worker,
    /// Writes backups.
    pub backups: Worker,
}

impl Workers {
    fn threads() -> Result<Self, NodeError> {
        Ok(Self {
            disk: worker("vault")?,
            processor: worker("cpu")?,
            stamps: worker("stamps")?,
            backups: worker("backups")?,
        })
    }
}

/// Makes the account of a recovery phrase in an empty home; slow on purpose, twice.
///
/// # Errors
///
/// [`PersonError`] when the vault cannot be made.
pub fn create(
    home: &Home,
    phrase: &RecoveryPhrase,
    handle: &Handle,
    passphrase: &Passphrase,
    costs: &Costs,
) -> Result<IdInfo, PersonError> {
    let mut rng = rand::rng();
    let vault = Vault::create(home.path(), passphrase.as_bytes(), costs.pass, &mut rng)?;
    let info = create_in(&vault, phrase, handle.clone(), Clock::system(), costs.id)?;
    vault.close()?;
    Ok(info)
}

/// Makes the account of a recovery phrase in an empty vault; slow on purpose.
///
/// # Errors
///
/// [`PersonError`] when the vault cannot be written.
pub fn create_in(
    vault: &Vault,
    phrase: &RecoveryPhrase,
    handle: Handle,
    clock: Clock,
    cost: IdCost,
) -> Result<IdInfo, PersonError> {
    let account = account::create_account(vault, phrase, handle, clock.now(), cost)?;
    Ok(restante_client::id_info(&account))
}

/// Runs the node of a home until `stop` holds `true`; what happens to its person goes to `events`.
///
/// # Errors
///
/// [`PersonError`] when it cannot be started; once it runs, it runs.
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
    events: EventLog,
    stop: watch::Receiver<bool>,
) -> Result<(), PersonError> {
    let (workers, keeper) = (Workers::threads()?, worker("keeper")?);
    let folder = home.path().to_owned();
    let opened = workers
        .disk
        .run(move || Vault::open(&folder, passphrase.as_bytes(), &mut rand::rng()));
    let disk = VaultDisk::in_home(opened.await??, home.path());
    let store = match config.serve {
        Serve::Never => None,
        Serve::Auto => Some(open_store(home, &config, &keeper).await?),
    };
    let environment = environment(home, costs.stamps, keeper);
    let person = Person {
        disk: Arc::new(disk),
        workers,
        id_cost: costs.id,
    };
    run_in(environment, config, person, store, calls, events, stop).await
}

/// What a person's node has beside what every node has.
pub struct Person {
    /// The account.
    pub disk: Arc<dyn AccountDisk>,
    /// Where blocking work runs.
    pub workers: Workers,
    /// What IDs cost on this network.
    pub id_cost: IdCost,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").finish_non_exhaustive()
    }
}

/// Runs a person's node in any environment until `stop` holds `true`; with a store, it keeps items for others. What
/// happens to the person goes to `events`.
///
/// # Errors
///
/// [`PersonError`] when it cannot be started; once it runs, it runs.
///
/// # Cancel safety
///
/// Dropping the future ends the node as a crash would: nothing acknowledged is lost.
pub async fn run_in<S: KeeperStore>(
    environment: Environment,
    config: Config,
    person: Person,
    store: Option<S>,
    calls: mpsc::Receiver<ControlCall>,
    events: EventLog,
    stop: watch::Receiver<bool>,
) -> Result<(), PersonError> {
    let Person {
        disk,
        workers,
        id_cost,
    } = person;
    let reader = Arc::clone(&disk);
    let loaded = workers.disk.run(move || reader.load()).await??;
    // Who keeps nothing for others need not be known again: keepers cannot link one run to the next.
    let key = match config.serve {
        Serve::Never => SecretKey::generate(&mut rand::rng()),
        Serve::Auto => loaded.account.node.clone(),
    };
    let settings = Settings {
        network: config.network.clone(),
        retention_ms: config.retention_ms,
        ttl_ms: config.ttl_ms,
        effort_max: config.stamp_effort_max,
        is_first: config.bootstrap.is_empty(),
        backups: config.backup_folder.clone().map(|folder| Plan {
            folder,
            every_ms: config.backup_every_ms,
            keep: config.backup_keep as usize,
        }),
    };
    let stamps = Arc::clone(&environment.stamps);
    let mut running = Running::start(environment, config, NetLimits::personal(), &key, store)?;
    let services = Services {
        clock: running.clock,
        net: running.net.clone(),
        keeper: running.keeper.clone(),
        disk,
        workers,
        events,
        costs: restante_client::job::Costs {
            id: id_cost,
            stamps,
        },
    };
    let driver = Driver::new(loaded, services, settings);
    let (heard_in, heard) = mpsc::channel::<ClientEvent>(EVENTS_MAX);
    running.route(Some(heard_in));
    info!("the node is running");
    driver.run(calls, heard, stop).await;
    running.end().await;
    Ok(())
}
