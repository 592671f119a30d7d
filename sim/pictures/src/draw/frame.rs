//! The frame of a plot with two axes: where it lies, its ticks and its words.

use super::Width;
use super::svg::{Anchor, line, text};
use crate::scale::{Scale, Tick};
use crate::text::{LINE_PX, cut, width as text_width};

/// Between the plot and the figures on its left.
const TICK_GAP: f64 = 8.0;
/// Between the letters' base line and their middle.
pub(super) const HALF_LETTER: f64 = 4.5;

/// Where the plot begins and ends from left to right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sides {
    /// Its left side.
    pub(super) left: f64,
    /// Its right side.
    pub(super) right: f64,
}

/// The place of a plot with two axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    /// For which window.
    pub(super) width: Width,
    /// From left to right.
    pub(super) sides: Sides,
    /// The upper side.
    pub(super) top: f64,
    /// The lower side.
    pub(super) bottom: f64,
    /// The scale from left to right.
    pub(super) x: Scale,
    /// The scale upwards.
    pub(super) y: Scale,
}

impl Sides {
    /// Leaves room for the figures of `y` on the left and for `column` pixels on the right.
    pub(super) fn of(width: Width, y: &Scale, column: f64) -> Self {
        let widest = y
            .ticks
            .iter()
            .map(|tick| text_width(&tick.label))
            .fold(20.0, f64::max);
        Self {
            left: widest + TICK_GAP,
            right: width.px() - column.max(14.0),
        }
    }

    /// The place of a figure of `x`.
    pub(super) fn place(self, x: &Scale, value: f64) -> f64 {
        self.left + x.place(value) * (self.right - self.left)
    }
}

impl Frame {
    /// A frame with `above` pixels of other things over its upright axis' name, and `strip` pixels
    /// between that and the plot; at least `least` pixels high.
    pub(super) fn new(
        width: Width,
        (x, y): (Scale, Scale),
        sides: Sides,
        (above, strip): (f64, f64),
        least: f64,
    ) -> Self {
        let top = above + LINE_PX + 12.0 + strip;
        let bottom = top + width.plot_px().max(least);
        Self {
            width,
            sides,
            top,
            bottom,
            x,
            y,
        }
    }

    /// The place of a figure from left to right.
    pub(super) fn across(&self, value: f64) -> f64 {
        self.sides.place(&self.x, value)
    }

    /// The place of a figure upwards.
    pub(super) fn up(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value) * (self.bottom - self.top)
    }

    /// The place of a point.
    pub(super) fn point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across(x), self.up(y))
    }

    /// The lines across and the figures on the left.
    pub(super) fn draw_y(&self, label: &str, above: f64) -> String {
        let mut out = text(
            0.0,
            above + 13.0,
            Anchor::Start,
            "q",
            &cut(label, self.width.px()),
        );
        let mut last = f64::INFINITY;
        for tick in &self.y.ticks {
            let y = self.up(tick.at);
            let (left, right) = (self.sides.left, self.sides.right);
            out += &line((left, y), (right, y), "g");
            // Ticks of ratios can be too near to each other for all their figures.
            if last - y >= LINE_PX - 2.0 {
                let label = &tick.label;
                out += &text(left - TICK_GAP, y + HALF_LETTER, Anchor::End, "", label);
                last = y;
            }
        }
        out
    }

    /// The base line, its figures and its name.
    pub(super) fn draw_x(&self, label: &str) -> String {
        draw_x(self.width, self.sides, self.bottom, &self.x, label)
    }

    /// Where the words below the plot end.
    pub(super) fn below(&self) -> f64 {
        below(self.bottom)
    }
}

/// Where the words below a base line end.
pub(super) fn below(bottom: f64) -> f64 {
    bottom + 2.0 * LINE_PX + 12.0
}

/// A base line at `bottom`, with figures and a name.
pub(super) fn draw_x(width: Width, sides: Sides, bottom: f64, x: &Scale, label: &str) -> String {
    let mut out = line((sides.left, bottom), (sides.right, bottom), "x");
    for tick in &x.ticks {
        let at = sides.place(x, tick.at);
        out += &line((at, bottom), (at, bottom + 5.0), "x");
    }
    for (middle, label) in tick_labels(width, sides, x) {
        out += &text(middle, bottom + LINE_PX + 2.0, Anchor::Middle, "", label);
    }
    let wide = sides.right - sides.left;
    let anchor = if text_width(label) <= wide {
        Anchor::End
    } else {
        Anchor::Start
    };
    let at = if anchor == Anchor::End {
        sides.right
    } else {
        0.0
    };
    let words = cut(label, width.px());
    out + &text(at, bottom + 2.0 * LINE_PX + 5.0, anchor, "q", &words)
}

/// Which figures are written below a base line, and where their middles are: as many of them as
/// there are, or every second, or every third, so that none touches another.
fn tick_labels(width: Width, sides: Sides, x: &Scale) -> Vec<(f64, &str)> {
    let middle = |tick: &Tick| {
        let half = text_width(&tick.label) / 2.0;
        sides
            .place(x, tick.at)
            .clamp(half, (width.px() - half).max(half))
    };
    for every in 1..=x.ticks.len() {
        let chosen: Vec<&Tick> = x.ticks.iter().step_by(every).collect();
        let apart = chosen.windows(2).all(|pair| {
            let room = (text_width(&pair[0].label) + text_width(&pair[1].label)) / 2.0;
            middle(pair[1]) - middle(pair[0]) >= room + 6.0
        });
        if apart {
            return chosen
                .into_iter()
                .map(|tick| (middle(tick), tick.label.as_str()))
                .collect();
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
