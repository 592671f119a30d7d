//! Stamps: proof of work on an item, the price a stranger pays (SPEC 5.3).

use bytes::Bytes;

use crate::{
    Address, ItemId, context,
    keys::PublicKey,
    time::UnixMillis,
    wire::{self, WireError, generated as g},
};

mod equihash;
mod hashcash;
#[cfg(test)]
mod tests;

pub use self::{equihash::Equihash, hashcash::CheapForTests};

/// The effort a keeper asks for unless its policy says more: one solution.
pub const EFFORT_DEFAULT: u32 = 1;
/// The highest effort a client pays without asking its person, unless they set another: about a minute.
pub const EFFORT_UNASKED: u32 = 128;
/// The highest effort a person can allow: about half an hour.
pub const EFFORT_MAX: u32 = 4_096;
/// Largest solution of any scheme, in bytes.
pub const SOLUTION_BYTES_MAX: usize = 1_344;

/// What a stamp is bound to; a stamp for one thing is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Returns the challenge for depositing envelope `id` at `address` until `expires`.
    pub fn envelope(address: &Address, id: &ItemId, expires: UnixMillis) -> Self {
        let expires = expires.get().to_be_bytes();
        Self::over(&[&[1], address.as_bytes(), id.as_bytes(), &expires])
    }

    /// Returns the challenge for `writer` taking a slot at `locator`; it stays good for that writer's later cards.
    pub fn card(locator: &Address, writer: &PublicKey) -> Self {
        Self::over(&[&[2], locator.as_bytes(), writer.as_bytes()])
    }

    /// Returns the challenge for depositing the chunk at `address` until `expires`, deletable by `deletion_key`.
    pub fn chunk(address: &Address, deletion_key: &PublicKey, expires: UnixMillis) -> Self {
        let expires = expires.get().to_be_bytes();
        Self::over(&[&[3], address.as_bytes(), deletion_key.as_bytes(), &expires])
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn over(parts: &[&[u8]]) -> Self {
        Self(context::derive(context::STAMP, parts))
    }
}

/// A solution to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the solver varied.
    pub nonce: [u8; 32],
    /// The solution, as its scheme writes it.
    pub solution: Bytes,
}

impl Stamp {
    /// Returns how much work this stamp stands for, as a number of solutions on average.
    ///
    /// BLAKE3 over nonce and solution, its first eight bytes read as a big-endian number v: a stamp is worth effort E
    /// when v is at most (2^64 - 1) / E.
    pub fn effort(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.nonce);
        hasher.update(&self.solution);
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::MAX / u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
    }

    pub(crate) fn to_wire(&self) -> g::Stamp {
        g::Stamp {
            nonce: self.nonce.to_vec().into(),
            solution: self.solution.clone(),
        }
    }

    pub(crate) fn from_wire(stamp: g::Stamp) -> Result<Self, WireError> {
        if stamp.solution.is_empty() || stamp.solution.len() > SOLUTION_BYTES_MAX {
            return Err(WireError::Length("solution"));
        }
        Ok(Self {
            nonce: wire::array(&stamp.nonce, "nonce")?,
            solution: stamp.solution,
        })
    }
}

/// A kind of proof of work.
pub trait StampScheme: Send + Sync {
    /// Tells whether `stamp` solves `challenge` and is worth at least `effort`.
    ///
    /// Cheap, and safe on any bytes.
    fn verify(&self, challenge: &Challenge, stamp: &Stamp, effort: u32) -> bool;

    /// Tries one nonce, `nonce_seed` and `attempt` joined, and returns a stamp if it gave one worth `effort`.
    ///
    /// Expensive: half a second and 144 MiB for [`Equihash`].
    fn attempt(
        &self,
        challenge: &Challenge,
        nonce_seed: &[u8; 24],
        attempt: u64,
        effort: u32,
    ) -> Option<Stamp>;

    /// Tries nonces until one gives a stamp worth `effort`, or `attempts_max` have failed.
    fn solve(
        &self,
        challenge: &Challenge,
        nonce_seed: &[u8; 24],
        effort: u32,
        attempts_max: u64,
    ) -> Option<Stamp> {
        (0..attempts_max).find_map(|attempt| self.attempt(challenge, nonce_seed, attempt, effort))
    }
}

/// Joins the random seed of a search and the number of the attempt into a nonce.
fn nonce_of(seed: &[u8; 24], attempt: u64) -> [u8; 32] {
    let mut nonce = [0; 32];
    nonce[..24].copy_from_slice(seed);
    nonce[24..].copy_from_slice(&attempt.to_be_bytes());
    nonce
}
