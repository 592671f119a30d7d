//! From an ID to a card: all locators at once, then the valid card with the highest sequence.

use restante_proto::{
    Address, NodeId,
    card::{CardRecord, Known, choose},
    keys::PublicKey,
    limits::REPLICAS,
    person::{IdCost, Locators},
    request::{Request, Response},
    time::UnixMillis,
};

use super::{Call, Person};

/// One lookup of an ID.
pub(super) struct Resolution {
    locators: Locators,
    left: usize,
    records: Vec<CardRecord>,
}

impl Person {
    /// Looks a contact up, unless that is being done.
    pub(super) fn resolve(&mut self, now: UnixMillis, account: PublicKey) {
        let Some(contact) = self.disk.contacts.get(&account) else {
            return;
        };
        if self.run.resolutions.contains_key(&account) {
            return;
        }
        let locators = contact.id.locators(now.salt_epoch(), IdCost::CheapForTests);
        let addresses = locators.addresses;
        let left = addresses.len();
        self.run.resolutions.insert(
            account,
            Resolution {
                locators,
                left,
                records: Vec::new(),
            },
        );
        for address in addresses {
            self.look_up(address, REPLICAS, Call::LocatorFound(account, address));
        }
    }

    pub(super) fn on_locator_found(
        &mut self,
        now: UnixMillis,
        account: PublicKey,
        locator: Address,
        keepers: &[NodeId],
    ) {
        if let Some(resolution) = self.run.resolutions.get_mut(&account) {
            resolution.left += keepers.len();
        }
        for keeper in keepers {
            self.ask(
                *keeper,
                Request::GetCards { locator },
                Call::Cards(account, locator),
            );
        }
        self.on_part(now, account);
    }

    pub(super) fn on_cards(
        &mut self,
        now: UnixMillis,
        account: PublicKey,
        locator: Address,
        answer: Option<Response>,
    ) {
        if let Some(resolution) = self.run.resolutions.get_mut(&account)
            && let Some(Response::Cards(records)) = answer
        {
            // Keepers of one locator mostly have the same; opening it once is enough.
            for record in records
                .into_iter()
                .filter(|record| record.locator == locator)
            {
                if !resolution.records.contains(&record) {
                    resolution.records.push(record);
                }
            }
        }
        self.on_part(now, account);
    }

    /// Ends a lookup once all its parts have come in.
    fn on_part(&mut self, now: UnixMillis, account: PublicKey) {
        let Some(resolution) = self.run.resolutions.get_mut(&account) else {
            return;
        };
        resolution.left = resolution.left.saturating_sub(1);
        if resolution.left > 0 {
            return;
        }
        if let Some(resolution) = self.run.resolutions.remove(&account) {
            self.learn(now, account, &resolution);
        }
        self.send_drafts_to(now, account);
        self.on_words_resolved(now, account);
    }

    /// Keeps the best card found.
    fn learn(&mut self, now: UnixMillis, account: PublicKey, resolution: &Resolution) {
        let Some(contact) = self.disk.contacts.get_mut(&account) else {
            return;
        };
        let Resolution {
            records, locators, ..
        } = resolution;
        let (id, key, cost) = (&contact.id, &locators.record_key, IdCost::CheapForTests);
        // The first time the account is known by the ID alone, and the tag has to be computed.
        let met = contact.sequence.map(|_| &contact.account);
        let known = Known {
            account: met,
            sequence: contact.sequence,
        };
        let Some(card) = choose(records, id, key, now, known, cost) else {
            return;
        };
        let known = Known {
            account: Some(&contact.account),
            sequence: None,
        };
        let record = records
            .iter()
            .find(|r| choose([*r], id, key, now, known, cost).as_ref() == Some(&card));
        if let Some(record) = record {
            contact.sequence = contact.sequence.max(Some(card.card().sequence));
            contact.record = Some((record.clone(), key.clone()));
        }
    }
}
