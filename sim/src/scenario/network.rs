//! How packets travel and how disks write.

use serde::{Deserialize, Serialize};

use super::check::{Checked, refuse, within};
use super::fault::DELAY_MAX;
use super::units::{Bytes, Ms, Share};

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Network {
    /// Shortest way from one machine to another; regions have their own.
    pub(crate) latency: Option<Ms>,
    /// At most so much longer, so that some packets overtake others.
    pub(crate) jitter: Option<Ms>,
    pub(crate) loss: Share,
    pub(crate) duplicates: Share,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Disk {
    /// Longest time until a write is durable.
    pub(crate) latency: Ms,
    /// What one keeper takes.
    pub(crate) cap: Bytes,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            latency: Ms(8),
            cap: Bytes(256 * 1024 * 1024),
        }
    }
}

impl Network {
    pub(crate) fn latency_ms(&self) -> u64 {
        self.latency.map_or(20, Ms::get)
    }

    /// Returns the jitter, of long ways between regions or of ways in a single place.
    pub(crate) fn jitter_ms(&self, has_regions: bool) -> u64 {
        let usual_ms = if has_regions { 10 } else { 60 };
        self.jitter.map_or(usual_ms, Ms::get)
    }

    pub(super) fn check(&self, has_regions: bool) -> Checked {
        if self.latency.is_some() && has_regions {
            let message = "regions say how long packets take: leave this out, or them";
            return refuse("network.latency", message);
        }
        let times = [
            ("latency", self.latency.unwrap_or_default()),
            ("jitter", self.jitter.unwrap_or_default()),
        ];
        for (key, time) in times {
            within(format_args!("network.{key}"), time, Ms::ZERO..=DELAY_MAX)?;
        }
        Ok(())
    }
}

impl Disk {
    pub(super) fn check(&self, path: &str) -> Checked {
        within(
            format_args!("{path}.latency"),
            self.latency,
            Ms(1)..=DELAY_MAX,
        )?;
        within(
            format_args!("{path}.cap"),
            self.cap,
            Bytes(1)..=Bytes(u64::MAX),
        )
    }
}
