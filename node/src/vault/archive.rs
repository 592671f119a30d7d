//! A sealed archive: records in one file, which the pass phrase of a home opens.
//!
//! It carries a copy of the home's unlock file, so that nobody has to be asked for the pass phrase when one is written,
//! and what opened the home then opens the archive for ever. It is no home, and nothing runs on it.
//!
//! # Layout
//!
//! | bytes | field                                                               |
//! |-------|---------------------------------------------------------------------|
//! | 8     | `RSTARCH1`                                                          |
//! | 156   | the unlock file                                                     |
//! | 32    | a random name                                                       |
//! | 32    | BLAKE3 of all bytes before                                          |
//!
//! Then frames, each of them:
//!
//! | bytes | field                                                               |
//! |-------|---------------------------------------------------------------------|
//! | 1     | 1 for the last frame, 0 for the others                              |
//! | 4     | bytes that follow, little-endian                                    |
//! | n     | XChaCha20-Poly1305 as of a row, under a key of store key and name   |
//!
//! The associated data of a frame are the BLAKE3 above, its number from 0 on (8, little-endian), and its first byte.
//!
//! A frame is the length of its content (4), the content, and zeros up to the next 4 KiB. The content is whole
//! records: kind (1), length of the key (4), key, length of the value (4), value. Frames cannot be left out, cut off,
//! repeated or exchanged unnoticed. Who has not the pass phrase sees how long it is, in steps of 4 KiB.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::aead::{OVERHEAD_BYTES, SealKey};
use super::store_key::{Purpose, StoreKey};
use super::unlock::{self, UNLOCK_FILE_BYTES, UnlockError};

/// The longest key and value of a record together, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"RSTARCH1";
const NAME_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 32;
const UNLOCK_AT: usize = MAGIC.len();
const NAME_AT: usize = UNLOCK_AT + UNLOCK_FILE_BYTES;
const CHECKSUM_AT: usize = NAME_AT + NAME_BYTES;
const HEAD_BYTES: usize = CHECKSUM_AT + CHECKSUM_BYTES;

/// Content after which a frame is closed, in bytes.
const FRAME_BYTES: usize = 128 * 1024;
/// A frame is a multiple of so many bytes.
const STEP_BYTES: usize = 4096;
const LENGTH_BYTES: usize = 4;
/// Bytes of a record beside its key and value.
const RECORD_OVERHEAD_BYTES: usize = 1 + 2 * LENGTH_BYTES;
/// The longest sealed frame, in bytes.
const SEALED_BYTES_MAX: usize = RECORD_BYTES_MAX + FRAME_BYTES + 2 * STEP_BYTES;

/// One record of an archive.
#[derive(Debug)]
pub struct Record {
    /// What it is.
    pub kind: u8,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Zeroizing<Vec<u8>>,
}

/// An archive could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is something else.
    #[error("it is no backup of this program")]
    None,
    /// It is not what was written.
    #[error("it is damaged: {why}")]
    Damaged {
        /// What was found.
        why: &'static str,
    },
    /// The pass phrase does not open it.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The disk.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// An archive that is being written.
pub struct ArchiveWriter<W> {
    to: W,
    frames: Frames,
    content: Zeroizing<Vec<u8>>,
    bytes: u64,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive under the pass phrase of a home; `unlock` is its unlock file, which wraps `key`.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Damaged`] when `unlock` is no unlock file, [`ArchiveError::Io`].
    pub fn begin<R: CryptoRng + ?Sized>(
        mut to: W,
        unlock: &[u8],
        key: &StoreKey,
        rng: &mut R,
    ) -> Result<Self, ArchiveError> {
        if unlock.len() != UNLOCK_FILE_BYTES {
            let why = "the unlock file has the wrong length";
            return Err(ArchiveError::Damaged { why });
        }
        let mut head = [0; HEAD_BYTES];
        head[..UNLOCK_AT].copy_from_slice(MAGIC);
        head[UNLOCK_AT..NAME_AT].copy_from_slice(unlock);
        rng.fill_bytes(&mut head[NAME_AT..CHECKSUM_AT]);
        let checksum = blake3::hash(&head[..CHECKSUM_AT]);
        head[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
        to.write_all(&head)?;
        Ok(Self {
            to,
            frames: Frames::of(&head, key),
            content: Zeroizing::new(Vec::with_capacity(FRAME_BYTES)),
            bytes: HEAD_BYTES as u64,
        })
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Damaged`] when it is longer than [`RECORD_BYTES_MAX`], [`ArchiveError::Io`].
    pub fn put<R: CryptoRng + ?Sized>(
        &mut self,
        (kind, key): (u8, &[u8]),
        value: &[u8],
        rng: &mut R,
    ) -> Result<(), ArchiveError> {
        if key.len() + value.len() > RECORD_BYTES_MAX {
            let why = "a record is too long";
            return Err(ArchiveError::Damaged { why });
        }
        let length = RECORD_OVERHEAD_BYTES + key.len() + value.len();
        if self.content.len() + length > FRAME_BYTES && !self.content.is_empty() {
            self.close_frame(false, rng)?;
        }
        // Room for all of it, so that growing leaves no copies behind.
        self.content.reserve_exact(length);
        self.content.push(kind);
        for part in [key, value] {
            self.content.extend_from_slice(&length_of(part));
            self.content.extend_from_slice(part);
        }
        Ok(())
    }

    /// Writes what is left and returns what was written to, and how many bytes; nothing is synced.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Io`].
    pub fn finish<R: CryptoRng + ?Sized>(mut self, rng: &mut R) -> Result<(W, u64), ArchiveError> {
        self.close_frame(true, rng)?;
        self.to.flush()?;
        Ok((self.to, self.bytes))
    }

    fn close_frame<R: CryptoRng + ?Sized>(
        &mut self,
        is_last: bool,
        rng: &mut R,
    ) -> Result<(), ArchiveError> {
        let length = (LENGTH_BYTES + self.content.len()).next_multiple_of(STEP_BYTES);
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        plain.extend_from_slice(&length_of(&self.content));
        plain.extend_from_slice(&self.content);
        plain.resize(length, 0);
        let sealed = self
            .frames
            .key
            .seal(rng, &self.frames.bound(is_last), &plain);
        self.to.write_all(&[u8::from(is_last)])?;
        self.to.write_all(&length_of(&sealed))?;
        self.to.write_all(&sealed)?;
        self.bytes += (1 + LENGTH_BYTES + sealed.len()) as u64;
        self.frames.number += 1;
        self.content = Zeroizing::new(Vec::with_capacity(FRAME_BYTES));
        Ok(())
    }
}

impl<W> std::fmt::Debug for ArchiveWriter<W> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ArchiveWriter(..)")
    }
}

/// An archive that is being read.
pub struct ArchiveReader<F> {
    from: F,
    frames: Frames,
    has_ended: bool,
}

impl<F: Read + Seek> ArchiveReader<F> {
    /// Opens an archive; slow on purpose, as the pass phrase costs.
    ///
    /// # Errors
    ///
    /// Every [`ArchiveError`].
    pub fn open(mut from: F, passphrase: &[u8]) -> Result<Self, ArchiveError> {
        let mut head = [0; HEAD_BYTES];
        let read = from.read_exact(&mut head);
        let is_short = |error: &io::Error| error.kind() == ErrorKind::UnexpectedEof;
        if read.as_ref().is_err_and(is_short) || &head[..UNLOCK_AT] != MAGIC {
            return Err(ArchiveError::None);
        }
        read?;
        if blake3::hash(&head[..CHECKSUM_AT]).as_bytes() != &head[CHECKSUM_AT..] {
            let why = "the checksum of its head does not match";
            return Err(ArchiveError::Damaged { why });
        }
        let key = unlock::unwrap(&head[UNLOCK_AT..NAME_AT], passphrase)?;
        Ok(Self {
            from,
            frames: Frames::of(&head, &key),
            has_ended: false,
        })
    }

    /// Goes back to the first record.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Io`].
    pub fn rewind(&mut self) -> Result<(), ArchiveError> {
        self.from.seek(SeekFrom::Start(HEAD_BYTES as u64))?;
        self.frames.number = 0;
        self.has_ended = false;
        Ok(())
    }

    /// Reads the records of the next frame; none when all were read, and the file is whole.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Damaged`], also when the file ends too early or goes on behind its end; [`ArchiveError::Io`].
    pub fn read_frame(&mut self) -> Result<Option<Vec<Record>>, ArchiveError> {
        let damaged = |why| ArchiveError::Damaged { why };
        if self.has_ended {
            return match self.from.read(&mut [0])? {
                0 => Ok(None),
                _ => Err(damaged("it goes on behind its end")),
            };
        }
        let mut lead = [0; 1 + LENGTH_BYTES];
        self.read(&mut lead)?;
        let [is_last, length @ ..] = lead;
        let length = u32::from_le_bytes(length) as usize;
        if is_last > 1 || !(OVERHEAD_BYTES + LENGTH_BYTES..=SEALED_BYTES_MAX).contains(&length) {
            return Err(damaged("a frame has a length that none has"));
        }
        let mut sealed = vec![0; length];
        self.read(&mut sealed)?;
        let is_last = is_last == 1;
        let opened = self.frames.key.open(&self.frames.bound(is_last), &sealed);
        let plain = opened.ok_or_else(|| damaged("a frame is not what was written"))?;
        self.frames.number += 1;
        self.has_ended = is_last;
        let records = records(&plain).ok_or_else(|| damaged("a frame is cut short"))?;
        Ok(Some(records))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        let read = self.from.read_exact(bytes);
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ArchiveError::Damaged {
                why: "it ends too early",
            },
            _ => error.into(),
        })
    }
}

impl<F> std::fmt::Debug for ArchiveReader<F> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ArchiveReader(..)")
    }
}

/// How the frames of one archive are sealed.
struct Frames {
    key: SealKey,
    checksum: [u8; CHECKSUM_BYTES],
    number: u64,
}

impl Frames {
    fn of(head: &[u8; HEAD_BYTES], key: &StoreKey) -> Self {
        let name = &head[NAME_AT..CHECKSUM_AT];
        let mut checksum = [0; CHECKSUM_BYTES];
        checksum.copy_from_slice(&head[CHECKSUM_AT..]);
        Self {
            key: SealKey {
                cipher: key.derive(Purpose::ArchiveSeal, name),
                nonce: key.derive(Purpose::ArchiveNonce, name),
            },
            checksum,
            number: 0,
        }
    }

    /// Returns what the next frame is bound to.
    fn bound(&self, is_last: bool) -> Vec<u8> {
        let mut bound = self.checksum.to_vec();
        bound.extend_from_slice(&self.number.to_le_bytes());
        bound.push(u8::from(is_last));
        bound
    }
}

fn length_of(bytes: &[u8]) -> [u8; LENGTH_BYTES] {
    // What is written here is far below.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Takes a frame apart.
fn records(plain: &[u8]) -> Option<Vec<Record>> {
    let (content, _zeros) = take(plain)?;
    let (mut rest, mut records) = (content, Vec::new());
    while let Some((kind, behind)) = rest.split_first() {
        let (key, behind) = take(behind)?;
        let (value, behind) = take(behind)?;
        records.push(Record {
            kind: *kind,
            key: key.to_vec(),
            value: Zeroizing::new(value.to_vec()),
        });
        rest = behind;
    }
    Some(records)
}

/// Splits off a length and as many bytes.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

#[cfg(test)]
mod tests;
