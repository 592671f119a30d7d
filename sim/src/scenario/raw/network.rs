//! How packets travel and how disks write.

use serde::Deserialize;
use toml::Spanned;

use super::{DELAY_MAX_MS, File, Number, ScenarioFault, Text};
use crate::options::{DiskOptions, NetworkOptions};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    latency: Option<Text>,
    jitter: Option<Text>,
    lookup: Option<Text>,
    loss: Option<Spanned<f64>>,
    duplicates: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Disk {
    latency: Option<Text>,
    cap_bytes: Option<Number>,
}

impl File<'_> {
    /// Reads how packets travel, where there are regions with latencies of their own, or not.
    pub(super) fn network(
        &self,
        raw: &Network,
        has_regions: bool,
    ) -> Result<NetworkOptions, ScenarioFault> {
        if let Some(latency) = raw.latency.as_ref().filter(|_| has_regions) {
            let message = "regions say how long packets take: leave this out, or them";
            return Err(self.fault(&latency.span(), message.to_owned()));
        }
        let jitter_ms = if has_regions { 10 } else { 60 };
        Ok(NetworkOptions {
            latency_ms: self.time_or(raw.latency.as_ref(), 0..=DELAY_MAX_MS, 20)?,
            jitter_ms: self.time_or(raw.jitter.as_ref(), 0..=DELAY_MAX_MS, jitter_ms)?,
            lookup_ms: self.time_or(raw.lookup.as_ref(), 0..=DELAY_MAX_MS, 800)?,
            loss_ppm: self.share(raw.loss.as_ref())?,
            duplicate_ppm: self.share(raw.duplicates.as_ref())?,
        })
    }

    pub(super) fn disk(&self, raw: &Disk) -> Result<DiskOptions, ScenarioFault> {
        Ok(DiskOptions {
            latency_ms: self.time_or(raw.latency.as_ref(), 1..=DELAY_MAX_MS, 8)?,
            cap_bytes: match &raw.cap_bytes {
                Some(cap) => self.number(cap, 1..=u64::MAX)?,
                None => DiskOptions::CAP_BYTES,
            },
        })
    }
}
