//! The store's file: made whole or not at all, and replaced when it is damaged.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;
use restante_proto::keeper::{ItemStore as _, StoreError};

use super::{
    CACHE_BYTES, Check, OpenError, RedbStore, Source,
    error::{error_of, io_error},
    room::CappedFile,
    salvage,
};

/// The permissions of the store's files: their owner alone reads and writes them.
const FILE_MODE: u32 = 0o600;
/// A file up to this size is verified whenever it is opened, in bytes: that takes a fraction of a
/// second.
const CHECK_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Where Linux says which start of the system this is.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// Damaged files kept, at most; a disk that damages more of them is to be looked at first.
const DAMAGED_FILES_MAX: u32 = 1_000;

/// What happened while a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// There was none, and an empty one was made.
    pub created: bool,
    /// It was damaged, and a new one was made of what could be read.
    pub salvaged: Option<Salvaged>,
}

/// What became of a damaged store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// What was wrong with it.
    pub error: StoreError,
    /// How many items were saved.
    pub items: u64,
    /// Where the damaged file is kept.
    pub kept: PathBuf,
}

impl std::fmt::Display for Salvaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.kept.file_name().unwrap_or_default().to_string_lossy();
        let items = self.items;
        write!(
            f,
            "{}; {items} items were saved, and the old file is kept as {name}",
            self.error
        )
    }
}

impl RedbStore {
    /// Takes over every item that can still be read on the storage of a damaged store; returns how many there are now.
    ///
    /// [`open`](Self::open) does it by itself; this is for stores that are no files.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of this store; what cannot be read of the other is left out.
    pub fn salvage(&mut self, damaged: &dyn StorageBackend) -> Result<u64, StoreError> {
        salvage::copy(damaged, self)?;
        Ok(self.usage().items)
    }

    /// Opens the store in the file at `path`, or makes one, that takes up to `cap_bytes` of the disk.
    ///
    /// That is what its items count and what the file takes, empty pages, tables and all, as far as it is above the
    /// MiB that an empty one takes.
    ///
    /// After an error or a crash of the system, and in any case when it is small, the whole file is verified: redb
    /// guards its commits, not what the disk does to them later, and it may abort the process over a page that is
    /// wrong. After the end of the process alone the system still has all that was written. A damaged file is
    /// replaced by a new one with every item that can still be read, and kept beside it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Never panics, whatever the file holds.
    pub fn open(path: &Path, cap_bytes: u64) -> Result<(Self, OpenReport), OpenError> {
        // While it is there, a process has the store open, or left it in a hurry.
        let mark = beside(path, "open");
        let replacement = beside(path, "salvage");
        // A replacement is complete before the damaged file moves away.
        if !exists(path)? && exists(&replacement)? {
            rename(&replacement, path)?;
        }
        let mut report = OpenReport::default();
        let left = left_in(&mark)?;
        // On the disk before anything that it warns of: a cut of power must not take it back.
        put_mark(&mark, &boot_id())
            .and_then(|()| sync_folder(&mark))
            .map_err(local)?;
        let opened = if exists(path)? {
            open_file(path, cap_bytes, &left)
        } else {
            report.created = true;
            create(path, cap_bytes)
        };
        let mut store = match opened {
            Err(OpenError::Store(error @ StoreError::Damaged(_))) => {
                let (store, salvaged) = replace(path, &replacement, cap_bytes, error)?;
                report.salvaged = Some(salvaged);
                store
            }
            opened => opened?,
        };
        store.mark = Some(mark);
        store.source = Source::File(path.to_owned());
        Ok((store, report))
    }
}

/// Opens a store's file again after a failure; nothing is made where there is none, and nothing replaced.
pub(super) fn reopen(path: &Path, cap_bytes: u64) -> Result<RedbStore, OpenError> {
    open_file(path, cap_bytes, &Left::Open(String::new()))
}

/// What the mark says of the process that had the store open before.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// It was closed.
    Closed,
    /// It was left in a hurry, during this start of the system.
    Open(String),
}

impl Left {
    /// Returns how a file of so many bytes is checked, which may not be what was written.
    fn check(&self, boot_id: &str, bytes: u64) -> Check {
        let is_doubtful = match self {
            Self::Closed => false,
            // Nothing in it says that the store had an error, or that the system cannot tell its starts apart.
            Self::Open(start) => start.is_empty() || start != boot_id,
        };
        if is_doubtful || bytes <= CHECK_BYTES_MAX {
            Check::Whole
        } else {
            Check::Trust
        }
    }
}

fn left_in(mark: &Path) -> Result<Left, OpenError> {
    match fs::read_to_string(mark) {
        Ok(start) => Ok(Left::Open(start)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Left::Closed),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Left::Open(String::new())),
        Err(error) => Err(local(error)),
    }
}

/// Returns what tells this start of the system from others, nothing where that cannot be known.
fn boot_id() -> String {
    fs::read_to_string(BOOT_ID_FILE).unwrap_or_default()
}

/// Says that the store had an error: the next start must not trust its file.
pub(super) fn distrust(mark: &Path) {
    // Where the mark cannot be written, neither can the store.
    let _unwritten = put_mark(mark, "");
}

/// Says that the store is as it should be.
pub(super) fn trust(mark: &Path) {
    // A mark that cannot be written makes the next start read more than it needs to.
    let _unwritten = put_mark(mark, &boot_id());
}

fn put_mark(mark: &Path, boot_id: &str) -> io::Result<()> {
    let mut file = File::create(mark)?;
    match file.write_all(boot_id.as_bytes()) {
        // Whatever else is in it is not trusted.
        Err(error) if io_error(&error) != StoreError::DiskFull => Err(error),
        _ => file.sync_all(),
    }
}

fn open_file(path: &Path, cap_bytes: u64, left: &Left) -> Result<RedbStore, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(local)?;
    let length = file.metadata().map_err(local)?.len();
    if length == 0 {
        // redb would take it for a new one.
        return Err(StoreError::Damaged("it is empty".into()).into());
    }
    open_capped(file, cap_bytes, left.check(&boot_id(), length))
}

/// Opens a store that takes no more of the disk than its cap.
fn open_capped(file: File, cap_bytes: u64, check: Check) -> Result<RedbStore, OpenError> {
    let same_file = file.try_clone().map_err(local)?;
    let mut store = RedbStore::open_cached(backend(file)?, CACHE_BYTES, cap_bytes, check)?;
    store.file = Some(CappedFile {
        file: same_file,
        cap_bytes,
    });
    Ok(store)
}

/// Makes an empty store that is there entirely or not at all, whatever happens in between.
fn create(path: &Path, cap_bytes: u64) -> Result<RedbStore, OpenError> {
    let unfinished = beside(path, "new");
    let store = create_unfinished(&unfinished, cap_bytes)?;
    rename(&unfinished, path)?;
    Ok(store)
}

fn create_unfinished(path: &Path, cap_bytes: u64) -> Result<RedbStore, OpenError> {
    remove_if_there(path)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(local)?;
    open_capped(file, cap_bytes, Check::Trust)
}

fn replace(
    path: &Path,
    replacement: &Path,
    cap_bytes: u64,
    error: StoreError,
) -> Result<(RedbStore, Salvaged), OpenError> {
    let damaged = File::open(path).map_err(local)?;
    let mut store = create_unfinished(replacement, cap_bytes)?;
    let items = store.salvage(&backend(damaged)?)?;
    let kept = free_name(path)?;
    rename(path, &kept)?;
    rename(replacement, path)?;
    Ok((store, Salvaged { error, items, kept }))
}

fn free_name(path: &Path) -> Result<PathBuf, OpenError> {
    for number in 1..=DAMAGED_FILES_MAX {
        let name = beside(path, &format!("damaged-{number}"));
        if !exists(&name)? {
            return Ok(name);
        }
    }
    Err(StoreError::Io(format!(
        "{DAMAGED_FILES_MAX} damaged files are there already"
    ))
    .into())
}

fn backend(file: File) -> Result<FileBackend, OpenError> {
    Ok(FileBackend::new(file).map_err(|error| error_of(error.into()))?)
}

/// Returns the path of a file that belongs to the one at `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn exists(path: &Path) -> Result<bool, OpenError> {
    path.try_exists().map_err(local)
}

/// Renames a file, durably.
fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    fs::rename(from, to).map_err(local)?;
    sync_folder(to).map_err(local)
}

/// Makes durable that a file is in its folder under its name.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or_else(|| Path::new(".")));
    folder.and_then(|folder| folder.sync_all())
}

fn remove_if_there(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(local(error)),
        _ => Ok(()),
    }
}

fn local(error: io::Error) -> OpenError {
    io_error(&error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_that_ended_under_the_same_system_leaves_a_file_to_be_trusted() {
        let is_checked = |left: &Left, here: &str, bytes: u64| match left.check(here, bytes) {
            Check::Whole => true,
            Check::Trust => false,
        };
        let left_open = |start: &str| Left::Open(start.to_owned());
        let (here, large) = ("this start", CHECK_BYTES_MAX + 1);
        assert!(!is_checked(&Left::Closed, here, large));
        assert!(!is_checked(&left_open(here), here, large));
        assert!(is_checked(&left_open("another start"), here, large));
        // An error, or a system that cannot tell.
        assert!(is_checked(&left_open(""), here, large));
        assert!(is_checked(&left_open(""), "", large));
        // Small ones in any case.
        assert!(is_checked(&Left::Closed, here, CHECK_BYTES_MAX));
    }

    #[test]
    fn a_fault_is_told_to_the_next_start() {
        let folder = tempfile::TempDir::new().unwrap();
        let mark = folder.path().join("keeper.redb.open");
        assert_eq!(left_in(&mark).unwrap(), Left::Closed);
        fs::write(&mark, boot_id()).unwrap();
        assert_eq!(left_in(&mark).unwrap(), Left::Open(boot_id()));
        distrust(&mark);
        assert_eq!(left_in(&mark).unwrap(), Left::Open(String::new()));
    }
}
