//! Who there is, as it is typed.

use restante_sim_population::Churn;
use serde::Deserialize;
use toml::Spanned;

use super::churn::TypedChurn;
use super::class::Class;
use super::region::RawRegion;
use super::{File, Number, ScenarioFault, Text};
use crate::options::{ClassOptions, PopulationOptions};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Population {
    pub(super) nodes: Number,
    pub(super) people: Number,
    churn: Option<Spanned<TypedChurn>>,
    pub(super) regions: Option<Text>,
}

impl File<'_> {
    /// Reads who there is, of so many keepers and people.
    pub(super) fn population(
        &self,
        raw: &Population,
        (classes, regions): (&[Class], &[RawRegion]),
        (keepers, people): (usize, usize),
        arrive_ms: u64,
    ) -> Result<PopulationOptions, ScenarioFault> {
        let regions = self.regions(raw, regions)?;
        let mut read: Vec<ClassOptions> = Vec::with_capacity(classes.len());
        for class in classes {
            let options = self.class(class, regions.as_ref())?;
            if read.iter().any(|known| known.name == options.name) {
                let message = format!("there are two classes called {:?}", options.name);
                return Err(self.fault(&class.name.span(), message));
            }
            read.push(options);
        }
        let churn = raw.churn.as_ref().map(|churn| self.churn(churn));
        let population = PopulationOptions {
            churn: churn.transpose()?.unwrap_or(Churn::Always),
            regions,
            classes: read,
            arrive_ms,
        };
        match population.sizes(keepers, people) {
            Ok(_) => Ok(population),
            Err(fault) => {
                let class = classes.get(fault.class);
                let span = class.map_or(0..0, Class::amount_span);
                Err(self.fault(&span, fault.what))
            }
        }
    }
}
