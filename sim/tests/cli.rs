//! The program as others see it: the same seed in two processes, exit codes, and what is said.

use std::collections::BTreeSet;
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
    for (scenario, tier) in [("hello", "full"), ("expiry", "fast")] {
        let first = report(scenario, tier, "7");
        assert_eq!(first, report(scenario, tier, "7"), "{scenario}");
        let other = report(scenario, tier, "8");
        assert_ne!(first["trace_hash"], other["trace_hash"], "{scenario}");
    }
}

#[test]
fn a_file_and_the_shipped_scenario_of_its_name_are_the_same() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/hello.toml");
    let from_file = report(file.to_str().unwrap(), "fast", "3");
    assert_eq!(
        from_file["trace_hash"],
        report("hello", "fast", "3")["trace_hash"]
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
        "--set population.nodes=4: 4 is not between 5 and 10000",
    );
    check(&["soak"], 2, "--seeds");
    check(
        &["run", "hello", "--tier", "half"],
        2,
        "is none of: full, fast",
    );
    check(
        &[
            "soak", "hello", "--tier", "fast", "--seeds", "2", "--from", "5",
        ],
        0,
        "2 runs",
    );
    let counted = "expiry=1 hello=3 --each --tier fast --seeds 9";
    let counted: Vec<&str> = ["soak"].into_iter().chain(counted.split(' ')).collect();
    check(&counted, 0, "4 runs");
    check(&counted, 0, "written  stored   shown  lost");
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
    let tier = ["--tier", "fast"];
    check(
        &[&["run", name, "--seed", "9"][..], &tier].concat(),
        1,
        "expectation at",
    );
    let again = format!("replay: restante-sim run {name} --tier fast --seed 9");
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
    let outside = ["http:", "https:", " src=", "@import", "<link"];
    assert!(outside.iter().all(|part| !page.contains(part)));
}

#[test]
fn a_drawn_scenario_is_the_same_from_its_seed_and_from_its_file() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drawn.toml");
    let name = file.to_str().unwrap();
    let drawn = ["run", "--swarm", "12", "--tier", "fast", "--json", "-"];
    let first = sim(&[&drawn[..], &["--save", name]].concat());
    assert!(first.status.success());
    let first: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(
        first["trace_hash"],
        report(name, "fast", "12")["trace_hash"]
    );
    let few = ["--seeds", "3", "--from", "12", "--tier", "fast"];
    let soak = [&["soak", "--swarm"][..], &few].concat();
    check(&soak, 0, "3 runs, 0 of them from seeds.txt");
}

#[test]
fn a_failing_scenario_is_written_down_with_a_smaller_one() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = folder.join("found");
    let _nothing_there = std::fs::remove_dir_all(&found);
    let file = folder.join("unfair.toml");
    // Nobody else has what the only keeper had.
    let text = r#"
        about = "the keeper dies with the messages"
        tier = "fast"
        population = { nodes = 5, people = 4 }
        time = { duration = "1h", settle = "30m" }
        network = { jitter = "300ms" }
        workload.messages = 9
        workload.from = "2m"
        workload.over = "10m"
        workload.bytes = [1, 900]
        workload.ttl = ["1d", "2d"]
        workload.pattern = "one-way"
        away = [{ who = "recipients", from = "1m", lasts = "40m" }]
        fault = [{ kind = "kill", at = "20m" }]
    "#;
    std::fs::write(&file, text).unwrap();
    let [name, found_name] = [&file, &found].map(|path| path.to_str().unwrap());
    let options = ["--shrink-for", "20s", "--found", found_name];
    check(
        &[&["run", name, "--shrink"][..], &options].concat(),
        1,
        "shrunk in",
    );
    let small = found.join("unfair-fast-1-small.toml");
    let text = std::fs::read_to_string(&small).unwrap();
    assert!(text.starts_with("# Breaks `"), "{text}");
    assert!(!text.contains("jitter") && text.contains("kill"), "{text}");
    let seed = text
        .split("with seed ")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    let again = ["run", small.to_str().unwrap(), "--seed", seed.unwrap()];
    check(&again, 1, "replay:");
    let options = ["--shrink-for", "0s", "--found", found_name];
    check(
        &[&["soak", name, "--seeds", "1"][..], &options].concat(),
        1,
        "unfair-fast-1.toml",
    );
}

#[test]
fn what_a_run_took_is_told_but_stands_in_no_report() {
    let output = sim(&["run", "hello", "--tier", "fast"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("times as fast"), "{text}");
    if cfg!(target_os = "linux") {
        assert!(text.contains("MiB for each node"), "{text}");
    }
}

#[test]
fn shells_complete_it() {
    check(&["completions", "bash"], 0, "complete -F");
    check(&["completions", "tcsh"], 2, "invalid value 'tcsh'");
}

#[test]
fn keys_are_set_and_traces_filtered_from_the_command_line() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filtered.txt");
    let run = ["run", "hello", "--tier", "fast", "--seed", "7"];
    let wanted = ["--set", "expect.shown_min=13"];
    let said = "`shown` is 12, expected was at least 13";
    check(&[&run[..], &wanted].concat(), 1, said);
    let wrong = ["--set", "workload.over=-1m"];
    let said = "--set workload.over=-1m: \"-1m\" is not a duration";
    check(&[&run[..], &wrong].concat(), 2, said);
    let trace = ["--trace", file.to_str().unwrap(), "--trace-only"];
    check(
        &[&run[..], &trace, &["p2", "--trace-only", "1m..5m"]].concat(),
        0,
        "passed",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        !text.is_empty() && text.lines().all(|line| line.contains("p2")),
        "{text}"
    );
    check(
        &[&run[..], &trace, &["5m..1m"]].concat(),
        2,
        "ends before it begins",
    );
}

#[test]
fn the_delivery_receipt_for_a_first_text_is_under_way_without_a_stamp() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receipts.txt");
    let trace = ["--trace", file.to_str().unwrap()];
    let run = ["run", "hello", "--tier", "full", "--seed", "7"];
    check(&[&run[..], &trace].concat(), 0, "passed");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines().map(|line| {
        let (seconds, fact) = line.split_once(' ').unwrap();
        (seconds.parse::<f64>().unwrap(), fact)
    });
    let envelope = |fact: &str| {
        let (_, stored) = fact.split_once(" stores ")?;
        let (envelope, _) = stored.split_once(" in ")?;
        Some(envelope.to_owned())
    };
    let mut stored = BTreeSet::new();
    let (shown, _) = lines
        .find(|(_, fact)| {
            stored.extend(envelope(fact));
            fact.contains(" is shown ")
        })
        .unwrap();
    // Copies of what is shown are stored still.
    let is_new = |fact: &str| envelope(fact).is_some_and(|envelope| !stored.contains(&envelope));
    let (stored, _) = lines.find(|(_, fact)| is_new(fact)).unwrap();
    // Receipts are gathered for a second, and a stamp takes 0.9 s here.
    assert!((1.0..1.5).contains(&(stored - shown)), "{shown}, {stored}");
}
