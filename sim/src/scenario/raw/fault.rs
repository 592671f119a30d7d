//! What goes wrong.

use std::ops::Range;

use restante_proto::limits::MINUTE_MS;
use serde::Deserialize;
use toml::Spanned;

use super::{DELAY_MAX_MS, File, Number, SKEW_MAX_MS, ScenarioFault, Text, size};
use crate::options::{DiskTrouble, FaultKind, FaultOptions, Target, Worse};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    kind: Text,
    at: Text,
    times: Option<Number>,
    every: Option<Text>,
    count: Option<Number>,
    target: Option<Text>,
    down: Option<Text>,
    keepers: Option<Spanned<f64>>,
    people: Option<Spanned<f64>>,
    loss: Option<Spanned<f64>>,
    duplicates: Option<Spanned<f64>>,
    latency: Option<Text>,
    what: Option<Text>,
    ahead: Option<Text>,
    behind: Option<Text>,
    lasts: Option<Text>,
}

/// A kind and what it takes beside a time.
struct Kind {
    name: &'static str,
    needs: &'static [&'static str],
    takes: &'static [&'static str],
    targets: &'static [(&'static str, Target)],
}

const ANY: (&str, Target) = ("any", Target::Any);
const HOLDERS: (&str, Target) = ("holders", Target::Holders);
const BUSY: (&str, Target) = ("busy", Target::Busy);
const PEOPLE: (&str, Target) = ("people", Target::People);

const KINDS: [Kind; 8] = [
    Kind {
        name: "crash",
        needs: &["down"],
        takes: &["count", "target"],
        targets: &[ANY, HOLDERS, BUSY, PEOPLE],
    },
    Kind {
        name: "kill",
        needs: &[],
        takes: &["count", "target"],
        targets: &[ANY, HOLDERS],
    },
    Kind {
        name: "partition",
        needs: &["lasts"],
        takes: &["keepers", "people"],
        targets: &[],
    },
    Kind {
        name: "offline",
        needs: &["lasts"],
        takes: &["count", "target"],
        targets: &[ANY, HOLDERS, PEOPLE],
    },
    Kind {
        name: "bootstrap-outage",
        needs: &["lasts"],
        takes: &[],
        targets: &[],
    },
    Kind {
        name: "weather",
        needs: &["lasts"],
        takes: &["loss", "duplicates", "latency"],
        targets: &[],
    },
    Kind {
        name: "disk",
        needs: &["what", "lasts"],
        takes: &["count", "target"],
        targets: &[ANY, HOLDERS, PEOPLE],
    },
    Kind {
        name: "clock",
        needs: &["lasts"],
        takes: &["count", "target", "ahead", "behind"],
        targets: &[ANY, HOLDERS, PEOPLE],
    },
];

const TROUBLES: [(&str, DiskTrouble); 5] = [
    ("full", DiskTrouble::Full),
    ("slow", DiskTrouble::Slow),
    ("errors", DiskTrouble::Errors),
    ("lost-syncs", DiskTrouble::LostSyncs),
    ("rot", DiskTrouble::Rot),
];

impl Fault {
    /// Returns the keys that were typed and that not every kind takes.
    fn given(&self) -> impl Iterator<Item = (&'static str, Range<usize>)> {
        let texts = [
            ("target", &self.target),
            ("down", &self.down),
            ("latency", &self.latency),
            ("what", &self.what),
            ("ahead", &self.ahead),
            ("behind", &self.behind),
            ("lasts", &self.lasts),
        ];
        let shares = [
            ("keepers", &self.keepers),
            ("people", &self.people),
            ("loss", &self.loss),
            ("duplicates", &self.duplicates),
        ];
        let texts = texts.map(|(key, typed)| (key, typed.as_ref().map(Spanned::span)));
        let shares = shares.map(|(key, typed)| (key, typed.as_ref().map(Spanned::span)));
        let count = ("count", self.count.as_ref().map(Spanned::span));
        let all = texts.into_iter().chain(shares).chain([count]);
        all.filter_map(|(key, span)| Some((key, span?)))
    }
}

impl File<'_> {
    pub(super) fn fault_of(
        &self,
        entry: &Spanned<Fault>,
        duration_ms: u64,
    ) -> Result<FaultOptions, ScenarioFault> {
        let raw = entry.get_ref();
        let known = KINDS.each_ref().map(|kind| (kind.name, kind));
        let kind: &Kind = self.one_of(&raw.kind, &known)?;
        for (key, span) in raw.given() {
            if !kind.needs.contains(&key) && !kind.takes.contains(&key) {
                return Err(self.fault(&span, format!("{} takes no `{key}`", kind.name)));
            }
        }
        let count = raw
            .count
            .as_ref()
            .map_or(Ok(1), |count| self.number(count, 1..=1_000))?;
        Ok(FaultOptions {
            kind: self.kind_of(raw, kind, duration_ms)?,
            count: size(count),
            at_ms: self.time(&raw.at, 0..=duration_ms)?,
            times: raw
                .times
                .as_ref()
                .map_or(Ok(1), |times| self.number(times, 1..=10_000))?,
            every_ms: self.time_or(raw.every.as_ref(), 1..=duration_ms, MINUTE_MS)?,
        })
    }

    fn kind_of(
        &self,
        raw: &Fault,
        kind: &Kind,
        duration_ms: u64,
    ) -> Result<FaultKind, ScenarioFault> {
        let needed = |key: &str, typed: Option<&Text>| {
            let missing = || self.fault(&raw.kind.span(), format!("{} needs `{key}`", kind.name));
            typed.ok_or_else(missing).cloned()
        };
        let time =
            |key: &str, typed: Option<&Text>| self.time(&needed(key, typed)?, 0..=duration_ms);
        let lasts_ms = || time("lasts", raw.lasts.as_ref());
        let target = || {
            let typed = raw.target.as_ref();
            typed.map_or(Ok(Target::Any), |typed| self.one_of(typed, kind.targets))
        };
        Ok(match kind.name {
            "crash" => FaultKind::Crash {
                target: target()?,
                down_ms: time("down", raw.down.as_ref())?,
            },
            "kill" => FaultKind::Kill { target: target()? },
            "partition" => FaultKind::Partition {
                keepers_ppm: self.share(raw.keepers.as_ref())?,
                people_ppm: self.share(raw.people.as_ref())?,
                lasts_ms: lasts_ms()?,
            },
            "offline" => FaultKind::Offline {
                target: target()?,
                lasts_ms: lasts_ms()?,
            },
            "bootstrap-outage" => FaultKind::BootstrapOutage {
                lasts_ms: lasts_ms()?,
            },
            "weather" => FaultKind::Weather {
                worse: self.worse(raw)?,
                lasts_ms: lasts_ms()?,
            },
            "disk" => FaultKind::Disk {
                what: self.trouble(&needed("what", raw.what.as_ref())?, raw)?,
                target: target()?,
                lasts_ms: lasts_ms()?,
            },
            _ => FaultKind::Clock {
                ahead_ms: self.jump(raw)?,
                target: target()?,
                lasts_ms: lasts_ms()?,
            },
        })
    }

    fn worse(&self, raw: &Fault) -> Result<Worse, ScenarioFault> {
        let worse = Worse {
            loss_ppm: self.share(raw.loss.as_ref())?,
            duplicate_ppm: self.share(raw.duplicates.as_ref())?,
            latency_ms: self.time_or(raw.latency.as_ref(), 0..=DELAY_MAX_MS, 0)?,
        };
        if worse.loss_ppm + worse.duplicate_ppm + worse.latency_ms == 0 {
            let message = "weather needs `loss`, `duplicates` or `latency`".to_owned();
            return Err(self.fault(&raw.kind.span(), message));
        }
        Ok(worse)
    }

    /// Reads what is wrong with a disk; a person's disk neither lies nor rots.
    ///
    /// What a person's own node has stored stands nowhere else, so that nothing could be expected after it.
    fn trouble(&self, what: &Text, raw: &Fault) -> Result<DiskTrouble, ScenarioFault> {
        let trouble = self.one_of(what, &TROUBLES)?;
        let is_peoples = raw
            .target
            .as_ref()
            .map(Spanned::get_ref)
            .map(String::as_str)
            == Some("people");
        let forgets = matches!(trouble, DiskTrouble::LostSyncs | DiskTrouble::Rot);
        if is_peoples && forgets {
            let message = format!("{:?} is for keepers alone", what.get_ref());
            return Err(self.fault(&what.span(), message));
        }
        Ok(trouble)
    }

    /// Reads how far a clock jumps, forward if it is positive.
    fn jump(&self, raw: &Fault) -> Result<i64, ScenarioFault> {
        let (typed, sign) = match (&raw.ahead, &raw.behind) {
            (Some(ahead), None) => (ahead, 1),
            (None, Some(behind)) => (behind, -1),
            _ => {
                let message = "clock needs either `ahead` or `behind`".to_owned();
                return Err(self.fault(&raw.kind.span(), message));
            }
        };
        let ms = self.time(typed, 1..=SKEW_MAX_MS)?;
        Ok(sign * i64::try_from(ms).unwrap_or(i64::MAX))
    }
}
