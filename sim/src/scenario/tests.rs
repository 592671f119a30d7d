use super::{SHIPPED, Scenario};

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
        "test.toml:7:1: unknown field `setle`, expected one of `duration`, `settle`, `skew`",
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
        "test.toml:19:10: \"all\" is none of: any, holders, busy",
    );
    check(
        "kind = \"crash\"\nat = \"5m\"\ndown = \"30s\"",
        "kind = \"partition\"\nat = \"5m\"\nlasts = \"30s\"\nkeepers = 1.5",
        "test.toml:19:11: 1.5 is not a share from 0.0 to 1.0",
    );
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
