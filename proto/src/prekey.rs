//! Prekeys: the X-Wing keys that first messages are sealed to (SPEC 4.3).

use std::fmt;

use hpke::{Deserializable as _, Kem as _, Serializable as _, kem::XWing};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Address, context,
    limits::{CARD_TTL_MS, PREKEY_GRACE_MS},
    time::UnixMillis,
    wire::{self, WireError, generated as g},
};

#[cfg(test)]
mod tests;

/// Bytes of a public X-Wing key.
pub const PREKEY_BYTES: usize = 1_216;

/// The public half, as a card shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Prekey {
    /// The X-Wing encapsulation key.
    pub public: Box<[u8; PREKEY_BYTES]>,
    /// When it was made.
    pub issued: UnixMillis,
    /// The last moment at which anything may be sealed to it.
    pub expires: UnixMillis,
}

impl Prekey {
    /// Computes what an envelope at `address` sealed to this key carries in clear, so that its owner finds the key.
    ///
    /// Keepers cannot link two addresses by it, since they know neither the card nor the key.
    ///
    /// # References
    ///
    /// SPEC 6.1.
    pub fn hint(&self, address: &Address) -> [u8; 8] {
        hint(&self.public, address)
    }

    pub(crate) fn to_wire(&self) -> g::Prekey {
        g::Prekey {
            public: self.public.to_vec().into(),
            issued_ms: self.issued.get(),
            expires_ms: self.expires.get(),
        }
    }

    pub(crate) fn from_wire(prekey: &g::Prekey) -> Result<Self, WireError> {
        let public: [u8; PREKEY_BYTES] = wire::array(&prekey.public, "public")?;
        <XWing as hpke::Kem>::PublicKey::from_bytes(&public)
            .map_err(|_| WireError::Length("public"))?;
        let issued = wire::moment(prekey.issued_ms, "issued_ms")?;
        let expires = wire::moment(prekey.expires_ms, "expires_ms")?;
        // A longer life would keep the private half from being destroyed in time.
        if expires <= issued || expires > issued.plus(CARD_TTL_MS) {
            return Err(WireError::Contradiction("expires_ms"));
        }
        Ok(Self {
            public: Box::new(public),
            issued,
            expires,
        })
    }
}

impl fmt::Debug for Prekey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prekey(issued {})", self.issued)
    }
}

/// The private half, kept by the device until no envelope sealed to it can still be alive.
#[derive(Clone)]
pub struct PrekeySecret {
    seed: Zeroizing<[u8; 32]>,
    public: Prekey,
}

impl PrekeySecret {
    /// Makes a prekey that a card published at `now` may show.
    pub fn generate(now: UnixMillis, rng: &mut impl CryptoRng) -> Self {
        let (secret, _) = XWing::gen_keypair_with_rng(rng);
        Self::of(&secret, now, now.plus(CARD_TTL_MS))
    }

    /// Restores a prekey from its stored seed.
    ///
    /// # Errors
    ///
    /// [`WireError::Length`] when the seed is no X-Wing key.
    pub fn from_seed(
        seed: Zeroizing<[u8; 32]>,
        issued: UnixMillis,
        expires: UnixMillis,
    ) -> Result<Self, WireError> {
        let secret = <XWing as hpke::Kem>::PrivateKey::from_bytes(&*seed)
            .map_err(|_| WireError::Length("seed"))?;
        Ok(Self::of(&secret, issued, expires))
    }

    fn of(
        secret: &<XWing as hpke::Kem>::PrivateKey,
        issued: UnixMillis,
        expires: UnixMillis,
    ) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        secret.write_exact(&mut *seed);
        let mut public = Box::new([0; PREKEY_BYTES]);
        XWing::sk_to_pk(secret).write_exact(&mut *public);
        Self {
            seed,
            public: Prekey {
                public,
                issued,
                expires,
            },
        }
    }

    /// Returns the 32 bytes to store under encryption.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Returns the public half.
    pub const fn public(&self) -> &Prekey {
        &self.public
    }

    /// Returns the moment from which no envelope sealed to this key can be alive: then it is destroyed.
    ///
    /// # References
    ///
    /// SPEC 4.3.
    pub const fn destroy_at(&self) -> UnixMillis {
        self.public.expires.plus(PREKEY_GRACE_MS)
    }

    pub(crate) fn private(&self) -> Option<<XWing as hpke::Kem>::PrivateKey> {
        <XWing as hpke::Kem>::PrivateKey::from_bytes(&*self.seed).ok()
    }
}

impl fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrekeySecret(issued {})", self.public.issued)
    }
}

pub(crate) fn hint(public: &[u8; PREKEY_BYTES], address: &Address) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] =
        context::derive(context::PREKEY_HINT, &[address.as_bytes(), public]);
    [a, b, c, d, e, f, g, h]
}
