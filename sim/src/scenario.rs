//! Scenarios: TOML files, read strictly (`README.md` lists every key). What a file says is what a run goes by: there is
//! one type for each key, which knows its form, and a check of what it says together with others.

use std::path::Path;

use restante_proto::limits::{DAY_MS, HOUR_MS};
use restante_sim_population::Regions;
use serde::{Deserialize, Serialize};

use crate::report::Tier;

mod adversary;
mod check;
mod churn;
mod expect;
mod fault;
mod network;
mod overrides;
mod population;
mod read;
mod region;
mod shipped;
#[cfg(test)]
mod tests;
mod time;
mod units;
mod workload;

pub(crate) use self::adversary::{Adversary, AdversaryKind, Near};
use self::check::{Checked, Invalid, refuse};
pub(crate) use self::churn::Churn;
pub(crate) use self::expect::{Bound, Expectations, Quantity, Side, Unit};
pub(crate) use self::fault::{DiskTrouble, Fault, FaultKind, Target};
pub(crate) use self::network::{Disk, Network};
pub(crate) use self::population::{Addresses, Class, ENTRIES, Ends, Group, Kind, Population};
use self::read::Typed;
use self::region::Region;
pub use self::shipped::SHIPPED;
pub(crate) use self::time::Time;
pub(crate) use self::units::{Date, Ms, ONE_PPM, Share};
pub(crate) use self::workload::{Away, Pattern, Who, Workload};

/// Longest time anything takes.
const TIME_MAX: Ms = Ms(60 * DAY_MS);
/// How long faults go on after the last thing that is planned, unless it is said.
const AFTERWARDS: Ms = Ms(HOUR_MS);

/// Why a scenario cannot be run, and where the reason stands: in its file, by line and column, or in what sets a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ScenarioError {
    /// `FILE:LINE:COLUMN`, or `--set PATH=VALUE`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// One scenario; those that were read are valid.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    #[serde(skip)]
    pub name: String,
    /// Keys that were set by hand, as `path=value`.
    #[serde(skip)]
    pub overrides: Vec<String>,
    pub about: String,
    /// What it runs on unless the command line says otherwise.
    #[serde(default)]
    pub tier: Tier,
    /// Whether it takes so long that it is run only when it is named.
    #[serde(default)]
    pub heavy: bool,
    pub(crate) population: Population,
    #[serde(default, rename = "class")]
    pub(crate) classes: Vec<Class>,
    #[serde(default, rename = "region")]
    regions: Vec<Region>,
    pub(crate) time: Time,
    #[serde(default)]
    pub(crate) network: Network,
    #[serde(default)]
    pub(crate) disk: Disk,
    pub(crate) workload: Workload,
    #[serde(default)]
    pub(crate) away: Vec<Away>,
    #[serde(default, rename = "fault")]
    pub(crate) faults: Vec<Fault>,
    #[serde(default, rename = "adversary")]
    pub(crate) adversaries: Vec<Adversary>,
    #[serde(default)]
    pub(crate) expect: Expectations,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] at the first thing that is unknown, missing or impossible.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        Self::parse_with(name, text, None, &[])
    }

    /// Reads a scenario whose other files lie in `folder`, after setting keys in it: each override
    /// is `path=value`, such as `network.loss=0.1` or `away.0.lasts=5d`.
    ///
    /// # Errors
    ///
    /// As of [`Scenario::parse`]; an error in an override is named after it.
    pub fn parse_with(
        name: &str,
        text: &str,
        folder: Option<&Path>,
        overrides: &[String],
    ) -> Result<Self, ScenarioError> {
        let typed = Typed {
            name,
            text,
            folder,
            overrides,
        };
        typed.read()
    }

    /// Returns the shipped scenario of this name.
    pub fn shipped(name: &str) -> Option<Result<Self, ScenarioError>> {
        Self::shipped_with(name, &[])
    }

    /// Returns the shipped scenario of this name, after setting keys in it.
    pub fn shipped_with(name: &str, overrides: &[String]) -> Option<Result<Self, ScenarioError>> {
        let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse_with(name, text, None, overrides))
    }

    /// Writes it as a file, with all that was set by hand.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Returns what of the scenario the given tier does not have.
    pub fn missing_on(&self, tier: Tier) -> Option<&'static str> {
        match tier {
            Tier::Full => None,
            Tier::Fast => {
                let mut kinds = self.faults.iter().map(|fault| &fault.kind);
                let missing = kinds.find_map(FaultKind::missing_on_fast);
                let mut all = self.adversaries.iter();
                // Lookups along disjoint paths resist sybils; ideal ones find all of them at once.
                let lies = all.any(|one| {
                    let kind = one.kind;
                    matches!(
                        kind,
                        AdversaryKind::Route { .. } | AdversaryKind::Sybil { .. }
                    )
                });
                missing.or_else(|| lies.then_some("routing that could be lied about"))
            }
        }
    }

    pub(crate) const fn keepers(&self) -> usize {
        self.population.keepers()
    }

    /// Returns how many machines each class has.
    pub(crate) fn class_sizes(&self) -> Vec<usize> {
        // A scenario that was read has sizes.
        population::sizes(&self.population, &self.classes).unwrap_or_default()
    }

    /// Returns which groups of addresses a machine of a class, or of none, is in.
    pub(crate) fn addresses(&self, class: Option<&Class>) -> Addresses {
        let own = class.and_then(|class| class.addresses);
        own.unwrap_or(self.population.addresses)
    }

    /// Returns where machines are; `None` is a single place.
    pub(crate) fn regions(&self) -> Option<Regions> {
        let regions = region::regions(self.population.regions, &self.regions);
        regions.unwrap_or_default()
    }

    /// Returns when the faults end.
    pub(crate) fn duration_ms(&self) -> u64 {
        let written = [Ms(self.workload.until_ms()), self.time.arrive];
        let returns = self.away.iter().map(Away::over);
        let over = self.faults.iter().map(Fault::over);
        let last = written.into_iter().chain(returns).chain(over).max();
        let planned = Ms(last
            .unwrap_or_default()
            .get()
            .saturating_add(AFTERWARDS.get()));
        self.time.duration.unwrap_or(planned).min(TIME_MAX).get()
    }

    /// Reads what lies beside the scenario.
    fn load(&mut self, folder: Option<&Path>) -> Result<(), Invalid> {
        let common = self.population.churn.load(folder);
        common.or_else(|what| refuse("population.churn", what))?;
        for (number, class) in self.classes.iter_mut().enumerate() {
            let loaded = class.own_churn().map_or(Ok(()), |churn| churn.load(folder));
            loaded.or_else(|what| refuse(format_args!("class.{number}.churn"), what))?;
        }
        Ok(())
    }

    fn check(&self) -> Checked {
        self.population.check()?;
        self.time.check()?;
        let latest = self.time.latest();
        self.workload.check(latest)?;
        for (number, away) in self.away.iter().enumerate() {
            away.check(&format!("away.{number}"), latest)?;
        }
        for (number, fault) in self.faults.iter().enumerate() {
            fault.check(&format!("fault.{number}"), latest, &self.population)?;
        }
        for (number, adversary) in self.adversaries.iter().enumerate() {
            adversary.check(&format!("adversary.{number}"), self.population.people)?;
            self.check_colluders(number, adversary)?;
        }
        self.check_classes()?;
        self.disk.check("disk")
    }

    /// Those who lie about routing know each other by their addresses.
    fn check_colluders(&self, number: usize, adversary: &Adversary) -> Checked {
        let mut classes = self.classes.iter().map(Some).chain([None]);
        let lies = matches!(adversary.kind, AdversaryKind::Route { .. });
        if lies && classes.any(|class| self.addresses(class) == Addresses::OneAddress) {
            let message = "those who lie about routing cannot be behind one address";
            return refuse(format_args!("adversary.{number}.kind"), message);
        }
        Ok(())
    }

    fn check_classes(&self) -> Checked {
        let regions = region::regions(self.population.regions, &self.regions)?;
        self.network.check(regions.is_some())?;
        for (number, class) in self.classes.iter().enumerate() {
            let path = format!("class.{number}");
            class.check(&path, regions.is_some())?;
            let others = self.classes.iter().take(number);
            if others.into_iter().any(|other| other.name == class.name) {
                let message = format!("there are two classes called {:?}", class.name);
                return refuse(format_args!("{path}.name"), message);
            }
            if let (Some(regions), Some(name)) = (&regions, &class.region) {
                let known = regions.named(name).map(|_| ());
                known.or_else(|error| refuse(format_args!("{path}.region"), error))?;
            }
        }
        population::sizes(&self.population, &self.classes).map(|_| ())
    }
}
