//! What may be asked of the network: a drawn or shrunk scenario in which nobody could do better proves nothing.

use restante_proto::limits::{CLOCK_SKEW_MS, MINUTE_MS, REPLICAS};
use restante_proto::placement::CANDIDATES;
use restante_sim_population::Churn;

use crate::options::{AdversaryKind, ENTRIES, FaultKind, FaultOptions, Kind};
use crate::scenario::Scenario;

/// Returns why a scenario asks for what the network does not promise, if it does.
pub(crate) fn unfair(scenario: &Scenario) -> Option<&'static str> {
    let workload = &scenario.workload;
    let mut faults = scenario.faults.iter();
    if workload.from_ms + workload.over_ms > scenario.duration_ms {
        return Some("messages are written when it is over");
    }
    if faults.any(comes_too_early) {
        return Some("a fault comes again before it is over");
    }
    if too_many_die(scenario) {
        return Some("more than half of the keepers die");
    }
    if apart_ms(scenario) > CLOCK_SKEW_MS {
        return Some("clocks differ by more than they may");
    }
    if newcomers_may_be_alone(scenario) {
        return Some("all that newcomers are told of may be dead");
    }
    if sybils(scenario) >= REPLICAS {
        // Addresses near the attacked one are theirs as well, and what is sent there is never kept.
        return Some("sybils fill a neighbourhood");
    }
    let gone = scenario.away.iter().any(|away| away.lasts_ms.is_none());
    if gone && keepers_change(scenario) {
        // There is no repair between keepers: only a sender puts a message to where it belongs now.
        return Some("senders are gone for good while the nearest keepers change");
    }
    None
}

fn comes_too_early(fault: &FaultOptions) -> bool {
    let lasts_ms = match fault.kind {
        FaultKind::Crash { .. } | FaultKind::Kill { .. } => return false,
        FaultKind::Partition { lasts_ms, .. }
        | FaultKind::Offline { lasts_ms, .. }
        | FaultKind::BootstrapOutage { lasts_ms }
        | FaultKind::Weather { lasts_ms, .. }
        | FaultKind::Disk { lasts_ms, .. }
        | FaultKind::Clock { lasts_ms, .. } => lasts_ms,
    };
    fault.times > 1 && fault.every_ms <= lasts_ms
}

fn too_many_die(scenario: &Scenario) -> bool {
    deaths(scenario).map(dead).sum::<usize>() > scenario.keepers() / 2
}

fn deaths(scenario: &Scenario) -> impl Iterator<Item = &FaultOptions> {
    let faults = scenario.faults.iter();
    faults.filter(|fault| matches!(fault.kind, FaultKind::Kill { .. }))
}

/// Returns how many a fault that kills hits at most; the reader sees to it that there is room for the sum.
fn dead(fault: &FaultOptions) -> usize {
    let times = usize::try_from(fault.times).unwrap_or(usize::MAX);
    fault.count.saturating_mul(times)
}

fn sybils(scenario: &Scenario) -> usize {
    let adversaries = scenario.adversaries.iter();
    let counts = adversaries.map(|adversary| match adversary.kind {
        AdversaryKind::Sybil { count, .. } => count,
        _ => 0,
    });
    counts.fold(0, usize::saturating_add)
}

/// Returns by how much two clocks differ at most, in milliseconds.
fn apart_ms(scenario: &Scenario) -> u64 {
    let faults = scenario.faults.iter();
    let jumps = faults.filter_map(|fault| match fault.kind {
        FaultKind::Clock { ahead_ms, .. } => Some(ahead_ms.unsigned_abs()),
        _ => None,
    });
    // One is ahead and the other behind.
    let skew_ms = scenario.skew_ms.saturating_mul(2);
    skew_ms.saturating_add(jumps.sum())
}

/// Tells whether a machine may start for the first time when all entry points are gone for good.
fn newcomers_may_be_alone(scenario: &Scenario) -> bool {
    let population = &scenario.population;
    let mut classes = population.classes.iter();
    let come_late = population.churn != Churn::Always
        || classes.any(|class| class.churn != Churn::Always || class.kind == Kind::Phone);
    let arrived_ms = population.arrive_ms.saturating_add(MINUTE_MS);
    let too_early = |fault: &&FaultOptions| come_late || fault.at_ms < arrived_ms;
    deaths(scenario).filter(too_early).map(dead).sum::<usize>() >= ENTRIES
}

/// Tells whether those who keep a message may not be those whom its recipient asks, or may not keep it.
fn keepers_change(scenario: &Scenario) -> bool {
    let all_are_asked = scenario.keepers() <= CANDIDATES;
    let mut faults = scenario.faults.iter();
    let changes = |fault: &FaultOptions| match fault.kind {
        FaultKind::Crash { .. } | FaultKind::Kill { .. } => !all_are_asked,
        FaultKind::Weather { .. } => false,
        _ => true,
    };
    let population = &scenario.population;
    let comes_and_goes = population.churn != Churn::Always || !population.classes.is_empty();
    comes_and_goes || !scenario.adversaries.is_empty() || faults.any(changes)
}
