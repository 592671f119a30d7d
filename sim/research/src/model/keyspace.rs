//! All nodes in the order of their keys, and the XOR metric over them.
//!
//! A node is known by its place in that order. The subtrees of Kademlia, all keys that begin with
//! the same bits, are ranges of places.

use crate::model::bits::Bits;

#[cfg(test)]
mod tests;

/// Returns the region of the node with this key.
///
/// A key's last eight bits, which no lookup among fewer than 2^50 nodes ever looks at, say where
/// its node is: a lookup has the key at hand and saves a look into the memory for each node.
#[inline]
pub(crate) const fn region_of(key: u64) -> u8 {
    (key & REGION) as u8
}

/// Returns the key with these first bits and this region.
pub(crate) const fn key_in(bits: u64, region: u8) -> u64 {
    bits & !REGION | region as u64
}

const REGION: u64 = 0xff;

/// The keys of all nodes that will ever be.
#[derive(Debug)]
pub(crate) struct KeySpace {
    keys: Vec<u64>,
    /// For each value of the first `bits` bits of a key: the first place whose key is not below it.
    index: Vec<u32>,
    bits: u32,
}

impl KeySpace {
    /// Takes keys that are sorted and differ.
    pub(crate) fn new(keys: Vec<u64>) -> Self {
        // Some two keys for each entry of the index.
        let bits = (keys.len() as u64).max(2).ilog2().saturating_sub(1).max(1);
        let mut index = Vec::with_capacity((1 << bits) + 1);
        let mut place = 0;
        for cell in 0..=(1_u64 << bits) {
            while keys.get(place).is_some_and(|key| key >> (64 - bits) < cell) {
                place += 1;
            }
            index.push(place as u32);
        }
        Self { keys, index, bits }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.keys.len() as u32
    }

    #[inline]
    pub(crate) fn key(&self, node: u32) -> u64 {
        self.keys[node as usize]
    }

    /// Returns the places whose keys begin with the first `len` bits of `key`, as a half-open
    /// range.
    pub(crate) fn subtree(&self, key: u64, len: u32) -> (u32, u32) {
        if len == 0 {
            return (0, self.len());
        }
        let rest = u64::MAX.checked_shr(len).unwrap_or(0);
        let (first, last) = (key & !rest, key | rest);
        let (low, high) = (
            (first >> (64 - self.bits)) as usize,
            (last >> (64 - self.bits)) as usize,
        );
        if len <= self.bits {
            return (self.index[low], self.index[high + 1]);
        }
        // Longer than what the index tells apart: both ends lie in one entry.
        let (from, to) = (self.index[low], self.index[low + 1]);
        let cell = &self.keys[from as usize..to as usize];
        let start = cell.iter().take_while(|key| **key < first).count() as u32;
        let inside = cell[start as usize..]
            .iter()
            .take_while(|key| **key <= last);
        (from + start, from + start + inside.count() as u32)
    }

    /// Finds the longest beginning of `key` that at least `count` nodes of `set` share; its length,
    /// and their range.
    pub(crate) fn surroundings(&self, key: u64, count: usize, set: &Bits) -> (u32, u32, u32) {
        let mut len = (self.bits + 6).min(64);
        loop {
            let (low, high) = self.subtree(key, len);
            if len == 0 || ((high - low) as usize >= count && set.count(low, high) >= count) {
                return (len, low, high);
            }
            len -= 1;
        }
    }

    /// Puts the `count` nodes of `set` closest to `key` into `out` with their distances, nearest
    /// first.
    pub(crate) fn closest(&self, key: u64, count: usize, set: &Bits, out: &mut Vec<(u64, u32)>) {
        let (_, low, high) = self.surroundings(key, count, set);
        out.clear();
        set.each(low, high, |node| out.push((self.key(node) ^ key, node)));
        out.sort_unstable();
        out.truncate(count);
    }
}
