//! Scenarios as they are typed, and the way from there to valid ones.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use restante_proto::limits::{DAY_MS, MINUTE_MS, SECOND_MS};
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::{Scenario, ScenarioFault};
use crate::report::Tier;

use self::adversary::Adversary;
use self::class::Class;
use self::expect::Expect;
use self::fault::Fault;
use self::network::{Disk, Network};
use self::overrides::Override;
use self::population::Population;
use self::region::RawRegion;
use self::time::Time;
use self::workload::{Away, Workload};

mod adversary;
mod churn;
mod class;
mod expect;
mod fault;
mod network;
mod overrides;
mod population;
mod region;
#[cfg(test)]
mod tests;
mod time;
mod workload;

/// Nodes of one run, at most.
pub(super) const NODES_MAX: usize = 10_000;
/// People of one run, at most.
const PEOPLE_MAX: u64 = 1_000;
/// Longest time anything takes, in milliseconds.
const TIME_MAX_MS: u64 = 60 * DAY_MS;
/// Longest delay of the network or a disk, in milliseconds: far below what a request may take.
const DELAY_MAX_MS: u64 = 5 * SECOND_MS;
/// Largest error of a clock, in milliseconds.
const SKEW_MAX_MS: u64 = 30 * MINUTE_MS;

type Text = Spanned<String>;
type Number = Spanned<u64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    about: String,
    tier: Option<Text>,
    #[serde(default)]
    heavy: bool,
    population: Population,
    time: Time,
    #[serde(default)]
    class: Vec<Class>,
    #[serde(default)]
    region: Vec<RawRegion>,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    disk: Disk,
    workload: Workload,
    #[serde(default)]
    away: Vec<Away>,
    #[serde(default)]
    fault: Vec<Spanned<Fault>>,
    #[serde(default)]
    adversary: Vec<Adversary>,
    #[serde(default)]
    expect: Expect,
}

/// A scenario as it comes, with what the command line says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed<'a> {
    /// The file or the shipped scenario.
    pub(super) name: &'a str,
    /// What it says.
    pub(super) text: &'a str,
    /// Where other files of it lie.
    pub(super) folder: Option<&'a Path>,
    /// Keys that are set, as `path=value`.
    pub(super) overrides: &'a [String],
}

/// Reads and checks a scenario.
pub(super) fn parse(typed: Typed<'_>) -> Result<Scenario, ScenarioFault> {
    let Typed { name, text, .. } = typed;
    let overrides = overrides::lay_out(text.len(), typed.overrides)?;
    let file = File {
        name,
        text,
        folder: typed.folder,
        overrides: &overrides,
    };
    let raw = file.raw()?;
    let tier = match &raw.tier {
        Some(tier) => file.one_of(tier, &Tier::ALL)?,
        None => Tier::default(),
    };
    let people = file.number(&raw.population.people, 2..=PEOPLE_MAX)?;
    let nodes = file.number(&raw.population.nodes, people + 1..=NODES_MAX as u64)?;
    let times = file.times(&raw.time)?;
    let within = 0..=times.latest_ms();
    let workload = file.workload(&raw.workload, &within)?;
    let away = raw.away.iter().map(|away| file.away(away, &within));
    let away = away.collect::<Result<Vec<_>, _>>()?;
    let faults = raw.fault.iter();
    let faults = faults.map(|fault| file.fault_of(fault, times.latest_ms()));
    let faults = faults.collect::<Result<Vec<_>, _>>()?;
    let (nodes, people) = (size(nodes), size(people));
    let population = file.population(
        &raw.population,
        (&raw.class, &raw.region),
        (nodes - people, people),
        times.arrive_ms,
    )?;
    Ok(Scenario {
        name: name.to_owned(),
        overrides: typed.overrides.to_vec(),
        tier,
        heavy: raw.heavy,
        nodes,
        people,
        duration_ms: times.duration_ms(&workload, &away, &faults),
        settle_ms: times.settle_ms,
        skew_ms: times.skew_ms,
        network: file.network(&raw.network, population.regions.is_some())?,
        population,
        disk: file.disk(&raw.disk)?,
        workload,
        away,
        adversaries: raw
            .adversary
            .iter()
            .map(|one| file.adversary(one, people as u64))
            .collect::<Result<_, _>>()?,
        faults,
        expect: file.expectations(&raw.expect)?,
        about: raw.about,
    })
}

/// The file that is read, for the places in it.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    folder: Option<&'a Path>,
    overrides: &'a [Override],
}

impl File<'_> {
    /// Reads the document with its overrides, key by key.
    fn raw(&self) -> Result<Raw, ScenarioFault> {
        let wrong = |fault: toml::de::Error| {
            let first = fault.message().lines().next();
            let message = first.unwrap_or_default().to_owned();
            self.fault(&fault.span().unwrap_or(0..0), message)
        };
        let mut document = DeTable::parse(self.text).map_err(wrong)?;
        for one in self.overrides {
            one.apply(&mut document)?;
        }
        Raw::deserialize(toml::Deserializer::from(document)).map_err(wrong)
    }

    fn fault(&self, span: &Range<usize>, message: String) -> ScenarioFault {
        let placed = self.overrides.iter().find_map(|one| one.place(span.start));
        if let Some((name, column)) = placed {
            return ScenarioFault {
                name,
                line: 1,
                column,
                message,
            };
        }
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        ScenarioFault {
            name: self.name.to_owned(),
            line,
            column,
            message,
        }
    }

    fn number(&self, number: &Number, allowed: RangeInclusive<u64>) -> Result<u64, ScenarioFault> {
        let got = *number.get_ref();
        if allowed.contains(&got) {
            return Ok(got);
        }
        let (low, high) = allowed.into_inner();
        Err(self.fault(
            &number.span(),
            format!("{got} is not between {low} and {high}"),
        ))
    }

    fn time(&self, text: &Text, allowed: RangeInclusive<u64>) -> Result<u64, ScenarioFault> {
        let typed = text.get_ref();
        let parsed = humantime::parse_duration(typed)
            .ok()
            .and_then(|duration| u64::try_from(duration.as_millis()).ok());
        let Some(ms) = parsed else {
            let message =
                format!("{typed:?} is not a duration such as \"40ms\", \"30s\" or \"6d\"");
            return Err(self.fault(&text.span(), message));
        };
        if allowed.contains(&ms) {
            return Ok(ms);
        }
        let (low, high) = allowed.into_inner();
        let shown = |ms| humantime::format_duration(std::time::Duration::from_millis(ms));
        let message = format!(
            "{typed:?} is not between {} and {}",
            shown(low),
            shown(high)
        );
        Err(self.fault(&text.span(), message))
    }

    fn time_or(
        &self,
        text: Option<&Text>,
        allowed: RangeInclusive<u64>,
        otherwise: u64,
    ) -> Result<u64, ScenarioFault> {
        text.map_or(Ok(otherwise), |text| self.time(text, allowed))
    }

    /// Reads a share from 0 to 1 as a number of parts in a million.
    fn share(&self, share: Option<&Spanned<f64>>) -> Result<u64, ScenarioFault> {
        let Some(share) = share else { return Ok(0) };
        let got = *share.get_ref();
        if !(0.0..=1.0).contains(&got) {
            return Err(self.fault(
                &share.span(),
                format!("{got} is not a share from 0.0 to 1.0"),
            ));
        }
        // Between 0 and a million, and whole after rounding.
        Ok((got * 1_000_000.0).round() as u64)
    }

    fn word_or<T: Copy>(
        &self,
        text: Option<&Text>,
        words: &[(&str, T)],
        otherwise: T,
    ) -> Result<T, ScenarioFault> {
        text.map_or(Ok(otherwise), |text| self.one_of(text, words))
    }

    fn one_of<T: Copy>(&self, text: &Text, words: &[(&str, T)]) -> Result<T, ScenarioFault> {
        let typed = text.get_ref();
        let found = words.iter().find(|(word, _)| word == typed);
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{typed:?} is none of: {}", known.join(", "));
            self.fault(&text.span(), message)
        })
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
