//! How changes become rows.

use restante_client::model::{Header, Sent, Slot, Words};
use restante_client::records::Change;
use restante_conversation::rows::Change as RowChange;
use restante_proto::message::MessageId;

use super::super::rows::{self, SELF, moment_of};
use super::{
    ACCOUNT, AccountStoreError, BODIES, CARD, CONTACTS, CONVERSATIONS, DUE, INBOX, MEMBERSHIPS,
    OUTBOX, REACTIONS, READ_DUE, ROW_BYTES, ROW_FACTOR, SEEN, SENT, STAMPS, TAKEN, keyed,
    named_key, slot_id, slot_of, taken_key,
};
use crate::vault::{DbError, MessageKey, SlotId, Table, Vault, WriteTx};

/// Writes changes, all or nothing, and returns the slots of new messages, in order.
///
/// Keys of destroyed messages are burned first: were a row to go without its key, the key could be read for ever.
pub(super) fn write(vault: &Vault, changes: &[Change]) -> Result<Vec<Slot>, AccountStoreError> {
    let is_message =
        |change: &&Change| matches!(change, Change::PutMessage { .. } | Change::PutWords(..));
    let messages = changes.iter().filter(is_message).count();
    let forgotten = forgotten(vault, changes)?;
    let keyed = keyed::of_changes(changes);
    let wanted = messages + keyed::keys_wanted(&keyed);
    let (slots, before) = vault.write_with_keys(wanted, &mut rand::rng(), |tx, keys| {
        for (table, key) in &forgotten {
            tx.remove(*table, key)?;
        }
        let (keys, of_rows) = keys.split_at(messages);
        let mut before = apply_all(vault, tx, changes, keys)?;
        before.extend(keyed::write(vault, tx, &keyed, of_rows)?);
        let slots = keys.iter().map(slot_of).collect();
        Ok::<_, AccountStoreError>((slots, before))
    })?;
    keyed::burn(vault, &before);
    Ok(slots)
}

/// Destroys the keys of messages that are to be destroyed; works on a full disk too.
pub(super) fn burn(vault: &Vault, changes: &[Change]) -> Result<(), AccountStoreError> {
    let mut burned = Vec::new();
    for change in changes {
        match change {
            Change::Destroy(_, slot) => burned.push(slot_id(*slot)),
            Change::Discard(arrival) => burned.extend(slot_at(vault, *arrival)?),
            Change::PutHeader(arrival, header) if header.slot.is_none() => {
                burned.extend(slot_at(vault, *arrival)?);
            }
            Change::PutSent(message, Sent { words, .. }) if *words == Words::Gone => {
                burned.extend(words_of(vault, message)?);
            }
            Change::DropSent(message) => burned.extend(words_of(vault, message)?),
            _ => {}
        }
    }
    if !burned.is_empty() {
        vault.keys().burn(&burned)?;
    }
    Ok(())
}

/// Returns the slot of the message at a place, if there is one whose header can be read.
fn slot_at(vault: &Vault, arrival: u64) -> Result<Option<SlotId>, DbError> {
    match vault.db().read(|tx| tx.get(INBOX, &arrival.to_be_bytes())) {
        Ok(row) => {
            let header = row.and_then(|row| rows::header_from_row(&row).ok());
            Ok(header.and_then(|header| header.slot).map(slot_id))
        }
        // Without a row that names it, its key is burned when the vault is opened next.
        Err(DbError::DamagedRow { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the slot of the words of a message of one's own, if there are any.
fn words_of(vault: &Vault, message: &MessageId) -> Result<Option<SlotId>, DbError> {
    match vault.db().read(|tx| tx.get(SENT, message.as_bytes())) {
        Ok(row) => {
            let sent = row.and_then(|row| rows::sent_from_row(&row).ok());
            Ok(sent.and_then(|sent| sent.words.slot()).map(slot_id))
        }
        Err(DbError::DamagedRow { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what a change adds to the disk, about, in bytes.
pub(super) fn added_bytes(change: &Change) -> u64 {
    let about = match change {
        Change::PutMessage { body, .. } | Change::PutWords(_, _, body) => body.len(),
        Change::PutOutgoing(outgoing) => outgoing.envelope.bytes.len(),
        Change::Conversation(_, RowChange::Put(_, bytes)) => bytes.len(),
        _ => 0,
    };
    ROW_FACTOR * (about as u64 + ROW_BYTES)
}

/// Applies the changes, giving each new message one of the keys; returns the slots of those whose place was taken.
fn apply_all(
    vault: &Vault,
    tx: &mut WriteTx<'_>,
    changes: &[Change],
    keys: &[MessageKey],
) -> Result<Vec<SlotId>, AccountStoreError> {
    let mut keys = keys.iter();
    let mut replaced = Vec::new();
    for change in changes {
        match change {
            Change::PutMessage {
                arrival,
                header,
                body,
            } => {
                let Some(key) = keys.next() else { continue };
                let header = (**header).clone().finish(slot_of(key));
                let place = arrival.to_be_bytes();
                let before = tx.get(INBOX, &place)?;
                let before = before.and_then(|row| rows::header_from_row(&row).ok());
                replaced.extend(before.and_then(|before| before.slot).map(slot_id));
                tx.put(INBOX, &place, &rows::header_to_row(&header))?;
                put_body(vault, tx, *arrival, key, body)?;
            }
            Change::PutWords(message, sent, words) => {
                let Some(key) = keys.next() else { continue };
                let (place, at) = (sent.place, Words::At(slot_of(key)));
                let sent = Sent {
                    words: at,
                    ..(**sent).clone()
                };
                tx.put(SENT, message.as_bytes(), &rows::sent_to_row(&sent))?;
                put_body(vault, tx, place, key, words)?;
            }
            Change::PutHeader(arrival, header) => {
                replaced.extend(put_header(tx, *arrival, header)?);
            }
            Change::Destroy(arrival, _) | Change::Discard(arrival) => {
                replaced.extend(destroy(tx, *arrival)?);
            }
            Change::PutSent(message, sent) => replaced.extend(put_sent(tx, message, sent)?),
            Change::DropSent(message) => replaced.extend(drop_sent(tx, message)?),
            change => apply(tx, change)?,
        }
    }
    Ok(replaced)
}

/// Returns the rows that are to be forgotten.
fn forgotten(
    vault: &Vault,
    changes: &[Change],
) -> Result<Vec<(Table, Vec<u8>)>, AccountStoreError> {
    let dates = changes.iter().filter_map(|change| match change {
        Change::Forget(date) => Some(*date),
        _ => None,
    });
    let Some(date) = dates.max() else {
        return Ok(Vec::new());
    };
    let is_over = |value: &[u8], table| moment_of(value, table).is_ok_and(|until| until <= date);
    let rows = vault.db().read(|tx| {
        let mut over = Vec::new();
        for (table, name) in [(TAKEN, "taken"), (SEEN, "seen")] {
            let rows = tx.iter(table)?.into_iter();
            let rows = rows.filter(|row| is_over(&row.value, name));
            over.extend(rows.map(|row| (table, row.key)));
        }
        Ok::<_, DbError>(over)
    })?;
    Ok(rows)
}

fn put_body(
    vault: &Vault,
    tx: &mut WriteTx<'_>,
    place: u64,
    key: &MessageKey,
    body: &[u8],
) -> Result<(), AccountStoreError> {
    let place = place.to_be_bytes();
    let sealed = vault
        .keys()
        .seal_body(key, &place, body, &mut rand::rng())?;
    tx.put(BODIES, &place, &sealed)?;
    Ok(())
}

/// Removes a message; returns the slot that its row named, which may be a newer one than whoever destroys it knows.
fn destroy(tx: &mut WriteTx<'_>, place: u64) -> Result<Option<SlotId>, DbError> {
    let place = place.to_be_bytes();
    let before = tx.get(INBOX, &place)?;
    tx.remove(INBOX, &place)?;
    tx.remove(BODIES, &place)?;
    let before = before.and_then(|row| rows::header_from_row(&row).ok());
    Ok(before.and_then(|before| before.slot).map(slot_id))
}

/// Writes a header, and drops a body that it names no more; returns the slot of that. Where the key of one is, the row
/// knows.
fn put_header(
    tx: &mut WriteTx<'_>,
    place: u64,
    header: &Header,
) -> Result<Option<SlotId>, DbError> {
    let place = place.to_be_bytes();
    let before = tx.get(INBOX, &place)?;
    let before = before.and_then(|row| rows::header_from_row(&row).ok());
    let mut header = header.clone();
    let before = before.and_then(|before| before.slot);
    match (header.slot, before) {
        (Some(_), Some(slot)) => header.slot = Some(slot),
        (None, _) => drop(tx.remove(BODIES, &place)?),
        (Some(_), None) => {}
    }
    tx.put(INBOX, &place, &rows::header_to_row(&header))?;
    Ok(before.filter(|_| header.slot.is_none()).map(slot_id))
}

/// Writes what became of a message of one's own, and drops words that are gone; returns the slot of these.
fn put_sent(
    tx: &mut WriteTx<'_>,
    message: &MessageId,
    sent: &Sent,
) -> Result<Option<SlotId>, DbError> {
    let before = tx.get(SENT, message.as_bytes())?;
    let before = before.and_then(|row| rows::sent_from_row(&row).ok());
    let mut sent = sent.clone();
    if sent.words == Words::Staged {
        sent.words = before.as_ref().map_or(Words::Gone, |before| before.words);
    }
    let gone = before.filter(|before| before.words != sent.words);
    if let Some(before) = &gone {
        tx.remove(BODIES, &before.place.to_be_bytes())?;
    }
    tx.put(SENT, message.as_bytes(), &rows::sent_to_row(&sent))?;
    Ok(gone.and_then(|before| before.words.slot()).map(slot_id))
}

/// Forgets a message of one's own, with its words if there are any; returns the slot of these.
fn drop_sent(tx: &mut WriteTx<'_>, message: &MessageId) -> Result<Option<SlotId>, DbError> {
    let before = tx.get(SENT, message.as_bytes())?;
    tx.remove(SENT, message.as_bytes())?;
    let Some(before) = before.and_then(|row| rows::sent_from_row(&row).ok()) else {
        return Ok(None);
    };
    tx.remove(BODIES, &before.place.to_be_bytes())?;
    Ok(before.words.slot().map(slot_id))
}

/// Writes one change that needs no key.
fn apply(tx: &mut WriteTx<'_>, change: &Change) -> Result<(), DbError> {
    match change {
        Change::PutContact(contact) => {
            let row = rows::contact_to_row(contact);
            tx.put(CONTACTS, contact.account.as_bytes(), &row)?;
        }
        Change::DropContact(account) => drop(tx.remove(CONTACTS, account.as_bytes())?),
        Change::PutOutgoing(outgoing) => {
            let id = outgoing.envelope.id();
            tx.put(OUTBOX, id.as_bytes(), &rows::outgoing_to_row(outgoing))?;
        }
        Change::DropOutgoing(id) => drop(tx.remove(OUTBOX, id.as_bytes())?),
        Change::PutTaken(mailbox, envelope, until) => {
            let place = taken_key(mailbox, envelope);
            tx.put(TAKEN, &place, &until.get().to_be_bytes())?;
        }
        Change::DropTaken(mailbox, envelope) => {
            tx.remove(TAKEN, &taken_key(mailbox, envelope))?;
        }
        Change::PutSeen(named, until) => {
            tx.put(SEEN, &named_key(named), &until.get().to_be_bytes())?;
        }
        Change::DropSeen(named) => drop(tx.remove(SEEN, &named_key(named))?),
        Change::PutDue(named) => tx.put(DUE, &named_key(named), &[])?,
        Change::DropDue(named) => drop(tx.remove(DUE, &named_key(named))?),
        Change::PutReadDue(named) => tx.put(READ_DUE, &named_key(named), &[])?,
        Change::DropReadDue(named) => drop(tx.remove(READ_DUE, &named_key(named))?),
        Change::PutReaction(to, by, reaction) => {
            let row = rows::reaction_to_row(reaction);
            tx.put(REACTIONS, &rows::reaction_key(to, by), &row)?;
        }
        Change::DropReaction(to, by) => {
            tx.remove(REACTIONS, &rows::reaction_key(to, by))?;
        }
        Change::PutAccount(account) => tx.put(ACCOUNT, SELF, &rows::account_to_row(account))?,
        Change::PutCard(card) => tx.put(CARD, SELF, &rows::card_to_row(card))?,
        Change::DropCard => drop(tx.remove(CARD, SELF)?),
        Change::PutMembership(id, membership) => {
            let row = rows::membership_to_row(membership);
            tx.put(MEMBERSHIPS, id.as_bytes(), &row)?;
        }
        Change::DropMembership(id) => drop(tx.remove(MEMBERSHIPS, id.as_bytes())?),
        Change::Conversation(id, RowChange::Put(row, bytes)) if !keyed::is_keyed(row) => {
            tx.put(CONVERSATIONS, &rows::row_key(id, row), bytes)?;
        }
        Change::Conversation(id, RowChange::Drop(row)) if !keyed::is_keyed(row) => {
            tx.remove(CONVERSATIONS, &rows::row_key(id, row))?;
        }
        Change::PutStamp(locator, stamp) => {
            let mut row = stamp.nonce.to_vec();
            row.extend_from_slice(&stamp.solution);
            tx.put(STAMPS, locator.as_bytes(), &row)?;
        }
        Change::DropStamp(locator) => drop(tx.remove(STAMPS, locator.as_bytes())?),
        // Their keys and rows are found by the caller.
        Change::PutMessage { .. }
        | Change::PutWords(..)
        | Change::PutHeader(..)
        | Change::Destroy(..)
        | Change::Discard(_)
        | Change::PutSent(..)
        | Change::DropSent(_)
        | Change::Forget(_)
        | Change::Conversation(..)
        | Change::PutPackage(_)
        | Change::DropPackage(_)
        | Change::PutPrekey(_)
        | Change::DropPrekey(_) => {}
    }
    Ok(())
}
