//! The key of a community server, in a file of its own: whoever has it is the server.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::Rng as _;
use restante_proto::keys::SecretKey;
use zeroize::Zeroizing;

use super::NodeError;

const SEED_BYTES: usize = 32;
/// Bytes behind the seed that tell a file that is damaged, or was made up, from one that was written here.
const CHECK_BYTES: usize = 8;
const CHECK_CONTEXT: &str = "restante node key file v1 check";

/// Makes the key of a community server, which has no pass phrase.
///
/// # Errors
///
/// [`NodeError::NodeKey`] when the file cannot be written.
pub fn create_key(path: &Path) -> Result<(), NodeError> {
    let mut bytes = Zeroizing::new([0; SEED_BYTES + CHECK_BYTES]);
    let (seed, check) = bytes.split_at_mut(SEED_BYTES);
    rand::rng().fill_bytes(seed);
    check.copy_from_slice(&check_of(seed));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(&*bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| key_error(path, &error.to_string()))
}

/// Reads the key.
///
/// # Errors
///
/// [`NodeError::NodeKey`] when the file cannot be read or is not as it was written: under another key nobody of the
/// community would find the server.
pub(super) fn read_key(path: &Path) -> Result<SecretKey, NodeError> {
    let mut bytes = Zeroizing::new([0; SEED_BYTES + CHECK_BYTES + 1]);
    let mut file = fs::File::open(path).map_err(|error| key_error(path, &error.to_string()))?;
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) => return Err(key_error(path, &error.to_string())),
        }
    }
    if length != SEED_BYTES + CHECK_BYTES {
        return Err(key_error(
            path,
            "it has another length than it was written with",
        ));
    }
    let (seed, check) = bytes.split_at(SEED_BYTES);
    if check[..CHECK_BYTES] != check_of(seed) {
        return Err(key_error(path, "it is damaged"));
    }
    let mut key = Zeroizing::new([0; SEED_BYTES]);
    key.copy_from_slice(seed);
    Ok(SecretKey::from_seed(&key))
}

fn check_of(seed: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::derive_key(CHECK_CONTEXT, seed);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

fn key_error(path: &Path, why: &str) -> NodeError {
    NodeError::NodeKey {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_no_other_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        create_key(&path).unwrap();
        let key = read_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        let written = fs::read(&path).unwrap();
        let flipped = |at: usize| {
            let mut bytes = written.clone();
            bytes[at] ^= 1;
            bytes
        };
        let long = [&written[..], b"x"].concat();
        let wrong = [
            vec![0; 32],
            vec![0; 40],
            flipped(0),
            flipped(39),
            written[..39].to_vec(),
            long,
            Vec::new(),
        ];
        for bytes in wrong {
            fs::write(&path, &bytes).unwrap();
            let refused = read_key(&path);
            assert!(
                matches!(refused, Err(NodeError::NodeKey { .. })),
                "{bytes:?}"
            );
        }
    }
}
