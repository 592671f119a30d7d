//! Finding people: from an ID to a verified card.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use restante_proto::account::PersonId;
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{LOCATORS, REPLICAS, receipts_wanted};
use restante_proto::person::{IdCost, Locators, RecordKey};
use restante_proto::placement::CANDIDATES;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, NodeId};
use tokio::time::timeout;
use tracing::debug;

use super::exchange;
use super::services::Services;
use crate::net::Heard;

/// How long one locator may take: keepers that are gone must not hold up those that answer.
const LOCATOR_DEADLINE: Duration = Duration::from_secs(8);

/// Nodes asked at one locator before its keepers are known, at most.
const NEAR_ASKED_MAX: usize = 2 * CANDIDATES;

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

/// Asks the keepers of one locator; returns what they hold and how many answered.
///
/// Enough answers end it once there is a record: a card that was stored at W of R keepers is among any R - W + 1 of
/// them. That there is none is believed only when all have answered: its owner may have known other keepers.
///
/// Who is near is asked while the lookup still goes on; then as many have to have a record, because a node that has
/// none may not be one of the keepers.
async fn at_locator(services: Services, locator: Address) -> (Vec<CardRecord>, usize) {
    let mut asking = Asking::new(services, locator);
    if timeout(LOCATOR_DEADLINE, asking.ask()).await.is_err() {
        debug!("a locator was slow");
    }
    let answers = asking.answers.len();
    (asking.answers.into_values().flatten().collect(), answers)
}

/// What nodes near a locator were asked, and what they said.
struct Asking {
    services: Services,
    locator: Address,
    asked: BTreeSet<NodeId>,
    under_way: FuturesUnordered<Asked>,
    answers: BTreeMap<NodeId, Vec<CardRecord>>,
}

/// A node's answer, some time.
type Asked = BoxFuture<'static, (NodeId, Option<Vec<CardRecord>>)>;

impl Asking {
    fn new(services: Services, locator: Address) -> Self {
        Self {
            services,
            locator,
            asked: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Asks until enough have answered.
    ///
    /// # Cancel safety
    ///
    /// What was answered until the future is dropped is there.
    async fn ask(&mut self) {
        let keepers = self.find().await;
        let Some(keepers) = keepers else { return };
        self.begin(&keepers);
        let enough = enough_of(keepers.len());
        loop {
            let answered = keepers
                .iter()
                .filter(|keeper| self.answers.contains_key(*keeper));
            let has_record = self.with_record() > 0;
            if has_record && answered.count() >= enough {
                return;
            }
            match self.under_way.next().await {
                Some((node, answer)) => self.note(node, answer),
                None => return,
            }
        }
    }

    /// Returns the keepers; nothing if enough records were found before they were.
    async fn find(&mut self) -> Option<Vec<NodeId>> {
        let own = self.services.own_node();
        self.begin(own.as_slice());
        let search = self.services.net.search(self.locator, REPLICAS).await;
        let Ok(mut search) = search else {
            return Some(own.into_iter().collect());
        };
        loop {
            tokio::select! {
                heard = search.next() => match heard {
                    Heard::Near(near) => {
                        let room = NEAR_ASKED_MAX.saturating_sub(self.asked.len());
                        let new = near.into_iter().take(REPLICAS);
                        let new = new.filter(|node| !self.asked.contains(node)).take(room);
                        self.begin(&new.collect::<Vec<_>>());
                    }
                    Heard::Found(found) => {
                        let found = found.unwrap_or_default();
                        return Some(self.services.with_own(self.locator, found, REPLICAS));
                    }
                },
                Some((node, answer)) = self.under_way.next() => {
                    self.note(node, answer);
                    if self.with_record() >= enough_of(REPLICAS) {
                        return None;
                    }
                }
            }
        }
    }

    /// Asks nodes, but for those that were asked before.
    fn begin(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            if !self.asked.insert(*node) {
                continue;
            }
            let (services, locator, node) = (self.services.clone(), self.locator, *node);
            let asked = async move { (node, exchange::cards(services, node, locator).await) };
            self.under_way.push(asked.boxed());
        }
    }

    fn note(&mut self, node: NodeId, answer: Option<Vec<CardRecord>>) {
        if let Some(records) = answer {
            self.answers.insert(node, records);
        }
    }

    /// Returns how many have a record.
    fn with_record(&self) -> usize {
        let answers = self.answers.values();
        answers.filter(|records| !records.is_empty()).count()
    }
}

/// Returns how many answers of so many keepers are enough: any that many have one among them that got the card.
fn enough_of(keepers: usize) -> usize {
    keepers + 1 - receipts_wanted(keepers.max(1)).min(keepers)
}
