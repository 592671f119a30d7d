//! Pictures of each kind of plot, for a wide and for a narrow window.

mod bars;
mod bins;
mod cdf;
mod flags;
mod frame;
mod histogram;
mod keys;
mod scatter;
mod svg;
pub(crate) mod table;
mod time_series;
mod timeline;

use crate::page::Kind;
use crate::scale::usable;

/// For which window a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A desk's, or paper.
    Wide,
    /// A phone's.
    Narrow,
}

/// The inside of one SVG.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    /// How wide it is, in its own pixels.
    pub(crate) width: f64,
    /// How high it is.
    pub(crate) height: f64,
    /// Its elements.
    pub(crate) body: String,
}

/// What a plot comes to: pictures unless there is nothing to draw, and words.
#[derive(Default)]
pub(crate) struct Drawn {
    /// The wide picture and the narrow one.
    pub(crate) pictures: Option<(Picture, Picture)>,
    /// A table in HTML, with the figures behind the pictures.
    pub(crate) table: Option<String>,
    /// Sentences about what is not in the pictures.
    pub(crate) notes: Vec<String>,
}

/// Something that can be drawn at both widths.
trait Draw {
    /// Draws it; `id` is unique on the page.
    fn draw(&self, width: Width, id: &str) -> Picture;
}

/// Draws a plot; `id` is unique on the page.
pub(crate) fn draw(kind: &Kind, id: &str) -> Drawn {
    match kind {
        Kind::Cdf(cdf) => cdf::drawn(cdf, id),
        Kind::TimeSeries(series) => time_series::drawn(series, id),
        Kind::Bars(bars) => bars::drawn(bars, id),
        Kind::Histogram(histogram) => histogram::drawn(histogram, id),
        Kind::Timeline(timeline) => timeline::drawn(timeline, id),
        Kind::Scatter(scatter) => scatter::drawn(scatter, id),
        Kind::Table(table) => table::drawn(table),
    }
}

impl Width {
    /// Pixels of a picture from left to right.
    fn px(self) -> f64 {
        match self {
            Self::Wide => 760.0,
            Self::Narrow => 320.0,
        }
    }

    /// Pixels from the lower to the upper end of an upright axis.
    fn plot_px(self) -> f64 {
        match self {
            Self::Wide => 230.0,
            Self::Narrow => 190.0,
        }
    }

    /// How many points of a line can be told apart.
    fn points_max(self) -> usize {
        match self {
            Self::Wide => 600,
            Self::Narrow => 240,
        }
    }

    /// How many ticks there is room for, from left to right.
    fn ticks_max(self) -> usize {
        match self {
            Self::Wide => 8,
            Self::Narrow => 5,
        }
    }

    /// The letter that makes an id unique.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Wide => 'w',
            Self::Narrow => 'n',
        }
    }
}

impl Drawn {
    /// What there is when there is nothing to draw.
    fn nothing(mut notes: Vec<String>) -> Self {
        notes.insert(
            0,
            "There is nothing to show here: nothing was measured.".into(),
        );
        Self {
            notes,
            ..Self::default()
        }
    }

    fn of(what: &dyn Draw, id: &str, notes: Vec<String>) -> Self {
        let draw = |width: Width| what.draw(width, &format!("{id}{}", width.letter()));
        let pictures = Some((draw(Width::Wide), draw(Width::Narrow)));
        Self {
            pictures,
            notes,
            table: None,
        }
    }
}

/// Counts what cannot be drawn and says so.
#[derive(Default)]
struct Unusable(usize);

impl Unusable {
    /// The points that can be drawn, in the order of their x.
    fn sort_points(&mut self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut kept: Vec<(f64, f64)> = points
            .iter()
            .copied()
            .filter(|(x, y)| usable(*x) && usable(*y))
            .collect();
        self.0 += points.len() - kept.len();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept
    }

    /// The figures that can be drawn, in their order.
    fn sort(&mut self, values: &[f64]) -> Vec<f64> {
        let mut kept: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| usable(*value))
            .collect();
        self.0 += values.len() - kept.len();
        kept.sort_by(f64::total_cmp);
        kept
    }

    fn notes(&self) -> Vec<String> {
        match self.0 {
            0 => Vec::new(),
            1 => vec!["One figure is no number and is left out.".into()],
            more => vec![format!("{more} figures are no numbers and are left out.")],
        }
    }
}

/// Keeps the first `most` of a list and says so.
fn first<'a, T>(list: &'a [T], most: usize, what: &str, notes: &mut Vec<String>) -> &'a [T] {
    if list.len() > most {
        notes.push(format!(
            "The first {most} of {} {what} are drawn.",
            list.len()
        ));
    }
    &list[..list.len().min(most)]
}
