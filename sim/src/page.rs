//! A run as a page of pictures.

use std::collections::BTreeMap;

use restante_sim_pictures::{
    Axis, Cdf, Cell, Column, Curve, Kind, Line, Mark, Page, Plot, Replay, Row, Samples, Section,
    Span, Table, TimeSeries, Timeline, Tone, Unit, Verdict,
};

use crate::observed::{Observed, Sample, Traffic};
use crate::report::{Effect, Outcome, Report};

/// Rows of a timeline, at most; its answer counts what is beyond.
const ROWS_MAX: usize = 40;
/// The answer where no sample was taken.
const NOT_LOOKED: &str = "Nothing was looked at in this run.";

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
                plots: timelines(report, seen)
                    .into_iter()
                    .chain([effects(report, seen)])
                    .collect(),
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
    let ended = match report.effects.as_slice() {
        [] => "the planned time",
        _ => "the last fault",
    };
    let settled = report.settled_after_ms.map_or_else(
        || "not until the end".to_owned(),
        |ms| format!("{} after {ended}", Unit::Seconds.show(seconds(ms))),
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
    let answer = match counts.shown {
        0 => "None was shown.".to_owned(),
        _ => format!(
            "Half of those shown took no more than {}, 99 of 100 no more than {}; times in which somebody was away \
             included.",
            show(counts.shown_after_p50_ms),
            show(counts.shown_after_p99_ms)
        ),
    };
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

/// Returns a timeline for keepers, one for people and one for the network, as far as something happened to them.
fn timelines(report: &Report, seen: &Observed) -> Vec<Plot> {
    let questions = [
        (Some('k'), "Which keepers were away or broken, and when?"),
        (Some('p'), "Which people were away or broken, and when?"),
        (None, "What was wrong with the network, and when?"),
    ];
    let plots = questions.into_iter();
    let plots = plots.map(|(sort, question)| timeline(report, seen, sort, question));
    plots.flatten().collect()
}

fn timeline(
    report: &Report,
    seen: &Observed,
    wanted: Option<char>,
    question: &str,
) -> Option<Plot> {
    let mut rows: BTreeMap<(u64, &str), Vec<Span>> = BTreeMap::new();
    let mut times = 0;
    for span in &seen.spans {
        let (sort, number) = place(&span.who);
        if sort != wanted {
            continue;
        }
        times += 1;
        rows.entry((number, &span.who)).or_default().push(Span {
            from: seconds(span.from_ms),
            to: span.to_ms.map(seconds),
            label: span.what.clone(),
            tone: match span.what.as_str() {
                "away" | "not there" => Tone::Away,
                _ => Tone::Fault,
            },
        });
    }
    let mut answer = match times {
        0 => return None,
        1 => "Once.".to_owned(),
        times => format!("{times} times."),
    };
    if rows.len() > ROWS_MAX {
        answer += &format!(
            " Only the first {ROWS_MAX} of {} rows are drawn.",
            rows.len()
        );
    }
    if seen.more_spans > 0 {
        answer += &format!(
            " {} more, at machines that were not followed, are not here.",
            seen.more_spans
        );
    }
    let row = |((_, who), spans): ((u64, &str), Vec<Span>)| Row {
        name: who.to_owned(),
        spans,
    };
    let rows = rows.into_iter().take(ROWS_MAX).map(row).collect();
    let x = time(report);
    Some(Plot::new(
        question,
        answer,
        Kind::Timeline(Timeline { x, rows }),
    ))
}

/// Returns whether a name is that of a keeper (`k`), a person (`p`) or neither, and its number.
fn place(who: &str) -> (Option<char>, u64) {
    let machine = |sort| Some((Some(sort), who.strip_prefix(sort)?.parse().ok()?));
    ['k', 'p']
        .into_iter()
        .find_map(machine)
        .unwrap_or((None, 0))
}

fn effects(report: &Report, seen: &Observed) -> Plot {
    let idle = report.effects.iter().filter(|effect| effect.changed == 0);
    let idle = idle.count();
    let answer = match (report.effects.len(), idle) {
        (0, _) => "There was no fault.".to_owned(),
        (_, 0) => {
            "Each did: writes were lost, connections ended, packets lost or held up.".to_owned()
        }
        (all, idle) => format!("{idle} of {all} changed nothing{}.", excuse(report, seen)),
    };
    let row = |effect: &Effect| {
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

/// Says what faults without effect mean for the run.
fn excuse(report: &Report, seen: &Observed) -> &'static str {
    match report.violation() {
        None => ", which the scenario allows",
        Some(broken) if broken.rule == "fault-without-effect" => ", which fails the run",
        Some(broken) if broken.at_ms < seen.healed_ms => " before a broken rule ended the run",
        Some(_) => "",
    }
}

fn copies(report: &Report, seen: &Observed) -> Plot {
    let answer = seen.samples.last().map_or_else(
        || NOT_LOOKED.to_owned(),
        |last| format!("{} at the last look, cards included.", last.copies),
    );
    Plot::new(
        "How many copies do keepers hold?",
        answer,
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
    let answer = fewest.map_or_else(
        || NOT_LOOKED.to_owned(),
        |fewest| format!("Never fewer than {fewest} at a look."),
    );
    Plot::new(
        "How many keepers were there?",
        answer,
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
    let most = number(keepers.iter().copied().max().unwrap_or_default());
    let sum: u64 = keepers.iter().sum();
    let mean = sum.checked_div(keepers.len() as u64).unwrap_or_default();
    let answer = format!(
        "A keeper moved {} on average, the busiest one {}.",
        Unit::Bytes.show(number(mean)),
        Unit::Bytes.show(most)
    );
    let values = keepers.into_iter().map(number).collect();
    Plot::new(
        "Is the work spread over the keepers?",
        answer,
        Kind::Cdf(Cdf {
            x: Axis::new("bytes sent and received", Unit::Bytes).between(0.0, most),
            y: "share of keepers".into(),
            curves: vec![Curve {
                name: "keepers".into(),
                samples: Samples::Each { values, never: 0 },
            }],
        }),
    )
}

fn over_time(report: &Report, seen: &Observed, y: Axis, lines: Vec<Line>) -> TimeSeries {
    let healed = !report.effects.is_empty() && seen.healed_ms < report.virtual_ms;
    let mark = healed.then(|| Mark {
        at: seconds(seen.healed_ms),
        label: "faults end".into(),
    });
    TimeSeries {
        x: time(report),
        y,
        lines,
        marks: mark.into_iter().collect(),
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

/// Converts a count for a picture; beyond 2^53 its last digits are lost, which no picture shows.
#[expect(clippy::cast_precision_loss, reason = "for a picture")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
