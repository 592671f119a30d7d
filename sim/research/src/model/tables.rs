//! Routing tables with the shape of Kademlia's, made up on the spot instead of stored.
//!
//! A node's bucket for a subtree holds up to k of the nodes there that are believed to be up. Which
//! ones follows from the names of node and bucket alone, so that asking twice gives the same
//! answer, and a million tables take no memory at all; stored, they would take four bytes for each
//! of some 400 entries.

use restante_sim_population::draw::mix;

use crate::model::{bits::Bits, keyspace::KeySpace};

#[cfg(test)]
mod tests;

/// Subtrees up to this size are looked through; larger ones are sampled.
const LOOK_THROUGH: u32 = 256;
/// Neighbourhoods of 64 nodes that are tried for one bucket before nodes are looked for one by one.
const TRIES: usize = 256;
/// Primes above any number of nodes.
const PRIMES: [u32; 8] = [
    2_147_483_647,
    2_147_483_629,
    2_147_483_587,
    2_147_483_579,
    2_147_483_563,
    2_147_483_549,
    2_147_483_543,
    2_147_483_497,
];

/// All routing tables at one moment.
pub(crate) struct Tables<'a> {
    pub(crate) keys: &'a KeySpace,
    /// Nodes that are in tables: those that are up, and those that others have not missed yet.
    pub(crate) listed: &'a Bits,
    /// Entries of a bucket, at most: k.
    pub(crate) bucket: usize,
    pub(crate) seed: u64,
}

/// The surroundings of a key, in which everybody knows everybody.
#[derive(Debug, Default)]
pub(crate) struct Near {
    low: u32,
    high: u32,
    /// The nearest nodes, one more than an answer has.
    closest: Vec<(u64, u32)>,
}

impl Tables<'_> {
    /// Finds the surroundings of `key` whose nodes have all of each other in their buckets; maybe
    /// nobody.
    pub(crate) fn near(&self, key: u64, near: &mut Near) {
        let (len, low, high) = self.keys.surroundings(key, self.bucket + 1, self.listed);
        let (inner, outer) = self.keys.subtree(key, len + 1);
        let total = self.listed.count(low, high);
        let inside = self.listed.count(inner, outer);
        near.closest.clear();
        (near.low, near.high) = (low, high);
        // A half with more nodes than a bucket holds is known in part to the other half.
        if inside > self.bucket || total - inside > self.bucket {
            near.high = low;
            return;
        }
        self.listed.each(low, high, |node| {
            near.closest.push((self.keys.key(node) ^ key, node));
        });
        near.closest.sort_unstable();
        near.closest.truncate(self.bucket + 1);
    }

    /// Puts into `out` the nodes closest to `key` that `node` has in its table, up to k, in no
    /// particular order, each with its distance.
    pub(crate) fn answer(&self, node: u32, key: u64, near: &Near, out: &mut Vec<(u64, u32)>) {
        out.clear();
        if (near.low..near.high).contains(&node) {
            let others = near.closest.iter().copied();
            out.extend(others.filter(|(_, other)| *other != node).take(self.bucket));
            return;
        }
        let own = self.keys.key(node);
        let shared = (own ^ key).leading_zeros().min(63);
        self.fill(node, key, shared, out);
        if out.len() >= self.bucket {
            return;
        }
        // Next come the nodes on its own side, then those that share less and less with the key.
        let (low, high) = self.keys.subtree(own, shared + 1);
        let mut deeper = shared + 1;
        let mut left = high - low;
        while left > 1 && deeper < 64 {
            self.fill(node, key, deeper, out);
            let (low, high) = self.keys.subtree(own, deeper + 1);
            left = high - low;
            deeper += 1;
        }
        for shallower in (0..shared).rev() {
            if out.len() >= self.bucket {
                break;
            }
            self.fill(node, key, shallower, out);
        }
        if out.len() > self.bucket {
            out.select_nth_unstable(self.bucket);
            out.truncate(self.bucket);
        }
    }

    /// Adds the bucket of `node` for the nodes that share its first `depth` bits and not the next
    /// one, each with its distance from `key`.
    fn fill(&self, node: u32, key: u64, depth: u32, out: &mut Vec<(u64, u32)>) {
        let other_side = self.keys.key(node) ^ (1 << (63 - depth));
        let (low, high) = self.keys.subtree(other_side, depth + 1);
        let before = out.len();
        self.choose(node, depth, (low, high), out);
        // Keys lie scattered in memory: fetching them all at once, and not each as it is chosen,
        // saves the waiting.
        for (distance, other) in &mut out[before..] {
            *distance = self.keys.key(*other) ^ key;
        }
    }

    /// Adds whom the bucket of `node` for this subtree holds, without distances.
    fn choose(&self, node: u32, depth: u32, (low, high): (u32, u32), out: &mut Vec<(u64, u32)>) {
        let size = high - low;
        if size <= LOOK_THROUGH && self.listed.count(low, high) <= self.bucket {
            self.listed.each(low, high, |other| out.push((0, other)));
            return;
        }
        let name = mix(self.seed ^ (u64::from(node) << 8) ^ u64::from(depth));
        let before = out.len();
        let full = before + self.bucket;
        let (first, end) = (low.div_ceil(64), high / 64);
        if end.saturating_sub(first) as usize >= self.bucket {
            // One of every 64 neighbours: as fair as anything, and quicker than asking for nodes
            // one by one.
            for place in Round::new(end - first, name).take(TRIES) {
                let word = self.listed.word(first + place);
                let turn = mix(name ^ u64::from(place)) as u32 % 64;
                if word != 0 {
                    let bit = (word.rotate_right(turn).trailing_zeros() + turn) % 64;
                    out.push((0, (first + place) * 64 + bit));
                    if out.len() == full {
                        return;
                    }
                }
            }
            out.truncate(before);
        }
        for place in Round::new(size, name) {
            if self.listed.has(low + place) {
                out.push((0, low + place));
                if out.len() == full {
                    return;
                }
            }
        }
    }
}

/// All numbers below a limit, each once, in an order that follows from a name.
struct Round {
    limit: u32,
    step: u32,
    next: u32,
    left: u32,
}

impl Round {
    /// A step that has no divisor in common with the limit comes by every number.
    fn new(limit: u32, name: u64) -> Self {
        Self {
            limit,
            step: PRIMES[name as usize % PRIMES.len()] % limit,
            next: (((name >> 32) * u64::from(limit)) >> 32) as u32,
            left: limit,
        }
    }
}

impl Iterator for Round {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let place = self.next;
        self.next += self.step;
        self.next -= if self.next >= self.limit {
            self.limit
        } else {
            0
        };
        Some(place)
    }
}
