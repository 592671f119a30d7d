//! When nodes come and go.
//!
//! A node is up for a while, then down for a while, and so on; a [`Stay`] is one such while. At the
//! start of a simulation nodes are in the middle of their stays: [`Churn::settle`] draws from the
//! stationary distribution, with the *rest* of a stay, which is longer than a fresh one wherever
//! long stays are many times longer than short ones.

use rand::Rng;

use crate::{UnknownName, draw};

mod diurnal;
mod ipfs;
mod renewal;
#[cfg(test)]
mod tests;
mod trace;

use self::renewal::{Renewal, Span};
pub use self::{
    diurnal::Diurnal,
    renewal::Weibull,
    trace::{Trace, TraceError},
};

/// The length of a stay that does not end, in milliseconds.
pub const FOREVER_MS: u64 = u64::MAX;

/// How nodes come and go.
#[derive(Clone, Debug, PartialEq)]
pub enum Churn {
    /// Nodes are always up.
    Always,
    /// Stays are exponential: all that is known of a node is whether it is up.
    Exponential {
        /// Mean time up, in milliseconds.
        up_mean_ms: u64,
        /// Mean time down, in milliseconds.
        down_mean_ms: u64,
    },
    /// Stays follow Weibull distributions.
    Weibull {
        /// Time up.
        up: Weibull,
        /// Time down.
        down: Weibull,
    },
    /// The network KAD, by the Weibull fits of its measurement: up for 1.6 h in the median and 4.1
    /// h on average, down for 3.2 h and 15.2 h.
    ///
    /// # References
    ///
    /// Steiner, En-Najjary and Biersack, "Long term study of peer behavior in the KAD DHT", ToN
    /// 2009. A published implementation of this fit draws times down from the fit of times up; here
    /// each has its own.
    Kad,
    /// The serving nodes of IPFS, as measured for a week in 2022: 10.5 % always up, 37.7 % known
    /// and never up, the others in between.
    ///
    /// | class    | share  | how it comes and goes                                       |
    /// |----------|--------|-------------------------------------------------------------|
    /// | offline  | 37.7 % | never up: in routing tables, and that is all                |
    /// | dangling | 27.1 % | up for 2 h in the median, below 8 h in 80 %; down as in KAD |
    /// | one-off  | 21.3 % | up as the former; once a week                               |
    /// | online   | 10.6 % | always up: the measured 10.5 % and what rounding left       |
    /// | changing |  3.3 % | came or left in that week: up and down for two weeks each   |
    ///
    /// Measured are the shares and the time up; times down and the last class are assumptions. One
    /// node in five is up at a time, and more than half of those are always up, which agrees with
    /// other measurements of that time.
    ///
    /// # References
    ///
    /// ProbeLab, RFM 2, "Uptime and churn", 2022.
    Ipfs,
    /// Nodes are up in the daytime.
    Diurnal(Diurnal),
    /// What was recorded.
    Trace(Trace),
}

/// What tells one node from another under the same churn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing does.
    Common,
    /// The class of node it belongs to, by its place in the list of classes.
    Class(u8),
    /// When its day begins, in milliseconds after the start of the simulation.
    Morning(u32),
    /// The recorded node it follows, by its place in the trace.
    Row(u32),
}

/// A while in which a node is up, or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    pub up: bool,
    /// For how long, in milliseconds, at least 1; [`FOREVER_MS`] when it does not end.
    pub lasts_ms: u64,
}

/// Parameters that no churn can have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChurnError {
    /// A time of 0.
    #[error("{0} is 0, and has to be at least a millisecond")]
    Zero(&'static str),
    /// The shape of a Weibull distribution.
    #[error("a Weibull shape of {0} is not between 0.1 and 10")]
    Shape(f64),
    /// The scale of a Weibull distribution.
    #[error("a Weibull scale of {0} ms is not between 1 ms and 100 years")]
    Scale(f64),
    /// The waking part of a day.
    #[error("{up_ms} ms up in a day of {day_ms} ms leaves no time down, or none up")]
    Day {
        /// Time up, in milliseconds.
        up_ms: u64,
        /// Length of the day, in milliseconds.
        day_ms: u64,
    },
    /// The jitter of a day's ends.
    #[error(
        "a jitter of {jitter_ms} ms is not below {max_ms} ms, half of the shorter part of the day"
    )]
    Jitter {
        /// The jitter, in milliseconds.
        jitter_ms: u64,
        /// What it has to stay below, in milliseconds.
        max_ms: u64,
    },
    /// The spread of mornings.
    #[error("mornings spread over {spread_ms} ms do not fit a day of {day_ms} ms")]
    Spread {
        /// The spread, in milliseconds.
        spread_ms: u64,
        /// Length of the day, in milliseconds.
        day_ms: u64,
    },
}

impl Churn {
    /// The names that [`Churn::named`] knows.
    pub const NAMES: [&'static str; 4] = ["always", "kad", "ipfs", "diurnal"];

    /// Returns the churn of this name, for those that need no parameters.
    ///
    /// # Errors
    ///
    /// [`UnknownName`], which lists the names there are.
    pub fn named(name: &str) -> Result<Self, UnknownName> {
        match name {
            "always" => Ok(Self::Always),
            "kad" => Ok(Self::Kad),
            "ipfs" => Ok(Self::Ipfs),
            "diurnal" => Ok(Self::Diurnal(Diurnal::default())),
            _ => Err(UnknownName::new("churn", name, Self::NAMES)),
        }
    }

    /// Returns exponential churn with these means, in milliseconds.
    ///
    /// # Errors
    ///
    /// [`ChurnError::Zero`].
    pub const fn exponential(up_mean_ms: u64, down_mean_ms: u64) -> Result<Self, ChurnError> {
        if up_mean_ms == 0 {
            return Err(ChurnError::Zero("the mean time up"));
        }
        if down_mean_ms == 0 {
            return Err(ChurnError::Zero("the mean time down"));
        }
        Ok(Self::Exponential {
            up_mean_ms,
            down_mean_ms,
        })
    }

    /// Returns the share of nodes that are up at a time, averaged over a day where the time of day
    /// matters.
    pub fn availability(&self) -> f64 {
        match self {
            Self::Ipfs => ipfs::CLASSES
                .iter()
                .map(|(share, class)| f64::from(*share) / 1_000.0 * class.availability())
                .sum(),
            Self::Diurnal(diurnal) => diurnal.availability(),
            Self::Trace(trace) => trace.availability(),
            _ => self.renewal().map_or(1.0, Renewal::availability),
        }
    }

    /// Draws a node that was there before the simulation began: its habit, and its first stay from
    /// the moment 0 on.
    ///
    /// `node` is the node's number, which only a trace looks at.
    pub fn settle<R: Rng + ?Sized>(&self, node: u32, rng: &mut R) -> (Habit, Stay) {
        match self {
            Self::Ipfs => {
                let (habit, class) = ipfs::draw(rng);
                (habit, class.settle(rng))
            }
            Self::Diurnal(diurnal) => {
                let habit = Habit::Morning(diurnal.morning(rng));
                (habit, diurnal.at(habit, 0, rng))
            }
            Self::Trace(trace) => {
                let row = trace.row(node);
                (Habit::Row(row), trace.at(row, 0))
            }
            _ => {
                let stay = self.renewal().map_or(ALWAYS, |renewal| renewal.settle(rng));
                (Habit::Common, stay)
            }
        }
    }

    /// Draws a node that appears at `at_ms`: it comes up for the first time, unless its habit says
    /// otherwise.
    pub fn arrive<R: Rng + ?Sized>(&self, node: u32, at_ms: u64, rng: &mut R) -> (Habit, Stay) {
        match self {
            Self::Ipfs => {
                let (habit, class) = ipfs::draw(rng);
                (habit, class.fresh(true, rng))
            }
            Self::Diurnal(diurnal) => {
                let habit = Habit::Morning(diurnal.morning(rng));
                (habit, diurnal.at(habit, at_ms, rng))
            }
            Self::Trace(trace) => {
                let row = trace.row(node);
                (Habit::Row(row), trace.at(row, at_ms))
            }
            _ => (Habit::Common, self.next(Habit::Common, false, at_ms, rng)),
        }
    }

    /// Draws the stay that begins at `at_ms`, when one of a node of this habit ends in which it was
    /// `up`, or not.
    pub fn next<R: Rng + ?Sized>(&self, habit: Habit, up: bool, at_ms: u64, rng: &mut R) -> Stay {
        match (self, habit) {
            (Self::Ipfs, Habit::Class(index)) => ipfs::class(index).fresh(!up, rng),
            (Self::Diurnal(diurnal), habit) => diurnal.next(habit, up, at_ms, rng),
            (Self::Trace(trace), Habit::Row(row)) => trace.at(row, at_ms),
            _ => self
                .renewal()
                .map_or(ALWAYS, |renewal| renewal.fresh(!up, rng)),
        }
    }

    /// Returns the alternation of times up and down that is the same for all nodes, if this churn
    /// is one.
    fn renewal(&self) -> Option<Renewal> {
        match self {
            Self::Exponential {
                up_mean_ms,
                down_mean_ms,
            } => Some(Renewal {
                up: Span::Exponential(*up_mean_ms as f64),
                down: Span::Exponential(*down_mean_ms as f64),
            }),
            Self::Weibull { up, down } => Some(Renewal {
                up: Span::Weibull(*up),
                down: Span::Weibull(*down),
            }),
            Self::Kad => Some(Renewal {
                up: Span::Weibull(KAD_UP),
                down: Span::Weibull(KAD_DOWN),
            }),
            _ => None,
        }
    }
}

const MINUTE_MS: f64 = 60_000.0;
/// Time up of a node of KAD.
const KAD_UP: Weibull = Weibull::of(0.615_11, 169.54 * MINUTE_MS);
/// Time down of a node of KAD.
const KAD_DOWN: Weibull = Weibull::of(0.476_48, 413.68 * MINUTE_MS);

const ALWAYS: Stay = Stay {
    up: true,
    lasts_ms: FOREVER_MS,
};
const NEVER: Stay = Stay {
    up: false,
    lasts_ms: FOREVER_MS,
};

/// Rounds a drawn time to milliseconds, at least one.
fn whole_ms(time_ms: f64) -> u64 {
    (libm::round(time_ms) as u64).max(1)
}
