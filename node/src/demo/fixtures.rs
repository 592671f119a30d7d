//! The nodes of the demonstration.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restante_interface::{HoldingItem, IdInfo, Reply, Request, StatusInfo};
use restante_proto::person::Handle;
use restante_proto::phrase::RecoveryPhrase;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{DemoError, broken};
use restante::cli::Failure;
use restante::config::{Config, Serve};
use restante::control::{CALL_QUEUE_COUNT_MAX, ControlCall, EventLog, call};
use restante::home::Home;
use restante::node::person::{self, Costs, PersonError};
use restante::node::server;
use restante::passphrase::Passphrase;
use restante::worker::Worker;

/// How long anything here may take before the demonstration has failed: it takes seconds, and much longer on a machine
/// that still builds something else.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(50);
/// The pass phrase of both people.
const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// A node that runs, and the way to ask it things.
pub(super) struct RunningNode {
    calls: mpsc::Sender<ControlCall>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), PersonError>>,
}

impl RunningNode {
    fn start<F>(run: impl FnOnce(mpsc::Receiver<ControlCall>, watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Result<(), PersonError>> + Send + 'static,
    {
        let (calls, waiting) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(waiting, stopped));
        Self {
            calls,
            stop,
            running,
        }
    }

    /// Asks the node what a command would.
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, DemoError> {
        let outcome = tokio::time::timeout(PATIENCE, call(&self.calls, request)).await;
        let reply = outcome.map_err(|_| broken("a node does not answer"))?;
        reply.map_err(|refusal| {
            broken(format!(
                "a node refuses: {}",
                Failure::from(refusal).message
            ))
        })
    }

    /// Returns how the node is doing.
    pub(super) async fn status(&self) -> Result<StatusInfo, DemoError> {
        match self.ask(Request::Status).await? {
            Reply::Status(status) => Ok(*status),
            _ => Err(broken("a node answers something else than its status")),
        }
    }

    /// Returns what the node holds for others.
    pub(super) async fn holdings(&self) -> Result<Vec<HoldingItem>, DemoError> {
        match self.ask(Request::Holdings { after: None }).await? {
            Reply::Holdings(page) => Ok(page.items),
            _ => Err(broken("a node answers something else than its holdings")),
        }
    }

    /// Waits until the status is as wanted.
    pub(super) async fn wait(
        &self,
        what: &str,
        wanted: impl Fn(&StatusInfo) -> bool,
    ) -> Result<StatusInfo, DemoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await?;
            if wanted(&status) {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(broken(format!("waited too long: {what}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the node in good order.
    pub(super) async fn leave(self) -> Result<(), DemoError> {
        self.stop.send_replace(true);
        match tokio::time::timeout(PATIENCE, self.running).await {
            Ok(Ok(ended)) => Ok(ended?),
            Ok(Err(_)) => Err(broken("a node has panicked")),
            Err(_) => Err(broken("a node does not end")),
        }
    }
}

/// Everybody, and where their homes are.
pub(super) struct Nodes {
    folder: PathBuf,
    entry: Vec<libp2p::Multiaddr>,
    pub(super) keepers: Vec<RunningNode>,
}

impl Nodes {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            entry: Vec::new(),
            keepers: Vec::new(),
        }
    }

    /// Returns the folder of everybody's homes.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server, which becomes everybody's way in; it keeps items too.
    pub(super) async fn start_server(&mut self) -> Result<(), DemoError> {
        let server = self.start_community("server")?;
        let status = server
            .wait("the server listens", |s| !s.listen.is_empty())
            .await?;
        let address = status.listen.iter().find(|at| at.contains("127.0.0.1"));
        let address = address
            .or_else(|| status.listen.first())
            .ok_or_else(|| broken("no address"))?;
        self.entry = vec![
            address
                .parse()
                .map_err(|_| broken("the server's address"))?,
        ];
        self.keepers.push(server);
        Ok(())
    }

    /// Starts keepers and waits until they know each other.
    pub(super) async fn start_keepers(&mut self, count: usize) -> Result<(), DemoError> {
        for number in 1..=count {
            let keeper = self.start_community(&format!("keeper{number}"))?;
            self.keepers.push(keeper);
        }
        let enough = u32::try_from(count.min(5)).unwrap_or(1);
        for keeper in &self.keepers {
            keeper
                .wait("the keepers find each other", |s| s.routing_table >= enough)
                .await?;
        }
        Ok(())
    }

    fn start_community(&self, name: &str) -> Result<RunningNode, DemoError> {
        let (home, ()) = Home::create::<(), DemoError>(&self.folder.join(name), |staging| {
            std::fs::write(staging.community_file(), b"").map_err(|source| DemoError::Io {
                doing: "making a home",
                source,
            })?;
            Ok(server::create_key(&staging.node_key_file()).map_err(PersonError::from)?)
        })?;
        let config = Config {
            bootstrap: self.entry.clone(),
            ..Config::local()
        };
        let run = |calls, stop| async move { Ok(server::run(&home, config, calls, stop).await?) };
        Ok(RunningNode::start(run))
    }

    /// Makes an account.
    pub(super) async fn create(&self, name: &str) -> Result<IdInfo, DemoError> {
        let path = self.folder.join(name);
        let handle: Handle = name.parse().map_err(|_| broken("a handle"))?;
        let worker = Worker::thread("create").map_err(|source| DemoError::Io {
            doing: "starting a thread",
            source,
        })?;
        let made = worker.run(move || {
            Home::create::<IdInfo, DemoError>(&path, |staging| {
                let phrase = RecoveryPhrase::generate(&mut rand::rng());
                Ok(person::create(
                    staging,
                    &phrase,
                    &handle,
                    &passphrase()?,
                    &Costs::production(),
                )?)
            })
        });
        let made = made.await.map_err(PersonError::from)?;
        Ok(made?.1)
    }

    /// Starts a person's node; it asks others and keeps nothing for them, as a phone would.
    pub(super) fn start(&self, name: &str) -> Result<RunningNode, DemoError> {
        let home = Home::open(&self.folder.join(name))?;
        let config = Config {
            bootstrap: self.entry.clone(),
            serve: Serve::Never,
            ..Config::local()
        };
        let passphrase = passphrase()?;
        Ok(RunningNode::start(|calls, stop| async move {
            let (costs, events) = (Costs::production(), EventLog::new(0));
            person::run(&home, config, passphrase, costs, calls, events, stop).await
        }))
    }

    /// Returns how many envelopes all keepers hold together.
    pub(super) async fn envelopes(&self) -> Result<Vec<HoldingItem>, DemoError> {
        let mut envelopes = Vec::new();
        for keeper in &self.keepers {
            let held = keeper.holdings().await?;
            envelopes.extend(held.into_iter().filter(|item| item.kind == "envelope"));
        }
        Ok(envelopes)
    }

    /// Waits until no keeper holds an envelope.
    pub(super) async fn wait_empty(&self) -> Result<(), DemoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.envelopes().await?.len();
            if left == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(broken(format!("keepers still hold {left} envelopes")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the server and the keepers.
    pub(super) async fn leave(self) {
        for keeper in &self.keepers {
            keeper.stop.send_replace(true);
        }
        for keeper in self.keepers {
            let _ended_anyhow = keeper.leave().await;
        }
    }
}

fn passphrase() -> Result<Passphrase, DemoError> {
    Passphrase::new(PASSPHRASE.to_vec()).map_err(|error| broken(error.to_string()))
}
