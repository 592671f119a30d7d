//! Scenarios: TOML files, read strictly (`README.md` lists every key).

use crate::options::{
    AwayOptions, DiskOptions, Expectations, FaultOptions, NetworkOptions, PopulationOptions,
    WorkloadOptions,
};

use crate::report::Tier;
use restante_sim_population::Churn;

mod raw;
mod shipped;
#[cfg(test)]
mod tests;

pub use self::shipped::SHIPPED;

/// Why a scenario cannot be run, and where in its file the reason stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}:{column}: {message}")]
pub struct ScenarioFault {
    /// The file or the shipped scenario.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// One scenario, valid by construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// What it runs on unless somebody wants otherwise.
    pub tier: Tier,
    pub(crate) nodes: usize,
    pub(crate) people: usize,
    pub(crate) population: PopulationOptions,
    pub(crate) duration_ms: u64,
    pub(crate) settle_ms: u64,
    pub(crate) skew_ms: u64,
    pub(crate) network: NetworkOptions,
    pub(crate) disk: DiskOptions,
    pub(crate) workload: WorkloadOptions,
    pub(crate) away: Vec<AwayOptions>,
    pub(crate) faults: Vec<FaultOptions>,
    pub(crate) expect: Expectations,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// [`ScenarioFault`] at the first thing that is unknown, missing or impossible.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioFault> {
        raw::parse(name, text)
    }

    /// Returns the shipped scenario of this name.
    pub fn shipped(name: &str) -> Option<Result<Self, ScenarioFault>> {
        let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(name, text))
    }

    /// Sets how many nodes there are, people's included.
    ///
    /// # Errors
    ///
    /// A sentence that says how many there must be.
    pub fn set_nodes(&mut self, nodes: usize) -> Result<(), String> {
        let least = self.people + 1;
        if !(least..=raw::NODES_MAX).contains(&nodes) {
            let most = raw::NODES_MAX;
            return Err(format!(
                "{nodes} nodes: this scenario takes {least} to {most}"
            ));
        }
        self.nodes = nodes;
        Ok(())
    }

    /// Returns what of the scenario the given tier does not have, if there is something.
    pub fn missing_on(&self, tier: Tier) -> Option<&'static str> {
        match tier {
            Tier::Full => None,
            Tier::Protocol if self.population.churn != Churn::Always => Some("churn"),
            Tier::Protocol if self.population.regions.is_some() => Some("regions"),
            Tier::Protocol => None,
        }
    }

    /// Returns how many keepers there are.
    pub(crate) const fn keepers(&self) -> usize {
        self.nodes - self.people
    }
}
