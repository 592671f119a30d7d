//! The table as text.

use std::time::Duration;

use restante_sim_pictures::Unit;

use super::Row;
use crate::statistics::Estimate;

/// A column: its heading, and what stands in it.
pub(super) type Column = (&'static str, Unit, fn(&Row) -> Option<Estimate>);

/// The columns behind the first three.
pub(super) const COLUMNS: [Column; 7] = [
    ("delivered", Unit::Share, |row| row.ratio),
    ("shown twice", Unit::Share, |row| row.duplicates),
    ("half shown within", Unit::Seconds, |row| row.wait_p50),
    ("99 of 100 within", Unit::Seconds, |row| row.wait_p99),
    ("bytes a message", Unit::Bytes, |row| row.bytes_more),
    ("all bytes, per message", Unit::Bytes, |row| row.bytes_all),
    ("copies at return", Unit::Number, |row| row.copies),
];

/// Returns how long recipients of a row are away.
pub(super) fn away(row: &Row) -> String {
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
    let show = |value| {
        unit.show(value)
            .replace(['\u{a0}', '\u{202f}'], " ")
            .replace('\u{2212}', "-")
    };
    format!("{} [{}, {}]", show(value), show(low), show(high))
}

/// Returns the table for a terminal.
pub(crate) fn plain(rows: &[Row]) -> String {
    // Rows stand as columns: there are more figures than rows.
    let cells = cells(rows);
    let columns = cells.first().map_or(0, Vec::len);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |row: &Vec<String>| {
        row.iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut out = String::new();
    for column in 0..columns {
        let line = cells
            .iter()
            .map(|row| format!("{:<1$}", cell(row, column), width(row)));
        out += line.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    out
}

/// Returns the table for a document.
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
