//! Scenarios drawn from a seed, whole: each thing that a scenario may have is there or not by chance, and so are its
//! values (swarm testing).
//!
//! Whatever is drawn is written as a scenario file and goes through the same reader as all others. A thing that would
//! make it impossible on its tier, or [`unfair`], is left out again. Each thing has randomness of its own, so that a
//! new one at the end of a list leaves what a seed meant for the others as it was.
//!
//! # References
//!
//! Groce, Zhang, Eide, Chen and Regehr, "Swarm testing", ISSTA 2012.

use toml::{Table, Value};

use crate::random::Random;
use crate::report::Tier;
use crate::scenario::{Ms, Scenario};

mod fair;
mod faults;
mod frame;
mod people;
mod surroundings;
#[cfg(test)]
mod tests;

pub(crate) use self::fair::unfair;
use self::frame::Frame;

/// Goes up when a seed comes to mean another scenario.
pub(crate) const VERSION: u32 = 5;
/// What drawn scenarios are called among the seeds that once failed.
pub(crate) const SEEDS_NAME: &str = "swarm";
/// Faults of a scenario, at most.
const FAULTS_MAX: u64 = 4;

/// Something that a scenario may have.
struct Feature {
    /// Its name, which its randomness comes from.
    name: &'static str,
    /// In how many of a million scenarios it is tried; faults are not asked for this.
    chance_ppm: u64,
    /// Writes it into a scenario.
    write: fn(&Frame, &mut Random, &mut Table),
}

/// Returns what the scenario of a seed is called.
pub(crate) fn name(seed: u64) -> String {
    format!("swarm-{seed}")
}

/// Returns the seed of a scenario with such a name.
pub(crate) fn seed_of(name: &str) -> Option<u64> {
    name.strip_prefix("swarm-")?.parse().ok()
}

/// Draws the scenario of a seed, on a given tier; otherwise the tier is drawn as well.
pub(crate) fn draw(seed: u64, tier: Option<Tier>) -> Table {
    let random = |what: &str| Random::of(seed, &format!("swarm {what}"));
    let tier = tier.unwrap_or_else(|| {
        if random("tier").chance(500_000) {
            Tier::Full
        } else {
            Tier::Fast
        }
    });
    let frame = Frame::draw(tier, &mut random("frame"));
    let mut drawn = frame.table(seed);
    people::workload(&frame, &mut random("workload"), &mut drawn);
    let mut add = |feature: &Feature, mut random: Random| {
        let mut with = drawn.clone();
        (feature.write)(&frame, &mut random, &mut with);
        if is_possible(&with, tier) {
            drawn = with;
        }
    };
    for feature in surroundings::FEATURES.iter().chain(people::FEATURES) {
        let mut random = random(feature.name);
        if random.chance(feature.chance_ppm) {
            add(feature, random);
        }
    }
    let kinds: Vec<&Feature> = faults::FEATURES.iter().collect();
    for number in 0..random("faults").between(0, FAULTS_MAX) {
        let mut random = random(&format!("fault {number}"));
        if let Some(kind) = kinds.get(random.index(kinds.len())) {
            add(kind, random);
        }
    }
    drawn
}

/// Writes a scenario as a file, below some lines about where it comes from.
pub(crate) fn text(table: &Table, heading: &str) -> String {
    let heading: String = heading.lines().map(|line| format!("# {line}\n")).collect();
    format!("{heading}{table}")
}

/// Tells whether a scenario can be run on a tier, and is fair there.
fn is_possible(table: &Table, tier: Tier) -> bool {
    let scenario = Scenario::parse("drawn", &table.to_string());
    scenario.is_ok_and(|one| one.missing_on(tier).is_none() && unfair(&one).is_none())
}

/// Writes a value at `section.key`.
fn set(table: &mut Table, section: &str, key: &str, value: impl Into<Value>) {
    let section = table.entry(section).or_insert_with(|| Table::new().into());
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value.into());
    }
}

/// Adds an entry to a list of tables.
fn push<const N: usize>(table: &mut Table, list: &str, entry: [(&str, Value); N]) {
    let list = table
        .entry(list)
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Some(list) = list.as_array_mut() {
        let entry = entry.map(|(key, value)| (key.to_owned(), value));
        list.push(Value::Table(entry.into_iter().collect()));
    }
}

/// Draws one of some words.
fn one_of(random: &mut Random, words: &[&'static str]) -> &'static str {
    words.get(random.index(words.len())).copied().unwrap_or("")
}

/// Draws a number for which each doubling is as likely as any other.
fn spread(random: &mut Random, low: u64, high: u64) -> u64 {
    let low = low.max(1);
    let doublings = u64::from((high / low).max(1).ilog2()) + 1;
    let from = low << random.below(doublings);
    random.between(from, from.saturating_mul(2).min(high).max(from))
}

/// Returns a time as scenarios have it.
fn time(ms: u64) -> Value {
    Ms(ms).rounded().to_string().into()
}

/// Returns a number as scenarios have it.
fn whole(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// Draws a share from one to `high`, both in a thousand.
fn share(random: &mut Random, high: u32) -> Value {
    let high = u64::from(high);
    let parts = u32::try_from(random.between(1, high)).unwrap_or(1);
    Value::Float(f64::from(parts) / 1_000.0)
}
