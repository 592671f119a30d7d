//! What each kind of plot draws.
//!
//! All figures are `f64` in the base unit of their axis. Figures that are no numbers, and figures
//! beyond 10^18, are left out, and the page says how many.

use crate::Unit;

/// One direction of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures, without the unit.
    pub label: String,
    /// The unit of its figures.
    pub unit: Unit,
    /// Whether equal distances are equal ratios. Figures of zero and less then lie at the lower
    /// end.
    pub log: bool,
    /// What is shown at least. Without it an upright axis begins at zero.
    pub range: Option<(f64, f64)>,
}

/// Curves of what share took no more than this.
#[derive(Clone, Debug, PartialEq)]
pub struct Cdf {
    /// What was measured.
    pub x: Axis,
    /// What the shares are shares of, for example "share of messages".
    pub y: String,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// One curve of a [`Cdf`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub samples: Samples,
}

/// The figures of a curve.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// One figure for each sample.
    Each {
        /// The figures, in any order.
        values: Vec<f64>,
        /// Samples that never came to a figure: messages that did not arrive. The curve then ends
        /// below 100 %.
        never: u64,
    },
    /// Figures with the share of all samples that are no larger.
    Shares(Vec<(f64, f64)>),
}

/// Figures over time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeSeries {
    /// Time.
    pub x: Axis,
    /// What changed.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// How the lines are put together.
    pub stacking: Stacking,
    /// Spans of time that are shaded, such as faults.
    pub bands: Vec<Band>,
    /// Moments that are marked.
    pub marks: Vec<Mark>,
}

/// One line of a [`TimeSeries`].
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, as (x, y).
    pub points: Vec<(f64, f64)>,
}

/// How the lines of a [`TimeSeries`] are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stacking {
    /// Each for itself.
    #[default]
    Lines,
    /// Each for itself, shaded down to zero.
    Areas,
    /// Each on top of the one before, as shares of a whole. All must have the same x.
    Stacked,
}

/// A shaded span.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it is.
    pub label: String,
}

/// A marked place.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where it is.
    pub at: f64,
    /// What it is.
    pub label: String,
}

/// One figure for each of a few categories.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// What the bars measure.
    pub axis: Axis,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The category.
    pub label: String,
    /// The figure.
    pub value: f64,
    /// From where to where the figure may be.
    pub interval: Option<(f64, f64)>,
}

/// How many have how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What was measured.
    pub x: Axis,
    /// What is counted, for example "keepers".
    pub y: String,
    /// The figures.
    pub bins: Bins,
    /// Marked places, for example a limit.
    pub marks: Vec<Mark>,
}

/// The figures of a [`Histogram`].
#[derive(Clone, Debug, PartialEq)]
pub enum Bins {
    /// One figure for each; the bins are found.
    Each(Vec<f64>),
    /// Bins that were counted already.
    Counted(Vec<Bin>),
}

/// One bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// How many are in it.
    pub count: u64,
}

/// What lasted from when until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Time.
    pub x: Axis,
    /// The rows, from top to bottom.
    pub rows: Vec<Row>,
}

/// One row of a [`Timeline`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whose row it is.
    pub name: String,
    /// What happened there.
    pub spans: Vec<Span>,
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// When it began.
    pub from: f64,
    /// When it ended, if it did.
    pub to: Option<f64>,
    /// What it was, in few words; may be empty. Left out where there is no room for it.
    pub label: String,
    /// What sort of thing it was.
    pub tone: Tone,
}

/// What sort of thing a [`Span`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Something that goes on: drawn plain.
    #[default]
    Plain,
    /// Something that was broken: drawn dark.
    Fault,
    /// Somebody who was not there: drawn hatched.
    Away,
}

/// Points on a plane or a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// From left to right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The points, in groups that have a name, such as regions.
    pub groups: Vec<Group>,
    /// Whether it is a map: both directions then have one scale, and no figures stand beside them.
    pub map: bool,
}

/// Points that have a name together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Their name.
    pub name: String,
    /// The points, as (x, y).
    pub points: Vec<(f64, f64)>,
}

/// Figures in rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The columns; the first names the rows.
    pub columns: Vec<Column>,
    /// The rows. Cells that are missing at the end of a row are empty.
    pub rows: Vec<Vec<Cell>>,
}

/// One column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub heading: String,
    /// On which side its cells are flush.
    pub align: Align,
}

/// On which side cells are flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Left, for words.
    #[default]
    Left,
    /// Right, for numbers.
    Right,
}

/// One cell of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// A figure.
    Number {
        /// The figure.
        value: f64,
        /// Its unit.
        unit: Unit,
        /// From where to where it may be.
        interval: Option<(f64, f64)>,
    },
}

impl Axis {
    /// An axis that measures `label` in `unit`.
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self {
            label: label.into(),
            unit,
            log: false,
            range: None,
        }
    }

    /// The same axis, on which equal distances are equal ratios.
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// The same axis, on which at least `from` to `to` is shown.
    pub fn between(mut self, from: f64, to: f64) -> Self {
        self.range = Some((from, to));
        self
    }
}

impl Column {
    /// A column of words.
    pub fn words(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            align: Align::Left,
        }
    }

    /// A column of numbers.
    pub fn numbers(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            align: Align::Right,
        }
    }
}

impl Cell {
    /// A cell with words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A cell with a figure.
    pub fn number(value: f64, unit: Unit) -> Self {
        Self::Number {
            value,
            unit,
            interval: None,
        }
    }

    /// A cell with a figure that may be from `low` to `high`.
    pub fn interval(value: f64, low: f64, high: f64, unit: Unit) -> Self {
        Self::Number {
            value,
            unit,
            interval: Some((low, high)),
        }
    }
}
