//! The outer seal: what keepers see of a conversation (SPEC 15.6).
//!
//! A message of a group shows its epoch and its group to whoever carries it. Outside it is sealed again, under a key
//! of the epoch, and found by a hint that is another one in each envelope: two envelopes of one conversation have
//! nothing in common.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use restante_proto::{Address, context};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes of a hint.
pub const HINT_BYTES: usize = 8;

/// The keys that envelopes of one epoch are sealed and found by.
#[derive(Clone)]
pub struct OuterKeys {
    key: Zeroizing<[u8; 32]>,
    hint: Zeroizing<[u8; 32]>,
}

/// What is sealed, with what finds its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outer {
    /// The nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// The hint, which follows from the nonce.
    pub hint: [u8; HINT_BYTES],
    /// The ciphertext, 16 bytes longer than what is inside.
    pub ciphertext: Vec<u8>,
}

/// An envelope that does not open under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not open")]
pub struct OuterError;

impl OuterKeys {
    pub(crate) const fn new(key: Zeroizing<[u8; 32]>, hint: Zeroizing<[u8; 32]>) -> Self {
        Self { key, hint }
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    pub(crate) fn hint(&self) -> &[u8; 32] {
        &self.hint
    }

    /// Tells whether an envelope with this nonce and hint is one of this epoch, but for one in 2^64.
    pub fn hints(&self, nonce: &[u8; NONCE_BYTES], hint: &[u8; HINT_BYTES]) -> bool {
        self.hint_of(nonce) == *hint
    }

    fn hint_of(&self, nonce: &[u8; NONCE_BYTES]) -> [u8; HINT_BYTES] {
        let parts = [self.hint.as_slice(), nonce];
        let hash = context::derive(context::CONVERSATION_HINT, &parts);
        let mut hint = [0; HINT_BYTES];
        hint.copy_from_slice(&hash[..HINT_BYTES]);
        hint
    }

    /// Seals `inside`, which is padded already, for one mailbox; `bound` is what stands before it in the envelope.
    ///
    /// # Errors
    ///
    /// [`OuterError`] when it is longer than the cipher takes, gibibytes.
    pub fn seal(
        &self,
        mailbox: &Address,
        bound: &[u8],
        inside: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Outer, OuterError> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let aad = [bound, mailbox.as_bytes()].concat();
        let payload = Payload {
            msg: inside,
            aad: &aad,
        };
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| OuterError)?;
        Ok(Outer {
            nonce,
            hint: self.hint_of(&nonce),
            ciphertext,
        })
    }

    /// Opens what was sealed for this mailbox.
    ///
    /// # Errors
    ///
    /// [`OuterError`] when it was sealed otherwise.
    pub fn open(
        &self,
        mailbox: &Address,
        bound: &[u8],
        outer: &Outer,
    ) -> Result<Zeroizing<Vec<u8>>, OuterError> {
        let aad = [bound, mailbox.as_bytes()].concat();
        let payload = Payload {
            msg: &outer.ciphertext,
            aad: &aad,
        };
        let opened = self.cipher().decrypt(&XNonce::from(outer.nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| OuterError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.key).into())
    }
}

impl fmt::Debug for OuterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OuterKeys(..)")
    }
}
