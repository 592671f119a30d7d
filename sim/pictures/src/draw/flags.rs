//! Shaded spans and marked places, with their names in a strip above the plot.

use std::collections::BTreeMap;

use super::Width;
use super::frame::{Frame, Sides};
use super::svg::{Anchor, line, path, px, rect, text};
use crate::data::{Band, Mark};
use crate::labels::rows;
use crate::scale::{Scale, usable};
use crate::text::{LINE_PX, capital, cut, width as text_width, wrap};

/// How many rows of names stand above a plot; if that is not enough, there are numbers and a list.
const ROWS_MAX: usize = 3;
/// How many lines that list has.
const LIST_MAX: usize = 12;

/// A span or a place.
#[derive(Clone, Debug, PartialEq)]
struct Flag {
    from: f64,
    to: Option<f64>,
    label: String,
}

/// Everything that is marked on one plot.
pub(super) struct Strip {
    flags: Vec<Flag>,
    names: Vec<Name>,
    list: Vec<String>,
    /// How high the names are.
    pub(super) height: f64,
}

/// A name that stands in the strip.
struct Name {
    words: String,
    left: f64,
    row: usize,
    to: f64,
}

impl Strip {
    /// Finds a place for each name.
    pub(super) fn of(width: Width, bands: &[Band], marks: &[Mark], x: &Scale, at: Sides) -> Self {
        let seen = |from: f64, to: f64| {
            let ends = usable(from) && usable(to) && from <= to;
            ends && to >= x.low && from <= x.high
        };
        let bands = bands
            .iter()
            .filter(|band| seen(band.from, band.to))
            .map(|band| Flag {
                from: band.from,
                to: Some(band.to),
                label: band.label.clone(),
            });
        let marks = marks.iter().filter(|mark| seen(mark.at, mark.at));
        let marks = marks.map(|mark| Flag {
            from: mark.at,
            to: None,
            label: mark.label.clone(),
        });
        let mut flags: Vec<Flag> = bands.chain(marks).collect();
        flags.sort_by(|a, b| a.from.total_cmp(&b.from));
        let words = flags.iter().map(|flag| flag.label.clone()).collect();
        let (mut names, mut list) = (lay(width, &flags, words, x, at), Vec::new());
        if names.iter().any(|name| name.row >= ROWS_MAX) {
            let (numbers, lines) = numbered(width, &flags);
            list = lines;
            names = lay(width, &flags, numbers, x, at);
            names.retain(|name| name.row < ROWS_MAX);
        }
        let rows = names.iter().map(|name| name.row + 1).max().unwrap_or(0);
        let height = if rows == 0 {
            0.0
        } else {
            rows as f64 * LINE_PX + 4.0
        };
        Self {
            flags,
            names,
            list,
            height,
        }
    }

    /// How high the list below the plot is.
    pub(super) fn list_height(&self) -> f64 {
        if self.list.is_empty() {
            0.0
        } else {
            self.list.len() as f64 * LINE_PX + 6.0
        }
    }

    /// What lies behind the plot.
    pub(super) fn draw_behind(&self, frame: &Frame) -> String {
        let (top, bottom) = (frame.top, frame.bottom);
        let mut out = String::new();
        for flag in &self.flags {
            let from = frame.across(flag.from);
            let Some(to) = flag.to else { continue };
            let wide = (frame.across(to) - from).max(1.5);
            let (left, top_px, bottom_px) = (px(from), px(top), px(bottom));
            let edges = format!("M{left} {top_px}V{bottom_px}m{} 0V{top_px}", px(wide));
            out += &rect(from, top, wide, bottom - top, "b").end();
            out += &path(&edges, "be");
        }
        out
    }

    /// The marks, the names and the list.
    pub(super) fn draw(&self, frame: &Frame) -> String {
        let mut out = String::new();
        for flag in self.flags.iter().filter(|flag| flag.to.is_none()) {
            let at = frame.across(flag.from);
            out += &line((at, frame.bottom), (at, frame.top), "v");
        }
        let base = |row: usize| frame.top - 7.0 - row as f64 * LINE_PX;
        for name in &self.names {
            out += &line((name.to, frame.top), (name.to, base(name.row) + 3.0), "e");
        }
        for name in &self.names {
            // On paper, so that no line to a name above shows between the letters.
            let wide = text_width(&name.words);
            let top = base(name.row) - LINE_PX + 5.0;
            out += &rect(name.left, top, wide, LINE_PX - 2.0, "p").end();
            let middle = name.left + wide / 2.0;
            out += &text(middle, base(name.row), Anchor::Middle, "", &name.words);
        }
        for (index, words) in self.list.iter().enumerate() {
            let y = frame.below() + LINE_PX + index as f64 * LINE_PX;
            out += &text(0.0, y, Anchor::Start, "", words);
        }
        out
    }
}

/// Puts names over their spans, in rows.
fn lay(width: Width, flags: &[Flag], words: Vec<String>, x: &Scale, at: Sides) -> Vec<Name> {
    let room = width.px() - at.left;
    let mut names: Vec<Name> = Vec::new();
    for (flag, words) in flags
        .iter()
        .zip(words)
        .filter(|(_, words)| !words.is_empty())
    {
        let words = cut(&words, room);
        let from = at.place(x, flag.from);
        let middle = flag.to.map_or(from, |to| (from + at.place(x, to)) / 2.0);
        let wide = text_width(&words);
        let last = (width.px() - wide).max(at.left);
        let left = (middle - wide / 2.0).clamp(at.left, last);
        names.push(Name {
            words,
            left,
            row: 0,
            to: middle,
        });
    }
    let spans: Vec<(f64, f64)> = names
        .iter()
        .map(|name| (name.left, name.left + text_width(&name.words)))
        .collect();
    for (name, row) in names.iter_mut().zip(rows(&spans, 8.0)) {
        name.row = row;
    }
    names
}

/// A number for each different name, and the list of what they mean.
fn numbered(width: Width, flags: &[Flag]) -> (Vec<String>, Vec<String>) {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found: Vec<(&str, usize)> = Vec::new();
    for flag in flags.iter().filter(|flag| !flag.label.is_empty()) {
        let number = *numbers.entry(&flag.label).or_insert_with(|| {
            found.push((&flag.label, 0));
            found.len()
        });
        found[number - 1].1 += 1;
    }
    let mut list = Vec::new();
    for (index, (label, times)) in found.iter().enumerate().take(LIST_MAX) {
        let often = if *times > 1 {
            format!(" ({times} times)")
        } else {
            String::new()
        };
        list.extend(wrap(
            &format!("{}: {}{often}", index + 1, capital(label)),
            width.px(),
            2,
        ));
    }
    if found.len() > LIST_MAX {
        list.push(format!("and {} more", found.len() - LIST_MAX));
    }
    let words = flags.iter().map(|flag| numbers.get(flag.label.as_str()));
    (
        words
            .map(|number| number.map_or_else(String::new, usize::to_string))
            .collect(),
        list,
    )
}
