//! Seeded randomness: a stream for each purpose, so that a change in one place does not shift all others.

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use restante_proto::context;

/// Context of all streams.
const CONTEXT: &str = "restante-sim-model 2026 randomness";

/// Returns the stream of a seed for one purpose.
pub(crate) fn randomness(seed: u64, purpose: &str) -> Xoshiro256PlusPlus {
    let parts: [&[u8]; 2] = [&seed.to_be_bytes(), purpose.as_bytes()];
    Xoshiro256PlusPlus::from_seed(context::derive(CONTEXT, &parts))
}
