//! One keeper's comparison with another, step by step.

use super::{Part, Range, RangeAnswer, RepairRequest, Scan, Shared, Sum, Terms, are_in_order};
use crate::{
    NodeId,
    keeper::{Element, ElementKey, Replica},
    limits::{COMPARED_RANGES_MAX, COPY_COUNT_MAX},
    routing::Point,
};

/// Comparisons of ranges that bring nothing, in a row, at most: a difference is found within a few.
const FRUITLESS_MAX: u32 = 64;

/// What a comparison asks its owner to do.
#[derive(Debug)]
#[must_use]
pub(super) enum Step {
    /// Run this scan on the own store and come back with `on_scanned`.
    Scan(Scan),
    /// Ask the other keeper.
    Ask(RepairRequest),
    /// Find out which of these the own store lacks, and come back with `on_lacking`.
    Lacking(Vec<Element>),
    /// Take these, and come back with `on_imported`.
    Import(Vec<Replica>),
    /// It is over.
    Done,
}

/// The other keeper's answer is one that no honest keeper gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other keeper's answer contradicts itself, or leads nowhere")]
pub(super) struct ContradictionError;

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) partner: NodeId,
    terms: Terms,
    shared: Shared,
    /// Ranges to look into, with what the partner has there if it said so; the last is the next.
    ranges: Vec<(Range, Option<Sum>)>,
    /// What the partner was asked about.
    asked: Vec<Range>,
    /// Elements that the partner has where the sums differ.
    listed: Vec<Element>,
    /// Elements to be copied.
    wanted: Vec<ElementKey>,
    fruitless: u32,
    /// Replicas taken.
    pub(super) copied: u64,
}

impl Comparison {
    pub(super) fn new(partner: NodeId, terms: Terms, me: Point) -> Self {
        let shared = Shared::new(&terms, me, Point::of_node(&partner));
        Self {
            partner,
            terms,
            shared,
            ranges: vec![(Range::default(), None)],
            asked: Vec::new(),
            listed: Vec::new(),
            wanted: Vec::new(),
            fruitless: 0,
            copied: 0,
        }
    }

    /// Returns what comes next when nothing is under way.
    pub(super) fn next(&mut self) -> Step {
        if !self.listed.is_empty() {
            return Step::Lacking(std::mem::take(&mut self.listed));
        }
        if !self.wanted.is_empty() {
            let keys = self.wanted.iter().take(COPY_COUNT_MAX).copied().collect();
            return Step::Ask(RepairRequest::Copy { keys });
        }
        if self.ranges.is_empty() {
            return Step::Done;
        }
        let first = self.ranges.len().saturating_sub(COMPARED_RANGES_MAX);
        let mut next = self.ranges.split_off(first);
        next.sort_by_key(|(range, _)| range.after);
        let terms = &self.terms;
        Step::Scan(Scan::new(
            self.shared.clone(),
            terms.salt,
            terms.alive,
            next,
        ))
    }

    /// The own store has added up the ranges.
    pub(super) fn on_scanned(&mut self, scan: &Scan) -> Step {
        let differing = scan.differing();
        if differing.is_empty() {
            return self.next();
        }
        self.asked = differing.iter().map(|(range, _)| *range).collect();
        Step::Ask(RepairRequest::Compare {
            terms: self.terms.clone(),
            ranges: differing,
        })
    }

    /// The partner has said what is in the ranges.
    pub(super) fn on_compared(
        &mut self,
        answers: Vec<RangeAnswer>,
    ) -> Result<Step, ContradictionError> {
        let asked = std::mem::take(&mut self.asked);
        self.fruitless += 1;
        if asked.is_empty() || answers.len() != asked.len() || self.fruitless > FRUITLESS_MAX {
            return Err(ContradictionError);
        }
        for (range, answer) in asked.iter().zip(answers) {
            match answer {
                RangeAnswer::Equal => {}
                RangeAnswer::Parts(parts) => self.look_closer(range, &parts)?,
                RangeAnswer::Elements(elements) => {
                    if !elements.iter().all(|element| range.holds(&element.key)) {
                        return Err(ContradictionError);
                    }
                    self.listed.extend(elements);
                }
            }
        }
        Ok(self.next())
    }

    /// The own store has said which of the listed elements it lacks.
    pub(super) fn on_lacking(&mut self, lacking: &[Element]) -> Step {
        self.wanted
            .extend(lacking.iter().map(|element| element.key));
        self.next()
    }

    /// The partner has handed over replicas, of those that were asked for the first ones that it has.
    pub(super) fn on_replicas(
        &mut self,
        replicas: Vec<Replica>,
    ) -> Result<Step, ContradictionError> {
        let asked = self.wanted.len().min(COPY_COUNT_MAX);
        if asked == 0 || !self.asked.is_empty() {
            return Err(ContradictionError);
        }
        let mut at = 0;
        for replica in &replicas {
            let rest = self.wanted.get(at..asked).unwrap_or_default();
            let place = rest.iter().position(|key| *key == replica.key);
            at += place.ok_or(ContradictionError)? + 1;
        }
        // What the partner no longer has is not asked for again.
        let served = if replicas.is_empty() { asked } else { at };
        self.wanted.drain(..served);
        if replicas.is_empty() {
            return Ok(self.next());
        }
        self.fruitless = 0;
        Ok(Step::Import(replicas))
    }

    /// So many of the replicas were taken.
    pub(super) fn on_imported(&mut self, taken: u64) -> Step {
        self.copied += taken;
        self.next()
    }

    fn look_closer(&mut self, range: &Range, parts: &[Part]) -> Result<(), ContradictionError> {
        let mut after = range.after;
        let mut ranges = Vec::with_capacity(parts.len());
        for part in parts {
            ranges.push((Range { after, to: part.to }, part.sum));
            after = part.to;
        }
        let ends = parts.last().map(|part| part.to);
        if !are_in_order(ranges.iter().map(|(range, _)| range)) || ends != Some(range.to) {
            return Err(ContradictionError);
        }
        let ranges = ranges.into_iter().map(|(range, sum)| (range, Some(sum)));
        self.ranges.extend(ranges);
        Ok(())
    }
}
