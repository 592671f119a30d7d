//! What people are told of a run.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::time::Duration;

use super::memory::peak_bytes;
use crate::observed::{Observed, Upkeep};
use crate::report::{Effect, Outcome, Report};
use crate::swarm;

/// Tells what a run has shown.
pub(super) fn show(out: &mut impl Write, report: &Report, took: Duration) -> io::Result<()> {
    let counts = &report.counts;
    let speed = report.virtual_ms as f64 / 1_000.0 / took.as_secs_f64().max(0.001);
    writeln!(
        out,
        "{}, seed {}, {} nodes, {} tier",
        report.scenario,
        report.seed,
        report.nodes,
        report.tier.name()
    )?;
    writeln!(
        out,
        "  {} of virtual time, {} events, in {:.2} s: {speed:.0} times as fast",
        virtually(report.virtual_ms),
        report.events,
        took.as_secs_f64()
    )?;
    if let Some(peak) = peak_bytes() {
        let each = peak / report.nodes.max(1) as u64;
        writeln!(
            out,
            "  memory: {} at most, {} for each node",
            mebibytes(peak),
            mebibytes(each)
        )?;
    }
    writeln!(
        out,
        "  messages: {} written, {} stored, {} shown, {} delivered, {} expired",
        counts.written, counts.stored, counts.shown, counts.delivered, counts.expired
    )?;
    writeln!(
        out,
        "  shown after: half within {}, 99 of 100 within {}",
        seconds(counts.shown_after_p50_ms),
        seconds(counts.shown_after_p99_ms)
    )?;
    writeln!(
        out,
        "  network: {} packets, {} bytes, {} overtaken; keepers hold {} bytes at the end",
        counts.packets, counts.bytes, counts.overtaken, counts.held_bytes
    )?;
    if let Some(seen) = &report.observed {
        copies(out, seen)?;
        traffic(out, seen)?;
    }
    if let Some(ms) = report.settled_after_ms {
        writeln!(
            out,
            "  settled {} minutes after the last fault",
            ms / 60_000
        )?;
    }
    for effect in &report.effects {
        writeln!(out, "  {}", changed(effect))?;
    }
    writeln!(
        out,
        "  trace: {} ({} lines)",
        report.trace_hash, report.trace_lines
    )?;
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    writeln!(out, "  {verdict}")
}

/// Tells what keepers and people sent and received, and what for.
fn traffic(out: &mut impl Write, seen: &Observed) -> io::Result<()> {
    for causes in &seen.causes {
        let mut by_cause: Vec<(&String, &u64)> = causes.by_cause.iter().collect();
        by_cause.sort_by_key(|(_, bytes)| Reverse(**bytes));
        let by_cause = by_cause
            .iter()
            .map(|(cause, bytes)| format!("{cause} {bytes}"));
        let by_cause: Vec<String> = by_cause.collect();
        writeln!(
            out,
            "  {} {}: {} bytes an hour each; by their own count {}",
            causes.machines,
            causes.who,
            causes.bytes_an_hour,
            by_cause.join(", ")
        )?;
    }
    Ok(())
}

/// Tells what a fault changed, at how many machines, and how often the end came before its own.
fn changed(effect: &Effect) -> String {
    let Effect { fault, changed, .. } = effect;
    let at = match effect.machines {
        0 => String::new(),
        1 => " at 1 machine".to_owned(),
        machines => format!(" at {machines} machines"),
    };
    let short = match effect.cut_short {
        0 => String::new(),
        times => format!("; cut short {times} times, by the end of all faults"),
    };
    format!("{fault}: changed {changed} things{at}{short}")
}

/// Returns a time of a run as people read it.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// Returns a length of virtual time, to the second.
pub(super) fn virtually(ms: u64) -> String {
    humantime::format_duration(Duration::from_secs(ms / 1_000)).to_string()
}

/// Returns a length of real time, to the second, or to the minute if it is an hour.
pub(super) fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    let rounded = if seconds < 3_600 {
        seconds
    } else {
        seconds / 60 * 60
    };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// Says what was broken, and how to see it again.
pub(super) fn broken(report: &Report, overrides: &[String]) -> String {
    let Outcome::Violated(violation) = &report.outcome else {
        return String::new();
    };
    format!(
        "{}, seed {}: {} at {}: {}\n  replay: {}",
        report.scenario,
        report.seed,
        violation.rule,
        seconds(violation.at_ms),
        violation.what,
        replay(report, overrides)
    )
}

/// Returns the command that makes a run again.
pub(super) fn replay(report: &Report, overrides: &[String]) -> String {
    let (tier, seed) = (report.tier.name(), report.seed);
    let what = match swarm::seed_of(&report.scenario) {
        Some(drawn) if drawn == seed => format!("--swarm {drawn} --tier {tier}"),
        Some(drawn) => format!("--swarm {drawn} --tier {tier} --seed {seed}"),
        None => format!("{} --tier {tier} --seed {seed}", quoted(&report.scenario)),
    };
    let sets = overrides
        .iter()
        .map(|set| format!(" --set {}", quoted(set)));
    format!("restante-sim run {what}{}", sets.collect::<String>())
}

/// Returns a word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes what became of copies at keepers.
fn copies(out: &mut impl Write, seen: &Observed) -> io::Result<()> {
    for seen in &seen.survivors {
        writeln!(
            out,
            "  {} of {} keepers gone for good: of {} messages with {} copies {} were left at keepers ({:.1} by chance)",
            seen.gone,
            seen.keepers,
            seen.waiting,
            seen.copies,
            seen.survived,
            seen.expected_millis as f64 / 1_000.0
        )?;
    }
    let Upkeep {
        lost,
        made,
        made_bytes,
        acks,
    } = seen.upkeep;
    writeln!(
        out,
        "  upkeep: {lost} copies lost, {made} made ({made_bytes} bytes), {acks} acks passed on"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_word_back() {
        for (word, shown) in [
            ("away.0.lasts=5d", "away.0.lasts=5d"),
            ("network.loss=[1, 2]", "'network.loss=[1, 2]'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn long_times_are_rounded() {
        for (seconds, shown) in [(0, "0s"), (59, "59s"), (3_599, "59m 59s"), (3_725, "1h 2m")] {
            assert_eq!(brief(Duration::from_secs(seconds)), shown);
        }
    }
}
