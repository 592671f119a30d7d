//! The unlock file: the store key, wrapped under a pass phrase.
//!
//! The pass phrase never encrypts data. It opens one small file that holds the random store key,
//! so changing it rewrites that file and nothing else. Losing the file loses the home: nothing
//! else holds the store key.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::aead::{OVERHEAD_BYTES, SealKey};
use super::disk::{self, DiskError};
use super::store_key::{KEY_BYTES, StoreKey};

/// The length of an unlock file.
pub const UNLOCK_FILE_BYTES: usize = CHECKSUM_AT + CHECKSUM_BYTES;

/// The most memory a file may ask of Argon2id.
///
/// # Units
///
/// KiB. A damaged or planted file must not take the machine down.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 1024 * 1024;

/// The most passes a file may ask of Argon2id, for the same reason.
pub const ARGON2_PASSES_MAX: u32 = 10;

/// The most lanes a file may ask of Argon2id, for the same reason.
pub const ARGON2_LANES_MAX: u32 = 16;

/// What one guess at the pass phrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassCost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4.
    ///
    /// The lanes are computed one after the other; they cost the owner nothing and an attacker
    /// with many cores gains no throughput by them.
    Production,
    /// 64 KiB, 1 pass, 1 lane: protects nothing, and is for tests and the simulator alone.
    CheapForTests,
}

/// The unlock file gave no store key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    #[error("the pass phrase is wrong")]
    WrongPassphrase,
    #[error("there is no unlock file")]
    Missing,
    #[error("an unlock file is there already")]
    AlreadyThere,
    #[error("the unlock file is damaged: {why}")]
    Damaged { why: &'static str },
    #[error("another command is changing the pass phrase")]
    Changing,
    #[error("checking the pass phrase needs {kib} KiB of memory, and there is not enough")]
    OutOfMemory { kib: u32 },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Makes a new store key and writes the unlock file for it.
///
/// # Errors
///
/// [`UnlockError::AlreadyThere`], [`UnlockError::OutOfMemory`] or [`UnlockError::Disk`].
pub fn create<R: CryptoRng + ?Sized>(
    path: &Path,
    passphrase: &[u8],
    cost: PassCost,
    rng: &mut R,
) -> Result<StoreKey, UnlockError> {
    if path.try_exists().map_err(DiskError::from)? {
        return Err(UnlockError::AlreadyThere);
    }
    let key = StoreKey::random(rng);
    let staged = stage(path, &wrap(&key, passphrase, cost, rng)?)?;
    publish(&staged, path)?;
    Ok(key)
}

/// Opens the unlock file and returns the store key.
///
/// # Errors
///
/// Every [`UnlockError`] but [`UnlockError::AlreadyThere`].
pub fn open(path: &Path, passphrase: &[u8]) -> Result<StoreKey, UnlockError> {
    unwrap(&read(path)?, passphrase)
}

/// Wraps the same store key under another pass phrase; the file is replaced at once.
///
/// At every moment, also after a crash, the name holds the old file or the new one, whole. The old
/// file's bytes are overwritten once the new one is durable, unless the file has another name too; a
/// crash before that, flash storage and copies keep them, and the old pass phrase opens them. Against
/// an attacker who kept a copy of the old file, a new pass phrase does not help.
///
/// # Errors
///
/// As [`open`] for the old pass phrase, [`UnlockError::Changing`] while another process does the same;
/// afterwards [`UnlockError::Disk`]: the old file is still in its place, unless the last sync failed.
pub fn change_passphrase<R: CryptoRng + ?Sized>(
    path: &Path,
    old: &[u8],
    new: &[u8],
    cost: PassCost,
    rng: &mut R,
) -> Result<(), UnlockError> {
    let replaced = Replaced::take(path)?;
    let key = open(path, old)?;
    let wrapped = wrap(&key, new, cost, rng)?;
    let staged = with_suffix(path, ".change");
    if let Err(error) = disk::write_new(&staged, &wrapped) {
        // What is left of it is overwritten by the next change.
        let _first_error_counts = disk::remove_if_there(&staged);
        return Err(DiskError::from(error).into());
    }
    publish(&staged, path)?;
    replaced.overwrite();
    Ok(())
}

/// The unlock file that is being replaced, locked against others who would do the same.
struct Replaced(File);

impl Replaced {
    fn take(path: &Path) -> Result<Self, UnlockError> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(path_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(UnlockError::Changing),
            Err(TryLockError::Error(error)) => return Err(DiskError::from(error).into()),
        }
        // Who had the lock before may have put another file in the place of this one.
        let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let locked = file.metadata().map(place).map_err(DiskError::from)?;
        if std::fs::metadata(path).map(place).map_err(path_error)? != locked {
            return Err(UnlockError::Changing);
        }
        Ok(Self(file))
    }

    /// Overwrites what no name leads to any more.
    fn overwrite(self) {
        let is_nameless = self.0.metadata().is_ok_and(|it| it.nlink() == 0);
        if is_nameless {
            // The pass phrase has changed whether or not this works.
            let _overwritten = self
                .0
                .write_all_at(&[0; UNLOCK_FILE_BYTES], 0)
                .and_then(|()| self.0.sync_all());
        }
    }
}

/// Wraps a store key under a pass phrase.
///
/// # Layout
///
/// | bytes | field                                                          |
/// |-------|----------------------------------------------------------------|
/// | 8     | `RSTUNLK1`                                                     |
/// | 4     | Argon2id memory in KiB, little-endian                          |
/// | 4     | Argon2id passes, little-endian                                 |
/// | 4     | Argon2id lanes, little-endian                                  |
/// | 32    | salt                                                           |
/// | 24    | nonce                                                          |
/// | 48    | the store key, XChaCha20-Poly1305; associated data: all bytes before the nonce |
/// | 32    | BLAKE3 of all bytes before, to tell damage from a wrong pass phrase |
///
/// Argon2id (version 1.3, no secret, no associated data) gives 64 bytes: the first half encrypts,
/// the second half is mixed into the nonce and is not needed to open the file.
///
/// # Errors
///
/// [`UnlockError::OutOfMemory`].
pub fn wrap<R: CryptoRng + ?Sized>(
    key: &StoreKey,
    passphrase: &[u8],
    cost: PassCost,
    rng: &mut R,
) -> Result<[u8; UNLOCK_FILE_BYTES], UnlockError> {
    let (memory, passes, lanes) = cost.parameters();
    let mut file = [0; UNLOCK_FILE_BYTES];
    file[..COST_AT].copy_from_slice(MAGIC);
    for (at, value) in [memory, passes, lanes].into_iter().enumerate() {
        file[COST_AT + 4 * at..][..4].copy_from_slice(&value.to_le_bytes());
    }
    rng.fill_bytes(&mut file[SALT_AT..SEALED_AT]);
    let wrapping = stretch(passphrase, &file[SALT_AT..SEALED_AT], memory, passes, lanes)?;
    let sealed = wrapping.seal(rng, &file[..SEALED_AT], key.as_bytes());
    file[SEALED_AT..CHECKSUM_AT].copy_from_slice(&sealed);
    let checksum = blake3::hash(&file[..CHECKSUM_AT]);
    file[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
    Ok(file)
}

/// Opens what [`wrap`] made.
///
/// # Errors
///
/// [`UnlockError::Damaged`], [`UnlockError::WrongPassphrase`] or [`UnlockError::OutOfMemory`].
pub fn unwrap(file: &[u8], passphrase: &[u8]) -> Result<StoreKey, UnlockError> {
    let damaged = |why| UnlockError::Damaged { why };
    let file: &[u8; UNLOCK_FILE_BYTES] = file
        .try_into()
        .map_err(|_| damaged("it has the wrong length"))?;
    if &file[..COST_AT] != MAGIC {
        return Err(damaged("it does not start as an unlock file does"));
    }
    if blake3::hash(&file[..CHECKSUM_AT]).as_bytes() != &file[CHECKSUM_AT..] {
        return Err(damaged("its checksum does not match"));
    }
    let cost = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&file[COST_AT + 4 * at..][..4]);
        u32::from_le_bytes(bytes)
    };
    let (memory, passes, lanes) = (cost(0), cost(1), cost(2));
    if memory > ARGON2_MEMORY_KIB_MAX || passes > ARGON2_PASSES_MAX || lanes > ARGON2_LANES_MAX {
        return Err(damaged(
            "it asks for more work than any version of this program wrote",
        ));
    }
    let wrapping = stretch(passphrase, &file[SALT_AT..SEALED_AT], memory, passes, lanes)?;
    let opened = wrapping
        .open(&file[..SEALED_AT], &file[SEALED_AT..CHECKSUM_AT])
        .ok_or(UnlockError::WrongPassphrase)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(&opened);
    Ok(StoreKey::from_bytes(key))
}

impl PassCost {
    /// Memory in KiB, passes, lanes.
    const fn parameters(self) -> (u32, u32, u32) {
        match self {
            Self::Production => (64 * 1024, 3, 4),
            Self::CheapForTests => (64, 1, 1),
        }
    }
}

/// Writes the file beside its final place, under the name [`staged_path`] gives.
pub(super) fn stage(path: &Path, file: &[u8]) -> Result<PathBuf, DiskError> {
    let staged = staged_path(path);
    disk::write_new(&staged, file)?;
    disk::sync_folder(&staged)?;
    Ok(staged)
}

/// Puts a staged file in its final place.
pub(super) fn publish(staged: &Path, path: &Path) -> Result<(), UnlockError> {
    Ok(disk::rename(staged, path).map_err(DiskError::from)?)
}

/// Where the file of an unfinished creation lies.
pub(super) fn staged_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

const MAGIC: &[u8; 8] = b"RSTUNLK1";
const SALT_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 32;
const COST_AT: usize = MAGIC.len();
const SALT_AT: usize = COST_AT + 12;
const SEALED_AT: usize = SALT_AT + SALT_BYTES;
const CHECKSUM_AT: usize = SEALED_AT + KEY_BYTES + OVERHEAD_BYTES;

fn read(path: &Path) -> Result<Vec<u8>, UnlockError> {
    // Looked at before it is read, so that a huge file is not.
    let length = std::fs::metadata(path).map_err(path_error)?.len();
    if length != UNLOCK_FILE_BYTES as u64 {
        return Err(UnlockError::Damaged {
            why: "it has the wrong length",
        });
    }
    std::fs::read(path).map_err(path_error)
}

fn path_error(error: std::io::Error) -> UnlockError {
    match error.kind() {
        ErrorKind::NotFound => UnlockError::Missing,
        _ => DiskError::from(error).into(),
    }
}

/// Turns the pass phrase into the keys that wrap the store key.
fn stretch(
    passphrase: &[u8],
    salt: &[u8],
    memory: u32,
    passes: u32,
    lanes: u32,
) -> Result<SealKey, UnlockError> {
    let refused = |_| UnlockError::Damaged {
        why: "its Argon2id cost makes no sense",
    };
    let params = Params::new(memory, passes, lanes, Some(2 * KEY_BYTES)).map_err(refused)?;
    let blocks = params.block_count();
    // Our own memory, because the crate's own is not wiped.
    let mut scratch = Zeroizing::new(Vec::new());
    scratch
        .try_reserve_exact(blocks)
        .map_err(|_| UnlockError::OutOfMemory { kib: memory })?;
    scratch.resize(blocks, Block::new());
    let mut keys = Zeroizing::new([0; 2 * KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            passphrase,
            salt,
            keys.as_mut_slice(),
            scratch.as_mut_slice(),
        )
        .map_err(refused)?;
    let mut wrapping = SealKey {
        cipher: Zeroizing::new([0; KEY_BYTES]),
        nonce: Zeroizing::new([0; KEY_BYTES]),
    };
    let (cipher, nonce) = keys.split_at(KEY_BYTES);
    wrapping.cipher.copy_from_slice(cipher);
    wrapping.nonce.copy_from_slice(nonce);
    Ok(wrapping)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
