//! What only the model tier knows of, as it is typed.

use restante_proto::limits::{DAY_MS, MINUTE_MS, SECOND_MS};
use restante_proto::placement::CANDIDATES;
use serde::Deserialize;
use toml::Spanned;

use super::{File, Number, ScenarioFault, Text, size};
use crate::options::{ModelOptions, RecipientOptions, RepairOptions, SenderOptions};

/// Longest time that somebody is there or away, in milliseconds.
const STAY_MAX_MS: u64 = 365 * DAY_MS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    senders: Option<Senders>,
    recipients: Option<Recipients>,
    repair: Option<Repair>,
    dead: Option<Spanned<f64>>,
    life: Option<Text>,
    latency: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Senders {
    here: Text,
    away: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipients {
    away: [Text; 2],
    here: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repair {
    after: Option<[Text; 2]>,
    every: Text,
    below: Number,
    copies: Number,
}

impl File<'_> {
    pub(super) fn model(&self, raw: &Model) -> Result<ModelOptions, ScenarioFault> {
        let senders = raw.senders.as_ref().map(|raw| {
            Ok(SenderOptions {
                here_ms: self.time(&raw.here, SECOND_MS..=STAY_MAX_MS)?,
                away_ms: self.time(&raw.away, SECOND_MS..=STAY_MAX_MS)?,
            })
        });
        let recipients = raw.recipients.as_ref().map(|raw| {
            let [shortest, longest] = &raw.away;
            let from = self.time(shortest, SECOND_MS..=STAY_MAX_MS)?;
            Ok(RecipientOptions {
                away_ms: (from, self.time(longest, from..=STAY_MAX_MS)?),
                here_ms: self.time(&raw.here, SECOND_MS..=STAY_MAX_MS)?,
            })
        });
        let dead_ppm = self.share(raw.dead.as_ref())?;
        if let Some(dead) = raw.dead.as_ref().filter(|_| dead_ppm == 1_000_000) {
            let message = "1 is not a share below 1: somebody has to live".to_owned();
            return Err(self.fault(&dead.span(), message));
        }
        let life = raw.life.as_ref();
        Ok(ModelOptions {
            senders: senders.transpose()?,
            recipients: recipients.transpose()?,
            repair: raw
                .repair
                .as_ref()
                .map(|raw| self.repair(raw))
                .transpose()?,
            dead_ppm,
            life_ms: life
                .map(|life| self.time(life, DAY_MS..=STAY_MAX_MS))
                .transpose()?,
            latency: raw.latency.unwrap_or_default(),
        })
    }

    fn repair(&self, raw: &Repair) -> Result<RepairOptions, ScenarioFault> {
        let copies = self.number(&raw.copies, 1..=CANDIDATES as u64)?;
        let after = raw.after.as_ref().map(|[shortest, longest]| {
            let from = self.time(shortest, SECOND_MS..=STAY_MAX_MS)?;
            Ok((from, self.time(longest, from..=STAY_MAX_MS)?))
        });
        Ok(RepairOptions {
            after_ms: after.transpose()?,
            every_ms: self.time(&raw.every, MINUTE_MS..=STAY_MAX_MS)?,
            below: size(self.number(&raw.below, 1..=copies)?),
            copies: size(copies),
        })
    }
}
