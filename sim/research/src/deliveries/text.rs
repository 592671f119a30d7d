//! The table as text.

use std::time::Duration;

use super::Row;
use crate::statistics::Estimate;

/// In what a figure is counted.
#[derive(Clone, Copy)]
enum Unit {
    Share,
    Seconds,
    KiB,
    Number,
}

/// A column: its heading, and what stands in it.
type Column = (&'static str, Unit, fn(&Row) -> Option<Estimate>);

/// The columns behind the first three.
const COLUMNS: [Column; 7] = [
    ("delivered", Unit::Share, |row| row.ratio),
    ("shown twice", Unit::Share, |row| row.duplicates),
    ("half shown within", Unit::Seconds, |row| row.wait_p50),
    ("99 of 100 within", Unit::Seconds, |row| row.wait_p99),
    ("bytes a message", Unit::KiB, |row| row.bytes_more),
    ("all bytes, per message", Unit::KiB, |row| row.bytes_all),
    ("copies at return", Unit::Number, |row| row.copies),
];

/// Returns how long recipients of a row are away.
fn away(row: &Row) -> String {
    humantime::format_duration(Duration::from_secs(row.away_s)).to_string()
}

/// Returns rows of cells, the heading first.
fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let fixed = ["away", "seeds", "messages"].map(str::to_owned);
    let named = COLUMNS.iter().map(|(name, _, _)| (*name).to_owned());
    let mut all: Vec<Vec<String>> = vec![fixed.into_iter().chain(named).collect()];
    for row in rows {
        let fixed = [away(row), row.seeds.to_string(), row.written.to_string()];
        let figures = COLUMNS.iter().map(|(_, unit, of)| figure(*unit, of(row)));
        all.push(fixed.into_iter().chain(figures).collect());
    }
    all
}

fn figure(unit: Unit, estimate: Option<Estimate>) -> String {
    let Some(Estimate { value, low, high }) = estimate else {
        return "-".to_owned();
    };
    format!(
        "{} [{}, {}]",
        unit.show(value),
        unit.show(low),
        unit.show(high)
    )
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.2} %", 100.0 * value),
            Self::Seconds => format!("{value:.2} s"),
            Self::KiB => format!("{:.0} KiB", value / 1_024.0),
            Self::Number => format!("{value:.2}"),
        }
    }
}

/// Returns the table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut out = String::new();
    for (place, row) in cells(rows).iter().enumerate() {
        out += &format!("| {} |\n", row.join(" | "));
        if place == 0 {
            out += &format!("|{}\n", " --- |".repeat(row.len()));
        }
    }
    out
}
