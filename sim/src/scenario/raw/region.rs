//! Where machines are, as it is typed.

use restante_proto::limits::SECOND_MS;
use restante_sim_population::Regions;
use serde::Deserialize;
use toml::Spanned;

use super::population::Population;
use super::{File, ScenarioFault, Text};

/// Longest way there and back between two regions, in milliseconds.
const ROUND_TRIP_MAX_MS: u64 = 2 * SECOND_MS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegion {
    name: Text,
    share: Spanned<f64>,
    rtt: Option<Spanned<Vec<Text>>>,
}

impl File<'_> {
    /// Reads where machines are; nothing if they are all in one place.
    pub(super) fn regions(
        &self,
        raw: &Population,
        own: &[RawRegion],
    ) -> Result<Option<Regions>, ScenarioFault> {
        let named = raw.regions.as_ref();
        let named = named.map(|regions| self.one_of(regions, &[("world", ())]));
        let world = named.transpose()?.map(|()| Regions::world());
        let Some(first) = own.first() else {
            return Ok(world);
        };
        let measured = own.iter().find_map(|region| region.rtt.as_ref());
        match measured {
            None => self.weighted(own).map(Some),
            Some(rtt) if world.is_some() => {
                let message = "the regions of the world have their round trips already";
                Err(self.fault(&rtt.span(), message.to_owned()))
            }
            Some(_) => self.made_up(own, first).map(Some),
        }
    }

    fn weighted(&self, own: &[RawRegion]) -> Result<Regions, ScenarioFault> {
        let world = Regions::world();
        for region in own {
            world.named(region.name.get_ref()).map_err(|fault| {
                let message = format!("{fault}; a region of your own needs `rtt`");
                self.fault(&region.name.span(), message)
            })?;
        }
        let weights = self.weights(own)?;
        let named = own.iter().map(|region| region.name.get_ref().as_str());
        let pairs: Vec<(&str, u32)> = named.zip(weights).collect();
        world.weighted(&pairs).map_err(|fault| {
            let first = own.first().map_or(0..0, |region| region.name.span());
            self.fault(&first, fault.to_string())
        })
    }

    fn made_up(&self, own: &[RawRegion], first: &RawRegion) -> Result<Regions, ScenarioFault> {
        let round_trips = own
            .iter()
            .map(|region| self.round_trips(region, own.len()))
            .collect::<Result<Vec<_>, _>>()?;
        let at = |row: usize, column: usize| -> u64 {
            let row = round_trips.get(row);
            row.and_then(|row| row.get(column)).copied().unwrap_or(0)
        };
        let one_way = |row: usize, column: usize| {
            let there_and_back = at(row, column);
            let half = there_and_back / 2;
            // An odd millisecond goes to one of the two ways.
            let ms = if row > column {
                there_and_back - half
            } else {
                half
            };
            u16::try_from(ms).unwrap_or(u16::MAX)
        };
        let mut rows: Vec<Vec<u16>> = Vec::new();
        for (row, region) in own.iter().enumerate() {
            for column in 0..row {
                if at(row, column) != at(column, row) {
                    let other = own.get(column).map_or("", |other| other.name.get_ref());
                    let (name, here, there) =
                        (region.name.get_ref(), at(row, column), at(column, row));
                    let message = format!(
                        "from {name:?} to {other:?} and back it takes {here} ms, and {there} ms the other way round"
                    );
                    let span = region.rtt.as_ref().map_or(0..0, Spanned::span);
                    return Err(self.fault(&span, message));
                }
            }
            rows.push((0..own.len()).map(|column| one_way(row, column)).collect());
        }
        let weights = self.weights(own)?;
        let named = own.iter().map(|region| region.name.get_ref().as_str());
        let all: Vec<(&str, u32, &[u16])> = named
            .zip(weights)
            .zip(&rows)
            .map(|((name, weight), row)| (name, weight, row.as_slice()))
            .collect();
        Regions::new(&all).map_err(|fault| self.fault(&first.name.span(), fault.to_string()))
    }

    fn round_trips(&self, region: &RawRegion, wanted: usize) -> Result<Vec<u64>, ScenarioFault> {
        let name = region.name.get_ref();
        let Some(rtt) = &region.rtt else {
            let message = format!("region {name:?} needs `rtt`, as the others have it");
            return Err(self.fault(&region.name.span(), message));
        };
        let got = rtt.get_ref().len();
        if got != wanted {
            let message = format!("region {name:?} has {got} round trips for {wanted} regions");
            return Err(self.fault(&rtt.span(), message));
        }
        let times = rtt.get_ref().iter();
        times
            .map(|time| self.time(time, 0..=ROUND_TRIP_MAX_MS))
            .collect()
    }

    /// Reads shares, in a million each; they need not make one.
    fn weights(&self, own: &[RawRegion]) -> Result<Vec<u32>, ScenarioFault> {
        let shares = own.iter().map(|region| {
            let share = self.share(Some(&region.share))?;
            Ok(u32::try_from(share).unwrap_or(u32::MAX))
        });
        let weights = shares.collect::<Result<Vec<u32>, ScenarioFault>>()?;
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let last = own.last().map_or(0..0, |region| region.share.span());
        match sum {
            0 => Err(self.fault(&last, "no region has a share".to_owned())),
            // Shares such as a third may be rounded.
            sum if sum > 1_001_000 => {
                let sum = sum as f64 / 1_000_000.0;
                let message = format!("the shares of regions come to {sum}, which is more than 1");
                Err(self.fault(&last, message))
            }
            _ => Ok(weights),
        }
    }
}
