//! How keepers keep what they have together (SPEC 8.8).
//!
//! The R keepers nearest to an address should all have its items. A keeper that has become one of them, because
//! another is gone or because it has just come, *pulls* what it lacks from the others: it compares what it has with
//! what one of them has, and copies the difference. Keepers never push, so that nothing is sent twice.
//!
//! - [`Repair`] decides with whom to compare and when, and answers what others ask.
//! - [`Scan`] adds up what is in some ranges of a store.
//! - A comparison costs as much as the difference, not as much as what is compared: both ends add up ranges, and only
//!   where the sums differ do they look closer.

mod comparison;
mod engine;
mod message;
mod neighbourhood;
mod scan;
mod shared;
#[cfg(test)]
mod tests;

use crate::keeper::{Element, ElementKey};

use self::shared::Shared;
pub use self::{
    engine::{Input, OPS_MAX, Output, Repair, RepairCounters},
    message::{RangeAnswer, RepairRequest, RepairResponse, SALT_BYTES, Terms},
    scan::Scan,
};

/// A run of element keys, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// It begins after this one; nothing: with the first.
    pub after: Option<ElementKey>,
    /// It ends with this one; nothing: with the last.
    pub to: Option<ElementKey>,
}

impl Range {
    /// Tells whether a key lies in it.
    fn holds(&self, key: &ElementKey) -> bool {
        self.after.is_none_or(|after| *key > after) && self.to.is_none_or(|to| *key <= to)
    }
}

/// The elements of a range, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many there are.
    pub count: u64,
    /// Their digests, added modulo 2^128.
    pub total: u128,
}

/// A part of a range; it begins where the one before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its last key; nothing: it has no end.
    pub to: Option<ElementKey>,
    /// What is in it.
    pub sum: Sum,
}

impl Sum {
    const fn add(&mut self, digest: u128) {
        self.count = self.count.saturating_add(1);
        self.total = self.total.wrapping_add(digest);
    }

    const fn join(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.total = self.total.wrapping_add(other.total);
    }
}

/// Adds elements up, under a salt.
pub fn sum_of(salt: &[u8; SALT_BYTES], elements: &[Element]) -> Sum {
    let mut sum = Sum::default();
    for element in elements {
        sum.add(scan::digest(salt, element));
    }
    sum
}

/// Tells whether ranges follow each other without overlap, and each can hold something.
fn are_in_order<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> bool {
    let mut end = Some(None);
    for range in ranges {
        // Nothing comes after a range without end.
        let Some(before) = end else { return false };
        let follows = before.is_none_or(|before| range.after.is_some_and(|after| after >= before));
        let is_run = match (range.after, range.to) {
            (Some(after), Some(to)) => after < to,
            _ => true,
        };
        if !follows || !is_run {
            return false;
        }
        end = range.to.map(Some);
    }
    true
}
