use super::{SHIPPED, Scenario};
use crate::report::Tier;

/// A scenario that is right, in which one line is replaced.
const RIGHT: &str = r#"about = "a test"
[population]
nodes = 20
people = 4
[time]
duration = "10m"
settle = "30m"
[workload]
messages = 12
from = "30s"
over = "8m"
bytes = [1, 500]
ttl = ["1d", "6d"]
pattern = "everybody"
[[fault]]
kind = "crash"
at = "5m"
down = "30s"
"#;

#[track_caller]
fn check(line: &str, typed: &str, message: &str) {
    assert!(RIGHT.contains(line), "{line}");
    let text = RIGHT.replace(line, typed);
    let fault = Scenario::parse("test.toml", &text).unwrap_err();
    assert_eq!(fault.to_string(), message);
}

#[test]
fn every_shipped_scenario_is_valid() {
    for (name, _) in SHIPPED {
        let scenario = Scenario::shipped(name).unwrap().unwrap();
        assert!(
            !scenario.about.is_empty() && scenario.keepers() >= 5,
            "{name}"
        );
    }
    assert!(Scenario::parse("test.toml", RIGHT).is_ok());
    assert!(Scenario::shipped("no-such").is_none());
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_column() {
    check(
        "settle",
        "setle",
        "test.toml:7:1: unknown field `setle`, expected one of `duration`, `settle`, `arrive`, `skew`",
    );
    check("people = 4\n", "", "test.toml:2:1: missing field `people`");
    check(
        "people = 4",
        "people = 1",
        "test.toml:4:10: 1 is not between 2 and 1000",
    );
    check(
        "nodes = 20",
        "nodes = 4",
        "test.toml:3:9: 4 is not between 5 and 10000",
    );
    check(
        "nodes = 20",
        "nodes = -1",
        "test.toml:3:9: invalid value: integer `-1`, expected u64",
    );
    check(
        "from = \"30s\"",
        "from = \"-30s\"",
        "test.toml:10:8: \"-30s\" is not a duration such as \"40ms\", \"30s\" or \"6d\"",
    );
    check(
        "over = \"8m\"",
        "over = \"11m\"",
        "test.toml:11:8: \"11m\" is not between 0s and 10m",
    );
    check(
        "[1, 500]",
        "[500, 1]",
        "test.toml:12:15: 1 is not between 500 and 61440",
    );
    check(
        "\"6d\"]",
        "\"31d\"]",
        "test.toml:13:14: \"31d\" is not between 1day and 30days",
    );
    check(
        "\"everybody\"",
        "\"nobody\"",
        "test.toml:14:11: \"nobody\" is none of: everybody, one-way",
    );
    check(
        "[[fault]]",
        "[[fault",
        "test.toml:15:8: unclosed array table, expected `]]`",
    );
}

#[test]
fn a_fault_takes_what_its_kind_takes_and_nothing_else() {
    check("down = \"30s\"\n", "", "test.toml:16:8: crash needs `down`");
    check(
        "down = \"30s\"",
        "down = \"30s\"\nlasts = \"1m\"",
        "test.toml:19:9: crash takes no `lasts`",
    );
    check(
        "down = \"30s\"",
        "down = \"30s\"\ntarget = \"all\"",
        "test.toml:19:10: \"all\" is none of: any, holders, busy, people",
    );
    check(
        "kind = \"crash\"\nat = \"5m\"\ndown = \"30s\"",
        "kind = \"partition\"\nat = \"5m\"\nlasts = \"30s\"\nkeepers = 1.5",
        "test.toml:19:11: 1.5 is not a share from 0.0 to 1.0",
    );
}

#[test]
fn a_fault_of_one_kind_says_what_it_lacks_or_cannot_be() {
    let fault = "kind = \"crash\"\nat = \"5m\"\ndown = \"30s\"";
    for (typed, message) in [
        (
            "kind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"",
            "16:8: disk needs `what`",
        ),
        (
            "kind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"\nwhat = \"rot\"\ntarget = \"people\"",
            "19:8: \"rot\" is for keepers alone",
        ),
        (
            "kind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"\nwhat = \"full\"\ntarget = \"busy\"",
            "20:10: \"busy\" is none of: any, holders, people",
        ),
        (
            "kind = \"weather\"\nat = \"5m\"\nlasts = \"1m\"",
            "16:8: weather needs `loss`, `duplicates` or `latency`",
        ),
        (
            "kind = \"clock\"\nat = \"5m\"\nlasts = \"1m\"\nahead = \"1m\"\nbehind = \"1m\"",
            "16:8: clock needs either `ahead` or `behind`",
        ),
        (
            "kind = \"clock\"\nat = \"5m\"\nlasts = \"1m\"\nahead = \"31m\"",
            "19:9: \"31m\" is not between 1ms and 30m",
        ),
        (
            "kind = \"bootstrap-outage\"\nat = \"5m\"\nlasts = \"1m\"\ncount = 2",
            "19:9: bootstrap-outage takes no `count`",
        ),
    ] {
        check(fault, typed, &format!("test.toml:{message}"));
    }
}

#[test]
fn an_adversary_takes_what_its_kind_takes_and_nothing_else() {
    for (typed, message) in [
        ("kind = \"drop\"", "16:8: drop needs `share`"),
        (
            "kind = \"spy\"",
            "16:8: \"spy\" is none of: drop, stale, route, sybil",
        ),
        (
            "kind = \"drop\"\nshare = 0.2\ncount = 3",
            "18:9: drop takes no `count`",
        ),
        ("kind = \"sybil\"", "16:8: sybil needs `near`"),
        (
            "kind = \"sybil\"\nnear = \"locator\"\nperson = 4",
            "18:10: 4 is not between 0 and 3",
        ),
    ] {
        let fault = "[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"30s\"";
        let typed = format!("[[adversary]]\n{typed}");
        check(fault, &typed, &format!("test.toml:{message}"));
    }
}

#[test]
fn the_protocol_tier_refuses_what_it_does_not_have() {
    let fault = "kind = \"crash\"\nat = \"5m\"\ndown = \"30s\"";
    for (typed, missing) in [
        (fault.to_owned(), None),
        (
            format!("{fault}\ntarget = \"people\""),
            Some("crashes of people"),
        ),
        (
            "kind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"\nwhat = \"full\"".to_owned(),
            Some("disk faults"),
        ),
        (
            format!("{fault}\n[[adversary]]\nkind = \"drop\"\nshare = 0.2"),
            Some("adversaries"),
        ),
    ] {
        let scenario = Scenario::parse("test.toml", &RIGHT.replace(fault, &typed)).unwrap();
        assert_eq!(scenario.missing_on(Tier::Full), None, "{typed}");
        assert_eq!(scenario.missing_on(Tier::Protocol), missing, "{typed}");
    }
}

#[test]
fn the_number_of_nodes_can_be_changed_within_reason() {
    let mut scenario = Scenario::parse("test.toml", RIGHT).unwrap();
    assert_eq!(scenario.keepers(), 16);
    scenario.set_nodes(100).unwrap();
    assert_eq!(scenario.keepers(), 96);
    assert_eq!(
        scenario.set_nodes(4).unwrap_err(),
        "4 nodes: this scenario takes 5 to 10000"
    );
    assert_eq!(scenario.keepers(), 96);
}

#[test]
fn the_first_scenario_of_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let scenario = Scenario::parse("mine.toml", text).unwrap();
    assert_eq!(
        (scenario.nodes, scenario.people, scenario.faults.len()),
        (20, 4, 1)
    );
}
