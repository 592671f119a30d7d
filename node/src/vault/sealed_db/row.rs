//! How a row looks on the disk.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::super::aead::{OVERHEAD_BYTES, SealKey};
use super::super::store_key::{Purpose, StoreKey, SubKey};
use super::{DbError, ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX};

/// A table, known by a name that appears only in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table(&'static str);

impl Table {
    /// Names a table; the name is part of every row's encryption and can never change.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// A decrypted row.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    pub key: Vec<u8>,
    /// Its value; wiped from memory when dropped.
    pub value: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Row(..)")
    }
}

/// The length of a row's key on the disk, in bytes.
pub(super) const ROW_HASH_BYTES: usize = 32;

/// The keyed hash a row lies under.
pub(super) type RowHash = [u8; ROW_HASH_BYTES];

pub(super) struct TableKeys {
    table: Table,
    index: SubKey,
    seal: SealKey,
    pub(super) disk_name: String,
}

impl TableKeys {
    pub(super) fn new(key: &StoreKey, table: Table) -> Self {
        let name = table.0.as_bytes();
        let disk_name = key.derive(Purpose::TableName, name);
        Self {
            table,
            index: key.derive(Purpose::RowIndex, name),
            seal: SealKey {
                cipher: key.derive(Purpose::RowSeal, name),
                nonce: key.derive(Purpose::RowNonce, name),
            },
            disk_name: blake3::Hash::from_bytes(*disk_name)
                .to_hex()
                .as_str()
                .to_owned(),
        }
    }

    /// Hashes a natural key, which says where the row lies.
    pub(super) fn hash(&self, key: &[u8]) -> RowHash {
        *blake3::keyed_hash(&self.index, key).as_bytes()
    }

    /// Encrypts a row that lies under `hash`.
    ///
    /// # Layout
    ///
    /// A nonce of 24 bytes, then XChaCha20-Poly1305 (associated data: the row's hash) of
    ///
    /// | bytes | field                                      |
    /// |-------|--------------------------------------------|
    /// | 4     | length of the natural key, little-endian   |
    /// | 4     | length of the value, little-endian         |
    /// | k     | natural key                                |
    /// | v     | value                                      |
    /// | p     | zeros, up to the next multiple of 64 bytes |
    pub(super) fn seal<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        hash: &RowHash,
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, DbError> {
        let key_length = self.bounded(key, ROW_KEY_BYTES_MAX)?;
        let value_length = self.bounded(value, ROW_VALUE_BYTES_MAX)?;
        let length = (HEADER_BYTES + key.len() + value.len()).next_multiple_of(PADDING_BYTES);
        // The capacity is final, so that no copy of the plaintext is left behind unwiped.
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        plain.extend_from_slice(&key_length.to_le_bytes());
        plain.extend_from_slice(&value_length.to_le_bytes());
        plain.extend_from_slice(key);
        plain.extend_from_slice(value);
        plain.resize(length, 0);
        Ok(self.seal.seal(rng, hash, &plain))
    }

    /// Decrypts the row that lies under `hash`.
    pub(super) fn open(&self, hash: &[u8], sealed: &[u8]) -> Result<Row, DbError> {
        let damaged = DbError::DamagedRow {
            table: self.table.0,
        };
        if sealed.len() > ROW_BYTES_MAX || sealed.len() % PADDING_BYTES != OVERHEAD_BYTES {
            return Err(damaged);
        }
        let plain = self
            .seal
            .open(hash, sealed)
            .ok_or_else(|| damaged.clone())?;
        split(&plain)
            .filter(|row| self.hash(&row.key) == hash)
            .ok_or(damaged)
    }

    fn bounded(&self, bytes: &[u8], limit: usize) -> Result<u32, DbError> {
        let too_long = DbError::TooLong {
            table: self.table.0,
            got: bytes.len(),
            limit,
        };
        match u32::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= limit => Ok(length),
            _ => Err(too_long),
        }
    }
}

/// Two lengths of 4 bytes.
const HEADER_BYTES: usize = 8;

/// Rows are padded to a multiple of this, so that lengths tell little.
const PADDING_BYTES: usize = 64;

/// The longest row on the disk.
const ROW_BYTES_MAX: usize = (HEADER_BYTES + ROW_KEY_BYTES_MAX + ROW_VALUE_BYTES_MAX)
    .next_multiple_of(PADDING_BYTES)
    + OVERHEAD_BYTES;

// A row's length modulo the padding tells a row from other bytes.
const _: () = assert!(OVERHEAD_BYTES < PADDING_BYTES);

fn split(plain: &[u8]) -> Option<Row> {
    let (key_length, rest) = plain.split_first_chunk::<4>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let (value, _) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    Some(Row {
        key: key.to_vec(),
        value: Zeroizing::new(value.to_vec()),
    })
}
