//! Ed25519 keys, and signatures that always cover a registered context.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::context;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// A signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct SignatureError;

/// An Ed25519 signature (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Wraps the 64 bytes.
    pub const fn new(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        <[u8; SIGNATURE_BYTES]>::try_from(bytes).map(Self)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// An Ed25519 public key: of an account, a device, a mailbox owner, a writer or a keeper.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Wraps the 32 bytes; whether they are a point on the curve shows when a signature is verified.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies `signature` over `context` and `parts`.
    ///
    /// Points of small order, non-canonical encodings and an unreduced S are refused, and the equation is the one
    /// without the cofactor.
    ///
    /// # Errors
    ///
    /// [`SignatureError`], whatever the cause.
    ///
    /// # References
    ///
    /// SPEC 2.2.
    pub fn verify(
        &self,
        context: &str,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_mls(&signed_digest(context, parts), signature)
    }

    /// Verifies a signature that MLS has made over `content`, which names what it is for.
    ///
    /// # Errors
    ///
    /// [`SignatureError`], whatever the cause.
    ///
    /// # References
    ///
    /// RFC 9420, 5.1.2.
    pub fn verify_mls(&self, content: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        if !is_reduced(&self.0) {
            return Err(SignatureError);
        }
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(content, &signature)
            .map_err(|_| SignatureError)
    }
}

/// Tells whether the y-coordinate of an encoded point is below 2^255 - 19: the library takes others as well. Of the two
/// points that have one encoding too many for their sign, both are of small order, and R is compared as it is encoded.
pub(crate) fn is_reduced(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    high & 0x7f < 0x7f || middle.iter().any(|byte| *byte < 0xff) || *low < 0xed
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        <[u8; 32]>::try_from(bytes).map(Self)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x})")
    }
}

/// An Ed25519 private key; it never prints and is wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Makes a new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// Makes the key that a 32-byte seed stands for.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Derives another key from this one's seed, for the purpose `context` names.
    pub fn derive(&self, context: &str, parts: &[&[u8]]) -> Self {
        let mut material: Vec<&[u8]> = vec![self.0.as_bytes()];
        material.extend_from_slice(parts);
        Self::from_seed(&Zeroizing::new(context::derive(context, &material)))
    }

    /// Returns the seed, to be stored under encryption or handed over inside an envelope.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `context` and `parts`.
    ///
    /// # References
    ///
    /// SPEC 2.2.
    pub fn sign(&self, context: &str, parts: &[&[u8]]) -> Signature {
        self.sign_mls(&signed_digest(context, parts))
    }

    /// Signs what MLS has laid out; it names what it is for, and is never 32 bytes long, as all else is that is signed.
    ///
    /// # References
    ///
    /// RFC 9420, 5.1.2.
    pub fn sign_mls(&self, content: &[u8]) -> Signature {
        Signature(self.0.sign(content).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// What Ed25519 signs: the 32 bytes derived from the parts under the context.
fn signed_digest(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    context::derive(context, parts)
}
