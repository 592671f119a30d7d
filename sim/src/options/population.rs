//! Who the machines are.

use restante_sim_network::Nat;
use restante_sim_population::{Churn, Link, Region, Regions};

use super::DiskOptions;

#[cfg(test)]
mod tests;

/// Community servers that all others are told of; they belong to no class.
pub(crate) const ENTRIES: usize = 2;
/// One, in a million.
const ONE_PPM: u64 = 1_000_000;

/// Who the machines are, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PopulationOptions {
    /// How keepers without a class come and go; those that all others are told of are always there.
    pub(crate) churn: Churn,
    /// Where machines are; nothing for a single place with the network's latency.
    pub(crate) regions: Option<Regions>,
    /// Machines that are not like the others of their group.
    pub(crate) classes: Vec<ClassOptions>,
    /// Everybody is started within so long, in milliseconds.
    pub(crate) arrive_ms: u64,
}

/// Machines that have something in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassOptions {
    /// What the class is called.
    pub(crate) name: String,
    /// What its machines are.
    pub(crate) kind: Kind,
    /// Whose machines they are.
    pub(crate) group: Group,
    /// How many there are.
    pub(crate) amount: Amount,
    /// What stands between them and the internet.
    pub(crate) nat: Nat,
    /// Their line to the internet.
    pub(crate) link: Link,
    /// How they come and go.
    pub(crate) churn: Churn,
    /// What a stay ends with.
    pub(crate) ends: Ends,
    /// Their region, if they are all in one.
    pub(crate) region: Option<Region>,
    /// By how much their clocks are wrong at most, in milliseconds, if not as everybody's.
    pub(crate) skew_ms: Option<u64>,
    /// How they store, if not as everybody.
    pub(crate) disk: Option<DiskOptions>,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A community server; somebody's own one if it is a person's.
    Server,
    /// A personal node at somebody's home.
    Home,
    /// A personal node that keeps nothing for others.
    Phone,
}

/// Whose machines there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Of those who neither write nor read.
    Keepers,
    /// Of those who write or read.
    People,
    /// Of the first half of the people.
    Senders,
    /// Of the second half of the people.
    Recipients,
}

/// How many of a group belong to a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many in a million.
    Share(u64),
    /// So many.
    Count(usize),
}

/// How a process ends when somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// In good order.
    Stops,
    /// As when a battery is pulled out, in the middle of a write if there is one.
    Crashes,
}

/// A class that asks for more machines than there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// The class, by its place.
    pub(crate) class: usize,
    /// What is wrong.
    pub(crate) what: String,
}

impl Group {
    /// All groups with their names.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("keepers", Self::Keepers),
        ("people", Self::People),
        ("senders", Self::Senders),
        ("recipients", Self::Recipients),
    ];

    pub(crate) fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, group)| *group == self)
            .map_or("", |(name, _)| name)
    }

    /// Returns how many there are who may belong to a class.
    const fn size(self, keepers: usize, people: usize) -> usize {
        match self {
            Self::Keepers => keepers.saturating_sub(ENTRIES),
            Self::People => people,
            Self::Senders => people / 2,
            Self::Recipients => people - people / 2,
        }
    }
}

impl PopulationOptions {
    /// Returns how many machines each class has, of so many.
    ///
    /// # Errors
    ///
    /// [`TooMany`] for the first class for which none are left.
    pub(crate) fn sizes(&self, keepers: usize, people: usize) -> Result<Vec<usize>, TooMany> {
        let mut sizes: Vec<usize> = Vec::with_capacity(self.classes.len());
        for (place, class) in self.classes.iter().enumerate() {
            let group = class.group;
            let total = group.size(keepers, people);
            let before = self.classes.iter().take(place);
            let of_group = || before.clone().filter(|other| other.group == group);
            let share = |class: &ClassOptions| match class.amount {
                Amount::Share(ppm) => ppm,
                Amount::Count(_) => 0,
            };
            let shares: u64 = of_group().map(share).sum();
            let size = match class.amount {
                Amount::Count(count) => count,
                // Sums are rounded, not shares, so that shares of one make everybody.
                Amount::Share(ppm) => part(total, shares + ppm).saturating_sub(part(total, shares)),
            };
            let all = shares + share(class);
            let what = if all > ONE_PPM {
                let sum = all as f64 / ONE_PPM as f64;
                Some(format!(
                    "the shares of {} come to {sum}, which is more than 1",
                    group.name()
                ))
            } else {
                let left = self.left(group, &sizes, (keepers, people));
                let (name, whose) = (&class.name, group.name());
                (size > left).then(|| {
                    format!("class \"{name}\" takes {size} {whose}, and only {left} are left")
                })
            };
            if let Some(what) = what {
                return Err(TooMany { class: place, what });
            }
            sizes.push(size);
        }
        Ok(sizes)
    }

    /// Returns how many of a group are free after the first classes got theirs.
    fn left(&self, group: Group, sizes: &[usize], (keepers, people): (usize, usize)) -> usize {
        let taken = |group: Group| -> usize {
            let pairs = self.classes.iter().zip(sizes);
            let own = pairs.filter(|(class, _)| class.group == group);
            own.map(|(_, size)| size).sum()
        };
        let size = |group: Group| group.size(keepers, people);
        match group {
            Group::Keepers => size(group).saturating_sub(taken(group)),
            Group::People | Group::Senders | Group::Recipients => {
                let halves = taken(Group::Senders) + taken(Group::Recipients);
                let all = people.saturating_sub(halves + taken(Group::People));
                match group {
                    Group::People => all,
                    _ => all.min(size(group).saturating_sub(taken(group))),
                }
            }
        }
    }
}

/// Returns that share of a number, in a million, rounded.
fn part(of: usize, ppm: u64) -> usize {
    let scaled = (of as u64 * ppm + ONE_PPM / 2) / ONE_PPM;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}
