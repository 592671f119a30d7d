//! Where machines are.

use restante_sim_population::Regions;
use serde::{Deserialize, Serialize};

use super::check::{Checked, Invalid, refuse, within};
use super::units::{Ms, ONE_PPM, Share};

/// Longest way there and back between two regions.
const ROUND_TRIP_MAX: Ms = Ms::seconds(2);
/// What shares may come to: those such as a third are rounded.
const SUM_MAX_PPM: u64 = ONE_PPM + 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Measured {
    /// Eight regions with the round trips between them.
    World,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Region {
    pub(crate) name: String,
    share: Share,
    /// Times there and back to all regions, in their order; without them it is one of the world's.
    rtt: Option<Vec<Ms>>,
}

/// Returns where machines are; `None` is a single place.
pub(super) fn regions(world: Option<Measured>, own: &[Region]) -> Result<Option<Regions>, Invalid> {
    let Some(last) = own.len().checked_sub(1) else {
        return Ok(world.map(|Measured::World| Regions::world()));
    };
    let last = format!("region.{last}.share");
    match own.iter().map(|region| region.share.ppm()).sum() {
        0 => return refuse(last, "no region has a share"),
        sum if sum > SUM_MAX_PPM => {
            let sum = Share(sum);
            let message = format!("the shares of regions come to {sum}, which is more than 1");
            return refuse(last, message);
        }
        _ => {}
    }
    match own.iter().position(|region| region.rtt.is_some()) {
        None => of_the_world(own).map(Some),
        Some(number) if world.is_some() => refuse(
            format_args!("region.{number}.rtt"),
            "the regions of the world have their round trips already",
        ),
        Some(_) => measured(own).map(Some),
    }
}

fn weight(region: &Region) -> u32 {
    u32::try_from(region.share.ppm()).unwrap_or(u32::MAX)
}

fn of_the_world(own: &[Region]) -> Result<Regions, Invalid> {
    let world = Regions::world();
    for (number, region) in own.iter().enumerate() {
        if let Err(error) = world.named(&region.name) {
            let message = format!("{error}; a region of your own needs `rtt`");
            return refuse(format_args!("region.{number}.name"), message);
        }
    }
    let weights: Vec<(&str, u32)> = own.iter().map(|one| (&*one.name, weight(one))).collect();
    let weighted = world.weighted(&weights);
    weighted.or_else(|error| refuse("region", error))
}

fn measured(own: &[Region]) -> Result<Regions, Invalid> {
    for (number, region) in own.iter().enumerate() {
        check_round_trips(&format!("region.{number}.rtt"), region, own)?;
    }
    let one_way = |row: usize, column: usize| {
        let ms = round_trip(own, row, column).get();
        // An odd millisecond goes to one of the two ways.
        let ms = if row > column { ms - ms / 2 } else { ms / 2 };
        u16::try_from(ms).unwrap_or(u16::MAX)
    };
    let row = |row| (0..own.len()).map(move |column| one_way(row, column));
    let rows: Vec<Vec<u16>> = (0..own.len()).map(|number| row(number).collect()).collect();
    let all = own.iter().zip(&rows);
    let all: Vec<(&str, u32, &[u16])> = all
        .map(|(region, row)| (&*region.name, weight(region), row.as_slice()))
        .collect();
    Regions::new(&all).or_else(|error| refuse("region.0.name", error))
}

fn round_trip(own: &[Region], row: usize, column: usize) -> Ms {
    let rtt = own.get(row).and_then(|region| region.rtt.as_ref());
    let ms = rtt.and_then(|rtt| rtt.get(column));
    ms.copied().unwrap_or_default()
}

fn check_round_trips(path: &str, region: &Region, own: &[Region]) -> Checked {
    let name = &region.name;
    let Some(rtt) = &region.rtt else {
        let message = format!("region {name:?} needs `rtt`, as the others have it");
        return refuse(path, message);
    };
    let (got, wanted) = (rtt.len(), own.len());
    if got != wanted {
        let message = format!("region {name:?} has {got} round trips for {wanted} regions");
        return refuse(path, message);
    }
    let row = own.iter().position(|other| other == region).unwrap_or(0);
    for (column, (here, other)) in rtt.iter().zip(own).enumerate() {
        within(
            format_args!("{path}.{column}"),
            *here,
            Ms::ZERO..=ROUND_TRIP_MAX,
        )?;
        let there = round_trip(own, column, row);
        if column < row && *here != there {
            let other = &other.name;
            let message = format!(
                "from {name:?} to {other:?} and back it takes {here}, and {there} the other way round"
            );
            return refuse(path, message);
        }
    }
    Ok(())
}
