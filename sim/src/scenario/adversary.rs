//! Who means harm.

use serde::{Deserialize, Deserializer, Serialize};

use super::check::{Checked, refuse, within};
use super::fault::{entry, parsed};
use super::units::Share;

/// Sybils of one attack, at most.
const SYBILS_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Adversary {
    #[serde(flatten)]
    pub(crate) kind: AdversaryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AdversaryKind {
    /// A share of the keepers gives receipts and keeps nothing.
    Drop { share: Share },
    /// A share of the keepers forgets acks and ends, keeps old cards, and at times hides what it has.
    Stale { share: Share },
    /// A share of the keepers knows only each other when it is asked for nodes.
    Route { share: Share },
    /// So many more nodes sit nearer to an address of a person than all others, and keep nothing.
    Sybil {
        near: Near,
        #[serde(default)]
        person: usize,
        #[serde(default = "twenty")]
        count: usize,
        /// Groups of addresses (/16) that they are in; left out: one for each.
        groups: Option<usize>,
    },
}

/// Which address of a person sybils sit at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Near {
    /// The first locator of the card.
    Locator,
    /// The first-contact mailbox of the day on which the run begins.
    Mailbox,
}

const fn twenty() -> usize {
    20
}

impl Adversary {
    pub(super) fn check(&self, path: &str, people: usize) -> Checked {
        match self.kind {
            AdversaryKind::Drop { share }
            | AdversaryKind::Stale { share }
            | AdversaryKind::Route { share } => {
                if share.ppm() == 0 {
                    return refuse(format_args!("{path}.share"), "this is a share of nobody");
                }
                Ok(())
            }
            AdversaryKind::Sybil {
                person,
                count,
                groups,
                ..
            } => {
                within(format_args!("{path}.person"), person, 0..=people - 1)?;
                within(format_args!("{path}.count"), count, 1..=SYBILS_MAX)?;
                let groups = groups.unwrap_or(count);
                within(format_args!("{path}.groups"), groups, 1..=count)
            }
        }
    }
}

impl AdversaryKind {
    /// Returns the kind as it stands in a scenario.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Drop { .. } => "drop",
            Self::Stale { .. } => "stale",
            Self::Route { .. } => "route",
            Self::Sybil { .. } => "sybil",
        }
    }
}

impl<'de> Deserialize<'de> for Adversary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        entry(deserializer, |table| {
            parsed(table).map(|kind| Self { kind })
        })
    }
}
