//! How a backup is written: beside its place, synced, and put there as a whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _};
use std::path::{Path, PathBuf};

use prost::Message as _;
use rand::CryptoRng;
use restante_client::records::Loaded;
use restante_interface::BackupInfo;
use restante_proto::time::UnixMillis;
use tempfile::NamedTempFile;

use super::super::rows::{self, SELF};
use super::super::store::{VaultDisk, named_key, stamp_row, taken_key};
use super::{About, BackupError, FILE_BYTES_MAX, FILES, Target, UNFINISHED_PREFIX, kind};
use crate::vault::archive::{ArchiveError, ArchiveWriter};
use crate::vault::{StoreKey, UNLOCK_FILE};

/// How the names of backups in a folder end.
const SUFFIX: &str = ".restante-backup";

/// Writes a backup of the account on a disk.
///
/// # Errors
///
/// [`BackupError`]; there is no file then but one that was there before.
pub(in crate::account) fn write(
    disk: &VaultDisk,
    target: &Target,
    date: UnixMillis,
) -> Result<BackupInfo, BackupError> {
    let home = disk.home().ok_or(BackupError::NoHome)?;
    let (rows, key) = disk.snapshot()?;
    let (path, replace) = match target {
        Target::File { path, replace } => (path.clone(), *replace),
        Target::Folder { path, .. } => (path.join(name(&key, date)), false),
    };
    if !replace && fs::symlink_metadata(&path).is_ok() {
        return Err(BackupError::Exists(path));
    }
    let not_written = |source| BackupError::NotWritten {
        path: path.clone(),
        source,
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    // For its owner alone, as all that this makes.
    let draft = tempfile::Builder::new()
        .prefix(&unfinished_prefix(&key))
        .tempfile_in(folder)
        .map_err(not_written)?;
    let unlock = read(&home.join(UNLOCK_FILE))?.unwrap_or_default();
    let begun = ArchiveWriter::begin(BufWriter::new(draft), &unlock, &key, &mut rand::rng());
    let archive = begun.map_err(|error| BackupError::not_written(&path, error))?;
    let mut writing = Writing {
        archive,
        rng: rand::rng(),
        path: &path,
    };
    writing.rows(&rows, date)?;
    for name in FILES {
        if let Some(content) = read(&home.join(name))? {
            writing.put(kind::FILE, name.as_bytes(), &content)?;
        }
    }
    let mut info = BackupInfo {
        path: path.display().to_string(),
        made_ms: date.get(),
        bytes: 0,
        messages: 0,
        contacts: u32::try_from(rows.contacts.len()).unwrap_or(u32::MAX),
        unreadable: 0,
    };
    writing.messages(disk, &rows, &mut info)?;
    let Writing { archive, .. } = writing;
    let finished = archive.finish(&mut rand::rng());
    let (draft, bytes) = finished.map_err(|error| BackupError::not_written(&path, error))?;
    info.bytes = bytes;
    let draft = draft
        .into_inner()
        .map_err(|error| not_written(error.into_error()))?;
    publish(draft, &path, replace)?;
    if let Target::Folder { keep, .. } = target {
        keep_newest(folder, &key, *keep);
    }
    Ok(info)
}

/// Returns when the newest backup of this account in a folder was made, if there is one.
pub(in crate::account) fn newest(folder: &Path, key: &StoreKey) -> io::Result<Option<UnixMillis>> {
    let made = names(folder, key)?;
    Ok(made.last().and_then(|name| made_of(name, key)))
}

struct Writing<'a, R> {
    archive: ArchiveWriter<BufWriter<NamedTempFile>>,
    rng: R,
    path: &'a Path,
}

impl<R: CryptoRng> Writing<'_, R> {
    fn put(&mut self, kind: u8, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        let put = self.archive.put((kind, key), value, &mut self.rng);
        put.map_err(|error: ArchiveError| BackupError::not_written(self.path, error))
    }

    /// Writes everything but messages.
    fn rows(&mut self, rows: &Loaded, date: UnixMillis) -> Result<(), BackupError> {
        // Whoever adds something to what a person has decides here what becomes of it.
        let Loaded {
            account: _,
            prekeys: _,
            card: _,
            stamps: _,
            contacts: _,
            outgoing: _,
            sent: _,
            inbox: _,
            taken: _,
            seen: _,
            due: _,
            read_due: _,
            reactions: _,
            memberships: _,
            conversations: _,
            packages: _,
            lost: _,
        } = rows;
        let about = About {
            made_ms: date.get(),
        };
        self.put(kind::ABOUT, SELF, &about.encode_to_vec())?;
        let account = rows::account_to_row(&rows.account);
        self.put(kind::ACCOUNT, SELF, &account)?;
        for prekey in &rows.prekeys {
            self.put(kind::PREKEY, &[], &rows::prekey_to_row(prekey))?;
        }
        for (locator, stamp) in &rows.stamps {
            self.put(kind::STAMP, locator.as_bytes(), &stamp_row(stamp))?;
        }
        for contact in rows.contacts.values() {
            self.put(kind::CONTACT, &[], &rows::contact_to_row(contact))?;
        }
        for outgoing in rows.outgoing.values() {
            self.put(kind::OUTGOING, &[], &rows::outgoing_to_row(outgoing))?;
        }
        for (message, sent) in &rows.sent {
            self.put(kind::SENT, message.as_bytes(), &rows::sent_to_row(sent))?;
        }
        for ((mailbox, envelope), until) in &rows.taken {
            let key = taken_key(mailbox, envelope);
            self.put(kind::TAKEN, &key, &until.get().to_be_bytes())?;
        }
        for (named, until) in &rows.seen {
            self.put(kind::SEEN, &named_key(named), &until.get().to_be_bytes())?;
        }
        for named in &rows.due {
            self.put(kind::DUE, &named_key(named), &[])?;
        }
        for named in &rows.read_due {
            self.put(kind::READ_DUE, &named_key(named), &[])?;
        }
        for ((to, by), reaction) in &rows.reactions {
            let key = rows::reaction_key(to, by);
            self.put(kind::REACTION, &key, &rows::reaction_to_row(reaction))?;
        }
        Ok(())
    }

    /// Writes the messages of both sides, and counts them.
    fn messages(
        &mut self,
        disk: &VaultDisk,
        rows: &Loaded,
        info: &mut BackupInfo,
    ) -> Result<(), BackupError> {
        for (arrival, header) in &rows.inbox {
            let row = rows::header_to_row(header);
            let Some(slot) = header.slot else {
                // It was taken back; that it was stays.
                self.message(*arrival, &row, &[])?;
                continue;
            };
            match disk.body(*arrival, slot) {
                Ok(Some(body)) => {
                    self.message(*arrival, &row, &body)?;
                    info.messages += 1;
                }
                // Destroyed since.
                Ok(None) => {}
                Err(error) if error.trouble().is_some() => return Err(error.into()),
                Err(_) => info.unreadable += 1,
            }
        }
        for (message, sent) in &rows.sent {
            let Some(slot) = sent.words.slot() else {
                continue;
            };
            match disk.body(sent.place, slot) {
                Ok(Some(words)) => self.put(kind::WORDS, message.as_bytes(), &words)?,
                Ok(None) => {}
                Err(error) if error.trouble().is_some() => return Err(error.into()),
                Err(_) => info.unreadable += 1,
            }
        }
        Ok(())
    }

    fn message(&mut self, arrival: u64, header: &[u8], body: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(header.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let mut value = zeroize::Zeroizing::new(Vec::with_capacity(4 + header.len() + body.len()));
        for part in [&length[..], header, body] {
            value.extend_from_slice(part);
        }
        self.put(kind::MESSAGE, &arrival.to_be_bytes(), &value)
    }
}

/// Puts a file in its place once its bytes are durable.
fn publish(draft: NamedTempFile, path: &Path, replace: bool) -> Result<(), BackupError> {
    let not_written = |source| BackupError::NotWritten {
        path: path.to_owned(),
        source,
    };
    draft.as_file().sync_all().map_err(not_written)?;
    let put = match replace {
        true => draft.persist(path),
        false => draft.persist_noclobber(path).or_else(|error| {
            // Some file systems can only put a file where it may replace another one.
            match fs::symlink_metadata(path) {
                Ok(_) => Err(error),
                Err(_) => error.file.persist(path),
            }
        }),
    };
    put.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => not_written(error.error),
    })?;
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(not_written)
}

/// Removes all but the newest backups of this account, and what a crash left of one. What cannot be removed stays: it
/// is tried again after the next backup.
fn keep_newest(folder: &Path, key: &StoreKey, keep: usize) {
    let Ok(names) = names(folder, key) else {
        return;
    };
    let old = names.len().saturating_sub(keep.max(1));
    let unfinished = unfinished(folder, key).unwrap_or_default();
    for name in names.into_iter().take(old).chain(unfinished) {
        let _tried_again = fs::remove_file(folder.join(name));
    }
}

/// Returns the names of this account's backups in a folder, oldest first.
fn names(folder: &Path, key: &StoreKey) -> io::Result<Vec<String>> {
    let mut names = listed(folder)?;
    names.retain(|name| made_of(name, key).is_some());
    names.sort_by_key(|name| made_of(name, key));
    Ok(names)
}

fn unfinished(folder: &Path, key: &StoreKey) -> io::Result<Vec<String>> {
    let prefix = unfinished_prefix(key);
    let mut names = listed(folder)?;
    names.retain(|name| name.starts_with(&prefix));
    Ok(names)
}

fn listed(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.collect())
}

/// Returns the name of a backup in a folder: it tells neither account nor home, and sorts by date.
fn name(key: &StoreKey, date: UnixMillis) -> String {
    format!("{}-{:014}{SUFFIX}", label(key), date.get())
}

/// Returns when a backup was made that has a name of this account's.
fn made_of(name: &str, key: &StoreKey) -> Option<UnixMillis> {
    let rest = name.strip_prefix(&label(key))?.strip_prefix('-')?;
    let digits = rest.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == 14 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let made = digits.parse().ok().filter(|_| is_number)?;
    Some(UnixMillis::new(made))
}

fn unfinished_prefix(key: &StoreKey) -> String {
    format!("{UNFINISHED_PREFIX}{}-", label(key))
}

/// Returns what the backups of this home are known by.
fn label(key: &StoreKey) -> String {
    data_encoding::HEXLOWER.encode(&key.label()[..6])
}

/// Reads a small file; none if it is not there.
fn read(path: &PathBuf) -> Result<Option<Vec<u8>>, BackupError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.clone();
            return Err(BackupError::NotRead { path, source });
        }
    };
    let mut content = Vec::new();
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut content);
    read.map_err(|source| BackupError::NotRead {
        path: path.clone(),
        source,
    })?;
    Ok(Some(content))
}
