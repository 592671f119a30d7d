//! Plots of all kinds, from plain to odd.

use proptest::prelude::*;

use crate::*;

/// A figure as a run may have it, or as it may have it wrong.
fn figure() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 0.0..1000.0_f64,
        2 => (-9.0..15.0_f64).prop_map(|power| 10.0_f64.powf(power)),
        1 => -1000.0..0.0_f64,
        1 => Just(0.0),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE]),
    ]
}

fn figures() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(figure(), 0..30),
        (0.0..100.0_f64, 1..20_usize).prop_map(|(same, many)| vec![same; many]),
        (600..2000_u32).prop_map(|many| (0..many).map(|x| f64::from(x * 7919 % 1000)).collect()),
    ]
}

fn points() -> impl Strategy<Value = Vec<(f64, f64)>> {
    (figures(), figures()).prop_map(|(x, y)| x.into_iter().zip(y).collect())
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,9}",
        "[a-z]{1,9}( [a-z]{1,9}){1,12}",
        "[A-Z0-9<&]{0,60}"
    ]
}

/// Words that would do something if they were not escaped.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "</title></svg></figure>",
        "\" onload=\"alert(1)",
        "' onload='alert(1)",
        "<img src=x onerror=alert(1)>",
        "</style><style>",
        "]]>",
        "<!--",
        "&lt;b&gt;",
        "&",
        "\u{0}",
        "\u{202e}",
        "\n\n",
    ]);
    prop::collection::vec(pieces, 1..6).prop_map(|pieces| pieces.concat())
}

fn axis() -> impl Strategy<Value = Axis> {
    let units = vec![
        Unit::Seconds,
        Unit::Bytes,
        Unit::BytesPerSecond,
        Unit::Count,
        Unit::Share,
        Unit::Number,
    ];
    let range = prop::option::weighted(0.2, (figure(), figure()));
    (words(), prop::sample::select(units), any::<bool>(), range).prop_map(
        |(label, unit, log, range)| Axis {
            label,
            unit,
            log,
            range,
        },
    )
}

fn bands() -> impl Strategy<Value = Vec<Band>> {
    let band = (figure(), figure(), words()).prop_map(|(from, to, label)| Band {
        from,
        to: from + to.abs(),
        label,
    });
    prop::collection::vec(band, 0..12)
}

fn marks() -> impl Strategy<Value = Vec<Mark>> {
    prop::collection::vec(
        (figure(), words()).prop_map(|(at, label)| Mark { at, label }),
        0..6,
    )
}

fn interval() -> impl Strategy<Value = Option<(f64, f64)>> {
    prop::option::of((figure(), figure()))
}

fn cdf() -> impl Strategy<Value = Kind> {
    let samples = prop_oneof![
        (figures(), 0..50_u64).prop_map(|(values, never)| Samples::Each { values, never }),
        points().prop_map(Samples::Shares),
    ];
    let curve = (words(), samples).prop_map(|(name, samples)| Curve { name, samples });
    (axis(), words(), prop::collection::vec(curve, 0..14))
        .prop_map(|(x, y, curves)| Kind::Cdf(Cdf { x, y, curves }))
}

fn time_series() -> impl Strategy<Value = Kind> {
    let line = (words(), points()).prop_map(|(name, points)| Line { name, points });
    let stacking = vec![Stacking::Lines, Stacking::Areas, Stacking::Stacked];
    let stacking = prop::sample::select(stacking);
    let lines = prop::collection::vec(line, 0..14);
    (axis(), axis(), lines, stacking, bands(), marks()).prop_map(
        |(x, y, mut lines, stacking, bands, marks)| {
            if let (Stacking::Stacked, Some(first)) = (stacking, lines.first().cloned()) {
                lines
                    .iter_mut()
                    .for_each(|line| line.points.clone_from(&first.points));
            }
            Kind::TimeSeries(TimeSeries {
                x,
                y,
                lines,
                stacking,
                bands,
                marks,
            })
        },
    )
}

fn bars() -> impl Strategy<Value = Kind> {
    let bar = (words(), figure(), interval()).prop_map(|(label, value, interval)| Bar {
        label,
        value,
        interval,
    });
    (axis(), prop::collection::vec(bar, 0..50))
        .prop_map(|(axis, bars)| Kind::Bars(Bars { axis, bars }))
}

fn histogram() -> impl Strategy<Value = Kind> {
    let bin = (figure(), figure(), 0..1000_u64).prop_map(|(from, wide, count)| Bin {
        from,
        to: from + wide,
        count,
    });
    let bins = prop_oneof![
        figures().prop_map(Bins::Each),
        prop::collection::vec(bin, 0..200).prop_map(Bins::Counted),
    ];
    (axis(), words(), bins, marks())
        .prop_map(|(x, y, bins, marks)| Kind::Histogram(Histogram { x, y, bins, marks }))
}

fn timeline() -> impl Strategy<Value = Kind> {
    let tones = prop::sample::select(vec![Tone::Plain, Tone::Fault, Tone::Away]);
    let span = (figure(), prop::option::of(figure()), words(), tones).prop_map(
        |(from, long, label, tone)| Span {
            from,
            to: long.map(|to| from + to),
            label,
            tone,
        },
    );
    let row =
        (words(), prop::collection::vec(span, 0..30)).prop_map(|(name, spans)| Row { name, spans });
    (axis(), prop::collection::vec(row, 0..8))
        .prop_map(|(x, rows)| Kind::Timeline(Timeline { x, rows }))
}

fn scatter() -> impl Strategy<Value = Kind> {
    let group = (words(), points()).prop_map(|(name, points)| Group { name, points });
    (
        axis(),
        axis(),
        prop::collection::vec(group, 0..14),
        any::<bool>(),
    )
        .prop_map(|(x, y, groups, map)| Kind::Scatter(Scatter { x, y, groups, map }))
}

fn table() -> impl Strategy<Value = Kind> {
    let cell = prop_oneof![
        Just(Cell::Empty),
        words().prop_map(Cell::Text),
        (figure(), interval()).prop_map(|(value, interval)| Cell::Number {
            value,
            unit: Unit::Seconds,
            interval
        }),
    ];
    let columns = prop::collection::vec(words().prop_map(Column::numbers), 0..6);
    let rows = prop::collection::vec(prop::collection::vec(cell, 0..8), 0..6);
    (columns, rows).prop_map(|(columns, rows)| Kind::Table(Table { columns, rows }))
}

/// Any plot.
pub(super) fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        cdf(),
        time_series(),
        bars(),
        histogram(),
        timeline(),
        scatter(),
        table()
    ]
}

/// A plot in which every word is `words`.
pub(super) fn with_words(words: &str) -> Kind {
    let line = |by: f64| Line {
        name: words.into(),
        points: vec![(0.0, by), (10.0, 3.0 * by), (20.0, 2.0 * by)],
    };
    Kind::TimeSeries(TimeSeries {
        x: Axis::new(words, Unit::Seconds),
        y: Axis::new(words, Unit::Count),
        lines: vec![line(1.0), line(2.0)],
        stacking: Stacking::Lines,
        bands: vec![Band {
            from: 2.0,
            to: 5.0,
            label: words.into(),
        }],
        marks: vec![Mark {
            at: 7.0,
            label: words.into(),
        }],
    })
}

/// A plot with two figures that are no numbers and a line without any.
pub(super) fn with_flaws() -> Kind {
    let line = |name: &str, points: &[(f64, f64)]| Line {
        name: name.into(),
        points: points.into(),
    };
    Kind::TimeSeries(TimeSeries {
        x: Axis::new("time", Unit::Seconds),
        y: Axis::new("things", Unit::Count),
        lines: vec![
            line(
                "good",
                &[
                    (0.0, 1.0),
                    (1.0, f64::NAN),
                    (2.0, f64::INFINITY),
                    (3.0, 2.0),
                ],
            ),
            line("empty", &[]),
        ],
        stacking: Stacking::Lines,
        bands: Vec::new(),
        marks: Vec::new(),
    })
}

/// Plots of each kind without anything to draw.
pub(super) fn empty() -> Vec<Kind> {
    let axis = || Axis::new("time", Unit::Seconds);
    vec![
        Kind::Cdf(Cdf {
            x: axis(),
            y: "share".into(),
            curves: Vec::new(),
        }),
        Kind::TimeSeries(TimeSeries {
            x: axis(),
            y: axis(),
            lines: vec![Line {
                name: "none".into(),
                points: Vec::new(),
            }],
            stacking: Stacking::Lines,
            bands: Vec::new(),
            marks: Vec::new(),
        }),
        Kind::Bars(Bars {
            axis: axis(),
            bars: Vec::new(),
        }),
        Kind::Histogram(Histogram {
            x: axis(),
            y: "things".into(),
            bins: Bins::Each(vec![f64::NAN]),
            marks: Vec::new(),
        }),
        Kind::Timeline(Timeline {
            x: axis(),
            rows: Vec::new(),
        }),
        Kind::Scatter(Scatter {
            x: axis(),
            y: axis(),
            groups: Vec::new(),
            map: true,
        }),
        Kind::Table(Table {
            columns: vec![Column::words("a")],
            rows: Vec::new(),
        }),
    ]
}
