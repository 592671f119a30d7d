//! Finding people: from an ID to a verified card.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use restante_proto::Address;
use restante_proto::account::PersonId;
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{LOCATORS, REPLICAS, receipts_wanted};
use restante_proto::person::{IdCost, Locators, RecordKey};
use restante_proto::time::UnixMillis;
use tokio::time::timeout;
use tracing::debug;

use super::exchange;
use super::services::Services;

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

/// Asks the keepers of one locator; returns what they hold and how many answered.
///
/// Enough answers end it once there is a record: a card that was stored at W of R keepers is among any R - W + 1 of
/// them. That there is none is believed only when all have answered: its owner may have known other keepers.
async fn at_locator(services: Services, locator: Address) -> (Vec<CardRecord>, usize) {
    let (mut records, mut answers) = (Vec::new(), 0);
    let asked = async {
        let keepers = services.holders(locator, REPLICAS).await;
        let enough = keepers.len() + 1 - receipts_wanted(keepers.len().max(1)).min(keepers.len());
        let mut asked: FuturesUnordered<_> = keepers
            .into_iter()
            .map(|keeper| exchange::cards(services.clone(), keeper, locator))
            .collect();
        while let Some(answer) = asked.next().await {
            if let Some(found) = answer {
                answers += 1;
                records.extend(found);
            }
            if answers >= enough && !records.is_empty() {
                break;
            }
        }
    };
    if timeout(LOCATOR_DEADLINE, asked).await.is_err() {
        debug!("a locator was slow");
    }
    (records, answers)
}
