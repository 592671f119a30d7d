//! How a home comes into being: as a whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{Home, HomeError, MARKERS, at};

/// How a staging folder's name begins.
const STAGING_PREFIX: &str = ".new-";

impl Home {
    /// Makes a home at `path`: `fill` writes its files into a staging folder, and they appear
    /// together or not at all.
    ///
    /// `fill` must write [`Home::unlock_file`] or [`Home::community_file`], must close what it
    /// opens, and finds the folder empty. A `config.toml` that was put there before stays, unless
    /// `fill` writes one.
    ///
    /// # Errors
    ///
    /// [`HomeError::Exists`] and [`HomeError::Occupied`] when something is there already, otherwise
    /// whatever the file system or `fill` says; nothing is left behind then.
    pub fn create<T, E: From<HomeError>>(
        path: &Path,
        fill: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let home = Self::at(path);
        let made = home.make_folder()?;
        home.inspect()?;
        // Held to the end, so that two `init` at once cannot mix their files. The other one may
        // have come and gone since the folder was inspected, so it is inspected again.
        let lock = home.take_lock()?;
        home.inspect()?;
        let filled = home.fill(fill);
        if filled.is_err() && made {
            // Only an empty folder goes away, and only the one made here.
            let _kept = fs::remove_file(home.lock_file());
            let _kept = fs::remove_dir(&home.path);
        }
        drop(lock);
        Ok((home, filled?))
    }

    /// Makes a home whole of which only what a server's backup has is there: its node key, and perhaps its settings.
    ///
    /// # Errors
    ///
    /// [`HomeError::Incomplete`] when it lacks what cannot be made anew, otherwise as [`Home::open`] and
    /// [`Home::lock`].
    pub fn restore_community(path: &Path) -> Result<Self, HomeError> {
        let (marker, _) = MARKERS[1];
        let home = Self::at(path);
        let lock = home.take_lock()?;
        match home.kind() {
            Err(HomeError::Incomplete { missing, .. }) if missing == marker => {
                let mode = fs::Permissions::from_mode(0o700);
                fs::set_permissions(path, mode).map_err(at("close to others", path))?;
                home.mark_community()?;
                sync(path)?;
            }
            found => drop(found?),
        }
        drop(lock);
        Self::open(path)
    }

    /// Writes the file that marks a community server's home.
    ///
    /// # Errors
    ///
    /// [`HomeError::Io`] when it is there already or cannot be written.
    pub fn mark_community(&self) -> Result<(), HomeError> {
        let path = self.community_file();
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.and_then(|file| file.sync_all())
            .map_err(at("create", &path))
    }

    /// Tells whether a creation of this home was begun and has not ended.
    pub(super) fn is_staged(&self) -> bool {
        names(&self.path).is_ok_and(|names| names.iter().any(|name| is_staging(name)))
    }

    /// Makes the folder unless it is there; returns whether it was not.
    fn make_folder(&self) -> Result<bool, HomeError> {
        let path = &self.path;
        if path.exists() {
            return Ok(false);
        }
        let parent = path.parent().unwrap_or(path);
        fs::create_dir_all(parent).map_err(at("create", parent))?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync(parent).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(at("create", path)(error)),
        }
    }

    /// Makes sure that nothing in the folder is lost when it becomes a home.
    fn inspect(&self) -> Result<(), HomeError> {
        let path = &self.path;
        if !fs::metadata(path).map_err(at("look at", path))?.is_dir() {
            return Err(HomeError::Occupied(path.clone()));
        }
        if has_marker(path) {
            return Err(HomeError::Exists(path.clone()));
        }
        let names = names(path)?;
        // A creation that was killed while it moved files up has its marker in the staging folder
        // still. Files without that proof may be an account whose marker was lost: they are
        // never touched.
        let interrupted = names
            .iter()
            .any(|name| is_staging(name) && has_marker(&path.join(name)));
        let expected = |name: &OsString| is_staging(name) || is_harmless(name) || interrupted;
        if !names.iter().all(expected) {
            return Err(HomeError::Occupied(path.clone()));
        }
        Ok(())
    }

    fn fill<T, E: From<HomeError>>(
        &self,
        fill: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
            .map_err(at("close", &self.path))?;
        self.sweep()?;
        let staging = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempdir_in(&self.path)
            .map_err(at("create a folder in", &self.path))?;
        let value = fill(&Self::at(staging.path()))?;
        self.adopt(staging.path())?;
        Ok(value)
    }

    /// Moves everything out of the staging folder into the home, the marker last.
    fn adopt(&self, staging: &Path) -> Result<(), HomeError> {
        let mut names = names(staging)?;
        names.sort_by_key(|name| (is_marker(name), name.clone()));
        for name in names {
            if is_marker(&name) {
                sync(&self.path)?;
            }
            let from = staging.join(&name);
            fs::rename(&from, self.path.join(&name)).map_err(at("move", &from))?;
        }
        sync(&self.path)
    }

    /// Removes what a creation that was killed has left.
    fn sweep(&self) -> Result<(), HomeError> {
        let mut names = names(&self.path)?;
        names.retain(|name| !is_harmless(name));
        // The staging folders go last, because they are what says that the rest may go.
        names.sort_by_key(|name| (is_staging(name), name.clone()));
        for name in names {
            let path = self.path.join(name);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(at("remove", &path))?;
        }
        Ok(())
    }
}

pub(super) fn sync(folder: &Path) -> Result<(), HomeError> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(at("sync", folder))
}

pub(super) fn names(folder: &Path) -> Result<Vec<OsString>, HomeError> {
    let entries = fs::read_dir(folder).map_err(at("look into", folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name()));
    names
        .collect::<io::Result<_>>()
        .map_err(at("look into", folder))
}

fn has_marker(folder: &Path) -> bool {
    let mut markers = MARKERS.iter();
    markers.any(|(marker, _)| folder.join(marker).exists())
}

fn is_marker(name: &OsStr) -> bool {
    MARKERS.iter().any(|(marker, _)| name == OsStr::new(marker))
}

fn is_staging(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(STAGING_PREFIX)
}

/// Returns whether a file may be there before the home: its configuration, our lock, and the disk's
/// own `lost+found`.
fn is_harmless(name: &OsStr) -> bool {
    let known = ["config.toml", "lock", "lost+found"];
    known.iter().any(|known| name == OsStr::new(known))
}
