//! Making one's own card and keeping it published.

use std::sync::Arc;

use restante_proto::card::{Card, CardDevice, CardRecord};
use restante_proto::limits::{LOCATORS, SECOND_MS};
use restante_proto::person::{IdCost, Locators};
use restante_proto::placement::CANDIDATES;
use restante_proto::prekey::PrekeySecret;
use restante_proto::publisher::{self, salt_epochs};
use restante_proto::receipt::Claim;
use restante_proto::request::{Reason, Refusal, Request};
use restante_proto::stamp::{EFFORT_DEFAULT, EFFORT_MAX, Stamp};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, NodeId};
use tracing::{debug, info, warn};

use super::exchange::{self, Deposited};
use super::rows::{Account, OwnCard};
use super::stamping::StampOrder;
use super::{Client, Done};

/// How long a node makes no stamp for the next salt epoch after it published or had other stamps to make, in
/// milliseconds: there are thirty days for it, and people who wait come first.
const LATER_MS: u64 = 20 * SECOND_MS;

/// A card that was made, before it is stored.
pub(super) struct MadeCard {
    card: OwnCard,
    prekey: PrekeySecret,
}

impl Client {
    /// Takes up the card of the last run, or makes the first one.
    pub(super) fn resume_card(&mut self, now: UnixMillis) {
        if self.card.is_some() {
            self.start_publishing(now);
        } else {
            self.publish(now, publisher::Input::Timer);
        }
    }

    /// Publishes the card as it is: at once where there is a stamp, and elsewhere once there is one.
    fn start_publishing(&mut self, now: UnixMillis) {
        let Some(card) = &self.card else { return };
        let locators: Vec<Address> = card.records.iter().map(|record| record.locator).collect();
        let (present, next) = locators.split_at(LOCATORS.min(locators.len()));
        let (present, next) = (present.to_vec(), next.to_vec());
        let made = publisher::Input::Made {
            issued: card.issued,
            present: present.clone(),
            next,
        };
        self.publish(now, made);
        for locator in &locators {
            if self.card_stamps.contains_key(locator) {
                self.publish(now, publisher::Input::Stamped(*locator));
            } else if present.contains(locator) {
                self.order_stamp(StampOrder::Locator(*locator), EFFORT_DEFAULT);
            } else {
                self.later_due = Some(now.plus(LATER_MS));
            }
        }
    }

    pub(super) async fn on_card_stamped(
        &mut self,
        now: UnixMillis,
        locator: Address,
        stamp: Stamp,
    ) {
        let (store, row) = (self.store.clone(), stamp.clone());
        self.commit(move || store.put_stamp(&locator, &row)).await;
        self.card_stamps.insert(locator, stamp);
        self.publish(now, publisher::Input::Stamped(locator));
    }

    /// Makes one stamp for the next salt epoch, when nobody waits for another.
    pub(super) fn stamp_later(&mut self, now: UnixMillis) {
        let records = self.card.iter().flat_map(|card| &card.records);
        let missing = records
            .map(|record| record.locator)
            .find(|locator| !self.card_stamps.contains_key(locator));
        self.later_due = missing.map(|_| now.plus(LATER_MS));
        if let Some(locator) = missing.filter(|_| self.stamps.is_idle()) {
            self.order_stamp(StampOrder::Locator(locator), EFFORT_DEFAULT);
        }
    }

    /// Gives the publisher an input and does what it says.
    pub(super) fn publish(&mut self, now: UnixMillis, input: publisher::Input) {
        let outputs = self.publisher.handle(now, input);
        for output in outputs {
            match output {
                publisher::Output::Make => self.make_card(now),
                publisher::Output::Find(locator) => {
                    let net = self.services.net.clone();
                    self.spawn(async move {
                        let found = net.closest(locator, CANDIDATES).await;
                        Done::CardFound(locator, found.unwrap_or_default())
                    });
                }
                publisher::Output::AskNeighbours(locator, keeper) => {
                    let services = self.services.clone();
                    self.spawn(async move {
                        let others = services.others_near(keeper, locator).await;
                        Done::CardNeighbours(locator, keeper, others)
                    });
                }
                publisher::Output::Deposit(locator, keeper) => self.deposit_card(locator, keeper),
                publisher::Output::Published { locators, of } => {
                    debug!(locators, of, "the card is stored");
                    if locators == of && self.card_published.is_none() {
                        info!("the card is published; this account can be found");
                    }
                    if locators == of {
                        self.card_published = Some(now);
                    }
                }
            }
        }
    }

    fn make_card(&mut self, now: UnixMillis) {
        let services = self.services.clone();
        let account = Arc::clone(&self.account);
        let sequence = self.card.as_ref().map_or(0, |card| card.sequence);
        // A sequence must grow even if the disk was set back to an older state: time does.
        let sequence = now.get().max(sequence + 1);
        #[cfg(feature = "planted")]
        let prekeys = Arc::clone(&self.prekeys);
        self.spawn(async move {
            let cost = services.cost;
            let make = move || {
                let prekey = PrekeySecret::generate(now, &mut rand::rng());
                #[cfg(feature = "planted")]
                let prekey = restante_proto::planted::prekey_of_card(prekey, &prekeys);
                seal(&account, prekey, sequence, now, cost)
            };
            let made = services.cpu.run(make).await;
            Done::CardMade(made.ok().flatten().map(Box::new))
        });
    }

    pub(super) async fn on_card_made(&mut self, now: UnixMillis, made: Option<Box<MadeCard>>) {
        let Some(made) = made else {
            warn!("the card could not be made; it is tried again in a while");
            return self.publish(now, publisher::Input::MakeFailed);
        };
        let MadeCard { card, prekey } = *made;
        let store = self.store.clone();
        let (row, secret) = (card.clone(), prekey.clone());
        // The private half is on disk before anybody can seal to it.
        if self
            .commit(move || store.put_card(&row, &secret))
            .await
            .is_none()
        {
            return self.publish(now, publisher::Input::MakeFailed);
        }
        let mut prekeys = (*self.prekeys).clone();
        prekeys.push(prekey);
        self.prekeys = Arc::new(prekeys);
        self.card = Some(card);
        self.start_publishing(now);
    }

    fn deposit_card(&mut self, locator: Address, keeper: NodeId) {
        let record = self.card.iter().flat_map(|card| &card.records);
        let Some(record) = record.into_iter().find(|record| record.locator == locator) else {
            return;
        };
        let nonce = exchange::nonce();
        let claim = Claim {
            address: locator,
            id: record.id(),
            nonce,
        };
        let request = Request::DepositCard {
            record: Box::new(record.clone()),
            stamp: self.card_stamps.get(&locator).cloned(),
            nonce,
        };
        let (services, expires) = (self.services.clone(), record.expires);
        self.spawn(async move {
            let answer = exchange::deposit(services, keeper, request, claim, expires).await;
            Done::CardAnswer(locator, keeper, answer)
        });
    }

    pub(super) fn on_card_answer(
        &mut self,
        now: UnixMillis,
        locator: Address,
        keeper: NodeId,
        answer: Deposited,
    ) {
        if let Deposited::Refused(refusal) = answer {
            self.on_card_refused(locator, refusal);
        }
        let input = match answer {
            Deposited::Held(until) => publisher::Input::Receipt(locator, keeper, until),
            _ => publisher::Input::Failed(locator, keeper),
        };
        self.publish(now, input);
    }

    /// Pays more when a keeper asks for it and it is not too dear.
    fn on_card_refused(&mut self, locator: Address, refusal: Refusal) {
        debug!(reason = refusal.reason.name(), "a keeper refuses the card");
        let worth = self.card_stamps.get(&locator).map_or(0, Stamp::effort);
        let dearer = worth < u64::from(refusal.effort) && refusal.effort <= EFFORT_MAX;
        if refusal.reason == Reason::Stamp && dearer {
            self.order_stamp(StampOrder::Locator(locator), refusal.effort);
        }
    }
}

/// Makes card and records.
fn seal(
    account: &Account,
    prekey: PrekeySecret,
    sequence: u64,
    now: UnixMillis,
    cost: IdCost,
) -> Option<MadeCard> {
    let mut rng = rand::rng();
    let identity = &account.identity;
    let device = CardDevice {
        certificate: identity.certificate(),
        prekey: prekey.public().clone(),
        first_contact: identity.first_contact().public(),
    };
    let card = Card {
        account: identity.account.public(),
        handle: account.handle().clone(),
        sequence,
        issued: now,
        expires: prekey.public().expires,
        terminated: false,
        devices: vec![device],
        avatar: None,
    };
    let mut records = Vec::new();
    for epoch in salt_epochs(now) {
        let Locators {
            addresses,
            record_key,
            ..
        } = account.id.locators(epoch, cost);
        for locator in addresses {
            let record = CardRecord::seal(&card, identity, locator, &record_key, &mut rng);
            records.push(record.ok()?);
        }
    }
    let card = OwnCard {
        sequence,
        issued: now,
        records,
    };
    Some(MadeCard { card, prekey })
}
