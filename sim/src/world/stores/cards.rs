//! What cards must never do: show a prekey twice.

use std::collections::{BTreeMap, BTreeSet};

use restante_proto::{
    Address, ItemId,
    account::PersonId,
    card::{CardRecord, VerifiedCard},
    limits::DAY_MS,
    person::{IdCost, RecordKey},
    prekey::PREKEY_BYTES,
    time::UnixMillis,
};

/// Locators change once a year; nothing runs longer.
const YEAR_MS: u64 = 365 * DAY_MS;

/// Whose card leads to a locator, and how it is opened.
struct Owner {
    person: usize,
    id: PersonId,
    key: RecordKey,
}

/// All cards that were seen, and the prekeys in them.
#[derive(Default)]
pub(super) struct Cards {
    owners: BTreeMap<Address, Owner>,
    seen: BTreeSet<ItemId>,
    /// Prekeys with the card that showed them first: whose it was, and its sequence.
    prekeys: BTreeMap<[u8; PREKEY_BYTES], (usize, u64)>,
}

impl Cards {
    /// Learns where somebody's cards will be, and how to open them, in a run that begins at `start`.
    pub(super) fn learn(&mut self, person: usize, id: &PersonId, start: UnixMillis) {
        for epoch in [start.salt_epoch(), start.plus(YEAR_MS).salt_epoch()] {
            let locators = id.locators(epoch, IdCost::CheapForTests);
            for address in locators.addresses {
                let owner = Owner {
                    person,
                    id: id.clone(),
                    key: locators.record_key.clone(),
                };
                self.owners.insert(address, owner);
            }
        }
    }

    /// Looks into a card that a keeper has taken; says what is wrong with it.
    pub(super) fn on_record(&mut self, now: UnixMillis, record: &CardRecord) -> Option<String> {
        let owner = self.owners.get(&record.locator)?;
        if !self.seen.insert(record.id()) {
            return None;
        }
        // What does not open is a squatter's.
        let opened = record
            .open(&owner.id, &owner.key, now, IdCost::CheapForTests)
            .ok();
        let card = opened.as_ref().map(VerifiedCard::card)?;
        let shown = (owner.person, card.sequence);
        // The device that publishes stands first; the others are shown as the card before shows them.
        if let Some(device) = card.devices.first() {
            let first = *self.prekeys.entry(*device.prekey.public).or_insert(shown);
            if first != shown {
                let ((whose, sequence), (person, before)) = (shown, first);
                return Some(format!(
                    "p{whose}'s card {sequence} shows the prekey of p{person}'s card {before}"
                ));
            }
        }
        None
    }
}
