//! What lasted from when until when.

use super::frame::{HALF_LETTER, Sides, below, draw_x};
use super::svg::{Anchor, element, line, path, px, text};
use super::{Draw, Drawn, Picture, Unusable, Width, first};
use crate::data::{Row, Span, Timeline, Tone};
use crate::labels::rows;
use crate::scale::{Ends, Scale, usable};
use crate::text::{LINE_PX, capital, width as text_width, wrap};

/// How many rows are drawn.
const ROWS_MAX: usize = 40;
/// How wide a name beside a row may be.
const NAME_PX: f64 = 170.0;
/// How thick a span is.
const SPAN_PX: f64 = 18.0;
/// From one span to the next below it.
const PITCH_PX: f64 = 23.0;

struct Ready<'a> {
    timeline: &'a Timeline,
    rows: Vec<(&'a str, Vec<&'a Span>)>,
}

/// A span at its place.
#[derive(Clone, Copy)]
struct Placed<'a> {
    span: &'a Span,
    left: f64,
    right: f64,
}

/// Draws it.
pub(super) fn drawn(timeline: &Timeline, id: &str) -> Drawn {
    let (mut unusable, mut more) = (Unusable::default(), Vec::new());
    let mut kept = Vec::new();
    for row in first(&timeline.rows, ROWS_MAX, "rows", &mut more) {
        kept.push((row.name.as_str(), spans(row, &mut unusable)));
    }
    let mut notes = unusable.notes();
    notes.extend(more);
    if kept.iter().all(|(_, spans)| spans.is_empty()) {
        return Drawn::nothing(notes);
    }
    if kept
        .iter()
        .flat_map(|(_, spans)| spans)
        .any(|span| span.to.is_none())
    {
        notes.push("What ends in a point did not end.".into());
    }
    Drawn::of(
        &Ready {
            timeline,
            rows: kept,
        },
        id,
        notes,
    )
}

fn spans<'a>(row: &'a Row, unusable: &mut Unusable) -> Vec<&'a Span> {
    let fits =
        |span: &&Span| usable(span.from) && span.to.is_none_or(|to| usable(to) && to >= span.from);
    let mut kept: Vec<&Span> = row.spans.iter().filter(fits).collect();
    unusable.0 += row.spans.len() - kept.len();
    kept.sort_by(|a, b| a.from.total_cmp(&b.from));
    kept
}

impl<'a> Ready<'a> {
    fn scale(&self, width: Width) -> Scale {
        let all = self.rows.iter().flat_map(|(_, spans)| spans);
        let ends = all.flat_map(|span| [span.from, span.to.unwrap_or(span.from)]);
        Scale::fit(&self.timeline.x, ends, Ends::Tight, width.ticks_max())
    }

    /// The spans of a row at their places; many that are too short to see become one.
    fn placed(&self, spans: &[&'a Span], x: &Scale, sides: Sides) -> Vec<Placed<'a>> {
        let mut out: Vec<Placed<'a>> = Vec::new();
        for span in spans {
            let left = sides.place(x, span.from).min(sides.right - 2.0);
            let right = span
                .to
                .map_or(sides.right, |to| sides.place(x, to))
                .max(left + 2.0);
            let small = |from: f64, to: f64| to - from <= 3.0;
            if let Some(last) = out.last_mut()
                && small(last.right, left)
                && small(left, right)
                && (last.span.tone, &last.span.label) == (span.tone, &span.label)
                && spans.len() > 20
            {
                last.right = last.right.max(right);
                continue;
            }
            out.push(Placed { span, left, right });
        }
        out
    }

    fn tones(&self) -> Vec<(Tone, &'static str)> {
        let used = |tone: Tone| {
            self.rows
                .iter()
                .flat_map(|(_, spans)| spans)
                .any(|s| s.tone == tone)
        };
        let names = [
            (Tone::Fault, "broken"),
            (Tone::Away, "away"),
            (Tone::Plain, "going on"),
        ];
        let used: Vec<_> = names.into_iter().filter(|(tone, _)| used(*tone)).collect();
        if used.len() > 1 { used } else { Vec::new() }
    }
}

/// The shape of a span: a bar, with a point at its right if it did not end.
fn shape(placed: &Placed<'_>, top: f64, id: &str, title: &str) -> String {
    let class = match placed.span.tone {
        Tone::Plain => "tp",
        Tone::Fault => "tf",
        Tone::Away => "ta",
    };
    let wide = placed.right - placed.left;
    let outline = if placed.span.to.is_none() && wide > 12.0 {
        let (flat, half) = (px(wide - 8.0), px(SPAN_PX / 2.0));
        let (left, top) = (px(placed.left), px(top));
        format!("M{left} {top}h{flat}l8 {half}l-8 {half}h-{flat}z")
    } else {
        format!(
            "M{} {}h{}v{}h-{}z",
            px(placed.left),
            px(top),
            px(wide),
            SPAN_PX,
            px(wide)
        )
    };
    let path = element("path").with("class", class).with("d", &outline);
    let path = match placed.span.tone {
        Tone::Away => path.with("fill", &format!("url(#{id}-h)")),
        Tone::Plain | Tone::Fault => path,
    };
    path.titled(title)
}

/// The words of a span: within it, or else after it or before it if there is room there, or else
/// nowhere; and how far to the right both go.
fn words(placed: &Placed<'_>, middle: f64, (from, to): (f64, f64)) -> (String, f64) {
    let label = &placed.span.label;
    let wide = text_width(label);
    let base = middle + HALF_LETTER;
    let inner = placed.right - placed.left - 12.0;
    if label.is_empty() {
        (String::new(), placed.right)
    } else if wide <= inner {
        let class = if placed.span.tone == Tone::Fault {
            "i"
        } else {
            "n"
        };
        (
            text(placed.left + 6.0, base, Anchor::Start, class, label),
            placed.right,
        )
    } else if placed.right + 8.0 + wide <= to {
        let words = text(placed.right + 5.0, base, Anchor::Start, "n", label);
        (words, placed.right + 5.0 + wide)
    } else if placed.left - 8.0 - wide >= from {
        (
            text(placed.left - 5.0, base, Anchor::End, "n", label),
            placed.right,
        )
    } else {
        (String::new(), placed.right)
    }
}

/// The pattern of hatched spans.
fn hatching(id: &str) -> String {
    let pattern = element("pattern").with("id", &format!("{id}-h"));
    let pattern = pattern
        .with("patternUnits", "userSpaceOnUse")
        .with("width", "7");
    let pattern = pattern
        .with("height", "7")
        .with("patternTransform", "rotate(45)");
    let inside = element("rect")
        .with("class", "hb")
        .with("width", "7")
        .with("height", "7")
        .end();
    element("defs").around(&pattern.around(&(inside + &path("M0 0V7", "hl"))))
}

impl Ready<'_> {
    fn row(
        &self,
        spans: &[Placed<'_>],
        top: f64,
        id: &str,
        (start, end): (f64, f64),
    ) -> (String, f64) {
        let places: Vec<(f64, f64)> = spans.iter().map(|span| (span.left, span.right)).collect();
        let lanes = rows(&places, 0.0);
        let many = lanes.iter().max().map_or(1, |lane| lane + 1);
        let (mut shapes, mut names) = (String::new(), String::new());
        for lane in 0..many {
            let inside = spans
                .iter()
                .zip(&lanes)
                .filter(|(_, other)| **other == lane);
            let inside: Vec<&Placed<'_>> = inside.map(|(placed, _)| placed).collect();
            let y = top + lane as f64 * PITCH_PX;
            // Up to where the words before this span go.
            let mut taken = start;
            for (index, placed) in inside.iter().enumerate() {
                shapes += &shape(placed, y, id, &self.title(placed.span));
                let next = inside.get(index + 1).map_or(end, |next| next.left);
                let (words, right) = words(placed, y + SPAN_PX / 2.0, (taken, next));
                names += &words;
                taken = right;
            }
        }
        (shapes + &names, many as f64 * PITCH_PX)
    }

    fn title(&self, span: &Span) -> String {
        let unit = self.timeline.x.unit;
        let from = unit.show(span.from);
        let lasted = match span.to {
            Some(to) => format!("{from} to {}", unit.show(to)),
            None => format!("from {from} on"),
        };
        if span.label.is_empty() {
            lasted
        } else {
            format!("{}: {lasted}", span.label)
        }
    }

    fn legend(&self, y: f64, id: &str) -> (String, f64) {
        let tones = self.tones();
        let (mut out, mut x) = (String::new(), 0.0);
        for (tone, name) in &tones {
            let span = Span {
                from: 0.0,
                to: Some(0.0),
                label: String::new(),
                tone: *tone,
            };
            out += &shape(
                &Placed {
                    span: &span,
                    left: x + 1.0,
                    right: x + 27.0,
                },
                y,
                id,
                "",
            );
            out += &text(
                x + 34.0,
                y + SPAN_PX / 2.0 + HALF_LETTER,
                Anchor::Start,
                "",
                name,
            );
            x += 34.0 + text_width(name) + 16.0;
        }
        (out, if tones.is_empty() { 0.0 } else { SPAN_PX + 8.0 })
    }
}

impl Draw for Ready<'_> {
    fn draw(&self, width: Width, id: &str) -> Picture {
        let beside = width == Width::Wide;
        let room = if beside { NAME_PX } else { width.px() };
        let names: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|(name, _)| wrap(&capital(name), room, 2))
            .collect();
        let widest = names
            .iter()
            .flatten()
            .map(|line| text_width(line))
            .fold(0.0, f64::max);
        let left = if beside { widest + 12.0 } else { 6.0 };
        let sides = Sides {
            left,
            right: width.px() - 14.0,
        };
        let x = self.scale(width);
        let (mut body, mut y) = (hatching(id), 2.0);
        let (mut marks, mut rules) = (String::new(), String::new());
        for ((_, spans), lines) in self.rows.iter().zip(&names) {
            let high = lines.len() as f64 * LINE_PX;
            let top = if beside { y + 3.0 } else { y + high + 3.0 };
            let placed = self.placed(spans, &x, sides);
            let (row, lanes) = self.row(&placed, top, id, (sides.left, width.px()));
            marks += &row;
            for (index, line) in lines.iter().enumerate() {
                let first = if beside {
                    top + (SPAN_PX - LINE_PX) / 2.0
                } else {
                    y
                };
                let base = first + (index as f64 + 0.5) * LINE_PX + HALF_LETTER;
                marks += &text(0.0, base, Anchor::Start, "n", line);
            }
            let bottom = if beside {
                (top + lanes).max(y + high + 4.0)
            } else {
                top + lanes
            };
            y = bottom + 2.0;
            rules += &line((0.0, y), (sides.right, y), "g");
        }
        let bottom = y + 4.0;
        for tick in &x.ticks {
            let at = sides.place(&x, tick.at);
            body += &line((at, 0.0), (at, bottom), "g");
        }
        body += &(rules + &draw_x(width, sides, bottom, &x, &self.timeline.x.label) + &marks);
        let (legend, more) = self.legend(below(bottom) + 2.0, id);
        Picture {
            width: width.px(),
            height: below(bottom) + more,
            body: body + &legend,
        }
    }
}
