//! Elements of SVG.

use std::fmt::Write as _;

use crate::text::escape;

/// One element under way.
pub(super) struct Element {
    name: &'static str,
    text: String,
}

/// Where text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

/// Begins an element.
pub(super) fn element(name: &'static str) -> Element {
    Element {
        name,
        text: format!("<{name}"),
    }
}

impl Element {
    /// Adds an attribute in words.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.text
            .push_str(&format!(" {name}=\"{}\"", escape(value)));
        self
    }

    /// Adds an attribute in pixels.
    pub(super) fn at(mut self, name: &str, value: f64) -> Self {
        self.text.push_str(&format!(" {name}=\"{}\"", px(value)));
        self
    }

    /// Ends it with nothing inside.
    pub(super) fn end(self) -> String {
        self.text + "/>"
    }

    /// Ends it with elements inside.
    pub(super) fn around(self, inside: &str) -> String {
        format!("{}>{inside}</{}>", self.text, self.name)
    }

    /// Ends it with a title that shows when it is pointed at.
    pub(super) fn titled(self, title: &str) -> String {
        if title.is_empty() {
            return self.end();
        }
        self.around(&element("title").around(&escape(title)))
    }
}

/// A line of text; `y` is its base line.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, class: &str, text: &str) -> String {
    let element = element("text").at("x", x).at("y", y);
    let element = match anchor {
        Anchor::Start => element,
        Anchor::Middle => element.with("text-anchor", "middle"),
        Anchor::End => element.with("text-anchor", "end"),
    };
    let element = if class.is_empty() {
        element
    } else {
        element.with("class", class)
    };
    element.around(&escape(text))
}

/// A straight line.
pub(super) fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    path(
        &format!("M{} {}L{} {}", px(from.0), px(from.1), px(to.0), px(to.1)),
        class,
    )
}

/// A path.
pub(super) fn path(d: &str, class: &str) -> String {
    element("path").with("class", class).with("d", d).end()
}

/// A rectangle; sides that would be too short to see are made a bit longer.
pub(super) fn rect(left: f64, top: f64, width: f64, height: f64, class: &str) -> Element {
    let element = element("rect")
        .with("class", class)
        .at("x", left)
        .at("y", top);
    element
        .at("width", width.max(1.0))
        .at("height", height.max(0.0))
}

/// The path through points, from each to the next by its distance, in tenths of a pixel.
pub(super) fn through(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    let mut last = (0, 0);
    for (index, (x, y)) in points.iter().enumerate() {
        let (x, y) = (tenths(*x), tenths(*y));
        let step = (x - last.0, y - last.1);
        match index {
            0 => push(&mut out, 'M', (x, y)),
            _ if step == (0, 0) => {}
            _ => push(&mut out, 'l', step),
        }
        last = (x, y);
    }
    out
}

/// The path along steps: to the x of each next point first, then to its y.
pub(super) fn stairs(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    let mut last = (0, 0);
    for (index, (x, y)) in points.iter().enumerate() {
        let (x, y) = (tenths(*x), tenths(*y));
        match index {
            0 => push(&mut out, 'M', (x, y)),
            _ => {
                for (letter, step) in [('h', x - last.0), ('v', y - last.1)] {
                    if step != 0 {
                        // Writing to a string cannot fail.
                        let _ = write!(out, "{letter}{}", in_tenths(step));
                    }
                }
            }
        }
        last = (x, y);
    }
    out
}

fn push(out: &mut String, letter: char, (x, y): (i64, i64)) {
    let gap = if y < 0 { "" } else { " " };
    // Writing to a string cannot fail.
    let _ = write!(out, "{letter}{}{gap}{}", in_tenths(x), in_tenths(y));
}

/// Writes pixels, to a tenth.
pub(super) fn px(value: f64) -> String {
    in_tenths(tenths(value))
}

fn tenths(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

fn in_tenths(tenths: i64) -> String {
    let sign = if tenths < 0 { "-" } else { "" };
    match (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, part) => format!("{sign}{whole}.{part}"),
    }
}
