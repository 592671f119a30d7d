//! A section on faults and on where the nodes are.

use restante_sim_pictures::{
    Axis, Bins, Group, Histogram, Kind, Plot, Row, Scatter, Section, Span, Timeline, Tone, Unit,
};

use crate::figures::{Dice, HOUR, time};

/// The section.
pub(crate) fn faults() -> Section {
    let mut dice = Dice(3);
    Section {
        heading: "Faults and people".into(),
        plots: vec![
            Plot::new(
                "What went wrong, and when?",
                "One partition, a mass failure of 30 % of the keepers and a restart storm.",
                Kind::Timeline(timeline(&mut dice)),
            ),
            Plot::new(
                "Where are the nodes?",
                "In six regions; half of all pairs are 140 ms apart.",
                Kind::Scatter(map(&mut dice)),
            ),
            Plot::new(
                "Do lookups take longer to where the way is longer?",
                "Yes, about three round trips each.",
                Kind::Scatter(lookups(&mut dice)),
            ),
            Plot::new(
                "Which rooms were busy?",
                "There were no rooms in this run.",
                Kind::Histogram(Histogram {
                    x: Axis::new("messages in a room", Unit::Count),
                    y: "rooms".into(),
                    bins: Bins::Each(Vec::new()),
                    marks: Vec::new(),
                }),
            ),
        ],
    }
}

fn timeline(dice: &mut Dice) -> Timeline {
    let span = |from: f64, to: f64, label: &str, tone: Tone| Span {
        from: from * HOUR,
        to: Some(to * HOUR),
        label: label.into(),
        tone,
    };
    let row = |name: &str, spans: Vec<Span>| Row {
        name: name.into(),
        spans,
    };
    let storm = (0..60).map(|index| {
        let at = 30.0 + f64::from(index) * 0.02 + dice.next() * 0.1;
        span(at, at + 0.02, "", Tone::Fault)
    });
    let gone = Span {
        to: None,
        ..span(36.0, 36.0, "does not come back", Tone::Away)
    };
    Timeline {
        x: time().between(0.0, 48.0 * HOUR),
        rows: vec![
            row(
                "partition",
                vec![span(7.0, 9.5, "Europe | rest", Tone::Fault)],
            ),
            row(
                "mass failure",
                vec![span(19.5, 20.5, "30 % of the keepers", Tone::Fault)],
            ),
            row("restart storm", storm.collect()),
            row(
                "recipients",
                vec![span(2.0, 26.0, "all away for a day", Tone::Away)],
            ),
            row(
                "Alice",
                vec![
                    span(0.0, 3.0, "", Tone::Away),
                    span(12.0, 15.0, "asleep", Tone::Away),
                ],
            ),
            row(
                "Bob's laptop",
                vec![span(5.0, 11.0, "asleep", Tone::Away), gone],
            ),
            row(
                "workload",
                vec![span(0.1, 40.0, "12 480 messages", Tone::Plain)],
            ),
        ],
    }
}

fn map(dice: &mut Dice) -> Scatter {
    let regions = [
        ("North America", -95.0, 40.0, 120),
        ("South America", -58.0, -20.0, 50),
        ("Europe", 12.0, 49.0, 200),
        ("Africa", 20.0, 2.0, 40),
        ("Asia", 100.0, 30.0, 180),
        ("Oceania", 145.0, -28.0, 30),
    ];
    let groups = regions.map(|(name, x, y, many)| Group {
        name: name.into(),
        points: (0..many)
            .map(|_| (x + dice.bell() * 12.0, y + dice.bell() * 7.0))
            .collect(),
    });
    let axis = |label: &str| Axis::new(label, Unit::Number);
    Scatter {
        x: axis("longitude"),
        y: axis("latitude"),
        groups: groups.into(),
        map: true,
    }
}

fn lookups(dice: &mut Dice) -> Scatter {
    let group = |name: &str, near: f64, wide: f64, dice: &mut Dice| {
        let points = (0..150).map(|_| {
            let trip = near + dice.next() * wide;
            (trip, trip * (2.2 + dice.next() * 1.6) + 0.02)
        });
        Group {
            name: name.into(),
            points: points.collect(),
        }
    };
    let groups = vec![
        group("same region", 0.01, 0.05, dice),
        group("neighbours", 0.05, 0.1, dice),
        group("far away", 0.14, 0.16, dice),
    ];
    Scatter {
        x: Axis::new("round trip to the keeper", Unit::Seconds),
        y: Axis::new("time of a lookup", Unit::Seconds),
        groups,
        map: false,
    }
}
