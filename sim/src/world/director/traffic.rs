//! What machines send and receive, and what for.

use std::collections::BTreeMap;

use restante_interface::{Reply, Request};
use restante_proto::limits::{DAY_MS, HOUR_MS};

use super::Director;
use crate::observed::{Causes, Traffic};
use crate::world::machine::Machine;

/// How long before the planned end it begins that counts, in milliseconds.
const COUNTED_MS: u64 = DAY_MS;

/// What all machines had used by a moment.
#[derive(Debug, Default)]
pub(super) struct Counted {
    at_ms: u64,
    /// Of keepers, and of people.
    groups: [Vec<Used>; 2],
}

/// What one machine has used.
#[derive(Clone, Debug, Default)]
struct Used {
    /// Bytes over its line, both ways.
    line_bytes: u64,
    /// How long its process has been running; 0 if none does.
    uptime_ms: u64,
    /// Bytes as the process counts them.
    by_cause: BTreeMap<String, u64>,
    /// Keepers in its routing table.
    known: u64,
}

impl Director<'_> {
    /// Returns when what is used begins to count; nothing if all of it does.
    pub(super) fn counted_from_ms(&self) -> Option<u64> {
        self.scenario.duration_ms().checked_sub(COUNTED_MS)
    }

    /// Returns what all machines have used so far.
    pub(super) async fn count_traffic(&self) -> Counted {
        Counted {
            at_ms: self.now().0,
            groups: [
                self.used(&self.keepers).await,
                self.used(&self.people).await,
            ],
        }
    }

    async fn used(&self, machines: &[Machine]) -> Vec<Used> {
        let mut all = Vec::new();
        for machine in machines {
            let traffic = self.internet.traffic(machine.host);
            let mut used = Used {
                line_bytes: traffic.up_bytes + traffic.down_bytes,
                ..Used::default()
            };
            if let Some(Ok(Reply::Status(status))) = machine.ask(Request::Status).await {
                let counted = status.traffic.iter();
                let counted = counted.map(|(cause, traffic)| (cause.clone(), traffic.bytes()));
                (used.uptime_ms, used.by_cause) = (status.uptime_ms, counted.collect());
                used.known = u64::from(status.routing_table);
            }
            all.push(used);
        }
        all
    }

    /// Returns what all machines have used since it began to count.
    pub(super) async fn causes(&self) -> Vec<Causes> {
        let (before, now) = (&self.counted, self.count_traffic().await);
        let passed_ms = now.at_ms.saturating_sub(before.at_ms);
        let groups = ["keepers", "people"].into_iter().zip(now.groups);
        let groups = groups.zip(&before.groups);
        let causes = groups.map(|((who, used), before)| average(who, &used, before, passed_ms));
        causes.collect()
    }

    /// Returns what each machine sent and received.
    pub(super) fn traffic(&self) -> Vec<Traffic> {
        let keepers = self.keepers.iter().enumerate();
        let people = self.people.iter().enumerate();
        let named = keepers
            .map(|(number, machine)| (format!("k{number}"), machine))
            .chain(people.map(|(number, machine)| (format!("p{number}"), machine)));
        named
            .map(|(name, machine)| {
                let traffic = self.internet.traffic(machine.host);
                Traffic {
                    name,
                    up_bytes: traffic.up_bytes,
                    down_bytes: traffic.down_bytes,
                }
            })
            .collect()
    }
}

/// Returns what some machines used on average in an hour since the moment `before`.
fn average(who: &str, used: &[Used], before: &[Used], passed_ms: u64) -> Causes {
    let (mut line_bytes, mut running) = (0, 0);
    let mut by_cause: BTreeMap<String, u64> = BTreeMap::new();
    for (at, used) in used.iter().enumerate() {
        let before = before.get(at).cloned().unwrap_or_default();
        line_bytes += used.line_bytes.saturating_sub(before.line_bytes);
        // Who was started since then has counted anew.
        let goes_on = used.uptime_ms > before.uptime_ms;
        let counted_ms = used.uptime_ms.min(passed_ms);
        running += u64::from(used.uptime_ms > 0);
        for (cause, bytes) in &used.by_cause {
            let old = before.by_cause.get(cause).filter(|_| goes_on);
            let bytes = bytes.saturating_sub(old.copied().unwrap_or(0));
            *by_cause.entry(cause.clone()).or_default() += hourly(bytes, counted_ms);
        }
    }
    for bytes in by_cause.values_mut() {
        *bytes = bytes.checked_div(running).unwrap_or(0);
    }
    let machines = used.len() as u64;
    let runs = used.iter().filter(|used| used.uptime_ms > 0);
    Causes {
        who: who.to_owned(),
        machines,
        bytes_an_hour: hourly(line_bytes.checked_div(machines).unwrap_or(0), passed_ms),
        by_cause,
        keepers_known: runs.map(|used| used.known).min().unwrap_or(0),
    }
}

/// Returns how much that is in an hour.
fn hourly(bytes: u64, in_ms: u64) -> u64 {
    let bytes = u128::from(bytes) * u128::from(HOUR_MS);
    let an_hour = bytes.checked_div(u128::from(in_ms)).unwrap_or(0);
    u64::try_from(an_hour).unwrap_or(u64::MAX)
}
