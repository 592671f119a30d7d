//! When a run begins and ends, as it is typed.

use restante_proto::limits::{HOUR_MS, MINUTE_MS, SECOND_MS};
use serde::Deserialize;

use super::{File, SKEW_MAX_MS, ScenarioFault, TIME_MAX_MS, Text};
use crate::options::{AwayOptions, FaultKind, FaultOptions, WorkloadOptions};

/// How long faults go on after the last thing that is planned, unless it is said, in milliseconds.
const AFTERWARDS_MS: u64 = HOUR_MS;
/// Everybody is started within so long, unless it is said, in milliseconds.
const ARRIVE_MS: u64 = 10 * SECOND_MS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    duration: Option<Text>,
    settle: Text,
    arrive: Option<Text>,
    skew: Option<Text>,
}

/// The times of a run, in milliseconds.
pub(super) struct Times {
    /// When the faults end, if it is said.
    duration_ms: Option<u64>,
    pub(super) settle_ms: u64,
    pub(super) arrive_ms: u64,
    pub(super) skew_ms: u64,
}

impl File<'_> {
    pub(super) fn times(&self, raw: &Time) -> Result<Times, ScenarioFault> {
        let duration = raw.duration.as_ref();
        let duration = duration.map(|text| self.time(text, MINUTE_MS..=TIME_MAX_MS));
        let duration_ms = duration.transpose()?;
        let most = duration_ms.unwrap_or(TIME_MAX_MS);
        Ok(Times {
            duration_ms,
            settle_ms: self.time(&raw.settle, MINUTE_MS..=TIME_MAX_MS)?,
            arrive_ms: self.time_or(raw.arrive.as_ref(), SECOND_MS..=most, ARRIVE_MS)?,
            skew_ms: self.time_or(raw.skew.as_ref(), 0..=SKEW_MAX_MS, 0)?,
        })
    }
}

impl Times {
    /// Returns what nothing that is planned may lie behind.
    pub(super) fn latest_ms(&self) -> u64 {
        self.duration_ms.unwrap_or(TIME_MAX_MS)
    }

    /// Returns when the faults end.
    pub(super) fn duration_ms(
        &self,
        workload: &WorkloadOptions,
        away: &[AwayOptions],
        faults: &[FaultOptions],
    ) -> u64 {
        let written = [workload.from_ms + workload.over_ms, self.arrive_ms];
        let absences = away.iter();
        let returns = absences.map(|away| away.from_ms + away.lasts_ms.unwrap_or(0));
        let over = faults.iter().map(|fault| {
            let repeats = fault.times.saturating_sub(1);
            fault.at_ms + repeats.saturating_mul(fault.every_ms) + lasts_ms(&fault.kind)
        });
        let last = written.into_iter().chain(returns).chain(over).max();
        let planned = last.unwrap_or(0).saturating_add(AFTERWARDS_MS);
        self.duration_ms.unwrap_or(planned).min(TIME_MAX_MS)
    }
}

/// Returns how long a fault goes on, in milliseconds.
const fn lasts_ms(kind: &FaultKind) -> u64 {
    match kind {
        FaultKind::Kill { .. } => 0,
        FaultKind::Crash { down_ms, .. } => *down_ms,
        FaultKind::Partition { lasts_ms, .. }
        | FaultKind::Offline { lasts_ms, .. }
        | FaultKind::BootstrapOutage { lasts_ms }
        | FaultKind::Weather { lasts_ms, .. }
        | FaultKind::Disk { lasts_ms, .. }
        | FaultKind::Clock { lasts_ms, .. } => *lasts_ms,
    }
}
