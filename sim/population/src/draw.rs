//! Numbers drawn from distributions, with mathematics that is the same on every machine.

use rand::Rng;

#[cfg(test)]
mod tests;

/// Spreads the bits of a number over all of another one: the output function of SplitMix64.
pub const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 30;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 27;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Draws from the half-open interval above 0 up to 1.
pub fn uniform<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    let bits = rng.next_u64() >> 11;
    (bits as f64 + 1.0) / (1_u64 << 53) as f64
}

/// Draws a whole number below `limit`, 0 for a limit of 0; the bias is below 2^-32 for limits of 32
/// bits.
pub fn below<R: Rng + ?Sized>(rng: &mut R, limit: u64) -> u64 {
    let wide = u128::from(rng.next_u64()) * u128::from(limit);
    (wide >> 64) as u64
}

/// Draws from the exponential distribution with the mean 1.
pub fn exponential<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    -libm::log(uniform(rng))
}

/// Draws from the standard normal distribution (Marsaglia's polar method).
fn normal<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    loop {
        let (x, y) = (2.0 * uniform(rng) - 1.0, 2.0 * uniform(rng) - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * libm::sqrt(-2.0 * libm::log(square) / square);
        }
    }
}

/// Draws from the gamma distribution with this shape and the scale 1.
///
/// # References
///
/// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
pub fn gamma<R: Rng + ?Sized>(rng: &mut R, shape: f64) -> f64 {
    if shape < 1.0 {
        let boost = libm::pow(uniform(rng), 1.0 / shape);
        return boost * gamma(rng, shape + 1.0);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal(rng);
        let base = 1.0 + c * x;
        if base <= 0.0 {
            continue;
        }
        let cube = base * base * base;
        if libm::log(uniform(rng)) < 0.5 * x * x + d - d * cube + d * libm::log(cube) {
            return d * cube;
        }
    }
}
