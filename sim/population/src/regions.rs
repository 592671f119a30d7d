//! Where nodes are, and how far apart.

use rand::Rng;

use crate::{UnknownName, draw};

#[cfg(test)]
mod tests;

/// A region, by its place in [`Regions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u8);

impl Region {
    /// Returns the region's place in [`Regions`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Regions of the world: how many nodes each has, and one-way latencies between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    names: Vec<String>,
    weights: Vec<u32>,
    /// The latency from one to another is at `from * names.len() + to`, in milliseconds.
    one_way_ms: Vec<u16>,
}

/// Regions that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionsError {
    /// None, or too many.
    #[error("there are {0} regions, and there have to be 1 to 255")]
    Count(usize),
    /// A name that two have.
    #[error("two regions are called \"{0}\"")]
    Twice(String),
    /// A row of the wrong length.
    #[error("region \"{name}\" has {got} latencies for {wanted} regions")]
    Row {
        /// The region.
        name: String,
        got: usize,
        /// How many it should have.
        wanted: usize,
    },
    /// No node anywhere.
    #[error("no region has a weight")]
    Weights,
}

/// The shipped regions, with their weights: nodes of a large public network, counted.
const WORLD: [(&str, u32); 8] = [
    ("europe", 5_599),
    ("north-america-east", 2_894),
    ("north-america-west", 1_240),
    ("east-asia", 1_059),
    ("oceania", 290),
    ("west-asia", 161),
    ("africa", 47),
    ("south-america", 36),
];

/// One-way latencies between the shipped regions, in milliseconds.
const WORLD_MS: [[u16; 8]; 8] = [
    [2, 70, 110, 125, 165, 60, 95, 140],
    [70, 2, 60, 140, 150, 110, 130, 100],
    [110, 60, 2, 100, 110, 150, 160, 100],
    [125, 140, 100, 4, 110, 110, 175, 175],
    [165, 150, 110, 110, 2, 180, 220, 190],
    [60, 110, 150, 110, 180, 5, 110, 145],
    [95, 130, 160, 175, 220, 110, 7, 195],
    [140, 100, 100, 175, 190, 145, 195, 7],
];

impl Regions {
    /// Returns the shipped regions: two nodes drawn by weight are 140 ms apart, there and back, in
    /// the median, and 280 ms at the 95th percentile.
    ///
    /// # References
    ///
    /// Latencies and weights are those that the interoperability tests of libp2p's gossipsub use,
    /// which took the weights from Ethereum's nodes (libp2p/test-plans, 2025).
    pub fn world() -> Self {
        Self {
            names: WORLD.iter().map(|(name, _)| (*name).to_owned()).collect(),
            weights: WORLD.iter().map(|(_, weight)| *weight).collect(),
            one_way_ms: WORLD_MS.concat(),
        }
    }

    /// Makes regions of names, weights and rows of one-way latencies in milliseconds, to each
    /// region in turn.
    ///
    /// # Errors
    ///
    /// See [`RegionsError`].
    pub fn new(rows: &[(&str, u32, &[u16])]) -> Result<Self, RegionsError> {
        let wanted = rows.len();
        if wanted == 0 || wanted > usize::from(u8::MAX) {
            return Err(RegionsError::Count(wanted));
        }
        let mut regions = Self {
            names: Vec::new(),
            weights: Vec::new(),
            one_way_ms: Vec::new(),
        };
        for (name, weight, latencies) in rows {
            if regions.names.iter().any(|known| known == name) {
                return Err(RegionsError::Twice((*name).to_owned()));
            }
            if latencies.len() != wanted {
                return Err(RegionsError::Row {
                    name: (*name).to_owned(),
                    got: latencies.len(),
                    wanted,
                });
            }
            regions.names.push((*name).to_owned());
            regions.weights.push(*weight);
            regions.one_way_ms.extend_from_slice(latencies);
        }
        if regions.weights.iter().all(|weight| *weight == 0) {
            return Err(RegionsError::Weights);
        }
        Ok(regions)
    }

    /// Returns these regions with other weights: those named have these, all others none.
    ///
    /// # Errors
    ///
    /// [`UnknownName`], which lists the regions there are.
    pub fn weighted(mut self, weights: &[(&str, u32)]) -> Result<Self, UnknownName> {
        let mut chosen = vec![0; self.names.len()];
        for (name, weight) in weights {
            let region = self.named(name)?;
            if let Some(place) = chosen.get_mut(region.index()) {
                *place = *weight;
            }
        }
        // Weights of nothing but 0 would leave nowhere to be.
        if chosen.iter().any(|weight| *weight > 0) {
            self.weights = chosen;
        }
        Ok(self)
    }

    /// Returns the region of this name.
    ///
    /// # Errors
    ///
    /// [`UnknownName`], which lists the regions there are.
    pub fn named(&self, name: &str) -> Result<Region, UnknownName> {
        let known = self.names.iter().position(|known| known == name);
        known
            .and_then(|index| u8::try_from(index).ok())
            .map(Region)
            .ok_or_else(|| UnknownName::new("region", name, self.names.iter().map(String::as_str)))
    }

    /// Returns the name of a region.
    pub fn name(&self, region: Region) -> &str {
        self.names.get(region.index()).map_or("", String::as_str)
    }

    /// Returns all regions.
    pub fn all(&self) -> impl Iterator<Item = Region> + use<> {
        (0..self.names.len()).filter_map(|index| u8::try_from(index).ok().map(Region))
    }

    /// Returns the share of nodes that a region has.
    pub fn share(&self, region: Region) -> f64 {
        let total: u64 = self.weights.iter().map(|weight| u64::from(*weight)).sum();
        let own = self.weights.get(region.index()).copied().unwrap_or(0);
        f64::from(own) / total.max(1) as f64
    }

    /// Draws where a node is.
    pub fn draw<R: Rng + ?Sized>(&self, rng: &mut R) -> Region {
        let total: u64 = self.weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = draw::below(rng, total);
        for (region, weight) in self.all().zip(&self.weights) {
            if left < u64::from(*weight) {
                return region;
            }
            left -= u64::from(*weight);
        }
        Region(0)
    }

    /// Returns the time a packet takes from one region to another, in milliseconds.
    pub fn one_way_ms(&self, from: Region, to: Region) -> u32 {
        let place = from.index() * self.names.len() + to.index();
        self.one_way_ms.get(place).copied().map_or(0, u32::from)
    }

    /// Returns the time there and back, in milliseconds.
    pub fn round_trip_ms(&self, from: Region, to: Region) -> u32 {
        self.one_way_ms(from, to) + self.one_way_ms(to, from)
    }

    /// Returns the time there and back below which the share `part` of all pairs of nodes lies, in
    /// milliseconds.
    pub fn round_trip_quantile_ms(&self, part: f64) -> u32 {
        let pair = |(from, to)| {
            let share = self.share(from) * self.share(to);
            (self.round_trip_ms(from, to), share)
        };
        let every = self
            .all()
            .flat_map(|from| self.all().map(move |to| (from, to)));
        let mut pairs: Vec<(u32, f64)> = every.map(pair).collect();
        pairs.sort_by_key(|(ms, _)| *ms);
        let mut below = 0.0;
        for (ms, share) in &pairs {
            below += share;
            if below >= part {
                return *ms;
            }
        }
        pairs.last().map_or(0, |(ms, _)| *ms)
    }
}
