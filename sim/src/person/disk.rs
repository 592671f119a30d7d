//! What a person's device has on its disk.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use restante_proto::{
    Address, ItemId, NodeId,
    account::{Identity, PersonId},
    card::{CardRecord, Known, VerifiedCard, choose},
    envelope::Envelope,
    keys::PublicKey,
    message::{Grant, MessageId},
    person::{IdCost, RecordKey},
    prekey::PrekeySecret,
    request::Admission,
    stamp::Stamp,
    time::{Epoch, UnixMillis},
};

/// Everything a device commits.
pub(crate) struct Disk {
    pub(crate) identity: Identity,
    pub(crate) id: PersonId,
    pub(super) created: UnixMillis,
    pub(super) next_call: u64,
    pub(crate) prekeys: Vec<PrekeySecret>,
    pub(super) card: Option<OwnCard>,
    pub(super) stamps: BTreeMap<Address, Stamp>,
    pub(super) contacts: BTreeMap<PublicKey, Contact>,
    pub(super) drafts: Vec<Draft>,
    pub(super) outgoing: BTreeMap<ItemId, Outgoing>,
    pub(super) sent: BTreeMap<MessageId, PublicKey>,
    pub(super) seen: BTreeMap<(PublicKey, MessageId), UnixMillis>,
    pub(super) taken: BTreeMap<(Address, ItemId), UnixMillis>,
    pub(super) words: BTreeSet<(PublicKey, MessageId)>,
}

/// One's own card as it is published.
pub(super) struct OwnCard {
    pub(super) sequence: u64,
    pub(super) issued: UnixMillis,
    pub(super) records: Vec<CardRecord>,
}

/// Somebody this person knows and has accepted.
pub(super) struct Contact {
    pub(super) id: PersonId,
    pub(super) account: PublicKey,
    pub(super) sequence: Option<u64>,
    pub(super) record: Option<(CardRecord, RecordKey)>,
    pub(super) grant: Option<Grant>,
    pub(super) granted: Option<Epoch>,
}

/// Something written that no card was found for yet.
pub(super) struct Draft {
    pub(super) message: MessageId,
    pub(super) to: PublicKey,
    pub(super) body: Bytes,
    pub(super) ttl_ms: u64,
    pub(super) due: UnixMillis,
}

/// An envelope on its way.
pub(super) struct Outgoing {
    pub(super) message: MessageId,
    pub(super) envelope: Envelope,
    pub(super) admission: Option<Admission>,
    pub(super) receipts: BTreeMap<NodeId, UnixMillis>,
    pub(super) awaits_word: bool,
}

impl Disk {
    /// Makes the disk of a new account.
    pub(crate) fn new(identity: Identity, created: UnixMillis) -> Self {
        let id = identity.person_id(IdCost::CheapForTests);
        Self {
            identity,
            id,
            created,
            next_call: 0,
            prekeys: Vec::new(),
            card: None,
            stamps: BTreeMap::new(),
            contacts: BTreeMap::new(),
            drafts: Vec::new(),
            outgoing: BTreeMap::new(),
            sent: BTreeMap::new(),
            seen: BTreeMap::new(),
            taken: BTreeMap::new(),
            words: BTreeSet::new(),
        }
    }

    /// Makes somebody a contact, known by their ID alone.
    pub(crate) fn befriend(&mut self, account: PublicKey, id: PersonId) {
        let contact = Contact {
            id,
            account,
            sequence: None,
            record: None,
            grant: None,
            granted: None,
        };
        self.contacts.insert(account, contact);
    }

    /// Tells whether an envelope was committed as done with.
    pub(crate) fn has_taken(&self, mailbox: Address, envelope: ItemId) -> bool {
        self.taken.contains_key(&(mailbox, envelope))
    }

    /// Drops what only remembers things that are over.
    pub(super) fn forget(&mut self, now: UnixMillis) {
        self.taken.retain(|_, until| *until > now);
        self.seen.retain(|_, until| *until > now);
        self.prekeys.retain(|prekey| prekey.destroy_at() > now);
    }
}

impl Contact {
    /// Returns the card seen last, if it is still good.
    pub(super) fn card(&self, now: UnixMillis) -> Option<VerifiedCard> {
        let (record, key) = self.record.as_ref()?;
        let known = Known {
            account: Some(&self.account),
            sequence: self.sequence,
        };
        choose([record], &self.id, key, now, known, IdCost::CheapForTests)
    }
}
