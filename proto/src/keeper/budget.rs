//! How much may wait, who may take how much of it, and what the last of it costs (SPEC 8.5).

use super::element::AdmissionProof;
use crate::{
    limits::{
        CAPABILITY_MAILBOX_BYTES_MAX, CAPABILITY_MAILBOX_COUNT_MAX, SOURCE_BYTES_MIN,
        SOURCE_CAP_PART, STAMP_MAILBOX_BYTES_MAX, STAMP_MAILBOX_COUNT_MAX,
    },
    mailbox::Rule,
};

/// How much may wait in one mailbox, and what a stranger pays for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Envelopes.
    pub count: u32,
    /// Bytes.
    pub bytes: u64,
    /// Effort asked of a stamp while the mailbox is less than half full; 0 where nothing is asked.
    pub effort: u32,
    /// Whether holders have no more than their shares of it; copies from other keepers are taken
    /// without.
    pub shared: bool,
}

/// Returns the budget of a mailbox under `rule`, without a price.
pub const fn mailbox_budget(rule: Rule) -> Budget {
    let (count, bytes) = match rule {
        Rule::Stamp => (STAMP_MAILBOX_COUNT_MAX, STAMP_MAILBOX_BYTES_MAX),
        Rule::Capability => (CAPABILITY_MAILBOX_COUNT_MAX, CAPABILITY_MAILBOX_BYTES_MAX),
    };
    Budget {
        count,
        bytes,
        effort: 0,
        shared: true,
    }
}

/// What waits in a mailbox when an envelope comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MailboxUse {
    pub(super) count: u32,
    pub(super) bytes: u64,
    /// Envelopes of the holder whose envelope comes.
    pub(super) own_count: u32,
    pub(super) own_bytes: u64,
}

impl MailboxUse {
    /// Adds an envelope that waits; `own` if its holder is the one whose envelope comes.
    pub(super) const fn add(&mut self, bytes: u64, own: bool) {
        self.count += 1;
        self.bytes += bytes;
        if own {
            self.own_count += 1;
            self.own_bytes += bytes;
        }
    }
}

/// Returns by how much the price of a place is multiplied when `used` of `room` is taken: nothing
/// below half, then twice as much from each eighth on.
pub const fn price_factor(used: u64, room: u64) -> u32 {
    // Divided rather than multiplied: no number is too large for that.
    match used.checked_div(room.div_ceil(8)) {
        Some(0..=3) => 1,
        Some(4) => 2,
        Some(5) => 4,
        Some(6) => 8,
        Some(7..) | None => 16,
    }
}

/// Whether a new envelope has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    Fits,
    Full,
    /// The stamp is worth less than the place costs now.
    Unpaid {
        effort: u32,
    },
}

/// Decides about a new envelope of `size` bytes, given what waits in its mailbox and what admitted
/// it.
///
/// The holder of a capability is never given more than it leaves to others: with n of them at their
/// bound each has the (n + 1)th part, and one part is free.
pub(super) fn place_envelope(
    budget: Budget,
    held: MailboxUse,
    size: u64,
    proof: &AdmissionProof,
) -> Placement {
    let free_count = budget.count.saturating_sub(held.count);
    let free_bytes = budget.bytes.saturating_sub(held.bytes);
    if free_count == 0 || free_bytes < size {
        return Placement::Full;
    }
    let is_fair = held.own_count < free_count && held.own_bytes.saturating_add(size) <= free_bytes;
    if budget.shared && proof.holder_tag() != 0 && !is_fair {
        return Placement::Full;
    }
    let factor = price_factor(u64::from(held.count), u64::from(budget.count));
    let effort = budget.effort.saturating_mul(factor);
    if proof.worth() < u64::from(effort) {
        return Placement::Unpaid { effort };
    }
    Placement::Fits
}

/// Returns how many bytes one source may have stored in an hour at a keeper that takes `cap_bytes`.
pub(super) const fn source_bytes_max(cap_bytes: u64) -> u64 {
    let part = cap_bytes / SOURCE_CAP_PART;
    if part < SOURCE_BYTES_MIN {
        SOURCE_BYTES_MIN
    } else {
        part
    }
}
