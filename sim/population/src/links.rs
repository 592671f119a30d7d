//! How nodes are connected to the internet.

use std::str::FromStr;

use rand::Rng;

use crate::{UnknownName, draw};

#[cfg(test)]
mod tests;

/// A node's line, between it and the middle of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The preset's name.
    pub name: &'static str,
    /// What the line adds to the latency of every packet, one way, in milliseconds.
    pub latency_ms: u32,
    /// Bytes a second from the node.
    pub up_bytes_per_s: u64,
    /// Bytes a second to the node.
    pub down_bytes_per_s: u64,
    /// How long a packet may wait for its turn before it is dropped, in milliseconds.
    pub queue_ms: u32,
    /// Lost packets in a million, while the line works.
    pub loss_ppm: u32,
    /// How the line fails now and then.
    pub collapse: Option<Collapse>,
}

/// How a line fails for a while, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collapse {
    /// Mean time from the end of one collapse to the start of the next, exponential, in
    /// milliseconds.
    pub mean_between_ms: u64,
    /// How long one takes, in milliseconds.
    pub lasts_ms: u64,
    /// Lost packets in a million, during a collapse.
    pub loss_ppm: u32,
}

impl Link {
    /// A machine in a data centre: 1 Gbit/s.
    pub const SERVER: Self = Self {
        name: "server",
        latency_ms: 0,
        up_bytes_per_s: 125_000_000,
        down_bytes_per_s: 125_000_000,
        queue_ms: 50,
        loss_ppm: 0,
        collapse: None,
    };
    /// Fibre to a home: 100 Mbit/s up, 300 down.
    pub const FIBRE: Self = Self {
        name: "fibre",
        latency_ms: 2,
        up_bytes_per_s: 12_500_000,
        down_bytes_per_s: 37_500_000,
        queue_ms: 100,
        loss_ppm: 10,
        collapse: None,
    };
    /// A home on copper or cable: 20 Mbit/s up, 100 down.
    pub const HOME: Self = Self {
        name: "home",
        latency_ms: 8,
        up_bytes_per_s: 2_500_000,
        down_bytes_per_s: 12_500_000,
        queue_ms: 200,
        loss_ppm: 100,
        collapse: None,
    };
    /// A phone: 4 Mbit/s up, 6.4 down, queues of 0.8 s, and every ten minutes 45 s in which 85 % of
    /// all packets are lost. Rates, queues and collapses were measured by Veilid's makers over a
    /// phone in 2026 and are their preset of the same name; latency and loss in between are
    /// assumptions.
    pub const MOBILE: Self = Self {
        name: "mobile",
        latency_ms: 35,
        up_bytes_per_s: 500_000,
        down_bytes_per_s: 800_000,
        queue_ms: 800,
        loss_ppm: 1_000,
        collapse: Some(Collapse {
            mean_between_ms: 555_000,
            lasts_ms: 45_000,
            loss_ppm: 850_000,
        }),
    };
    /// A bad phone: 2 Mbit/s up, 4.8 down, and collapses of 100 s that are 70 s apart; Veilid's
    /// preset `mobile-bad`.
    pub const VEILID: Self = Self {
        name: "veilid",
        latency_ms: 60,
        up_bytes_per_s: 250_000,
        down_bytes_per_s: 600_000,
        queue_ms: 800,
        loss_ppm: 5_000,
        collapse: Some(Collapse {
            mean_between_ms: 70_000,
            lasts_ms: 100_000,
            loss_ppm: 850_000,
        }),
    };

    /// All presets.
    pub const ALL: [Self; 5] = [
        Self::FIBRE,
        Self::HOME,
        Self::MOBILE,
        Self::VEILID,
        Self::SERVER,
    ];
}

impl FromStr for Link {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.iter().find(|link| link.name == name);
        known
            .copied()
            .ok_or_else(|| UnknownName::new("link", name, Self::ALL.iter().map(|link| link.name)))
    }
}

impl Collapse {
    /// Draws how long the line works until it fails next, in milliseconds, at least 1.
    pub fn draw_gap_ms<R: Rng + ?Sized>(&self, rng: &mut R) -> u64 {
        (libm::round(self.mean_between_ms as f64 * draw::exponential(rng)) as u64).max(1)
    }

    /// Returns the share of time in which the line works.
    pub fn availability(&self) -> f64 {
        self.mean_between_ms as f64 / (self.mean_between_ms + self.lasts_ms) as f64
    }
}
