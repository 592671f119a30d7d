//! XChaCha20-Poly1305 with nonces that survive a bad random generator.
//!
//! The nonce is a keyed hash of fresh randomness, the associated data and the plaintext. With good
//! randomness it is random. If the randomness ever repeats (a cloned virtual machine, a restored
//! snapshot), two different plaintexts still get two different nonces; equal ones become visible
//! as equal, and nothing worse happens.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::store_key::SubKey;

/// The length of a nonce in front of a ciphertext, in bytes.
const NONCE_BYTES: usize = 24;

/// The length of the authentication tag behind a ciphertext, in bytes.
const TAG_BYTES: usize = 16;

/// How many bytes sealing adds.
pub(super) const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// A pair of keys: one encrypts, one mixes nonces.
pub(super) struct SealKey {
    pub(super) cipher: SubKey,
    pub(super) nonce: SubKey,
}

impl SealKey {
    /// Encrypts `plain`.
    ///
    /// # Layout
    ///
    /// | bytes | field                                |
    /// |-------|--------------------------------------|
    /// | 24    | nonce                                |
    /// | n     | ciphertext, as long as `plain`       |
    /// | 16    | Poly1305 tag                         |
    pub(super) fn seal<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        aad: &[u8],
        plain: &[u8],
    ) -> Vec<u8> {
        let nonce = self.mix_nonce(rng, aad, plain);
        // The capacity is final, so the plaintext copied in is overwritten where it lies and no
        // reallocation leaves another copy behind.
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = XChaCha20Poly1305::new((&*self.cipher).into())
            .encrypt_inout_detached(
                &XNonce::from(nonce),
                aad,
                (&mut sealed[NONCE_BYTES..]).into(),
            )
            .expect("the cipher takes 256 GiB and every caller bounds its plaintext far below");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Decrypts what [`SealKey::seal`] made; `None` when it does not authenticate.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = Zeroizing::new(body.to_vec());
        XChaCha20Poly1305::new((&*self.cipher).into())
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                aad,
                plain.as_mut_slice().into(),
                &(*tag).into(),
            )
            .ok()?;
        Some(plain)
    }

    fn mix_nonce<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        aad: &[u8],
        plain: &[u8],
    ) -> [u8; NONCE_BYTES] {
        let mut fresh = [0; 32];
        rng.fill_bytes(&mut fresh);
        let mut hasher = blake3::Hasher::new_keyed(&self.nonce);
        hasher
            .update(&fresh)
            .update(&(aad.len() as u64).to_le_bytes())
            .update(aad)
            .update(plain);
        let mut nonce = [0; NONCE_BYTES];
        hasher.finalize_xof().fill(&mut nonce);
        nonce
    }
}
