//! A scheme that costs nothing to solve, for tests and the simulator.

use bytes::Bytes;

use super::{Challenge, Stamp, StampScheme, nonce_of};

/// BLAKE3 with eight leading zero bits: no protection, about 256 hashes.
///
/// A node of the production network never accepts it, since its solutions have another length than [`super::Equihash`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CheapForTests;

impl CheapForTests {
    fn digest(challenge: &Challenge, nonce: &[u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(challenge.as_bytes());
        hasher.update(nonce);
        *hasher.finalize().as_bytes()
    }
}

impl StampScheme for CheapForTests {
    fn verify(&self, challenge: &Challenge, stamp: &Stamp, effort: u32) -> bool {
        let digest = Self::digest(challenge, &stamp.nonce);
        digest[0] == 0 && stamp.solution == digest[..8] && stamp.effort() >= u64::from(effort)
    }

    fn attempt(
        &self,
        challenge: &Challenge,
        nonce_seed: &[u8; 24],
        attempt: u64,
        effort: u32,
    ) -> Option<Stamp> {
        let nonce = nonce_of(nonce_seed, attempt);
        let digest = Self::digest(challenge, &nonce);
        let solution = Bytes::copy_from_slice(&digest[..8]);
        let stamp = Stamp { nonce, solution };
        (digest[0] == 0 && stamp.effort() >= u64::from(effort)).then_some(stamp)
    }
}
