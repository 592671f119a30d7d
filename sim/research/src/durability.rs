//! How likely it is that all keepers of a message are gone before anybody has fetched it, by the number of copies, the
//! receipts that make it stored, the life of nodes and the time that repair takes.
//!
//! The figures are computed; they are checked against messages drawn one by one where losses are common, and by
//! splitting where they are rare. What repair costs is counted in a network of the model tier.

use std::time::Duration;

use self::keeping::{Delay, Keeping, KeepingError, Law};
use crate::model::{Options, OptionsError, Progress, Recipients, Repair, Senders, Span, run};
use crate::statistics::{Estimate, mean, whole};
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS, receipts_wanted};

mod keeping;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::text::markdown;

/// Copies that are looked at.
pub(crate) const COPIES: [usize; 6] = [3, 4, 5, 6, 7, 8];
/// Mean lives of nodes, unless others are asked for.
pub(crate) const LIVES: [Duration; 3] = [hours(8), hours(24), hours(72)];
/// Times that repair takes, unless others are asked for.
pub(crate) const REPAIRS: [Duration; 5] = [
    minutes(1),
    minutes(5),
    minutes(10),
    minutes(20),
    minutes(60),
];
/// What may be lost where nodes live for a day and more, and where they do not.
const BOUNDS: [f64; 2] = [1e-6, 1e-4];
/// Time that repair takes where its cost is counted, in milliseconds.
const COUNTED_REPAIR_MS: u64 = 10 * MINUTE_MS;
/// Nodes of the network in which it is counted.
const COUNTED_NODES: u32 = 1_000;
/// Messages there.
const COUNTED_MESSAGES: u32 = 300;
/// Batches of a splitting.
const BATCHES: usize = 10;
/// Losses from this on are common enough to wait for them.
const COMMON: f64 = 1e-3;
/// What is checked: hours that nodes live, minutes that repair takes, copies and receipts.
const CHECKED: [(u64, u64, usize, usize); 7] = [
    (4, 5, 3, 3),
    (2, 20, 5, 5),
    (2, 10, 5, 3),
    (8, 60, 5, 5),
    (8, 10, 5, 5),
    (24, 10, 5, 5),
    (24, 10, 5, 3),
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Mean lives of nodes.
    pub(crate) lives: Vec<Duration>,
    /// Times that repair takes.
    pub(crate) repairs: Vec<Duration>,
    /// How often neighbours compare what they hold.
    pub(crate) compare: Duration,
    /// How long messages have to last.
    pub(crate) lasts: Duration,
    /// Repair begins when fewer hold a message; at once if it is not said.
    pub(crate) below: Option<usize>,
    /// Messages of each batch of the check; 0 leaves it out.
    pub(crate) messages: usize,
    /// What all randomness comes from.
    pub(crate) seed: u64,
}

/// What was found out; times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Durability {
    /// How long messages have to last.
    pub(crate) lasts_s: u64,
    /// How often neighbours compare what they hold.
    pub(crate) compare_s: u64,
    /// Repair begins when fewer hold a message; at once if there is nothing.
    pub(crate) below: Option<usize>,
    /// Probabilities of loss.
    pub(crate) losses: Vec<Loss>,
    /// How long repair may take.
    pub(crate) limits: Vec<Limit>,
    /// What repair costs.
    pub(crate) costs: Vec<Cost>,
    /// What simulations say.
    pub(crate) checks: Vec<Check>,
}

/// The probability that a message is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loss {
    /// Mean life of nodes, in seconds.
    pub(crate) life_s: u64,
    /// From a loss to the copy that makes up for it, in seconds.
    pub(crate) repair_s: u64,
    /// Copies wanted: R.
    pub(crate) copies: usize,
    /// Receipts that make a message stored: W.
    pub(crate) receipts: usize,
    /// When the sender reached all R.
    pub(crate) from_all: f64,
    /// When it reached W, and was gone then.
    pub(crate) from_receipts: f64,
}

/// How long repair may take with a loss within the bound, in seconds; nothing if a second is too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    /// Mean life of nodes, in seconds.
    pub(crate) life_s: u64,
    /// Copies wanted: R.
    pub(crate) copies: usize,
    /// What may be lost.
    pub(crate) bound: f64,
    /// When the sender reached all R.
    pub(crate) from_all_s: Option<u64>,
    /// When it reached W, and was gone then.
    pub(crate) from_receipts_s: Option<u64>,
}

/// What repair costs in a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Mean life of nodes, in seconds.
    pub(crate) life_s: u64,
    /// Copies wanted: R.
    pub(crate) copies: usize,
    /// Copies made for each message in a day.
    pub(crate) made: f64,
    /// One for each of the R nearest that leaves.
    pub(crate) least: f64,
    /// Nodes that hold a message, those included that nearer ones have pushed out of the R nearest.
    pub(crate) holders: f64,
}

/// What simulations say of one point; intervals are of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Check {
    /// Mean life of nodes, in seconds.
    pub(crate) life_s: u64,
    /// From a loss to the copy that makes up for it, in seconds.
    pub(crate) repair_s: u64,
    /// Copies wanted: R.
    pub(crate) copies: usize,
    /// Copies at first.
    pub(crate) receipts: usize,
    /// The probability that was computed.
    pub(crate) computed: f64,
    /// Messages drawn one by one, with the law that is computed with; only where losses are common.
    pub(crate) drawn: Option<Estimate>,
    /// Splitting, with the law that is computed with.
    pub(crate) split: Option<Estimate>,
    /// Splitting, with a delay that is always the same.
    pub(crate) steady: Option<Estimate>,
}

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DurabilityError {
    /// A message that cannot be.
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    /// A network that cannot be.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

impl Asked {
    /// Finds it all out; minutes of computing with the defaults.
    pub(crate) fn answer(&self) -> Result<Durability, DurabilityError> {
        let mut found = Durability {
            lasts_s: self.lasts.as_secs(),
            compare_s: self.compare.as_secs(),
            below: self.below,
            losses: Vec::new(),
            limits: Vec::new(),
            costs: Vec::new(),
            checks: Vec::new(),
        };
        for life in &self.lives {
            for copies in COPIES {
                for repair in &self.repairs {
                    found.losses.push(self.loss(*life, *repair, copies)?);
                }
                found.limits.push(self.limit(*life, copies)?);
                found.costs.push(self.cost(*life, copies)?);
            }
        }
        if self.messages > 0 {
            for point in CHECKED {
                found.checks.push(self.check(point)?);
            }
        }
        Ok(found)
    }

    /// Returns a message whose sender reached all its keepers.
    fn keeping(&self, life: Duration, repair: Duration, copies: usize) -> Keeping {
        Keeping {
            copies,
            receipts: copies,
            below: self.below.unwrap_or(copies).min(copies),
            life_ms: ms(life),
            repair: Delay::fixed(ms(repair)),
            catch_up: Delay {
                least_ms: 0,
                most_ms: ms(self.compare),
            },
            lasts_ms: ms(self.lasts),
        }
    }

    fn loss(&self, life: Duration, repair: Duration, copies: usize) -> Result<Loss, KeepingError> {
        let all = self.keeping(life, repair, copies);
        let receipts = receipts_wanted(copies);
        Ok(Loss {
            life_s: life.as_secs(),
            repair_s: repair.as_secs(),
            copies,
            receipts,
            from_all: all.loss()?,
            from_receipts: Keeping { receipts, ..all }.loss()?,
        })
    }

    fn limit(&self, life: Duration, copies: usize) -> Result<Limit, KeepingError> {
        let [long, short] = BOUNDS;
        let bound = if life >= hours(24) { long } else { short };
        let all = self.keeping(life, minutes(1), copies);
        let receipts = receipts_wanted(copies);
        let seconds = |ms: Option<u64>| ms.map(|ms| ms / 1_000);
        Ok(Limit {
            life_s: life.as_secs(),
            copies,
            bound,
            from_all_s: seconds(all.longest_repair_ms(bound)?),
            from_receipts_s: seconds(Keeping { receipts, ..all }.longest_repair_ms(bound)?),
        })
    }

    fn cost(&self, life: Duration, copies: usize) -> Result<Cost, OptionsError> {
        let lasts_ms = ms(self.lasts);
        let options = Options {
            nodes: COUNTED_NODES,
            messages: COUNTED_MESSAGES,
            duration_ms: lasts_ms + 2 * HOUR_MS,
            writing_ms: HOUR_MS,
            mean_life_ms: Some(ms(life)),
            ttl: Span::Fixed(lasts_ms),
            senders: Senders::UntilStored,
            recipients: Recipients::Sometimes {
                away: Span::Fixed(2 * lasts_ms),
                here: Span::Fixed(1),
            },
            copies,
            repair: Some(Repair {
                after: Some(Span::Fixed(COUNTED_REPAIR_MS)),
                interval_ms: ms(self.compare),
                threshold: self.below.unwrap_or(copies).min(copies),
                copies,
            }),
            ..Options::default()
        };
        let report = run(&options, self.seed, &mut |_: &Progress| {})?;
        let days = whole(lasts_ms) / whole(DAY_MS);
        let written = whole(report.messages.written);
        let samples = report.copies.iter();
        let settled = samples.filter(|sample| {
            sample.at_ms > lasts_ms / 2 && sample.waiting == report.messages.written
        });
        let each = settled.map(|sample| whole(sample.waiting_copies) / written);
        let holders = mean(&each.collect::<Vec<f64>>());
        Ok(Cost {
            life_s: life.as_secs(),
            copies,
            made: whole(report.repair.copies) / written / days,
            least: whole(copies as u64) * whole(DAY_MS) / whole(ms(life)),
            holders: holders.map_or(0.0, |holders| holders.value),
        })
    }

    fn check(&self, point: (u64, u64, usize, usize)) -> Result<Check, KeepingError> {
        let (life_hours, repair_minutes, copies, receipts) = point;
        let keeping = Keeping {
            receipts,
            ..self.keeping(hours(life_hours), minutes(repair_minutes), copies)
        };
        let computed = keeping.loss()?;
        let all = (self.messages * BATCHES) as u64;
        let drawn = if computed >= COMMON {
            keeping.draw(Law::Exponential, self.seed, all)?
        } else {
            None
        };
        let split = |law| keeping.split(law, self.seed, BATCHES, self.messages);
        Ok(Check {
            life_s: keeping.life_ms / 1_000,
            repair_s: keeping.repair.least_ms / 1_000,
            copies,
            receipts,
            computed,
            drawn,
            split: mean(&split(Law::Exponential)?),
            steady: mean(&split(Law::Uniform)?),
        })
    }
}

impl Check {
    /// Tells whether what was drawn agrees with what was computed, to four standard errors.
    pub(crate) fn agrees(&self) -> bool {
        let [drawn, split] = [self.drawn, self.split].map(|estimate| {
            estimate.is_none_or(|Estimate { value, low, high }| {
                (value - self.computed).abs() <= high - low
            })
        });
        drawn && split
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
