//! From a scenario to the options of a model.

use restante_proto::envelope::OVERHEAD_BYTES;
use restante_proto::limits::{ENVELOPE_BYTES, MINUTE_MS};
use restante_sim_model::{BadOptions, Options, Recipients, Repair, Senders, Span};
use restante_sim_population::{Churn, Regions};

use crate::options::{AwayOptions, DiskOptions, ModelOptions, Who};
use crate::scenario::Scenario;

/// What a message has beside its text, in bytes: names, a signature, a sender's keys. An estimate.
const MESSAGE_BYTES: u64 = 400;
/// One, in a million.
const ONE_PPM: f64 = 1_000_000.0;

/// Returns what of a scenario no model has, if there is something.
pub(crate) fn missing(scenario: &Scenario) -> Option<&'static str> {
    let away = |away: &AwayOptions| matches!(away.who, Who::Recipients);
    let model = scenario.model.as_ref();
    let has_recipients = model.is_some_and(|model| model.recipients.is_some());
    let network = &scenario.network;
    let missing = [
        (!scenario.faults.is_empty(), "faults"),
        (!scenario.adversaries.is_empty(), "adversaries"),
        (!scenario.population.classes.is_empty(), "classes"),
        (scenario.skew_ms > 0, "clocks that are wrong"),
        (network.loss_ppm > 0, "loss"),
        (network.duplicate_ppm > 0, "duplicates"),
        (
            scenario.disk.cap_bytes != DiskOptions::CAP_BYTES,
            "limits of disks",
        ),
        (
            !scenario.away.iter().all(away) || scenario.away.len() > 1,
            "absence but one of all recipients",
        ),
        (
            has_recipients && !scenario.away.is_empty(),
            "absence beside `model.recipients`",
        ),
    ];
    let mut missing = missing.iter().filter(|(is_missing, _)| *is_missing);
    missing.next().map(|(_, what)| *what)
}

/// Tells whether nodes come and go.
pub(super) fn churns(scenario: &Scenario) -> bool {
    let lives = scenario.model.as_ref().and_then(|model| model.life_ms);
    scenario.population.churn != Churn::Always || lives.is_some()
}

/// Tells whether recipients are away at times.
pub(super) fn is_anybody_away(scenario: &Scenario) -> bool {
    let model = scenario.model.as_ref();
    !scenario.away.is_empty() || model.is_some_and(|model| model.recipients.is_some())
}

/// Returns the options of a model.
///
/// # Errors
///
/// [`BadOptions`] for what no model can be.
pub(super) fn of(scenario: &Scenario) -> Result<Options, BadOptions> {
    let defaults = ModelOptions::default();
    let model = scenario.model.as_ref().unwrap_or(&defaults);
    let workload = &scenario.workload;
    let options = Options {
        nodes: small(scenario.keepers() as u64),
        duration_ms: scenario.duration_ms + scenario.settle_ms,
        churn: vec![(1, scenario.population.churn.clone())],
        mean_life_ms: model.life_ms,
        dead_share: part(model.dead_ppm),
        regions: regions(scenario),
        messages: small(workload.messages),
        from_ms: workload.from_ms.max(MINUTE_MS),
        writing_ms: workload.over_ms.max(1),
        ttl: Span::Uniform(workload.ttl_ms.0, workload.ttl_ms.1),
        sizes: sizes(workload.bytes),
        senders: match model.senders {
            None => Senders::Always,
            Some(times) => Senders::Sometimes {
                here: Span::Exponential(times.here_ms),
                away: Span::Exponential(times.away_ms),
            },
        },
        recipients: recipients(scenario, model),
        repair: model.repair.map(|repair| Repair {
            after: repair.after_ms.map(|(from, to)| Span::Uniform(from, to)),
            interval_ms: repair.every_ms,
            threshold: repair.below,
            copies: repair.copies,
        }),
        latency: model.latency,
        commit: Span::Uniform(scenario.disk.latency_ms / 8, scenario.disk.latency_ms),
        ..Options::default()
    };
    options.check()?;
    Ok(options)
}

fn recipients(scenario: &Scenario, model: &ModelOptions) -> Recipients {
    match (model.recipients, scenario.away.first()) {
        (Some(times), _) => Recipients::Sometimes {
            away: Span::LogUniform(times.away_ms.0, times.away_ms.1),
            here: Span::Exponential(times.here_ms),
        },
        (None, Some(away)) => Recipients::ButFor {
            from_ms: away.from_ms,
            to_ms: away
                .lasts_ms
                .map_or(u64::MAX, |lasts_ms| away.from_ms + lasts_ms),
        },
        (None, None) => Recipients::Always,
    }
}

/// Returns the scenario's regions, or a single one with the network's mean latency.
fn regions(scenario: &Scenario) -> Regions {
    let network = &scenario.network;
    let one_way_ms = network.latency_ms + network.jitter_ms / 2;
    let one_way_ms = u16::try_from(one_way_ms).unwrap_or(u16::MAX);
    match &scenario.population.regions {
        Some(regions) => regions.clone(),
        None => Regions::new(&[("here", 1, &[one_way_ms])]).unwrap_or_else(|_| Regions::world()),
    }
}

/// Returns how many lengths of a text lead to each size of envelope.
fn sizes((shortest, longest): (u64, u64)) -> [u32; ENVELOPE_BYTES.len()] {
    let mut from = shortest;
    ENVELOPE_BYTES.map(|size| {
        let room = size as u64 - OVERHEAD_BYTES as u64 - MESSAGE_BYTES;
        let to = longest.min(room) + 1;
        let lengths = to.saturating_sub(from);
        from = from.max(to);
        small(lengths)
    })
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
const fn part(ppm: u64) -> f64 {
    ppm as f64 / ONE_PPM
}
