//! Who means harm.

use serde::Deserialize;
use toml::Spanned;

use super::{File, Number, ScenarioFault, Text, size};
use crate::options::{AdversaryKind, AdversaryOptions, Near};

/// Sybils of one attack, at most.
const SYBILS_MAX: u64 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adversary {
    kind: Text,
    share: Option<Spanned<f64>>,
    near: Option<Text>,
    person: Option<Number>,
    count: Option<Number>,
}

impl File<'_> {
    pub(super) fn adversary(
        &self,
        raw: &Adversary,
        people: u64,
    ) -> Result<AdversaryOptions, ScenarioFault> {
        let is_sybil = self.one_of(
            &raw.kind,
            &[
                ("drop", false),
                ("stale", false),
                ("route", false),
                ("sybil", true),
            ],
        )?;
        let kind = raw.kind.get_ref();
        let given = [
            ("share", raw.share.as_ref().map(Spanned::span), false),
            ("near", raw.near.as_ref().map(Spanned::span), true),
            ("person", raw.person.as_ref().map(Spanned::span), true),
            ("count", raw.count.as_ref().map(Spanned::span), true),
        ];
        for (key, span, of_sybil) in given {
            if let Some(span) = span.filter(|_| of_sybil != is_sybil) {
                return Err(self.fault(&span, format!("{kind} takes no `{key}`")));
            }
        }
        let needs = |key: &str| self.fault(&raw.kind.span(), format!("{kind} needs `{key}`"));
        if is_sybil {
            let near = raw.near.as_ref().ok_or_else(|| needs("near"))?;
            let (person, count) = (raw.person.as_ref(), raw.count.as_ref());
            return Ok(AdversaryOptions {
                kind: AdversaryKind::Sybil {
                    near: self.one_of(near, &[("locator", Near::Locator)])?,
                    person: size(person.map_or(Ok(0), |n| self.number(n, 0..=people - 1))?),
                    count: size(count.map_or(Ok(20), |n| self.number(n, 1..=SYBILS_MAX))?),
                },
            });
        }
        let share = raw.share.as_ref().ok_or_else(|| needs("share"))?;
        let share_ppm = self.share(Some(share))?;
        let kind = match kind.as_str() {
            "drop" => AdversaryKind::Drop { share_ppm },
            "stale" => AdversaryKind::Stale { share_ppm },
            _ => AdversaryKind::Route { share_ppm },
        };
        Ok(AdversaryOptions { kind })
    }
}
