//! What a scenario decides, valid by construction, in the simulator's own units.

mod expect;
mod fault;
mod population;

pub(crate) use self::expect::{Bound, Expectations, Outturn, Quantity, Side, Unit};
pub(crate) use self::fault::{
    AdversaryKind, AdversaryOptions, DiskTrouble, FaultKind, FaultOptions, Near, Target, Worse,
};
pub(crate) use self::population::{
    Amount, ClassOptions, ENTRIES, Ends, Group, Kind, PopulationOptions,
};

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

impl DiskOptions {
    /// Bytes a keeper takes unless the scenario says otherwise.
    pub(crate) const CAP_BYTES: u64 = 256 * 1024 * 1024;
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
