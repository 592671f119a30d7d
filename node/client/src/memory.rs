//! An account's disk in memory: what a real one must do, and what the simulator's fast tier and tests run on.

use std::collections::BTreeMap;

use bytes::Bytes;
use restante_conversation::ConversationId;
use restante_conversation::rows::Change as RowChange;

use crate::io::READ_BYTES_MAX;
use crate::model::{Account, SLOT_BYTES, Sent, Slot, Words};
use crate::records::{Change, Loaded};

/// The disk of one account.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    rows: Loaded,
    bodies: BTreeMap<Slot, Bytes>,
    next_slot: u64,
}

impl MemoryDisk {
    /// Makes a disk that holds an account and nothing else.
    pub fn new(account: Account) -> Self {
        Self {
            rows: Loaded::of(account),
            bodies: BTreeMap::new(),
            next_slot: 0,
        }
    }

    /// Reads everything.
    pub fn load(&self) -> Loaded {
        self.rows.clone()
    }

    /// Makes changes durable and returns the slots of new messages, in order.
    pub fn commit(&mut self, changes: &[Change]) -> Vec<Slot> {
        // What is to be forgotten was there before; what is put beside it stays.
        let (forget, changes): (Vec<&Change>, Vec<&Change>) = changes
            .iter()
            .partition(|change| matches!(change, Change::Forget(_)));
        for change in forget {
            self.apply(change);
        }
        changes
            .into_iter()
            .filter_map(|change| self.apply(change))
            .collect()
    }

    /// Reads bodies, in order, until [`READ_BYTES_MAX`] are read; those that were destroyed as none.
    pub fn bodies(&self, places: &[(u64, Slot)]) -> Vec<Option<Vec<u8>>> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        for (_, slot) in places {
            let body = self.bodies.get(slot).map(|body| body.to_vec());
            bytes += body.as_ref().map_or(0, Vec::len);
            if bytes > READ_BYTES_MAX && !bodies.is_empty() {
                break;
            }
            bodies.push(body);
        }
        bodies
    }

    /// Returns what is on the disk.
    pub const fn rows(&self) -> &Loaded {
        &self.rows
    }

    fn apply(&mut self, change: &Change) -> Option<Slot> {
        if is_message(change) {
            return self.apply_message(change);
        }
        let rows = &mut self.rows;
        match change.clone() {
            Change::PutContact(contact) => drop(rows.contacts.insert(contact.account, *contact)),
            Change::DropContact(account) => drop(rows.contacts.remove(&account)),
            Change::PutOutgoing(outgoing) => {
                rows.outgoing.insert(outgoing.envelope.id(), *outgoing);
            }
            Change::DropOutgoing(id) => drop(rows.outgoing.remove(&id)),
            Change::PutTaken(mailbox, id, until) => {
                rows.taken.insert((mailbox, id), until);
            }
            Change::DropTaken(mailbox, id) => drop(rows.taken.remove(&(mailbox, id))),
            Change::PutSeen(named, until) => drop(rows.seen.insert(named, until)),
            Change::DropSeen(named) => drop(rows.seen.remove(&named)),
            Change::Forget(date) => {
                rows.taken.retain(|_, until| *until > date);
                rows.seen.retain(|_, until| *until > date);
            }
            Change::PutDue(named) => drop(rows.due.insert(named)),
            Change::DropDue(named) => drop(rows.due.remove(&named)),
            Change::PutReadDue(named) => drop(rows.read_due.insert(named)),
            Change::DropReadDue(named) => drop(rows.read_due.remove(&named)),
            Change::PutReaction(to, by, reaction) => {
                rows.reactions.insert((to, by), *reaction);
            }
            Change::DropReaction(to, by) => drop(rows.reactions.remove(&(to, by))),
            Change::PutAccount(account) => rows.account = *account,
            Change::PutCard(card) => rows.card = Some(*card),
            Change::DropCard => rows.card = None,
            Change::PutPrekey(prekey) => {
                let issued = prekey.public().issued;
                rows.prekeys.retain(|other| other.public().issued != issued);
                rows.prekeys.push(prekey);
                rows.prekeys.sort_by_key(|prekey| prekey.public().issued);
            }
            Change::DropPrekey(issued) => {
                rows.prekeys
                    .retain(|prekey| prekey.public().issued != issued);
            }
            Change::PutMembership(id, membership) => {
                rows.memberships.insert(id, *membership);
            }
            Change::DropMembership(id) => drop(rows.memberships.remove(&id)),
            Change::Conversation(id, change) => self.apply_inside(id, change),
            Change::PutPackage(package) => {
                rows.packages.retain(|other| other.made != package.made);
                rows.packages.push(*package);
            }
            Change::DropPackage(made) => rows.packages.retain(|package| package.made != made),
            Change::PutStamp(locator, stamp) => drop(rows.stamps.insert(locator, stamp)),
            Change::DropStamp(locator) => drop(rows.stamps.remove(&locator)),
            // They were applied above.
            Change::PutWords(..)
            | Change::PutSent(..)
            | Change::DropSent(_)
            | Change::PutMessage { .. }
            | Change::PutHeader(..)
            | Change::Destroy(..)
            | Change::Discard(_) => {}
        }
        None
    }

    /// Applies a change of a message of either side, with its body.
    fn apply_message(&mut self, change: &Change) -> Option<Slot> {
        let rows = &mut self.rows;
        match change.clone() {
            Change::PutWords(message, sent, words) => {
                let slot = self.new_slot();
                self.bodies.insert(slot, words);
                let words = Words::At(slot);
                self.rows.sent.insert(message, Sent { words, ..*sent });
                return Some(slot);
            }
            Change::PutSent(message, mut sent) => {
                let before = rows.sent.get(&message).map(|before| before.words);
                if sent.words == Words::Staged {
                    sent.words = before.unwrap_or(Words::Gone);
                }
                let gone = before.filter(|before| *before != sent.words);
                rows.sent.insert(message, sent);
                if let Some(slot) = gone.and_then(Words::slot) {
                    self.bodies.remove(&slot);
                }
            }
            Change::DropSent(message) => {
                let before = rows.sent.remove(&message);
                if let Some(slot) = before.and_then(|before| before.words.slot()) {
                    self.bodies.remove(&slot);
                }
            }
            Change::PutMessage {
                arrival,
                header,
                body,
            } => {
                let slot = self.new_slot();
                self.bodies.insert(slot, body);
                let before = self.rows.inbox.insert(arrival, header.finish(slot));
                if let Some(replaced) = before.and_then(|before| before.slot) {
                    self.bodies.remove(&replaced);
                }
                return Some(slot);
            }
            Change::PutHeader(arrival, mut header) => {
                let before = rows.inbox.get(&arrival).and_then(|before| before.slot);
                match (header.slot, before) {
                    (Some(_), Some(slot)) => header.slot = Some(slot),
                    (None, Some(gone)) => drop(self.bodies.remove(&gone)),
                    (_, None) => {}
                }
                rows.inbox.insert(arrival, *header);
            }
            Change::Destroy(arrival, slot) => {
                rows.inbox.remove(&arrival);
                self.bodies.remove(&slot);
            }
            Change::Discard(arrival) => {
                let header = rows.inbox.remove(&arrival);
                if let Some(slot) = header.and_then(|header| header.slot) {
                    self.bodies.remove(&slot);
                }
            }
            _ => {}
        }
        None
    }

    fn apply_inside(&mut self, id: ConversationId, change: RowChange) {
        let conversations = &mut self.rows.conversations;
        let rows = conversations.entry(id).or_default();
        match change {
            RowChange::Put(row, bytes) => drop(rows.insert(row, bytes)),
            RowChange::Drop(row) => drop(rows.remove(&row)),
        }
        if rows.is_empty() {
            conversations.remove(&id);
        }
    }

    fn new_slot(&mut self) -> Slot {
        self.next_slot += 1;
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&self.next_slot.to_be_bytes());
        Slot(slot)
    }
}

const fn is_message(change: &Change) -> bool {
    matches!(
        change,
        Change::PutWords(..)
            | Change::PutSent(..)
            | Change::DropSent(_)
            | Change::PutMessage { .. }
            | Change::PutHeader(..)
            | Change::Destroy(..)
            | Change::Discard(_)
    )
}
