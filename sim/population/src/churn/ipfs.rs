//! The classes of nodes of IPFS.

use rand::Rng;

use super::{
    ALWAYS, Habit, KAD_DOWN, MINUTE_MS, NEVER, Stay, draw,
    renewal::{Renewal, Span, Weibull},
};

const WEEK_MS: f64 = 7.0 * 24.0 * 60.0 * MINUTE_MS;
/// Time up of a node that comes and goes: median 2 h, 80 % below 8 h.
pub(super) const UP: Weibull = Weibull::of(0.607_67, 219.36 * MINUTE_MS);
/// Mean of [`UP`], in milliseconds.
const UP_MEAN_MS: f64 = 324.7 * MINUTE_MS;

/// How the nodes of one class come and go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Class {
    Never,
    Always,
    Renewal(Renewal),
}

/// The classes, each with its share in thousandths.
pub(super) const CLASSES: [(u16, Class); 5] = [
    (377, Class::Never),
    (
        271,
        Class::Renewal(Renewal {
            up: Span::Weibull(UP),
            down: Span::Weibull(KAD_DOWN),
        }),
    ),
    (
        213,
        Class::Renewal(Renewal {
            up: Span::Weibull(UP),
            down: Span::Exponential(WEEK_MS - UP_MEAN_MS),
        }),
    ),
    (106, Class::Always),
    (
        33,
        Class::Renewal(Renewal {
            up: Span::Exponential(2.0 * WEEK_MS),
            down: Span::Exponential(2.0 * WEEK_MS),
        }),
    ),
];

impl Class {
    pub(super) fn availability(self) -> f64 {
        match self {
            Self::Never => 0.0,
            Self::Always => 1.0,
            Self::Renewal(renewal) => renewal.availability(),
        }
    }

    pub(super) fn settle<R: Rng + ?Sized>(self, rng: &mut R) -> Stay {
        match self {
            Self::Never => NEVER,
            Self::Always => ALWAYS,
            Self::Renewal(renewal) => renewal.settle(rng),
        }
    }

    pub(super) fn fresh<R: Rng + ?Sized>(self, up: bool, rng: &mut R) -> Stay {
        match self {
            Self::Never => NEVER,
            Self::Always => ALWAYS,
            Self::Renewal(renewal) => renewal.fresh(up, rng),
        }
    }
}

/// Draws the class of a node.
pub(super) fn draw<R: Rng + ?Sized>(rng: &mut R) -> (Habit, Class) {
    let mut left = draw::below(rng, 1_000);
    for (index, (share, class)) in (0..).zip(CLASSES) {
        if left < u64::from(share) {
            return (Habit::Class(index), class);
        }
        left -= u64::from(share);
    }
    (Habit::Class(0), Class::Never)
}

/// Returns the class at a place of the list; one that is not there never comes up.
pub(super) fn class(index: u8) -> Class {
    CLASSES
        .get(usize::from(index))
        .map_or(Class::Never, |(_, class)| *class)
}
