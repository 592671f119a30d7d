//! What is on the disk, kept in memory too, and the changes on their way there.
//!
//! A change shows in memory at once and is staged for the next commit. Whatever must not happen before it is durable
//! waits as a [`Then`] beside it. There is one commit at a time; what is staged meanwhile goes with the next. When a
//! commit fails, it is undone here together with everything staged after it, newest first, and each `Then` learns that
//! it failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use restante_interface::DeliveryState;
use restante_proto::account::PersonId;
use restante_proto::keys::PublicKey;
use restante_proto::limits::DAY_MS;
use restante_proto::message::MessageId;
use restante_proto::placement::Standing;
use restante_proto::prekey::PrekeySecret;
use restante_proto::stamp::Stamp;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};

pub use crate::change::{Change, SenderMessage};
use crate::io::{CommitError, Token};
use crate::model::{Account, Contact, Header, HeaderDraft, OutgoingEnvelope, OwnCard, Sent, Slot};
use crate::then::Then;

/// How long after its end it is still remembered that a message was taken, in milliseconds: a clock that was ahead
/// for a while must not make it new again.
pub const REMEMBERED_MS: u64 = 7 * DAY_MS;

/// Everything that was read at the start.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The account.
    pub account: Account,
    /// Its prekeys.
    pub prekeys: Vec<PrekeySecret>,
    /// Its card as it was last made.
    pub card: Option<OwnCard>,
    /// The stamps it shows at locators.
    pub stamps: BTreeMap<Address, Stamp>,
    /// Contacts.
    pub contacts: BTreeMap<PublicKey, Contact>,
    /// Envelopes under way.
    pub outgoing: BTreeMap<ItemId, OutgoingEnvelope>,
    /// Messages that were sent.
    pub sent: BTreeMap<MessageId, Sent>,
    /// Messages that arrived, by their place.
    pub inbox: BTreeMap<u64, Header>,
    /// Envelopes that were taken, and until when that is remembered.
    pub taken: BTreeMap<(Address, ItemId), UnixMillis>,
    /// Messages that were taken, and until when that is remembered.
    pub seen: BTreeMap<SenderMessage, UnixMillis>,
    /// Delivery receipts that are due.
    pub due: BTreeSet<SenderMessage>,
}

impl Loaded {
    /// Returns what a disk holds on which there is an account and nothing else.
    pub const fn of(account: Account) -> Self {
        Self {
            account,
            prekeys: Vec::new(),
            card: None,
            stamps: BTreeMap::new(),
            contacts: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            sent: BTreeMap::new(),
            inbox: BTreeMap::new(),
            taken: BTreeMap::new(),
            seen: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }
}

/// The tables.
#[derive(Debug)]
pub struct Records {
    account: Arc<Account>,
    prekeys: Arc<Vec<PrekeySecret>>,
    known_ids: Arc<BTreeMap<PublicKey, Vec<PersonId>>>,
    card: Option<OwnCard>,
    stamps: BTreeMap<Address, Stamp>,
    contacts: BTreeMap<PublicKey, Contact>,
    outgoing: BTreeMap<ItemId, OutgoingEnvelope>,
    sent: BTreeMap<MessageId, Sent>,
    inbox: BTreeMap<u64, Header>,
    seen: BTreeMap<SenderMessage, UnixMillis>,
    due: BTreeSet<SenderMessage>,
    staged: Batch,
    in_flight: Option<(Token, Batch)>,
    stopped: Option<String>,
}

/// Changes that become durable together.
#[derive(Debug, Default)]
struct Batch {
    changes: Vec<Change>,
    undo: Vec<Undo>,
    then: Vec<Then>,
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.then.is_empty()
    }
}

/// How a table was before a change.
#[derive(Debug)]
enum Undo {
    Contact(PublicKey, Option<Box<Contact>>),
    Outgoing(ItemId, Option<Box<OutgoingEnvelope>>),
    Sent(MessageId, Option<Sent>),
    Header(u64, Option<Box<Header>>),
    Seen(SenderMessage, Option<UnixMillis>),
    Due(SenderMessage, bool),
    Card(Option<Box<OwnCard>>),
    Prekeys(Arc<Vec<PrekeySecret>>),
    Stamp(Address, Option<Stamp>),
}

impl Records {
    /// Takes what was read.
    pub fn new(loaded: Loaded) -> Self {
        let mut records = Self {
            account: Arc::new(loaded.account),
            prekeys: Arc::new(loaded.prekeys),
            known_ids: Arc::default(),
            card: loaded.card,
            stamps: loaded.stamps,
            contacts: loaded.contacts,
            outgoing: loaded.outgoing,
            sent: loaded.sent,
            inbox: loaded.inbox,
            seen: loaded.seen,
            due: loaded.due,
            staged: Batch::default(),
            in_flight: None,
            stopped: None,
        };
        records.index_contacts();
        records
    }

    /// The account.
    pub const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Its prekeys.
    pub const fn prekeys(&self) -> &Arc<Vec<PrekeySecret>> {
        &self.prekeys
    }

    /// IDs of contacts, which need not be computed.
    pub const fn known_ids(&self) -> &Arc<BTreeMap<PublicKey, Vec<PersonId>>> {
        &self.known_ids
    }

    /// Its card.
    pub const fn card(&self) -> Option<&OwnCard> {
        self.card.as_ref()
    }

    /// The stamps it shows at locators.
    pub const fn stamps(&self) -> &BTreeMap<Address, Stamp> {
        &self.stamps
    }

    /// Contacts.
    pub const fn contacts(&self) -> &BTreeMap<PublicKey, Contact> {
        &self.contacts
    }

    /// Envelopes under way.
    pub const fn outgoing(&self) -> &BTreeMap<ItemId, OutgoingEnvelope> {
        &self.outgoing
    }

    /// Messages that were sent.
    pub const fn sent(&self) -> &BTreeMap<MessageId, Sent> {
        &self.sent
    }

    /// Messages that arrived and are committed.
    pub const fn inbox(&self) -> &BTreeMap<u64, Header> {
        &self.inbox
    }

    /// Messages that were taken.
    pub const fn seen(&self) -> &BTreeMap<SenderMessage, UnixMillis> {
        &self.seen
    }

    /// Delivery receipts that are due.
    pub const fn due(&self) -> &BTreeSet<SenderMessage> {
        &self.due
    }

    /// Why nothing can be written any more, if so.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Finds a contact by any of its IDs.
    pub fn contact_by_id(&self, id: &PersonId) -> Option<&Contact> {
        let mut contacts = self.contacts.values();
        contacts.find(|contact| contact.ids.contains(id))
    }

    /// Stages a contact.
    pub fn put_contact(&mut self, contact: Contact) {
        let account = contact.account;
        self.stage(Change::PutContact(Box::new(contact.clone())));
        let ids = contact.ids.iter().map(|known| &known.id);
        let is_new_id = !ids.eq(self.known_ids.get(&account).into_iter().flatten());
        let before = self.contacts.insert(account, contact).map(Box::new);
        self.staged.undo.push(Undo::Contact(account, before));
        if is_new_id {
            self.index_contacts();
        }
    }

    /// Drops a contact.
    pub fn drop_contact(&mut self, account: PublicKey) {
        if let Some(before) = self.contacts.remove(&account) {
            self.stage(Change::DropContact(account));
            let before = Some(Box::new(before));
            self.staged.undo.push(Undo::Contact(account, before));
            self.index_contacts();
        }
    }

    /// Stages an envelope that is under way.
    pub fn put_outgoing(&mut self, outgoing: OutgoingEnvelope) {
        let id = outgoing.envelope.id();
        self.stage(Change::PutOutgoing(Box::new(outgoing.clone())));
        let before = self.outgoing.insert(id, outgoing).map(Box::new);
        self.staged.undo.push(Undo::Outgoing(id, before));
    }

    /// Notes receipts of an envelope, in memory alone.
    pub fn note_receipts(&mut self, id: &ItemId, receipts: BTreeMap<NodeId, UnixMillis>) {
        if let Some(outgoing) = self.outgoing.get_mut(id) {
            outgoing.receipts = receipts;
        }
    }

    /// Notes in memory whether a message is stored; no longer, too, when the keepers that gave receipts early turn out
    /// not to be its keepers. A restart finds out again.
    pub fn note_standing(&mut self, message: MessageId, standing: &Standing) {
        if let Some(sent) = self.sent.get_mut(&message) {
            sent.state = match sent.state {
                DeliveryState::Waiting if standing.is_stored() => DeliveryState::Stored,
                DeliveryState::Stored if standing.of > 0 && !standing.is_stored() => {
                    DeliveryState::Waiting
                }
                state => state,
            };
        }
    }

    /// Drops an envelope.
    pub fn drop_outgoing(&mut self, id: ItemId) {
        if let Some(before) = self.outgoing.remove(&id) {
            self.stage(Change::DropOutgoing(id));
            let before = Some(Box::new(before));
            self.staged.undo.push(Undo::Outgoing(id, before));
        }
    }

    /// Stages what became of a message.
    pub fn put_sent(&mut self, message: MessageId, sent: Sent) {
        self.stage(Change::PutSent(message, sent.clone()));
        let before = self.sent.insert(message, sent);
        self.staged.undo.push(Undo::Sent(message, before));
    }

    /// Forgets a message that was sent.
    pub fn drop_sent(&mut self, message: MessageId) {
        if let Some(before) = self.sent.remove(&message) {
            self.stage(Change::DropSent(message));
            self.staged.undo.push(Undo::Sent(message, Some(before)));
        }
    }

    /// Stages a message that arrived; it is in the inbox once its commit has told its slot.
    pub fn put_message(&mut self, arrival: u64, header: HeaderDraft, body: Bytes) {
        self.stage(Change::PutMessage {
            arrival,
            header: Box::new(header),
            body,
        });
    }

    /// Stages a header that has changed.
    pub fn put_header(&mut self, arrival: u64, header: Header) {
        self.stage(Change::PutHeader(arrival, Box::new(header.clone())));
        let before = self.inbox.insert(arrival, header).map(Box::new);
        self.staged.undo.push(Undo::Header(arrival, before));
    }

    /// Destroys a message. It is out of sight at once and stays so, whatever the disk says: what the disk keeps is
    /// destroyed at the next start.
    pub fn destroy(&mut self, arrival: u64) {
        if let Some(header) = self.inbox.remove(&arrival) {
            self.stage(Change::Destroy(arrival, header.slot));
        }
    }

    /// Remembers an envelope as taken.
    pub fn put_taken(&mut self, mailbox: Address, id: ItemId, until: UnixMillis) {
        self.stage(Change::PutTaken(mailbox, id, until));
    }

    /// Remembers a message.
    pub fn put_seen(&mut self, named: SenderMessage, until: UnixMillis) {
        self.stage(Change::PutSeen(named, until));
        let before = self.seen.insert(named, until);
        self.staged.undo.push(Undo::Seen(named, before));
    }

    /// Forgets envelopes and messages that were to be remembered until before `date`.
    pub fn forget(&mut self, date: UnixMillis) {
        self.seen.retain(|_, until| *until > date);
        self.stage(Change::Forget(date));
    }

    /// Notes that a delivery receipt is due.
    pub fn put_due(&mut self, named: SenderMessage) {
        if self.due.insert(named) {
            self.stage(Change::PutDue(named));
            self.staged.undo.push(Undo::Due(named, false));
        }
    }

    /// Drops a delivery receipt that is due no longer.
    pub fn drop_due(&mut self, named: SenderMessage) {
        if self.due.remove(&named) {
            self.stage(Change::DropDue(named));
            self.staged.undo.push(Undo::Due(named, true));
        }
    }

    /// Stages a new card and the prekey it shows.
    pub fn put_card(&mut self, card: OwnCard, prekey: PrekeySecret) {
        self.stage(Change::PutPrekey(prekey.clone()));
        self.stage(Change::PutCard(Box::new(card.clone())));
        let before = self.card.replace(card).map(Box::new);
        self.staged.undo.push(Undo::Card(before));
        let mut prekeys = (*self.prekeys).clone();
        prekeys.push(prekey);
        let before = std::mem::replace(&mut self.prekeys, Arc::new(prekeys));
        self.staged.undo.push(Undo::Prekeys(before));
    }

    /// Destroys prekeys that nothing alive can be sealed to (SPEC 4.3). They are out of memory at once and stay so,
    /// whatever the disk says: what the disk keeps is destroyed at the next start.
    pub fn destroy_prekeys(&mut self, date: UnixMillis) {
        let is_over = |prekey: &PrekeySecret| prekey.destroy_at() <= date;
        if !self.prekeys.iter().any(is_over) {
            return;
        }
        let (over, left): (Vec<_>, Vec<_>) = self.prekeys.iter().cloned().partition(is_over);
        for prekey in over {
            self.stage(Change::DropPrekey(prekey.public().issued));
        }
        self.prekeys = Arc::new(left);
    }

    /// Returns when the first prekey is to be destroyed.
    pub fn prekeys_end(&self) -> Option<UnixMillis> {
        self.prekeys.iter().map(PrekeySecret::destroy_at).min()
    }

    /// Stages the stamp shown at a locator.
    pub fn put_stamp(&mut self, locator: Address, stamp: Stamp) {
        self.stage(Change::PutStamp(locator, stamp.clone()));
        let before = self.stamps.insert(locator, stamp);
        self.staged.undo.push(Undo::Stamp(locator, before));
    }

    /// Forgets the stamp of a locator.
    pub fn drop_stamp(&mut self, locator: Address) {
        if let Some(before) = self.stamps.remove(&locator) {
            self.stage(Change::DropStamp(locator));
            self.staged.undo.push(Undo::Stamp(locator, Some(before)));
        }
    }

    /// Has something follow once all that is staged is durable, or has failed.
    pub fn then(&mut self, then: Then) {
        self.staged.then.push(then);
    }

    /// Takes what is staged, to be committed, unless a commit is under way or there is none.
    pub(crate) fn begin_commit(
        &mut self,
        token: impl FnOnce() -> Token,
    ) -> Option<(Token, Vec<Change>)> {
        if self.in_flight.is_some() || self.staged.is_empty() {
            return None;
        }
        let mut batch = std::mem::take(&mut self.staged);
        let changes = std::mem::take(&mut batch.changes);
        let token = token();
        self.in_flight = Some((token, batch));
        Some((token, changes))
    }

    /// Ends the commit under way; returns what follows, each with whether it is durable. An answer to another commit is
    /// none.
    pub(crate) fn end_commit(
        &mut self,
        token: Token,
        result: &Result<Vec<Slot>, CommitError>,
    ) -> Vec<(Then, bool)> {
        match self.in_flight.take() {
            Some((under_way, batch)) if under_way == token => self.end(batch, result),
            other => {
                self.in_flight = other;
                Vec::new()
            }
        }
    }

    fn end(&mut self, batch: Batch, result: &Result<Vec<Slot>, CommitError>) -> Vec<(Then, bool)> {
        let Err(error) = result else {
            return batch.then.into_iter().map(|then| (then, true)).collect();
        };
        if error.is_final && self.stopped.is_none() {
            self.stopped = Some(error.why.clone());
        }
        // What was staged since builds on what failed.
        let staged = std::mem::take(&mut self.staged);
        let mut failed = Vec::new();
        for batch in [staged, batch] {
            for undo in batch.undo.into_iter().rev() {
                self.undo(undo);
            }
            failed.extend(batch.then);
        }
        self.index_contacts();
        failed.into_iter().map(|then| (then, false)).collect()
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
            Undo::Card(before) => self.card = before.map(|card| *card),
            Undo::Prekeys(before) => self.prekeys = before,
            Undo::Stamp(key, before) => restore(&mut self.stamps, key, before),
        }
    }

    /// Puts a message into the inbox whose commit has told its slot.
    pub(crate) fn show(&mut self, arrival: u64, header: Header) {
        self.inbox.insert(arrival, header);
    }

    fn stage(&mut self, change: Change) {
        self.staged.changes.push(change);
    }

    fn index_contacts(&mut self) {
        let known = self.contacts.iter();
        let ids = |contact: &Contact| contact.ids.iter().map(|known| known.id.clone()).collect();
        let known = known.map(|(account, contact)| (*account, ids(contact)));
        self.known_ids = Arc::new(known.collect());
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
