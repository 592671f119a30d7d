//! The vault's view of a disk: files of bytes at offsets, and replacing a small file at once.
//!
//! The key file writes through redb's [`StorageBackend`], as the database does, so that a simulated
//! disk can take the place of the real one and lose unsynced writes, tear them or fill up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use redb::StorageBackend;

/// The permissions of every file of the vault: its owner alone reads and writes it.
const FILE_MODE: u32 = 0o600;

/// The disk refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    #[error("the disk is full")]
    Full,
    #[error("the disk failed: {kind}")]
    Io { kind: ErrorKind },
}

impl From<&io::Error> for DiskError {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            kind => Self::Io { kind },
        }
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// A file of the operating system, locked against other processes.
#[derive(Debug)]
pub(super) struct FsFile(File);

impl FsFile {
    /// Creates the file, which must not exist, for its owner alone.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, else what the operating system says.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Self::locked(create_new(path)?)
    }

    /// Opens an existing file.
    ///
    /// # Errors
    ///
    /// `NotFound`; `WouldBlock` when another holder has it open; else what the operating system
    /// says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::locked(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn locked(file: File) -> io::Result<Self> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl StorageBackend for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Creates a file that must not exist, readable and writable by its owner alone.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
}

/// Writes a new file at `path`, replacing what is there, and makes its bytes durable.
///
/// The name itself is durable only after [`rename`] or [`sync_folder`].
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts the file `from` in the place of `to` at once and durably; both lie in one folder.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder(to)
}

/// Makes the names in the folder that holds `path` durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
