//! What can be set about a node, and where a setting comes from: flag, environment, file, default,
//! in this order.
//!
//! Every key exists once, in [`keys`]: its name, how it is read and how it is written. The name is
//! the same everywhere: `disk_cap` in `config.toml`, `RESTANTE_DISK_CAP` in the environment,
//! `--disk-cap` on the command line. A source that sets a list replaces it as a whole.
//!
//! All that is wrong is reported together, so that a configuration is put right in one go.

pub mod keys;
mod source;
pub mod units;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use libp2p::Multiaddr;

use restante_proto::limits::{DAY_MS, MESSAGE_TTL_DEFAULT_MS};

pub use source::{Origin, Raw, RawConfig};

/// The settings of a node, all of them valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name of the network, part of every protocol string; default `main`.
    pub network: String,
    /// What counts as reachable; default [`Profile::Internet`].
    pub profile: Profile,
    /// Whether to keep items for others; default [`Serve::Auto`].
    pub serve: Serve,
    /// Addresses to listen at; default any address of the machine, any free port, QUIC and TCP,
    /// IPv4 and IPv6.
    ///
    /// With [`Profile::Local`] the default is loopback only.
    pub listen: Vec<Multiaddr>,
    /// Addresses others reach this node at for certain, taken for confirmed; default none.
    pub external: Vec<Multiaddr>,
    /// Nodes to join the network through, each with its peer identity; default none.
    pub bootstrap: Vec<Multiaddr>,
    /// Bytes of disk that the file with other people's items may take; default 1 GiB.
    pub disk_cap_bytes: u64,
    /// How long a message may live unless `send --ttl` says otherwise, in milliseconds; default 6
    /// days.
    pub ttl_ms: u64,
    /// How long received messages are kept at most, in milliseconds; default 30 days.
    ///
    /// A sender's own expiry ends a message earlier, never later.
    pub retention_ms: u64,
    /// What is logged: `off`, `error`, `warn`, `info`, `debug`, `trace`, or directives; default
    /// `info`.
    pub log: String,
    /// How log lines are written; default [`LogFormat::Text`].
    pub log_format: LogFormat,
}

/// What counts as reachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Only what other nodes have confirmed.
    Internet,
    /// Loopback and private addresses too: for a demonstration or a test on one machine, never for
    /// people.
    Local,
}

/// Whether a node keeps items for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// Once other nodes have confirmed that it is reachable.
    Auto,
    /// Not at all.
    Never,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: "main".to_owned(),
            profile: Profile::Internet,
            serve: Serve::Auto,
            listen: default_listen(Profile::Internet, 0),
            external: Vec::new(),
            bootstrap: Vec::new(),
            disk_cap_bytes: 1 << 30,
            ttl_ms: MESSAGE_TTL_DEFAULT_MS,
            retention_ms: 30 * DAY_MS,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

impl Config {
    /// Returns the defaults of a node on one machine with its peers: loopback counts as reachable.
    pub fn local() -> Self {
        Self {
            profile: Profile::Local,
            listen: default_listen(Profile::Local, 0),
            ..Self::default()
        }
    }

    /// Returns the defaults of a community server: a port of its own, and more disk.
    pub fn community() -> Self {
        Self {
            listen: default_listen(Profile::Internet, COMMUNITY_PORT),
            disk_cap_bytes: 20 << 30,
            ..Self::default()
        }
    }
}

/// The port a community server listens at unless told otherwise, for QUIC and for TCP.
pub const COMMUNITY_PORT: u16 = 4_717;

/// Returns the addresses to listen at when none are set.
fn default_listen(profile: Profile, port: u16) -> Vec<Multiaddr> {
    use libp2p::multiaddr::Protocol;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let hosts: [IpAddr; 2] = match profile {
        Profile::Internet => [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        Profile::Local => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    };
    let quic = hosts.map(|host| {
        Multiaddr::from(host)
            .with(Protocol::Udp(port))
            .with(Protocol::QuicV1)
    });
    let tcp = hosts.map(|host| Multiaddr::from(host).with(Protocol::Tcp(port)));
    quic.into_iter().chain(tcp).collect()
}

/// A valid configuration, and where each key of it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Where each key of [`keys::KEYS`] comes from, in that order.
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

    /// Returns the settings as a `config.toml`, each with a comment on where it comes from.
    pub fn to_toml(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for (key, origin) in keys::KEYS.iter().zip(&self.origins) {
            let value = keys::to_toml(&(key.get)(&self.config));
            let _infallible = writeln!(text, "# {origin}\n{} = {value}", key.name);
        }
        text
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is written.
    pub origin: Origin,
    /// What is wrong, in one line.
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
