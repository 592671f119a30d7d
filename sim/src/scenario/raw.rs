//! Scenarios as they are typed, and the way from there to valid ones.

use std::ops::{Range, RangeInclusive};

use restante_proto::limits::{
    BODY_BYTES_MAX, DAY_MS, MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS, MINUTE_MS, SECOND_MS,
};
use restante_sim_population::{Churn, Regions};
use serde::Deserialize;
use toml::Spanned;

use crate::report::Tier;

use super::{Scenario, ScenarioFault};
use crate::options::{
    AwayOptions, DiskOptions, Expectations, FaultKind, FaultOptions, NetworkOptions, Pattern,
    PopulationOptions, Target, Who, WorkloadOptions,
};

/// Nodes of one run, at most.
pub(super) const NODES_MAX: usize = 10_000;
/// People of one run, at most.
const PEOPLE_MAX: u64 = 1_000;
/// Messages of one run, at most.
const MESSAGES_MAX: u64 = 100_000;
/// Longest time anything takes, in milliseconds.
const TIME_MAX_MS: u64 = 60 * DAY_MS;
/// Longest delay of the network or a disk, in milliseconds: far below what a request may take.
const DELAY_MAX_MS: u64 = 5 * SECOND_MS;
/// Largest error of a clock, in milliseconds.
const SKEW_MAX_MS: u64 = 30 * MINUTE_MS;

type Text = Spanned<String>;
type Number = Spanned<u64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    about: String,
    tier: Option<Text>,
    population: Population,
    time: Time,
    #[serde(default)]
    network: Network,
    #[serde(default)]
    disk: Disk,
    workload: Workload,
    #[serde(default)]
    away: Vec<Away>,
    #[serde(default)]
    fault: Vec<Spanned<Fault>>,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Population {
    nodes: Number,
    people: Number,
    churn: Option<Text>,
    regions: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    duration: Text,
    settle: Text,
    skew: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Network {
    latency: Option<Text>,
    jitter: Option<Text>,
    lookup: Option<Text>,
    loss: Option<Spanned<f64>>,
    duplicates: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Disk {
    latency: Option<Text>,
    cap_bytes: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workload {
    messages: Number,
    from: Text,
    over: Text,
    bytes: [Number; 2],
    ttl: [Text; 2],
    pattern: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Away {
    who: Text,
    from: Text,
    lasts: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    kind: Text,
    at: Text,
    times: Option<Number>,
    every: Option<Text>,
    count: Option<Number>,
    target: Option<Text>,
    down: Option<Text>,
    keepers: Option<Spanned<f64>>,
    people: Option<Spanned<f64>>,
    lasts: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Expect {
    stored_min: Option<u64>,
    shown_min: Option<u64>,
    expired_min: Option<u64>,
}

/// Reads and checks a scenario.
pub(super) fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioFault> {
    let file = File { name, text };
    let raw: Raw = toml::from_str(text).map_err(|fault| {
        let message = fault
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        file.fault(&fault.span().unwrap_or(0..0), message)
    })?;
    let people = file.number(&raw.population.people, 2..=PEOPLE_MAX)?;
    let nodes = file.number(&raw.population.nodes, people + 1..=NODES_MAX as u64)?;
    let duration_ms = file.time(&raw.time.duration, MINUTE_MS..=TIME_MAX_MS)?;
    let within = 0..=duration_ms;
    let times = |entry| file.fault_of(entry, duration_ms);
    Ok(Scenario {
        name: name.to_owned(),
        tier: match &raw.tier {
            Some(tier) => file.one_of(tier, &Tier::ALL)?,
            None => Tier::default(),
        },
        nodes: size(nodes),
        people: size(people),
        population: file.population(&raw.population)?,
        duration_ms,
        settle_ms: file.time(&raw.time.settle, MINUTE_MS..=TIME_MAX_MS)?,
        skew_ms: file.time_or(raw.time.skew.as_ref(), 0..=SKEW_MAX_MS, 0)?,
        network: file.network(&raw.network)?,
        disk: DiskOptions {
            latency_ms: file.time_or(raw.disk.latency.as_ref(), 1..=DELAY_MAX_MS, 8)?,
            cap_bytes: match &raw.disk.cap_bytes {
                Some(cap) => file.number(cap, 1..=u64::MAX)?,
                None => 256 * 1024 * 1024,
            },
        },
        workload: file.workload(&raw.workload, &within)?,
        away: raw
            .away
            .iter()
            .map(|a| file.away(a, &within))
            .collect::<Result<_, _>>()?,
        faults: raw.fault.iter().map(times).collect::<Result<_, _>>()?,
        expect: Expectations {
            stored_min: raw.expect.stored_min.unwrap_or(0),
            shown_min: raw.expect.shown_min.unwrap_or(0),
            expired_min: raw.expect.expired_min.unwrap_or(0),
        },
        about: raw.about,
    })
}

/// The file that is read, for the places in it.
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn fault(&self, span: &Range<usize>, message: String) -> ScenarioFault {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        ScenarioFault {
            name: self.name.to_owned(),
            line,
            column,
            message,
        }
    }

    fn number(&self, number: &Number, allowed: RangeInclusive<u64>) -> Result<u64, ScenarioFault> {
        let got = *number.get_ref();
        if allowed.contains(&got) {
            return Ok(got);
        }
        let (low, high) = allowed.into_inner();
        Err(self.fault(
            &number.span(),
            format!("{got} is not between {low} and {high}"),
        ))
    }

    fn time(&self, text: &Text, allowed: RangeInclusive<u64>) -> Result<u64, ScenarioFault> {
        let typed = text.get_ref();
        let parsed = humantime::parse_duration(typed)
            .ok()
            .and_then(|duration| u64::try_from(duration.as_millis()).ok());
        let Some(ms) = parsed else {
            let message =
                format!("{typed:?} is not a duration such as \"40ms\", \"30s\" or \"6d\"");
            return Err(self.fault(&text.span(), message));
        };
        if allowed.contains(&ms) {
            return Ok(ms);
        }
        let (low, high) = allowed.into_inner();
        let shown = |ms| humantime::format_duration(std::time::Duration::from_millis(ms));
        let message = format!(
            "{typed:?} is not between {} and {}",
            shown(low),
            shown(high)
        );
        Err(self.fault(&text.span(), message))
    }

    fn time_or(
        &self,
        text: Option<&Text>,
        allowed: RangeInclusive<u64>,
        otherwise: u64,
    ) -> Result<u64, ScenarioFault> {
        text.map_or(Ok(otherwise), |text| self.time(text, allowed))
    }

    /// Reads a share from 0 to 1 as a number of parts in a million.
    fn share(&self, share: Option<&Spanned<f64>>) -> Result<u64, ScenarioFault> {
        let Some(share) = share else { return Ok(0) };
        let got = *share.get_ref();
        if !(0.0..=1.0).contains(&got) {
            return Err(self.fault(
                &share.span(),
                format!("{got} is not a share from 0.0 to 1.0"),
            ));
        }
        // Between 0 and a million, and whole after rounding.
        Ok((got * 1_000_000.0).round() as u64)
    }

    fn one_of<T: Copy>(&self, text: &Text, words: &[(&str, T)]) -> Result<T, ScenarioFault> {
        let typed = text.get_ref();
        let found = words.iter().find(|(word, _)| word == typed);
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{typed:?} is none of: {}", known.join(", "));
            self.fault(&text.span(), message)
        })
    }

    fn population(&self, raw: &Population) -> Result<PopulationOptions, ScenarioFault> {
        let churn = raw.churn.as_ref().map(|churn| {
            let known = Churn::named(churn.get_ref());
            known.map_err(|fault| self.fault(&churn.span(), fault.to_string()))
        });
        let regions = raw.regions.as_ref().map(|regions| {
            self.one_of(regions, &[("world", ())])
                .map(|()| Regions::world())
        });
        Ok(PopulationOptions {
            churn: churn.transpose()?.unwrap_or(Churn::Always),
            regions: regions.transpose()?,
        })
    }

    fn network(&self, raw: &Network) -> Result<NetworkOptions, ScenarioFault> {
        Ok(NetworkOptions {
            latency_ms: self.time_or(raw.latency.as_ref(), 0..=DELAY_MAX_MS, 20)?,
            jitter_ms: self.time_or(raw.jitter.as_ref(), 0..=DELAY_MAX_MS, 60)?,
            lookup_ms: self.time_or(raw.lookup.as_ref(), 0..=DELAY_MAX_MS, 800)?,
            loss_ppm: self.share(raw.loss.as_ref())?,
            duplicate_ppm: self.share(raw.duplicates.as_ref())?,
        })
    }

    fn workload(
        &self,
        raw: &Workload,
        within: &RangeInclusive<u64>,
    ) -> Result<WorkloadOptions, ScenarioFault> {
        let [bytes_low, bytes_high] = &raw.bytes;
        let [ttl_low, ttl_high] = &raw.ttl;
        let shortest = self.number(bytes_low, 1..=BODY_BYTES_MAX as u64)?;
        let ttl = self.time(ttl_low, MESSAGE_TTL_MIN_MS..=MESSAGE_TTL_MAX_MS)?;
        Ok(WorkloadOptions {
            messages: self.number(&raw.messages, 1..=MESSAGES_MAX)?,
            from_ms: self.time(&raw.from, within.clone())?,
            over_ms: self.time(&raw.over, within.clone())?,
            bytes: (
                shortest,
                self.number(bytes_high, shortest..=BODY_BYTES_MAX as u64)?,
            ),
            ttl_ms: (ttl, self.time(ttl_high, ttl..=MESSAGE_TTL_MAX_MS)?),
            pattern: self.one_of(
                &raw.pattern,
                &[
                    ("everybody", Pattern::Everybody),
                    ("one-way", Pattern::OneWay),
                ],
            )?,
        })
    }

    fn away(&self, raw: &Away, within: &RangeInclusive<u64>) -> Result<AwayOptions, ScenarioFault> {
        let words = [
            ("senders", Who::Senders),
            ("recipients", Who::Recipients),
            ("everybody", Who::Everybody),
        ];
        let lasts = raw
            .lasts
            .as_ref()
            .map(|lasts| self.time(lasts, within.clone()));
        Ok(AwayOptions {
            who: self.one_of(&raw.who, &words)?,
            from_ms: self.time(&raw.from, within.clone())?,
            lasts_ms: lasts.transpose()?,
        })
    }

    fn fault_of(
        &self,
        entry: &Spanned<Fault>,
        duration_ms: u64,
    ) -> Result<FaultOptions, ScenarioFault> {
        let raw = entry.get_ref();
        let within = 0..=duration_ms;
        let given = [
            ("count", raw.count.as_ref().map(Spanned::span)),
            ("target", raw.target.as_ref().map(Spanned::span)),
            ("down", raw.down.as_ref().map(Spanned::span)),
            ("keepers", raw.keepers.as_ref().map(Spanned::span)),
            ("people", raw.people.as_ref().map(Spanned::span)),
            ("lasts", raw.lasts.as_ref().map(Spanned::span)),
        ];
        let kinds: [(&str, &[&str]); 3] = [
            ("crash", &["count", "target", "down"]),
            ("kill", &["count", "target"]),
            ("partition", &["keepers", "people", "lasts"]),
        ];
        let kind = self.one_of(&raw.kind, &kinds.map(|(name, keys)| (name, (name, keys))))?;
        for (key, span) in given {
            if let Some(span) = span.filter(|_| !kind.1.contains(&key)) {
                return Err(self.fault(&span, format!("{} takes no `{key}`", kind.0)));
            }
        }
        let missing = |key| self.fault(&raw.kind.span(), format!("{} needs `{key}`", kind.0));
        let targets = [
            ("any", Target::Any),
            ("holders", Target::Holders),
            ("busy", Target::Busy),
        ];
        let target = raw
            .target
            .as_ref()
            .map_or(Ok(Target::Any), |t| self.one_of(t, &targets));
        let fault = match kind.0 {
            "crash" => FaultKind::Crash {
                target: target?,
                down_ms: self.time(
                    raw.down.as_ref().ok_or_else(|| missing("down"))?,
                    within.clone(),
                )?,
            },
            "kill" => FaultKind::Kill { target: target? },
            _ => FaultKind::Partition {
                keepers_ppm: self.share(raw.keepers.as_ref())?,
                people_ppm: self.share(raw.people.as_ref())?,
                lasts_ms: self.time(
                    raw.lasts.as_ref().ok_or_else(|| missing("lasts"))?,
                    within.clone(),
                )?,
            },
        };
        let count = raw
            .count
            .as_ref()
            .map_or(Ok(1), |count| self.number(count, 1..=1_000))?;
        Ok(FaultOptions {
            kind: fault,
            count: size(count),
            at_ms: self.time(&raw.at, within)?,
            times: raw
                .times
                .as_ref()
                .map_or(Ok(1), |times| self.number(times, 1..=10_000))?,
            every_ms: self.time_or(raw.every.as_ref(), 1..=duration_ms, MINUTE_MS)?,
        })
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
