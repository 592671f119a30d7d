//! Where settings come from: a TOML file, the environment, flags.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, Key};
use super::values::{EXTERNAL_EXAMPLE, LISTEN_EXAMPLE};
use super::{Config, ConfigError, ConfigErrors, Loaded, Profile};
use crate::net::{is_dialable, is_listenable};

const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How the name of every variable begins.
const VARIABLE_PREFIX: &str = "RESTANTE_";
/// Variables with this beginning that are not settings.
const OTHER_VARIABLES: [&str; 2] = [crate::home::HOME_VARIABLE, crate::passphrase::VARIABLE];

/// Where a setting is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        /// Line and column, from 1; `None` for the file as a whole.
        place: Option<(usize, usize)>,
    },
    Environment(String),
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawConfig {
    entries: Vec<(&'static Key, Value, Origin)>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl RawConfig {
    /// Adds what the flag of a key says; nothing if it was not given.
    ///
    /// # Panics
    ///
    /// When there is no key of this name, which is a defect of the caller.
    pub fn flag(&mut self, name: &str, values: &[String]) {
        let key = keys::find(name).expect("flags are named after keys");
        let Some(last) = values.last() else { return };
        let value = if key.is_list {
            Value::from(values.to_vec())
        } else {
            Value::from(last.as_str())
        };
        let origin = Origin::Flag(format!("--{}", key.flag));
        self.entries.push((key, value, origin));
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
            let Some(key) = keys::find(name.get_ref()) else {
                self.wrong(origin, unknown(name.get_ref()));
                continue;
            };
            match written(value.get_ref()) {
                Some(value) => self.entries.push((key, value, origin)),
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
            let Some(key) = keys::find(&stem) else {
                self.warnings
                    .push(format!("environment {name}: {}", unknown(&stem)));
                continue;
            };
            let origin = Origin::Environment(name);
            let Ok(value) = value.into_string() else {
                self.wrong(origin, "is not UTF-8".to_owned());
                continue;
            };
            let value = if key.is_list {
                let items = value.split(',').map(str::trim);
                let items = items.filter(|item| !item.is_empty());
                Value::from(items.collect::<Vec<_>>())
            } else {
                Value::from(value)
            };
            self.entries.push((key, value, origin));
        }
    }

    /// Adds settings that win over those already here.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// Takes out what is set for the key of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.entries.retain(|(key, ..)| key.name != name);
        self
    }

    /// Keeps what is set for the key of this name alone.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.entries.retain(|(key, ..)| key.name == name);
        self
    }

    /// Returns what is set here alone, as a `config.toml`.
    pub fn to_toml(&self) -> String {
        let lines = self.entries.iter();
        lines
            .map(|(key, value, _)| format!("{} = {value}\n", key.name))
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
        for (key, value, origin) in self.entries {
            match with(&config, key, value) {
                Ok(changed) => {
                    config = changed;
                    let places = KEYS.iter().zip(&mut origins);
                    for (_, place) in places.filter(|(known, _)| *known == key) {
                        *place = origin.clone();
                    }
                }
                Err(message) => errors.push(ConfigError {
                    message: format!("{}: {message}", key.name),
                    origin,
                }),
            }
        }
        errors.extend(refused_by_run(&config, &origins));
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let is_unset =
            |(key, origin): (&Key, &Origin)| key.name == "listen" && *origin == Origin::Default;
        if config.profile == Profile::Local && KEYS.iter().zip(&origins).any(is_unset) {
            config.listen_on_loopback();
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

/// Returns what `run` would refuse about addresses that are well written.
fn refused_by_run(config: &Config, origins: &[Origin]) -> Vec<ConfigError> {
    let error = |name: &str, message: String| {
        let mut known = KEYS.iter().zip(origins);
        let origin = known.find_map(|(key, origin)| (key.name == name).then(|| origin.clone()));
        ConfigError {
            message: format!("{name}: {message}"),
            origin: origin.unwrap_or(Origin::Default),
        }
    };
    let profile = config.profile;
    let external = config.external.iter();
    let external = external.filter(|address| !is_dialable(address, profile));
    let external = external.map(|address| {
        let wanted = match profile {
            Profile::Internet if is_dialable(address, Profile::Lan) => {
                "a public address (on a LAN or VPN of your own set profile = \"lan\")"
            }
            Profile::Internet => "a public address",
            Profile::Lan => "an address of the LAN or VPN",
            Profile::Local => "an address",
        };
        error(
            "external",
            format!(
                "{address} is not {wanted} with a port that others can dial; write for example \"{EXTERNAL_EXAMPLE}\""
            ),
        )
    });
    let listen = config.listen.iter();
    let listen = listen.filter(|address| !is_listenable(address));
    let listen = listen.map(|address| {
        error(
            "listen",
            format!(
                "{address} cannot be listened at; write for example \"{LISTEN_EXAMPLE}\" (/ip4 or /ip6, with \
                 /udp/../quic-v1 or /tcp)"
            ),
        )
    });
    external.chain(listen).collect()
}

/// Returns the settings with another value for one key, or what is wrong with it.
fn with(config: &Config, key: &Key, value: Value) -> Result<Config, String> {
    match (key.is_list, value.is_array()) {
        (true, false) => return Err("is a list; write [\"...\"]".to_owned()),
        (false, true) => return Err("is one text, not a list".to_owned()),
        _ => {}
    }
    let mut table = config.to_table();
    table.insert(key.name.to_owned(), value);
    // All other values are valid: what is wrong is about this one.
    table.try_into().map_err(|error| error.message().to_owned())
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

/// Returns a text or a list of texts as it is written, and nothing for any other value.
fn written(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| item.get_ref().as_str());
            items.collect::<Option<Vec<_>>>().map(Value::from)
        }
        _ => None,
    }
}

/// Returns what to say about a key that does not exist, with the one that was probably meant.
fn unknown(name: &str) -> String {
    let distance = |key: &&Key| strsim::levenshtein(key.name, name);
    match KEYS.iter().min_by_key(distance) {
        Some(near) if distance(&near) <= 2 => {
            format!("there is no key {name:?}; did you mean {:?}?", near.name)
        }
        _ => {
            let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            let names = names.join(", ");
            format!("there is no key {name:?}; the keys are {names}")
        }
    }
}
