//! Where settings come from: a TOML file, the environment, flags.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use toml::de::{DeTable, DeValue};

use super::keys::KEYS;
use super::{Config, ConfigError, ConfigErrors, Loaded, Profile};

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How the name of every variable begins.
const VARIABLE_PREFIX: &str = "RESTANTE_";
/// Variables with this beginning that are not settings.
const OTHER_VARIABLES: [&str; 2] = [crate::home::HOME_VARIABLE, crate::passphrase::VARIABLE];

/// A value as it is written, before anybody knows whether it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// One text.
    Text(String),
    /// Several.
    List(Vec<String>),
}

impl Raw {
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::List(_) => Err("is one text, not a list".to_owned()),
        }
    }

    pub(super) fn list(&self) -> Result<&[String], String> {
        match self {
            Self::List(items) => Ok(items),
            Self::Text(_) => Err("is a list; write [\"...\"]".to_owned()),
        }
    }
}

/// Where a setting is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// Line and column, from 1; `None` for the file as a whole.
        place: Option<(usize, usize)>,
    },
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, place: None } => write!(f, "{}", path.display()),
            Self::File {
                path,
                place: Some((line, column)),
            } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Settings as they are written, those that win behind those they win over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawConfig {
    entries: Vec<(&'static str, Raw, Origin)>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl RawConfig {
    /// Adds what one flag says, named as its key is; nothing if the flag was not given.
    ///
    /// # Panics
    ///
    /// When there is no key of this name, which is a defect of the caller.
    pub fn flag(&mut self, key: &'static str, values: &[String]) {
        let list = KEYS
            .iter()
            .find(|known| known.name == key)
            .map(|known| known.list);
        let list = list.expect("flags are named after keys");
        let Some(last) = values.last() else { return };
        let raw = if list {
            Raw::List(values.to_vec())
        } else {
            Raw::Text(last.clone())
        };
        let origin = Origin::Flag(format!("--{}", key.replace('_', "-")));
        self.entries.push((key, raw, origin));
    }

    /// Adds what a file says; a file that does not exist says nothing.
    pub fn read_file(&mut self, path: &Path) {
        match read_bounded(path) {
            Ok(text) => self.read_toml(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.wrong(in_file(path, None), format!("cannot be read: {error}")),
        }
    }

    /// Adds what a text in TOML says; `path` is what errors name.
    pub fn read_toml(&mut self, path: &Path, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        // What was made of a broken file is guesswork, and not worth complaints of its own.
        let broken = !errors.is_empty();
        for error in errors {
            let place = error.span().map(|span| place(text, span.start));
            self.wrong(in_file(path, place), error.message().to_owned());
        }
        if broken {
            return;
        }
        for (name, value) in table.get_ref() {
            let origin = in_file(path, Some(place(text, name.span().start)));
            let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref()) else {
                self.wrong(origin, unknown(name.get_ref()));
                continue;
            };
            match raw(value.get_ref()) {
                Some(raw) => self.entries.push((key.name, raw, origin)),
                None => self.wrong(origin, format!("{}: write the value in quotes", key.name)),
            }
        }
    }

    /// Adds what variables say; one that is empty says nothing, and a list is separated by commas.
    pub fn read_environment(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        let mut found: Vec<_> = variables
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let ours = name.starts_with(VARIABLE_PREFIX) && !value.is_empty();
                ours.then_some((name, value))
            })
            .collect();
        found.sort();
        for (name, value) in found {
            if OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let stem = name[VARIABLE_PREFIX.len()..].to_ascii_lowercase();
            let Some(key) = KEYS.iter().find(|key| key.name == stem) else {
                self.warnings
                    .push(format!("environment {name}: {}", unknown(&stem)));
                continue;
            };
            let origin = Origin::Environment(name);
            let Ok(value) = value.into_string() else {
                self.wrong(origin, "is not UTF-8".to_owned());
                continue;
            };
            let raw = if key.list {
                let items = value
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Raw::List(items.map(str::to_owned).collect())
            } else {
                Raw::Text(value)
            };
            self.entries.push((key.name, raw, origin));
        }
    }

    /// Adds settings that win over those already here.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// Returns what is set here alone, as a `config.toml`.
    pub fn to_toml(&self) -> String {
        let lines = self.entries.iter();
        lines
            .map(|(key, raw, _)| format!("{key} = {}\n", super::keys::to_toml(raw)))
            .collect()
    }

    /// Puts the settings over `defaults` and checks them, those that are won over included.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn resolve(self, defaults: &Config) -> Result<Loaded, ConfigErrors> {
        let mut config = defaults.clone();
        let mut origins = vec![Origin::Default; KEYS.len()];
        let mut errors = self.errors;
        for (name, raw, origin) in self.entries {
            for (key, place) in KEYS.iter().zip(&mut origins) {
                if key.name != name {
                    continue;
                }
                match (key.set)(&mut config, &raw) {
                    Ok(()) => *place = origin.clone(),
                    Err(message) => errors.push(ConfigError {
                        origin: origin.clone(),
                        message: format!("{name}: {message}"),
                    }),
                }
            }
        }
        let listen = KEYS
            .iter()
            .zip(&origins)
            .find(|(key, _)| key.name == "listen");
        let unset = listen.is_some_and(|(_, origin)| *origin == Origin::Default);
        if unset && config.profile == Profile::Local {
            config.listen = config.listen.iter().map(loopback).collect();
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let warnings = self.warnings;
        Ok(Loaded {
            config,
            origins,
            warnings,
        })
    }

    fn wrong(&mut self, origin: Origin, message: String) {
        self.errors.push(ConfigError { origin, message });
    }
}

/// Returns the address with "any host" turned into this machine alone.
fn loopback(address: &Multiaddr) -> Multiaddr {
    let parts = address.iter().map(|part| match part {
        Protocol::Ip4(Ipv4Addr::UNSPECIFIED) => Protocol::Ip4(Ipv4Addr::LOCALHOST),
        Protocol::Ip6(Ipv6Addr::UNSPECIFIED) => Protocol::Ip6(Ipv6Addr::LOCALHOST),
        other => other,
    });
    parts.collect()
}

fn read_bounded(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {FILE_BYTES_MAX} bytes"
        )));
    }
    fs::read_to_string(path)
}

fn in_file(path: &Path, place: Option<(usize, usize)>) -> Origin {
    let path = path.to_owned();
    Origin::File { path, place }
}

/// Returns line and column of a byte of a text, from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    match value {
        DeValue::String(text) => Some(Raw::Text(text.clone().into_owned())),
        DeValue::Array(items) => {
            let items = items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned));
            items.collect::<Option<_>>().map(Raw::List)
        }
        _ => None,
    }
}

/// Returns what to say about a key that does not exist, with the one that was probably meant.
fn unknown(name: &str) -> String {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    let near = names.iter().find(|known| distance(known, name) <= 2);
    match near {
        Some(near) => format!("there is no key {name:?}; did you mean {near:?}?"),
        None => format!(
            "there is no key {name:?}; the keys are {}",
            names.join(", ")
        ),
    }
}

/// Returns how many characters have to be changed, put in or taken out to get from one name to the
/// other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<_> = right.chars().take(64).collect();
    let mut row: Vec<_> = (0..=right.len()).collect();
    for (above, character) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (index, other) in right.iter().enumerate() {
            let change = diagonal + usize::from(character != *other);
            diagonal = row[index + 1];
            row[index + 1] = change.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[right.len()]
}
