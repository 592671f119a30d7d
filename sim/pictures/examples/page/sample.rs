//! A page like that of a run.

use restante_sim_pictures::{
    Axis, Bar, Bars, Bins, Cdf, Cell, Column, Curve, Histogram, Kind, Line, Mark, Page, Plot,
    Replay, Samples, Section, Stacking, Table, TimeSeries, Unit, Verdict,
};

use crate::faults::faults;
use crate::figures::{Dice, HOUR, MIB, bands, crowd, latencies, time, wave};

/// The page.
pub(crate) fn page() -> Page {
    let fact = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    Page {
        title: "offline-recipient: readers are away for a day while keepers come and go".into(),
        verdict: Verdict {
            passed: true,
            sentence: "All 7 expectations held, and no message with enough receipts was lost."
                .into(),
        },
        facts: vec![
            fact("Messages written", "12 480"),
            fact("Shown to the recipient", "12 473 (99.94 %)"),
            fact("Shown twice", "0"),
            fact("Nodes", "1000"),
            fact("Virtual time", "2 days"),
            fact("Speed", "73 \u{d7} real time"),
            fact("Bytes for each message", "41.2 KiB"),
            fact("Trace", "9f3ac1d24be7"),
        ],
        sections: vec![delivery(), keepers(), faults()],
        replay: Replay {
            scenario: SCENARIO.into(),
            seed: 7,
            command: "restante-sim run sim/scenarios/offline-recipient.toml --seed 7 --nodes 1000"
                .into(),
        },
    }
}

fn delivery() -> Section {
    let mut dice = Dice(1);
    let curve = |name: &str, dice: &mut Dice, median: f64, spread: f64, never: u64| Curve {
        name: name.into(),
        samples: Samples::Each {
            values: latencies(dice, 4000, median, spread),
            never,
        },
    };
    let curves = vec![
        curve("to somebody who is there", &mut dice, 0.62, 0.55, 0),
        curve("first contact", &mut dice, 2.4, 0.6, 0),
        curve(
            "after a return, from the first connection on",
            &mut dice,
            6.5,
            0.9,
            160,
        ),
    ];
    let cdf = Cdf {
        x: Axis::new("time", Unit::Seconds).log(),
        y: "share of messages".into(),
        curves,
    };
    Section {
        heading: "Delivery".into(),
        plots: vec![
            Plot::new(
                "Does every message arrive, also while there are faults?",
                "99.94 % of the messages were shown; the worst five minutes had 93.1 %.",
                Kind::TimeSeries(ratio(&mut dice)),
            ),
            Plot::new(
                "How long does a message take?",
                "Half of the messages to somebody who was there took 614\u{a0}ms or less, 99 of 100 \
                 took 1.44\u{a0}s or less.",
                Kind::Cdf(cdf),
            ),
            Plot::new(
                "How does a longer absence change that?",
                "Not at all up to one day; after five days 98.7 % of the messages are still there.",
                Kind::Table(table()),
            ),
            Plot::new(
                "Do the three tiers agree?",
                "They do within their error bars: 1.9 s, 2.1 s and 2.0 s for 99 of 100 messages.",
                Kind::Bars(tiers()),
            ),
        ],
    }
}

fn ratio(dice: &mut Dice) -> TimeSeries {
    let dip = |x: f64, at: f64, deep: f64| -deep * (-((x - at) / HOUR).powi(2) / 2.0).exp();
    let mut line = |name: &str, dips: [f64; 3], noise: f64| {
        let points = (0..=576).map(|index| {
            let x = f64::from(index) * 300.0;
            let at = [8.6, 20.0, 31.0].map(|hour| hour * HOUR);
            let dips: f64 = at
                .into_iter()
                .zip(dips)
                .map(|(at, deep)| dip(x, at, deep))
                .sum();
            (x, (0.9995 + dips - dice.next() * noise).clamp(0.0, 1.0))
        });
        Line {
            name: name.into(),
            points: points.collect(),
        }
    };
    let lines = vec![
        line("stored with 3 of 5 receipts", [0.012, 0.03, 0.004], 0.002),
        line("shown within a minute", [0.055, 0.012, 0.02], 0.004),
    ];
    TimeSeries {
        x: time(),
        y: Axis::new("share of messages, by the time of writing", Unit::Share).between(0.92, 1.0),
        lines,
        stacking: Stacking::Lines,
        bands: bands(),
        marks: vec![Mark {
            at: 31.0 * HOUR,
            label: "bootstrap restarts".into(),
        }],
    }
}

fn table() -> Table {
    let row = |away: &str, ratio: [f64; 3], after: [f64; 3], bytes: [f64; 3], seeds: f64| {
        vec![
            Cell::text(away),
            Cell::interval(ratio[0], ratio[1], ratio[2], Unit::Share),
            Cell::number(0.0, Unit::Count),
            Cell::interval(after[0], after[1], after[2], Unit::Seconds),
            Cell::interval(
                bytes[0] * 1024.0,
                bytes[1] * 1024.0,
                bytes[2] * 1024.0,
                Unit::Bytes,
            ),
            Cell::number(seeds, Unit::Count),
        ]
    };
    let all = [1.0, 0.999_85, 1.0];
    Table {
        columns: vec![
            Column::words("Away for"),
            Column::numbers("delivered"),
            Column::numbers("shown twice"),
            Column::numbers("p99 after return"),
            Column::numbers("bytes a message"),
            Column::numbers("seeds"),
        ],
        rows: vec![
            row("1 hour", all, [3.1, 2.8, 3.4], [38.5, 37.9, 39.1], 20.0),
            row(
                "1 day",
                [0.9997, 0.9991, 1.0],
                [6.4, 5.9, 7.2],
                [41.2, 40.1, 42.6],
                20.0,
            ),
            row(
                "5 days",
                [0.987, 0.9801, 0.9922],
                [21.7, 17.5, 28.0],
                [66.0, 61.4, 71.2],
                5.0,
            ),
        ],
    }
}

fn tiers() -> Bars {
    let bar = |label: &str, value: f64, low: f64, high: f64| Bar {
        label: label.into(),
        value,
        interval: Some((low, high)),
    };
    Bars {
        axis: Axis::new("time that 99 of 100 messages do not exceed", Unit::Seconds),
        bars: vec![
            bar("model (1,000,000 nodes)", 1.9, 1.85, 1.96),
            bar("full nodes in virtual time", 2.1, 1.8, 2.5),
            bar("real processes on one machine", 2.0, 1.5, 2.6),
        ],
    }
}

fn keepers() -> Section {
    let mut dice = Dice(2);
    let load = crowd(&mut dice, 870, 6.0 * MIB, 0.7);
    Section {
        heading: "What it costs".into(),
        plots: vec![
            Plot::new(
                "How many copies of a message are there over time?",
                "Five of five for most; 2.1 % were down to three for less than an hour.",
                Kind::TimeSeries(copies()),
            ),
            Plot::new(
                "Is the load spread evenly over the keepers?",
                "The fullest keeper holds 2.8 times what the middle one does: 17 % of its limit.",
                Kind::Histogram(Histogram {
                    x: Axis::new("bytes that a keeper holds at the end", Unit::Bytes),
                    y: "keepers".into(),
                    bins: Bins::Each(load),
                    marks: vec![Mark {
                        at: 6.0 * MIB,
                        label: "half hold less".into(),
                    }],
                }),
            ),
            Plot::new(
                "How many bytes does a node move in a day?",
                "A phone moves 3.1 MiB, a server 148 MiB.",
                Kind::Bars(bytes()),
            ),
            Plot::new(
                "How fast do bytes move through the busiest keeper?",
                "At most 96 KiB/s, and 21 KiB/s on average.",
                Kind::TimeSeries(TimeSeries {
                    x: time(),
                    y: Axis::new("bytes in a second", Unit::BytesPerSecond),
                    lines: vec![Line {
                        name: "traffic".into(),
                        points: wave(&mut dice, 20_000),
                    }],
                    stacking: Stacking::Areas,
                    bands: Vec::new(),
                    marks: Vec::new(),
                }),
            ),
        ],
    }
}

fn copies() -> TimeSeries {
    let mut dice = Dice(5);
    let mut lines: Vec<Line> = [
        "one or two copies",
        "three copies",
        "four copies",
        "five copies",
    ]
    .map(|name| Line {
        name: name.into(),
        points: Vec::new(),
    })
    .into();
    for index in 0..=288 {
        let x = f64::from(index) * 600.0;
        let hit = |at: f64, long: f64| {
            if x < at {
                0.0
            } else {
                (-(x - at) / long).exp()
            }
        };
        let fault = hit(8.0 * HOUR, 2.0 * HOUR) + 0.6 * hit(20.0 * HOUR, HOUR);
        let all = 1500.0 * (1.0 - (-x / (4.0 * HOUR)).exp()) + 40.0 * dice.next();
        let shares = [
            0.004 + 0.02 * fault,
            0.02 + 0.12 * fault,
            0.11 + 0.3 * fault,
        ];
        for (line, share) in lines.iter_mut().zip(shares) {
            line.points.push((x, all * share));
        }
        lines[3]
            .points
            .push((x, all * (1.0 - shares.iter().sum::<f64>())));
    }
    TimeSeries {
        x: time(),
        y: Axis::new("waiting messages", Unit::Count),
        lines,
        stacking: Stacking::Stacked,
        bands: bands(),
        marks: Vec::new(),
    }
}

fn bytes() -> Bars {
    let bar = |label: &str, value: f64, spread: f64| Bar {
        label: label.into(),
        value: value * MIB,
        interval: Some(((value - spread) * MIB, (value + spread) * MIB)),
    };
    Bars {
        axis: Axis::new("bytes sent and received in a day", Unit::Bytes),
        bars: vec![
            bar("always-on server in a data centre", 148.0, 11.0),
            bar("home node behind a router that forwards a port", 62.0, 9.0),
            bar("laptop", 18.0, 6.0),
            bar("phone", 3.1, 0.4),
        ],
    }
}

const SCENARIO: &str = r#"about = "readers are away for a day while keepers come and go"

[population]
nodes = 1000
people = 200

[time]
duration = "2d"
settle = "30m"

[churn]
model = "ipfs"         # 10.5 % always on

[[away]]
who = "recipients"
from = "2h"
lasts = "1d"

[[fault]]
kind = "partition"
at = "7h"
lasts = "2h30m"

[expect]
lost = 0
delivered_p99 = "30s"
"#;
