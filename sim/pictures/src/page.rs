//! The page and what is on it.

use crate::data::{Bars, Cdf, Histogram, Scatter, Table, TimeSeries, Timeline};
use crate::html;

/// One page: what came out, the plots, and how to run the same again.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The page's title, for example the scenario's name and what it is about.
    pub title: String,
    /// Whether it went well.
    pub verdict: Verdict,
    /// Figures for the top of the page, as label and value.
    pub facts: Vec<(String, String)>,
    /// The plots, in sections; each begins on a new sheet of paper.
    pub sections: Vec<Section>,
    /// What it takes to see the same again.
    pub replay: Replay,
}

/// Whether a run went well, and in which sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it did.
    pub passed: bool,
    /// One sentence: what held, or what broke.
    pub sentence: String,
}

/// Plots that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// The plots.
    pub plots: Vec<Plot>,
}

/// One plot with its question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// The question that the plot answers; its title.
    pub question: String,
    /// The answer: one sentence with the figure.
    pub answer: String,
    /// What is drawn.
    pub kind: Kind,
}

/// What a plot draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// What share took no more than this.
    Cdf(Cdf),
    /// What changed over time.
    TimeSeries(TimeSeries),
    /// One figure for each of a few categories.
    Bars(Bars),
    /// How many have how much.
    Histogram(Histogram),
    /// What lasted from when until when.
    Timeline(Timeline),
    /// Points on a plane or a map.
    Scatter(Scatter),
    /// Figures in rows and columns.
    Table(Table),
}

/// What it takes to see the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The scenario's text.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The command that runs it again.
    pub command: String,
}

impl Page {
    /// Renders the page as one HTML file that needs nothing else.
    pub fn html(&self) -> String {
        html::page(self)
    }
}

impl Plot {
    /// A plot of `kind` that answers `question` with `answer`.
    pub fn new(question: impl Into<String>, answer: impl Into<String>, kind: Kind) -> Self {
        Self {
            question: question.into(),
            answer: answer.into(),
            kind,
        }
    }
}
