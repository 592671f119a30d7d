//! What calibration has shown, as a page.

use restante_sim_pictures::{
    Axis, Bar, Bars, Cell, Column, Kind, Page, Plot, Replay, Section, Table, Unit, Verdict,
};

use super::{Calibration, Figure, Ground, Measure, Row, SCENARIO};
use crate::statistics::Estimate;

/// Returns the page, with the text of the scenario and the command that makes it again.
pub(crate) fn page(found: &Calibration, scenario: String, command: String) -> Page {
    let [processes, full, model] = found.messages;
    let sections = vec![
        Section {
            heading: "Side by side".into(),
            plots: vec![table(found), words(found)],
        },
        Section {
            heading: "Figure by figure".into(),
            plots: found.rows.iter().map(bars).collect(),
        },
    ];
    Page {
        title: "Calibration: real processes, whole nodes in virtual time, and the model".into(),
        verdict: verdict(found),
        facts: vec![
            ("scenario".into(), SCENARIO.into()),
            ("runs on real processes".into(), found.batches.to_string()),
            ("runs on each tier".into(), found.seeds.to_string()),
            (
                "messages compared".into(),
                format!("{processes} on processes, {full} on the full tier, {model} on the model"),
            ),
        ],
        sections,
        replay: Replay {
            scenario,
            seed: 1,
            command,
        },
    }
}

/// Judges what people are shown; times and costs that differ are told, and are no failure.
fn verdict(found: &Calibration) -> Verdict {
    let all = found.rows.iter().map(|row| row.differences.len());
    let all: usize = all.sum();
    let shares = found
        .rows
        .iter()
        .filter(|row| row.measure == Measure::Share);
    let wrong: usize = shares.map(|row| row.differences.len()).sum();
    let rest = match all - wrong {
        0 => "no two of the other figures differ by more than their error bars".to_owned(),
        count => {
            format!("of the other figures, {count} pairs differ by more than their error bars")
        }
    };
    Verdict {
        passed: wrong == 0,
        sentence: match wrong {
            0 => format!("The three agree on what is shown; {rest}."),
            _ => format!("The three do not agree on what is shown; {rest}."),
        },
    }
}

fn table(found: &Calibration) -> Plot {
    let columns = Ground::ALL.map(|ground| Column::numbers(ground.name()));
    let cell = |row: &Row, estimate: Option<Estimate>| match estimate {
        None => Cell::text("does not say"),
        Some(found) => {
            let (unit, scale) = unit(row.measure);
            let [value, low, high] = [found.value, found.low, found.high].map(|one| one * scale);
            Cell::interval(value, low, high, unit)
        }
    };
    let row = |row: &Row| {
        let cells = row.estimates().map(|estimate| cell(row, estimate));
        let name = Cell::text(row.figure.name());
        std::iter::once(name).chain(cells).collect()
    };
    Plot::new(
        "Do the three agree?",
        "Each figure with its interval of 95 %.",
        Kind::Table(Table {
            columns: std::iter::once(Column::words("figure"))
                .chain(columns)
                .collect(),
            rows: found.rows.iter().map(row).collect(),
        }),
    )
}

fn words(found: &Calibration) -> Plot {
    let differences = found.rows.iter().flat_map(|row| row.differences.iter());
    let differences = differences.map(|text| ("differs", text.clone()));
    let notes = found.notes.iter().map(|note| ("note", (*note).to_owned()));
    let rows = differences.chain(notes);
    Plot::new(
        "Where do they differ by more than their error bars, and what is compared?",
        "Differences first.",
        Kind::Table(Table {
            columns: vec![Column::words("what"), Column::words("in words")],
            rows: rows
                .map(|(what, text)| vec![Cell::text(what), Cell::text(text)])
                .collect(),
        }),
    )
}

fn bars(row: &Row) -> Plot {
    let (unit, scale) = unit(row.measure);
    let pairs = Ground::ALL.into_iter().zip(row.estimates());
    let bar = |(ground, estimate): (Ground, Option<Estimate>)| {
        let found = estimate?;
        Some(Bar {
            label: ground.name().into(),
            value: found.value * scale,
            interval: Some((found.low * scale, found.high * scale)),
        })
    };
    let answer = match row.differences.as_slice() {
        [] => "No two that say so differ by more than their error bars.".to_owned(),
        differences => format!("{}.", differences.join("; ")),
    };
    Plot::new(
        question(row.figure),
        answer,
        Kind::Bars(Bars {
            axis: Axis::new(row.figure.name(), unit),
            bars: pairs.filter_map(bar).collect(),
        }),
    )
}

const fn question(figure: Figure) -> &'static str {
    match figure {
        Figure::Delivery => "How many messages are shown?",
        Figure::Duplicates => "How many are shown more than once?",
        Figure::OnlineP50 => {
            "How long does a message take to a reader who is there, half the time?"
        }
        Figure::OnlineP99 => "How long does it take to a reader who is there, 99 times of 100?",
        Figure::AfterReturnP50 => "How long does it take after a reader's return, half the time?",
        Figure::AfterReturnP99 => "How long does it take after a reader's return, 99 times of 100?",
        Figure::Copies => "How many copies does a message have while it waits?",
        Figure::Bytes => "How many bytes does a message take?",
        Figure::Lookups => "How many lookups does a message take?",
    }
}

/// Returns the unit of a picture and what figures are multiplied by for it.
const fn unit(measure: Measure) -> (Unit, f64) {
    match measure {
        Measure::Share => (Unit::Share, 1.0),
        Measure::Milliseconds => (Unit::Seconds, 0.001),
        Measure::Number => (Unit::Number, 1.0),
        Measure::Bytes => (Unit::Bytes, 1.0),
    }
}
