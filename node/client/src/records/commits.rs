//! Commits one after the other, and what follows when one fails.
//!
//! A store that takes nothing in is tried again after growing pauses, with what it is owed and nothing else; once that
//! is durable, everything goes on. Meanwhile whoever asks is told that nothing is stored, and a person's own request
//! makes the next try come sooner.

use std::collections::BTreeMap;
use std::sync::Arc;

use restante_conversation::{Conversation, ConversationId};
use restante_interface::StoreTrouble;
use restante_proto::account::PersonId;
use restante_proto::keys::PublicKey;
use restante_proto::message::{MessageId, Reference};
use restante_proto::pauses::PAUSE_MIN_MS;
use restante_proto::stamp::Stamp;
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, ItemId};

use super::owed::Row;
use super::{Change, PrekeySecret, Records, SenderMessage};
use crate::io::{CommitError, Token};
use crate::model::{
    Account, Contact, Header, Membership, OutgoingEnvelope, OwnCard, OwnPackage, Reaction, Sent,
    Slot,
};
use crate::then::Then;

/// Most changes without a waiting person that stay staged while the store fails; beyond that they are rolled back.
const STAGED_COUNT_MAX: usize = 1_000;

/// Changes that become durable together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) undo: Vec<Undo>,
    pub(super) then: Vec<Then>,
}

/// A commit that is under way; its changes have been handed out.
#[derive(Debug)]
pub(super) struct UnderWay {
    token: Token,
    batch: Batch,
    /// The rows that it changes, and those that it destroys.
    rows: Vec<Row>,
    destroyed: Vec<Row>,
    /// It writes what the disk is owed.
    pays: bool,
}

/// A store that takes nothing in.
#[derive(Debug)]
pub(super) struct Trouble {
    what: StoreTrouble,
    failed: MonoMillis,
    /// When it is tried again; never if that would not help.
    retry: Option<MonoMillis>,
}

/// How a table was before a change.
#[derive(Debug)]
pub(super) enum Undo {
    Contact(PublicKey, Option<Box<Contact>>),
    Outgoing(ItemId, Option<Box<OutgoingEnvelope>>),
    Sent(MessageId, Option<Sent>),
    Header(u64, Option<Box<Header>>),
    Seen(SenderMessage, Option<UnixMillis>),
    Due(SenderMessage, bool),
    ReadDue(SenderMessage, bool),
    Reaction((Reference, PublicKey), Option<Reaction>),
    Account(Arc<Account>),
    Card(Option<Box<OwnCard>>),
    Prekeys(Arc<Vec<PrekeySecret>>),
    Stamp(Address, Option<Stamp>),
    Membership(ConversationId, Option<Box<Membership>>),
    Conversation(ConversationId, Option<Arc<Conversation>>),
    Packages(Vec<OwnPackage>),
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.then.is_empty()
    }
}

impl Trouble {
    /// Tells whether the store is to be tried now; what a person waits for makes it worth another try.
    fn may_try(&self, now: MonoMillis, is_asked: bool) -> bool {
        let Some(retry) = self.retry else {
            return false;
        };
        retry <= now || (is_asked && self.failed.plus(PAUSE_MIN_MS) <= now)
    }
}

impl Records {
    /// Why nothing is stored at present, if so.
    pub const fn trouble(&self) -> Option<&StoreTrouble> {
        match &self.trouble {
            Some(trouble) => Some(&trouble.what),
            None => None,
        }
    }

    /// When the store last went on after it had taken nothing in.
    pub const fn recovered(&self) -> Option<UnixMillis> {
        self.recovered
    }

    /// Returns when a store that takes nothing in is tried again.
    pub(crate) fn next_try(&self) -> Option<MonoMillis> {
        let trouble = self.trouble.as_ref().filter(|_| self.in_flight.is_none());
        trouble.and_then(|trouble| trouble.retry)
    }

    /// Takes what is to be committed next, unless a commit is under way or there is nothing.
    pub(crate) fn begin_commit(
        &mut self,
        now: MonoMillis,
        token: impl FnOnce() -> Token,
    ) -> Option<(Token, Vec<Change>)> {
        if self.in_flight.is_some() {
            return None;
        }
        let is_asked = self.is_asked();
        let tries = |trouble: &Trouble| trouble.may_try(now, is_asked);
        let pays = match &self.trouble {
            Some(trouble) if !tries(trouble) => return None,
            Some(_) => true,
            None => !self.owed.is_empty(),
        };
        if !pays && self.staged.is_empty() {
            return None;
        }
        let (batch, changes) = if pays {
            (Batch::default(), self.owed_changes())
        } else {
            let mut batch = std::mem::take(&mut self.staged);
            let changes = std::mem::take(&mut batch.changes);
            (batch, changes)
        };
        let token = token();
        self.in_flight = Some(UnderWay {
            token,
            batch,
            rows: changes.iter().filter_map(Row::of).collect(),
            destroyed: changes.iter().filter_map(Row::destroyed_by).collect(),
            pays,
        });
        Some((token, changes))
    }

    /// Returns what the disk is owed, or something that changes nothing, to see whether the store takes it.
    fn owed_changes(&self) -> Vec<Change> {
        if self.owed.is_empty() {
            return vec![Change::Forget(UnixMillis::default())];
        }
        self.owed.values().cloned().collect()
    }

    fn is_asked(&self) -> bool {
        self.staged.then.iter().any(Then::is_asked)
    }

    /// Gives up what is staged and waited for while the store is not even tried; returns what waited.
    pub(crate) fn give_up(&mut self, now: MonoMillis) -> Vec<Then> {
        let is_asked = self.is_asked();
        let Some(trouble) = self.trouble.as_ref().filter(|_| self.in_flight.is_none()) else {
            return Vec::new();
        };
        let is_waited_for = !self.staged.then.is_empty();
        let is_long = self.staged.changes.len() >= STAGED_COUNT_MAX;
        if trouble.may_try(now, is_asked) || !(is_waited_for || is_long) {
            return Vec::new();
        }
        let then = self.undo_staged();
        self.index();
        then
    }

    /// Ends the commit under way; returns what follows, each with whether it is durable. An answer to another commit is
    /// none.
    pub(crate) fn end_commit(
        &mut self,
        now: Now,
        token: Token,
        result: &Result<Vec<Slot>, CommitError>,
    ) -> Vec<(Then, bool)> {
        let Some(under_way) = self.in_flight.take_if(|it| it.token == token) else {
            return Vec::new();
        };
        match result {
            Ok(_) => self.succeed(now, under_way),
            Err(error) => self.fail(now, under_way, error),
        }
    }

    fn succeed(&mut self, now: Now, under_way: UnderWay) -> Vec<(Then, bool)> {
        if under_way.pays {
            self.owed.clear();
        }
        if self.trouble.take().is_some() {
            self.recovered = Some(now.date);
        }
        let then = under_way.batch.then.into_iter();
        then.map(|then| (then, true)).collect()
    }

    fn fail(&mut self, now: Now, under_way: UnderWay, error: &CommitError) -> Vec<(Then, bool)> {
        let UnderWay {
            batch,
            rows,
            destroyed,
            pays,
            ..
        } = under_way;
        let refused = || StoreTrouble::DiskFailed {
            why: error.why.clone(),
        };
        // Changes that are refused for what they are can be made differently; what is owed cannot.
        let trouble = error.trouble.clone().or_else(|| pays.then(refused));
        if let Some(what) = trouble {
            let retry = what.passes().then(|| self.pauses.after_failure(now.mono));
            self.trouble = Some(Trouble {
                what,
                failed: now.mono,
                retry,
            });
        }
        // What was staged since builds on what failed.
        let staged = self.undo_staged();
        self.undo_all(batch.undo);
        self.index();
        if !pays {
            self.owe(if error.in_doubt { rows } else { destroyed });
        }
        let then = staged.into_iter().chain(batch.then);
        then.map(|then| (then, false)).collect()
    }

    /// Undoes what is staged; returns what waited for it.
    fn undo_staged(&mut self) -> Vec<Then> {
        let staged = std::mem::take(&mut self.staged);
        self.undo_all(staged.undo);
        let destroyed = staged.changes.iter().filter_map(Row::destroyed_by);
        self.owe(destroyed);
        staged.then
    }

    fn undo_all(&mut self, undo: Vec<Undo>) {
        for undo in undo.into_iter().rev() {
            self.undo(undo);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Contact(key, before) => restore(&mut self.contacts, key, before.map(|it| *it)),
            Undo::Outgoing(key, before) => restore(&mut self.outgoing, key, before.map(|it| *it)),
            Undo::Sent(key, before) => restore(&mut self.sent, key, before),
            Undo::Header(key, before) => restore(&mut self.inbox, key, before.map(|it| *it)),
            Undo::Seen(key, before) => restore(&mut self.seen, key, before),
            Undo::Due(key, true) => {
                self.due.insert(key);
            }
            Undo::Due(key, false) => {
                self.due.remove(&key);
            }
            Undo::ReadDue(key, true) => {
                self.read_due.insert(key);
            }
            Undo::ReadDue(key, false) => {
                self.read_due.remove(&key);
            }
            Undo::Reaction(key, before) => restore(&mut self.reactions, key, before),
            Undo::Account(before) => self.account = before,
            Undo::Card(before) => self.card = before.map(|card| *card),
            Undo::Prekeys(before) => self.prekeys = before,
            Undo::Stamp(key, before) => restore(&mut self.stamps, key, before),
            Undo::Membership(id, before) => self.undo_membership(id, before),
            Undo::Conversation(id, before) => self.undo_conversation(id, before),
            Undo::Packages(before) => self.conversations.packages = before,
        }
    }

    /// Finds again what follows from the tables.
    fn index(&mut self) {
        self.index_contacts();
        self.conversations.index();
    }

    pub(super) fn index_contacts(&mut self) {
        let known = self.contacts.iter();
        let ids = |contact: &Contact| contact.ids.iter().map(|known| known.id.clone()).collect();
        let known = known.map(|(account, contact)| (*account, ids(contact)));
        self.known_ids = Arc::new(known.collect::<BTreeMap<PublicKey, Vec<PersonId>>>());
    }
}

fn restore<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(before) => {
            table.insert(key, before);
        }
        None => {
            table.remove(&key);
        }
    }
}
