//! Network addresses that are as spread out as real ones.

use std::net::Ipv4Addr;

use rand::Rng;

use crate::draw;

#[cfg(test)]
mod tests;

/// First octets under which no block of addresses is set aside for a special use.
const FIRST_OCTETS: std::ops::RangeInclusive<u8> = 1..=223;
/// First octets under which one is.
const SPECIAL: [u8; 8] = [10, 100, 127, 169, 172, 192, 198, 203];
/// Blocks of 2^16 addresses there are: 215 first octets, 256 second ones.
const BLOCKS: u64 = (223 - SPECIAL.len() as u64) * 256;
/// Spreads neighbouring ranks over the whole space; it has no divisor with [`BLOCKS`] in common.
const STRIDE: u64 = 34_607;
/// Spreads neighbouring hosts of a block over its /24s; odd, so that each host comes once.
const HOST_STRIDE: u32 = 40_503;
/// How much a few blocks have more nodes than others.
const SKEW: f64 = 0.6;

/// Hands out public IPv4 addresses, each once.
///
/// A few /16 blocks (of cloud providers and large networks) have many nodes and most have few: the
/// block with the rank r is drawn with a probability proportional to r^-0.6. Of 1,000 nodes more
/// than 900 are alone in their /16 or share it with one other, and the most crowded block has five
/// or so. The skew is an assumption, not a measurement.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// How many addresses each block has given.
    given: Vec<u32>,
    shift: u64,
}

impl Addresses {
    /// Begins to hand out addresses; which blocks are crowded follows from `rng`.
    pub fn new<R: Rng + ?Sized>(rng: &mut R) -> Self {
        Self {
            given: vec![0; BLOCKS as usize],
            shift: draw::below(rng, BLOCKS),
        }
    }

    /// Returns the next address; none when 3.6 thousand million are gone.
    pub fn next<R: Rng + ?Sized>(&mut self, rng: &mut R) -> Option<Ipv4Addr> {
        let drawn = block_of_rank(rank(rng), self.shift);
        // A block that is full passes the node on to the next one.
        let later = (drawn..BLOCKS).chain(0..drawn);
        for block in later {
            let given = self.given.get_mut(block as usize)?;
            if *given < 1 << 16 {
                let host = given.wrapping_add(1).wrapping_mul(HOST_STRIDE) & 0xffff;
                *given += 1;
                return Some(address(block, host));
            }
        }
        None
    }
}

/// Draws a rank from 0, by inverting the continuous version of the distribution.
fn rank<R: Rng + ?Sized>(rng: &mut R) -> u64 {
    let power = 1.0 - SKEW;
    let end = libm::pow(BLOCKS as f64 + 1.0, power);
    let at = 1.0 + draw::uniform(rng) * (end - 1.0);
    let rank = libm::floor(libm::pow(at, 1.0 / power)) as u64 - 1;
    rank.min(BLOCKS - 1)
}

const fn block_of_rank(rank: u64, shift: u64) -> u64 {
    (rank * STRIDE + shift) % BLOCKS
}

fn address(block: u64, host: u32) -> Ipv4Addr {
    let mut octets = FIRST_OCTETS.filter(|octet| !SPECIAL.contains(octet));
    let first = octets.nth((block / 256) as usize).unwrap_or(1);
    Ipv4Addr::new(first, (block % 256) as u8, (host >> 8) as u8, host as u8)
}

const _: () = assert!(STRIDE < BLOCKS);
