//! Who may have a card at a locator (SPEC 8.4).

use crate::{
    card::{CardRecord, RecordKind},
    limits::CARD_SLOTS,
    request::Reason,
};

/// What is to happen with a card record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotDecision {
    /// It replaces its writer's record, or takes a free slot.
    Store,
    /// The very record is there.
    Held,
    Refuse(Reason),
}

/// Decides about a card record, given the live records at its locator (SPEC 8.4).
///
/// A writer's record gives way only to a higher sequence of the same writer, and a tombstone to
/// nothing. A new writer needs a stamp and a free slot; a slot is never given to another writer.
pub(super) fn place_card(live: &[CardRecord], record: &CardRecord, stamped: bool) -> SlotDecision {
    let own = live.iter().find(|held| held.writer == record.writer);
    match own {
        Some(held) if held == record => SlotDecision::Held,
        Some(held) if held.kind == RecordKind::Tombstone => SlotDecision::Refuse(Reason::Sequence),
        Some(held) if record.sequence <= held.sequence => SlotDecision::Refuse(Reason::Sequence),
        Some(_) => SlotDecision::Store,
        None if !stamped => SlotDecision::Refuse(Reason::Stamp),
        None if live.len() >= CARD_SLOTS => SlotDecision::Refuse(Reason::Full),
        None => SlotDecision::Store,
    }
}
