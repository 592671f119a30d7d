//! The node's side of the control socket.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use restante_interface::{InboxPage, Refusal, Reply, Request, VERSION};
use tokio::io::AsyncReadExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};
use tracing::{debug, info, warn};

use super::frame::{
    self, ANSWER_BYTES_MAX, AnswerFrame, FrameError, REQUEST_BYTES_MAX, RequestFrame,
    RequestVersion,
};
use super::{ControlCall, Pending};
use crate::home::{Home, HomeError, HomeLock};

/// Commands of one kind served at the same time, at most; a further one is told to come back. Kinds have places of
/// their own, so that any number of readers who wait keep nobody from sending, and nothing keeps out who looks or
/// stops.
pub const PLACES_EACH: usize = 32;
/// Connections at the same time, at most, those that are turned away included.
const CONNECTION_COUNT_MAX: usize = 5 * PLACES_EACH;
/// How long a command may take to make its request, and to take a frame of the answer.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);
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
    pub async fn serve(mut self, calls: mpsc::Sender<ControlCall>, stop: watch::Sender<bool>) {
        let places = Places::new();
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
            let (calls, stop, places) = (calls.clone(), stop.clone(), places.clone());
            connections.spawn(async move {
                match Connection::new(stream).serve(&places, calls, stop).await {
                    Ok(()) => {}
                    Err(error) => debug!(%error, "a command was not served to the end"),
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

/// The places of each kind of command.
#[derive(Clone)]
struct Places {
    /// Of those that wait for messages.
    waiting: Arc<Semaphore>,
    /// Of those that change or show what people have.
    ordinary: Arc<Semaphore>,
    /// Of those that look at the node itself.
    looking: Arc<Semaphore>,
}

impl Places {
    fn new() -> Self {
        let places = || Arc::new(Semaphore::new(PLACES_EACH));
        Self {
            waiting: places(),
            ordinary: places(),
            looking: places(),
        }
    }

    /// Takes a place for a request; refused when all of its kind are taken.
    fn take(&self, request: &Request) -> Result<OwnedSemaphorePermit, Refusal> {
        let kind = match request {
            Request::Inbox(inbox) if inbox.wait_ms > 0 => &self.waiting,
            Request::Status | Request::Doctor | Request::Id | Request::Stop => &self.looking,
            _ => &self.ordinary,
        };
        let max = PLACES_EACH as u32;
        Arc::clone(kind)
            .try_acquire_owned()
            .map_err(|_| Refusal::Busy { max })
    }
}

/// One command being served.
struct Connection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

impl Connection {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader, writer }
    }

    async fn serve(
        mut self,
        places: &Places,
        calls: mpsc::Sender<ControlCall>,
        stop: watch::Sender<bool>,
    ) -> Result<(), FrameError> {
        let reading = frame::read(&mut self.reader, REQUEST_BYTES_MAX);
        let request = match timeout(FRAME_TIMEOUT, reading).await {
            Ok(Ok(Some(bytes))) => request(&bytes),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(FrameError::Io(error))) => return Err(FrameError::Io(error)),
            Ok(Err(error)) => Err(malformed(&error)),
            Err(_late) => Err(Refusal::TimedOut),
        };
        let place = request.as_ref().map(|request| places.take(request));
        let _place = match place {
            Ok(Err(refusal)) => return self.put(&AnswerFrame::Refusal(refusal)).await,
            Ok(Ok(place)) => Some(place),
            Err(_) => None,
        };
        match request {
            Err(refusal) => self.put(&AnswerFrame::Refusal(refusal)).await,
            Ok(Request::Stop) => {
                let told = self.put(&AnswerFrame::Reply(Reply::Done)).await;
                stop.send_replace(true);
                told
            }
            Ok(request) => {
                let (call, pending) = ControlCall::new(request);
                if calls.send(call).await.is_err() {
                    return self.put(&AnswerFrame::Refusal(Refusal::Stopping)).await;
                }
                self.relay(pending, &stop).await
            }
        }
    }

    /// Passes answers on, until the final one or until the command goes away.
    async fn relay(
        mut self,
        mut pending: Pending,
        stop: &watch::Sender<bool>,
    ) -> Result<(), FrameError> {
        let mut unexpected = [0; 1];
        loop {
            tokio::select! {
                biased;
                Some(report) = pending.progress.recv() => {
                    self.put(&AnswerFrame::Progress(report)).await?;
                }
                outcome = &mut pending.outcome => {
                    // Reports and the outcome come by different ways; none may come after it.
                    while let Ok(report) = pending.progress.try_recv() {
                        self.put(&AnswerFrame::Progress(report)).await?;
                    }
                    let answer = match outcome {
                        Ok(Ok(reply)) => AnswerFrame::Reply(reply),
                        Ok(Err(refusal)) => AnswerFrame::Refusal(refusal),
                        Err(_) if *stop.borrow() => AnswerFrame::Refusal(Refusal::Stopping),
                        Err(_) => AnswerFrame::Refusal(internal("the node gave no answer")),
                    };
                    return self.put(&answer).await;
                }
                // A command sends nothing after its request, so the end of the stream means that it is gone.
                _ = self.reader.read(&mut unexpected) => return Ok(()),
            }
        }
    }

    async fn put(&mut self, answer: &AnswerFrame) -> Result<(), FrameError> {
        let bytes = match frame::encode(answer, ANSWER_BYTES_MAX) {
            Err(FrameError::TooLong { .. }) => fit(answer)?,
            encoded => encoded?,
        };
        match timeout(FRAME_TIMEOUT, frame::write(&mut self.writer, &bytes)).await {
            Ok(written) => written,
            Err(_late) => Err(FrameError::Io(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Tells whether the process at the other end belongs to this node's user, or to the superuser.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Decodes the version first: a request of another version need not be one that this node knows.
fn request(bytes: &[u8]) -> Result<Request, Refusal> {
    let RequestVersion { version } = frame::decode(bytes).map_err(|error| malformed(&error))?;
    if version != VERSION {
        return Err(Refusal::Version {
            node: VERSION,
            command: version,
        });
    }
    let frame: RequestFrame = frame::decode(bytes).map_err(|error| malformed(&error))?;
    Ok(frame.request)
}

/// Returns a frame for an answer that is too long: a page of messages is cut, anything else is a
/// defect.
fn fit(answer: &AnswerFrame) -> Result<frame::FrameBytes, FrameError> {
    if let AnswerFrame::Reply(Reply::Inbox(page)) = answer {
        let mut count = page.messages.len() / 2;
        while count > 0 {
            let cut = InboxPage {
                messages: page.messages[..count].to_vec(),
                more: true,
                deaf: page.deaf.clone(),
            };
            match frame::encode(&AnswerFrame::Reply(Reply::Inbox(cut)), ANSWER_BYTES_MAX) {
                Err(FrameError::TooLong { .. }) => count /= 2,
                encoded => return encoded,
            }
        }
    }
    let defect = internal(&format!(
        "the answer is longer than {ANSWER_BYTES_MAX} bytes"
    ));
    frame::encode(&AnswerFrame::Refusal(defect), ANSWER_BYTES_MAX)
}

fn malformed(error: &FrameError) -> Refusal {
    Refusal::Malformed {
        why: error.to_string(),
    }
}

fn internal(why: &str) -> Refusal {
    Refusal::Internal {
        why: why.to_owned(),
    }
}
