//! A page of plots that stands alone.
//!
//! A [`Page`] is plain data: a verdict, some facts, sections of plots, and what it takes to run the same again. Each
//! [`Plot`] has a question as its title and the answer as a sentence. [`Page::html`] puts the data as JSON into one
//! template, `page.html`, whose script draws the figures when the file is opened; nothing is loaded from elsewhere.
//! The same data gives the same bytes.

mod data;
mod unit;

pub use data::{
    Axis, Bar, Bars, Cdf, Cell, Column, Curve, Kind, Line, Mark, Page, Plot, Replay, Row, Samples,
    Section, Span, Table, TimeSeries, Timeline, Tone, Verdict,
};
pub use unit::Unit;

const TEMPLATE: &str = include_str!("page.html");
/// Where the template takes the data.
const PLACE: &str = "{{page}}";

impl Page {
    /// Renders the page as one HTML file that needs nothing else.
    ///
    /// # Panics
    ///
    /// Never: what a page consists of can always be serialized.
    pub fn html(&self) -> String {
        let json = serde_json::to_string(self).expect("texts, numbers and lists can be serialized");
        TEMPLATE.replacen(PLACE, &inert(&json), 1)
    }
}

/// Makes JSON safe within a `<script>`, and takes out the marks that turn the direction of writing, with which a name
/// could rearrange the sentence around it.
fn inert(json: &str) -> String {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    json.replace('<', "\\u003c").replace(turns, "\u{fffd}")
}

#[cfg(test)]
mod tests;
