//! Classes of machines, as they are typed.

use std::ops::Range;

use restante_proto::limits::{HOUR_MS, MINUTE_MS};
use restante_sim_network::Nat;
use restante_sim_population::{Churn, Diurnal, Link, Region, Regions};
use serde::Deserialize;
use toml::Spanned;

use super::churn::TypedChurn;
use super::network::Disk;
use super::{File, NODES_MAX, Number, SKEW_MAX_MS, ScenarioFault, Text, size};
use crate::options::{Amount, ClassOptions, Ends, Group, Kind};

/// Longest name of a class, in bytes.
const NAME_BYTES_MAX: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Class {
    pub(super) name: Text,
    kind: Text,
    who: Option<Text>,
    share: Option<Spanned<f64>>,
    count: Option<Number>,
    nat: Option<Text>,
    link: Option<Text>,
    churn: Option<Spanned<TypedChurn>>,
    ends: Option<Text>,
    region: Option<Text>,
    skew: Option<Text>,
    disk: Option<Disk>,
}

impl Class {
    /// Returns where it stands how many there are.
    pub(super) fn amount_span(&self) -> Range<usize> {
        let share = self.share.as_ref().map(Spanned::span);
        let count = self.count.as_ref().map(Spanned::span);
        share.or(count).unwrap_or_else(|| self.name.span())
    }
}

/// What is so unless a class says otherwise.
struct Usual {
    group: Group,
    nat: Nat,
    link: Link,
    churn: Churn,
}

impl Usual {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self {
                group: Group::Keepers,
                nat: Nat::Public,
                link: Link::SERVER,
                churn: Churn::Always,
            },
            Kind::Home => Self {
                group: Group::Keepers,
                nat: Nat::Cone,
                link: Link::HOME,
                churn: Churn::Diurnal(Diurnal::default()),
            },
            Kind::Phone => Self {
                group: Group::People,
                nat: Nat::Symmetric,
                link: Link::MOBILE,
                churn: Churn::Exponential {
                    up_mean_ms: 20 * MINUTE_MS,
                    down_mean_ms: HOUR_MS,
                },
            },
        }
    }
}

impl File<'_> {
    pub(super) fn class(
        &self,
        raw: &Class,
        regions: Option<&Regions>,
    ) -> Result<ClassOptions, ScenarioFault> {
        let kinds = [
            ("server", Kind::Server),
            ("home", Kind::Home),
            ("phone", Kind::Phone),
        ];
        let kind = self.one_of(&raw.kind, &kinds)?;
        let usual = Usual::of(kind);
        let group = self.word_or(raw.who.as_ref(), &Group::ALL, usual.group)?;
        if let (Kind::Phone, Group::Keepers, Some(who)) = (kind, group, &raw.who) {
            let message = "phones keep nothing for others, and cannot be keepers";
            return Err(self.fault(&who.span(), message.to_owned()));
        }
        let nats = [
            ("public", Nat::Public),
            ("cone", Nat::Cone),
            ("symmetric", Nat::Symmetric),
        ];
        let ends = [("stops", Ends::Stops), ("crashes", Ends::Crashes)];
        let skew = raw.skew.as_ref();
        let skew = skew.map(|skew| self.time(skew, 0..=SKEW_MAX_MS));
        Ok(ClassOptions {
            name: self.class_name(&raw.name)?,
            kind,
            group,
            amount: self.amount(raw)?,
            nat: self.word_or(raw.nat.as_ref(), &nats, usual.nat)?,
            link: match &raw.link {
                Some(link) => self.link(link)?,
                None => usual.link,
            },
            churn: match &raw.churn {
                Some(churn) => self.churn(churn)?,
                None => usual.churn,
            },
            ends: self.word_or(raw.ends.as_ref(), &ends, Ends::Crashes)?,
            region: match &raw.region {
                Some(region) => Some(self.region(region, regions)?),
                None => None,
            },
            skew_ms: skew.transpose()?,
            disk: raw.disk.as_ref().map(|disk| self.disk(disk)).transpose()?,
        })
    }

    fn class_name(&self, name: &Text) -> Result<String, ScenarioFault> {
        let typed = name.get_ref();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if typed.is_empty() || typed.len() > NAME_BYTES_MAX || !typed.chars().all(is_plain) {
            let message = format!(
                "{typed:?} is not a name of 1 to {NAME_BYTES_MAX} letters, digits, - and _"
            );
            return Err(self.fault(&name.span(), message));
        }
        Ok(typed.clone())
    }

    fn amount(&self, raw: &Class) -> Result<Amount, ScenarioFault> {
        match (&raw.share, &raw.count) {
            (Some(share), None) => Ok(Amount::Share(self.share(Some(share))?)),
            (None, Some(count)) => {
                let count = self.number(count, 0..=NODES_MAX as u64)?;
                Ok(Amount::Count(size(count)))
            }
            (None, None) => {
                let message = "a class needs `share` or `count`".to_owned();
                Err(self.fault(&raw.name.span(), message))
            }
            (Some(_), Some(count)) => {
                let message = "a class takes `share` or `count`, not both".to_owned();
                Err(self.fault(&count.span(), message))
            }
        }
    }

    fn link(&self, link: &Text) -> Result<Link, ScenarioFault> {
        let known = link.get_ref().parse::<Link>();
        known.map_err(|fault| self.fault(&link.span(), fault.to_string()))
    }

    fn region(&self, region: &Text, regions: Option<&Regions>) -> Result<Region, ScenarioFault> {
        let Some(regions) = regions else {
            let message = "there are no regions: `population.regions` or [[region]] make some";
            return Err(self.fault(&region.span(), message.to_owned()));
        };
        let known = regions.named(region.get_ref());
        known.map_err(|fault| self.fault(&region.span(), fault.to_string()))
    }
}
