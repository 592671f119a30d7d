//! How lines differ, and which name belongs to which.
//!
//! A line has a colour, a pattern of dashes and a shape of its markers. Its name stands at its end
//! where there is room for that, and above the plot where there is not.

use super::Width;
use super::frame::{Frame, HALF_LETTER};
use super::svg::{Anchor, element, path, px, rect, text};
use crate::labels::spread;
use crate::text::{LINE_PX, width as text_width, wrap};

/// How many looks there are; after that they come again in other combinations.
const LOOKS: usize = 6;
/// How many lines one plot has at most.
pub(super) const LINES_MAX: usize = 12;
/// From the plot to the samples beside it.
const LEADER_PX: f64 = 14.0;
/// How long the sample of a line is.
const SAMPLE_PX: f64 = 26.0;
/// Between a sample and its name.
const SAMPLE_GAP: f64 = 6.0;
/// How wide a name beside the plot may be.
const NAME_PX: f64 = 150.0;

/// One name and the look it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// Which look.
    pub(super) look: usize,
    /// What it looks like.
    pub(super) sample: Sample,
}

/// What stands before a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// A piece of a line with a marker.
    Line,
    /// A piece of a surface.
    Surface,
    /// A marker.
    Point,
}

/// The class of a line.
pub(super) fn line_class(look: usize) -> String {
    format!("l c{} d{}", look % LOOKS, (look + look / LOOKS) % LOOKS)
}

/// The class of a shaded surface.
pub(super) fn area_class(look: usize, stacked: bool) -> String {
    let turn = look % LOOKS;
    if stacked {
        format!("k{turn} c{turn}")
    } else {
        format!("a c{turn}")
    }
}

/// A marker.
pub(super) fn marker(look: usize, at: (f64, f64)) -> String {
    markers(look, &[at])
}

/// Markers of one look.
pub(super) fn markers(look: usize, places: &[(f64, f64)]) -> String {
    const SHAPES: [&str; LOOKS] = [
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
        "m-3.6-3.6h7.2v7.2h-7.2z",
        "m0-5l4.7 8.2h-9.4z",
        "m0-5.4l4.9 5.4-4.9 5.4-4.9-5.4z",
        "m0 5l4.7-8.2h-9.4z",
        "m-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
    ];
    let shape = SHAPES[(look + 2 * (look / LOOKS)) % LOOKS];
    let outline = |(x, y): &(f64, f64)| format!("M{} {}{shape}", px(*x), px(*y));
    let each = places
        .iter()
        .map(|place| element("path").with("d", &outline(place)).end());
    element("g")
        .with("class", &format!("m c{}", look % LOOKS))
        .around(&each.collect::<String>())
}

impl Key<'_> {
    /// A piece of the line, or of the surface, from `left`.
    fn sample(&self, left: f64, middle: f64) -> String {
        let piece = |y: f64| {
            let piece = format!("M{} {}h{}", px(left), px(y), px(SAMPLE_PX));
            path(&piece, &line_class(self.look))
        };
        let point = || marker(self.look, (left + SAMPLE_PX / 2.0, middle));
        match self.sample {
            Sample::Line => piece(middle) + &point(),
            Sample::Surface => {
                let class = area_class(self.look, true);
                rect(left, middle - 6.0, SAMPLE_PX, 12.0, &class).end() + &piece(middle - 6.0)
            }
            Sample::Point => point(),
        }
    }
}

/// Names beside the plot, at the ends of their lines.
pub(super) struct Column<'a> {
    keys: &'a [Key<'a>],
    names: Vec<Vec<String>>,
}

impl<'a> Column<'a> {
    /// The column of a wide picture; a narrow one, and a single line, has none.
    pub(super) fn of(width: Width, keys: &'a [Key<'a>]) -> Self {
        let beside = width == Width::Wide && keys.len() > 1;
        let keys = if beside { keys } else { &[] };
        Self {
            keys,
            names: keys.iter().map(|key| wrap(key.name, NAME_PX, 3)).collect(),
        }
    }

    /// How much room it takes.
    pub(super) fn width(&self) -> f64 {
        if self.keys.is_empty() {
            return 0.0;
        }
        let widest = self
            .names
            .iter()
            .flatten()
            .map(|line| text_width(line))
            .fold(0.0, f64::max);
        LEADER_PX + SAMPLE_PX + SAMPLE_GAP + widest
    }

    /// How high the plot must be for it.
    pub(super) fn height(&self) -> f64 {
        self.heights().sum()
    }

    fn heights(&self) -> impl Iterator<Item = f64> {
        self.names
            .iter()
            .map(|lines| lines.len().max(1) as f64 * LINE_PX + 4.0)
    }

    /// Draws it; `ends` are the heights at which the lines end and whether a thin line leads there.
    pub(super) fn draw(&self, frame: &Frame, ends: &[(f64, bool)]) -> String {
        let wanted: Vec<(f64, f64)> = ends
            .iter()
            .zip(self.heights())
            .map(|((y, _), height)| (*y, height))
            .collect();
        let middles = spread(
            &wanted,
            frame.top - LINE_PX / 2.0,
            frame.bottom + LINE_PX / 2.0,
        );
        let from = frame.sides.right;
        let left = from + LEADER_PX;
        let mut out = String::new();
        let rows = self
            .keys
            .iter()
            .zip(&self.names)
            .zip(ends.iter().zip(middles));
        for ((key, lines), ((end, leads), middle)) in rows {
            if *leads {
                let (start, knee) = (px(from + 2.0), px(left - 3.0));
                out += &path(&format!("M{start} {}L{knee} {}", px(*end), px(middle)), "e");
            }
            out += &key.sample(left, middle);
            let first = middle - (lines.len().max(1) - 1) as f64 * LINE_PX / 2.0 + HALF_LETTER;
            for (index, line) in lines.iter().enumerate() {
                let y = first + index as f64 * LINE_PX;
                out += &text(left + SAMPLE_PX + SAMPLE_GAP, y, Anchor::Start, "", line);
            }
        }
        out
    }
}

/// Names above the plot of a narrow picture.
pub(super) struct Legend<'a> {
    entries: Vec<Entry<'a>>,
    /// How high it is.
    pub(super) height: f64,
}

/// One name of a legend, at its place.
struct Entry<'a> {
    key: &'a Key<'a>,
    left: f64,
    middle: f64,
    lines: Vec<String>,
}

impl<'a> Legend<'a> {
    /// The legend of a narrow picture; a wide one, and a single line, has none.
    pub(super) fn of(width: Width, keys: &'a [Key<'a>]) -> Self {
        if width == Width::Wide || keys.len() < 2 {
            return Self {
                entries: Vec::new(),
                height: 0.0,
            };
        }
        let before = SAMPLE_PX + SAMPLE_GAP;
        let (mut left, mut top, mut row) = (0.0, 0.0, 0.0_f64);
        let mut entries = Vec::new();
        for key in keys {
            let lines = wrap(key.name, width.px() - before, 2);
            let widest = lines
                .iter()
                .map(|line| text_width(line))
                .fold(0.0, f64::max);
            if left > 0.0 && left + before + widest > width.px() {
                (left, top, row) = (0.0, top + row, 0.0);
            }
            row = row.max(lines.len().max(1) as f64 * LINE_PX + 3.0);
            entries.push(Entry {
                key,
                left,
                middle: top + LINE_PX / 2.0,
                lines,
            });
            left += before + widest + 16.0;
        }
        Self {
            entries,
            height: top + row + 8.0,
        }
    }

    /// Draws it.
    pub(super) fn draw(&self) -> String {
        let mut out = String::new();
        for entry in &self.entries {
            out += &entry.key.sample(entry.left, entry.middle);
            let at = entry.left + SAMPLE_PX + SAMPLE_GAP;
            for (index, line) in entry.lines.iter().enumerate() {
                let base = entry.middle + HALF_LETTER + index as f64 * LINE_PX;
                out += &text(at, base, Anchor::Start, "", line);
            }
        }
        out
    }
}
