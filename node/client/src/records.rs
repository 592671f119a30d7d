//! What is on the disk, kept in memory too, and the changes on their way there.
//!
//! A change shows in memory at once and is staged for the next commit. Whatever must not happen before it is durable
//! waits as a [`Then`] beside it. There is one commit at a time; what is staged meanwhile goes with the next. When a
//! commit fails, it is undone here together with everything staged after it, newest first, and each `Then` learns that
//! it failed. A store that takes nothing in for a while is tried again, and is first made to hold what memory holds.

mod about;
mod commits;
mod conversations;
mod owed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use restante_conversation::rows::Row;
use restante_conversation::{Conversation, ConversationId, Secret};
use restante_interface::DeliveryState;
use restante_proto::account::PersonId;
use restante_proto::keys::PublicKey;
use restante_proto::limits::DAY_MS;
use restante_proto::message::{MessageId, Reference};
use restante_proto::pauses::Pauses;
use restante_proto::placement::Standing;
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::Admission;
use restante_proto::stamp::Stamp;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, NodeId};
use tracing::error;

use self::commits::{Batch, Trouble, UnderWay, Undo};
use self::conversations::Conversations;
pub use self::conversations::OuterIndex;
use self::owed::Owed;
pub use crate::change::{Change, SenderMessage};
use crate::model::{
    Account, Contact, Header, HeaderDraft, Membership, OutgoingEnvelope, OwnCard, OwnPackage,
    Payment, Reaction, Sent, Slot, Words,
};
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
    /// Messages whose senders are to hear that they were read.
    pub read_due: BTreeSet<SenderMessage>,
    /// What accounts feel about messages.
    pub reactions: BTreeMap<(Reference, PublicKey), Reaction>,
    /// This device's part in each conversation.
    pub memberships: BTreeMap<ConversationId, Membership>,
    /// The rows of conversations.
    pub conversations: BTreeMap<ConversationId, BTreeMap<Row, Secret>>,
    /// This device's key packages.
    pub packages: Vec<OwnPackage>,
    /// How many messages were dropped because their keys are gone, though their time had not come.
    pub lost: u32,
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
            read_due: BTreeSet::new(),
            reactions: BTreeMap::new(),
            memberships: BTreeMap::new(),
            conversations: BTreeMap::new(),
            packages: Vec::new(),
            lost: 0,
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
    read_due: BTreeSet<SenderMessage>,
    reactions: BTreeMap<(Reference, PublicKey), Reaction>,
    conversations: Conversations,
    staged: Batch,
    in_flight: Option<UnderWay>,
    owed: Owed,
    trouble: Option<Trouble>,
    pauses: Pauses,
    recovered: Option<UnixMillis>,
    lost: u32,
    last_place: u64,
}

impl Records {
    /// Takes what was read.
    pub fn new(loaded: Loaded) -> Self {
        let sent = loaded.sent.values().map(|sent| sent.place);
        let places = loaded.inbox.keys().copied().chain(sent);
        let last_place = places.max().unwrap_or(0);
        let mut records = Self {
            last_place,
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
            read_due: loaded.read_due,
            reactions: loaded.reactions,
            conversations: read_conversations(
                loaded.memberships,
                &loaded.conversations,
                loaded.packages,
            ),
            staged: Batch::default(),
            in_flight: None,
            owed: Owed::new(),
            trouble: None,
            pauses: Pauses::default(),
            recovered: None,
            lost: loaded.lost,
        };
        records.index_contacts();
        records
    }

    /// How many messages were lost with their keys by the last start.
    pub const fn lost(&self) -> u32 {
        self.lost
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

    /// Messages whose senders are to hear that they were read.
    pub const fn read_due(&self) -> &BTreeSet<SenderMessage> {
        &self.read_due
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

    /// Keeps a better stamp of an envelope, in memory alone: a restart makes another.
    pub fn note_payment(&mut self, id: &ItemId, stamp: Stamp) {
        let Some(outgoing) = self.outgoing.get_mut(id) else {
            return;
        };
        let is_better = match &outgoing.payment {
            Payment::Due => true,
            Payment::Ready(admission) => {
                matches!(&**admission, Admission::Stamp(other) if other.effort() < stamp.effort())
            }
        };
        if is_better {
            outgoing.payment = Payment::Ready(Box::new(Admission::Stamp(stamp)));
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

    /// Stages a message of one's own with its words; they can be read once its commit has told their slot.
    pub fn put_words(&mut self, message: MessageId, sent: Sent, words: Bytes) {
        self.stage(Change::PutWords(message, Box::new(sent.clone()), words));
        let before = self.sent.insert(message, sent);
        self.staged.undo.push(Undo::Sent(message, before));
    }

    /// Notes where words are whose commit has told it.
    pub(crate) fn note_words(&mut self, message: &MessageId, slot: Slot) {
        let sent = self.sent.get_mut(message);
        if let Some(sent) = sent.filter(|sent| sent.words == Words::Staged) {
            sent.words = Words::At(slot);
        }
    }

    /// Destroys the words of a message of one's own, and stays with that as [`Records::destroy`] does.
    pub fn destroy_words(&mut self, message: &MessageId) {
        let sent = self.sent.get_mut(message);
        if let Some(sent) = sent.filter(|sent| sent.words != Words::Gone) {
            sent.words = Words::Gone;
            let sent = sent.clone();
            self.stage(Change::PutSent(*message, sent));
        }
    }

    /// Returns a place after all others, close to the date.
    pub(crate) fn next_place(&mut self, date: UnixMillis) -> u64 {
        self.last_place = date.get().max(self.last_place + 1);
        self.last_place
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
    /// destroyed once it can be, or at the next start.
    pub fn destroy(&mut self, arrival: u64) {
        if let Some(header) = self.inbox.remove(&arrival) {
            self.stage(match header.slot {
                Some(slot) => Change::Destroy(arrival, slot),
                None => Change::Discard(arrival),
            });
            self.drop_reactions(&header.reference());
        }
    }

    /// Destroys a message that has come to the disk and is not to be shown.
    pub(crate) fn discard(&mut self, place: u64) {
        self.stage(Change::Discard(place));
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

    /// Stages the account as another device, which has no card yet, and is in no conversation: what it reads of those
    /// that it was in, it reads as the device that it was.
    pub fn put_account(&mut self, account: Account) {
        self.destroy_packages(UnixMillis::default(), true);
        self.stage(Change::PutAccount(Box::new(account.clone())));
        self.stage(Change::DropCard);
        let before = std::mem::replace(&mut self.account, Arc::new(account));
        self.staged.undo.push(Undo::Account(before));
        let before = self.card.take().map(Box::new);
        self.staged.undo.push(Undo::Card(before));
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
    /// whatever the disk says: what the disk keeps is destroyed once it can be, or at the next start.
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

    /// Notes the stamp shown at a locator if there is none so good, in memory alone. A restart makes another.
    pub fn note_stamp(&mut self, locator: Address, stamp: Stamp) {
        let known = self.stamps.get(&locator).map_or(0, Stamp::effort);
        if known < stamp.effort() {
            self.stamps.insert(locator, stamp);
        }
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

    /// Puts a message into the inbox whose commit has told its slot; tells whether it takes the place of another, which
    /// may have been read meanwhile.
    pub(crate) fn show(&mut self, arrival: u64, mut header: Header) -> bool {
        let before = self.inbox.get(&arrival);
        let is_changed = before.is_some();
        if let Some(before) = before {
            if before.recalled.is_some() {
                return true;
            }
            header.read = before.read;
        }
        self.inbox.insert(arrival, header);
        is_changed
    }

    fn stage(&mut self, change: Change) {
        self.staged.changes.push(change);
    }
}

/// Reads conversations; those whose rows are damaged are left out, as if this device had never been in them.
fn read_conversations(
    memberships: BTreeMap<ConversationId, Membership>,
    rows: &BTreeMap<ConversationId, BTreeMap<Row, Secret>>,
    packages: Vec<OwnPackage>,
) -> Conversations {
    let mut memberships = memberships;
    let mut read = Vec::new();
    for (id, rows) in rows {
        match Conversation::load(rows) {
            Ok(conversation) if conversation.id() == *id => read.push(conversation),
            _ => {
                error!("a conversation is damaged; messages go on outside of it");
                memberships.remove(id);
            }
        }
    }
    Conversations::new(memberships, read, packages)
}
