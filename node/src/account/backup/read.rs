//! How a home is made of a backup: all of the file is read and checked before anything is written.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message as _;
use restante_client::model::{Header, HeaderDraft, Sent, Words};
use restante_client::records::{Change, Loaded};
use restante_client::{CommitError, Restored, restored};
use restante_interface::RestoredInfo;
use restante_proto::time::UnixMillis;

use super::super::rows::{self, RowError, moment_of};
use super::super::store::{VaultDisk, arrival_of, message_of, named_of, stamp_of, taken_of};
use super::{About, FILES, kind};
use crate::home::Home;
use crate::passphrase::Passphrase;
use crate::vault::archive::{ArchiveError, ArchiveReader, Record};
use crate::vault::{PassCost, Vault, VaultError};

/// Messages that are written at once, and their bytes, at most.
const BATCH: (usize, usize) = (256, 4 * 1024 * 1024);

/// Why a backup is not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The file.
    #[error("cannot use {}: {source}", .path.display())]
    Archive {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// The file holds something that this version does not know.
    #[error("{} was written by a newer version of this program", .0.display())]
    Newer(PathBuf),
    /// The file holds something that no version wrote.
    #[error("cannot use {}: {why}", .path.display())]
    Senseless {
        /// Its path.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The new vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is written into it.
    #[error("the new home does not take it in: {0}")]
    Commit(#[from] CommitError),
    /// A file of the new home.
    #[error("cannot write {}: {source}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A backup that was read to its end, and is whole.
#[derive(Debug)]
pub struct Examined {
    path: PathBuf,
    archive: ArchiveReader<BufReader<File>>,
    made: UnixMillis,
    rows: Loaded,
    files: Vec<(&'static str, Vec<u8>)>,
}

/// Reads a backup to its end; slow on purpose, as the pass phrase costs.
///
/// # Errors
///
/// [`RestoreError`] about the file.
pub fn examine(path: &Path, passphrase: &Passphrase) -> Result<Examined, RestoreError> {
    let refused = |source| RestoreError::Archive {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|error| refused(error.into()))?;
    let opened = ArchiveReader::open(BufReader::new(file), passphrase.as_bytes());
    let mut archive = opened.map_err(refused)?;
    let mut read = Read::default();
    while let Some(records) = archive.read_frame().map_err(refused)? {
        for record in records {
            read.take(&record).map_err(|error| match error {
                Wrong::Newer => RestoreError::Newer(path.to_owned()),
                Wrong::Row(error) => senseless(path, error.to_string()),
            })?;
        }
    }
    let (Some(made), Some(rows)) = (read.made, read.rows) else {
        return Err(senseless(path, "there is no account in it".to_owned()));
    };
    Ok(Examined {
        path: path.to_owned(),
        archive,
        made,
        rows,
        files: read.files,
    })
}

impl Examined {
    /// Makes a home of it, under the pass phrase that opened it: a new device of its account.
    ///
    /// # Errors
    ///
    /// [`RestoreError`]; what was written by then is the caller's to remove.
    pub fn restore(
        self,
        home: &Home,
        passphrase: &Passphrase,
        cost: PassCost,
        date: UnixMillis,
    ) -> Result<RestoredInfo, RestoreError> {
        let Self {
            path,
            mut archive,
            made,
            rows,
            files,
        } = self;
        let rng = &mut rand::rng();
        let Restored {
            rows,
            ended,
            doubtful,
        } = restored(rows, made, date, rng);
        let info = RestoredInfo {
            id: restante_client::id_info(&rows.account),
            made_ms: made.get(),
            messages: u32::try_from(rows.inbox.len()).unwrap_or(u32::MAX),
            contacts: u32::try_from(rows.contacts.len()).unwrap_or(u32::MAX),
            ended,
            doubtful,
        };
        let vault = Vault::create(home.path(), passphrase.as_bytes(), cost, rng)?;
        let disk = VaultDisk::in_home(vault, home.path());
        // The device that it goes on as comes first: there is no moment at which it is another one.
        for batch in changes_of(&rows).chunks(BATCH.0) {
            disk.commit(batch)?;
        }
        let refused = |source| RestoreError::Archive {
            path: path.clone(),
            source,
        };
        archive.rewind().map_err(refused)?;
        let mut batch = Batch::default();
        while let Some(records) = archive.read_frame().map_err(refused)? {
            for record in &records {
                let change = said(&rows, record);
                let change = change.map_err(|error| senseless(&path, error.to_string()))?;
                if let Some(change) = change {
                    batch.put(&disk, change, record.value.len())?;
                }
            }
        }
        batch.write(&disk)?;
        for (name, content) in files {
            let path = home.path().join(name);
            let written = write_private(&path, &content);
            written.map_err(|source| RestoreError::File { path, source })?;
        }
        // Closes its files.
        drop(disk);
        Ok(info)
    }

    /// Leaves out a file that is not to be in the new home.
    pub fn without(&mut self, name: &str) {
        self.files.retain(|(other, _)| *other != name);
    }
}

/// Messages on their way to the disk.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    fn put(&mut self, disk: &VaultDisk, change: Change, bytes: usize) -> Result<(), CommitError> {
        self.bytes += bytes;
        self.changes.push(change);
        let (count, bytes) = BATCH;
        if self.changes.len() >= count || self.bytes >= bytes {
            self.write(disk)?;
        }
        Ok(())
    }

    fn write(&mut self, disk: &VaultDisk) -> Result<(), CommitError> {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        if !changes.is_empty() {
            disk.commit(&changes)?;
        }
        Ok(())
    }
}

/// What was read of a backup so far.
#[derive(Default)]
struct Read {
    made: Option<UnixMillis>,
    rows: Option<Loaded>,
    files: Vec<(&'static str, Vec<u8>)>,
}

/// What is wrong with a record.
enum Wrong {
    Newer,
    Row(RowError),
}

impl From<RowError> for Wrong {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl Read {
    fn take(&mut self, record: &Record) -> Result<(), Wrong> {
        let (key, value) = (record.key.as_slice(), record.value.as_slice());
        match record.kind {
            kind::ABOUT => {
                let about = About::decode(value).map_err(|_| RowError("backup"))?;
                self.made = Some(UnixMillis::new(about.made_ms));
                return Ok(());
            }
            kind::ACCOUNT => {
                self.rows = Some(Loaded::of(rows::account_from_row(value)?));
                return Ok(());
            }
            kind::FILE => {
                let known = FILES.iter().find(|name| name.as_bytes() == key);
                let name = *known.ok_or(Wrong::Newer)?;
                self.files.push((name, value.to_vec()));
                return Ok(());
            }
            _ => {}
        }
        // Everything else comes behind the account.
        let rows = self.rows.as_mut().ok_or(RowError("backup"))?;
        match record.kind {
            kind::PREKEY => rows.prekeys.push(rows::prekey_from_row(value)?),
            kind::STAMP => rows.stamps.extend([stamp_of(key, value)?]),
            kind::CONTACT => {
                let contact = rows::contact_from_row(value)?;
                rows.contacts.insert(contact.account, contact);
            }
            kind::OUTGOING => {
                let outgoing = rows::outgoing_from_row(value)?;
                rows.outgoing.insert(outgoing.envelope.id(), outgoing);
            }
            kind::SENT => {
                let sent = rows::sent_from_row(value)?;
                rows.sent.insert(message_of(key)?, sent);
            }
            kind::TAKEN => {
                let until = moment_of(value, "taken")?;
                rows.taken.insert(taken_of(key)?, until);
            }
            kind::SEEN => {
                let until = moment_of(value, "seen")?;
                rows.seen.insert(named_of(key)?, until);
            }
            kind::DUE => drop(rows.due.insert(named_of(key)?)),
            kind::READ_DUE => drop(rows.read_due.insert(named_of(key)?)),
            kind::REACTION => {
                let reaction = rows::reaction_from_row(value)?;
                rows.reactions.insert(rows::reaction_of(key)?, reaction);
            }
            kind::WORDS => drop(message_of(key)?),
            kind::MESSAGE => {
                let (arrival, header, _) = message(record)?;
                rows.inbox.insert(arrival, header);
            }
            _ => return Err(Wrong::Newer),
        }
        Ok(())
    }
}

/// Returns the change that brings a message back, of either side, if it comes back and the record is of one.
fn said(rows: &Loaded, record: &Record) -> Result<Option<Change>, RowError> {
    match record.kind {
        kind::MESSAGE => {
            let (arrival, header, body) = message(record)?;
            let is_there = rows.inbox.contains_key(&arrival);
            Ok(is_there.then(|| match header.slot {
                Some(_) => Change::PutMessage {
                    arrival,
                    header: Box::new(HeaderDraft::new(header)),
                    body: Bytes::copy_from_slice(body),
                },
                // It was taken back.
                None => Change::PutHeader(arrival, Box::new(header)),
            }))
        }
        kind::WORDS => {
            let id = message_of(&record.key)?;
            let sent = rows.sent.get(&id).filter(|sent| sent.words != Words::Gone);
            Ok(sent.map(|sent| {
                let sent = Sent {
                    words: Words::Staged,
                    ..sent.clone()
                };
                Change::PutWords(id, Box::new(sent), Bytes::copy_from_slice(&record.value))
            }))
        }
        _ => Ok(None),
    }
}

/// Takes a record of a message apart.
fn message(record: &Record) -> Result<(u64, Header, &[u8]), RowError> {
    let error = RowError("inbox");
    let (length, rest) = record.value.split_first_chunk::<4>().ok_or(error)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (header, body) = rest.split_at_checked(length).ok_or(error)?;
    Ok((
        arrival_of(&record.key)?,
        rows::header_from_row(header)?,
        body,
    ))
}

/// Returns the changes by which a new disk comes to hold everything but messages.
pub(in crate::account) fn changes_of(rows: &Loaded) -> Vec<Change> {
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
    let mut changes = vec![Change::PutAccount(Box::new(rows.account.clone()))];
    let prekeys = rows.prekeys.iter().cloned();
    changes.extend(prekeys.map(Change::PutPrekey));
    let stamps = rows.stamps.iter();
    changes.extend(stamps.map(|(at, stamp)| Change::PutStamp(*at, stamp.clone())));
    let contacts = rows.contacts.values();
    changes.extend(contacts.map(|it| Change::PutContact(Box::new(it.clone()))));
    let outgoing = rows.outgoing.values();
    changes.extend(outgoing.map(|it| Change::PutOutgoing(Box::new(it.clone()))));
    // Their words come by themselves, under new keys.
    let words = Words::Gone;
    let sent = rows.sent.iter();
    changes.extend(sent.map(|(message, sent)| {
        let sent = sent.clone();
        Change::PutSent(*message, Sent { words, ..sent })
    }));
    let taken = rows.taken.iter();
    changes.extend(taken.map(|((at, id), until)| Change::PutTaken(*at, *id, *until)));
    let seen = rows.seen.iter();
    changes.extend(seen.map(|(named, until)| Change::PutSeen(*named, *until)));
    changes.extend(rows.due.iter().map(|named| Change::PutDue(*named)));
    let read_due = rows.read_due.iter();
    changes.extend(read_due.map(|named| Change::PutReadDue(*named)));
    let reactions = rows.reactions.iter();
    changes.extend(
        reactions.map(|((to, by), it)| Change::PutReaction(*to, *by, Box::new(it.clone()))),
    );
    changes
}

fn senseless(path: &Path, why: String) -> RestoreError {
    RestoreError::Senseless {
        path: path.to_owned(),
        why,
    }
}

/// Writes a file that its owner alone can read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
