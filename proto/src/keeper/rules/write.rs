//! Operations that may change something.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    Line, Row, RowsMut, keys_at, live, read,
    slots::{SlotDecision, place_card},
};
use crate::{
    Address, ItemId,
    card::CardRecord,
    context,
    keeper::{
        budget::{Budget, MailboxUse, Placement, place_envelope},
        element::{ADMISSION_PROOF_BYTES_MAX, AdmissionProof, ElementKey, ElementKind, Replica},
        store::{StoreOp, StoreOutcome},
    },
    keys::{PublicKey, Signature},
    limits::{ACK_MEMORY_MS, MAILBOX_TOMBSTONES_MAX, TOMBSTONE_BYTES},
    mailbox::{AckEntry, Mailbox},
    request::Reason,
    time::UnixMillis,
};

/// Does one operation.
///
/// # Errors
///
/// When the store fails.
pub fn apply<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    op: StoreOp,
) -> Result<StoreOutcome, R::Error> {
    match op {
        StoreOp::PutEnvelope {
            address,
            id,
            bytes,
            expires,
            budget,
            proof,
        } => {
            let row = Row::new(expires, bytes, proof);
            put_envelope(rows, now, (address, id), row, budget)
        }
        StoreOp::PutCard {
            record,
            stamped,
            proof,
        } => put_card(rows, now, &record, stamped, proof),
        StoreOp::PutChunk {
            address,
            bytes,
            expires,
            deletion_key,
            proof,
        } => {
            let row = Row {
                deletion_key,
                ..Row::new(expires, bytes, proof)
            };
            put_chunk(rows, now, address, row)
        }
        StoreOp::Ack {
            address,
            entries,
            mailbox,
        } => ack(rows, now, address, &entries, mailbox),
        StoreOp::DeleteChunk { address, signature } => delete_chunk(rows, address, &signature),
        StoreOp::ApplyTombstone(replica) => match replica.key.kind {
            ElementKind::Ack => apply_ack(rows, now, *replica),
            ElementKind::Deletion => apply_deletion(rows, now, *replica),
            ElementKind::Card | ElementKind::Envelope | ElementKind::Chunk => {
                Ok(StoreOutcome::Unknown)
            }
        },
        op => Ok(read::answer(rows, now, &op)?.unwrap_or(StoreOutcome::Unknown)),
    }
}

fn put_envelope<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    (address, id): (Address, ItemId),
    row: Row,
    budget: Budget,
) -> Result<StoreOutcome, R::Error> {
    let (key, ack) = (
        ElementKey::envelope(address, id),
        ElementKey::ack(address, id),
    );
    let held = match live(rows, now, &ack)? {
        Some(acked) if acked.is_deposited() => Some(acked.expires()),
        // Its ack came first; from now on it counts as deposited and acked.
        Some(acked) => {
            let content = rows.content(&ack, acked)?;
            let proof = content.map_or_else(Bytes::new, |content| content.proof);
            rows.put(ack, Row::tombstone(row.expires, true, proof))?;
            Some(row.expires)
        }
        None => live(rows, now, &key)?.map(Line::expires),
    };
    if let Some(until) = held {
        return Ok(StoreOutcome::Held { until, new: false });
    }
    let terms = AdmissionProof::decode(&row.proof).unwrap_or_default();
    let in_use = mailbox_use(rows, address, terms.holder_tag(), budget.count)?;
    let size = row.payload.len();
    match place_envelope(budget, in_use, size as u64, &terms) {
        Placement::Fits => {}
        Placement::Full => return Ok(StoreOutcome::Refused(Reason::Full)),
        Placement::Unpaid { effort } => return Ok(StoreOutcome::Unpaid { effort }),
    }
    if !rows.has_room(size as u64, size, row.proof.len()) {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    let until = row.expires;
    let version = terms.holder_tag();
    rows.put(key, Row { version, ..row })?;
    Ok(StoreOutcome::Held { until, new: true })
}

/// Counts what waits in a mailbox; a mailbox holds so few that counting them is cheaper than keeping one more row in
/// step.
fn mailbox_use<R: RowsMut>(
    rows: &R,
    address: Address,
    holder_tag: u64,
    count_max: u32,
) -> Result<MailboxUse, R::Error> {
    let mut in_use = MailboxUse::default();
    let range = keys_at(ElementKind::Envelope, address, None);
    // What has ended takes its place until it is swept out.
    rows.scan(range, UnixMillis::default(), &mut |_, line| {
        let is_own = holder_tag != 0 && line.version() == holder_tag;
        in_use.add(u64::from(line.size_bytes()), is_own);
        in_use.count < count_max
    })?;
    Ok(in_use)
}

fn put_card<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    record: &CardRecord,
    stamped: bool,
    proof: Bytes,
) -> Result<StoreOutcome, R::Error> {
    let until = record.expires;
    let live = read::cards(rows, now, record.locator)?;
    match place_card(&live, record, stamped) {
        SlotDecision::Held => return Ok(StoreOutcome::Held { until, new: false }),
        SlotDecision::Refuse(reason) => return Ok(StoreOutcome::Refused(reason)),
        SlotDecision::Store => {}
    }
    let payload = Bytes::from(record.encode());
    let own = live.iter().find(|held| held.writer == record.writer);
    let replaced = own.map_or(0, |held| held.encode().len());
    let grown = payload.len().saturating_sub(replaced);
    if grown > 0 && !rows.has_room(grown as u64, payload.len(), ADMISSION_PROOF_BYTES_MAX) {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    let key = ElementKey::card(record.locator, &record.writer);
    // One stamp is good for all later cards of its writer.
    let proof = if stamped || own.is_none() {
        proof
    } else {
        proof_of(rows, &key)?
    };
    let version = record.sequence;
    let row = Row::new(until, payload, proof);
    rows.put(key, Row { version, ..row })?;
    Ok(StoreOutcome::Held { until, new: true })
}

fn put_chunk<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    address: Address,
    row: Row,
) -> Result<StoreOutcome, R::Error> {
    let key = ElementKey::chunk(address);
    let deletion = ElementKey::deletion(address, &row.deletion_key);
    let known = match live(rows, now, &key)? {
        Some(held) => Some(held),
        None => live(rows, now, &deletion)?,
    };
    if let Some(known) = known {
        let until = known.expires();
        return Ok(StoreOutcome::Held { until, new: false });
    }
    let size = row.payload.len();
    if !rows.has_room(size as u64, size, row.proof.len()) {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    let until = row.expires;
    rows.put(key, row)?;
    Ok(StoreOutcome::Held { until, new: true })
}

fn ack<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    address: Address,
    entries: &[AckEntry],
    mailbox: Mailbox,
) -> Result<StoreOutcome, R::Error> {
    let known = tombstones(rows, now, address)?;
    let ids: BTreeMap<ItemId, Signature> = entries
        .iter()
        .rev()
        .map(|entry| (entry.id, entry.signature))
        .collect();
    let mut fresh = Vec::with_capacity(ids.len());
    let (mut freed, mut added) = (0_u64, 0_u64);
    for (id, signature) in ids {
        let tombstone = rows.line(&ElementKey::ack(address, id))?;
        if tombstone.is_some_and(|tombstone| tombstone.is_live(now)) {
            continue;
        }
        let envelope = rows.line(&ElementKey::envelope(address, id))?;
        freed += envelope.map_or(0, |envelope| u64::from(envelope.size_bytes()));
        added += u64::from(tombstone.is_none());
        fresh.push((id, signature, envelope));
    }
    let grown = (added * TOMBSTONE_BYTES).saturating_sub(freed);
    let count = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
    let is_crowded = known.saturating_add(count) > MAILBOX_TOMBSTONES_MAX;
    if is_crowded || grown > 0 && !rows.has_room_for_tombstones(grown) {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    for (id, signature, envelope) in fresh {
        let until = match envelope {
            Some(envelope) => {
                rows.remove(&ElementKey::envelope(address, id))?;
                envelope.expires()
            }
            None => now.plus(ACK_MEMORY_MS),
        };
        let proof = AdmissionProof::of_ack(mailbox, signature).encode();
        let row = Row::tombstone(until, envelope.is_some(), proof);
        rows.put(ElementKey::ack(address, id), row)?;
    }
    Ok(StoreOutcome::Done)
}

fn delete_chunk<R: RowsMut>(
    rows: &mut R,
    address: Address,
    signature: &Signature,
) -> Result<StoreOutcome, R::Error> {
    let key = ElementKey::chunk(address);
    let Some(line) = rows.line(&key)? else {
        return Ok(StoreOutcome::Unknown);
    };
    let Some(content) = rows.content(&key, line)? else {
        return Ok(StoreOutcome::Unknown);
    };
    let deletion_key = content.deletion_key;
    let verified = deletion_key.verify(context::SIGN_DELETE, &[address.as_bytes()], signature);
    if verified.is_err() {
        return Ok(StoreOutcome::Refused(Reason::Signature));
    }
    let deletion = ElementKey::deletion(address, &deletion_key);
    if !has_room_for_tombstone(rows, &deletion, Some(line))? {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    rows.remove(&key)?;
    let proof = AdmissionProof::of_deletion(*signature).encode();
    rows.put(deletion, Row::tombstone(line.expires(), true, proof))?;
    Ok(StoreOutcome::Done)
}

/// Takes over another keeper's memory of an ack.
fn apply_ack<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    replica: Replica,
) -> Result<StoreOutcome, R::Error> {
    let ack = replica.key;
    if let Some(known) = live(rows, now, &ack)? {
        if replica.deposited && !known.is_deposited() {
            rows.put(ack, Row::tombstone(replica.until, true, replica.proof))?;
        }
        return Ok(StoreOutcome::Done);
    }
    let envelope = ElementKey {
        kind: ElementKind::Envelope,
        ..ack
    };
    let known = tombstones(rows, now, ack.address)?;
    let held = rows.line(&envelope)?;
    if known >= MAILBOX_TOMBSTONES_MAX || !has_room_for_tombstone(rows, &ack, held)? {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    if held.is_some() {
        rows.remove(&envelope)?;
    }
    let latest = replica.until.min(now.plus(ACK_MEMORY_MS));
    let until = held.map_or(latest, Line::expires);
    let is_deposited = replica.deposited || held.is_some();
    rows.put(ack, Row::tombstone(until, is_deposited, replica.proof))?;
    Ok(StoreOutcome::Done)
}

/// Takes over another keeper's memory of a deletion.
fn apply_deletion<R: RowsMut>(
    rows: &mut R,
    now: UnixMillis,
    replica: Replica,
) -> Result<StoreOutcome, R::Error> {
    let deletion = replica.key;
    if live(rows, now, &deletion)?.is_some() {
        return Ok(StoreOutcome::Done);
    }
    let chunk = ElementKey::chunk(deletion.address);
    let deletion_key = PublicKey::new(deletion.name);
    let mut held = rows.line(&chunk)?;
    if let Some(line) = held {
        let content = rows.content(&chunk, line)?;
        // A damaged chunk may have been anybody's.
        held = held.filter(|_| content.is_none_or(|held| held.deletion_key == deletion_key));
    }
    if !has_room_for_tombstone(rows, &deletion, held)? {
        return Ok(StoreOutcome::Refused(Reason::Full));
    }
    if held.is_some() {
        rows.remove(&chunk)?;
    }
    let latest = replica.until.min(now.plus(ACK_MEMORY_MS));
    let until = held.map_or(latest, Line::expires);
    rows.put(deletion, Row::tombstone(until, true, replica.proof))?;
    Ok(StoreOutcome::Done)
}

/// Returns how many acks of a mailbox are remembered.
fn tombstones<R: RowsMut>(rows: &R, now: UnixMillis, address: Address) -> Result<u32, R::Error> {
    let mut count = 0_u32;
    let range = keys_at(ElementKind::Ack, address, None);
    rows.scan(range, now, &mut |_, _| {
        count = count.saturating_add(1);
        true
    })?;
    Ok(count)
}

/// Tells whether a tombstone fits, which frees what is `held`.
fn has_room_for_tombstone<R: RowsMut>(
    rows: &R,
    key: &ElementKey,
    held: Option<R::Line>,
) -> Result<bool, R::Error> {
    let replaces = rows.line(key)?.is_some();
    let added = if replaces { 0 } else { TOMBSTONE_BYTES };
    let freed = held.map_or(0, |held| u64::from(held.size_bytes()));
    let grown = added.saturating_sub(freed);
    Ok(grown == 0 || rows.has_room_for_tombstones(grown))
}

/// Returns what admitted an item; empty when it is not held, or damaged.
fn proof_of<R: RowsMut>(rows: &mut R, key: &ElementKey) -> Result<Bytes, R::Error> {
    let Some(line) = rows.line(key)? else {
        return Ok(Bytes::new());
    };
    let content = rows.content(key, line)?;
    Ok(content.map_or_else(Bytes::new, |content| content.proof))
}
