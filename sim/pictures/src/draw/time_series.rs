//! Figures over time.

use super::flags::Strip;
use super::frame::{Frame, Sides};
use super::keys::{Column, Key, LINES_MAX, Legend, Sample, area_class, line_class, marker};
use super::svg::{path, through};
use super::{Draw, Drawn, Picture, Unusable, Width, first};
use crate::data::{Stacking, TimeSeries};
use crate::scale::{Ends, Scale};
use crate::thin::thin;

/// How many markers a line has.
const MARKERS: usize = 4;

struct Ready<'a> {
    series: &'a TimeSeries,
    stacking: Stacking,
    names: Vec<&'a str>,
    /// The points of each line; on top of those of the one before if they are stacked.
    lines: Vec<Vec<(f64, f64)>>,
}

/// Draws it.
pub(super) fn drawn(series: &TimeSeries, id: &str) -> Drawn {
    let (mut unusable, mut more) = (Unusable::default(), Vec::new());
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    for line in first(&series.lines, LINES_MAX, "lines", &mut more) {
        let points = unusable.sort_points(&line.points);
        if points.is_empty() {
            more.push(format!("There is no figure of \"{}\".", line.name));
        } else {
            names.push(line.name.as_str());
            lines.push(points);
        }
    }
    let mut notes = unusable.notes();
    notes.extend(more);
    if lines.is_empty() {
        return Drawn::nothing(notes);
    }
    if lines.iter().all(|line| line.len() == 1) {
        notes.push("There is one moment only.".into());
    }
    let mut stacking = series.stacking;
    if stacking == Stacking::Stacked && !stack(&mut lines) {
        stacking = Stacking::Lines;
        notes.push("The lines have not the same moments and so are not stacked.".into());
    }
    Drawn::of(
        &Ready {
            series,
            stacking,
            names,
            lines,
        },
        id,
        notes,
    )
}

/// Adds each line to the one before, if all have the same x.
fn stack(lines: &mut [Vec<(f64, f64)>]) -> bool {
    let same = |a: &[(f64, f64)], b: &[(f64, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0)
    };
    if !lines.windows(2).all(|pair| same(&pair[0], &pair[1])) {
        return false;
    }
    for index in 1..lines.len() {
        let below: Vec<f64> = lines[index - 1].iter().map(|point| point.1).collect();
        for (point, below) in lines[index].iter_mut().zip(below) {
            point.1 += below;
        }
    }
    true
}

impl Ready<'_> {
    fn places(&self, frame: &Frame, index: usize) -> Vec<(f64, f64)> {
        let all: Vec<(f64, f64)> = self.lines[index]
            .iter()
            .map(|point| frame.point(*point))
            .collect();
        thin(&all, frame.width.points_max())
    }

    fn surface(&self, frame: &Frame, index: usize) -> String {
        let stacked = self.stacking == Stacking::Stacked;
        let upper = self.places(frame, index);
        let (Some(first), Some(last)) = (upper.first(), upper.last()) else {
            return String::new();
        };
        let mut outline = upper.clone();
        if stacked && index > 0 {
            outline.extend(self.places(frame, index - 1).into_iter().rev());
        } else {
            outline.extend([(last.0, frame.bottom), (first.0, frame.bottom)]);
        }
        path(&(through(&outline) + "z"), &area_class(index, stacked))
    }

    fn line(&self, frame: &Frame, index: usize) -> String {
        let places = self.places(frame, index);
        let mut out = path(&through(&places), &line_class(index));
        if self.stacking == Stacking::Stacked {
            return out;
        }
        if places.len() == 1 {
            return out + &marker(index, places[0]);
        }
        if self.lines.len() == 1 {
            return out;
        }
        for turn in 0..MARKERS {
            // Each line has its markers elsewhere, so that they do not hide each other.
            let offset = (index + 1) as f64 / (self.lines.len() + 1) as f64;
            let share = (turn as f64 + offset) / MARKERS as f64;
            let target = frame.sides.left + share * (frame.sides.right - frame.sides.left);
            let distance = |place: &(f64, f64)| (place.0 - target).abs();
            let nearest = places
                .iter()
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            // A line that does not reach there has no marker there.
            let near = nearest.filter(|place| distance(place) < 60.0);
            out.extend(near.map(|place| marker(index, *place)));
        }
        out
    }

    /// Where each line ends, at the right.
    fn ends(&self, frame: &Frame) -> Vec<(f64, bool)> {
        let mut below = 0.0;
        let mut out = Vec::new();
        for line in &self.lines {
            let end = line.last().map_or(0.0, |point| point.1);
            let middle = (end + below) / 2.0;
            let stacked = self.stacking == Stacking::Stacked;
            out.push((frame.up(if stacked { middle } else { end }), true));
            below = end;
        }
        out
    }
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, _id: &str) -> Picture {
        let series = self.series;
        let all = || self.lines.iter().flatten();
        let x = Scale::fit(
            &series.x,
            all().map(|point| point.0),
            Ends::Tight,
            width.ticks_max(),
        );
        let y = Scale::fit(&series.y, all().map(|point| point.1), Ends::Round, 6);
        let stacked = self.stacking == Stacking::Stacked;
        let sample = if stacked {
            Sample::Surface
        } else {
            Sample::Line
        };
        let names = self.names.iter().enumerate();
        let keys: Vec<Key<'_>> = names
            .map(|(look, name)| Key { name, look, sample })
            .collect();
        let (column, legend) = (Column::of(width, &keys), Legend::of(width, &keys));
        let sides = Sides::of(width, &y, column.width());
        let strip = Strip::of(width, &series.bands, &series.marks, &x, sides);
        let above = (legend.height, strip.height);
        let frame = Frame::new(width, (x, y), sides, above, column.height());
        let mut body = strip.draw_behind(&frame) + &legend.draw();
        body += &frame.draw_y(&series.y.label, legend.height);
        let lines = 0..self.lines.len();
        if self.stacking != Stacking::Lines {
            body.extend(lines.clone().map(|index| self.surface(&frame, index)));
        }
        body += &frame.draw_x(&series.x.label);
        body.extend(lines.map(|index| self.line(&frame, index)));
        body += &strip.draw(&frame);
        body += &column.draw(&frame, &self.ends(&frame));
        let height = frame.below() + strip.list_height();
        Picture {
            width: width.px(),
            height,
            body,
        }
    }
}
