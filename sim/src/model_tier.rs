//! The model tier: a million nodes and months, for planning capacity.
//!
//! Nodes are counted, not run (`restante-sim-model` says what that leaves out); senders and recipients are the
//! protocol's own state machines. A scenario is translated into the model's options, what happens to messages becomes
//! the trace, and what the model finds out becomes a report.

use std::io::{self, Write};

use restante_sim_model::{Progress as Step, Report as Findings, Seen, Watch, run};

use crate::clock::Instant;
use crate::full::Progress;
use crate::observed::Upkeep;
use crate::options::Outturn;
use crate::report::{Counts, Effect, Outcome, Report, Tier, Violation};
use crate::scenario::Scenario;
use crate::trace::Trace;

mod options;
#[cfg(test)]
mod tests;

pub(crate) use self::options::missing;

/// Runs a scenario on the model.
///
/// # Errors
///
/// What goes wrong with writing the trace; and when the scenario asks for what no model can have.
pub(crate) fn simulate(
    scenario: &Scenario,
    seed: u64,
    sink: Option<&mut dyn Write>,
    told: &dyn Fn(Progress),
) -> io::Result<Report> {
    let options = options::of(scenario).map_err(io::Error::other)?;
    let mut ears = Ears {
        trace: Trace::new(sink),
        told,
    };
    let findings = run(&options, seed, &mut ears).map_err(io::Error::other)?;
    let mut trace = ears.trace;
    let end = Instant(findings.duration_ms);
    trace.line(end, format_args!("{:?}", findings.messages));
    trace.line(end, format_args!("{:?}", findings.lookups));
    trace.line(end, format_args!("{:?}", findings.bytes));
    let mut report = report(scenario, seed, findings);
    if let Outcome::Violated(violation) = &report.outcome {
        trace.line(
            end,
            format_args!("! {}: {}", violation.rule, violation.what),
        );
    }
    (report.trace_hash, report.trace_lines) = trace.finish()?;
    Ok(report)
}

/// Writes down what a model tells.
struct Ears<'a, 'b> {
    trace: Trace<'a>,
    told: &'b dyn Fn(Progress),
}

impl Watch for Ears<'_, '_> {
    fn on_progress(&mut self, step: &Step) {
        self.trace.line(
            Instant(step.now_ms),
            format_args!("{} events, {} lookups", step.events, step.lookups),
        );
        (self.told)(Progress {
            virtual_ms: step.now_ms,
            end_ms: step.until_ms,
            written: step.written,
            shown: step.delivered,
        });
    }

    fn on_message(&mut self, at_ms: u64, message: u32, seen: Seen) {
        let what = match seen {
            Seen::Written => "is written",
            Seen::Stored => "is stored",
            Seen::Delivered => "is shown",
            Seen::Known => "is known to be delivered",
            Seen::Expired => "has expired",
            Seen::Lost => "is lost",
        };
        self.trace
            .line(Instant(at_ms), format_args!("m{message} {what}"));
    }
}

fn report(scenario: &Scenario, seed: u64, findings: Findings) -> Report {
    let (messages, bytes) = (&findings.messages, &findings.bytes);
    let counts = Counts {
        written: messages.written,
        stored: messages.stored,
        shown: messages.delivered,
        delivered: messages.known,
        expired: messages.expired,
        lost: messages.lost,
        duplicates: messages.twice,
        shown_after_p50_ms: findings.shown_ms.p50,
        shown_after_p99_ms: findings.shown_ms.p99,
        packets: bytes.packets,
        bytes: bytes.total,
        held_bytes: bytes.held,
        ..Counts::default()
    };
    let effects = effects(scenario, &findings);
    let outcome = judge(scenario, &counts, &effects, findings.duration_ms);
    Report {
        scenario: scenario.name.clone(),
        tier: Tier::Model,
        seed,
        nodes: scenario.nodes,
        outcome,
        trace_hash: String::new(),
        trace_lines: 0,
        events: findings.events,
        virtual_ms: findings.duration_ms,
        settled_after_ms: None,
        counts,
        effects,
        observed: None,
        model: Some(Box::new(findings)),
    }
}

/// Returns what churn and absences changed.
fn effects(scenario: &Scenario, findings: &Findings) -> Vec<Effect> {
    let mut effects = Vec::new();
    if options::churns(scenario) {
        effects.push(Effect {
            fault: "churn".to_owned(),
            changed: findings.turns,
        });
    }
    if options::is_anybody_away(scenario) {
        effects.push(Effect {
            fault: "recipients away".to_owned(),
            changed: findings.messages.visits,
        });
    }
    effects
}

fn judge(scenario: &Scenario, counts: &Counts, effects: &[Effect], at_ms: u64) -> Outcome {
    let violated = |rule: &'static str, what: String| {
        Outcome::Violated(Violation {
            rule: rule.into(),
            what,
            at_ms,
        })
    };
    if counts.duplicates > 0 {
        let what = format!("{} messages were taken twice", counts.duplicates);
        return violated("once", what);
    }
    let outturn = Outturn {
        counts,
        nodes: scenario.nodes,
        virtual_ms: at_ms,
        settled_after_ms: None,
        upkeep: Upkeep::default(),
    };
    match crate::checker::at_last(scenario, &outturn, effects) {
        Some((rule, what)) => violated(rule, what),
        None => Outcome::Passed,
    }
}
