//! What can be set about a node, and where a setting comes from: flag, environment, file, default,
//! in this order.
//!
//! A key is a field of [`Config`], and a paragraph of `example.toml`, which has its default and its
//! description. Its name is the same everywhere: `disk_cap` in `config.toml`, `RESTANTE_DISK_CAP` in
//! the environment, `--disk-cap` on the command line. A source that sets a list replaces it as a
//! whole.
//!
//! All that is wrong is reported together, so that a configuration is put right in one go.

pub mod keys;
mod source;
pub mod units;
mod values;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};

pub use crate::net::{Profile, Serve};
pub use crate::telemetry::LogFormat;
use keys::{KEYS, Key};
pub use source::{Origin, RawConfig};
pub use values::{stamp_effort, ttl_ms};

/// The settings of a node, all of them valid; `example.toml` says what each means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(deserialize_with = "values::network")]
    pub network: String,
    pub profile: Profile,
    pub serve: Serve,
    #[serde(deserialize_with = "values::listen")]
    pub listen: Vec<Multiaddr>,
    #[serde(deserialize_with = "values::external")]
    pub external: Vec<Multiaddr>,
    #[serde(deserialize_with = "values::bootstrap")]
    pub bootstrap: Vec<Multiaddr>,
    #[serde(
        rename = "disk_cap",
        deserialize_with = "values::disk_cap",
        serialize_with = "values::write_size"
    )]
    pub disk_cap_bytes: u64,
    #[serde(
        rename = "ttl",
        deserialize_with = "values::ttl",
        serialize_with = "values::write_duration"
    )]
    pub ttl_ms: u64,
    #[serde(
        rename = "retention",
        deserialize_with = "values::retention",
        serialize_with = "values::write_duration"
    )]
    pub retention_ms: u64,
    #[serde(
        deserialize_with = "values::stamp_effort_max",
        serialize_with = "values::write_number"
    )]
    pub stamp_effort_max: u32,
    #[serde(
        deserialize_with = "values::backup_folder",
        serialize_with = "values::write_folder"
    )]
    pub backup_folder: Option<PathBuf>,
    #[serde(
        rename = "backup_every",
        deserialize_with = "values::backup_every",
        serialize_with = "values::write_duration"
    )]
    pub backup_every_ms: u64,
    #[serde(
        deserialize_with = "values::backup_keep",
        serialize_with = "values::write_number"
    )]
    pub backup_keep: u32,
    #[serde(deserialize_with = "values::log")]
    pub log: String,
    pub log_format: LogFormat,
}

impl Default for Config {
    /// Returns the settings of `example.toml`.
    fn default() -> Self {
        static DEFAULT: LazyLock<Config> =
            LazyLock::new(|| toml::from_str(keys::EXAMPLE).expect("the example is valid"));
        DEFAULT.clone()
    }
}

impl Config {
    /// Returns the defaults of a node on one machine with its peers: loopback counts as reachable.
    pub fn local() -> Self {
        let mut config = Self {
            profile: Profile::Local,
            ..Self::default()
        };
        config.listen_on_loopback();
        config
    }

    /// Returns the defaults of a community server: a port of its own, and more disk.
    pub fn community() -> Self {
        let mut config = Self {
            disk_cap_bytes: 20 << 30,
            ..Self::default()
        };
        config.map_listen(|part| match part {
            Protocol::Udp(0) => Protocol::Udp(COMMUNITY_PORT),
            Protocol::Tcp(0) => Protocol::Tcp(COMMUNITY_PORT),
            other => other,
        });
        config
    }

    /// Turns "any host" in the addresses to listen at into this machine alone.
    fn listen_on_loopback(&mut self) {
        self.map_listen(|part| match part {
            Protocol::Ip4(Ipv4Addr::UNSPECIFIED) => Protocol::Ip4(Ipv4Addr::LOCALHOST),
            Protocol::Ip6(Ipv6Addr::UNSPECIFIED) => Protocol::Ip6(Ipv6Addr::LOCALHOST),
            other => other,
        });
    }

    fn map_listen(&mut self, change: impl Fn(Protocol<'_>) -> Protocol<'_>) {
        for address in &mut self.listen {
            *address = address.iter().map(&change).collect();
        }
    }

    /// Returns the keys whose values are not those of another configuration.
    pub fn differing(&self, other: &Self) -> impl Iterator<Item = &'static Key> {
        let (own, other) = (self.to_table(), other.to_table());
        KEYS.iter()
            .filter(move |key| own.get(key.name) != other.get(key.name))
    }

    fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("settings are texts and lists of texts")
    }
}

/// The port a community server listens at unless told otherwise, for QUIC and for TCP.
pub const COMMUNITY_PORT: u16 = 4_717;

/// A valid configuration, and where each key of it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub config: Config,
    /// Where each key of [`KEYS`] comes from, in that order.
    pub origins: Vec<Origin>,
    /// What was passed over, for a person to look at.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Reads the configuration file and the environment, and puts `flags` on top of them and
    /// `defaults` beneath.
    ///
    /// A file that does not exist sets nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with everything that is wrong, in any source.
    pub fn load(defaults: &Config, file: &Path, flags: RawConfig) -> Result<Self, ConfigErrors> {
        let mut raw = RawConfig::default();
        raw.read_file(file);
        raw.read_environment(std::env::vars_os());
        raw.extend(flags);
        raw.resolve(defaults)
    }

    /// Returns where a setting comes from; nothing for a name that is none.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        let mut known = KEYS.iter().zip(&self.origins);
        known.find_map(|(key, origin)| (key.name == name).then_some(origin))
    }

    /// Returns the settings as a `config.toml`, each with a comment on where it comes from.
    pub fn to_toml(&self) -> String {
        let table = self.config.to_table();
        let keys = KEYS.iter().zip(&self.origins);
        keys.map(|(key, origin)| format!("# {origin}\n{} = {}\n", key.name, table[key.name]))
            .collect()
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub origin: Origin,
    pub message: String,
}

/// Everything that is wrong with a configuration, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// Writes one line for each error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ConfigError { origin, message }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{origin}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
