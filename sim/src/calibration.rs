//! Calibration: one small scenario on whole nodes in virtual time, on the model, and on real processes.
//!
//! Each run becomes the same few figures. Figures of many runs are put side by side with intervals of 95 %; where two
//! intervals do not touch, that is said in words.
//!
//! What is compared: messages between people who know each other. The first message of each pair pays with a stamp,
//! which the model does not have, and the next ones do until the reader's word has come back; these are left out, and
//! so is a message under way while its reader leaves.

use std::io;
use std::num::NonZero;
use std::path::PathBuf;

use serde::Serialize;

use crate::scenario::Scenario;
use crate::statistics::{Estimate, mean, percentile, share, whole};

mod account;
mod page;
mod processes;
mod simulated;
#[cfg(test)]
mod tests;

pub(crate) use self::page::page;

/// The scenario that is run three times.
pub(crate) const SCENARIO: &str = "calibration";

/// How often what is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Runs on the full tier and on the model, each with another seed.
    pub(crate) seeds: NonZero<u64>,
    /// Runs on real processes.
    pub(crate) batches: NonZero<u64>,
    /// Where the programs lie.
    pub(crate) programs: PathBuf,
}

/// What one run has shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Run {
    /// Messages that are compared.
    pub(crate) written: u64,
    /// Those that were shown.
    pub(crate) shown: u64,
    /// Times a message was shown again.
    pub(crate) duplicates: u64,
    /// From writing to showing, for readers who were there, in milliseconds.
    pub(crate) online_ms: Vec<f64>,
    /// From the reader's return to showing, in milliseconds.
    pub(crate) after_return_ms: Vec<f64>,
    /// Copies of each message that waited, while its reader was away.
    pub(crate) copies: Option<f64>,
    /// Bytes that all nodes sent for each message to readers who were there, beyond what they send anyhow.
    pub(crate) bytes: Option<f64>,
    /// Lookups for each message.
    pub(crate) lookups: Option<f64>,
}

/// Where a scenario was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ground {
    /// On processes of the shipped programs, on one machine's loopback.
    Processes,
    /// On whole nodes in virtual time.
    Full,
    /// On the model.
    Model,
}

impl Ground {
    /// All of them, in the order of columns.
    pub(crate) const ALL: [Self; 3] = [Self::Processes, Self::Full, Self::Model];

    /// Returns how people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Processes => "real processes",
            Self::Full => "full tier",
            Self::Model => "model",
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Share of messages that were shown.
    Delivery,
    /// Share of those shown that were shown again.
    Duplicates,
    /// Median time from writing to showing.
    OnlineP50,
    /// 99th percentile of that.
    OnlineP99,
    /// Median time from the reader's return to showing.
    AfterReturnP50,
    /// 99th percentile of that.
    AfterReturnP99,
    /// Copies of a message that waits.
    Copies,
    /// Bytes for a message.
    Bytes,
    /// Lookups for a message.
    Lookups,
}

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// A part of a whole.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// Things.
    Number,
    /// Bytes.
    Bytes,
}

impl Figure {
    const ALL: [Self; 9] = [
        Self::Delivery,
        Self::Duplicates,
        Self::OnlineP50,
        Self::OnlineP99,
        Self::AfterReturnP50,
        Self::AfterReturnP99,
        Self::Copies,
        Self::Bytes,
        Self::Lookups,
    ];

    /// Returns how people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delivery => "share of messages shown",
            Self::Duplicates => "share shown more than once",
            Self::OnlineP50 => "writing to showing, p50",
            Self::OnlineP99 => "writing to showing, p99",
            Self::AfterReturnP50 => "return to showing, p50",
            Self::AfterReturnP99 => "return to showing, p99",
            Self::Copies => "copies of a waiting message",
            Self::Bytes => "bytes for a message",
            Self::Lookups => "lookups for a message",
        }
    }

    /// Returns in what it is counted.
    pub(crate) const fn measure(self) -> Measure {
        match self {
            Self::Delivery | Self::Duplicates => Measure::Share,
            Self::OnlineP50 | Self::OnlineP99 | Self::AfterReturnP50 | Self::AfterReturnP99 => {
                Measure::Milliseconds
            }
            Self::Copies | Self::Lookups => Measure::Number,
            Self::Bytes => Measure::Bytes,
        }
    }

    /// Estimates it from runs; nothing if they do not say.
    fn of(self, runs: &[Run]) -> Option<Estimate> {
        let sum = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>();
        let groups = |of: fn(&Run) -> &Vec<f64>| runs.iter().map(|run| of(run).clone()).collect();
        let each =
            |of: fn(&Run) -> Option<f64>| mean(&runs.iter().filter_map(of).collect::<Vec<_>>());
        let online: &dyn Fn() -> Vec<Vec<f64>> = &|| groups(|run| &run.online_ms);
        let returned: &dyn Fn() -> Vec<Vec<f64>> = &|| groups(|run| &run.after_return_ms);
        match self {
            Self::Delivery => share(sum(|run| run.shown), sum(|run| run.written)),
            Self::Duplicates => share(sum(|run| run.duplicates), sum(|run| run.shown)),
            Self::OnlineP50 => percentile(&online(), 50),
            Self::OnlineP99 => percentile(&online(), 99),
            Self::AfterReturnP50 => percentile(&returned(), 50),
            Self::AfterReturnP99 => percentile(&returned(), 99),
            Self::Copies => each(|run| run.copies),
            Self::Bytes => each(|run| run.bytes),
            Self::Lookups => each(|run| run.lookups),
        }
    }
}

/// One figure on each ground.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Which.
    pub(crate) figure: Figure,
    /// What it is counted in.
    pub(crate) measure: Measure,
    /// On real processes; nothing where they do not say.
    pub(crate) processes: Option<Estimate>,
    /// On the full tier.
    pub(crate) full: Option<Estimate>,
    /// On the model.
    pub(crate) model: Option<Estimate>,
    /// Where two differ by more than their error bars, in words.
    pub(crate) differences: Vec<String>,
}

/// Everything that was found out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Calibration {
    /// Runs on the full tier and on the model.
    pub(crate) seeds: u64,
    /// Runs on real processes.
    pub(crate) batches: u64,
    /// Messages compared on real processes, on the full tier and on the model.
    pub(crate) messages: [u64; 3],
    /// The figures.
    pub(crate) rows: Vec<Row>,
    /// What to know about them.
    pub(crate) notes: Vec<&'static str>,
}

/// What has to be known about all figures.
const NOTES: [&str; 7] = [
    "Error bars are intervals of 95 %: Wilson's for shares, Student's for means over runs, whole runs drawn anew for \
     percentiles.",
    "Compared are messages after the first of each pair, once the reader's word was back: they need no stamp.",
    "The network of both tiers costs no time, as loopback nearly does; a write costs up to 4 ms of virtual time on \
     the full tier and on the model. Real disks and processors cost what they do.",
    "The full tier computes in 3 ms of virtual time what opens an envelope; the model computes nothing.",
    "Bytes are those that all nodes sent while readers were there, less what they send anyhow: on the full tier with \
     all that connections take, in the model without. Real processes do not say.",
    "A single run has no error bars, and is not said to differ.",
    "Only the model counts lookups; its bytes for them are an estimate.",
];

impl Calibration {
    fn of(grounds: &[Vec<Run>; 3]) -> Self {
        let [processes, full, model] = grounds;
        let messages = |runs: &Vec<Run>| runs.iter().map(|run| run.written).sum();
        let row = |figure: Figure| {
            let all = [figure.of(processes), figure.of(full), figure.of(model)];
            // One run has no error bars, but for a share of its messages.
            let has_bars = |runs: &Vec<Run>| figure.measure() == Measure::Share || runs.len() > 1;
            let judged = [0, 1, 2].map(|place| all[place].filter(|_| has_bars(&grounds[place])));
            let [processes, full, model] = all;
            Row {
                figure,
                measure: figure.measure(),
                processes,
                full,
                model,
                differences: differences(figure, &judged),
            }
        };
        Self {
            seeds: full.len() as u64,
            batches: processes.len() as u64,
            messages: [messages(processes), messages(full), messages(model)],
            rows: Figure::ALL.map(row).to_vec(),
            notes: NOTES.to_vec(),
        }
    }
}

impl Row {
    /// Returns the figure on each ground, in their order.
    pub(crate) const fn estimates(&self) -> [Option<Estimate>; 3] {
        [self.processes, self.full, self.model]
    }
}

/// Returns, in words, which two of three differ by more than their error bars.
fn differences(figure: Figure, all: &[Option<Estimate>; 3]) -> Vec<String> {
    let mut found = Vec::new();
    let pairs = [(0, 1), (0, 2), (1, 2)];
    for (one, other) in pairs {
        let (Some(left), Some(right)) = (all[one], all[other]) else {
            continue;
        };
        if left.low <= right.high && right.low <= left.high {
            continue;
        }
        let [high, low] = if left.value > right.value {
            [(one, left), (other, right)]
        } else {
            [(other, right), (one, left)]
        };
        found.push(format!(
            "{}: {} on the {} is more than {} on the {}, beyond the error bars",
            figure.name(),
            shown(figure.measure(), high.1.value),
            Ground::ALL[high.0].name(),
            shown(figure.measure(), low.1.value),
            Ground::ALL[low.0].name()
        ));
    }
    found
}

/// Returns a figure as people read it.
pub(crate) fn shown(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Share => format!("{:.2} %", 100.0 * value),
        Measure::Milliseconds if value >= 10_000.0 => format!("{:.1} s", value / 1_000.0),
        Measure::Milliseconds => format!("{value:.0} ms"),
        Measure::Number => format!("{value:.2}"),
        Measure::Bytes if value.abs() >= 10_240.0 => format!("{:.1} KiB", value / 1_024.0),
        Measure::Bytes => format!("{value:.0} B"),
    }
}

/// Runs the scenario on all grounds; `told` hears of every run that begins.
///
/// # Errors
///
/// What kept one of them from running.
pub(crate) fn calibrate(
    scenario: &Scenario,
    plan: &Plan,
    told: &dyn Fn(Ground, u64, u64),
) -> io::Result<Calibration> {
    let (seeds, batches) = (plan.seeds.get(), plan.batches.get());
    let model = (1..=seeds).map(|seed| {
        told(Ground::Model, seed, seeds);
        simulated::on_model(scenario, seed)
    });
    let model = model.collect::<io::Result<Vec<_>>>()?;
    let full = (1..=seeds).map(|seed| {
        told(Ground::Full, seed, seeds);
        simulated::on_full(scenario, seed)
    });
    let full = full.collect::<io::Result<Vec<_>>>()?;
    let processes = (1..=batches).map(|batch| {
        told(Ground::Processes, batch, batches);
        processes::run(&plan.programs)
    });
    let processes = processes.collect::<io::Result<Vec<_>>>()?;
    Ok(Calibration::of(&[processes, full, model]))
}

/// Returns the mean of counts for each of something; nothing for none.
fn per(count: f64, of: u64) -> Option<f64> {
    (of > 0).then(|| count / whole(of))
}
