use std::collections::BTreeMap;

use super::{Outturn, at_last};
use crate::observed::{Causes, Upkeep};
use crate::report::{Counts, Effect};
use crate::scenario::{Bound, Expectations, Quantity, Scenario, Side};

#[track_caller]
fn check(quantity: Quantity, side: Side, limit: u64, missed: Option<&str>) {
    let counts = Counts {
        written: 12,
        shown: 10,
        lost: 2,
        shown_after_p50_ms: 1_500,
        bytes: 100_001,
        ..Counts::default()
    };
    let outturn = Outturn {
        counts: &counts,
        nodes: 20,
        virtual_ms: 50_000,
        settled_after_ms: None,
        upkeep: Upkeep {
            lost: 200,
            made: 301,
            ..Upkeep::default()
        },
        causes: &[Causes {
            who: "people".to_owned(),
            machines: 3,
            bytes_an_hour: 4_000,
            by_cause: BTreeMap::new(),
            keepers_known: 7,
        }],
    };
    let bounds = vec![Bound {
        quantity,
        side,
        limit,
    }];
    let expected = Expectations {
        bounds,
        ..Expectations::default()
    };
    let got = outturn.missed(&expected);
    assert_eq!(got.as_deref(), missed);
}

#[test]
fn what_was_seen_is_held_against_what_was_wanted() {
    check(Quantity::Shown, Side::Least, 10, None);
    check(
        Quantity::Shown,
        Side::Least,
        11,
        Some("`shown` is 10, expected was at least 11"),
    );
    check(
        Quantity::KeepersKnown,
        Side::Least,
        7,
        Some("`keepers_known` is unknown, expected was at least 7"),
    );
    check(Quantity::Lost, Side::Exactly, 2, None);
    check(
        Quantity::Lost,
        Side::Exactly,
        0,
        Some("`lost` is 2, expected was 0"),
    );
    check(Quantity::ShownAfterP50, Side::Most, 1_500, None);
    check(
        Quantity::ShownAfterP50,
        Side::Most,
        1_000,
        Some("`shown_after_p50` is 1s 500ms, expected was at most 1s"),
    );
    check(Quantity::BytesPerMessage, Side::Most, 10_001, None);
    check(
        Quantity::BytesPerNodeSecond,
        Side::Most,
        100,
        Some("`bytes_per_node_second` is 101, expected was at most 100"),
    );
}

#[test]
fn bytes_an_hour_are_those_of_the_group() {
    check(Quantity::BytesPerPersonHour, Side::Most, 4_000, None);
    check(
        Quantity::BytesPerPersonHour,
        Side::Most,
        3_999,
        Some("`bytes_per_person_hour` is 4000, expected was at most 3999"),
    );
    check(
        Quantity::BytesPerKeeperHour,
        Side::Most,
        1,
        Some("`bytes_per_keeper_hour` is unknown, expected was at most 1"),
    );
}

#[test]
fn copies_made_are_held_against_copies_lost() {
    check(Quantity::CopiesMade, Side::Most, 151, None);
    check(
        Quantity::CopiesMade,
        Side::Most,
        150,
        Some("`copies_made` is 151 %, expected was at most 150 %"),
    );
}

#[test]
fn what_cannot_be_said_is_not_as_wanted() {
    check(
        Quantity::SettledAfter,
        Side::Most,
        60_000,
        Some("`settled_after` is unknown, expected was at most 1m"),
    );
}

#[test]
fn a_fault_that_changed_nothing_breaks_the_run_unless_faults_may_idle() {
    let scenario = |expect: &str| {
        let text = format!(
            "about = \"a test\"\npopulation = {{ nodes = 20, people = 4 }}\ntime = {{ settle = \"30m\" }}\n\
             workload = {{ messages = 2, from = \"1m\", over = \"5m\", bytes = [1, 9], ttl = [\"1d\", \"6d\"], \
             pattern = \"everybody\" }}\n{expect}"
        );
        Scenario::parse("t", &text).unwrap()
    };
    let counts = Counts::default();
    let outturn = Outturn {
        counts: &counts,
        nodes: 20,
        virtual_ms: 1,
        settled_after_ms: None,
        upkeep: Upkeep::default(),
        causes: &[],
    };
    let effect = |fault: &str, changed| Effect {
        fault: fault.to_owned(),
        changed,
        ..Effect::default()
    };
    let effects = [effect("a crash", 1), effect("a partition", 0)];
    let found = at_last(&scenario(""), &outturn, &effects);
    assert_eq!(
        found,
        Some((
            "fault-without-effect",
            "a partition changed nothing".to_owned()
        ))
    );
    assert_eq!(at_last(&scenario(""), &outturn, &effects[..1]), None);
    let idle = scenario("[expect]\nidle_faults = true\n");
    assert_eq!(at_last(&idle, &outturn, &effects), None);
    let wanted = scenario("[expect]\nshown_min = 1\n");
    let missed = at_last(&wanted, &outturn, &effects[..1]);
    assert_eq!(missed.map(|(rule, _)| rule), Some("expectation"));
}
