//! What people do and when they are away.

use std::ops::RangeInclusive;

use restante_proto::limits::{BODY_BYTES_MAX, MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS};
use serde::Deserialize;

use super::{File, Number, ScenarioFault, Text};
use crate::options::{AwayOptions, Pattern, Who, WorkloadOptions};

/// Messages of one run, at most.
const MESSAGES_MAX: u64 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    messages: Number,
    from: Text,
    over: Text,
    bytes: [Number; 2],
    ttl: [Text; 2],
    pattern: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Away {
    who: Text,
    from: Text,
    lasts: Option<Text>,
}

impl File<'_> {
    pub(super) fn workload(
        &self,
        raw: &Workload,
        within: &RangeInclusive<u64>,
    ) -> Result<WorkloadOptions, ScenarioFault> {
        let [bytes_low, bytes_high] = &raw.bytes;
        let [ttl_low, ttl_high] = &raw.ttl;
        let shortest = self.number(bytes_low, 1..=BODY_BYTES_MAX as u64)?;
        let ttl = self.time(ttl_low, MESSAGE_TTL_MIN_MS..=MESSAGE_TTL_MAX_MS)?;
        Ok(WorkloadOptions {
            messages: self.number(&raw.messages, 0..=MESSAGES_MAX)?,
            from_ms: self.time(&raw.from, within.clone())?,
            over_ms: self.time(&raw.over, within.clone())?,
            bytes: (
                shortest,
                self.number(bytes_high, shortest..=BODY_BYTES_MAX as u64)?,
            ),
            ttl_ms: (ttl, self.time(ttl_high, ttl..=MESSAGE_TTL_MAX_MS)?),
            pattern: self.one_of(
                &raw.pattern,
                &[
                    ("everybody", Pattern::Everybody),
                    ("one-way", Pattern::OneWay),
                ],
            )?,
        })
    }

    pub(super) fn away(
        &self,
        raw: &Away,
        within: &RangeInclusive<u64>,
    ) -> Result<AwayOptions, ScenarioFault> {
        let words = [
            ("senders", Who::Senders),
            ("recipients", Who::Recipients),
            ("everybody", Who::Everybody),
        ];
        let lasts = raw
            .lasts
            .as_ref()
            .map(|lasts| self.time(lasts, within.clone()));
        Ok(AwayOptions {
            who: self.one_of(&raw.who, &words)?,
            from_ms: self.time(&raw.from, within.clone())?,
            lasts_ms: lasts.transpose()?,
        })
    }
}
