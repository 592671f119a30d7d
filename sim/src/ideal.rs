//! A network without connections: what nodes ask of theirs is carried from process to process, and who is nearest to
//! an address is known.
//!
//! It takes the place of libp2p's swarm behind the same [`Command`]s and [`NetEvent`]s, so that keepers and clients
//! run as they are shipped. Paths are those of the [`Internet`]: latency, loss, lines,
//! cuts and hosts without network. What it leaves out is how connections come about and what routing does not know
//! yet: a request is under way at once, lookups find exactly the serving nodes that can be reached, and whoever can be
//! dialled serves after [`JOIN`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use restante::net::limits::{COMMANDS_MAX, EVENTS_MAX};
use restante::net::{Command, Keypair, NetConfig, NetHandle, Serve, SpawnError, node_of};
use restante::node::assembly::Net;
use restante::parts::part;
use restante_sim_network::{HostId, Internet};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

mod commands;
mod event;
mod links;
#[cfg(debug_assertions)]
mod planted;
mod processes;
mod state;

use self::state::{Life, State};

/// How long it takes until others know that a node can be dialled for whose address nobody vouches.
const JOIN: Duration = Duration::from_secs(5);

/// The network of a run; clones are the same.
#[derive(Clone)]
pub(crate) struct Ideal(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something is due sooner than the driver knows.
    sooner: Notify,
    /// Time does not go on.
    spinning: Notify,
}

impl Ideal {
    pub(crate) fn new(internet: Internet) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(internet)),
            sooner: Notify::new(),
            spinning: Notify::new(),
        }))
    }

    /// Lets happen what is due, for ever: to be spawned on the runtime.
    pub(crate) async fn drive(self) {
        loop {
            let next = self.with(State::run_due);
            tokio::select! {
                biased;
                () = sleep_until(next) => {}
                () = self.0.sooner.notified() => {}
            }
        }
    }

    /// Waits until so much goes on at one moment that it is a loop.
    pub(crate) async fn spins(&self) {
        self.0.spinning.notified().await;
    }

    /// Starts the network of a process on a host; one that still runs there crashes.
    ///
    /// # Errors
    ///
    /// [`SpawnError::KeyKind`].
    pub(crate) fn spawn(
        &self,
        host: HostId,
        config: &NetConfig,
        keypair: &Keypair,
    ) -> Result<Net, SpawnError> {
        let peer = keypair.public().to_peer_id();
        let node = node_of(&peer).ok_or(SpawnError::KeyKind)?;
        let (commands, waiting) = mpsc::channel(COMMANDS_MAX);
        let (events, events_end) = mpsc::channel(EVENTS_MAX);
        let vouched = !config.external.is_empty();
        let life = self.with(|state| {
            let serves = config.serve == Serve::Auto && (vouched || state.internet.is_public(host));
            let after = if vouched { Duration::ZERO } else { JOIN };
            state.start(host, (node, peer), events, serves.then_some(after))
        });
        tokio::spawn(part(self.clone().obey(life, waiting)));
        Ok((NetHandle::new(commands), events_end))
    }

    /// Ends a host's process without a word.
    pub(crate) fn crash(&self, host: HostId) {
        self.with(|state| state.crash(host));
    }

    /// Returns how many links and requests a host has an end of.
    pub(crate) fn links_of(&self, host: HostId) -> usize {
        self.with(|state| state.links_of(host))
    }

    /// Returns how many links there are.
    pub(crate) fn links(&self) -> usize {
        self.with(|state| state.links.len())
    }

    async fn obey(self, life: Life, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Shutdown(reply) => {
                    self.with(|state| state.leave(life));
                    let _gone = reply.send(());
                    return;
                }
                command => self.with(|state| state.on_command(life, command)),
            }
        }
        self.with(|state| state.leave(life));
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_spinning_at(Instant::now()) {
            self.0.spinning.notify_one();
        }
        let result = act(&mut state);
        if std::mem::take(&mut state.is_sooner) {
            self.0.sooner.notify_one();
        }
        result
    }
}
