//! A set of nodes, one bit each.

/// One bit for each node.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn new(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)],
        }
    }

    #[inline]
    pub(crate) fn has(&self, node: u32) -> bool {
        self.words[node as usize / 64] >> (node % 64) & 1 == 1
    }

    pub(crate) fn set(&mut self, node: u32, on: bool) {
        let bit = 1 << (node % 64);
        let word = &mut self.words[node as usize / 64];
        *word = if on { *word | bit } else { *word & !bit };
    }

    /// Counts the nodes from `low` to before `high`.
    pub(crate) fn count(&self, low: u32, high: u32) -> usize {
        let ones = |(_, word): (u32, u64)| word.count_ones() as usize;
        self.parts(low, high).map(ones).sum()
    }

    /// Tells whether there are so many nodes from `low` to before `high`.
    pub(crate) fn has_at_least(&self, low: u32, high: u32, count: usize) -> bool {
        let mut missing = count;
        for (_, word) in self.parts(low, high) {
            missing = missing.saturating_sub(word.count_ones() as usize);
            if missing == 0 {
                return true;
            }
        }
        missing == 0
    }

    /// Gives `take` the nodes from `low` to before `high`, in order.
    #[inline]
    pub(crate) fn each(&self, low: u32, high: u32, mut take: impl FnMut(u32)) {
        for (first, mut word) in self.parts(low, high) {
            while word != 0 {
                take(first + word.trailing_zeros());
                word &= word - 1;
            }
        }
    }

    /// Returns the nodes among 64 neighbours, one bit each from the lowest on.
    #[inline]
    pub(crate) fn word(&self, index: u32) -> u64 {
        self.words[index as usize]
    }

    /// Returns the words that overlap a range, without the bits outside of it, each with its first
    /// node.
    fn parts(&self, low: u32, high: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let (first, end) = (low / 64, high.div_ceil(64).max(low / 64));
        (first..end).map(move |index| {
            let mut word = self.words.get(index as usize).copied().unwrap_or(0);
            let start = index * 64;
            if start < low {
                word &= u64::MAX << (low - start);
            }
            if high - start.min(high) < 64 {
                word &= (1 << (high - start.min(high))) - 1;
            }
            (start, word)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lists_what_was_set() {
        let mut bits = Bits::new(300);
        let on = [0, 1, 63, 64, 127, 128, 200, 299];
        for node in on {
            bits.set(node, true);
        }
        for low in [0, 1, 62, 63, 64, 65, 127, 128, 129, 299, 300] {
            for high in [0, 1, 63, 64, 65, 128, 200, 201, 299, 300] {
                if low > high {
                    continue;
                }
                let wanted: Vec<u32> = on
                    .into_iter()
                    .filter(|node| (low..high).contains(node))
                    .collect();
                let mut got = Vec::new();
                bits.each(low, high, |node| got.push(node));
                assert_eq!(got, wanted);
                assert_eq!(bits.count(low, high), wanted.len());
                assert!(bits.has_at_least(low, high, wanted.len()));
                assert!(!bits.has_at_least(low, high, wanted.len() + 1));
            }
        }
        bits.set(64, false);
        assert!(!bits.has(64) && bits.has(63));
    }
}
