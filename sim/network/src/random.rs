//! What chance decides, from the seed.

use restante_sim_population::draw::mix;

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns a number from 0 to `top`, `top` included.
    pub(crate) const fn up_to(&mut self, top: u64) -> u64 {
        if top == 0 {
            return 0;
        }
        let wide = self.next() as u128 * (top as u128 + 1);
        (wide >> 64) as u64
    }

    /// Returns a number below a million.
    pub(crate) const fn ppm(&mut self) -> u32 {
        self.up_to(999_999) as u32
    }
}
