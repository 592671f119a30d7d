//! Somebody this account knows, or who wrote to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use restante_interface::ContactState;
use restante_proto::account::{Delegation, DeviceCertificate, PersonId};
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DAY_MS, DEVICES_MAX, HOUR_MS};
use restante_proto::message::Grant;
use restante_proto::person::{IdCost, RecordKey};
use restante_proto::time::{Epoch, UnixMillis};

mod ids;
#[cfg(test)]
mod tests;

pub use self::ids::{CONTACT_IDS_MAX, ContactIds, KnownId};

/// How old a contact's card may be before it is looked up again, in milliseconds: a day, after which there is a fresh
/// prekey, and an hour.
pub const CARD_FRESH_MS: u64 = DAY_MS + HOUR_MS;

/// One contact.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The account's key: what a contact is known by.
    pub account: PublicKey,
    /// What it goes by.
    pub ids: ContactIds,
    /// The ID it last wrote under or was found under: where it is looked up when nobody says which.
    pub reach: PersonId,
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
    /// The highest number of its account's delegations seen: what an earlier delegate says counts for nothing.
    pub delegation: Option<u32>,
    /// The last card seen.
    pub found: Option<FoundCard>,
    /// What each of its devices granted this one.
    pub grants: BTreeMap<PublicKey, Grant>,
    /// The last epoch of what was granted to each of its devices.
    pub granted: BTreeMap<PublicKey, Epoch>,
    /// Our device that issued `granted`; what another of our devices issued does not count.
    pub granted_by: Option<PublicKey>,
    /// Key packages that its devices have offered, to be invited with.
    pub packages: BTreeMap<PublicKey, Bytes>,
    /// When it was last offered those of this device.
    pub offered: Option<UnixMillis>,
    /// What the person wants of messages with it.
    pub wishes: Wishes,
}

/// What a person wants of messages with one contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How long messages to it live, in milliseconds, if nothing else is said.
    pub ttl_ms: Option<u64>,
    /// How long they live once read, in milliseconds, if nothing else is said.
    pub burn_ms: Option<u64>,
    /// It is told that its messages were read.
    pub tells_read: bool,
    /// Nothing is to be made of what it writes.
    pub is_muted: bool,
    /// It stands before the others.
    pub is_pinned: bool,
}

/// A card as it was found.
#[derive(Clone, Debug)]
pub struct FoundCard {
    /// The ID it was looked up under.
    pub id: PersonId,
    /// The record it is in.
    pub record: CardRecord,
    /// What the record opens under.
    pub key: RecordKey,
    /// The devices it shows, at most [`DEVICES_MAX`]; kept beside it, since opening a card takes many signatures.
    pub devices: Vec<PublicKey>,
    /// One of the contact's devices has written since that the card does not show.
    pub is_outdated: bool,
}

impl Contact {
    /// Makes a contact of which only the ID is known; a stranger's is one that the person has not used.
    pub fn new(account: PublicKey, id: PersonId, state: ContactState, added: UnixMillis) -> Self {
        Self {
            account,
            ids: ContactIds::new(id.clone(), state != ContactState::Request),
            reach: id,
            petname: None,
            state,
            verified: false,
            added,
            last_seen: None,
            delegation: None,
            found: None,
            grants: BTreeMap::new(),
            granted: BTreeMap::new(),
            granted_by: None,
            packages: BTreeMap::new(),
            offered: None,
            wishes: Wishes::default(),
        }
    }

    /// Returns the ID it is listed under.
    pub fn id(&self) -> &PersonId {
        self.ids.first()
    }

    /// Notes that it wrote under an ID.
    pub fn hear_under(&mut self, id: &PersonId) {
        self.ids.learn(id, false);
        self.reach = id.clone();
    }

    /// Looks it up under another of its IDs from now on; tells whether there is one.
    pub fn reach_elsewhere(&mut self) -> bool {
        let ids: Vec<&PersonId> = self.ids.iter().map(|known| &known.id).collect();
        let place = ids.iter().position(|id| **id == self.reach);
        let next = place.map_or(0, |place| (place + 1) % ids.len());
        let next = (*ids[next]).clone();
        let is_other = next != self.reach;
        self.reach = next;
        is_other
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
        let found = self.found.as_ref()?;
        self.found_above(date, self.delegation, self.ids.sequence(&found.id))
    }

    /// Returns the last card seen, whether or not a later delegate has been heard of since.
    pub fn last_card(&self, date: UnixMillis) -> Option<VerifiedCard> {
        self.found_above(date, None, None)
    }

    /// Returns the last card seen, unless it is of an earlier delegation or has a lower sequence than these.
    fn found_above(
        &self,
        date: UnixMillis,
        delegation: Option<u32>,
        sequence: Option<u64>,
    ) -> Option<VerifiedCard> {
        let FoundCard {
            id, record, key, ..
        } = self.found.as_ref()?;
        let known = Known {
            account: Some(&self.account),
            delegation,
            sequence,
        };
        // The account is known, so that no Argon2id runs.
        choose([record], id, key, date, known, IdCost::Production)
    }

    /// Returns the last card seen, if it is so new that there is hardly a newer one.
    pub fn fresh_card(&self, date: UnixMillis) -> Option<VerifiedCard> {
        let is_outdated = self.found.as_ref().is_none_or(|found| found.is_outdated);
        let is_fresh =
            |card: &VerifiedCard| date.since(card.card().issued) < CARD_FRESH_MS && !is_outdated;
        self.card(date).filter(is_fresh)
    }

    /// Tells whether a device is one of an earlier delegate's: it is none of the account's any more.
    pub fn is_shut_out(&self, certificate: &DeviceCertificate) -> bool {
        let number = certificate.delegation.number;
        self.delegation.is_some_and(|seen| number < seen)
    }

    /// Notes a delegation of its account. A later one begins anew: with its own sequences, and an account that was
    /// ended by whoever had an earlier delegate's key goes on, as somebody who is to be accepted again.
    pub fn see_delegation(&mut self, delegation: &Delegation) {
        if self
            .delegation
            .is_some_and(|seen| delegation.number <= seen)
        {
            return;
        }
        if self.delegation.replace(delegation.number).is_some() {
            self.ids.forget_sequences();
            if self.state == ContactState::Terminated {
                self.state = ContactState::Request;
            }
        }
    }

    /// Notes that one of its devices has written: a card that does not show it is outdated.
    pub fn hear_from(&mut self, certificate: &DeviceCertificate) {
        self.see_delegation(&certificate.delegation);
        if let Some(found) = &mut self.found {
            found.is_outdated |= !found.devices.contains(&certificate.device);
        }
    }
}
