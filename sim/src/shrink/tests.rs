use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use toml::{Table, Value};

use super::{Case, Shrinking, Shrunk};
use crate::report::Tier;
use crate::scenario::Scenario;
use crate::swarm::{self, unfair};

/// Tells whether a scenario can be run and is fair.
fn allowed(table: &Table) -> bool {
    Scenario::parse("t", &table.to_string()).is_ok_and(|one| unfair(&one).is_none())
}

fn shrink(table: &Table, fails: &(dyn Fn(&Table, u64) -> bool + Sync)) -> Shrunk {
    let fails = |table: &Table, seed: u64| fails(table, seed).then(|| "planted".to_owned());
    let shrinking = Shrinking {
        fails: &fails,
        allowed: &allowed,
        more: &|runs| runs < 20_000,
        seeds: 2,
    };
    let case = Case {
        table: table.clone(),
        seed: 7,
    };
    shrinking.shrink(case, "planted")
}

fn number(table: &Table, section: &str, key: &str) -> i64 {
    table[section][key].as_integer().unwrap()
}

fn faults(table: &Table) -> Vec<&str> {
    let list = table.get("fault").and_then(Value::as_array);
    let kinds = list.into_iter().flatten();
    kinds.map(|fault| fault["kind"].as_str().unwrap()).collect()
}

/// A scenario with one of everything.
fn large() -> Table {
    let text = r#"
        about = "one of everything"
        tier = "fast"
        population = { nodes = 57, people = 9 }
        time = { duration = "7h 13m", settle = "8h", skew = "3m" }
        network = { latency = "77ms", jitter = "1s", loss = 0.07, duplicates = 0.01 }
        disk = { latency = "40ms" }
        workload.messages = 41
        workload.from = "9m"
        workload.over = "5h"
        workload.bytes = [1, 3000]
        workload.ttl = ["1h", "6d"]
        workload.pattern = "one-way"
        away = [
            { who = "recipients", from = "5m", lasts = "1h" },
            { who = "senders", from = "2h", lasts = "30m" },
        ]
        fault = [
            { kind = "crash", at = "1h", down = "5m", count = 8, target = "holders" },
            { kind = "partition", at = "2h", lasts = "20m", keepers = 0.3, people = 0.5 },
            { kind = "crash", at = "6h", down = "9m", count = 3, times = 4, every = "10m" },
            { kind = "kill", at = "3h", count = 2 },
        ]
    "#;
    toml::from_str(text).unwrap()
}

#[test]
fn what_does_not_matter_goes_away() {
    let shrunk = shrink(&large(), &|table, _| faults(table).contains(&"partition"));
    assert!(shrunk.finished);
    let text = r#"
        about = "one of everything"
        tier = "fast"
        population = { nodes = 3, people = 2 }
        time = { duration = "1m", settle = "8h" }
        workload = { messages = 1, from = "0s", over = "0s", bytes = [1, 1], ttl = ["1h", "6d"], pattern = "one-way" }
        fault = [{ kind = "partition", at = "0s", lasts = "0s", people = 0.5 }]
    "#;
    let smallest: Table = toml::from_str(text).unwrap();
    assert_eq!(shrunk.case.table, smallest, "{}", shrunk.case.table);
}

#[test]
fn numbers_end_where_it_just_still_fails() {
    let fails = |table: &Table, _| {
        number(table, "population", "nodes") >= 23
            && number(table, "population", "people") >= 5
            && number(table, "workload", "messages") >= 6
            && table
                .get("network")
                .is_some_and(|network| network.get("loss").is_some())
    };
    let shrunk = shrink(&large(), &fails);
    let table = &shrunk.case.table;
    assert_eq!(number(table, "population", "nodes"), 23);
    assert_eq!(number(table, "population", "people"), 5);
    assert_eq!(number(table, "workload", "messages"), 6);
    assert_eq!(table["network"].as_table().unwrap().len(), 1);
    assert!(faults(table).is_empty() && !table.contains_key("away"));
}

#[test]
fn of_many_faults_the_two_that_matter_stay() {
    let shrunk = shrink(&large(), &|table, _| {
        let kinds = faults(table);
        kinds.contains(&"kill") && kinds.contains(&"crash")
    });
    let mut kinds = faults(&shrunk.case.table);
    kinds.sort_unstable();
    assert_eq!(kinds, ["crash", "kill"]);
}

#[test]
fn another_seed_is_kept_with_the_scenario_that_needs_it() {
    // With all its faults it fails with any seed, with fewer only with odd ones, or with even ones, in turns.
    let fails = |table: &Table, seed: u64| {
        let left = faults(table).len() as u64;
        left > 0 && (left == 4 || seed % 2 == left % 2)
    };
    let shrunk = shrink(&large(), &fails);
    assert_eq!(faults(&shrunk.case.table).len(), 1);
    assert_eq!(shrunk.case.seed % 2, 1);
    assert!(fails(&shrunk.case.table, shrunk.case.seed));
}

#[test]
fn another_rule_is_another_failure() {
    let fails = |table: &Table, _: u64| {
        let few = faults(table).len() < 3;
        Some(if few { "other" } else { "planted" }.to_owned())
    };
    let shrinking = Shrinking {
        fails: &fails,
        allowed: &allowed,
        more: &|runs| runs < 10_000,
        seeds: 1,
    };
    let case = Case {
        table: large(),
        seed: 1,
    };
    let shrunk = shrinking.shrink(case, "planted");
    assert_eq!(faults(&shrunk.case.table).len(), 3);
}

#[test]
fn it_ends_when_it_is_enough() {
    let runs = AtomicUsize::new(0);
    let fails = |_: &Table, _: u64| {
        runs.fetch_add(1, Ordering::Relaxed);
        None
    };
    let shrinking = Shrinking {
        fails: &fails,
        allowed: &allowed,
        more: &|runs| runs < 10,
        seeds: 1,
    };
    let case = Case {
        table: large(),
        seed: 1,
    };
    let shrunk = shrinking.shrink(case.clone(), "planted");
    assert_eq!(
        (shrunk.case, shrunk.runs, shrunk.finished),
        (case, 10, false)
    );
    assert_eq!(runs.into_inner(), 10);
}

/// Returns how many values a scenario has.
fn size(table: &Table) -> usize {
    table.to_string().matches(" = ").count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_left_still_fails_and_can_be_run(seed: u64, wanted in 0_usize..4, nodes in 1_i64..30) {
        let table = swarm::draw(seed, Some(Tier::Full));
        let wanted = wanted.min(faults(&table).len());
        let nodes = nodes.min(number(&table, "population", "nodes"));
        let fails = |table: &Table, _| {
            faults(table).len() >= wanted && number(table, "population", "nodes") >= nodes
        };
        let shrunk = shrink(&table, &fails);
        let left = &shrunk.case.table;
        prop_assert!(fails(left, shrunk.case.seed) && allowed(left), "{left}");
        prop_assert!(shrunk.finished && size(left) <= size(&table));
        prop_assert_eq!(faults(left).len(), wanted);
    }
}
