//! Finding people: from an ID to a verified card.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use restante_proto::account::PersonId;
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{LOCATORS, REPLICAS};
use restante_proto::person::{IdCost, Locators, RecordKey};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, NodeId};
use tokio::time::timeout;
use tracing::debug;

use super::asking::Asking;
use super::exchange;
use super::services::Services;
use crate::net::Heard;

/// How long one locator may take: keepers that are gone must not hold up those that answer.
const LOCATOR_DEADLINE: Duration = Duration::from_secs(8);

/// Locators with records that are enough if a good card is among them, whatever the others have: no neighbourhood
/// decides alone, and one locator whose keepers are gone does not hold up the others.
const LOCATORS_ENOUGH: usize = LOCATORS - 1;

/// What a lookup of an ID found.
#[derive(Debug, Clone)]
pub(super) struct Resolution {
    /// The card.
    pub(super) card: VerifiedCard,
    /// The record it was in, to be opened again without a lookup.
    pub(super) record: CardRecord,
    /// What the record opens under.
    pub(super) key: RecordKey,
}

/// Why an ID could not be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveFault {
    /// No keeper could be asked.
    #[error("no keeper can be reached")]
    Offline,
    /// Keepers answered, and none has a valid card of this ID.
    #[error("no card is published under this ID")]
    NotFound,
    /// The node is going down.
    #[error("the node is stopping")]
    Stopping,
}

/// What was known of an ID before looking it up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) account: Option<PublicKey>,
    pub(super) sequence: Option<u64>,
}

/// Looks an ID up: all its locators at once, then the valid card with the highest sequence.
///
/// # Cancel safety
///
/// Dropping the future abandons the lookup and changes nothing.
///
/// # References
///
/// SPEC 4.4 and 10.1.
pub(super) async fn resolve(
    services: Services,
    id: PersonId,
    before: Before,
) -> Result<Resolution, ResolveFault> {
    let cost = services.cost;
    let named = id.clone();
    let now = services.clock.now();
    let epoch = now.salt_epoch();
    let locators = services
        .cpu
        .run(move || named.locators(epoch, cost))
        .await
        .map_err(|_| ResolveFault::Stopping)?;
    let locators = Arc::new(locators);
    let mut lookups: FuturesUnordered<_> = locators
        .addresses
        .iter()
        .map(|locator| at_locator(services.clone(), *locator))
        .collect();
    let (mut records, mut answers, mut with_records) = (Vec::new(), 0, 0);
    while let Some((found, answered)) = lookups.next().await {
        with_records += usize::from(!found.is_empty());
        records.extend(found);
        answers += answered;
        if with_records >= LOCATORS_ENOUGH && !lookups.is_empty() {
            let (now, records, id) = (services.clock.now(), records.clone(), id.clone());
            let locators = Arc::clone(&locators);
            let picked = services
                .cpu
                .run(move || pick(&records, &id, &locators, before, (cost, now)));
            if let Ok(Some(found)) = picked.await {
                return Ok(found);
            }
        }
    }
    debug!(records = records.len(), answers, "looked an ID up");
    if answers == 0 {
        return Err(ResolveFault::Offline);
    }
    services
        .cpu
        .run(move || {
            pick(
                &records,
                &id,
                &locators,
                before,
                (cost, services.clock.now()),
            )
        })
        .await
        .map_err(|_| ResolveFault::Stopping)?
        .ok_or(ResolveFault::NotFound)
}

fn pick(
    records: &[CardRecord],
    id: &PersonId,
    locators: &Locators,
    before: Before,
    (cost, now): (IdCost, UnixMillis),
) -> Option<Resolution> {
    let known = Known {
        account: before.account.as_ref(),
        sequence: before.sequence,
    };
    let key = &locators.record_key;
    let card = choose(records, id, key, now, known, cost)?;
    // The same card opens from its own record, and from no other.
    let account = card.card().account;
    let known = Known {
        account: Some(&account),
        sequence: None,
    };
    let record = records
        .iter()
        .find(|record| choose([*record], id, key, now, known, cost).as_ref() == Some(&card))?;
    Some(Resolution {
        record: record.clone(),
        key: key.clone(),
        card,
    })
}

/// Asks the keepers of one locator; returns what was found and how many answered.
async fn at_locator(services: Services, locator: Address) -> (Vec<CardRecord>, usize) {
    let mut round = Round {
        services,
        locator,
        under_way: FuturesUnordered::new(),
        asking: Asking::new(),
    };
    if timeout(LOCATOR_DEADLINE, round.run()).await.is_err() {
        debug!("a locator was slow");
    }
    round.asking.into_found()
}

/// The exchanges with nodes near a locator.
struct Round {
    services: Services,
    locator: Address,
    under_way: FuturesUnordered<Exchange>,
    asking: Asking<CardRecord>,
}

/// A node's answer, some time.
type Exchange = BoxFuture<'static, (NodeId, Option<Vec<CardRecord>>)>;

impl Round {
    /// Asks until enough have answered.
    ///
    /// # Cancel safety
    ///
    /// What was answered until the future is dropped is there.
    async fn run(&mut self) {
        self.find().await;
        while !self.asking.is_enough() {
            match self.under_way.next().await {
                Some((node, answer)) => self.asking.on_answer(node, answer),
                None => return,
            }
        }
    }

    /// Looks for the keepers and asks who is near, until they are known or enough records were found before.
    async fn find(&mut self) {
        let own = self.services.own_node();
        let near = self.asking.on_near(own.into_iter().collect());
        self.begin(near);
        let search = self.services.net.search(self.locator, REPLICAS).await;
        let Ok(mut search) = search else {
            return self.begin_at_keepers(own.into_iter().collect());
        };
        while !self.asking.is_enough() {
            tokio::select! {
                heard = search.next() => match heard {
                    Heard::Near(near) => {
                        let new = self.asking.on_near(near);
                        self.begin(new);
                    }
                    Heard::Found(found) => {
                        let found = found.unwrap_or_default();
                        let keepers = self.services.with_own(self.locator, found, REPLICAS);
                        return self.begin_at_keepers(keepers);
                    }
                },
                Some((node, answer)) = self.under_way.next() => {
                    self.asking.on_answer(node, answer);
                }
            }
        }
    }

    fn begin_at_keepers(&mut self, keepers: Vec<NodeId>) {
        let new = self.asking.on_keepers(keepers);
        self.begin(new);
    }

    fn begin(&self, nodes: Vec<NodeId>) {
        for node in nodes {
            let (services, locator) = (self.services.clone(), self.locator);
            let exchange = async move { (node, exchange::cards(services, node, locator).await) };
            self.under_way.push(exchange.boxed());
        }
    }
}
