//! Points on a plane or a map.

use super::frame::{Frame, Sides};
use super::keys::{Column, Key, LINES_MAX, Legend, Sample, markers};
use super::svg::{Anchor, rect, text};
use super::{Draw, Drawn, Picture, Unusable, Width, first};
use crate::data::{Axis, Scatter};
use crate::labels::{Rect, place};
use crate::scale::{Ends, Scale};
use crate::text::{LINE_PX, cut, width as text_width};
use crate::thin::thin;

/// Room around the outermost points, as a share of the whole.
const MARGIN: f64 = 0.05;

/// How high a map is, as a share of its width.
const MAP_SHAPE: f64 = 0.5;

struct Ready<'a> {
    scatter: &'a Scatter,
    groups: Vec<(&'a str, Vec<(f64, f64)>)>,
}

/// Draws it.
pub(super) fn drawn(scatter: &Scatter, id: &str) -> Drawn {
    let (mut unusable, mut more) = (Unusable::default(), Vec::new());
    let mut groups = Vec::new();
    for group in first(&scatter.groups, LINES_MAX, "groups", &mut more) {
        let points = unusable.sort_points(&group.points);
        if points.is_empty() {
            more.push(format!("There is no point of \"{}\".", group.name));
        } else {
            groups.push((group.name.as_str(), points));
        }
    }
    let mut notes = unusable.notes();
    notes.extend(more);
    if groups.is_empty() {
        return Drawn::nothing(notes);
    }
    let all: usize = groups
        .iter()
        .map(|(_, points): &(&str, Vec<_>)| points.len())
        .sum();
    if all > Width::Wide.points_max() {
        notes.push(format!(
            "Of {all} points, some are drawn: the outermost, and some others."
        ));
    }
    Drawn::of(&Ready { scatter, groups }, id, notes)
}

impl Ready<'_> {
    fn scale(&self, axis: &Axis, of: impl Fn(&(f64, f64)) -> f64, most: usize) -> Scale {
        let values: Vec<f64> = self
            .groups
            .iter()
            .flat_map(|(_, points)| points)
            .map(of)
            .collect();
        // Distances on a map are distances.
        let axis = &Axis {
            log: axis.log && !self.scatter.map,
            ..axis.clone()
        };
        let tight = Scale::fit(axis, values.iter().copied(), Ends::Tight, most);
        if tight.log {
            return tight;
        }
        let room = (tight.high - tight.low) * MARGIN;
        // Room must not make a figure negative that cannot be.
        let low = if tight.low >= 0.0 {
            (tight.low - room).max(0.0)
        } else {
            tight.low - room
        };
        let around = [low, tight.high + room];
        Scale::fit(axis, values.into_iter().chain(around), Ends::Tight, most)
    }

    /// Points for a picture of this width.
    fn places(&self, frame: &Frame, index: usize) -> Vec<(f64, f64)> {
        let all: Vec<(f64, f64)> = self.groups[index]
            .1
            .iter()
            .map(|point| frame.point(*point))
            .collect();
        thin(&all, self.most(index, frame.width))
    }

    /// How many points of a group are drawn: as many of the whole as it has.
    fn most(&self, index: usize, width: Width) -> usize {
        let all: usize = self.groups.iter().map(|(_, points)| points.len()).sum();
        (width.points_max() * self.groups[index].1.len() / all).max(8)
    }

    /// The name of each group of a map, over its points.
    fn names(&self, frame: &Frame) -> String {
        let names: Vec<String> = self
            .groups
            .iter()
            .map(|(name, _)| cut(name, frame.width.px() / 2.0))
            .collect();
        let wanted = self.groups.iter().zip(&names).map(|((_, points), name)| {
            let places: Vec<(f64, f64)> = points.iter().map(|point| frame.point(*point)).collect();
            let middle = places.iter().map(|place| place.0).sum::<f64>() / places.len() as f64;
            let top = places
                .iter()
                .map(|place| place.1)
                .fold(f64::INFINITY, f64::min);
            let width = text_width(name);
            let (left, top) = (middle - width / 2.0, top - LINE_PX - 6.0);
            Rect {
                left,
                top,
                width,
                height: LINE_PX,
            }
        });
        let wanted: Vec<Rect> = wanted.collect();
        let (left, top) = (frame.sides.left + 4.0, frame.top + 2.0);
        let (width, height) = (frame.sides.right - left - 4.0, frame.bottom - top - 2.0);
        let found = place(
            &wanted,
            Rect {
                left,
                top,
                width,
                height,
            },
        );
        let mut out = String::new();
        for (rect, name) in found.iter().zip(&names) {
            let Some(rect) = rect else { continue };
            let (middle, base) = (rect.left + rect.width / 2.0, rect.top + LINE_PX - 4.0);
            out += &text(middle, base, Anchor::Middle, "n", name);
        }
        out
    }

    fn map(&self, width: Width) -> Picture {
        let mut x = self.scale(&self.scatter.x, |point| point.0, width.ticks_max());
        let mut y = self.scale(&self.scatter.y, |point| point.1, width.ticks_max());
        let (left, right) = (1.0, width.px() - 1.0);
        let (top, bottom) = (1.0, width.px() * MAP_SHAPE);
        level(&mut x, &mut y, right - left, bottom - top);
        let sides = Sides { left, right };
        let frame = Frame {
            width,
            sides,
            top,
            bottom,
            x,
            y,
        };
        let mut body = rect(left, top, right - left, bottom - top, "mb").end();
        for index in 0..self.groups.len() {
            body += &markers(index, &self.places(&frame, index));
        }
        body += &self.names(&frame);
        Picture {
            width: width.px(),
            height: bottom + 1.0,
            body,
        }
    }
}

/// Makes both directions of a map have one scale, by making one of them longer.
fn level(x: &mut Scale, y: &mut Scale, width: f64, height: f64) {
    let per_px = ((x.high - x.low) / width).max((y.high - y.low) / height);
    for (scale, room) in [(x, width), (y, height)] {
        let more = (per_px * room - (scale.high - scale.low)) / 2.0;
        (scale.low, scale.high) = (scale.low - more, scale.high + more);
        scale.ticks.clear();
    }
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, _id: &str) -> Picture {
        let scatter = self.scatter;
        if scatter.map {
            return self.map(width);
        }
        let x = self.scale(&scatter.x, |point| point.0, width.ticks_max());
        let y = self.scale(&scatter.y, |point| point.1, 6);
        let names = self.groups.iter().enumerate();
        let keys: Vec<Key<'_>> = names
            .map(|(look, (name, _))| Key {
                name,
                look,
                sample: Sample::Point,
            })
            .collect();
        let (column, legend) = (Column::of(width, &keys), Legend::of(width, &keys));
        let sides = Sides::of(width, &y, column.width());
        let frame = Frame::new(width, (x, y), sides, (legend.height, 0.0), column.height());
        let mut body = legend.draw() + &frame.draw_y(&scatter.y.label, legend.height);
        body += &frame.draw_x(&scatter.x.label);
        for index in 0..self.groups.len() {
            body += &markers(index, &self.places(&frame, index));
        }
        // Points have no end: the names stand beside the plot from the top.
        body += &column.draw(&frame, &vec![(frame.top, false); keys.len()]);
        Picture {
            width: width.px(),
            height: frame.below(),
            body,
        }
    }
}
