//! Who the machines are.

use restante_sim_network::Nat;
use restante_sim_population as population;
use serde::{Deserialize, Serialize};

use super::check::{Checked, Invalid, refuse, within};
use super::churn::Churn;
use super::network::Disk;
use super::region::Measured;
use super::time::SKEW_MAX;
use super::units::{Ms, ONE_PPM, Share};

/// Community servers that all others are told of; they belong to no class.
pub(crate) const ENTRIES: usize = 2;
/// Nodes of one run, at most.
const NODES_MAX: usize = 10_000;
/// People of one run, at most.
const PEOPLE_MAX: usize = 1_000;
/// Longest name of a class, in bytes.
const NAME_BYTES_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Population {
    /// All nodes, people's included.
    pub(crate) nodes: usize,
    pub(crate) people: usize,
    /// How keepers without a class come and go; entry points are always there.
    #[serde(default)]
    pub(crate) churn: Churn,
    /// Left out, and without regions of its own: a single place with the network's latency.
    pub(super) regions: Option<Measured>,
    #[serde(default)]
    pub(crate) addresses: Addresses,
}

/// Which groups of addresses (/16) machines are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Addresses {
    /// Each in one of its own.
    #[default]
    Apart,
    OneGroup,
    TwoGroups,
    /// Every second one; the others are apart.
    HalfOneGroup,
    /// All behind one address, with a port each.
    OneAddress,
    /// Each in one of some, by chance.
    Random,
}

/// Machines that have something in common and are not like the others of their group.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    who: Option<Group>,
    share: Option<Share>,
    count: Option<usize>,
    nat: Option<Reach>,
    link: Option<Line>,
    churn: Option<Churn>,
    #[serde(default)]
    pub(crate) ends: Ends,
    /// Their region, if they are all in one.
    pub(crate) region: Option<String>,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) skew: Option<Ms>,
    pub(crate) disk: Option<Disk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A community server; a person's own one if it is a person's.
    Server,
    /// A personal node at home.
    Home,
    /// A personal node that keeps nothing for others.
    Phone,
}

/// Whose machines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// Machines of those who neither write nor read.
    Keepers,
    People,
    /// The first half of the people.
    Senders,
    /// The second half of the people.
    Recipients,
}

/// Who can reach a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Reach {
    Public,
    Cone,
    Symmetric,
}

/// A line to the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Fibre,
    Home,
    Mobile,
    Veilid,
    Server,
}

/// How a process ends when its machine goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ends {
    /// In good order.
    Stops,
    /// As when a battery is pulled out, in the middle of a write if there is one.
    #[default]
    Crashes,
}

impl Population {
    pub(crate) const fn keepers(&self) -> usize {
        self.nodes.saturating_sub(self.people)
    }

    pub(super) fn check(&self) -> Checked {
        within("population.people", self.people, 2..=PEOPLE_MAX)?;
        within("population.nodes", self.nodes, self.people + 1..=NODES_MAX)?;
        self.churn.check("population.churn")
    }
}

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Keepers => "keepers",
            Self::People => "people",
            Self::Senders => "senders",
            Self::Recipients => "recipients",
        }
    }

    /// Returns how many there are who may belong to a class.
    const fn size(self, population: &Population) -> usize {
        let people = population.people;
        match self {
            Self::Keepers => population.keepers().saturating_sub(ENTRIES),
            Self::People => people,
            Self::Senders => people / 2,
            Self::Recipients => people - people / 2,
        }
    }
}

impl Class {
    /// Returns whose machines they are; phones are people's unless it is said.
    pub(crate) fn group(&self) -> Group {
        self.who.unwrap_or(match self.kind {
            Kind::Server | Kind::Home => Group::Keepers,
            Kind::Phone => Group::People,
        })
    }

    pub(crate) fn nat(&self) -> Nat {
        match (self.nat, self.kind) {
            (Some(Reach::Public), _) | (None, Kind::Server) => Nat::Public,
            (Some(Reach::Cone), _) | (None, Kind::Home) => Nat::Cone,
            (Some(Reach::Symmetric), _) | (None, Kind::Phone) => Nat::Symmetric,
        }
    }

    pub(crate) fn link(&self) -> population::Link {
        match (self.link, self.kind) {
            (Some(Line::Fibre), _) => population::Link::FIBRE,
            (Some(Line::Veilid), _) => population::Link::VEILID,
            (Some(Line::Server), _) | (None, Kind::Server) => population::Link::SERVER,
            (Some(Line::Home), _) | (None, Kind::Home) => population::Link::HOME,
            (Some(Line::Mobile), _) | (None, Kind::Phone) => population::Link::MOBILE,
        }
    }

    pub(crate) fn churn(&self) -> Churn {
        self.churn.clone().unwrap_or(match self.kind {
            Kind::Server => Churn::Always,
            Kind::Home => Churn::Diurnal,
            Kind::Phone => Churn::Exponential {
                up: Ms::seconds(20 * 60),
                down: Ms::seconds(60 * 60),
            },
        })
    }

    pub(super) const fn own_churn(&mut self) -> Option<&mut Churn> {
        self.churn.as_mut()
    }

    pub(super) fn check(&self, path: &str, has_regions: bool) -> Checked {
        let at = |key: &str| format!("{path}.{key}");
        let name = &self.name;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_plain) {
            let message =
                format!("{name:?} is not a name of 1 to {NAME_BYTES_MAX} letters, digits, - and _");
            return refuse(at("name"), message);
        }
        match (self.share, self.count) {
            (None, None) => return refuse(at("name"), "a class needs `share` or `count`"),
            (Some(_), Some(_)) => {
                return refuse(at("count"), "a class takes `share` or `count`, not both");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if self.kind == Kind::Phone && self.group() == Group::Keepers {
            let message = "phones keep nothing for others, and cannot be keepers";
            return refuse(at("who"), message);
        }
        if self.region.is_some() && !has_regions {
            let message = "there are no regions: `population.regions` or [[region]] make some";
            return refuse(at("region"), message);
        }
        within(
            at("skew"),
            self.skew.unwrap_or_default(),
            Ms::ZERO..=SKEW_MAX,
        )?;
        self.churn().check(&at("churn"))?;
        self.disk
            .iter()
            .try_for_each(|disk| disk.check(&at("disk")))
    }

    const fn amount_key(&self) -> &'static str {
        if self.share.is_some() {
            "share"
        } else {
            "count"
        }
    }
}

/// Returns how many machines each class has.
pub(super) fn sizes(population: &Population, classes: &[Class]) -> Result<Vec<usize>, Invalid> {
    let mut sizes: Vec<usize> = Vec::with_capacity(classes.len());
    for (number, class) in classes.iter().enumerate() {
        let (group, name) = (class.group(), &class.name);
        let (total, whose) = (group.size(population), group.name());
        let before = classes.iter().take(number);
        let before = before.filter(|other| other.group() == group);
        let share = |class: &Class| class.share.unwrap_or_default().ppm();
        let shares: u64 = before.map(share).sum();
        let all = shares + share(class);
        // Sums are rounded, not shares, so that shares of one make everybody.
        let of_share = || part(total, all).saturating_sub(part(total, shares));
        let size = class.count.unwrap_or_else(of_share);
        let left = left(group, population, classes, &sizes);
        let wrong = if all > ONE_PPM {
            let sum = Share(all);
            Some(format!(
                "the shares of {whose} come to {sum}, which is more than 1"
            ))
        } else if size == 0 {
            Some(format!(
                "class {name:?} is nobody: there are {total} {whose}"
            ))
        } else {
            (size > left)
                .then(|| format!("class {name:?} takes {size} {whose}, and only {left} are left"))
        };
        if let Some(wrong) = wrong {
            return refuse(format_args!("class.{number}.{}", class.amount_key()), wrong);
        }
        sizes.push(size);
    }
    Ok(sizes)
}

/// Returns how many of a group are free after the first classes got theirs.
fn left(group: Group, population: &Population, classes: &[Class], sizes: &[usize]) -> usize {
    let taken = |group: Group| -> usize {
        let pairs = classes.iter().zip(sizes);
        let own = pairs.filter(|(class, _)| class.group() == group);
        own.map(|(_, size)| size).sum()
    };
    let own = group.size(population).saturating_sub(taken(group));
    let halves = taken(Group::Senders) + taken(Group::Recipients);
    let people = population
        .people
        .saturating_sub(halves + taken(Group::People));
    match group {
        Group::Keepers => own,
        Group::People => people,
        Group::Senders | Group::Recipients => people.min(own),
    }
}

/// Returns that share of a number, in a million, rounded.
fn part(of: usize, ppm: u64) -> usize {
    let scaled = (of as u64 * ppm + ONE_PPM / 2) / ONE_PPM;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}
