//! From the trace of a run and its samples to the figures that are compared.

use std::collections::BTreeMap;

use super::{Run, per};
use crate::statistics::whole;

/// After the first message of a pair was shown, how long its reader's word may take, in milliseconds.
const WORD_MS: u64 = 30_000;
/// So long a message needs at most until all its copies are there, in milliseconds.
const PLACED_MS: u64 = 20_000;

/// Who wrote a message to whom, and when that happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    /// The writer, by number.
    pub(super) from: usize,
    /// The reader, by number, once it is known.
    pub(super) to: Option<usize>,
    /// When it was written, in milliseconds.
    pub(super) written_ms: u64,
    /// When it was first shown, in milliseconds.
    pub(super) shown_ms: Option<u64>,
    /// How often it was shown again.
    pub(super) again: u64,
}

/// When a reader was away, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) leaves_ms: u64,
    pub(super) returns_ms: u64,
}

/// How a run stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The moment, in milliseconds.
    pub(super) at_ms: u64,
    /// Copies at all keepers.
    pub(super) copies: u64,
    /// Bytes sent so far.
    pub(super) bytes: u64,
}

/// A run, before it is judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) letters: BTreeMap<usize, Letter>,
    /// When each reader was away.
    pub(super) gaps: BTreeMap<usize, Gap>,
    pub(super) samples: Vec<Standing>,
    /// When the first message may be written, in milliseconds.
    pub(super) from_ms: u64,
    /// Whether the first messages of a pair pay with stamps.
    pub(super) pays: bool,
}

impl Account {
    /// Returns the figures.
    pub(super) fn judge(&self) -> Run {
        let mut run = Run {
            copies: self.copies(),
            bytes: self.bytes(),
            ..Run::default()
        };
        let known = self.known_from();
        for letter in self.letters.values() {
            let gap = letter.to.and_then(|to| self.gaps.get(&to));
            let pair = letter.to.map(|to| (letter.from, to));
            let is_known = !self.pays
                || pair
                    .and_then(|pair| known.get(&pair))
                    .is_some_and(|from_ms| *from_ms <= letter.written_ms);
            // It was under way while its reader left, and waited for the return.
            let is_leaving = gap.is_some_and(|gap| {
                letter.written_ms < gap.leaves_ms
                    && letter
                        .shown_ms
                        .is_some_and(|shown_ms| shown_ms >= gap.leaves_ms)
            });
            // One that nobody was shown counts, whoever it was for.
            if letter.shown_ms.is_some() && (!is_known || is_leaving) {
                continue;
            }
            run.written += 1;
            run.duplicates += letter.again;
            let Some(shown_ms) = letter.shown_ms else {
                continue;
            };
            run.shown += 1;
            let was_away =
                gap.filter(|gap| (gap.leaves_ms..gap.returns_ms).contains(&letter.written_ms));
            match was_away {
                Some(gap) => run.after_return_ms.push(between(gap.returns_ms, shown_ms)),
                None => run.online_ms.push(between(letter.written_ms, shown_ms)),
            }
        }
        run
    }

    /// Returns from when on each pair knows each other.
    fn known_from(&self) -> BTreeMap<(usize, usize), u64> {
        let mut known: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for letter in self.letters.values() {
            if let (Some(to), Some(shown_ms)) = (letter.to, letter.shown_ms) {
                let from_ms = known.entry((letter.from, to)).or_insert(u64::MAX);
                *from_ms = (*from_ms).min(shown_ms + WORD_MS);
            }
        }
        known
    }

    /// Returns when all readers were away, from the first moment to the last.
    fn away(&self) -> Option<Gap> {
        let leaves = self.gaps.values().map(|gap| gap.leaves_ms);
        let returns = self.gaps.values().map(|gap| gap.returns_ms);
        Some(Gap {
            leaves_ms: leaves.max()?,
            returns_ms: returns.min()?,
        })
    }

    /// Returns how many copies each message had that waited: those more than before the readers left.
    fn copies(&self) -> Option<f64> {
        let away = self.away()?;
        let leaves_ms = self.gaps.values().map(|gap| gap.leaves_ms).min()?;
        let before = |at_ms: u64| {
            let mut samples = self.samples.iter().rev();
            samples.find(|sample| sample.at_ms < at_ms).copied()
        };
        let (none, all) = (before(leaves_ms)?, before(away.returns_ms)?);
        let waits = |letter: &&Letter| {
            letter.written_ms >= none.at_ms
                && letter.written_ms + PLACED_MS <= all.at_ms
                && letter.shown_ms.is_none_or(|shown_ms| shown_ms > all.at_ms)
        };
        let late = self.letters.values().any(|letter| {
            (all.at_ms.saturating_sub(PLACED_MS)..=all.at_ms).contains(&letter.written_ms)
        });
        let waiting = self.letters.values().filter(waits).count() as u64;
        let more = whole(all.copies) - whole(none.copies);
        if late { None } else { per(more, waiting) }
    }

    /// Returns how many bytes were sent for each message that was written while readers were there, beyond what was
    /// sent in as much time before.
    fn bytes(&self) -> Option<f64> {
        let until_ms = self.gaps.values().map(|gap| gap.leaves_ms).min()?;
        let at = |at_ms: u64| {
            let mut samples = self.samples.iter();
            samples.find(|sample| sample.at_ms >= at_ms).copied()
        };
        let idle = at(self.from_ms.saturating_mul(2) / 3)?;
        let (first, last) = (at(self.from_ms)?, at(until_ms)?);
        let rate = whole(first.bytes - idle.bytes) / between(idle.at_ms, first.at_ms).max(1.0);
        let sent = whole(last.bytes - first.bytes) - rate * between(first.at_ms, last.at_ms);
        let written = self.letters.values();
        let written =
            written.filter(|letter| (first.at_ms..last.at_ms).contains(&letter.written_ms));
        per(sent, written.count() as u64)
    }
}

/// Returns the time from one moment to another, in milliseconds.
fn between(from_ms: u64, to_ms: u64) -> f64 {
    whole(to_ms.saturating_sub(from_ms))
}
