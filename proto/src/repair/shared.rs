//! Which addresses two keepers should both have items of.

use super::Terms;
use crate::{Address, limits::REPLICAS, placement::CANDIDATES, routing::Point};

/// Tells which addresses a comparison is about.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// Where keepers lie, as the asker sees it.
    points: Vec<Point>,
    asker: Point,
    answerer: Point,
    leaving: bool,
    /// Where keepers lie, as the one sees it that is asked: the asker gets nothing that is none of its business.
    guard: Option<Vec<Point>>,
    /// Elements of one address follow each other.
    last: Option<(Address, bool)>,
}

impl Shared {
    pub(super) fn new(terms: &Terms, asker: Point, answerer: Point) -> Self {
        Self {
            points: terms.points.clone(),
            asker,
            answerer,
            leaving: terms.leaving,
            guard: None,
            last: None,
        }
    }

    /// Admits no address for which the asker is not one of the nearest among `points`.
    pub(super) fn guarded(mut self, points: Vec<Point>) -> Self {
        self.guard = Some(points);
        self
    }

    pub(super) fn admits(&mut self, address: &Address) -> bool {
        match self.last {
            Some((last, admitted)) if last == *address => admitted,
            _ => {
                let admitted = self.is_shared(&Point::of_address(address));
                self.last = Some((*address, admitted));
                admitted
            }
        }
    }

    fn is_shared(&self, at: &Point) -> bool {
        let remaining = |point: &&Point| !self.leaving || **point != self.answerer;
        let asker_rank = rank(self.points.iter().filter(remaining), &self.asker, at);
        asker_rank < REPLICAS
            && rank(&self.points, &self.answerer, at) < REPLICAS
            && self
                .guard
                .as_ref()
                .is_none_or(|points| is_business_of(points, &self.asker, at))
    }
}

/// Tells whether a keeper may see what lies `at` a point: it is one of those that are asked to keep it, among `points`.
pub(super) fn is_business_of(points: &[Point], asker: &Point, at: &Point) -> bool {
    rank(points, asker, at) < CANDIDATES
}

/// Returns how many of `points` are nearer to `at` than `who`.
pub(super) fn rank<'a>(
    points: impl IntoIterator<Item = &'a Point>,
    who: &Point,
    at: &Point,
) -> usize {
    let own = who.distance(at);
    points
        .into_iter()
        .filter(|point| point.distance(at) < own)
        .count()
}
