//! What becomes of messages to people who are away for a while, over many seeds of whole nodes: figures with 95 %
//! intervals.
//!
//! Each seed is run twice, with its messages and without any. Who comes and goes is the same in both, so that the
//! difference in bytes is what the messages cost; it is taken at the end of the faults, the same moment in both.

use std::time::Duration;

use restante_sim::Report;
use restante_sim::observed::Observed;

use crate::statistics::{Estimate, mean, percentile, share, whole};

mod runs;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::runs::Plan;
pub(crate) use self::text::markdown;

/// How long recipients are away, for each row.
pub(crate) const ROWS: [Duration; 3] = [
    Duration::from_secs(3_600),
    Duration::from_secs(86_400),
    Duration::from_secs(5 * 86_400),
];

/// What one seed has shown, without the pictures.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    seed: u64,
    written: u64,
    shown: u64,
    duplicates: u64,
    /// Seconds from the recipient's return to showing, of each message that waited.
    waits: Vec<f64>,
    /// Bytes that all machines sent until the faults ended.
    bytes: u64,
    /// The same without messages.
    idle_bytes: u64,
    /// Messages that waited for those who came back.
    waiting: u64,
    /// Keepers that had one of them and were running, summed over these messages.
    copies: u64,
    /// The rule that was broken, if one was.
    broken: Option<String>,
}

/// One row: how long recipients are away, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// How long recipients are away, in seconds.
    pub(crate) away_s: u64,
    /// Seeds that were run, from the first.
    pub(crate) seeds: u64,
    /// Messages written.
    pub(crate) written: u64,
    /// Seeds that broke a rule, each with the rule.
    pub(crate) broken: Vec<(u64, String)>,
    /// Share of the messages written that were shown.
    pub(crate) ratio: Option<Estimate>,
    /// Share of the messages written that were shown again.
    pub(crate) duplicates: Option<Estimate>,
    /// Half of the messages that waited were shown within so many seconds of the recipient's return.
    pub(crate) wait_p50: Option<Estimate>,
    /// And 99 of 100 within so many.
    pub(crate) wait_p99: Option<Estimate>,
    /// Bytes sent by all machines for each message written, whatever they were for.
    pub(crate) bytes_all: Option<Estimate>,
    /// Bytes sent for each message written beyond what the same network sends without messages.
    pub(crate) bytes_more: Option<Estimate>,
    /// Running keepers that had a message when its recipient came back.
    pub(crate) copies: Option<Estimate>,
}

impl Sample {
    /// Takes what is needed from a run and from the same without messages; nothing if one has not seen it.
    fn of(report: &Report, idle: &Report) -> Option<Self> {
        let (seen, nothing) = (report.observed.as_ref()?, idle.observed.as_ref()?);
        let (bytes, idle_bytes) = sent_until_healed(seen, nothing)?;
        Some(Self {
            seed: report.seed,
            written: report.counts.written,
            shown: report.counts.shown,
            duplicates: report.counts.duplicates,
            waits: seen
                .after_return_ms
                .iter()
                .map(|ms| whole(*ms) / 1_000.0)
                .collect(),
            bytes,
            idle_bytes,
            waiting: seen.returns.iter().map(|one| one.waiting).sum(),
            copies: seen.returns.iter().map(|one| one.copies).sum(),
            broken: report
                .violation()
                .map(|violation| violation.rule.to_string()),
        })
    }
}

/// Returns the bytes sent in both runs up to the last moment before the end of the faults that both have seen.
fn sent_until_healed(one: &Observed, other: &Observed) -> Option<(u64, u64)> {
    let healed_ms = one.healed_ms.min(other.healed_ms);
    let mut moments = one.samples.iter().rev();
    moments.find_map(|sample| {
        let mut same = other.samples.iter();
        let twin = same.find(|twin| twin.at_ms == sample.at_ms && sample.at_ms <= healed_ms)?;
        Some((sample.sent_bytes, twin.sent_bytes))
    })
}

/// Sums up the seeds of one row.
fn row(away: Duration, samples: &[Sample]) -> Row {
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
    let (written, shown) = (sum(|one| one.written), sum(|one| one.shown));
    let duplicated = sum(|one| one.duplicates);
    let groups: Vec<Vec<f64>> = samples.iter().map(|one| one.waits.clone()).collect();
    let each = |of: &dyn Fn(&Sample) -> f64, parts: fn(&Sample) -> u64| {
        let usable = samples.iter().filter(|one| parts(one) > 0);
        let values: Vec<f64> = usable.map(|one| of(one) / whole(parts(one))).collect();
        mean(&values)
    };
    let broken = samples.iter();
    let broken = broken.filter_map(|one| Some((one.seed, one.broken.clone()?)));
    Row {
        away_s: away.as_secs(),
        seeds: samples.len() as u64,
        written,
        broken: broken.collect(),
        ratio: share(shown, written),
        duplicates: share(duplicated, written),
        wait_p50: percentile(&groups, 50),
        wait_p99: percentile(&groups, 99),
        bytes_all: each(&|one| whole(one.bytes), |one| one.written),
        bytes_more: each(&|one| whole(one.bytes) - whole(one.idle_bytes), |one| {
            one.written
        }),
        copies: each(&|one| whole(one.copies), |one| one.waiting),
    }
}
