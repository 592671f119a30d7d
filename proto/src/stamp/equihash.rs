//! Equihash (200, 9), as in Zcash: bound by memory bandwidth, so that special hardware gains little.

use bytes::Bytes;

use super::{Challenge, SOLUTION_BYTES_MAX, Stamp, StampScheme, nonce_of};

const N: u32 = 200;
const K: u32 = 9;

/// The production scheme.
///
/// # Units
///
/// One attempt takes about 0.6 s and 144 MiB on one 2024 server core and gives 1.9 solutions on average; verifying
/// takes about 0.12 ms.
///
/// # References
///
/// Biryukov and Khovratovich, "Equihash", NDSS 2016; Zcash protocol specification 7.6.1; SPEC 5.3.
#[derive(Clone, Copy, Debug, Default)]
pub struct Equihash;

impl StampScheme for Equihash {
    fn verify(&self, challenge: &Challenge, stamp: &Stamp, effort: u32) -> bool {
        stamp.solution.len() == SOLUTION_BYTES_MAX
            && stamp.effort() >= u64::from(effort)
            && ::equihash::is_valid_solution(
                N,
                K,
                challenge.as_bytes(),
                &stamp.nonce,
                &stamp.solution,
            )
            .is_ok()
    }

    fn attempt(
        &self,
        challenge: &Challenge,
        nonce_seed: &[u8; 24],
        attempt: u64,
        effort: u32,
    ) -> Option<Stamp> {
        let nonce = nonce_of(nonce_seed, attempt);
        let mut once = Some(nonce);
        ::equihash::tromp::solve_200_9(challenge.as_bytes(), || once.take())
            .into_iter()
            .map(|solution| Stamp {
                nonce,
                solution: Bytes::from(solution),
            })
            .find(|stamp| stamp.effort() >= u64::from(effort))
    }
}
