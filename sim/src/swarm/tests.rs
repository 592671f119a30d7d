use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{draw, faults, is_possible, name, people, seed_of, spread, surroundings, text, unfair};
use crate::random::Random;
use crate::report::Tier;
use crate::scenario::Scenario;

/// Seeds that are drawn.
const SEEDS: u64 = 600;

fn tier_of(table: &Table) -> Tier {
    Tier::parse(table["tier"].as_str().unwrap()).unwrap()
}

#[test]
fn every_seed_gives_a_scenario_that_can_be_run() {
    for seed in 0..SEEDS {
        for wanted in [None, Some(Tier::Full), Some(Tier::Fast)] {
            let table = draw(seed, wanted);
            let tier = tier_of(&table);
            assert!(wanted.is_none_or(|wanted| wanted == tier), "{seed}");
            let scenario = Scenario::parse(&name(seed), &text(&table, "drawn"));
            let scenario = scenario.unwrap_or_else(|error| panic!("{error}\n{table}"));
            assert_eq!(scenario.missing_on(tier), None, "{table}");
            assert_eq!(unfair(&scenario), None, "{table}");
            assert!(is_possible(&table, tier));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_scenario() {
    for seed in 0..50 {
        assert_eq!(draw(seed, None), draw(seed, None));
        assert_ne!(draw(seed, None), draw(seed + 1, None));
    }
}

#[test]
fn a_name_leads_back_to_its_seed() {
    for seed in [0, 1_234, u64::MAX] {
        assert_eq!(seed_of(&name(seed)), Some(seed));
    }
    for other in ["swarm", "swarm-", "swarm-x", "hello"] {
        assert_eq!(seed_of(other), None);
    }
}

#[test]
fn both_tiers_are_drawn_about_as_often() {
    let full = (0..SEEDS).filter(|seed| tier_of(&draw(*seed, None)) == Tier::Full);
    let full = full.count() as u64;
    assert!((SEEDS * 2 / 5..=SEEDS * 3 / 5).contains(&full), "{full}");
}

/// Returns the kinds of faults and adversaries, and all keys with their sections.
fn parts_of(table: &Table) -> Vec<String> {
    let mut parts = Vec::new();
    for (section, value) in table {
        let entries = value.as_array().into_iter().flatten();
        for entry in entries.chain([value]).filter_map(Value::as_table) {
            parts.extend(entry.keys().map(|key| format!("{section}.{key}")));
            for word in [
                "kind",
                "what",
                "target",
                "who",
                "churn",
                "addresses",
                "near",
            ] {
                let word = entry.get(word).and_then(Value::as_str);
                parts.extend(word.map(|word| format!("{section} {word}")));
            }
        }
    }
    parts.sort_unstable();
    parts.dedup();
    parts
}

#[test]
fn nothing_is_left_out_of_all_scenarios() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        for part in parts_of(&draw(seed, None)) {
            *seen.entry(part).or_default() += 1;
        }
    }
    let keys = [
        "population.regions",
        "population.churn",
        "network.latency",
        "network.jitter",
        "network.loss",
        "network.duplicates",
        "time.skew",
        "time.arrive",
        "disk.latency",
        "disk.cap",
        "time.start",
        "workload.burn",
        "population.addresses",
        "population kad",
        "population ipfs",
        "population diurnal",
        "away senders",
        "away recipients",
        "away everybody",
        "class home",
        "class phone",
        "class.ends",
        "fault.times",
        "fault crash",
        "fault kill",
        "fault partition",
        "fault offline",
        "fault bootstrap-outage",
        "fault weather",
        "fault disk",
        "fault clock",
        "fault.drift",
        "fault.ahead",
        "fault.behind",
        "fault suspend",
        "fault full",
        "fault slow",
        "fault errors",
        "fault lost-syncs",
        "fault rot",
        "fault any",
        "fault holders",
        "fault busy",
        "fault people",
        "population one-group",
        "population two-groups",
        "population half-one-group",
        "population one-address",
        "population random",
        "adversary.groups",
        "adversary locator",
        "adversary mailbox",
        "adversary drop",
        "adversary stale",
        "adversary route",
        "adversary sybil",
    ];
    for key in keys {
        let count = seen.get(key).copied().unwrap_or(0);
        assert!(count >= SEEDS / 150, "{key}: {count} of {SEEDS}");
    }
}

#[test]
fn people_are_gone_for_good_only_where_that_is_fair() {
    let gone = (0..SEEDS).filter(|seed| {
        let table = draw(*seed, None);
        let away = table.get("away").and_then(Value::as_array);
        away.into_iter()
            .flatten()
            .any(|entry| entry.get("lasts").is_none())
    });
    assert!(gone.count() > 5);
}

#[test]
fn each_thing_has_a_name_of_its_own() {
    let all = surroundings::FEATURES.iter().chain(people::FEATURES);
    let mut names: Vec<_> = all.chain(faults::FEATURES).map(|one| one.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn spread_numbers_stay_within_their_bounds() {
    let mut random = Random::of(1, "spread");
    for (low, high) in [(1, 1), (8, 60), (50, 4_000), (3, 5), (1, 100_000)] {
        let drawn: Vec<u64> = (0..2_000).map(|_| spread(&mut random, low, high)).collect();
        assert!(
            drawn.iter().all(|one| (low..=high).contains(one)),
            "{low}..{high}"
        );
        assert!(drawn.contains(&low) || high > 1_000);
    }
}
