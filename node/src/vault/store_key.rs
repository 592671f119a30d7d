//! The store key and every key derived from it.
//!
//! One random key opens a home. It never encrypts anything itself: each use has a key of its own,
//! derived with BLAKE3 under one of the context strings below, so that no two uses can meet.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

/// The length of every key in the vault.
pub const KEY_BYTES: usize = 32;

/// The random key of one home; wiped from memory when dropped.
pub struct StoreKey(Zeroizing<[u8; KEY_BYTES]>);

/// A key derived from the store key for one use; wiped from memory when dropped.
pub(super) type SubKey = Zeroizing<[u8; KEY_BYTES]>;

/// What a derived key is for, with its context string.
///
/// A string is never changed and never used again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Hashes a table's name; the extra input is the name.
    TableName,
    /// Hashes natural keys to row keys; the extra input is the table's name.
    RowIndex,
    /// Encrypts rows; the extra input is the table's name.
    RowSeal,
    /// Mixes nonces for rows; the extra input is the table's name.
    RowNonce,
    /// Authenticates the key file's header.
    KeyFileHeader,
    /// Tags the slots of the key file.
    SlotTag,
    /// Encrypts message bodies; the extra input is the message key.
    BodySeal,
    /// Mixes nonces for message bodies; the extra input is the message key.
    BodyNonce,
    /// Encrypts the frames of an archive; the extra input is the archive's name.
    ArchiveSeal,
    /// Mixes nonces for them; the extra input is the archive's name.
    ArchiveNonce,
    /// Names the archives of a home, so that those of another are told apart.
    ArchiveLabel,
}

impl Purpose {
    const fn context(self) -> &'static str {
        match self {
            Self::TableName => "restante/v1/vault/table-name",
            Self::RowIndex => "restante/v1/vault/row-index",
            Self::RowSeal => "restante/v1/vault/row-seal",
            Self::RowNonce => "restante/v1/vault/row-nonce",
            Self::KeyFileHeader => "restante/v1/vault/key-file-header",
            Self::SlotTag => "restante/v1/vault/slot-tag",
            Self::BodySeal => "restante/v1/vault/body-seal",
            Self::BodyNonce => "restante/v1/vault/body-nonce",
            Self::ArchiveSeal => "restante/v1/vault/archive-seal",
            Self::ArchiveNonce => "restante/v1/vault/archive-nonce",
            Self::ArchiveLabel => "restante/v1/vault/archive-label",
        }
    }
}

impl StoreKey {
    #[must_use]
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// Returns what the archives of a home are known by; it tells nothing of the key.
    pub fn label(&self) -> [u8; KEY_BYTES] {
        *self.derive(Purpose::ArchiveLabel, &[])
    }

    pub(super) const fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Derives the key for `purpose`; `extra` separates keys of one purpose.
    pub(super) fn derive(&self, purpose: Purpose, extra: &[u8]) -> SubKey {
        derive(&self.0, purpose, extra)
    }

    /// Returns a copy for a part of the vault that must derive keys later.
    pub(super) fn copy(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("StoreKey(..)")
    }
}

fn derive(root: &[u8; KEY_BYTES], purpose: Purpose, extra: &[u8]) -> SubKey {
    // The root has a fixed length, so `root || extra` cannot be read in two ways.
    let mut hasher = blake3::Hasher::new_derive_key(purpose.context());
    hasher.update(root).update(extra);
    Zeroizing::new(*hasher.finalize().as_bytes())
}
