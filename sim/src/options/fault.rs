//! What goes wrong, and who means harm.

/// Which machines a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any keepers.
    Any,
    /// Keepers whose receipts one sender has for a message that has not arrived.
    Holders,
    /// The next keepers that have a write under way.
    Busy,
    /// People's nodes.
    People,
}

/// What a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskTrouble {
    /// It has no room for anything more.
    Full,
    /// Everything takes a hundred times as long.
    Slow,
    /// Now and then a read, a write or a sync fails.
    Errors,
    /// Syncs succeed and do nothing; in the end the power is cut.
    LostSyncs,
    /// Bits flip in what the keeper has stored.
    Rot,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The keeper's process ends; its disk stays, and it starts again after so many milliseconds.
    Crash { target: Target, down_ms: u64 },
    /// The keeper and its disk are gone for good.
    Kill { target: Target },
    /// So many of the keepers and people, in a million each, are cut off from the others for so
    /// many milliseconds.
    Partition {
        keepers_ppm: u64,
        people_ppm: u64,
        lasts_ms: u64,
    },
    /// The network of each machine is gone for so many milliseconds; its process goes on.
    Offline { target: Target, lasts_ms: u64 },
    /// All entry points are off for so many milliseconds.
    BootstrapOutage { lasts_ms: u64 },
    /// The network is worse everywhere for so many milliseconds.
    Weather { worse: Worse, lasts_ms: u64 },
    /// The disk of each machine is in trouble for so many milliseconds.
    Disk {
        what: DiskTrouble,
        target: Target,
        lasts_ms: u64,
    },
    /// The clock of each machine is so many milliseconds further ahead, or behind, for so many milliseconds.
    Clock {
        target: Target,
        ahead_ms: i64,
        lasts_ms: u64,
    },
}

/// What bad weather adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worse {
    /// Packets lost, in a million.
    pub(crate) loss_ppm: u64,
    /// Packets that arrive twice, in a million.
    pub(crate) duplicate_ppm: u64,
    /// How much longer every packet takes, in milliseconds.
    pub(crate) latency_ms: u64,
}

/// When and how often something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultOptions {
    /// What.
    pub(crate) kind: FaultKind,
    /// At how many machines at once; 1 where it is no question.
    pub(crate) count: usize,
    /// The first time, in milliseconds.
    pub(crate) at_ms: u64,
    /// How often.
    pub(crate) times: u64,
    /// The pause from one time to the next, in milliseconds.
    pub(crate) every_ms: u64,
}

/// What somebody who means harm does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdversaryKind {
    /// So many of the keepers, in a million, give receipts and keep nothing.
    Drop { share_ppm: u64 },
    /// So many of the keepers, in a million, forget acks and ends, keep old cards, and at times hide what they have.
    Stale { share_ppm: u64 },
    /// So many of the keepers, in a million, know only each other when they are asked for nodes.
    Route { share_ppm: u64 },
    /// So many more nodes sit nearer to an address of this person than anybody else, and keep nothing.
    Sybil {
        near: Near,
        person: usize,
        count: usize,
    },
}

/// Which address of a person sybils sit at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Near {
    /// The first locator of the card.
    Locator,
}

/// Somebody who means harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdversaryOptions {
    /// What is done.
    pub(crate) kind: AdversaryKind,
}

impl FaultOptions {
    /// Returns the moments at which it happens within a run of so many milliseconds.
    pub(crate) fn moments(&self, duration_ms: u64) -> impl Iterator<Item = u64> {
        let moments = (0..self.times).map(|time| self.at_ms + time * self.every_ms);
        moments.take_while(move |at_ms| *at_ms < duration_ms)
    }
}

impl FaultKind {
    /// Returns the kind as it stands in a scenario.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill { .. } => "kill",
            Self::Partition { .. } => "partition",
            Self::Offline { .. } => "offline",
            Self::BootstrapOutage { .. } => "bootstrap-outage",
            Self::Weather { .. } => "weather",
            Self::Disk { .. } => "disk",
            Self::Clock { .. } => "clock",
        }
    }

    /// Returns what of it the protocol tier does not have, if there is something.
    pub(crate) const fn missing_on_protocol(&self) -> Option<&'static str> {
        match self {
            Self::Crash {
                target: Target::People,
                ..
            } => Some("crashes of people"),
            Self::Crash { .. } | Self::Kill { .. } | Self::Partition { .. } => None,
            Self::Offline { .. } => Some("machines offline"),
            Self::BootstrapOutage { .. } => Some("entry points"),
            Self::Weather { .. } => Some("weather"),
            Self::Disk { .. } => Some("disk faults"),
            Self::Clock { .. } => Some("clocks that jump"),
        }
    }
}

impl AdversaryKind {
    /// Returns the kind as it stands in a scenario.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Drop { .. } => "drop",
            Self::Stale { .. } => "stale",
            Self::Route { .. } => "route",
            Self::Sybil { .. } => "sybil",
        }
    }
}
