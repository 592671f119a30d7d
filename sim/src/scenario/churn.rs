//! How machines come and go.

use std::fs;
use std::path::Path;

use restante_proto::limits::{DAY_MS, HOUR_MS};
use restante_sim_population::{self as population, Diurnal, Trace, Weibull};
use serde::{Deserialize, Serialize};

use super::TIME_MAX;
use super::check::{Checked, refuse, within};
use super::units::Ms;

/// A name such as "ipfs", or a table with the kind as its only key: `{ exponential = { up = "1h", down = "1h" } }`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Churn {
    #[default]
    Always,
    Kad,
    Ipfs,
    /// Sixteen hours a day.
    Diurnal,
    Exponential {
        up: Ms,
        down: Ms,
    },
    Weibull {
        up: Ms,
        up_shape: f64,
        down: Ms,
        down_shape: f64,
    },
    /// So many hours a day, how punctual, over how many time zones.
    Daily {
        up: Ms,
        #[serde(default = "hour")]
        jitter: Ms,
        #[serde(default = "day")]
        spread: Ms,
    },
    Trace {
        file: String,
        #[serde(skip)]
        recorded: Option<Trace>,
    },
}

const fn hour() -> Ms {
    Ms(HOUR_MS)
}

const fn day() -> Ms {
    Ms(DAY_MS)
}

impl Churn {
    /// Reads a recording that lies beside the scenario.
    pub(super) fn load(&mut self, folder: Option<&Path>) -> Result<(), String> {
        let Self::Trace { file, recorded } = self else {
            return Ok(());
        };
        let Some(folder) = folder else {
            let message = "only a scenario that is a file of its own has others beside it";
            return Err(format!("{file:?} cannot be read: {message}"));
        };
        let path = folder.join(&*file);
        let told = |what: String| format!("{} cannot be read: {what}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
        *recorded = Some(
            text.parse()
                .map_err(|error: population::TraceError| told(error.to_string()))?,
        );
        Ok(())
    }

    /// Returns what draws the stays.
    ///
    /// # Errors
    ///
    /// A sentence that says which number cannot be.
    pub(crate) fn stays(&self) -> Result<population::Churn, String> {
        let made = match self {
            Self::Always => Ok(population::Churn::Always),
            Self::Kad => Ok(population::Churn::Kad),
            Self::Ipfs => Ok(population::Churn::Ipfs),
            Self::Diurnal => Ok(population::Churn::Diurnal(Diurnal::default())),
            Self::Exponential { up, down } => population::Churn::exponential(up.get(), down.get()),
            Self::Weibull {
                up,
                up_shape,
                down,
                down_shape,
            } => {
                let up = Weibull::new(*up_shape, up.get() as f64);
                let down = Weibull::new(*down_shape, down.get() as f64);
                up.and_then(|up| Ok(population::Churn::Weibull { up, down: down? }))
            }
            Self::Daily { up, jitter, spread } => {
                let daily = Diurnal::new(up.get(), jitter.get(), spread.get());
                daily.map(population::Churn::Diurnal)
            }
            Self::Trace { recorded, .. } => {
                let recorded = recorded.clone();
                return recorded
                    .map(population::Churn::Trace)
                    .ok_or_else(|| "the recording has not been read".to_owned());
            }
        };
        made.map_err(|error| error.to_string())
    }

    pub(super) fn check(&self, path: &str) -> Checked {
        if let Self::Exponential { up, down } | Self::Weibull { up, down, .. } = self {
            within(path, *up, Ms(1)..=TIME_MAX)?;
            within(path, *down, Ms(1)..=TIME_MAX)?;
        }
        match self.stays() {
            Ok(_) => Ok(()),
            Err(what) => refuse(path, what),
        }
    }
}
