//! Making one's own card and keeping it published.

use std::collections::BTreeMap;
use std::sync::Arc;

use restante_proto::card::{Card, CardDevice, CardRecord};
use restante_proto::person::{IdCost, Locators};
use restante_proto::placement::CANDIDATES;
use restante_proto::prekey::PrekeySecret;
use restante_proto::publisher::{self, salt_epochs};
use restante_proto::receipt::Claim;
use restante_proto::request::{Reason, Request};
use restante_proto::stamp::{Challenge, EFFORT_DEFAULT, Stamp};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, NodeId};
use tracing::{debug, info, warn};

use super::exchange::{self, Deposited};
use super::rows::{Account, OwnCard};
use super::services::{Services, make_stamp};
use super::store::LocatorStamp;
use super::{Client, Done};

/// A card that was made, before it is stored.
pub(super) struct MadeCard {
    card: OwnCard,
    prekey: PrekeySecret,
    stamps: Vec<LocatorStamp>,
}

impl Client {
    /// Takes up the card of the last run, or makes the first one.
    pub(super) fn resume_card(&mut self, now: UnixMillis) {
        let input = match &self.card {
            Some(card) => made_of(card),
            None => publisher::Input::Timer,
        };
        self.publish(now, input);
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
        let stamps = self.card_stamps.clone();
        let sequence = self.card.as_ref().map_or(0, |card| card.sequence);
        // A sequence must grow even if the disk was set back to an older state: time does.
        let sequence = now.get().max(sequence + 1);
        self.spawn(async move {
            let made = make(&services, account, stamps, sequence, now).await;
            Done::CardMade(made.map(Box::new))
        });
    }

    pub(super) async fn on_card_made(&mut self, now: UnixMillis, made: Option<Box<MadeCard>>) {
        let Some(made) = made else {
            warn!("the card could not be made; it is tried again at the next start");
            return;
        };
        let MadeCard { card, prekey, stamps } = *made;
        let store = self.store.clone();
        let (row, secret, new) = (card.clone(), prekey.clone(), stamps.clone());
        // The private half is on disk before anybody can seal to it.
        if self.commit(move || store.put_card(&row, &secret, &new)).await.is_none() {
            return;
        }
        let mut prekeys = (*self.prekeys).clone();
        prekeys.push(prekey);
        self.prekeys = Arc::new(prekeys);
        self.card_stamps.extend(stamps);
        let input = made_of(&card);
        self.card = Some(card);
        self.publish(now, input);
    }

    fn deposit_card(&mut self, locator: Address, keeper: NodeId) {
        let record = self.card.iter().flat_map(|card| &card.records);
        let Some(record) = record.into_iter().find(|record| record.locator == locator) else {
            return;
        };
        let nonce = exchange::nonce();
        let claim = Claim { address: locator, id: record.id(), nonce };
        let request = Request::DepositCard {
            record: Box::new(record.clone()),
            stamp: self.card_stamps.get(&locator).cloned(),
            nonce,
        };
        let net = self.services.net.clone();
        self.spawn(async move {
            let answer = exchange::deposit(net, keeper, request, claim).await;
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
            if refusal.reason == Reason::Sequence {
                debug!("a keeper has a newer card than this node made");
            }
        }
        let input = match answer {
            Deposited::Held(until) => publisher::Input::Receipt(locator, keeper, until),
            _ => publisher::Input::Failed(locator, keeper),
        };
        self.publish(now, input);
    }
}

fn made_of(card: &OwnCard) -> publisher::Input {
    publisher::Input::Made {
        issued: card.issued,
        locators: card.records.iter().map(|record| record.locator).collect(),
    }
}

/// Makes prekey, card and records, and the stamps for locators this account does not hold yet.
async fn make(
    services: &Services,
    account: Arc<Account>,
    known: BTreeMap<Address, Stamp>,
    sequence: u64,
    now: UnixMillis,
) -> Option<MadeCard> {
    let cost = services.cost;
    let signer = Arc::clone(&account);
    let sealed = services.cpu.run(move || seal(&signer, sequence, now, cost)).await.ok()?;
    let (card, prekey) = sealed?;
    let mut stamps = Vec::new();
    for record in &card.records {
        if known.contains_key(&record.locator) {
            continue;
        }
        let challenge = Challenge::card(&record.locator, &record.writer);
        let scheme = services.scheme.clone();
        let stamp = services
            .stamps
            .run(move || make_stamp(&*scheme, &challenge, EFFORT_DEFAULT))
            .await
            .ok()??;
        stamps.push((record.locator, stamp));
    }
    Some(MadeCard { card, prekey, stamps })
}

fn seal(
    account: &Account,
    sequence: u64,
    now: UnixMillis,
    cost: IdCost,
) -> Option<(OwnCard, PrekeySecret)> {
    let mut rng = rand::rng();
    let identity = &account.identity;
    let prekey = PrekeySecret::generate(now, &mut rng);
    let device = CardDevice {
        certificate: identity.certificate(),
        prekey: prekey.public().clone(),
    };
    let card = Card {
        account: identity.account.public(),
        handle: account.handle().clone(),
        sequence,
        issued: now,
        expires: prekey.public().expires,
        terminated: false,
        devices: vec![device],
        first_contact: identity.first_contact().public(),
        avatar: None,
    };
    let mut records = Vec::new();
    for epoch in salt_epochs(now) {
        let Locators { addresses, record_key, .. } = account.id.locators(epoch, cost);
        for locator in addresses {
            let record = CardRecord::seal(&card, identity, locator, &record_key, &mut rng);
            records.push(record.ok()?);
        }
    }
    Some((OwnCard { sequence, issued: now, records }, prekey))
}
