//! The home folder: everything a node has on disk, and the lock that keeps it to one node.
//!
//! The folder is `--home`, else `RESTANTE_HOME`, else `~/.restante`: one rule on every system, and
//! one folder to back up or to destroy. Only its owner may enter it (mode 0700), which is
//! also what guards the control socket.
//!
//! A home comes into being as a whole: [`Home::create`] fills a staging folder inside it and moves
//! the files up, the one that marks a home last. Whatever happens in between, there is either a
//! home or none.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

mod create;
mod shred;
#[cfg(test)]
mod tests;

/// Environment variable that names the home folder.
pub const HOME_VARIABLE: &str = "RESTANTE_HOME";
/// The folder of a person's home in their `HOME`.
pub const PERSON_FOLDER: &str = ".restante";
/// The folder of a community server's home in its user's `HOME`.
pub const COMMUNITY_FOLDER: &str = ".restante-bootstrap";
/// The files that make a folder a home: each is written last, and says whose home it is.
const MARKERS: [(&str, HomeKind); 2] = [
    ("unlock", HomeKind::Person),
    ("community", HomeKind::Community),
];
/// Longest path of a Unix socket every supported system takes, in bytes, its final NUL not counted.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Something is wrong with the home folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    #[error("no Restante home at {}", .0.display())]
    Missing(PathBuf),
    #[error("the home {} lacks its file `{missing}`", .path.display())]
    Incomplete {
        path: PathBuf,
        missing: &'static str,
    },
    #[error("{} is a Restante home already", .0.display())]
    Exists(PathBuf),
    #[error("{} is not an empty folder", .0.display())]
    Occupied(PathBuf),
    #[error("a node is running on {} already{}", .path.display(), process(*.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("{} is the home of {}", .path.display(), .found.owner())]
    OtherKind { path: PathBuf, found: HomeKind },
    #[error("{} is open to other users (mode {mode:03o})", .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("the path {} is too long for a socket", .0.display())]
    SocketPath(PathBuf),
    #[error("there is no telling where the home folder is")]
    Nowhere,
    #[error("cannot {doing} {}", .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Whose a home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeKind {
    /// A person's: it has an account, under a pass phrase.
    Person,
    /// A community server's: it has no account, and nothing to unlock.
    Community,
}

impl HomeKind {
    const fn owner(self) -> &'static str {
        match self {
            Self::Person => "a person's node",
            Self::Community => "a community server",
        }
    }

    /// Returns the name of the program that runs it.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Person => "restante",
            Self::Community => "restante-bootstrap",
        }
    }
}

/// The path of a home folder and of everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Returns where the home is: the path given, else `RESTANTE_HOME`, else the folder of that
    /// name in `HOME`.
    ///
    /// # Errors
    ///
    /// [`HomeError::Nowhere`] when even `HOME` is unset, [`HomeError::Io`] when a relative path has
    /// nothing to be relative to.
    pub fn locate(given: Option<&Path>, default: &str) -> Result<PathBuf, HomeError> {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        let path = match given {
            Some(path) => path.to_owned(),
            None => match variable(HOME_VARIABLE) {
                Some(path) => PathBuf::from(path),
                None => PathBuf::from(variable("HOME").ok_or(HomeError::Nowhere)?).join(default),
            },
        };
        // Absolute, so that messages show a path that works from anywhere.
        std::path::absolute(&path).map_err(at("find", &path))
    }

    /// Opens the home at `path`, of a person or of a community.
    ///
    /// # Errors
    ///
    /// [`HomeError::Missing`] when there is none, [`HomeError::Io`] when it cannot be looked at.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let home = Self::at(path);
        home.kind().map(|_| home)
    }

    /// Returns whose home this is.
    ///
    /// # Errors
    ///
    /// [`HomeError::Missing`] when it is none (any more), [`HomeError::Incomplete`] when there are files of one without
    /// the one that says so, [`HomeError::Io`] when it cannot be looked at.
    pub fn kind(&self) -> Result<HomeKind, HomeError> {
        for (marker, kind) in MARKERS {
            match fs::metadata(self.path.join(marker)) {
                Ok(_) => return Ok(kind),
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                    _ => return Err(at("look into", &self.path)(error)),
                },
            }
        }
        let path = self.path.clone();
        // One that is only being made has its marker last.
        let is_there = |file: PathBuf| file.exists() && !self.is_staged();
        if is_there(self.client_database()) || is_there(self.message_keys_file()) {
            let missing = MARKERS[0].0;
            return Err(HomeError::Incomplete { path, missing });
        }
        if is_there(self.node_key_file()) {
            let missing = MARKERS[1].0;
            return Err(HomeError::Incomplete { path, missing });
        }
        Err(HomeError::Missing(path))
    }

    /// Makes sure whose home this is.
    ///
    /// # Errors
    ///
    /// [`HomeError::OtherKind`] when it is the other kind, otherwise as [`Home::kind`].
    pub fn expect_kind(&self, expected: HomeKind) -> Result<(), HomeError> {
        let found = self.kind()?;
        if found == expected {
            return Ok(());
        }
        let path = self.path.clone();
        Err(HomeError::OtherKind { path, found })
    }

    /// Takes this home for one node; the lock ends with the value, or with the process however it
    /// ends.
    ///
    /// # Errors
    ///
    /// [`HomeError::InUse`] when another process has it, [`HomeError::Open`] when others than its
    /// owner can enter.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        let mode = self.mode()?;
        if mode & 0o077 != 0 {
            let path = self.path.clone();
            return Err(HomeError::Open { path, mode });
        }
        self.take_lock()
    }

    /// Returns the permission bits of the folder.
    ///
    /// # Errors
    ///
    /// [`HomeError::Io`] when it cannot be looked at.
    pub fn mode(&self) -> Result<u32, HomeError> {
        let metadata = fs::metadata(&self.path).map_err(at("look at", &self.path))?;
        Ok(metadata.mode() & 0o777)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the configuration, which need not exist.
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Returns the path of the file that the pass phrase unlocks, which marks a person's home.
    pub fn unlock_file(&self) -> PathBuf {
        self.path.join("unlock")
    }

    /// Returns the path of the file that marks a community server's home; what is in it is of no
    /// account.
    pub fn community_file(&self) -> PathBuf {
        self.path.join("community")
    }

    /// Returns the path of the account's own database.
    pub fn client_database(&self) -> PathBuf {
        self.path.join("client.redb")
    }

    /// Returns the path of the keys of single messages, which are overwritten in place.
    pub fn message_keys_file(&self) -> PathBuf {
        self.path.join("message-keys")
    }

    /// Returns the path of the database of what is kept for others.
    pub fn keeper_database(&self) -> PathBuf {
        self.path.join("keeper.redb")
    }

    /// Returns the path of the key the node is known by on the network.
    pub fn node_key_file(&self) -> PathBuf {
        self.path.join("node.key")
    }

    /// Returns the path of the list of peers known from the last run.
    pub fn peers_file(&self) -> PathBuf {
        self.path.join("peers.json")
    }

    /// Returns the path of the control socket, which exists while a node runs.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Returns an address of the control socket short enough for the operating system.
    ///
    /// # Errors
    ///
    /// [`HomeError::SocketPath`] when the path is too long and this is not Linux,
    /// [`HomeError::Missing`] when the folder has gone.
    pub fn socket_address(&self) -> Result<SocketAddress, HomeError> {
        let path = self.control_socket();
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            let folder = None;
            return Ok(SocketAddress { path, folder });
        }
        if !cfg!(target_os = "linux") {
            return Err(HomeError::SocketPath(path));
        }
        // Linux lets a path begin at a descriptor, and that is short.
        use std::os::fd::AsRawFd;
        let folder = File::open(&self.path).map_err(at("open", &self.path))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        let folder = Some(folder);
        Ok(SocketAddress { path, folder })
    }

    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    fn take_lock(&self) -> Result<HomeLock, HomeError> {
        let path = self.lock_file();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(at("open", &path))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let path = self.path.clone();
                let pid = holder(&mut file);
                return Err(HomeError::InUse { path, pid });
            }
            Err(error) => return Err(at("lock", &path)(error.into())),
        }
        // Who holds it is a courtesy to people; on a full disk the lock holds all the same.
        let _unsaid = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        self.finish_shredding()?;
        let home = self.clone();
        Ok(HomeLock { home, _file: file })
    }
}

/// A home that this process alone has.
#[derive(Debug)]
pub struct HomeLock {
    home: Home,
    _file: File,
}

impl HomeLock {
    pub const fn home(&self) -> &Home {
        &self.home
    }
}

/// A path by which the control socket can be bound or reached, for as long as the value lives.
#[derive(Debug)]
pub struct SocketAddress {
    path: PathBuf,
    /// The folder a path through a descriptor begins at.
    #[expect(dead_code, reason = "held open, never read")]
    folder: Option<File>,
}

impl SocketAddress {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns what turns the system's error into one that says what was tried with which path.
fn at(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> HomeError {
    move |source| HomeError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}
