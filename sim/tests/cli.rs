//! The program as others see it: the same seed in two processes, exit codes, and what is said.

use std::path::Path;
use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_restante-sim"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn report(scenario: &str, tier: &str, seed: &str) -> serde_json::Value {
    let output = sim(&[
        "run", scenario, "--tier", tier, "--seed", seed, "--json", "-",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the report is JSON")
}

#[track_caller]
fn check(arguments: &[&str], code: i32, said: &str) {
    let output = sim(arguments);
    let (out, err) = (output.stdout, output.stderr);
    let text = [String::from_utf8_lossy(&out), String::from_utf8_lossy(&err)].concat();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(said), "{text}");
}

#[test]
fn the_same_seed_leaves_the_same_trace_in_another_process() {
    for (scenario, tier) in [("hello", "full"), ("lossy", "protocol")] {
        let first = report(scenario, tier, "7");
        assert_eq!(first, report(scenario, tier, "7"), "{scenario}");
        let other = report(scenario, tier, "8");
        assert_ne!(first["trace_hash"], other["trace_hash"], "{scenario}");
    }
}

#[test]
fn a_file_and_the_shipped_scenario_of_its_name_are_the_same() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/hello.toml");
    let from_file = report(file.to_str().unwrap(), "protocol", "3");
    assert_eq!(
        from_file["trace_hash"],
        report("hello", "protocol", "3")["trace_hash"]
    );
}

#[test]
fn exit_codes_say_what_happened() {
    check(&["list"], 0, "offline-recipient");
    check(&["--help"], 0, "Exit codes");
    check(&["run", "hello", "--seed", "x"], 2, "invalid value 'x'");
    check(&["run", "no-such"], 2, "shipped scenarios are hello");
    check(
        &["run", "hello", "--nodes", "4"],
        2,
        "4 nodes: this scenario takes 5 to 10000",
    );
    check(&["soak"], 2, "--seeds");
    check(
        &["run", "hello", "--tier", "half"],
        2,
        "is none of: full, protocol",
    );
    check(
        &[
            "soak", "hello", "--tier", "protocol", "--seeds", "2", "--from", "5",
        ],
        0,
        "2 runs",
    );
}

#[test]
fn a_bad_scenario_is_one_line_with_its_place() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("bad.toml");
    let hello = include_str!("../scenarios/hello.toml");
    std::fs::write(&file, hello.replace("people = 4", "peopel = 4")).unwrap();
    let output = sim(&["run", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    let place = format!("{}:6:1: unknown field `peopel`", file.display());
    assert!(
        text.starts_with(&place) && text.lines().count() == 1,
        "{text}"
    );
}

#[test]
fn a_broken_rule_is_told_with_the_command_that_shows_it_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("broken.toml");
    let hello = include_str!("../scenarios/hello.toml");
    std::fs::write(&file, hello.replace("shown_min = 12", "shown_min = 13")).unwrap();
    let name = file.to_str().unwrap();
    let tier = ["--tier", "protocol"];
    check(
        &[&["run", name, "--seed", "9"][..], &tier].concat(),
        1,
        "expectation at",
    );
    let again = format!("replay: restante-sim run {name} --tier protocol --seed 9");
    check(
        &[&["soak", name, "--seeds", "1", "--from", "9"][..], &tier].concat(),
        1,
        &again,
    );
}

#[test]
fn a_page_of_pictures_stands_alone() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hello.html");
    let name = file.to_str().unwrap();
    check(
        &["run", "hello", "--seed", "7", "--html", name],
        0,
        "passed",
    );
    let page = std::fs::read_to_string(&file).unwrap();
    for part in [
        "How long did a message take from writing to showing?",
        "restante-sim run hello --tier full --seed 7",
        "No rule was broken.",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let outside = ["<script", "src=", "href=\"http", "@import", "url(http"];
    assert!(outside.iter().all(|part| !page.contains(part)));
}
