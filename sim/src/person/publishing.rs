//! Making one's own card and keeping it published.

use restante_proto::{
    Address, NodeId,
    card::{Card, CardDevice, CardRecord},
    limits::{LOCATORS, SECOND_MS},
    person::{IdCost, Locators},
    placement::CANDIDATES,
    prekey::PrekeySecret,
    publisher::{self, salt_epochs},
    receipt::Claim,
    request::{Request, Response},
    stamp::Challenge,
    time::UnixMillis,
};

use super::{Call, Fact, Person, disk::OwnCard};

/// The longest time it takes to make a card, or a stamp for one locator, in milliseconds.
const MAKE_MS: u64 = 2 * SECOND_MS;

impl Person {
    /// Takes up the card of the last run, or makes the first one.
    pub(super) fn resume_card(&mut self, now: UnixMillis) {
        if self.disk.card.is_some() {
            self.start_publishing(now);
        } else {
            self.publish(now, publisher::Input::Timer);
        }
    }

    /// Publishes the card as it is: at once where there is a stamp, and elsewhere once there is
    /// one.
    fn start_publishing(&mut self, now: UnixMillis) {
        let Some(card) = &self.disk.card else { return };
        let issued = card.issued;
        let locators: Vec<Address> = card.records.iter().map(|record| record.locator).collect();
        let (present, next) = locators.split_at(LOCATORS.min(locators.len()));
        let (present, next) = (present.to_vec(), next.to_vec());
        self.publish(
            now,
            publisher::Input::Made {
                issued,
                present,
                next,
            },
        );
        for locator in locators {
            if self.disk.stamps.contains_key(&locator) {
                self.publish(now, publisher::Input::Stamped(locator));
            } else {
                let ms = self.random.between(1, MAKE_MS);
                self.work(ms, Call::CardStamp(locator));
            }
        }
    }

    pub(super) fn on_card_stamped(&mut self, now: UnixMillis, locator: Address) {
        let writer = self.disk.identity.writer(&locator).public();
        if let Some(stamp) = self.stamp(&Challenge::card(&locator, &writer)) {
            self.disk.stamps.insert(locator, stamp);
            self.publish(now, publisher::Input::Stamped(locator));
        }
    }

    /// Gives the publisher an input and does what it says.
    pub(super) fn publish(&mut self, now: UnixMillis, input: publisher::Input) {
        let outputs = self.run.publisher.handle(super::both(now), input);
        for output in outputs {
            match output {
                publisher::Output::Make => {
                    let ms = self.random.between(1, MAKE_MS);
                    self.work(ms, Call::CardMade);
                }
                publisher::Output::Find(locator) => {
                    self.look_up(locator, CANDIDATES, Call::CardFound(locator));
                }
                publisher::Output::AskNeighbours(locator, keeper) => {
                    let call = Call::CardNeighbours(locator, keeper);
                    self.look_up(locator, CANDIDATES, call);
                }
                publisher::Output::Deposit(locator, keeper) => self.deposit_card(locator, keeper),
                publisher::Output::Published { locators, of } => {
                    self.tell(Fact::Published { locators, of });
                }
            }
        }
    }

    pub(super) fn on_card_made(&mut self, now: UnixMillis) {
        let sequence = self.disk.card.as_ref().map_or(0, |card| card.sequence);
        let sequence = now.get().max(sequence + 1);
        let prekey = PrekeySecret::generate(now, &mut self.random);
        #[cfg(feature = "planted")]
        let prekey = restante_proto::planted::prekey_of_card(prekey, &self.disk.prekeys);
        let identity = &self.disk.identity;
        let card = Card {
            account: identity.account.public(),
            handle: identity.handle.clone(),
            sequence,
            issued: now,
            expires: prekey.public().expires,
            terminated: false,
            devices: vec![CardDevice {
                certificate: identity.certificate(),
                prekey: prekey.public().clone(),
                first_contact: identity.first_contact().public(),
            }],
            avatar: None,
        };
        let mut records = Vec::new();
        for epoch in salt_epochs(now) {
            let Locators {
                addresses,
                record_key,
                ..
            } = self.disk.id.locators(epoch, IdCost::CheapForTests);
            for locator in addresses {
                let sealed =
                    CardRecord::seal(&card, identity, locator, &record_key, &mut self.random);
                records.extend(sealed);
            }
        }
        self.disk.prekeys.push(prekey);
        self.disk.card = Some(OwnCard {
            sequence,
            issued: now,
            records,
        });
        self.start_publishing(now);
    }

    fn deposit_card(&mut self, locator: Address, keeper: NodeId) {
        let mut records = self.disk.card.iter().flat_map(|card| &card.records);
        let Some(record) = records.find(|record| record.locator == locator).cloned() else {
            return;
        };
        let nonce = self.random.bytes();
        let claim = Claim {
            address: locator,
            id: record.id(),
            nonce,
        };
        let stamp = self.disk.stamps.get(&locator).cloned();
        let request = Request::DepositCard {
            record: Box::new(record),
            stamp,
            nonce,
        };
        self.ask(keeper, request, Call::CardDeposit(locator, keeper, claim));
    }

    pub(super) fn on_card_answer(
        &mut self,
        now: UnixMillis,
        locator: Address,
        keeper: NodeId,
        claim: &Claim,
        answer: Option<Response>,
    ) {
        let expires = self
            .disk
            .card
            .iter()
            .flat_map(|card| &card.records)
            .map(|r| r.expires)
            .max();
        let input = match answer {
            Some(Response::Receipt(receipt))
                if receipt.verify(&keeper, claim).is_ok() && Some(receipt.until) >= expires =>
            {
                publisher::Input::Receipt(locator, keeper, receipt.until)
            }
            _ => publisher::Input::Failed(locator, keeper),
        };
        self.publish(now, input);
    }
}
