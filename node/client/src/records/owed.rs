//! What a disk is owed after a commit that failed.
//!
//! What was to be written may be there all the same, and what was to be destroyed may be there still. So the rows that
//! such a commit was about are written once more as they are without it, before anything else: whatever has become of
//! the commit, the disk then holds what memory holds.

use std::collections::BTreeMap;

use restante_conversation::{ConversationId, rows};
use restante_proto::keys::PublicKey;
use restante_proto::message::{MessageId, Reference};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::{Change, Records, SenderMessage};
use crate::model::Words;

/// The rows that a disk is owed, each with what it is to hold.
pub(super) type Owed = BTreeMap<Row, Change>;

/// A row by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    Contact(PublicKey),
    Outgoing(ItemId),
    Sent(MessageId),
    /// A message in the inbox, with its body and its key.
    Message(u64),
    Taken(Address, ItemId),
    Seen(SenderMessage),
    Due(SenderMessage),
    ReadDue(SenderMessage),
    Reaction(Reference, PublicKey),
    Account,
    Card,
    Prekey(UnixMillis),
    Stamp(Address),
    Membership(ConversationId),
    Conversation(ConversationId, rows::Row),
    Package(UnixMillis),
}

impl Row {
    /// Returns the row that a change is about; none for one that may be lost.
    pub(super) fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::PutContact(contact) => Self::Contact(contact.account),
            Change::DropContact(account) => Self::Contact(*account),
            Change::PutOutgoing(outgoing) => Self::Outgoing(outgoing.envelope.id()),
            Change::DropOutgoing(id) => Self::Outgoing(*id),
            Change::PutWords(message, ..)
            | Change::PutSent(message, _)
            | Change::DropSent(message) => Self::Sent(*message),
            Change::PutMessage { arrival, .. }
            | Change::PutHeader(arrival, _)
            | Change::Destroy(arrival, _)
            | Change::Discard(arrival) => Self::Message(*arrival),
            Change::PutTaken(mailbox, id, _) | Change::DropTaken(mailbox, id) => {
                Self::Taken(*mailbox, *id)
            }
            Change::PutSeen(named, _) | Change::DropSeen(named) => Self::Seen(*named),
            Change::PutDue(named) | Change::DropDue(named) => Self::Due(*named),
            Change::PutReadDue(named) | Change::DropReadDue(named) => Self::ReadDue(*named),
            Change::PutReaction(to, by, _) | Change::DropReaction(to, by) => {
                Self::Reaction(*to, *by)
            }
            Change::PutAccount(_) => Self::Account,
            Change::PutCard(_) | Change::DropCard => Self::Card,
            Change::PutPrekey(prekey) => Self::Prekey(prekey.public().issued),
            Change::DropPrekey(issued) => Self::Prekey(*issued),
            Change::PutStamp(locator, _) | Change::DropStamp(locator) => Self::Stamp(*locator),
            Change::PutMembership(id, _) | Change::DropMembership(id) => Self::Membership(*id),
            Change::Conversation(id, rows::Change::Put(row, _) | rows::Change::Drop(row)) => {
                Self::Conversation(*id, *row)
            }
            Change::PutPackage(package) => Self::Package(package.made),
            Change::DropPackage(made) => Self::Package(*made),
            // What was to be forgotten is forgotten the next time.
            Change::Forget(_) => return None,
        })
    }

    /// Returns the row if the change is a destruction, which is never rolled back.
    pub(super) fn destroyed_by(change: &Change) -> Option<Self> {
        match change {
            Change::Destroy(..)
            | Change::Discard(_)
            | Change::DropPrekey(_)
            | Change::DropPackage(_) => Self::of(change),
            Change::PutHeader(_, header) if header.slot.is_none() => Self::of(change),
            Change::PutSent(_, sent) if sent.words == Words::Gone => Self::of(change),
            _ => None,
        }
    }
}

impl Records {
    /// Owes the disk these rows as memory has them now.
    pub(super) fn owe(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let change = self.as_it_is(row);
            self.owed.insert(row, change);
        }
    }

    /// Returns the change that rewrites a row of the disk from memory.
    fn as_it_is(&self, row: Row) -> Change {
        match row {
            Row::Account => Change::PutAccount(Box::new((*self.account).clone())),
            Row::Contact(account) => match self.contacts.get(&account) {
                Some(contact) => Change::PutContact(Box::new(contact.clone())),
                None => Change::DropContact(account),
            },
            Row::Outgoing(id) => match self.outgoing.get(&id) {
                Some(outgoing) => Change::PutOutgoing(Box::new(outgoing.clone())),
                None => Change::DropOutgoing(id),
            },
            Row::Sent(message) => match self.sent.get(&message) {
                Some(sent) => Change::PutSent(message, sent.clone()),
                None => Change::DropSent(message),
            },
            Row::Message(arrival) => match self.inbox.get(&arrival) {
                Some(header) => Change::PutHeader(arrival, Box::new(header.clone())),
                None => Change::Discard(arrival),
            },
            // What was taken before is not taken again.
            Row::Taken(mailbox, id) => Change::DropTaken(mailbox, id),
            Row::Seen(named) => match self.seen.get(&named) {
                Some(until) => Change::PutSeen(named, *until),
                None => Change::DropSeen(named),
            },
            Row::Due(named) => match self.due.contains(&named) {
                true => Change::PutDue(named),
                false => Change::DropDue(named),
            },
            Row::ReadDue(named) => match self.read_due.contains(&named) {
                true => Change::PutReadDue(named),
                false => Change::DropReadDue(named),
            },
            Row::Reaction(to, by) => match self.reactions.get(&(to, by)) {
                Some(reaction) => Change::PutReaction(to, by, Box::new(reaction.clone())),
                None => Change::DropReaction(to, by),
            },
            Row::Card => match &self.card {
                Some(card) => Change::PutCard(Box::new(card.clone())),
                None => Change::DropCard,
            },
            Row::Prekey(issued) => {
                let mut prekeys = self.prekeys.iter();
                match prekeys.find(|prekey| prekey.public().issued == issued) {
                    Some(prekey) => Change::PutPrekey(prekey.clone()),
                    None => Change::DropPrekey(issued),
                }
            }
            Row::Membership(id) => match self.memberships().get(&id) {
                Some(membership) => Change::PutMembership(id, Box::new(membership.clone())),
                None => Change::DropMembership(id),
            },
            Row::Conversation(id, row) => self.inside_as_it_is(id, row),
            Row::Package(made) => {
                let mut packages = self.packages().iter();
                match packages.find(|package| package.made == made) {
                    Some(package) => Change::PutPackage(Box::new(package.clone())),
                    None => Change::DropPackage(made),
                }
            }
            Row::Stamp(locator) => match self.stamps.get(&locator) {
                Some(stamp) => Change::PutStamp(locator, stamp.clone()),
                None => Change::DropStamp(locator),
            },
        }
    }

    /// Returns the change that rewrites a row of a conversation from memory.
    fn inside_as_it_is(&self, id: ConversationId, row: rows::Row) -> Change {
        let conversation = self.conversation(&id);
        let bytes = conversation.and_then(|it| it.to_rows().remove(&row));
        let change = match bytes {
            Some(bytes) => rows::Change::Put(row, bytes),
            None => rows::Change::Drop(row),
        };
        Change::Conversation(id, change)
    }
}
