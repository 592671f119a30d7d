//! A run of the model as a page of pictures.

use restante_sim_model::{
    CopiesAt, LatencyReport, Quantiles, Report as Findings, Share, Step, Waiting,
};
use restante_sim_pictures::{
    Axis, Bar, Bars, Cdf, Cell, Column, Curve, Kind, Line, Page, Plot, Replay, Samples, Section,
    Table, TimeSeries, Unit,
};

use super::{number, seconds, verdict};
use crate::report::Report;

/// Returns the page of a run, with the text of its scenario and the command that runs it again.
pub(super) fn page(report: &Report, found: &Findings, scenario: String, command: String) -> Page {
    Page {
        title: format!("{}, seed {}", report.scenario, report.seed),
        verdict: verdict(report),
        facts: facts(report, found),
        sections: vec![
            Section {
                heading: "Messages".into(),
                plots: [progress(found), waits(found), ends(found)]
                    .into_iter()
                    .chain(found.latency.as_ref().map(latency))
                    .collect(),
            },
            Section {
                heading: "Keepers".into(),
                plots: vec![
                    nodes(found),
                    copies(found),
                    out_of_reach(found),
                    load(found),
                ],
            },
            Section {
                heading: "What it cost".into(),
                plots: vec![
                    lookups(found),
                    lookup_times(found),
                    bytes(found),
                    traffic(found),
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

fn facts(report: &Report, found: &Findings) -> Vec<(String, String)> {
    let facts = [
        ("nodes at a time", found.nodes.to_string()),
        (
            "virtual time",
            Unit::Seconds.show(seconds(found.duration_ms)),
        ),
        ("messages written", found.messages.written.to_string()),
        ("delivered", found.messages.delivered.to_string()),
        ("lost", found.messages.lost.to_string()),
        ("lookups", found.lookups.count.to_string()),
        (
            "bytes moved for each message",
            Unit::Bytes.show(found.bytes.per_message),
        ),
        (
            "memory of the run for each node",
            Unit::Bytes.show(number(found.memory.per_node)),
        ),
        ("trace", report.trace_hash.chars().take(16).collect()),
    ];
    facts
        .map(|(label, value)| (label.to_owned(), value))
        .to_vec()
}

fn progress(found: &Findings) -> Plot {
    let messages = &found.messages;
    let answer = format!(
        "{} were written, {} were stored with enough keepers, {} were delivered.",
        messages.written, messages.stored, messages.delivered
    );
    let lines = vec![
        line("written", found, |sample| sample.written),
        line("stored", found, |sample| sample.stored),
        line("delivered", found, |sample| sample.delivered),
    ];
    let y = Axis::new("messages", Unit::Count);
    let title = "How far did the messages come, over time?";
    over_time(title, answer, found, y, lines)
}

fn waits(found: &Findings) -> Plot {
    let show = |ms| Unit::Seconds.show(seconds(ms));
    let back = &found.after_return_ms;
    let answer = format!(
        "Half of all took no more than {}; once their recipient was back, half took no more than {} and 99 of 100 no \
         more than {}.",
        show(found.shown_ms.p50),
        show(back.p50),
        show(back.p99)
    );
    let curves = [
        ("from writing on", &found.curves.shown_ms),
        (
            "from the recipient's return on",
            &found.curves.after_return_ms,
        ),
    ];
    cdf(
        "How long did a message take to be delivered?",
        answer,
        Axis::new("time until it is delivered", Unit::Seconds).log(),
        "share of messages delivered",
        &curves,
        |ms| seconds(ms.max(1)),
    )
}

fn latency(found: &LatencyReport) -> Plot {
    let row = |what: &str, waiting: &Waiting| {
        let (took, least) = (&waiting.took_ms, &waiting.least_ms);
        let pairs = [
            (took.p50, least.p50),
            (took.p95, least.p95),
            (took.p99, least.p99),
        ];
        let cell = |ms| Cell::number(seconds(ms), Unit::Seconds);
        let cells = pairs
            .into_iter()
            .flat_map(|(took, least)| [cell(took), cell(least)]);
        std::iter::once(Cell::text(what)).chain(cells).collect()
    };
    let columns = [
        "half within",
        "at best",
        "95 of 100 within",
        "at best",
        "99 of 100 within",
        "at best",
    ];
    Plot::new(
        "What do people wait for?",
        "At best is what somebody would wait for who knows beforehand which nodes are nearest and up: a handshake \
         and an exchange with each of them at once, or the exchange alone where there is a connection.",
        Kind::Table(Table {
            columns: std::iter::once(Column::words("what"))
                .chain(columns.map(Column::numbers))
                .collect(),
            rows: vec![
                row("a deposit at keepers not known before", &found.deposit),
                row("another one to the same mailbox", &found.again),
                row("from that one to its showing", &found.shown),
                row("a card", &found.card),
            ],
        }),
    )
}

fn ends(found: &Findings) -> Plot {
    let messages = &found.messages;
    let share = |label: &str, count| {
        let Share {
            share, low, high, ..
        } = Share::of(count, messages.written);
        Bar {
            label: label.into(),
            value: share,
            interval: Some((low, high)),
        }
    };
    let answer = format!(
        "{} of {} did not reach anybody: {} expired, {} were lost with all their keepers, {} wait still.",
        messages.written - messages.delivered,
        messages.written,
        messages.expired,
        messages.lost,
        messages.waiting
    );
    Plot::new(
        "What became of the messages?",
        answer,
        Kind::Bars(Bars {
            axis: Axis::new("share of messages written", Unit::Share),
            bars: vec![
                share("delivered", messages.delivered),
                share("expired", messages.expired),
                share("lost", messages.lost),
                share("waiting", messages.waiting),
            ],
        }),
    )
}

fn nodes(found: &Findings) -> Plot {
    let up = found.copies.iter().map(|sample| sample.nodes_up);
    let answer = format!(
        "Between {} and {} of {}.",
        up.clone().min().unwrap_or(0),
        up.max().unwrap_or(0),
        found.nodes
    );
    let lines = vec![line("nodes", found, |sample| sample.nodes_up)];
    let y = Axis::new("nodes that are up", Unit::Count);
    over_time("How many nodes were there?", answer, found, y, lines)
}

fn copies(found: &Findings) -> Plot {
    let most = found.copies.iter().max_by_key(|sample| sample.waiting);
    let most = most.copied().unwrap_or_default();
    let answer = match most.waiting {
        0 => "No message waited when it was looked.".to_owned(),
        waiting => format!(
            "When most messages waited, {waiting}, each had {:.1} copies, {:.1} of them on nodes that were up.",
            number(most.waiting_copies) / number(waiting),
            number(most.waiting_copies_up) / number(waiting)
        ),
    };
    let lines = vec![
        line("all", found, |sample| sample.copies),
        line("of waiting messages", found, |sample| sample.waiting_copies),
        line("of these, on nodes that are up", found, |sample| {
            sample.waiting_copies_up
        }),
    ];
    let y = Axis::new("copies", Unit::Count);
    over_time("How many copies were there?", answer, found, y, lines)
}

fn out_of_reach(found: &Findings) -> Plot {
    let share = |sample: &CopiesAt| number(sample.out_of_reach) / number(sample.waiting.max(1));
    let worst = found.copies.iter().map(share).fold(0.0, f64::max);
    let points = found.copies.iter();
    let lines = vec![Line {
        name: "of waiting messages".into(),
        points: points
            .map(|sample| (seconds(sample.at_ms), share(sample)))
            .collect(),
    }];
    let answer = format!("Never more than {} of them.", Unit::Share.show(worst));
    let y = Axis::new("share with no copy on a node that is up", Unit::Share);
    let title = "How many waiting messages could nobody have fetched?";
    over_time(title, answer, found, y, lines)
}

fn load(found: &Findings) -> Plot {
    let load = &found.copies_per_keeper;
    let answer = format!(
        "A node held {:.1} copies at its busiest time on average, one of a hundred {} or more, none more than {}.",
        load.mean, load.p99, load.max
    );
    cdf(
        "Is the work spread over the keepers?",
        answer,
        Axis::new("most copies that a node held at a time", Unit::Count),
        "share of nodes that were ever up",
        &[("nodes", &found.curves.copies_per_keeper)],
        number,
    )
}

fn lookups(found: &Findings) -> Plot {
    let lookups = &found.lookups;
    let per_message = number(lookups.count) / number(found.messages.written.max(1));
    let answer = format!(
        "{per_message:.1} lookups for each message, {} exactly right; {} of all questions were put to nodes that had \
         gone.",
        Unit::Share.show(lookups.exact.share),
        Unit::Share.show(lookups.unanswered)
    );
    let row = |name: &str, unit: Unit, figures: &Quantiles, of: fn(u64) -> f64| {
        let cells = [figures.p50, figures.p90, figures.p99, figures.max];
        let cells = cells.map(|value| Cell::number(of(value), unit));
        std::iter::once(Cell::text(name)).chain(cells).collect()
    };
    let columns = ["half", "90 of 100", "99 of 100", "all"];
    let columns = columns.map(Column::numbers);
    Plot::new(
        "What does a lookup take?",
        answer,
        Kind::Table(Table {
            columns: std::iter::once(Column::words("no more than, for"))
                .chain(columns)
                .collect(),
            rows: vec![
                row("questions", Unit::Count, &lookups.questions, number),
                row(
                    "hops to the nearest node",
                    Unit::Count,
                    &lookups.hops,
                    number,
                ),
                row(
                    "time to the nearest node",
                    Unit::Seconds,
                    &lookups.nearest_ms,
                    seconds,
                ),
                row(
                    "time until it ends",
                    Unit::Seconds,
                    &lookups.end_ms,
                    seconds,
                ),
            ],
        }),
    )
}

fn lookup_times(found: &Findings) -> Plot {
    let end = &found.lookups.end_ms;
    let answer = format!(
        "Half end within {}, 99 of 100 within {}.",
        Unit::Seconds.show(seconds(end.p50)),
        Unit::Seconds.show(seconds(end.p99))
    );
    cdf(
        "How long does a lookup take?",
        answer,
        Axis::new("time until it ends", Unit::Seconds).log(),
        "share of lookups",
        &[("lookups", &found.curves.lookup_end_ms)],
        |ms| seconds(ms.max(1)),
    )
}

fn bytes(found: &Findings) -> Plot {
    let bytes = &found.bytes;
    let written = number(found.messages.written.max(1));
    let bar = |label: &str, sum: u64| Bar {
        label: label.into(),
        value: number(sum) / written,
        interval: None,
    };
    let answer = format!(
        "{} for each message, {} of them for lookups; staying connected is not in the model.",
        Unit::Bytes.show(bytes.per_message),
        Unit::Share.show(number(bytes.lookups) / number(bytes.total.max(1)))
    );
    Plot::new(
        "What do the bytes of a message go to?",
        answer,
        Kind::Bars(Bars {
            axis: Axis::new("bytes for each message written", Unit::Bytes),
            bars: vec![
                bar("lookups (estimated)", bytes.lookups),
                bar("deposits", bytes.deposits),
                bar("offers", bytes.offers),
                bar("collecting", bytes.collecting),
                bar("the recipient's word", bytes.words),
                bar("repair", bytes.repair),
            ],
        }),
    )
}

fn traffic(found: &Findings) -> Plot {
    let moved = &found.bytes.per_node;
    let answer = format!(
        "A node moved {} on average over the whole run, one of a hundred {} or more.",
        Unit::Bytes.show(moved.mean),
        Unit::Bytes.show(number(moved.p99))
    );
    cdf(
        "How much does a node move for others?",
        answer,
        Axis::new("bytes sent and received", Unit::Bytes).log(),
        "share of nodes that were ever up",
        &[("nodes", &found.curves.bytes_per_node)],
        |bytes| number(bytes.max(1)),
    )
}

fn cdf(
    title: &str,
    answer: String,
    x: Axis,
    y: &str,
    curves: &[(&str, &Vec<Step>)],
    of: fn(u64) -> f64,
) -> Plot {
    let points = |steps: &[Step]| {
        let steps = steps.iter();
        steps
            .map(|step| (of(step.value), number(step.per_mille) / 1_000.0))
            .collect()
    };
    let curves = curves.iter().filter(|(_, steps)| !steps.is_empty());
    let curves = curves.map(|(name, steps)| Curve {
        name: (*name).into(),
        samples: Samples::Shares(points(steps)),
    });
    Plot::new(
        title,
        answer,
        Kind::Cdf(Cdf {
            x,
            y: y.into(),
            curves: curves.collect(),
        }),
    )
}

fn over_time(title: &str, answer: String, found: &Findings, y: Axis, lines: Vec<Line>) -> Plot {
    Plot::new(
        title,
        answer,
        Kind::TimeSeries(TimeSeries {
            x: Axis::new("virtual time", Unit::Seconds).between(0.0, seconds(found.duration_ms)),
            y,
            lines,
            marks: Vec::new(),
        }),
    )
}

fn line(name: &str, found: &Findings, of: fn(&CopiesAt) -> u64) -> Line {
    let samples = found.copies.iter();
    Line {
        name: name.into(),
        points: samples
            .map(|sample| (seconds(sample.at_ms), number(of(sample))))
            .collect(),
    }
}
