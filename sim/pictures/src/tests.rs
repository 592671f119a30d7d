//! A page is the template with its data, whatever the data says, and needs nothing else.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// One plot of each kind, in which no figure is there twice.
fn kinds(words: &str) -> [Kind; 5] {
    let word = || words.to_owned();
    let axis = |unit| Axis::new(words, unit);
    let curve = |samples| Curve {
        name: word(),
        samples,
    };
    let (values, never) = (vec![3.0, 4.0], 5);
    let span = |from, to, tone| Span {
        from,
        to,
        label: word(),
        tone,
    };
    let cdf = Cdf {
        x: axis(Unit::Seconds).log().between(1.0, 2.0),
        y: word(),
        curves: vec![
            curve(Samples::Each { values, never }),
            curve(Samples::Shares(vec![(6.0, 7.0)])),
        ],
    };
    let series = TimeSeries {
        x: axis(Unit::Share),
        y: axis(Unit::BytesPerSecond),
        lines: vec![Line {
            name: word(),
            points: vec![(8.0, 9.0), (10.0, f64::NAN)],
        }],
        marks: vec![Mark {
            at: 11.0,
            label: word(),
        }],
    };
    let bar = Bar {
        label: word(),
        value: 12.0,
        interval: Some((13.0, f64::INFINITY)),
    };
    let spans = vec![
        span(14.0, Some(15.0), Tone::Fault),
        span(16.0, None, Tone::Away),
    ];
    let cells = vec![
        Cell::text(words),
        Cell::Empty,
        Cell::interval(0.19, 0.18, 0.2, Unit::Share),
        Cell::number(f64::NAN, Unit::Count),
    ];
    [
        Kind::Cdf(cdf),
        Kind::TimeSeries(series),
        Kind::Bars(Bars {
            axis: axis(Unit::Number),
            bars: vec![bar],
        }),
        Kind::Timeline(Timeline {
            x: axis(Unit::Bytes),
            rows: vec![Row {
                name: word(),
                spans,
            }],
        }),
        Kind::Table(Table {
            columns: vec![Column::words(words), Column::numbers(words)],
            rows: vec![cells],
        }),
    ]
}

fn page(words: &str) -> Page {
    let word = || words.to_owned();
    let plots = kinds(words).map(|kind| Plot::new(words, words, kind));
    Page {
        title: word(),
        verdict: Verdict {
            passed: true,
            sentence: word(),
        },
        facts: vec![(word(), word())],
        sections: vec![Section {
            heading: word(),
            plots: plots.to_vec(),
        }],
        replay: Replay {
            scenario: word(),
            seed: 17,
            command: word(),
        },
    }
}

/// The data of a page, whose rest must be the template.
fn data(html: &str) -> (&str, Value) {
    let (before, after) = TEMPLATE.split_once(PLACE).unwrap();
    let rest = html.strip_prefix(before).unwrap();
    let json = rest.strip_suffix(after).unwrap();
    (json, serde_json::from_str(json).unwrap())
}

const HOSTILE: [&str; 8] = [
    "</script>",
    "<!--",
    "{{page}}",
    "$&",
    "\\\"",
    "\u{202e}",
    "\u{2067}",
    "\0",
];

fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(&HOSTILE[..]);
    proptest::collection::vec(part, 1..5).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn any_words_stay_words(words in prop_oneof![any::<String>(), hostile()]) {
        let html = page(&words).html();
        let (json, read) = data(&html);
        prop_assert!(!json.contains('<'));
        let turns = |c: char| ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').any(|turn| turn == c);
        let shown = words.replace(turns, "\u{fffd}");
        prop_assert_eq!(read, serde_json::to_value(page(&shown)).unwrap());
        prop_assert_eq!(&html, &page(&words).html(), "the same page gives the same bytes");
    }
}

/// Collects all figures, and the names that the script has to know: keys, and what stands for variants.
fn walk(value: &Value, figures: &mut Vec<f64>, names: &mut BTreeSet<String>) {
    match value {
        Value::Number(figure) => figures.extend(figure.as_f64()),
        Value::Array(all) => all.iter().for_each(|one| walk(one, figures, names)),
        Value::Object(all) => {
            for (key, one) in all {
                names.insert(key.clone());
                walk(one, figures, names);
            }
        }
        Value::String(word) if word.is_ascii() && word != "-words-" => {
            names.insert(word.clone());
        }
        Value::String(_) | Value::Bool(_) | Value::Null => {}
    }
}

#[test]
fn all_figures_are_there_under_names_that_the_script_knows() {
    let (mut figures, mut names) = (Vec::new(), BTreeSet::new());
    let html = page("-words-").html();
    walk(&data(&html).1, &mut figures, &mut names);
    figures.sort_by(f64::total_cmp);
    assert_eq!(figures, (1..=17).map(f64::from).collect::<Vec<_>>());
    let units = ["bytes", "bytes_per_second", "number", "seconds", "share"];
    let kinds = ["bars", "cdf", "time_series", "timeline"];
    let units = units.map(|unit| (unit, format!("case \"{unit}\":")));
    let kinds = kinds.map(|kind| (kind, format!("\n  {kind}({{ ")));
    for (name, place) in units.into_iter().chain(kinds) {
        assert!(names.contains(name) && TEMPLATE.contains(&place), "{place}");
    }
    let script = TEMPLATE.split_once("\"use strict\"").unwrap().1;
    let known = |name: &&String| {
        script
            .split(|c: char| c != '_' && !c.is_alphanumeric())
            .any(|word| word == *name)
    };
    let unknown: Vec<_> = names.iter().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for cell in ["[\"19\u{a0}%\",\"18\u{a0}% to 20\u{a0}%\"]", "\"\u{2013}\""] {
        assert!(html.contains(cell), "{cell}");
    }
}

#[test]
fn the_template_needs_nothing_else() {
    assert_eq!(TEMPLATE.matches(PLACE).count(), 1);
    assert!(
        TEMPLATE.contains(
            "\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\""
        )
    );
    for part in [
        "http:",
        "https:",
        " src=",
        "@import",
        "<link",
        "innerHTML",
        "eval(",
    ] {
        assert!(!TEMPLATE.contains(part), "{part}");
    }
    let mut urls = TEMPLATE.split("url(").skip(1);
    assert!(urls.all(|rest| rest.starts_with('#')));
}
