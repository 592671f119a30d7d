//! One figure for each of a few categories.

use super::frame::{HALF_LETTER, Sides, below, draw_x};
use super::svg::{Anchor, line, path, px, rect, text};
use super::{Draw, Drawn, Picture, Unusable, Width};
use crate::data::{Bar, Bars};
use crate::scale::{Ends, Scale, usable};
use crate::text::{LINE_PX, width as text_width, wrap};

/// How many bars are drawn; of more the largest.
const BARS_MAX: usize = 40;
/// How wide a name beside a bar may be.
const NAME_PX: f64 = 230.0;
/// How thick a bar is.
const BAR_PX: f64 = 16.0;
/// Between a name and its bar.
const NAME_GAP: f64 = 10.0;
/// Between a bar and its figure.
const GAP: f64 = 7.0;

struct Ready<'a> {
    bars: &'a Bars,
    shown: Vec<&'a Bar>,
}

/// Draws it.
pub(super) fn drawn(bars: &Bars, id: &str) -> Drawn {
    let mut shown: Vec<&Bar> = bars.bars.iter().filter(|bar| usable(bar.value)).collect();
    let mut notes = Unusable(bars.bars.len() - shown.len()).notes();
    if shown.len() > BARS_MAX {
        notes.push(format!(
            "The {BARS_MAX} largest of {} are drawn.",
            shown.len()
        ));
        let mut order: Vec<usize> = (0..shown.len()).collect();
        order.sort_by(|a, b| shown[*b].value.total_cmp(&shown[*a].value).then(a.cmp(b)));
        order.truncate(BARS_MAX);
        order.sort_unstable();
        shown = order.into_iter().map(|index| shown[index]).collect();
    }
    if shown.is_empty() {
        return Drawn::nothing(notes);
    }
    if shown.iter().any(|bar| interval(bar).is_some()) {
        notes.push("The thin lines show from where to where a figure may be.".into());
    }
    Drawn::of(&Ready { bars, shown }, id, notes)
}

fn interval(bar: &Bar) -> Option<(f64, f64)> {
    bar.interval
        .filter(|(low, high)| usable(*low) && usable(*high) && low <= high)
}

impl Ready<'_> {
    fn figure(&self, bar: &Bar) -> String {
        self.bars.axis.unit.show(bar.value)
    }

    fn bar(&self, bar: &Bar, x: &Scale, sides: Sides, middle: f64) -> String {
        let zero = sides.place(x, if x.log { x.low } else { 0.0 });
        let at = sides.place(x, bar.value);
        let (left, right) = (zero.min(at), zero.max(at));
        let top = middle - BAR_PX / 2.0;
        let mut title = format!("{}: {}", bar.label, self.figure(bar));
        let mut whisker = String::new();
        let mut end = right;
        if let Some((low, high)) = interval(bar) {
            let show = |value: f64| self.bars.axis.unit.show(value);
            title += &format!(", from {} to {}", show(low), show(high));
            let (low, high) = (sides.place(x, low), sides.place(x, high));
            let (from, to) = (px(low), px(high));
            let cap = |x: &str| format!("M{x} {}v10", px(middle - 5.0));
            let shape = format!("M{from} {}H{to}{}{}", px(middle), cap(&from), cap(&to));
            // First wider in the page's colour: so it stands out from the bar.
            whisker = path(&shape, "wb") + &path(&shape, "w");
            end = end.max(high);
        }
        let mut out = rect(left, top, right - left, BAR_PX, "r c0").titled(&title);
        out += &whisker;
        out + &text(
            end + GAP,
            middle + HALF_LETTER,
            Anchor::Start,
            "n",
            &self.figure(bar),
        )
    }
}

impl Ready<'_> {
    fn scale(&self, width: Width) -> Scale {
        let ends = |bar: &&Bar| {
            let (low, high) = interval(bar).unwrap_or((bar.value, bar.value));
            // Where there is no zero, half of the least gives the shortest bar some length.
            let base = if self.bars.axis.log {
                bar.value / 2.0
            } else {
                bar.value
            };
            [low, bar.value, high, base]
        };
        let values = self.shown.iter().flat_map(ends);
        Scale::fit(
            &self.bars.axis,
            values,
            Ends::Round,
            width.ticks_max().min(6),
        )
    }

    /// Draws one row from `top` on and gives where it ends.
    fn row(
        &self,
        bar: &Bar,
        name: &[String],
        place: (&Scale, Sides, bool),
        top: f64,
    ) -> (String, f64) {
        let (x, sides, beside) = place;
        let words = name.len() as f64 * LINE_PX;
        let (high, middle) = if beside {
            let high = words.max(BAR_PX + 4.0) + 6.0;
            (high, top + high / 2.0)
        } else {
            (words + BAR_PX + 12.0, top + words + BAR_PX / 2.0 + 2.0)
        };
        let (first, left, anchor) = if beside {
            (middle - words / 2.0, sides.left - NAME_GAP, Anchor::End)
        } else {
            (top, 0.0, Anchor::Start)
        };
        let mut out = String::new();
        for (index, line) in name.iter().enumerate() {
            let base = first + (index as f64 + 0.5) * LINE_PX + HALF_LETTER;
            out += &text(left, base, anchor, "n", line);
        }
        (out + &self.bar(bar, x, sides, middle), top + high)
    }
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, _id: &str) -> Picture {
        let x = self.scale(width);
        let beside = width == Width::Wide;
        let room = if beside { NAME_PX } else { width.px() };
        let names: Vec<Vec<String>> = self
            .shown
            .iter()
            .map(|bar| wrap(&bar.label, room, 2))
            .collect();
        let widest = names
            .iter()
            .flatten()
            .map(|line| text_width(line))
            .fold(0.0, f64::max);
        let figures = self.shown.iter().map(|bar| text_width(&self.figure(bar)));
        let column = figures.fold(0.0, f64::max) + GAP;
        let left = if beside { widest + NAME_GAP } else { 8.0 };
        let sides = Sides {
            left,
            right: width.px() - column,
        };
        let (mut rows, mut y) = (String::new(), 2.0);
        for (bar, name) in self.shown.iter().zip(&names) {
            let (row, end) = self.row(bar, name, (&x, sides, beside), y);
            rows += &row;
            y = end;
        }
        let bottom = y + 4.0;
        let grid = x.ticks.iter().map(|tick| {
            let at = sides.place(&x, tick.at);
            line((at, 0.0), (at, bottom), "g")
        });
        let body = grid.collect::<String>()
            + &draw_x(width, sides, bottom, &x, &self.bars.axis.label)
            + &rows;
        Picture {
            width: width.px(),
            height: below(bottom),
            body,
        }
    }
}
