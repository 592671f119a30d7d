//! What each source may have stored, and what stamps cost (SPEC 8.5).

use super::{
    Source, Usage,
    budget::{price_factor, source_bytes_max},
    leaky_bucket::LeakyBuckets,
};
use crate::{
    Address,
    limits::{DAY_MS, HOUR_MS, SEALED_CARD_BYTES, STRANGER_SHARE_MAX},
    mailbox::Rule,
    request::Request,
    time::MonoMillis,
};

/// Sources whose stored bytes are remembered, at most.
const SOURCES_REMEMBERED_MAX: usize = 16_384;
/// Pairs of a mailbox and a source whose envelopes are remembered, at most.
const STRANGERS_REMEMBERED_MAX: usize = 16_384;

/// What a deposit takes of what its source may have stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    bytes: u64,
    /// The mailbox, if it takes stamps.
    stranger: Option<Address>,
}

impl Charge {
    /// Returns what a request would take; nothing if it deposits nothing.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let (bytes, stranger) = match request {
            Request::DepositEnvelope {
                mailbox, envelope, ..
            } => {
                let takes_stamps = mailbox.rule == Rule::Stamp;
                (envelope.len(), takes_stamps.then(|| mailbox.address()))
            }
            Request::DepositCard { .. } => (SEALED_CARD_BYTES, None),
            Request::DepositChunk { chunk, .. } => (chunk.len(), None),
            _ => return None,
        };
        let bytes = bytes as u64;
        Some(Self { bytes, stranger })
    }
}

/// Who has had how much stored, and how full the store is.
#[derive(Debug)]
pub(super) struct Quotas {
    /// Bytes that each source had stored.
    stored: LeakyBuckets<Source>,
    /// Envelopes that each source had stored in mailboxes that take stamps.
    strangers: LeakyBuckets<(Address, Source)>,
    usage: Usage,
}

impl Quotas {
    /// Makes the quotas of a store of unknown size: endless, and empty.
    pub(super) fn new() -> Self {
        let usage = Usage {
            cap_bytes: u64::MAX,
            ..Usage::default()
        };
        let bytes_max = source_bytes_max(usage.cap_bytes);
        Self {
            stored: LeakyBuckets::new(bytes_max, HOUR_MS, SOURCES_REMEMBERED_MAX),
            strangers: LeakyBuckets::new(STRANGER_SHARE_MAX, DAY_MS, STRANGERS_REMEMBERED_MAX),
            usage,
        }
    }

    /// Notes how full the store is.
    pub(super) const fn on_usage(&mut self, usage: Usage) {
        self.usage = usage;
        self.stored.resize(source_bytes_max(usage.cap_bytes));
    }

    /// Returns by how much stamps are dearer because the store fills.
    pub(super) const fn price_factor(&self) -> u32 {
        price_factor(self.usage.counted_bytes(), self.usage.cap_bytes)
    }

    /// Tells whether a deposit is within its source's quotas.
    pub(super) fn allow(&mut self, now: MonoMillis, source: Source, charge: Charge) -> bool {
        let Charge { bytes, stranger } = charge;
        stranger.is_none_or(|at| self.strangers.allows(now, (at, source), 1))
            && self.stored.allows(now, source, bytes)
    }

    /// Writes a deposit down.
    pub(super) fn take(&mut self, now: MonoMillis, source: Source, charge: Charge) {
        self.stored.take(now, source, charge.bytes);
        if let Some(at) = charge.stranger {
            self.strangers.take(now, (at, source), 1);
        }
    }

    /// Takes back what [`take`](Self::take) wrote down.
    pub(super) fn undo(&mut self, source: Source, charge: Charge) {
        self.stored.undo(source, charge.bytes);
        if let Some(at) = charge.stranger {
            self.strangers.undo((at, source), 1);
        }
    }

    /// Forgets those who may take all of their quotas again.
    pub(super) fn forget_idle(&mut self, now: MonoMillis) {
        self.stored.forget_idle(now);
        self.strangers.forget_idle(now);
    }

    /// Returns how many sources, and how many pairs of a mailbox and a source, are remembered.
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.stored.len(), self.strangers.len())
    }
}
