//! The vault's view of a disk: files of bytes at offsets, and replacing a small file at once.
//!
//! The key file writes through [`BlockFile`], so that a simulated disk can take the place of the
//! real one and lose unsynced writes, tear them or fill up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The permissions of every file of the vault: its owner alone reads and writes it.
const FILE_MODE: u32 = 0o600;

/// The disk refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskFault {
    /// There is no space left, or the user's quota is used up.
    #[error("the disk is full")]
    Full,
    /// Any other failure.
    #[error("the disk failed: {kind}")]
    Io {
        /// What the operating system called it.
        kind: ErrorKind,
    },
}

impl From<&io::Error> for DiskFault {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            kind => Self::Io { kind },
        }
    }
}

impl From<io::Error> for DiskFault {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// A file of bytes that is read and written at offsets and made durable on request.
pub trait BlockFile: Send {
    /// Returns the file's length in bytes.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn len(&self) -> io::Result<u64>;

    /// Returns whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` from the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends earlier, else what the disk says.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, making the file longer when needed.
    ///
    /// # Errors
    ///
    /// What the disk says; some of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file or makes it longer with zeros.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Returns once everything written before is durable.
    ///
    /// # Errors
    ///
    /// What the disk says; then nothing written since the last success is known to be durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A [`BlockFile`] on a file of the operating system, locked against other processes.
#[derive(Debug)]
pub struct FsFile(File);

impl FsFile {
    /// Creates the file, which must not exist, for its owner alone.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, else what the operating system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::locked(create_new(path)?)
    }

    /// Opens an existing file.
    ///
    /// # Errors
    ///
    /// `NotFound`; `WouldBlock` when another holder has it open; else what the operating system
    /// says.
    pub fn open(path: &Path) -> io::Result<Self> {
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

impl BlockFile for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
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
