//! Somebody this account knows, or who wrote to it.

use std::collections::BTreeMap;

use restante_interface::ContactState;
use restante_proto::account::PersonId;
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DAY_MS, DEVICES_MAX, HOUR_MS};
use restante_proto::message::Grant;
use restante_proto::person::{IdCost, RecordKey};
use restante_proto::time::{Epoch, UnixMillis};

#[cfg(test)]
mod tests;

/// How old a contact's card may be before it is looked up again, in milliseconds: a day, after which there is a fresh
/// prekey, and an hour.
pub const CARD_FRESH_MS: u64 = DAY_MS + HOUR_MS;

/// One contact.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The account's key: what a contact is known by.
    pub account: PublicKey,
    /// The ID it was first met under.
    pub id: PersonId,
    /// A private name.
    pub petname: Option<String>,
    /// How the two stand.
    pub state: ContactState,
    /// The short codes were compared.
    pub verified: bool,
    /// When it was added.
    pub added: UnixMillis,
    /// When something of it was last seen.
    pub last_seen: Option<UnixMillis>,
    /// The highest sequence of a card seen.
    pub sequence: Option<u64>,
    /// The last card seen, with the key it opens under.
    pub record: Option<(CardRecord, RecordKey)>,
    /// What each of its devices granted this one.
    pub grants: BTreeMap<PublicKey, Grant>,
    /// The last epoch of what was granted to each of its devices.
    pub granted: BTreeMap<PublicKey, Epoch>,
    /// The device of this account that granted it: what another one did is as nothing.
    pub granted_by: Option<PublicKey>,
}

impl Contact {
    /// Makes a contact of which only the ID is known.
    pub const fn new(
        account: PublicKey,
        id: PersonId,
        state: ContactState,
        added: UnixMillis,
    ) -> Self {
        Self {
            account,
            id,
            petname: None,
            state,
            verified: false,
            added,
            last_seen: None,
            sequence: None,
            record: None,
            grants: BTreeMap::new(),
            granted: BTreeMap::new(),
            granted_by: None,
        }
    }

    /// Takes what one of the contact's devices grants, if that is newer than what it granted before; tells whether it
    /// was. Whether it is valid is checked last: that takes a signature for each epoch.
    ///
    /// A grant that begins after tomorrow was made by a clock that is wrong, and one that does not cover today never
    /// replaces one that does (SPEC 6.4).
    pub fn take_grant(&mut self, today: Epoch, device: PublicKey, grant: Grant) -> bool {
        let known = self.grants.get(&device);
        let has_room = known.is_some() || self.grants.len() < DEVICES_MAX;
        let is_newer = grant.replaces(known, today);
        if !is_newer || !(has_room || self.drop_stale_grant(today)) || !grant.is_valid() {
            return false;
        }
        self.grants.insert(device, grant);
        true
    }

    /// Returns the last epoch of what the device `by` of this account granted to `device`.
    pub fn granted(&self, by: &PublicKey, device: &PublicKey) -> Option<Epoch> {
        let is_ours = self.granted_by.as_ref() == Some(by);
        self.granted.get(device).copied().filter(|_| is_ours)
    }

    /// Notes what the device `by` of this account has granted.
    pub fn note_granted(&mut self, by: PublicKey, granted: BTreeMap<PublicKey, Epoch>) {
        if self.granted_by.replace(by) != Some(by) {
            self.granted.clear();
        }
        self.granted.extend(granted);
    }

    /// Drops one grant that is over, to make room for that of another device.
    fn drop_stale_grant(&mut self, today: Epoch) -> bool {
        let over = |(_, grant): &(&PublicKey, &Grant)| grant.last_epoch() < today;
        let stale = self.grants.iter().find(over).map(|(device, _)| *device);
        stale.is_some_and(|device| self.grants.remove(&device).is_some())
    }

    /// Returns the last card seen, if it is still good.
    pub fn card(&self, date: UnixMillis) -> Option<VerifiedCard> {
        let (record, key) = self.record.as_ref()?;
        let known = Known {
            account: Some(&self.account),
            sequence: self.sequence,
        };
        // The account is known, so that no Argon2id runs.
        choose([record], &self.id, key, date, known, IdCost::Production)
    }

    /// Returns the last card seen, if it is so new that there is hardly a newer one.
    pub fn fresh_card(&self, date: UnixMillis) -> Option<VerifiedCard> {
        self.card(date)
            .filter(|card| date.since(card.card().issued) < CARD_FRESH_MS)
    }
}
