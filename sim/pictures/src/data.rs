//! What a page and its plots consist of.
//!
//! All figures are `f64` in the base unit of their axis; a page leaves out those that are not finite, and says how
//! many.

use serde::Serialize;

use crate::Unit;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    pub title: String,
    pub verdict: Verdict,
    /// Label and value of what stands at the top.
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
    pub replay: Replay,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub passed: bool,
    /// What held, or what broke.
    pub sentence: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    pub heading: String,
    pub plots: Vec<Plot>,
}

/// A figure with the question that it answers, and the answer in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plot {
    pub question: String,
    pub answer: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    Cdf(Cdf),
    TimeSeries(TimeSeries),
    Bars(Bars),
    Timeline(Timeline),
    Table(Table),
}

/// What it takes to see the same again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    pub scenario: String,
    pub seed: u64,
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// What it measures, without the unit.
    pub label: String,
    pub unit: Unit,
    /// Whether equal distances are equal ratios; figures of zero and less then lie at the lower end.
    pub log: bool,
    /// What is shown at least. An upright axis that is not logarithmic shows zero in any case.
    pub range: Option<(f64, f64)>,
}

/// Shares that took no more than this.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cdf {
    pub x: Axis,
    /// What the shares are shares of, for example "share of messages".
    pub y: String,
    pub curves: Vec<Curve>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    pub name: String,
    pub samples: Samples,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// One figure for each sample.
    Each {
        values: Vec<f64>,
        /// Samples that have no figure, such as messages that did not arrive: the curve ends below 100 %.
        never: u64,
    },
    /// Figures with the share of all samples that are no larger.
    Shares(Vec<(f64, f64)>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimeSeries {
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    pub marks: Vec<Mark>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A marked moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    pub at: f64,
    pub label: String,
}

/// One figure for each of a few categories.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bars {
    pub axis: Axis,
    pub bars: Vec<Bar>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    pub label: String,
    pub value: f64,
    /// From where to where the figure may be.
    pub interval: Option<(f64, f64)>,
}

/// What lasted from when until when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    pub x: Axis,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    pub from: f64,
    /// `None` if it did not end.
    pub to: Option<f64>,
    pub label: String,
    pub tone: Tone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Something is broken: drawn dark.
    Fault,
    /// Somebody is not there: drawn hatched.
    Away,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    pub columns: Vec<Column>,
    /// Cells that are missing at the end of a row are empty.
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    pub heading: String,
    /// Whether its cells are flush on the right.
    pub numbers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    Empty,
    Text(String),
    /// A figure, and from where to where it may be.
    Interval(String, String),
}

impl Plot {
    pub fn new(question: impl Into<String>, answer: impl Into<String>, kind: Kind) -> Self {
        Self {
            question: question.into(),
            answer: answer.into(),
            kind,
        }
    }
}

impl Axis {
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self {
            label: label.into(),
            unit,
            log: false,
            range: None,
        }
    }

    /// The same axis, logarithmic.
    pub fn log(self) -> Self {
        Self { log: true, ..self }
    }

    /// The same axis, on which at least `from` to `to` is shown.
    pub fn between(self, from: f64, to: f64) -> Self {
        let range = Some((from, to));
        Self { range, ..self }
    }
}

impl Column {
    pub fn words(heading: impl Into<String>) -> Self {
        let (heading, numbers) = (heading.into(), false);
        Self { heading, numbers }
    }

    pub fn numbers(heading: impl Into<String>) -> Self {
        let (heading, numbers) = (heading.into(), true);
        Self { heading, numbers }
    }
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn number(value: f64, unit: Unit) -> Self {
        Self::Text(unit.show(value))
    }

    pub fn interval(value: f64, low: f64, high: f64, unit: Unit) -> Self {
        let range = format!("{} to {}", unit.show(low), unit.show(high));
        Self::Interval(unit.show(value), range)
    }
}
