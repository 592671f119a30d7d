//! Where scenarios come from.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::Failure;
use crate::report::Tier;
use crate::scenario::{SHIPPED, Scenario};
use crate::swarm;

/// Longest scenario that is read from standard input, in bytes.
const STDIN_BYTES_MAX: u64 = 1 << 20;

/// A scenario with its text.
pub(super) struct Source {
    pub(super) scenario: Scenario,
    pub(super) text: String,
    /// How many seeds it is run with, if not as many as the others.
    pub(super) seeds: Option<u64>,
}

impl Source {
    /// Returns the file of what is run: as it was written, unless keys were set by hand.
    pub(super) fn as_run(&self) -> Cow<'_, str> {
        if self.scenario.overrides.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let set = self.scenario.overrides.join(" --set ");
        let heading = format!("{} --set {set}", self.scenario.name);
        let heading: String = heading.lines().map(|line| format!("# {line}\n")).collect();
        Cow::Owned(format!("{heading}{}", self.scenario.to_toml()))
    }
}

/// Reads a scenario from a file, from those that are shipped, or, for `-`, from standard input, and sets keys in it.
pub(super) fn load(name: &str, overrides: &[String]) -> Result<Source, Failure> {
    let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
    let text = match shipped {
        Some((_, text)) => Ok((*text).to_owned()),
        None if name == "-" => {
            let mut text = String::new();
            let mut stdin = io::stdin().take(STDIN_BYTES_MAX);
            stdin.read_to_string(&mut text).map(|_| text)
        }
        None => fs::read_to_string(name),
    };
    let text = text.map_err(|error| {
        let known = SHIPPED.map(|(name, _)| name).join(", ");
        Failure::Usage(format!("{name}: {error}; shipped scenarios are {known}"))
    })?;
    let folder = Path::new(name).parent().filter(|_| shipped.is_none());
    let scenario = Scenario::parse_with(name, &text, folder, overrides);
    let scenario = scenario.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Source {
        scenario,
        text,
        seeds: None,
    })
}

/// Reads a scenario that may have the number of its seeds behind it, as `upkeep=20`.
pub(super) fn load_with_seeds(words: &str, overrides: &[String]) -> Result<Source, Failure> {
    let counted = words
        .rsplit_once('=')
        .and_then(|(name, count)| Some((name, count.parse().ok()?)));
    match counted {
        Some((name, count)) => Ok(Source {
            seeds: Some(count),
            ..load(name, overrides)?
        }),
        None => load(words, overrides),
    }
}

/// Draws the scenario of a swarm seed and sets keys in it.
pub(super) fn draw(seed: u64, tier: Option<Tier>, overrides: &[String]) -> Result<Source, Failure> {
    let name = swarm::name(seed);
    let heading = format!(
        "Drawn by version {} of the generator: restante-sim run --swarm {seed}{}",
        swarm::VERSION,
        tier.map_or_else(String::new, |tier| format!(" --tier {}", tier.name()))
    );
    let text = swarm::text(&swarm::draw(seed, tier), &heading);
    let scenario = Scenario::parse_with(&name, &text, None, overrides);
    let scenario = scenario.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Source {
        scenario,
        text,
        seeds: None,
    })
}
