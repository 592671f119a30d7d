//! A run as a page of pictures.

use restante_sim_pictures::{
    Axis, Bins, Cdf, Cell, Column, Curve, Histogram, Kind, Line, Page, Plot, Replay, Row, Samples,
    Section, Span, Stacking, Table, TimeSeries, Timeline, Tone, Unit, Verdict,
};

use crate::observed::{Observed, Sample, Traffic};
use crate::report::{Outcome, Report};

/// Rows of the picture of faults, at most; what is beyond is counted in its answer.
const ROWS_MAX: usize = 40;

/// Returns the page of a run, with the text of its scenario and the command that runs it again.
pub(crate) fn page(report: &Report, scenario: String, command: String) -> Page {
    let nothing = Observed::default();
    let seen = report.observed.as_ref().unwrap_or(&nothing);
    Page {
        title: format!("{}, seed {}", report.scenario, report.seed),
        verdict: verdict(report),
        facts: facts(report),
        sections: vec![
            Section {
                heading: "Messages".into(),
                plots: vec![progress(report, seen), waits(report, seen)],
            },
            Section {
                heading: "What went wrong on purpose".into(),
                plots: vec![timeline(report, seen), effects(report)],
            },
            Section {
                heading: "What it cost".into(),
                plots: vec![
                    copies(report, seen),
                    keepers_up(report, seen),
                    bandwidth(report, seen),
                    load(seen),
                ],
            },
        ],
        replay: Replay {
            scenario,
            seed: report.seed,
            command,
        },
    }
}

fn verdict(report: &Report) -> Verdict {
    match &report.outcome {
        Outcome::Passed => Verdict {
            passed: true,
            sentence: "No rule was broken.".into(),
        },
        Outcome::Violated(violation) => Verdict {
            passed: false,
            sentence: format!(
                "{} at {}: {}.",
                violation.rule,
                Unit::Seconds.show(seconds(violation.at_ms)),
                violation.what
            ),
        },
    }
}

fn facts(report: &Report) -> Vec<(String, String)> {
    let counts = &report.counts;
    let per_message = counts.bytes.checked_div(counts.shown).unwrap_or_default();
    let settled = report.settled_after_ms.map_or_else(
        || "not until the end".to_owned(),
        |ms| format!("{} after the last fault", Unit::Seconds.show(seconds(ms))),
    );
    let facts = [
        ("nodes", report.nodes.to_string()),
        (
            "virtual time",
            Unit::Seconds.show(seconds(report.virtual_ms)),
        ),
        ("messages written", counts.written.to_string()),
        ("shown", counts.shown.to_string()),
        ("known to be delivered", counts.delivered.to_string()),
        ("expired before they were shown", counts.expired.to_string()),
        (
            "bytes sent for each message shown",
            Unit::Bytes.show(number(per_message)),
        ),
        ("settled", settled),
        ("trace", report.trace_hash.chars().take(16).collect()),
    ];
    facts
        .map(|(label, value)| (label.to_owned(), value))
        .to_vec()
}

fn progress(report: &Report, seen: &Observed) -> Plot {
    let counts = &report.counts;
    let answer = format!(
        "{} were written, {} were stored with enough keepers, {} were shown.",
        counts.written, counts.stored, counts.shown
    );
    let lines = vec![
        line("written", seen, |sample| sample.written),
        line("stored", seen, |sample| sample.stored),
        line("shown", seen, |sample| sample.shown),
    ];
    let y = Axis::new("messages", Unit::Count);
    Plot::new(
        "How far did the messages come, over time?",
        answer,
        Kind::TimeSeries(over_time(report, seen, y, lines)),
    )
}

fn waits(report: &Report, seen: &Observed) -> Plot {
    let show = |ms| Unit::Seconds.show(seconds(ms));
    let counts = &report.counts;
    let answer = format!(
        "Half of those shown took no more than {}, 99 of 100 no more than {}; times in which somebody was away \
         included.",
        show(counts.shown_after_p50_ms),
        show(counts.shown_after_p99_ms)
    );
    let values = seen
        .waits_ms
        .iter()
        .map(|ms| seconds((*ms).max(1)))
        .collect();
    let never = counts.written.saturating_sub(counts.shown);
    Plot::new(
        "How long did a message take from writing to showing?",
        answer,
        Kind::Cdf(Cdf {
            x: Axis::new("time from writing to showing", Unit::Seconds).log(),
            y: "share of messages".into(),
            curves: vec![Curve {
                name: "messages".into(),
                samples: Samples::Each { values, never },
            }],
        }),
    )
}

fn timeline(report: &Report, seen: &Observed) -> Plot {
    let mut rows: Vec<Row> = Vec::new();
    let mut hidden = seen.more_spans;
    for span in &seen.spans {
        let bar = Span {
            from: seconds(span.from_ms),
            to: Some(seconds(span.to_ms.unwrap_or(report.virtual_ms))),
            label: span.what.clone(),
            tone: if span.what == "away" {
                Tone::Away
            } else {
                Tone::Fault
            },
        };
        match rows.iter().position(|row| row.name == span.who) {
            Some(place) => rows[place].spans.push(bar),
            None if rows.len() < ROWS_MAX => rows.push(Row {
                name: span.who.clone(),
                spans: vec![bar],
            }),
            None => hidden += 1,
        }
    }
    let answer = match (seen.spans.len() as u64 + seen.more_spans, hidden) {
        (0, _) => "Nothing was broken and nobody was away.".to_owned(),
        (all, 0) => format!("{all} times something or somebody was not there."),
        (all, hidden) => {
            format!("{all} times; {hidden} of them at machines beyond the first {ROWS_MAX}.")
        }
    };
    Plot::new(
        "Who was away or broken, and when?",
        answer,
        Kind::Timeline(Timeline {
            x: time(report),
            rows,
        }),
    )
}

fn effects(report: &Report) -> Plot {
    let idle = report
        .effects
        .iter()
        .filter(|effect| effect.changed == 0)
        .count();
    let answer = match (report.effects.len(), idle) {
        (0, _) => "There was no fault.".to_owned(),
        (_, 0) => {
            "All of them: writes lost, connections ended, packets lost or held up.".to_owned()
        }
        (_, idle) => format!("{idle} of them changed nothing, which fails the run."),
    };
    let row = |effect: &crate::report::Effect| {
        vec![
            Cell::text(effect.fault.clone()),
            Cell::number(number(effect.changed), Unit::Count),
        ]
    };
    Plot::new(
        "Did each fault change something?",
        answer,
        Kind::Table(Table {
            columns: vec![Column::words("fault"), Column::numbers("things changed")],
            rows: report.effects.iter().map(row).collect(),
        }),
    )
}

fn copies(report: &Report, seen: &Observed) -> Plot {
    let last = seen.samples.last().map_or(0, |sample| sample.copies);
    Plot::new(
        "How many copies do keepers hold?",
        format!("{last} at the last look, cards included."),
        Kind::TimeSeries(over_time(
            report,
            seen,
            Axis::new("copies of items", Unit::Count),
            vec![line("copies", seen, |sample| sample.copies)],
        )),
    )
}

fn keepers_up(report: &Report, seen: &Observed) -> Plot {
    let fewest = seen.samples.iter().map(|sample| sample.keepers_up).min();
    Plot::new(
        "How many keepers were there?",
        format!(
            "Never fewer than {} when it was looked.",
            fewest.unwrap_or(0)
        ),
        Kind::TimeSeries(over_time(
            report,
            seen,
            Axis::new("keepers that run", Unit::Count),
            vec![line("keepers", seen, |sample| sample.keepers_up)],
        )),
    )
}

fn bandwidth(report: &Report, seen: &Observed) -> Plot {
    let pairs = seen.samples.iter().zip(seen.samples.iter().skip(1));
    let rate = |(before, after): (&Sample, &Sample)| {
        let sent = number(after.sent_bytes.saturating_sub(before.sent_bytes));
        let time = seconds(after.at_ms.saturating_sub(before.at_ms)).max(0.001);
        (
            seconds(after.at_ms),
            sent / time / number(report.nodes as u64),
        )
    };
    let lines = vec![Line {
        name: "mean of all".into(),
        points: pairs.map(rate).collect(),
    }];
    let y = Axis::new("bytes sent by a node in a second", Unit::BytesPerSecond);
    let mean = number(report.counts.bytes)
        / number(report.nodes as u64)
        / seconds(report.virtual_ms).max(0.001);
    Plot::new(
        "How much does a node send?",
        format!(
            "{} on average over the whole run.",
            Unit::BytesPerSecond.show(mean)
        ),
        Kind::TimeSeries(over_time(report, seen, y, lines)),
    )
}

fn load(seen: &Observed) -> Plot {
    let is_keeper = |traffic: &&Traffic| traffic.name.starts_with('k');
    let keepers: Vec<u64> = seen
        .machines
        .iter()
        .filter(is_keeper)
        .map(|traffic| traffic.up_bytes + traffic.down_bytes)
        .collect();
    let (most, sum) = (keepers.iter().max(), keepers.iter().sum::<u64>());
    let mean = sum.checked_div(keepers.len() as u64).unwrap_or_default();
    let answer = format!(
        "A keeper moved {} on average, the busiest one {}.",
        Unit::Bytes.show(number(mean)),
        Unit::Bytes.show(number(most.copied().unwrap_or_default()))
    );
    Plot::new(
        "Is the work spread over the keepers?",
        answer,
        Kind::Histogram(Histogram {
            x: Axis::new("bytes sent and received by a keeper", Unit::Bytes),
            y: "keepers".into(),
            bins: Bins::Each(keepers.into_iter().map(number).collect()),
            marks: Vec::new(),
        }),
    )
}

fn over_time(report: &Report, seen: &Observed, y: Axis, lines: Vec<Line>) -> TimeSeries {
    TimeSeries {
        x: time(report),
        y,
        lines,
        stacking: Stacking::Lines,
        bands: Vec::new(),
        marks: vec![restante_sim_pictures::Mark {
            at: seconds(seen.healed_ms),
            label: "faults end".into(),
        }],
    }
}

fn line(name: &str, seen: &Observed, of: fn(&Sample) -> u64) -> Line {
    Line {
        name: name.into(),
        points: seen
            .samples
            .iter()
            .map(|sample| (seconds(sample.at_ms), number(of(sample))))
            .collect(),
    }
}

fn time(report: &Report) -> Axis {
    Axis::new("virtual time", Unit::Seconds).between(0.0, seconds(report.virtual_ms))
}

fn seconds(ms: u64) -> f64 {
    number(ms) / 1_000.0
}

/// Returns a count as pictures take it; beyond 2^53 its last digits are lost, and nobody sees them.
#[expect(clippy::cast_precision_loss, reason = "for a picture")]
const fn number(count: u64) -> f64 {
    count as f64
}
