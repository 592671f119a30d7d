//! The cipher suite of conversations: X-Wing, HKDF-SHA256, ChaCha20-Poly1305, SHA-256 and Ed25519 (SPEC 15.1).
//!
//! Everything random comes from one generator that is handed in, so that the same inputs make the same bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chacha20::ChaCha20Rng;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _, kdf::HkdfSha256, kem::XWing,
};
use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkeContextR, HpkeContextS,
    HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use rand_core::{CryptoRng, Rng as _, SeedableRng as _};
use restante_proto::keys::{PublicKey, SecretKey, Signature};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The number of the suite, of those that RFC 9420 leaves for private use.
pub const SUITE: CipherSuite = CipherSuite::new(0xF152);
/// Bytes of a key of the cipher, and of what is extracted.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce of the cipher.
const NONCE_BYTES: usize = 12;

type Cipher = hpke::aead::ChaCha20Poly1305;
type Secret = Zeroizing<Vec<u8>>;

/// A computation that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// A key has the wrong length or is none.
    #[error("not a key")]
    Key,
    /// It does not open, or does not verify.
    #[error("does not open or verify")]
    Forged,
    /// More was asked for than the function gives.
    #[error("too long")]
    Length,
    /// Conversations do without it.
    #[error("not used in conversations")]
    Unused,
}

impl IntoAnyError for SuiteError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// The suite with its source of randomness.
#[derive(Clone)]
pub struct Suite {
    randomness: Arc<Mutex<ChaCha20Rng>>,
}

impl Suite {
    /// Makes the suite; all its randomness follows from 32 bytes of `rng`.
    pub fn new(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self {
            randomness: Arc::new(Mutex::new(ChaCha20Rng::from_seed(*seed))),
        }
    }

    fn randomness(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.randomness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Suite")
    }
}

impl CryptoProvider for Suite {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![SUITE]
    }

    fn cipher_suite_provider(&self, cipher_suite: CipherSuite) -> Option<Self> {
        (cipher_suite == SUITE).then(|| self.clone())
    }
}

/// An HPKE context that outlives one message: only external commits need one, and nobody may make these.
#[derive(Clone, Copy, Debug)]
pub enum NoContext {}

impl HpkeContextS for NoContext {
    type Error = SuiteError;

    fn seal(&mut self, _aad: Option<&[u8]>, _data: &[u8]) -> Result<Vec<u8>, SuiteError> {
        match *self {}
    }

    fn export(&self, _context: &[u8], _len: usize) -> Result<Secret, SuiteError> {
        match *self {}
    }
}

impl HpkeContextR for NoContext {
    type Error = SuiteError;

    fn open(&mut self, _aad: Option<&[u8]>, _ciphertext: &[u8]) -> Result<Secret, SuiteError> {
        match *self {}
    }

    fn export(&self, _context: &[u8], _len: usize) -> Result<Secret, SuiteError> {
        match *self {}
    }
}

impl CipherSuiteProvider for Suite {
    type Error = SuiteError;
    type HpkeContextS = NoContext;
    type HpkeContextR = NoContext;

    fn cipher_suite(&self) -> CipherSuite {
        SUITE
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, SuiteError> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, SuiteError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SuiteError::Key)?;
        mac.update(data);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn aead_seal(
        &self,
        key: &[u8],
        data: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Vec<u8>, SuiteError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let aad = aad.unwrap_or_default();
        cipher
            .encrypt(&nonce, Payload { msg: data, aad })
            .map_err(|_| SuiteError::Length)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Secret, SuiteError> {
        let (cipher, nonce) = cipher(key, nonce)?;
        let aad = aad.unwrap_or_default();
        let payload = Payload {
            msg: ciphertext,
            aad,
        };
        let opened = cipher.decrypt(&nonce, payload);
        opened.map(Secret::from).map_err(|_| SuiteError::Forged)
    }

    fn aead_key_size(&self) -> usize {
        KEY_BYTES
    }

    fn aead_nonce_size(&self) -> usize {
        NONCE_BYTES
    }

    fn kdf_extract_size(&self) -> usize {
        KEY_BYTES
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Secret, SuiteError> {
        let (extracted, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
        Ok(extracted.to_vec().into())
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], len: usize) -> Result<Secret, SuiteError> {
        let hkdf = Hkdf::<Sha256>::from_prk(prk).map_err(|_| SuiteError::Key)?;
        let mut expanded = Secret::from(vec![0; len]);
        hkdf.expand(info, &mut expanded)
            .map_err(|_| SuiteError::Length)?;
        Ok(expanded)
    }

    fn hpke_seal(
        &self,
        remote_key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        pt: &[u8],
    ) -> Result<HpkeCiphertext, SuiteError> {
        let key = public_key(remote_key)?;
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal_with_rng::<Cipher, HkdfSha256, XWing>(
                &OpModeS::Base,
                &key,
                info,
                pt,
                aad.unwrap_or_default(),
                &mut *self.randomness(),
            )
            .map_err(|_| SuiteError::Key)?;
        Ok(HpkeCiphertext {
            kem_output: encapsulated.to_bytes().to_vec(),
            ciphertext,
        })
    }

    fn hpke_seal_psk(
        &self,
        _remote_key: &HpkePublicKey,
        _info: &[u8],
        _aad: Option<&[u8]>,
        _pt: &[u8],
        _psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, SuiteError> {
        Err(SuiteError::Unused)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        local_secret: &HpkeSecretKey,
        _local_public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Secret, SuiteError> {
        let secret = <XWing as hpke::Kem>::PrivateKey::from_bytes(local_secret)
            .map_err(|_| SuiteError::Key)?;
        let encapsulated = <XWing as hpke::Kem>::EncappedKey::from_bytes(&ciphertext.kem_output)
            .map_err(|_| SuiteError::Forged)?;
        let opened = hpke::single_shot_open::<Cipher, HkdfSha256, XWing>(
            &OpModeR::Base,
            &secret,
            &encapsulated,
            info,
            &ciphertext.ciphertext,
            aad.unwrap_or_default(),
        );
        opened.map(Secret::from).map_err(|_| SuiteError::Forged)
    }

    fn hpke_open_psk(
        &self,
        _ciphertext: &HpkeCiphertext,
        _local_secret: &HpkeSecretKey,
        _local_public: &HpkePublicKey,
        _info: &[u8],
        _aad: Option<&[u8]>,
        _psk: HpkePsk<'_>,
    ) -> Result<Secret, SuiteError> {
        Err(SuiteError::Unused)
    }

    fn hpke_setup_s(
        &self,
        _remote_key: &HpkePublicKey,
        _info: &[u8],
    ) -> Result<(Vec<u8>, NoContext), SuiteError> {
        Err(SuiteError::Unused)
    }

    fn hpke_setup_r(
        &self,
        _kem_output: &[u8],
        _local_secret: &HpkeSecretKey,
        _local_public: &HpkePublicKey,
        _info: &[u8],
    ) -> Result<NoContext, SuiteError> {
        Err(SuiteError::Unused)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), SuiteError> {
        let (secret, public) = XWing::derive_keypair(ikm);
        Ok((
            secret.to_bytes().to_vec().into(),
            public.to_bytes().to_vec().into(),
        ))
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), SuiteError> {
        let mut ikm = Zeroizing::new([0; 32]);
        self.randomness().fill_bytes(&mut *ikm);
        self.kem_derive(&*ikm)
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), SuiteError> {
        public_key(key).map(|_| ())
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), SuiteError> {
        self.randomness().fill_bytes(out);
        Ok(())
    }

    fn signature_key_generate(
        &self,
    ) -> Result<(SignatureSecretKey, SignaturePublicKey), SuiteError> {
        // A device has one key, and its account has signed that.
        Err(SuiteError::Unused)
    }

    fn signature_key_derive_public(
        &self,
        secret_key: &SignatureSecretKey,
    ) -> Result<SignaturePublicKey, SuiteError> {
        let public = secret(secret_key)?.public();
        Ok(SignaturePublicKey::new_slice(public.as_bytes()))
    }

    fn sign(&self, secret_key: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, SuiteError> {
        Ok(secret(secret_key)?.sign_mls(data).as_bytes().to_vec())
    }

    fn verify(
        &self,
        public_key: &SignaturePublicKey,
        signature: &[u8],
        data: &[u8],
    ) -> Result<(), SuiteError> {
        let key = PublicKey::try_from(public_key.as_bytes()).map_err(|_| SuiteError::Key)?;
        let signature = Signature::try_from(signature).map_err(|_| SuiteError::Forged)?;
        key.verify_mls(data, &signature)
            .map_err(|_| SuiteError::Forged)
    }
}

fn cipher(key: &[u8], nonce: &[u8]) -> Result<(ChaCha20Poly1305, Nonce), SuiteError> {
    let cipher = ChaCha20Poly1305::new_from_slice(key).map_err(|_| SuiteError::Key)?;
    let nonce = Nonce::try_from(nonce).map_err(|_| SuiteError::Key)?;
    Ok((cipher, nonce))
}

fn public_key(key: &HpkePublicKey) -> Result<<XWing as hpke::Kem>::PublicKey, SuiteError> {
    <XWing as hpke::Kem>::PublicKey::from_bytes(key).map_err(|_| SuiteError::Key)
}

fn secret(key: &SignatureSecretKey) -> Result<SecretKey, SuiteError> {
    let seed: Zeroizing<[u8; 32]> =
        Zeroizing::new(key.as_bytes().try_into().map_err(|_| SuiteError::Key)?);
    Ok(SecretKey::from_seed(&seed))
}
