//! The node's side of the control socket.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tracing::{debug, info, warn};

use super::caller::{Caller, PLACES_EACH, Places};
use super::connection::serve;
use super::routes::router;
use super::{ControlCall, EventLog};
use crate::home::{Home, HomeError, HomeLock};

/// Connections at the same time, at most, those that are turned away included.
const CONNECTION_COUNT_MAX: usize = (Places::KINDS + 2) * PLACES_EACH;
/// How long a client may take for the head of its request, for the content, and to take an answer or a batch of events.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long calls under way may take to end once the node is ending.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait when the operating system refuses a connection, which is when it is out of
/// descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How often it is looked whether the socket is still where commands look for it.
const LOOK: Duration = Duration::from_secs(2);

/// The listening control socket of one home; its file goes with it.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    home: Home,
    path: PathBuf,
    /// The file by which the home is locked, as long as it is that one.
    lock: Option<FileId>,
}

/// What tells a file from any other that may come to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl ControlServer {
    /// Binds the control socket of a locked home, in place of one that a killed node left behind.
    ///
    /// # Errors
    ///
    /// [`HomeError::SocketPath`] when the path is too long for this system, [`HomeError::Io`] when
    /// it cannot be bound.
    ///
    /// # Panics
    ///
    /// When called outside a tokio runtime.
    pub fn bind(lock: &HomeLock) -> Result<Self, HomeError> {
        let home = lock.home().clone();
        let path = home.control_socket();
        // The lock is held, so a socket of this name has no node any more.
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let doing = "listen at";
                return Err(HomeError::Io {
                    doing,
                    path,
                    source,
                });
            }
            _ => {}
        }
        Ok(Self {
            listener: listen(&home)?,
            lock: FileId::at(&home.lock_file()).ok(),
            home,
            path,
        })
    }

    /// Listens anew when the socket's file is gone, as when a folder was away for a while or somebody tidied up. Where
    /// the lock is gone too, the home may be another node's by now.
    fn come_back(&mut self) {
        let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        if !FileId::at(&self.path).is_err_and(is_gone) {
            return;
        }
        let is_ours = self.lock.is_some() && FileId::at(&self.home.lock_file()).ok() == self.lock;
        if !is_ours {
            return debug!("the home is not where it was");
        }
        match listen(&self.home) {
            Ok(listener) => {
                info!("the control socket was gone, and is there again");
                self.listener = listener;
            }
            Err(error) => debug!(%error, "the control socket is gone"),
        }
    }

    /// Serves commands until `stop` holds `true`, which a command may bring about, then lets calls
    /// under way end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends every connection at once.
    pub async fn serve(
        mut self,
        calls: mpsc::Sender<ControlCall>,
        events: EventLog,
        stop: watch::Sender<bool>,
    ) {
        let places = Places::new();
        let router: Router = router();
        let mut connections = JoinSet::new();
        let mut stopped = stop.subscribe();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_refused = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
                _ = look.tick() => {
                    self.come_back();
                    continue;
                }
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if !std::mem::replace(&mut is_refused, true) {
                        warn!(%error, "cannot accept commands; retrying");
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            if std::mem::take(&mut is_refused) {
                info!("commands are let in again");
            }
            if !is_own(&stream) {
                debug!("a command of another user was turned away");
                continue;
            }
            let (calls, places) = (calls.clone(), places.clone());
            let caller = Caller::new(calls, places, stop.subscribe(), events.clone());
            let (router, stop) = (router.clone(), stop.clone());
            connections.spawn(async move {
                if serve(stream, router, caller).await {
                    stop.send_replace(true);
                }
            });
            // The oldest must be gone before another one is taken in.
            while connections.len() >= CONNECTION_COUNT_MAX {
                connections.join_next().await;
            }
        }
        let drained = async { while connections.join_next().await.is_some() {} };
        let _late = timeout(DRAIN_TIMEOUT, drained).await;
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // A file left behind is replaced by the next node, and commands know it for stale.
        let _left = fs::remove_file(&self.path);
    }
}

/// Listens at the control socket of a home, which is not there.
fn listen(home: &Home) -> Result<UnixListener, HomeError> {
    let path = home.control_socket();
    let failed = |source| HomeError::Io {
        doing: "listen at",
        path: path.clone(),
        source,
    };
    let address = home.socket_address()?;
    let listener = UnixListener::bind(address.path()).map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Tells whether the process at the other end belongs to this node's user, or to the superuser.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
