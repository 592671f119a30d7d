//! How many have how much.

use super::bins::bins;
use super::flags::Strip;
use super::frame::{Frame, Sides};
use super::svg::rect;
use super::{Draw, Drawn, Picture, Unusable, Width};
use crate::Unit;
use crate::data::{Axis, Bin, Bins, Histogram};
use crate::scale::{Ends, Scale};

struct Ready<'a> {
    histogram: &'a Histogram,
    bins: Vec<Bin>,
}

/// Draws it.
pub(super) fn drawn(histogram: &Histogram, id: &str) -> Drawn {
    let mut unusable = Unusable::default();
    let found = bins(&histogram.x, &histogram.bins, &mut unusable);
    let mut notes = unusable.notes();
    if let Bins::Each(values) = &histogram.bins {
        let low = values.iter().filter(|value| **value <= 0.0).count();
        if histogram.x.log && low > 0 {
            notes.push(format!(
                "{low} figures are zero or less and have no place here."
            ));
        }
    }
    if found.is_empty() {
        return Drawn::nothing(notes);
    }
    Drawn::of(
        &Ready {
            histogram,
            bins: found,
        },
        id,
        notes,
    )
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, _id: &str) -> Picture {
        let histogram = self.histogram;
        let marks = histogram.marks.iter().map(|mark| mark.at);
        let edges = self
            .bins
            .iter()
            .flat_map(|bin| [bin.from, bin.to])
            .chain(marks);
        let x = Scale::fit(&histogram.x, edges, Ends::Tight, width.ticks_max());
        let count = Axis::new(&histogram.y, Unit::Count);
        let counts = self.bins.iter().map(|bin| bin.count as f64);
        let y = Scale::fit(&count, counts, Ends::Round, 6);
        let sides = Sides::of(width, &y, 0.0);
        let strip = Strip::of(width, &[], &histogram.marks, &x, sides);
        let frame = Frame::new(width, (x, y), sides, (0.0, strip.height), 0.0);
        let mut body = frame.draw_y(&histogram.y, 0.0);
        for bin in self.bins.iter().filter(|bin| bin.count > 0) {
            let (left, right) = (frame.across(bin.from), frame.across(bin.to));
            let top = frame.up(bin.count as f64).min(frame.bottom - 1.0);
            let unit = histogram.x.unit;
            let (from, to) = (unit.show(bin.from), unit.show(bin.to));
            let title = format!("{from} to {to}: {}", Unit::Count.show(bin.count as f64));
            let wide = right - left;
            let gap = if wide > 4.0 { 1.0 } else { 0.0 };
            let bar = rect(
                left + gap / 2.0,
                top,
                wide - gap,
                frame.bottom - top,
                "r c0",
            );
            body += &if width == Width::Wide {
                bar.titled(&title)
            } else {
                bar.end()
            };
        }
        body += &frame.draw_x(&histogram.x.label);
        body += &strip.draw(&frame);
        let height = frame.below() + strip.list_height();
        Picture {
            width: width.px(),
            height,
            body,
        }
    }
}
