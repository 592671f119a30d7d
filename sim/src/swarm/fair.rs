//! What may be asked of the network: a drawn or shrunk scenario in which no network could do better shows no bug.

use restante_proto::limits::{CLOCK_SKEW_MS, MINUTE_MS, REPLICAS};
use restante_proto::placement::CANDIDATES;

use crate::scenario::{AdversaryKind, Churn, ENTRIES, Fault, FaultKind, Kind, Scenario};

/// Returns why a scenario asks for what the network does not promise, if it does.
pub(crate) fn unfair(scenario: &Scenario) -> Option<&'static str> {
    if scenario.workload.until_ms() > scenario.duration_ms() {
        return Some("messages are written when it is over");
    }
    if too_many_die(scenario) {
        return Some("more than half of the keepers die");
    }
    // One is ahead and the other behind. Clocks that jump are put right, and what is written then must arrive.
    if scenario.time.skew.get().saturating_mul(2) > CLOCK_SKEW_MS {
        return Some("clocks differ by more than they may for the whole run");
    }
    if newcomers_may_be_alone(scenario) {
        return Some("all that newcomers are told of may be dead");
    }
    if sybils(scenario) >= REPLICAS {
        // Addresses near the attacked one are theirs as well, and what is sent there is never kept.
        return Some("sybils fill a neighbourhood");
    }
    let gone = scenario.away.iter().any(|away| away.lasts.is_none());
    if gone && keepers_change(scenario) {
        // There is no repair between keepers: only a sender puts a message to where it belongs now.
        return Some("senders are gone for good while the nearest keepers change");
    }
    None
}

fn too_many_die(scenario: &Scenario) -> bool {
    deaths(scenario).map(dead).sum::<usize>() > scenario.keepers() / 2
}

fn deaths(scenario: &Scenario) -> impl Iterator<Item = &Fault> {
    let faults = scenario.faults.iter();
    faults.filter(|fault| matches!(fault.kind, FaultKind::Kill { .. }))
}

/// Returns how many a fault that kills hits at most; the reader sees to it that there is room for the sum.
fn dead(fault: &Fault) -> usize {
    let times = usize::try_from(fault.times).unwrap_or(usize::MAX);
    let count = fault.kind.hits().map_or(0, |(_, count)| count);
    count.saturating_mul(times)
}

fn sybils(scenario: &Scenario) -> usize {
    let adversaries = scenario.adversaries.iter();
    let counts = adversaries.map(|adversary| match adversary.kind {
        AdversaryKind::Sybil { count, .. } => count,
        _ => 0,
    });
    counts.fold(0, usize::saturating_add)
}

/// Tells whether a machine may start for the first time when all entry points are gone for good.
fn newcomers_may_be_alone(scenario: &Scenario) -> bool {
    let mut classes = scenario.classes.iter();
    let come_late = scenario.population.churn != Churn::Always
        || classes.any(|class| class.churn() != Churn::Always || class.kind == Kind::Phone);
    let arrived_ms = scenario.time.arrive.get().saturating_add(MINUTE_MS);
    let too_early = |fault: &&Fault| come_late || fault.at.get() < arrived_ms;
    deaths(scenario).filter(too_early).map(dead).sum::<usize>() >= ENTRIES
}

/// Tells whether those who keep a message may not be those whom its recipient asks, or may not keep it.
fn keepers_change(scenario: &Scenario) -> bool {
    let all_are_asked = scenario.keepers() <= CANDIDATES;
    let mut faults = scenario.faults.iter();
    let changes = |fault: &Fault| match fault.kind {
        FaultKind::Crash { .. } | FaultKind::Kill { .. } => !all_are_asked,
        FaultKind::Weather { .. } => false,
        _ => true,
    };
    let comes_and_goes = scenario.population.churn != Churn::Always || !scenario.classes.is_empty();
    comes_and_goes || !scenario.adversaries.is_empty() || faults.any(changes)
}
