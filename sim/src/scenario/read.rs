//! From a file to a scenario, and from what is wrong to where it stands.

use std::path::Path;

use toml::Table;
use toml::de::{DeTable, DeValue};

use super::check::Invalid;
use super::fault::one_line;
use super::overrides::{self, OVERRIDES_MAX};
use super::{Scenario, ScenarioError};

/// A scenario as it comes, with what the command line says of it.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    /// The file or the shipped scenario.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// Where other files of it lie.
    pub(super) folder: Option<&'a Path>,
    /// Keys that are set, as `path=value`.
    pub(super) overrides: &'a [String],
}

impl Typed<'_> {
    pub(super) fn read(&self) -> Result<Scenario, ScenarioError> {
        let mut paths = Vec::with_capacity(self.overrides.len());
        let mut scenario = if self.overrides.is_empty() {
            toml::from_str(self.text).map_err(|error| self.misread(&error))?
        } else {
            self.read_overridden(&mut paths)?
        };
        self.finish(&mut scenario)
            .map_err(|invalid| self.invalid(invalid, &paths))?;
        Ok(scenario)
    }

    fn finish(&self, scenario: &mut Scenario) -> Result<(), Invalid> {
        scenario.name = self.name.to_owned();
        scenario.overrides = self.overrides.to_vec();
        scenario.load(self.folder)?;
        scenario.check()
    }

    fn read_overridden(&self, paths: &mut Vec<String>) -> Result<Scenario, ScenarioError> {
        let mut table: Table = toml::from_str(self.text).map_err(|error| self.misread(&error))?;
        let mut tables = Vec::new();
        for typed in self.overrides {
            if paths.len() == OVERRIDES_MAX {
                return Err(of_override(
                    typed,
                    "there are too many overrides".to_owned(),
                ));
            }
            let path = overrides::apply(&mut table, typed);
            paths.push(path.map_err(|what| of_override(typed, what))?);
            tables.push(table.clone());
        }
        let read = table.try_into::<Scenario>();
        read.map_err(|error| {
            // What is wrong in the file itself has a place there.
            if let Err(own) = toml::from_str::<Scenario>(self.text)
                && own.message() == error.message()
            {
                return self.misread(&own);
            }
            // Otherwise the first override is meant after which it is wrong in the same way.
            let mut after = self.overrides.iter().zip(tables);
            let is_same = |table: Table| {
                let read = table.try_into::<Scenario>();
                read.is_err_and(|other| other == error)
            };
            let first = after.find_map(|(typed, table)| is_same(table).then_some(typed));
            of_override(first.map_or("", |typed| typed), one_line(&error))
        })
    }

    fn misread(&self, error: &toml::de::Error) -> ScenarioError {
        let first = error.message().lines().next();
        let message = first.unwrap_or_default().to_owned();
        self.at(error.span().map_or(0, |span| span.start), message)
    }

    /// Says what is wrong of the override that set it, or of its place in the file.
    fn invalid(&self, invalid: Invalid, paths: &[String]) -> ScenarioError {
        let Invalid { path, message } = invalid;
        let sets = |set: &str| path == set || path.starts_with(&format!("{set}."));
        let mut set = self.overrides.iter().zip(paths).rev();
        if let Some((typed, _)) = set.find(|(_, set)| sets(set)) {
            return of_override(typed, message);
        }
        let start = place_of(self.text, &path);
        self.at(start, message)
    }

    fn at(&self, start: usize, message: String) -> ScenarioError {
        let before = self.text.get(..start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        ScenarioError {
            place: format!("{}:{line}:{column}", self.name),
            message,
        }
    }
}

fn of_override(typed: &str, message: String) -> ScenarioError {
    let place = format!("--set {typed}");
    ScenarioError { place, message }
}

/// Returns where the value at a path begins, or what of the path there is.
fn place_of(text: &str, path: &str) -> usize {
    let Ok(document) = DeTable::parse(text) else {
        return 0;
    };
    let mut place = 0;
    let mut inside = DeValue::Table(document.into_inner());
    for key in path.split('.') {
        let found = match inside {
            DeValue::Table(mut table) => table.remove(key),
            DeValue::Array(list) => {
                let number = key.parse().ok();
                number.and_then(|number| list.into_iter().nth(number))
            }
            _ => None,
        };
        let Some(found) = found else {
            break;
        };
        place = found.span().start;
        inside = found.into_inner();
    }
    place
}
