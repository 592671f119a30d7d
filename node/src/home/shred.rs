//! How the files that hold what is a person's are replaced by new ones, and the old ones destroyed.
//!
//! The new files are made in a folder of their own. The moment at which that is renamed decides: before it nothing has
//! happened, and after it the old files are overwritten where they lie and the new ones moved into their places, by
//! this command or, should that be killed, by the next one that takes the home.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::create::{names, sync};
use super::{Home, HomeError, HomeLock, at};

/// The folder of files that are whole, and are to take the places of others.
const READY: &str = ".shredded";
/// How the name of a folder begins in which such files are being made.
const UNFINISHED_PREFIX: &str = ".shred-";
/// What a change of the pass phrase that was killed may have left.
const LEFT: [&str; 2] = ["unlock.change", "unlock.new"];
/// The pieces in which a file is overwritten, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

impl HomeLock {
    /// Replaces the files of this home by new ones: `fill` writes them into an empty folder, and must close them. What
    /// was in the old ones is overwritten.
    ///
    /// # Errors
    ///
    /// What the file system or `fill` says; the home is as it was then, unless it was the overwriting that failed,
    /// which the next one that takes the home goes on with.
    pub fn shred<T, E: From<HomeError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.home().path();
        let staging = tempfile::Builder::new()
            .prefix(UNFINISHED_PREFIX)
            .tempdir_in(path)
            .map_err(at("create a folder in", path))?;
        let filled = match fill(staging.path()) {
            Ok(filled) => filled,
            Err(error) => {
                // Half a copy of what may be destroyed one day.
                let _swept_by_the_next = destroy_folder(staging.path());
                return Err(error);
            }
        };
        sync(staging.path())?;
        let ready = path.join(READY);
        fs::rename(staging.keep(), &ready).map_err(at("create", &ready))?;
        sync(path)?;
        self.home().finish_shredding()?;
        Ok(filled)
    }
}

impl Home {
    /// Tells whether files wait to be put into their places.
    pub fn is_half_shredded(&self) -> bool {
        self.path().join(READY).exists()
    }

    /// Goes on with what was begun, and removes what was not finished. The caller has the home for itself.
    pub(super) fn finish_shredding(&self) -> Result<(), HomeError> {
        let path = self.path();
        let ready = path.join(READY);
        if ready.exists() {
            // The key first: without it, nothing else that is left can be opened.
            let mut files = names(&ready)?;
            files.sort_by_key(|name| (*name != *"unlock", name.clone()));
            let old: Vec<PathBuf> = files.iter().map(|name| path.join(name)).collect();
            for file in old.iter().chain(&LEFT.map(|name| path.join(name))) {
                overwrite(file).map_err(at("overwrite", file))?;
            }
            // What marks a home is last.
            for name in files.iter().rev() {
                let from = ready.join(name);
                fs::rename(&from, path.join(name)).map_err(at("move", &from))?;
            }
            for file in LEFT.map(|name| path.join(name)) {
                remove(&file).map_err(at("remove", &file))?;
            }
            sync(path)?;
            fs::remove_dir(&ready).map_err(at("remove", &ready))?;
        }
        for name in names(path)? {
            if name.to_string_lossy().starts_with(UNFINISHED_PREFIX) {
                let folder = path.join(name);
                destroy_folder(&folder).map_err(at("remove", &folder))?;
            }
        }
        sync(path)
    }
}

/// Overwrites the files of a folder, and removes it.
fn destroy_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        overwrite(&path)?;
    }
    fs::remove_dir_all(folder)
}

/// Overwrites a file where it lies. One that is not there is fine; one that has another name is somebody's copy, and
/// stays as it is.
fn overwrite(path: &Path) -> io::Result<()> {
    let opened = OpenOptions::new().write(true).open(path);
    let mut file: File = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Ok(());
    }
    let mut left = metadata.len();
    let zeros = vec![0; PIECE_BYTES];
    while left > 0 {
        let piece = usize::try_from(left)
            .unwrap_or(PIECE_BYTES)
            .min(PIECE_BYTES);
        file.write_all(&zeros[..piece])?;
        left -= piece as u64;
    }
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
