//! Writing all that an account has anew, so that nothing is left of what it had.
//!
//! A database never overwrites what it removes, and what it wrote once was under the home's store key. So everything
//! that is there now is written into new files under another key, message by message under other message keys.

use std::path::Path;

use bytes::Bytes;
use restante_client::CommitError;
use restante_client::model::{HeaderDraft, Sent, Words};
use restante_client::records::{Change, Loaded};
use restante_conversation::rows::Change as RowChange;

use super::backup::changes_of;
use super::{AccountStoreError, VaultDisk};
use crate::passphrase::Passphrase;
use crate::vault::{PassCost, Vault, VaultError};

/// Changes that are written at once.
const BATCH: usize = 128;

/// What was written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// How many messages.
    pub messages: u32,
    /// How many contacts, strangers who wrote included.
    pub contacts: u32,
    /// How many messages could not be opened any more, and are left out.
    pub unreadable: u32,
}

/// Why nothing was written anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShredError {
    /// What is there cannot be read.
    #[error(transparent)]
    Store(#[from] AccountStoreError),
    /// The new files.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is written into them.
    #[error("the new files do not take it in: {0}")]
    Commit(#[from] CommitError),
    /// What was read back is not what was written.
    #[error("the new files hold something else than the old ones")]
    Differs,
}

impl VaultDisk {
    /// Writes everything into a vault in an empty folder, under the same pass phrase and new keys.
    ///
    /// # Errors
    ///
    /// [`ShredError`]; what was written by then is the caller's to remove.
    pub fn write_anew(
        &self,
        folder: &Path,
        passphrase: &Passphrase,
        cost: PassCost,
    ) -> Result<Rewritten, ShredError> {
        // Burns what a crash has left without a row, too.
        let rows = self.load()?;
        let vault = Vault::create(folder, passphrase.as_bytes(), cost, &mut rand::rng())?;
        let new = Self::in_home(vault, folder);
        let mut changes = changes_of(&rows);
        changes.extend(changes_of_device(&rows));
        for batch in changes.chunks(BATCH) {
            new.commit(batch)?;
        }
        let (mut written, mut unreadable) = (0, 0);
        for (arrival, header) in &rows.inbox {
            let Some(slot) = header.slot else {
                new.commit(&[Change::PutHeader(*arrival, Box::new(header.clone()))])?;
                written += 1;
                continue;
            };
            let body = match self.body(*arrival, slot) {
                Ok(Some(body)) => body,
                Ok(None) => continue,
                Err(error) if error.trouble().is_some() => return Err(error.into()),
                Err(_) => {
                    unreadable += 1;
                    continue;
                }
            };
            new.commit(&[Change::PutMessage {
                arrival: *arrival,
                header: Box::new(HeaderDraft::new(header.clone())),
                body: Bytes::from(body),
            }])?;
            written += 1;
        }
        let words = self.write_words_anew(&rows, &new)?;
        let (read, _) = new.snapshot()?;
        let has_words = |sent: &&Sent| sent.words.slot().is_some();
        let is_same = read.inbox.len() == written
            && read.sent.values().filter(has_words).count() == words
            && read.reactions.len() == rows.reactions.len()
            && read.contacts.len() == rows.contacts.len()
            && read.outgoing.len() == rows.outgoing.len()
            && read.prekeys.len() == rows.prekeys.len()
            && read.account.identity.device.public() == rows.account.identity.device.public();
        if !is_same {
            return Err(ShredError::Differs);
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Rewritten {
            messages: count(written),
            contacts: count(rows.contacts.len()),
            unreadable,
        })
    }
}

impl VaultDisk {
    /// Writes the words of one's own messages into another vault; returns of how many.
    fn write_words_anew(&self, rows: &Loaded, new: &Self) -> Result<usize, ShredError> {
        let mut written = 0;
        for (message, sent) in &rows.sent {
            let Some(slot) = sent.words.slot() else {
                continue;
            };
            let words = match self.body(sent.place, slot) {
                Ok(Some(words)) => Bytes::from(words),
                Err(error) if error.trouble().is_some() => return Err(error.into()),
                Ok(None) | Err(_) => continue,
            };
            let sent = Sent {
                words: Words::Staged,
                ..sent.clone()
            };
            new.commit(&[Change::PutWords(*message, Box::new(sent), words)])?;
            written += 1;
        }
        Ok(written)
    }
}

/// Returns the changes by which a new disk comes to hold what belongs to the device: its card and its conversations.
fn changes_of_device(rows: &Loaded) -> Vec<Change> {
    let card = rows.card.iter();
    let mut changes: Vec<Change> = card
        .map(|card| Change::PutCard(Box::new(card.clone())))
        .collect();
    let memberships = rows.memberships.iter();
    changes.extend(memberships.map(|(id, it)| Change::PutMembership(*id, Box::new(it.clone()))));
    for (id, inside) in &rows.conversations {
        let inside = inside.iter();
        let puts = inside.map(|(row, bytes)| RowChange::Put(*row, bytes.clone()));
        changes.extend(puts.map(|put| Change::Conversation(*id, put)));
    }
    let packages = rows.packages.iter();
    changes.extend(packages.map(|own| Change::PutPackage(Box::new(own.clone()))));
    changes
}
