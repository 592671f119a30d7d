//! Two kinds of time as plain numbers; nothing here reads a clock.
//!
//! Timers run on [`MonoMillis`], which only goes forward; validity (expiry, epochs, the dates of proofs) is a matter of
//! the date, [`UnixMillis`], which people and time servers set. The two never mix: a machine that takes both takes a
//! [`Now`] (SPEC 2.4).

use std::fmt;

use crate::limits::{EPOCH_MS, SALT_EPOCH_MS};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Wraps a number of milliseconds.
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns the number of milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the moment `ms` later, or the last one there is.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns the moment `ms` earlier, or 1970.
    #[must_use]
    pub const fn minus(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Returns how many milliseconds have passed since `earlier`, 0 if it lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the mailbox epoch this moment lies in (SPEC 5.2).
    pub fn epoch(self) -> Epoch {
        Epoch(u32::try_from(self.0 / EPOCH_MS).unwrap_or(u32::MAX))
    }

    /// Returns the salt epoch of locators this moment lies in (SPEC 3.3).
    pub fn salt_epoch(self) -> SaltEpoch {
        SaltEpoch(u32::try_from(self.0 / SALT_EPOCH_MS).unwrap_or(u32::MAX))
    }
}

/// A reading of a clock that only goes forward: milliseconds since some moment of this run, worth nothing after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoMillis(u64);

impl MonoMillis {
    /// Wraps a number of milliseconds.
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// Returns the number of milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the moment `ms` later, or the last one there is.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Returns how many milliseconds have passed since `earlier`, 0 if it lies ahead.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both times of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What timers run on.
    pub mono: MonoMillis,
    /// What validity is measured by.
    pub date: UnixMillis,
}

impl Now {
    /// Pairs the two.
    pub const fn new(mono: MonoMillis, date: UnixMillis) -> Self {
        Self { mono, date }
    }

    /// Returns both times `ms` later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self::new(self.mono.plus(ms), self.date.plus(ms))
    }

    /// Returns the monotonic time at which the date will be `date`, now if it is past. Compute it anew at every
    /// wake-up: the clock may be set meanwhile.
    pub const fn when(self, date: UnixMillis) -> MonoMillis {
        self.mono.plus(date.since(self.date))
    }
}

/// A mailbox epoch: the number of whole days since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// Wraps an epoch number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the epoch number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the epoch `count` later.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// Returns the epoch `count` earlier.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self(self.0.saturating_sub(count))
    }

    /// Returns the first moment of this epoch.
    pub fn start(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * EPOCH_MS)
    }
}

/// A salt epoch: the number of whole periods of 365 days since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaltEpoch(u32);

impl SaltEpoch {
    /// Wraps a salt epoch number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the salt epoch number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
