//! What the page of a run says beside its figures.

use super::*;
use crate::report::{Counts, Tier, Violation};

fn report(outcome: Outcome, effects: &[(&str, u64)]) -> Report {
    let effect = |(fault, changed): &(&str, u64)| Effect {
        fault: (*fault).to_owned(),
        changed: *changed,
        machines: 1,
        cut_short: 0,
    };
    Report {
        scenario: "made up".into(),
        tier: Tier::Full,
        seed: 1,
        nodes: 20,
        outcome,
        trace_hash: String::new(),
        trace_lines: 0,
        events: 0,
        virtual_ms: 9_000,
        settled_after_ms: None,
        counts: Counts::default(),
        effects: effects.iter().map(effect).collect(),
        observed: None,
    }
}

fn seen(spans: &[(&str, &str)]) -> Observed {
    let span = |(who, what): &(&str, &str)| crate::observed::Span {
        what: (*what).to_owned(),
        who: (*who).to_owned(),
        from_ms: 1_000,
        to_ms: None,
    };
    Observed {
        spans: spans.iter().map(span).collect(),
        healed_ms: 5_000,
        ..Observed::default()
    }
}

#[test]
fn the_caption_of_the_faults_says_what_the_table_and_the_verdict_say() {
    let broken = |rule: &'static str, at_ms| {
        Outcome::Violated(Violation {
            rule: rule.into(),
            what: String::new(),
            at_ms,
        })
    };
    let idle: &[(&str, u64)] = &[("crash (fault 1)", 3), ("kill (fault 2)", 0)];
    let (early, late) = (4_000, 9_000);
    let cases = [
        (Outcome::Passed, &[][..], "There was no fault."),
        (broken("lost", late), &idle[..1], "Each did: "),
        (
            Outcome::Passed,
            idle,
            "1 of 2 changed nothing, which the scenario allows.",
        ),
        (
            broken("fault-without-effect", late),
            idle,
            "1 of 2 changed nothing, which fails the run.",
        ),
        (
            broken("lost", early),
            idle,
            "1 of 2 changed nothing before a broken rule ended the run.",
        ),
        (broken("lost", late), idle, "1 of 2 changed nothing."),
    ];
    for (outcome, faults, expected) in cases {
        let plot = effects(&report(outcome, faults), &seen(&[]));
        assert!(plot.answer.starts_with(expected), "{}", plot.answer);
        let Kind::Table(table) = plot.kind else {
            panic!("faults are a table");
        };
        assert_eq!(table.rows.len(), faults.len());
    }
}

#[test]
fn keepers_people_and_the_network_have_timelines_of_their_own() {
    let seen = seen(&[
        ("p2", "away"),
        ("k10", "crashed"),
        ("partition 1", "cut off"),
        ("k9", "offline"),
        ("k10", "clock wrong"),
    ]);
    let plots = timelines(&report(Outcome::Passed, &[]), &seen);
    let names = plots.iter().map(|plot| {
        let Kind::Timeline(timeline) = &plot.kind else {
            panic!("no timeline: {plot:?}");
        };
        let names = timeline
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.spans.len()));
        names.collect::<Vec<_>>()
    });
    let expected = [
        vec![("k9", 1), ("k10", 2)],
        vec![("p2", 1)],
        vec![("partition 1", 1)],
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[test]
fn rows_that_are_not_drawn_are_told() {
    let spans: Vec<(String, &str)> = (0..=ROWS_MAX)
        .map(|keeper| (format!("k{keeper}"), "crashed"))
        .collect();
    let spans: Vec<(&str, &str)> = spans.iter().map(|(who, what)| (&**who, *what)).collect();
    let mut seen = seen(&spans);
    seen.more_spans = 7;
    let plots = timelines(&report(Outcome::Passed, &[]), &seen);
    let answer = &plots.first().unwrap().answer;
    for part in ["41 times.", "the first 40 of 41 rows", "7 more"] {
        assert!(answer.contains(part), "{answer}");
    }
}
