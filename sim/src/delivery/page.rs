//! The table as a page of pictures.

use restante_sim_pictures::{
    Axis, Bar, Bars, Cdf, Cell, Column, Curve, Kind, Page, Plot, Replay, Samples, Section, Table,
    Unit, Verdict,
};

use super::Row;
use super::text::{COLUMNS, Column as ShownColumn, away};
use crate::statistics::Estimate;

/// Returns the page, with the text of the scenario, the first seed, and the command that makes it again.
pub(crate) fn page(rows: &[Row], scenario: String, seed: u64, command: String) -> Page {
    Page {
        title: "Messages to people who are away".into(),
        verdict: verdict(rows),
        facts: facts(rows),
        sections: vec![
            Section {
                heading: "What came of them".into(),
                plots: vec![outcome(rows), waits(rows)],
            },
            Section {
                heading: "What it took".into(),
                plots: vec![price(rows), copies(rows), bytes(rows)],
            },
        ],
        replay: Replay {
            scenario,
            seed,
            command,
        },
    }
}

fn verdict(rows: &[Row]) -> Verdict {
    let broken: usize = rows.iter().map(|row| row.broken.len()).sum();
    let sentence = match broken {
        0 => "No rule was broken with any seed.".to_owned(),
        _ => format!(
            "Rules were broken with {broken} seeds: {}.",
            all_broken(rows)
        ),
    };
    Verdict {
        passed: broken == 0,
        sentence,
    }
}

fn all_broken(rows: &[Row]) -> String {
    let each = rows.iter().flat_map(|row| {
        let broken = row.broken.iter();
        broken.map(|(seed, rule)| format!("{rule} with seed {seed}, away for {}", away(row)))
    });
    each.collect::<Vec<_>>().join("; ")
}

fn facts(rows: &[Row]) -> Vec<(String, String)> {
    let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum::<u64>().to_string();
    let facts = [
        ("runs with messages", sum(|row| row.seeds)),
        ("messages written", sum(|row| row.written)),
        ("shown", sum(|row| row.shown)),
        ("shown twice", sum(|row| row.duplicated)),
        ("intervals", "95 %".to_owned()),
    ];
    facts
        .map(|(label, value)| (label.to_owned(), value))
        .to_vec()
}

fn outcome(rows: &[Row]) -> Plot {
    let answer = "Shares have Wilson's interval, percentiles one from drawing seeds anew.";
    Plot::new(
        "Do messages arrive, and how soon after the return?",
        answer,
        table(rows, |column| !is_price(column)),
    )
}

fn price(rows: &[Row]) -> Plot {
    let answer = "Bytes a message are what all machines sent beyond the same network without \
                  messages. Means over seeds have Student's interval.";
    Plot::new("At what price?", answer, table(rows, is_price))
}

/// Tells what a message takes from what becomes of it: a page has no room for both side by side.
fn is_price((_, unit, _): &ShownColumn) -> bool {
    matches!(unit, Unit::Bytes | Unit::Number)
}

fn table(rows: &[Row], wanted: fn(&ShownColumn) -> bool) -> Kind {
    let shown: Vec<&ShownColumn> = COLUMNS.iter().filter(|column| wanted(column)).collect();
    let mut columns = vec![
        Column::words("recipients away for"),
        Column::numbers("seeds"),
        Column::numbers("messages"),
    ];
    columns.extend(shown.iter().map(|(name, _, _)| Column::numbers(*name)));
    let cells = |row: &Row| {
        let count = |count| Cell::number(crate::statistics::whole(count), Unit::Count);
        let fixed = [Cell::text(away(row)), count(row.seeds), count(row.written)];
        let figures = shown.iter().map(|(_, unit, of)| match of(row) {
            Some(Estimate { value, low, high }) => Cell::interval(value, low, high, *unit),
            None => Cell::Empty,
        });
        fixed.into_iter().chain(figures).collect()
    };
    Kind::Table(Table {
        columns,
        rows: rows.iter().map(cells).collect(),
    })
}

fn waits(rows: &[Row]) -> Plot {
    let curve = |row: &Row| Curve {
        name: format!("away for {}", away(row)),
        samples: Samples::Each {
            values: row.waits.iter().map(|wait| wait.max(0.001)).collect(),
            never: row.written.saturating_sub(row.shown),
        },
    };
    let slowest = rows
        .iter()
        .filter_map(|row| row.wait_p99)
        .map(|wait| wait.value);
    let slowest = Unit::Seconds.show(slowest.fold(0.0, f64::max));
    Plot::new(
        "How long after the recipient's return is a message shown?",
        format!(
            "In every row, 99 of 100 were shown within {slowest} of the start of the recipient's node."
        ),
        Kind::Cdf(Cdf {
            x: Axis::new("time from return to showing", Unit::Seconds).log(),
            y: "share of messages".into(),
            curves: rows.iter().map(curve).collect(),
        }),
    )
}

fn copies(rows: &[Row]) -> Plot {
    let fewest = rows
        .iter()
        .filter_map(|row| row.copies)
        .map(|copies| copies.value);
    let fewest = Unit::Number.show(fewest.fold(f64::INFINITY, f64::min));
    Plot::new(
        "How many running keepers have a message when its recipient returns?",
        format!("On average at least {fewest}; one is enough."),
        bars(
            rows,
            Axis::new("keepers that run and have it", Unit::Number),
            |row| row.copies,
        ),
    )
}

fn bytes(rows: &[Row]) -> Plot {
    Plot::new(
        "How many bytes does a message move?",
        "Deposits, looking for keepers, fetches and words back, those of first contact included; what the network \
         sends without messages is taken off.",
        bars(
            rows,
            Axis::new("bytes sent by all machines", Unit::Bytes),
            |row| row.bytes_more,
        ),
    )
}

fn bars(rows: &[Row], axis: Axis, of: fn(&Row) -> Option<Estimate>) -> Kind {
    let bar = |row: &Row| {
        let Estimate { value, low, high } = of(row)?;
        Some(Bar {
            label: away(row),
            value,
            interval: Some((low, high)),
        })
    };
    Kind::Bars(Bars {
        axis,
        bars: rows.iter().filter_map(bar).collect(),
    })
}
