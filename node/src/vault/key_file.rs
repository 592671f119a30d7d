//! One key for each message, in a file that is overwritten in place.
//!
//! The database cannot forget: removing a row leaves its bytes in the file. So a message's body is
//! encrypted under a key of its own that is never in the database, and burning the message
//! overwrites the 32 bytes of that key where they lie.
//!
//! # Layout
//!
//! A header of 4 KiB, then slots of 32 bytes, in pages of 128 slots. A slot of zeros is free; any
//! other slot is a message key. Burning writes zeros, once: more passes and random bytes gain
//! nothing on any disk made since 2001, and zeros tell a free slot from a used one without a
//! second write that could be torn from the first.
//!
//! | bytes | field of the header                                             |
//! |-------|-----------------------------------------------------------------|
//! | 8     | `RSTKEYS1`                                                      |
//! | 32    | random identity of this file                                    |
//! | 32    | BLAKE3 of the 40 bytes before, keyed from the store key         |
//! | 4024  | zeros                                                           |
//!
//! A page of zeros is written when the file grows, so filling a slot later, and burning it, need
//! no more space on the disk.
//!
//! # Why a slot can be used again
//!
//! A [`SlotId`] is an index and a keyed hash of the key that lies there, so it names one key and
//! not a place. When the slot holds another key, the old ID reads as burnt and burning it does
//! nothing: an old row can neither open nor destroy a newer message. Even without that check an
//! old body would not open under the new key, because its encryption is authenticated.

mod slot;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rand::CryptoRng;
use redb::StorageBackend;
use zeroize::Zeroizing;

use self::slot::Slots;
use super::aead::SealKey;
use super::disk::{self, DiskError, FsFile};
use super::store_key::{Purpose, StoreKey};

pub use self::slot::{MessageKey, SLOT_ID_BYTES, SlotId};

/// The most messages that can have a key at one time: a file of 32 MiB.
pub const SLOT_COUNT_MAX: u32 = 1 << 20;

/// The most keys one call makes.
pub const ALLOCATE_COUNT_MAX: usize = 4096;

/// The longest body that is sealed as one.
///
/// # Units
///
/// Bytes. Longer content travels and lies in chunks.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

pub struct KeyFile {
    slots: Mutex<Slots>,
    key: StoreKey,
}

/// The key file refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("there is no key file")]
    Missing,
    #[error("a key file is there already")]
    AlreadyThere,
    #[error("the key file is in use by another process")]
    InUse,
    #[error("the key file is damaged: {why}")]
    Damaged { why: &'static str },
    #[error("all {limit} message keys are in use")]
    Full { limit: u32 },
    #[error("{got} message keys were asked for at once, the limit is {limit}")]
    TooMany { got: usize, limit: usize },
    #[error("keys were made since the key file was opened, so it cannot be reconciled")]
    TooLateToReconcile,
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the key file stopped at an earlier failure and must be opened again")]
    NeedsReopen,
}

/// A message body could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    #[error("the message was burnt")]
    Burnt,
    #[error("the message is damaged")]
    Damaged,
    #[error("the message has {got} bytes, the limit is {limit}")]
    TooLong { got: usize, limit: usize },
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// What [`KeyFile::reconcile`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// How many keys were burnt because no row names them.
    pub burnt_count: u32,
    /// The slots that a row names and whose key is gone: burnt before the row could be removed, or
    /// damaged. Their bodies cannot be opened any more. They are to be burnt again before their rows
    /// are removed: when the sync of the burning failed, it may have reached the memory alone.
    pub absent: Vec<SlotId>,
}

impl KeyFile {
    /// Creates the key file, which must not exist.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlreadyThere`] or [`KeyError::Disk`].
    pub fn create<R: CryptoRng + ?Sized>(
        path: &Path,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        let file = FsFile::create(path).map_err(path_error)?;
        let made = Self::create_on(Box::new(file), key, rng)?;
        disk::sync_folder(path).map_err(DiskError::from)?;
        Ok(made)
    }

    /// Opens the key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`], [`KeyError::InUse`], [`KeyError::Damaged`] or [`KeyError::Disk`].
    pub fn open(path: &Path, key: &StoreKey) -> Result<Self, KeyError> {
        Self::open_on(Box::new(FsFile::open(path).map_err(path_error)?), key)
    }

    /// Creates the key file on an empty file of any kind.
    ///
    /// # Errors
    ///
    /// [`KeyError::AlreadyThere`] when the file is not empty, or [`KeyError::Disk`].
    pub fn create_on<R: CryptoRng + ?Sized>(
        file: Box<dyn StorageBackend>,
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        let mac_key = key.derive(Purpose::KeyFileHeader, &[]);
        Ok(Self::with_slots(
            Slots::create(file, &mac_key, tag_key(key), rng)?,
            key,
        ))
    }

    /// Opens the key file on a file of any kind.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::open`].
    pub fn open_on(file: Box<dyn StorageBackend>, key: &StoreKey) -> Result<Self, KeyError> {
        let mac_key = key.derive(Purpose::KeyFileHeader, &[]);
        Ok(Self::with_slots(
            Slots::open(file, &mac_key, tag_key(key))?,
            key,
        ))
    }

    /// Makes a message key; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`KeyError::Full`], [`KeyError::Disk`] or [`KeyError::NeedsReopen`].
    pub fn allocate<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> Result<MessageKey, KeyError> {
        let mut made = self.allocate_batch(1, rng)?;
        made.pop().ok_or(KeyError::Full {
            limit: SLOT_COUNT_MAX,
        })
    }

    /// Makes `count` message keys at the price of one sync; all are durable when this returns.
    ///
    /// A key that no row comes to name stays until [`KeyFile::reconcile`] at the next start; the
    /// caller whose transaction fails burns its keys.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooMany`], [`KeyError::Full`], [`KeyError::Disk`] or [`KeyError::NeedsReopen`];
    /// then no key was made. After [`KeyError::Disk`] no key is made until the file is opened
    /// again, because a failed sync says nothing about what is on the disk.
    pub fn allocate_batch<R: CryptoRng + ?Sized>(
        &self,
        count: usize,
        rng: &mut R,
    ) -> Result<Vec<MessageKey>, KeyError> {
        self.lock()?.allocate(count, rng)
    }

    /// Reads a message key; `None` when it was burnt.
    ///
    /// # Errors
    ///
    /// [`KeyError::Disk`].
    pub fn read(&self, slot: SlotId) -> Result<Option<MessageKey>, KeyError> {
        self.lock()?.read(slot)
    }

    /// Destroys message keys with one sync; returns how many were there.
    ///
    /// When this returns `Ok`, no crash brings a key back. An ID whose key is gone, or whose place
    /// holds another key by now, is passed over. Needs no free space on the disk and works after
    /// an earlier failure.
    ///
    /// # Errors
    ///
    /// [`KeyError::Disk`]; then some of the keys may be destroyed, and the call is to be repeated.
    pub fn burn(&self, slots: &[SlotId]) -> Result<usize, KeyError> {
        self.lock()?.burn(slots)
    }

    /// Burns every key that no row names, after a crash between a key and its row.
    ///
    /// Called once after opening, with the slots of every row there is. Reads the file in pieces
    /// of 64 KiB; holds nothing else but `live` and one bit for each slot.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooLateToReconcile`], [`KeyError::Damaged`] when a row names a slot behind the end
    /// of the file, or [`KeyError::Disk`].
    pub fn reconcile(&self, live: &BTreeSet<SlotId>) -> Result<Reconciled, KeyError> {
        self.lock()?.reconcile(live)
    }

    /// Returns whether a failure has stopped the file: no key is made before it is opened again.
    pub fn needs_reopen(&self) -> bool {
        self.lock().map_or(true, |slots| slots.needs_reopen())
    }

    /// Returns how many message keys there are.
    ///
    /// # Errors
    ///
    /// [`KeyError::NeedsReopen`].
    pub fn count(&self) -> Result<u32, KeyError> {
        Ok(self.lock()?.used_count())
    }

    /// Encrypts a message body under its key and the store key together.
    ///
    /// `context` is what the body belongs to, for example the message's ID; opening needs the same
    /// bytes. The result is as long as `body` and 40 bytes: it goes into a row of the database,
    /// which pads it.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLong`].
    pub fn seal_body<R: CryptoRng + ?Sized>(
        &self,
        key: &MessageKey,
        context: &[u8],
        body: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, BodyError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLong {
                got: body.len(),
                limit: BODY_BYTES_MAX,
            });
        }
        Ok(self
            .body_key(key)
            .seal(rng, &body_aad(key.slot(), context), body))
    }

    /// Decrypts a message body.
    ///
    /// # Errors
    ///
    /// [`BodyError::Burnt`], [`BodyError::Damaged`] or [`BodyError::Keys`].
    pub fn open_body(
        &self,
        slot: SlotId,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BodyError> {
        let key = self.read(slot)?.ok_or(BodyError::Burnt)?;
        let opened = self.body_key(&key).open(&body_aad(slot, context), sealed);
        opened.ok_or(BodyError::Damaged)
    }

    fn with_slots(slots: Slots, key: &StoreKey) -> Self {
        Self {
            slots: Mutex::new(slots),
            key: key.copy(),
        }
    }

    /// Derives from both keys, so that neither the key file nor the pass phrase is enough alone.
    fn body_key(&self, key: &MessageKey) -> SealKey {
        SealKey {
            cipher: self.key.derive(Purpose::BodySeal, key.as_bytes()),
            nonce: self.key.derive(Purpose::BodyNonce, key.as_bytes()),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Slots>, KeyError> {
        // A panic under the lock leaves the map of free slots in doubt.
        self.slots.lock().map_err(|_| KeyError::NeedsReopen)
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KeyFile(..)")
    }
}

fn tag_key(key: &StoreKey) -> super::store_key::SubKey {
    key.derive(Purpose::SlotTag, &[])
}

fn body_aad(slot: SlotId, context: &[u8]) -> Vec<u8> {
    // The slot has a fixed length, so the two cannot be read in another way.
    [slot.to_bytes().as_slice(), context].concat()
}

fn path_error(error: io::Error) -> KeyError {
    match error.kind() {
        ErrorKind::NotFound => KeyError::Missing,
        ErrorKind::AlreadyExists => KeyError::AlreadyThere,
        ErrorKind::WouldBlock => KeyError::InUse,
        _ => DiskError::from(error).into(),
    }
}

#[cfg(test)]
mod tests;
