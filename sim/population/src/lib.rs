//! Who is in a simulated network: when nodes come and go, where they are and how they are
//! connected.
//!
//! Everything here is drawn from a generator that is passed in, so that one seed gives one
//! population. The mathematics is `libm`'s and plain arithmetic: the same bits on every machine.
//! All names are strict; an unknown one is answered with the names there are.

mod churn;
pub mod draw;
mod links;
mod regions;

pub use self::{
    churn::{Churn, ChurnError, Diurnal, FOREVER_MS, Habit, Stay, Trace, TraceError, Weibull},
    links::{Collapse, Link},
    regions::{Region, Regions, RegionsError},
};

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} called \"{name}\", only {known}")]
pub struct UnknownName {
    /// What was asked for: a churn, a region, a link.
    pub kind: &'static str,
    pub name: String,
    /// The names there are, separated by commas.
    pub known: String,
}

impl UnknownName {
    fn new<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        Self {
            kind,
            name: name.to_owned(),
            known: known.join(", "),
        }
    }
}
