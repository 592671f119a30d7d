//! What lies in some ranges of a store, added up.

use super::{Part, Range, RangeAnswer, Shared, Sum, message::SALT_BYTES};
use crate::{
    keeper::{Element, ElementKey, ItemStore, StoreError},
    limits::{COMPARED_ELEMENTS_MAX, COMPARED_RANGES_MAX},
    time::UnixMillis,
};

/// Elements that one slice looks at, at most: about a millisecond.
const SLICE_ELEMENTS: usize = 1_024;

/// A walk through a store that adds up what two keepers should both have, a slice at a time.
#[derive(Debug)]
pub struct Scan {
    shared: Shared,
    salt: [u8; SALT_BYTES],
    alive: UnixMillis,
    ranges: Vec<Tally>,
    /// The range that the walk is in.
    at: usize,
    /// Where the walk goes on.
    after: Option<ElementKey>,
}

/// What was found in one range.
#[derive(Debug)]
struct Tally {
    range: Range,
    /// What the other end has there, if it said so.
    theirs: Option<Sum>,
    sum: Sum,
    /// All of them, while they are few.
    elements: Vec<Element>,
    parts: Vec<(ElementKey, Sum)>,
    /// Elements of one part.
    part_count: u64,
}

impl Scan {
    /// Begins a scan of `ranges`, which are in order, for what `shared` admits and what is alive after `alive`.
    pub(super) fn new(
        shared: Shared,
        salt: [u8; SALT_BYTES],
        alive: UnixMillis,
        ranges: Vec<(Range, Option<Sum>)>,
    ) -> Self {
        let after = ranges.first().and_then(|(range, _)| range.after);
        let tally = |(range, theirs)| Tally {
            range,
            theirs,
            sum: Sum::default(),
            elements: Vec::new(),
            parts: Vec::new(),
            part_count: 1,
        };
        Self {
            shared,
            salt,
            alive,
            ranges: ranges.into_iter().map(tally).collect(),
            at: 0,
            after,
        }
    }

    /// Goes on for one slice; tells whether the scan is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the store.
    pub fn slice(&mut self, store: &impl ItemStore, now: UnixMillis) -> Result<bool, StoreError> {
        if self.at >= self.ranges.len() {
            return Ok(true);
        }
        let page = store.elements(now, self.after, SLICE_ELEMENTS)?;
        for element in &page.elements {
            self.take(element);
        }
        let begin = self.ranges.get(self.at).and_then(|tally| tally.range.after);
        // What lies between two ranges is jumped over.
        self.after = page.next.max(begin);
        if page.next.is_none() {
            self.at = self.ranges.len();
        }
        Ok(self.at >= self.ranges.len())
    }

    /// Returns the ranges in which the two ends have something else, with the sums of this one.
    pub(super) fn differing(&self) -> Vec<(Range, Sum)> {
        let differing = self
            .ranges
            .iter()
            .filter(|tally| tally.theirs != Some(tally.sum));
        differing.map(|tally| (tally.range, tally.sum)).collect()
    }

    /// Returns what the other end is told.
    pub(super) fn answers(self) -> Vec<RangeAnswer> {
        self.ranges.into_iter().map(Tally::answer).collect()
    }

    fn take(&mut self, element: &Element) {
        while let Some(tally) = self.ranges.get(self.at) {
            if tally.range.to.is_none_or(|to| element.key <= to) {
                break;
            }
            self.at += 1;
        }
        let Some(tally) = self.ranges.get_mut(self.at) else {
            return;
        };
        let begins_later = tally.range.after.is_some_and(|after| element.key <= after);
        if begins_later
            || element.expires <= self.alive
            || !self.shared.admits(&element.key.address)
        {
            return;
        }
        tally.add(element, digest(&self.salt, element));
    }
}

impl Tally {
    fn add(&mut self, element: &Element, digest: u128) {
        self.sum.add(digest);
        if self.elements.len() <= COMPARED_ELEMENTS_MAX {
            self.elements.push(*element);
        }
        match self.parts.last_mut() {
            Some((to, sum)) if sum.count < self.part_count => {
                *to = element.key;
                sum.add(digest);
            }
            _ => {
                let mut sum = Sum::default();
                sum.add(digest);
                self.parts.push((element.key, sum));
            }
        }
        if self.parts.len() > 2 * COMPARED_RANGES_MAX {
            self.join_parts();
        }
    }

    /// Joins each part with the one after it.
    fn join_parts(&mut self) {
        let joined = self.parts.chunks(2).filter_map(|pair| {
            let (to, _) = pair.last()?;
            let mut sum = Sum::default();
            pair.iter().for_each(|(_, part)| sum.join(part));
            Some((*to, sum))
        });
        self.parts = joined.collect();
        self.part_count *= 2;
    }

    fn answer(mut self) -> RangeAnswer {
        if self.theirs == Some(self.sum) || self.sum.count == 0 {
            return RangeAnswer::Equal;
        }
        if self.elements.len() <= COMPARED_ELEMENTS_MAX {
            return RangeAnswer::Elements(self.elements);
        }
        while self.parts.len() > COMPARED_RANGES_MAX {
            self.join_parts();
        }
        let last = self.parts.len().saturating_sub(1);
        let parts = self
            .parts
            .iter()
            .enumerate()
            .map(|(number, (to, sum))| Part {
                to: if number == last {
                    self.range.to
                } else {
                    Some(*to)
                },
                sum: *sum,
            });
        RangeAnswer::Parts(parts.collect())
    }
}

/// Returns what an element adds to a sum.
///
/// # Layout
///
/// The first 16 bytes, read as a big-endian number, of BLAKE3 over salt (16), key (65), u64 version.
pub(super) fn digest(salt: &[u8; SALT_BYTES], element: &Element) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(salt);
    hasher.update(&element.key.to_bytes());
    hasher.update(&element.version.to_be_bytes());
    let hash = hasher.finalize();
    let mut first = [0; 16];
    first.copy_from_slice(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    u128::from_be_bytes(first)
}
