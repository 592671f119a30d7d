//! Answers that change nothing.

use std::ops::Bound;

use bytes::Bytes;

use super::{Line, Rows, keys_at, live};
use crate::{
    Address, ItemId,
    card::CardRecord,
    keeper::{
        element::{Element, ElementKey, ElementKind, ElementPage, Replica},
        store::{Holding, HoldingKey, HoldingKind, HoldingsPage, StoreOp, StoreOutcome},
    },
    limits::{ENVELOPES_BYTES_MAX, LISTING_COUNT_MAX, REPLICA_HEAD_BYTES, REPLICAS_BYTES_MAX},
    request::{Listed, Waiting},
    time::UnixMillis,
};

/// Answers an operation that changes nothing; `None` for any other.
///
/// # Errors
///
/// When the store fails.
pub fn answer<R: Rows>(
    rows: &mut R,
    now: UnixMillis,
    op: &StoreOp,
) -> Result<Option<StoreOutcome>, R::Error> {
    Ok(Some(match op {
        StoreOp::Offer { address, id } => offer(rows, now, *address, *id)?,
        StoreOp::List { address, after } => list(rows, now, *address, *after)?,
        StoreOp::Get { address, ids } => get(rows, now, *address, ids)?,
        StoreOp::Cards { locator } => StoreOutcome::Cards(cards(rows, now, *locator)?),
        StoreOp::Chunk { address } => chunk(rows, now, *address)?,
        StoreOp::Export { keys } => export(rows, now, keys)?,
        StoreOp::Lacking { elements } => lacking(rows, now, elements)?,
        StoreOp::PutEnvelope { .. }
        | StoreOp::PutCard { .. }
        | StoreOp::PutChunk { .. }
        | StoreOp::Ack { .. }
        | StoreOp::DeleteChunk { .. }
        | StoreOp::ApplyTombstone(_) => return Ok(None),
    }))
}

/// Returns at most `limit` lines of what is held, those after `after`.
///
/// # Errors
///
/// When the store fails.
pub fn holdings<R: Rows>(
    rows: &R,
    now: UnixMillis,
    after: Option<HoldingKey>,
    limit: usize,
) -> Result<HoldingsPage, R::Error> {
    let first = after.map_or(Bound::Unbounded, |after| {
        Bound::Excluded(element_key(&after))
    });
    // Tombstones come after all items.
    let last = ElementKey {
        kind: ElementKind::Chunk,
        address: Address::new([255; 32]),
        name: [255; 32],
    };
    let mut page = HoldingsPage::default();
    rows.scan((first, Bound::Included(last)), now, &mut |key, line| {
        let Some(key) = holding_key(key) else {
            return true;
        };
        page.items.push(Holding {
            address: key.address,
            kind: key.kind,
            size_bytes: line.size_bytes(),
            expires: line.expires(),
        });
        let is_full = page.items.len() >= limit;
        page.next = is_full.then_some(key);
        !is_full
    })?;
    Ok(page)
}

/// Returns at most `limit` live elements, those after `after`.
///
/// # Errors
///
/// When the store fails.
pub fn elements<R: Rows>(
    rows: &R,
    now: UnixMillis,
    after: Option<ElementKey>,
    limit: usize,
) -> Result<ElementPage, R::Error> {
    let first = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut page = ElementPage::default();
    rows.scan((first, Bound::Unbounded), now, &mut |key, line| {
        page.elements.push(Element {
            key: *key,
            expires: line.expires(),
            version: version_of(key.kind, line),
        });
        let is_full = page.elements.len() >= limit;
        page.next = is_full.then_some(*key);
        !is_full
    })?;
    Ok(page)
}

/// Returns the live records at a locator.
pub(super) fn cards<R: Rows>(
    rows: &mut R,
    now: UnixMillis,
    locator: Address,
) -> Result<Vec<CardRecord>, R::Error> {
    let mut found = Vec::new();
    let range = keys_at(ElementKind::Card, locator, None);
    rows.scan(range, now, &mut |key, line| {
        found.push((*key, line));
        true
    })?;
    let mut records = Vec::with_capacity(found.len());
    for (key, line) in found {
        let Some(content) = rows.content(&key, line)? else {
            continue;
        };
        match CardRecord::decode(&content.payload) {
            Ok(record) => records.push(record),
            Err(_) => rows.on_damaged(&key),
        }
    }
    Ok(records)
}

/// An envelope that is known by its ack alone is unknown: its depositor elsewhere would learn that its owner has been
/// here.
fn offer<R: Rows>(
    rows: &R,
    now: UnixMillis,
    address: Address,
    id: ItemId,
) -> Result<StoreOutcome, R::Error> {
    let held = match live(rows, now, &ElementKey::ack(address, id))? {
        Some(acked) => Some(acked).filter(|acked| acked.is_deposited()),
        None => live(rows, now, &ElementKey::envelope(address, id))?,
    };
    Ok(
        held.map_or(StoreOutcome::Unknown, |line| StoreOutcome::Held {
            until: line.expires(),
            new: false,
        }),
    )
}

fn list<R: Rows>(
    rows: &R,
    now: UnixMillis,
    address: Address,
    after: Option<ItemId>,
) -> Result<StoreOutcome, R::Error> {
    let mut items = Vec::new();
    let after = after.map(|id| *id.as_bytes());
    let range = keys_at(ElementKind::Envelope, address, after);
    rows.scan(range, now, &mut |key, line| {
        items.push(Listed {
            id: ItemId::new(key.name),
            size_bytes: line.size_bytes(),
            expires: line.expires(),
        });
        // One more than are listed, to know that there are more.
        items.len() <= LISTING_COUNT_MAX
    })?;
    let more = items.len() > LISTING_COUNT_MAX;
    items.truncate(LISTING_COUNT_MAX);
    Ok(StoreOutcome::Listing { items, more })
}

fn get<R: Rows>(
    rows: &mut R,
    now: UnixMillis,
    address: Address,
    ids: &[ItemId],
) -> Result<StoreOutcome, R::Error> {
    let mut items = Vec::new();
    let mut bytes = 0_usize;
    for id in ids {
        let key = ElementKey::envelope(address, *id);
        let Some(line) = live(rows, now, &key)? else {
            continue;
        };
        let size = usize::try_from(line.size_bytes()).unwrap_or(usize::MAX);
        if bytes.saturating_add(size) > ENVELOPES_BYTES_MAX {
            break;
        }
        if let Some(content) = rows.content(&key, line)? {
            bytes += size;
            items.push(Waiting {
                envelope: content.payload,
                expires: line.expires(),
            });
        }
    }
    Ok(StoreOutcome::Envelopes(items))
}

fn chunk<R: Rows>(
    rows: &mut R,
    now: UnixMillis,
    address: Address,
) -> Result<StoreOutcome, R::Error> {
    let key = ElementKey::chunk(address);
    let Some(line) = live(rows, now, &key)? else {
        return Ok(StoreOutcome::Unknown);
    };
    let content = rows.content(&key, line)?;
    Ok(
        content.map_or(StoreOutcome::Unknown, |content| StoreOutcome::Chunk {
            chunk: content.payload,
            expires: line.expires(),
        }),
    )
}

fn export<R: Rows>(
    rows: &mut R,
    now: UnixMillis,
    keys: &[ElementKey],
) -> Result<StoreOutcome, R::Error> {
    let mut replicas = Vec::new();
    let mut bytes = 0_usize;
    for key in keys {
        let Some(line) = live(rows, now, key)? else {
            continue;
        };
        let Some(content) = rows.content(key, line)? else {
            continue;
        };
        let item = if key.kind.is_tombstone() {
            Bytes::new()
        } else {
            content.payload
        };
        bytes += item.len() + content.proof.len() + REPLICA_HEAD_BYTES;
        if bytes > REPLICAS_BYTES_MAX {
            break;
        }
        replicas.push(Replica {
            key: *key,
            until: line.expires(),
            item,
            deposited: key.kind == ElementKind::Ack && line.is_deposited(),
            proof: content.proof,
        });
    }
    Ok(StoreOutcome::Replicas(replicas))
}

fn lacking<R: Rows>(
    rows: &R,
    now: UnixMillis,
    elements: &[Element],
) -> Result<StoreOutcome, R::Error> {
    let mut lacking = Vec::new();
    for element in elements {
        let key = &element.key;
        let ack = ElementKey {
            kind: ElementKind::Ack,
            ..*key
        };
        let is_acked = key.kind == ElementKind::Envelope && live(rows, now, &ack)?.is_some();
        let held = live(rows, now, key)?;
        let version = held.map(|held| version_of(key.kind, held));
        if !is_acked && version.is_none_or(|version| version < element.version) {
            lacking.push(*element);
        }
    }
    Ok(StoreOutcome::Lacking(lacking))
}

/// What an envelope's row has in its place tells holders apart, and stays here.
fn version_of(kind: ElementKind, line: impl Line) -> u64 {
    match kind {
        ElementKind::Card => line.version(),
        _ => 0,
    }
}

const fn element_key(key: &HoldingKey) -> ElementKey {
    let kind = match key.kind {
        HoldingKind::Card => ElementKind::Card,
        HoldingKind::Envelope => ElementKind::Envelope,
        HoldingKind::Chunk => ElementKind::Chunk,
    };
    ElementKey {
        kind,
        address: key.address,
        name: key.name,
    }
}

const fn holding_key(key: &ElementKey) -> Option<HoldingKey> {
    let kind = match key.kind {
        ElementKind::Card => HoldingKind::Card,
        ElementKind::Envelope => HoldingKind::Envelope,
        ElementKind::Chunk => HoldingKind::Chunk,
        ElementKind::Ack | ElementKind::Deletion => return None,
    };
    Some(HoldingKey {
        kind,
        address: key.address,
        name: key.name,
    })
}
