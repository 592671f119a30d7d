//! What goes wrong.

use std::fmt;

use restante_proto::limits::{DAY_MS, MINUTE_MS};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use toml::Table;

use super::check::{Checked, refuse, within};
use super::units::{Ms, Share};
use super::{Population, TIME_MAX};

/// Longest delay of the network or a disk: far below what a request may take.
pub(super) const DELAY_MAX: Ms = Ms::seconds(5);
/// Farthest jump of a clock.
const JUMP_MAX: Ms = Ms(30 * DAY_MS);
/// Repetitions of one fault, at most.
const TIMES_MAX: u64 = 10_000;

/// When and how often something goes wrong, and what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Fault {
    pub(crate) at: Ms,
    pub(crate) times: u64,
    /// From the beginning of one time to that of the next.
    pub(crate) every: Ms,
    #[serde(flatten)]
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum FaultKind {
    /// The process ends; its disk stays, and it starts again.
    Crash {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        down: Ms,
    },
    /// The keeper and its disk are gone for good.
    Kill {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
    },
    /// Shares of the keepers and people are cut off from the others.
    Partition {
        #[serde(default)]
        keepers: Share,
        #[serde(default)]
        people: Share,
        lasts: Ms,
    },
    /// The network of each machine is gone; its process goes on.
    Offline {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        lasts: Ms,
    },
    /// All entry points are off.
    BootstrapOutage { lasts: Ms },
    /// The network is worse everywhere.
    Weather {
        #[serde(default)]
        loss: Share,
        #[serde(default)]
        duplicates: Share,
        #[serde(default)]
        latency: Ms,
        lasts: Ms,
    },
    Disk {
        what: DiskTrouble,
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        lasts: Ms,
    },
    /// The date of each machine is wrong by so much more, at once or, with `drift`, more and more until it is put
    /// right.
    Clock {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        ahead: Option<Ms>,
        behind: Option<Ms>,
        #[serde(default)]
        drift: bool,
        lasts: Ms,
    },
    /// The home of each person is copied, and after so long the process ends and goes on from the copy, as when a
    /// backup is restored; what is kept for others beside it stays.
    Rollback {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        lasts: Ms,
    },
    /// The home of each person is copied to another machine, where a second process runs for so long beside the first.
    Twin {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        lasts: Ms,
    },
    /// The process of each machine does nothing, as when it is stopped or its machine sleeps: when it goes on, both its
    /// clocks show how long that was.
    Suspend {
        #[serde(default)]
        target: Target,
        #[serde(default = "one")]
        count: usize,
        lasts: Ms,
    },
}

/// Which machines a fault hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// Any keepers.
    #[default]
    Any,
    /// Keepers whose receipts one sender has for a message that has not arrived.
    Holders,
    /// The next keepers that have a write under way.
    Busy,
    /// People's nodes.
    People,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DiskTrouble {
    /// It has no room for anything more.
    Full,
    /// Everything takes a hundred times as long.
    Slow,
    /// Now and then a read, a write or a sync fails.
    Errors,
    /// Syncs succeed and do nothing; in the end the power is cut.
    LostSyncs,
    /// Bits flip in what the keeper has stored.
    Rot,
}

const fn one() -> usize {
    1
}

impl Fault {
    /// Returns the moments at which it happens within a run of so many milliseconds.
    pub(crate) fn moments(&self, duration_ms: u64) -> impl Iterator<Item = u64> {
        let moments = (0..self.times).map(|time| self.at.get() + time * self.every.get());
        moments.take_while(move |at_ms| *at_ms < duration_ms)
    }

    fn last(&self) -> Ms {
        let repeats = self.times.saturating_sub(1);
        Ms(self.at.get() + repeats.saturating_mul(self.every.get()))
    }

    /// Returns when the last of it is over.
    pub(super) fn over(&self) -> Ms {
        Ms(self.last().get().saturating_add(self.kind.lasts().get()))
    }

    pub(super) fn check(&self, path: &str, latest: Ms, population: &Population) -> Checked {
        let at = |key: &str| format!("{path}.{key}");
        within(at("at"), self.at, Ms::ZERO..=latest)?;
        within(at("times"), self.times, 1..=TIMES_MAX)?;
        within(at("every"), self.every, Ms(1)..=latest)?;
        let lasts = self.kind.lasts();
        within(at(self.kind.lasts_key()), lasts, Ms::ZERO..=TIME_MAX)?;
        if self.times > 1 && self.every <= lasts {
            let every = self.every;
            let message =
                format!("it lasts {lasts} and comes again after {every}, before it is over");
            return refuse(at("every"), message);
        }
        if self.last() >= latest {
            let last = self.last();
            let message = format!("the last of it comes at {last}, and the faults end at {latest}");
            return refuse(at(if self.times > 1 { "times" } else { "at" }), message);
        }
        self.check_hits(path, population)?;
        self.kind.check(path)
    }

    fn check_hits(&self, path: &str, population: &Population) -> Checked {
        let Some((target, count)) = self.kind.hits() else {
            return Ok(());
        };
        let allowed = self.kind.targets();
        if !allowed.contains(&target) {
            let (got, kind) = (target.name(), self.kind.name());
            let allowed: Vec<&str> = allowed.iter().map(|target| target.name()).collect();
            let message = format!(
                "{got:?} is none of what {kind} takes: {}",
                allowed.join(", ")
            );
            return refuse(format_args!("{path}.target"), message);
        }
        let (all, of) = match target {
            Target::People => (population.people, "people"),
            Target::Any | Target::Holders | Target::Busy => (population.keepers(), "keepers"),
        };
        within(format_args!("{path}.count"), count, 1..=all.max(1))?;
        let times = usize::try_from(self.times).unwrap_or(usize::MAX);
        let dead = count.saturating_mul(times);
        if matches!(self.kind, FaultKind::Kill { .. }) && dead > all {
            let message = format!("{dead} die, and there are {all} {of}");
            return refuse(format_args!("{path}.times"), message);
        }
        Ok(())
    }
}

impl FaultKind {
    /// Returns the kind as it stands in a scenario.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill { .. } => "kill",
            Self::Partition { .. } => "partition",
            Self::Offline { .. } => "offline",
            Self::BootstrapOutage { .. } => "bootstrap-outage",
            Self::Weather { .. } => "weather",
            Self::Disk { .. } => "disk",
            Self::Clock { .. } => "clock",
            Self::Rollback { .. } => "rollback",
            Self::Twin { .. } => "twin",
            Self::Suspend { .. } => "suspend",
        }
    }

    /// Returns how long it goes on each time.
    pub(crate) const fn lasts(&self) -> Ms {
        match self {
            Self::Kill { .. } => Ms::ZERO,
            Self::Crash { down: lasts, .. }
            | Self::Partition { lasts, .. }
            | Self::Offline { lasts, .. }
            | Self::BootstrapOutage { lasts }
            | Self::Weather { lasts, .. }
            | Self::Disk { lasts, .. }
            | Self::Clock { lasts, .. }
            | Self::Rollback { lasts, .. }
            | Self::Twin { lasts, .. }
            | Self::Suspend { lasts, .. } => *lasts,
        }
    }

    const fn lasts_key(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "down",
            _ => "lasts",
        }
    }

    /// Returns which machines it hits and how many each time, if it hits single ones.
    pub(crate) const fn hits(&self) -> Option<(Target, usize)> {
        match self {
            Self::Crash { target, count, .. }
            | Self::Kill { target, count }
            | Self::Offline { target, count, .. }
            | Self::Disk { target, count, .. }
            | Self::Clock { target, count, .. }
            | Self::Rollback { target, count, .. }
            | Self::Twin { target, count, .. }
            | Self::Suspend { target, count, .. } => Some((*target, *count)),
            Self::Partition { .. } | Self::BootstrapOutage { .. } | Self::Weather { .. } => None,
        }
    }

    const fn targets(&self) -> &'static [Target] {
        match self {
            Self::Crash { .. } => &[Target::Any, Target::Holders, Target::Busy, Target::People],
            Self::Kill { .. } => &[Target::Any, Target::Holders],
            // A keeper that was set back has lost what it gave receipts for; nobody promises anything of that.
            Self::Rollback { .. } | Self::Twin { .. } => &[Target::People],
            _ => &[Target::Any, Target::Holders, Target::People],
        }
    }

    /// Returns how far a clock goes ahead, or back if it is negative, in milliseconds.
    pub(crate) fn jump_ms(&self) -> i64 {
        let Self::Clock { ahead, behind, .. } = self else {
            return 0;
        };
        let signed =
            |ms: &Option<Ms>| ms.map_or(0, |ms| i64::try_from(ms.get()).unwrap_or(i64::MAX));
        signed(ahead) - signed(behind)
    }

    fn check(&self, path: &str) -> Checked {
        match self {
            Self::Partition {
                keepers, people, ..
            } if keepers.ppm() + people.ppm() == 0 => {
                refuse(path, "partition needs a share of `keepers` or `people`")
            }
            Self::Weather {
                loss,
                duplicates,
                latency,
                ..
            } => {
                within(
                    format_args!("{path}.latency"),
                    *latency,
                    Ms::ZERO..=DELAY_MAX,
                )?;
                if loss.ppm() + duplicates.ppm() + latency.get() == 0 {
                    return refuse(path, "weather needs `loss`, `duplicates` or `latency`");
                }
                Ok(())
            }
            // What a person's own node has stored stands nowhere else, so that nothing could be expected after it.
            Self::Disk {
                what: DiskTrouble::LostSyncs | DiskTrouble::Rot,
                target: Target::People,
                ..
            } => refuse(
                format_args!("{path}.what"),
                "disks that lie or rot are for keepers alone",
            ),
            Self::Clock { ahead, behind, .. } => match (ahead, behind) {
                (Some(jump), None) => within(format_args!("{path}.ahead"), *jump, Ms(1)..=JUMP_MAX),
                (None, Some(jump)) => {
                    within(format_args!("{path}.behind"), *jump, Ms(1)..=JUMP_MAX)
                }
                _ => refuse(path, "clock needs either `ahead` or `behind`"),
            },
            _ => Ok(()),
        }
    }

    /// Returns what of it the fast tier does not have.
    pub(super) const fn missing_on_fast(&self) -> Option<&'static str> {
        match self {
            Self::BootstrapOutage { .. } => Some("entry points"),
            Self::Disk {
                what: DiskTrouble::Full | DiskTrouble::Errors,
                ..
            } => None,
            Self::Disk { .. } => Some("disks that are slow, lie or rot"),
            _ => None,
        }
    }
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Holders => "holders",
            Self::Busy => "busy",
            Self::People => "people",
        }
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct When {
            at: Ms,
            times: Option<u64>,
            every: Option<Ms>,
        }

        entry(deserializer, |mut table| {
            let mut when = Table::new();
            for key in ["at", "times", "every"] {
                when.extend(table.remove_entry(key));
            }
            // The kind first: of a kind that is not known there is no more to say.
            let kind = parsed(table)?;
            let When { at, times, every } = parsed(when)?;
            Ok(Self {
                at,
                times: times.unwrap_or(1),
                every: every.unwrap_or(Ms(MINUTE_MS)),
                kind,
            })
        })
    }
}

/// Reads an entry of a list whose keys depend on its `kind`. Serde looks at the kind first, and so at the whole entry
/// before any key; what is wrong then has the place of the entry, and is said of the kind.
pub(super) fn entry<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: fn(Table) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Entry<T>(fn(Table) -> Result<T, String>);

    impl<'de, T> Visitor<'de> for Entry<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table with a `kind`")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            let table = Table::deserialize(MapAccessDeserializer::new(map))?;
            let kind = table.get("kind").and_then(toml::Value::as_str);
            let kind = kind.map_or_else(String::new, |kind| format!("{kind}: "));
            (self.0)(table).map_err(|what| de::Error::custom(format!("{kind}{what}")))
        }
    }

    deserializer.deserialize_map(Entry(read))
}

pub(super) fn parsed<T: DeserializeOwned>(table: Table) -> Result<T, String> {
    T::deserialize(table).map_err(|error| one_line(&error))
}

/// Returns what is wrong and, where a key is known and no place, the key.
pub(super) fn one_line(error: &toml::de::Error) -> String {
    let lines = error.to_string();
    lines.trim_end().replace('\n', " ")
}
