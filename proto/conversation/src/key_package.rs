//! Key packages: how a device is added while it is away (SPEC 15.5).
//!
//! They lie where anybody can fetch them, so that one may be used more than once, until it expires; who joined with one
//! renews its keys at once.

use mls_rs::{ExtensionList, KeyPackage, MlsMessage};
use mls_rs_codec::{MlsDecode as _, MlsEncode as _};
use mls_rs_core::key_package::KeyPackageData;
use zeroize::Zeroizing;

use crate::conversation::Turn;
use crate::error::ConversationError;
use crate::library::{client, mls_time};
use crate::member::Member;
use crate::storage::{EpochRows, Packages, Secret};
use crate::suite::Suite;

/// Bytes of a key package, at most; ours have some 2,750.
pub const KEY_PACKAGE_BYTES_MAX: usize = 4096;

/// A key package with its private half.
#[derive(Clone)]
pub struct OwnKeyPackage {
    /// What others add the device with.
    pub public: Vec<u8>,
    /// What finds the private half.
    pub id: Vec<u8>,
    /// The private half, to be stored under encryption and destroyed once nobody can use it any more.
    pub secret: Secret,
}

impl std::fmt::Debug for OwnKeyPackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnKeyPackage(..)")
    }
}

/// Makes a key package of this device.
///
/// # Errors
///
/// [`ConversationError::State`] when the library fails.
pub fn make(turn: &mut Turn<'_>) -> Result<OwnKeyPackage, ConversationError> {
    let packages = Packages::default();
    let suite = Suite::new(turn.rng);
    let client = client(turn.identity, suite, EpochRows::default(), packages.clone());
    let none = ExtensionList::new;
    let message = client
        .generate_key_package_message(none(), none(), Some(mls_time()))
        .and_then(|message| message.to_bytes());
    let made = message.ok().zip(packages.take());
    let (public, (id, data)) = made.ok_or(ConversationError::State)?;
    let secret = data
        .mls_encode_to_vec()
        .map_err(|_| ConversationError::State)?;
    Ok(OwnKeyPackage {
        public,
        id,
        secret: Zeroizing::new(secret),
    })
}

/// Reads whose key package this is.
///
/// # Errors
///
/// [`ConversationError::Refused`] when it is none, or names no device that its account has certified.
pub fn member(bytes: &[u8]) -> Result<Member, ConversationError> {
    let package = decode(bytes)?;
    let package: KeyPackage = package
        .into_key_package()
        .ok_or(ConversationError::Refused)?;
    Member::of(package.signing_identity()).map_err(|_| ConversationError::Refused)
}

/// Decodes one.
pub(crate) fn decode(bytes: &[u8]) -> Result<MlsMessage, ConversationError> {
    if bytes.len() > KEY_PACKAGE_BYTES_MAX {
        return Err(ConversationError::Refused);
    }
    MlsMessage::from_bytes(bytes).map_err(|_| ConversationError::Refused)
}

/// Hands private halves over to the library.
pub(crate) fn packages(own: &[OwnKeyPackage]) -> Result<Packages, ConversationError> {
    let packages = Packages::default();
    for package in own {
        let data = KeyPackageData::mls_decode(&mut package.secret.as_slice())
            .map_err(|_| ConversationError::State)?;
        packages.add(package.id.clone(), data);
    }
    Ok(packages)
}
