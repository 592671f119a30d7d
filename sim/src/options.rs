//! What a scenario decides, valid by construction, in the simulator's own units.

use restante_sim_population::{Churn, Regions};

/// Who the keepers are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PopulationOptions {
    /// How keepers come and go; those that all others are told of are always there.
    pub(crate) churn: Churn,
    /// Where machines are; nothing for a single place with the network's latency.
    pub(crate) regions: Option<Regions>,
}

/// How messages between hosts travel until the faults end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkOptions {
    /// Shortest way from one host to another, in milliseconds.
    pub(crate) latency_ms: u64,
    /// At most so much longer, in milliseconds; later messages may arrive before earlier ones.
    pub(crate) jitter_ms: u64,
    /// A lookup of the closest keepers takes up to so long, in milliseconds.
    pub(crate) lookup_ms: u64,
    /// Messages lost, in a million.
    pub(crate) loss_ppm: u64,
    /// Messages that arrive twice, in a million.
    pub(crate) duplicate_ppm: u64,
}

/// How keepers store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DiskOptions {
    /// Longest time until an operation is durable, in milliseconds.
    pub(crate) latency_ms: u64,
    /// Bytes each keeper takes.
    pub(crate) cap_bytes: u64,
}

/// Who writes to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Everybody to everybody else.
    Everybody,
    /// The first half of the people to the second half.
    OneWay,
}

/// What people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkloadOptions {
    /// Messages written.
    pub(crate) messages: u64,
    /// When the first is written, in milliseconds.
    pub(crate) from_ms: u64,
    /// All are written within so long, in milliseconds.
    pub(crate) over_ms: u64,
    /// Length of a message, in bytes, from and to.
    pub(crate) bytes: (u64, u64),
    /// Life of a message, in milliseconds, from and to.
    pub(crate) ttl_ms: (u64, u64),
    /// Who writes to whom.
    pub(crate) pattern: Pattern,
}

/// Some of the people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Those who write.
    Senders,
    /// Those who are written to.
    Recipients,
    /// All of them.
    Everybody,
}

/// A time in which some people's nodes do not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwayOptions {
    /// Whose.
    pub(crate) who: Who,
    /// From when, in milliseconds.
    pub(crate) from_ms: u64,
    /// For how long, in milliseconds; nothing for those who never return.
    pub(crate) lasts_ms: Option<u64>,
}

/// Which keepers a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any.
    Any,
    /// Those whose receipts one sender has for a message that has not arrived.
    Holders,
    /// The next ones that have a write under way.
    Busy,
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
}

/// When and how often something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultOptions {
    /// What.
    pub(crate) kind: FaultKind,
    /// At how many keepers at once; 1 for a partition.
    pub(crate) count: usize,
    /// The first time, in milliseconds.
    pub(crate) at_ms: u64,
    /// How often.
    pub(crate) times: u64,
    /// The pause from one time to the next, in milliseconds.
    pub(crate) every_ms: u64,
}

/// What must come out, besides what the checkers always want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    /// Messages that had enough receipts at some time, at least.
    pub(crate) stored_min: u64,
    /// Messages shown, at least.
    pub(crate) shown_min: u64,
    /// Messages that expired before they were shown, at least.
    pub(crate) expired_min: u64,
}
