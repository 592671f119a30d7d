//! Curves of what share took no more than this.

use super::frame::{Frame, Sides};
use super::keys::{Column, Key, LINES_MAX, Legend, Sample, line_class, markers};
use super::svg::{path, stairs, through};
use super::{Draw, Drawn, Picture, Unusable, Width, first, table};
use crate::Unit;
use crate::data::{Axis, Cdf, Cell, Column as Heading, Samples, Table};
use crate::scale::{Ends, Scale};
use crate::thin::thin;

/// Which shares are marked.
const MARKED: [f64; 3] = [0.5, 0.95, 0.99];
/// Shares are sums of fractions, and may miss one by a bit.
const NEARLY: f64 = 1e-9;

struct Ready<'a> {
    cdf: &'a Cdf,
    curves: Vec<Steps<'a>>,
}

/// One curve.
struct Steps<'a> {
    name: &'a str,
    /// Figures, and the share that is no larger.
    points: Vec<(f64, f64)>,
    /// How many samples there were, and how many of them never came to a figure.
    samples: Option<(usize, u64)>,
}

/// Draws it, with a table of the marked figures.
pub(super) fn drawn(cdf: &Cdf, id: &str) -> Drawn {
    let (mut unusable, mut more) = (Unusable::default(), Vec::new());
    let mut curves = Vec::new();
    for curve in first(&cdf.curves, LINES_MAX, "curves", &mut more) {
        let steps = Steps::of(&curve.name, &curve.samples, &mut unusable);
        if steps.points.is_empty() {
            more.push(format!("There is no figure of \"{}\".", curve.name));
        } else {
            curves.push(steps);
        }
    }
    let mut notes = unusable.notes();
    if cdf.x.log && curves.iter().any(|curve| curve.points[0].0 <= 0.0) {
        notes.push("Figures of zero are drawn at the left end.".into());
    }
    notes.extend(more);
    if curves.is_empty() {
        return Drawn::nothing(notes);
    }
    notes.push(
        "Markers are at p50, p95 and p99: these percentages of all samples are no larger.".into(),
    );
    let ready = Ready { cdf, curves };
    Drawn {
        table: Some(ready.table()),
        ..Drawn::of(&ready, id, notes)
    }
}

impl<'a> Steps<'a> {
    fn of(name: &'a str, samples: &Samples, unusable: &mut Unusable) -> Self {
        match samples {
            Samples::Each { values, never } => {
                let values = unusable.sort(values);
                let all = values.len() as f64 + *never as f64;
                let shares = (1..=values.len()).map(|rank| rank as f64 / all);
                let points: Vec<_> = values.iter().copied().zip(shares).collect();
                Self {
                    name,
                    points,
                    samples: Some((values.len(), *never)),
                }
            }
            Samples::Shares(points) => {
                let mut points = unusable.sort_points(points);
                // A share of no more than this cannot fall.
                let mut most = 0.0_f64;
                for (_, share) in &mut points {
                    most = most.max(share.clamp(0.0, 1.0));
                    *share = most;
                }
                Self {
                    name,
                    points,
                    samples: None,
                }
            }
        }
    }

    /// The figure that `share` of all did not exceed.
    fn at(&self, share: f64) -> Option<f64> {
        let place = self
            .points
            .partition_point(|(_, reached)| *reached < share - NEARLY);
        self.points.get(place).map(|(value, _)| *value)
    }

    /// The share that came to a figure.
    fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, share)| *share)
    }
}

impl Ready<'_> {
    fn table(&self) -> String {
        let counted = self.curves.iter().all(|curve| curve.samples.is_some());
        let never = self.curves.iter().any(|curve| curve.end() < 1.0 - NEARLY);
        let mut columns = vec![Heading::words("")];
        let names = ["p50", "p95", "p99", "largest"];
        columns.extend(names.map(Heading::numbers));
        if never {
            columns.push(Heading::numbers("never"));
        }
        if counted {
            columns.push(Heading::numbers("samples"));
        }
        let rows = self.curves.iter().map(|curve| {
            let mut row = vec![Cell::text(curve.name)];
            let figures = MARKED.iter().map(|share| curve.at(*share));
            let last = curve.points.last().map(|(value, _)| *value);
            row.extend(figures.chain([last]).map(|figure| {
                figure.map_or_else(|| Cell::text("never"), |x| Cell::number(x, self.cdf.x.unit))
            }));
            if never {
                row.push(Cell::number((1.0 - curve.end()).max(0.0), Unit::Share));
            }
            if let Some((values, never)) = curve.samples.filter(|_| counted) {
                row.push(Cell::number(values as f64 + never as f64, Unit::Count));
            }
            row
        });
        table::html(&Table {
            columns,
            rows: rows.collect(),
        })
    }

    fn curve(&self, frame: &Frame, index: usize) -> String {
        let curve = &self.curves[index];
        let start = curve.points.first().map(|(value, _)| (*value, 0.0));
        let all: Vec<(f64, f64)> = start
            .iter()
            .chain(&curve.points)
            .map(|point| frame.point(*point))
            .collect();
        let mut points = thin(&all, frame.width.points_max() / 2);
        // What was thinned, or given as shares, has no steps of its own.
        let whole = curve.samples.is_some() && points.len() == all.len();
        let draw = if whole { stairs } else { through };
        if curve.end() < 1.0 - NEARLY {
            points.push((frame.sides.right, frame.up(curve.end())));
        }
        path(&draw(&points), &line_class(index))
    }

    fn markers(&self, frame: &Frame, index: usize) -> String {
        let curve = &self.curves[index];
        let at = MARKED
            .iter()
            .filter_map(|share| Some((curve.at(*share)?, *share)));
        markers(
            index,
            &at.map(|point| frame.point(point)).collect::<Vec<_>>(),
        )
    }
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, _id: &str) -> Picture {
        let values = self
            .curves
            .iter()
            .flat_map(|curve| &curve.points)
            .map(|(x, _)| *x);
        let x = Scale::fit(&self.cdf.x, values, Ends::Tight, width.ticks_max());
        let shares = Axis::new("", Unit::Share).between(0.0, 1.0);
        let y = Scale::fit(&shares, std::iter::empty(), Ends::Round, 6);
        let keys: Vec<Key<'_>> = self.curves.iter().enumerate().map(key).collect();
        let (column, legend) = (Column::of(width, &keys), Legend::of(width, &keys));
        let sides = Sides::of(width, &y, column.width());
        let frame = Frame::new(width, (x, y), sides, (legend.height, 0.0), column.height());
        let mut body = legend.draw() + &frame.draw_y(&self.cdf.y, legend.height);
        body += &frame.draw_x(&self.cdf.x.label);
        let all = 0..self.curves.len();
        body.extend(all.clone().map(|index| self.curve(&frame, index)));
        body.extend(all.map(|index| self.markers(&frame, index)));
        let end = |curve: &Steps<'_>| (frame.up(curve.end()), curve.end() < 1.0 - NEARLY);
        let ends: Vec<(f64, bool)> = self.curves.iter().map(end).collect();
        body += &column.draw(&frame, &ends);
        Picture {
            width: width.px(),
            height: frame.below(),
            body,
        }
    }
}

fn key<'a>((look, curve): (usize, &Steps<'a>)) -> Key<'a> {
    Key {
        name: curve.name,
        look,
        sample: Sample::Line,
    }
}
