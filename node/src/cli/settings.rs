//! The flags that set what `config.toml` sets as well; the community server takes them too.

use clap::Args;

use crate::config::RawConfig;

/// One flag for each key of the configuration; checked with the rest of it, not here.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The network to belong to [default: main].
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// What counts as reachable: internet, or local for tests on one machine [default: internet].
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Whether to keep items for others: auto or never [default: auto].
    #[arg(long, value_name = "WHEN")]
    pub serve: Option<String>,
    /// An address to listen at; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// An address others reach this node at for certain; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub external: Vec<String>,
    /// A node to join through, ending in /p2p/ and its identity; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub bootstrap: Vec<String>,
    /// Disk for other people's items.
    #[arg(long, value_name = "SIZE")]
    pub disk_cap: Option<String>,
    /// How long a message may live unless told otherwise [default: 6d].
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// How long received messages are kept at most [default: 30d].
    #[arg(long, value_name = "TIME")]
    pub retention: Option<String>,
    /// What is logged: off, error, warn, info, debug, trace or directives [default: info].
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines are written: text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl Settings {
    /// Returns what the flags set.
    pub fn to_raw(&self) -> RawConfig {
        let mut raw = RawConfig::default();
        raw.flag("network", self.network.as_slice());
        raw.flag("profile", self.profile.as_slice());
        raw.flag("serve", self.serve.as_slice());
        raw.flag("listen", &self.listen);
        raw.flag("external", &self.external);
        raw.flag("bootstrap", &self.bootstrap);
        raw.flag("disk_cap", self.disk_cap.as_slice());
        raw.flag("ttl", self.ttl.as_slice());
        raw.flag("retention", self.retention.as_slice());
        raw.flag("log", self.log.as_slice());
        raw.flag("log_format", self.log_format.as_slice());
        raw
    }
}
