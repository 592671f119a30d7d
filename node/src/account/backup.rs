//! Backups: everything that is a person's in one sealed file, and a home made of it again.
//!
//! A backup is no home: nothing runs on it. It has the account, its contacts, what is under way, and the messages that
//! are there when it is made, each with its text; the settings and the entry points; and neither the keys of
//! conversations, which must not be used twice, nor what is kept for others. It is written while the node runs: the
//! rows as they are at one moment, then the messages one by one, and one that is destroyed meanwhile is not in it.
//!
//! What is put back is decided by [`restante_client::restored`]: a new device of the account, on a disk under a key of
//! its own.

mod read;
mod schedule;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;

use super::AccountStoreError;
use crate::vault::archive::ArchiveError;

pub(super) use self::read::changes_of;
pub use self::read::{Examined, RestoreError, examine};
pub use self::schedule::{Done, Plan, Schedule, Step};
pub(super) use self::write::{newest, write};

/// The files of a home that a backup has beside the account; all of them may be missing.
const FILES: [&str; 2] = ["config.toml", "entry-points.toml"];
/// The longest of them, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How the name of a file begins that is being written beside its place.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// What a record of a backup is; a number is never used again for something else.
mod kind {
    pub(super) const ABOUT: u8 = 1;
    pub(super) const ACCOUNT: u8 = 2;
    pub(super) const PREKEY: u8 = 3;
    pub(super) const STAMP: u8 = 4;
    pub(super) const CONTACT: u8 = 5;
    pub(super) const OUTGOING: u8 = 6;
    pub(super) const SENT: u8 = 7;
    pub(super) const TAKEN: u8 = 8;
    pub(super) const SEEN: u8 = 9;
    pub(super) const DUE: u8 = 10;
    pub(super) const FILE: u8 = 11;
    pub(super) const MESSAGE: u8 = 12;
    pub(super) const READ_DUE: u8 = 13;
    pub(super) const REACTION: u8 = 14;
    /// What a message of one's own says.
    pub(super) const WORDS: u8 = 15;
}

/// The first record of a backup.
#[derive(Clone, PartialEq, Eq, Message)]
struct About {
    #[prost(uint64, tag = "1")]
    made_ms: u64,
}

/// Where a backup is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this file.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// Whether a file that is there is replaced.
        replace: bool,
    },
    /// To a file of its own in a folder, where as many of the newest are kept.
    Folder {
        /// Its absolute path.
        path: PathBuf,
        /// How many.
        keep: usize,
    },
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file is there.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The disk that it was to go to refused or failed.
    #[error("cannot write {}: {source}", .path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The account cannot be read.
    #[error(transparent)]
    Store(#[from] AccountStoreError),
    /// A part of the home cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The account is in no home.
    #[error("the account is in no home folder")]
    NoHome,
}

impl BackupError {
    fn not_written(path: &Path, error: ArchiveError) -> Self {
        let source = match error {
            ArchiveError::Io(source) => source,
            other => io::Error::other(other.to_string()),
        };
        Self::NotWritten {
            path: path.to_owned(),
            source,
        }
    }
}
