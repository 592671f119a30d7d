//! A page of plots that stands alone: HTML and SVG, printable, readable without colour.
//!
//! A [`Page`] is plain data: a verdict, some facts, sections of plots, and what it takes to run
//! the same again. [`Page::html`] turns it into one file without scripts, without anything to
//! load, and with every text escaped. Each [`Plot`] has the question it answers as its title and
//! the answer as a sentence, so that somebody who sees no picture misses no figure. The same data
//! gives the same bytes.
//!
//! Every plot is drawn twice, for a wide and for a narrow window; the style sheet shows one of
//! them. So text is never scaled below 12 pixels.

mod data;
mod draw;
mod html;
mod labels;
mod page;
mod scale;
mod text;
mod thin;
mod unit;

pub use data::{
    Align, Axis, Band, Bar, Bars, Bin, Bins, Cdf, Cell, Column, Curve, Group, Histogram, Line,
    Mark, Row, Samples, Scatter, Span, Stacking, Table, TimeSeries, Timeline, Tone,
};
pub use page::{Kind, Page, Plot, Replay, Section, Verdict};
pub use unit::Unit;

#[cfg(test)]
mod tests;
