//! Conversations, this device's part in them, and its key packages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use restante_conversation::outer::OuterKeys;
use restante_conversation::{Conversation, ConversationId, EpochName};
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;

use super::{Change, Records, Undo};
use crate::model::{Membership, OwnPackage};

/// What opens the envelopes of all conversations.
pub type OuterIndex = Vec<(ConversationId, EpochName, OuterKeys)>;

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    pub(super) memberships: BTreeMap<ConversationId, Membership>,
    pub(super) conversations: BTreeMap<ConversationId, Arc<Conversation>>,
    pub(super) packages: Vec<OwnPackage>,
    /// Conversations in which this device has renewed its keys since the start, or since it slept.
    renewed: BTreeSet<ConversationId>,
    index: Arc<OuterIndex>,
}

impl Conversations {
    /// Takes what was read.
    pub(super) fn new(
        memberships: BTreeMap<ConversationId, Membership>,
        conversations: Vec<Conversation>,
        packages: Vec<OwnPackage>,
    ) -> Self {
        let conversations = conversations.into_iter();
        let conversations = conversations.map(|it| (it.id(), Arc::new(it)));
        let mut tables = Self {
            memberships,
            conversations: conversations.collect(),
            packages,
            renewed: BTreeSet::new(),
            index: Arc::default(),
        };
        tables.index();
        tables
    }

    /// Finds the keys of all epochs again.
    pub(super) fn index(&mut self) {
        let keys = self.conversations.iter().flat_map(|(id, conversation)| {
            let keys = conversation.outer_keys();
            keys.map(|(epoch, keys)| (*id, epoch, keys.clone()))
        });
        self.index = Arc::new(keys.collect());
    }
}

impl Records {
    /// This device's part in each conversation.
    pub const fn memberships(&self) -> &BTreeMap<ConversationId, Membership> {
        &self.conversations.memberships
    }

    /// A conversation.
    pub fn conversation(&self, id: &ConversationId) -> Option<&Arc<Conversation>> {
        self.conversations.conversations.get(id)
    }

    /// This device's key packages.
    pub fn packages(&self) -> &[OwnPackage] {
        &self.conversations.packages
    }

    /// What opens the envelopes of all conversations; another one whenever an epoch is added or goes.
    pub const fn outer_index(&self) -> &Arc<OuterIndex> {
        &self.conversations.index
    }

    /// Tells whether this device has renewed its keys in a conversation since the start, or since it slept. Before that
    /// its disk may be one that was set back, whose keys were used.
    pub fn is_renewed(&self, id: &ConversationId) -> bool {
        self.conversations.renewed.contains(id)
    }

    /// Notes that it has; none once that is to be done again in all.
    pub fn note_renewed(&mut self, id: Option<ConversationId>) {
        match id {
            Some(id) => drop(self.conversations.renewed.insert(id)),
            None => self.conversations.renewed.clear(),
        }
    }

    /// Stages this device's part in a conversation.
    pub fn put_membership(&mut self, id: ConversationId, membership: Membership) {
        self.stage(Change::PutMembership(id, Box::new(membership.clone())));
        let before = self.conversations.memberships.insert(id, membership);
        let before = before.map(Box::new);
        self.staged.undo.push(Undo::Membership(id, before));
    }

    /// Stages what has changed in a conversation.
    pub fn put_conversation(&mut self, mut conversation: Conversation) {
        let id = conversation.id();
        let changes = conversation.drain_changes();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.stage(Change::Conversation(id, change));
        }
        let tables = &mut self.conversations;
        let before = tables.conversations.insert(id, Arc::new(conversation));
        let epochs = |it: &Conversation| -> Vec<EpochName> {
            it.outer_keys().map(|(epoch, _)| epoch).collect()
        };
        let known = before.as_deref().map(epochs);
        let is_other = tables.conversations.get(&id).map(|it| epochs(it)) != known;
        self.staged.undo.push(Undo::Conversation(id, before));
        if is_other {
            self.conversations.index();
        }
    }

    /// Drops a conversation with all its keys.
    pub fn drop_conversation(&mut self, id: ConversationId) {
        let tables = &mut self.conversations;
        let before = tables.memberships.remove(&id).map(Box::new);
        self.staged.undo.push(Undo::Membership(id, before));
        self.stage(Change::DropMembership(id));
        if let Some(before) = self.conversations.conversations.remove(&id) {
            for row in before.to_rows().into_keys() {
                let change = restante_conversation::rows::Change::Drop(row);
                self.stage(Change::Conversation(id, change));
            }
            self.staged.undo.push(Undo::Conversation(id, Some(before)));
            self.conversations.index();
        }
    }

    /// Drops all conversations with an account.
    pub fn drop_conversations_with(&mut self, account: &PublicKey) {
        let memberships = self.conversations.memberships.iter();
        let with = memberships.filter(|(_, membership)| membership.with == *account);
        let with: Vec<ConversationId> = with.map(|(id, _)| *id).collect();
        for id in with {
            self.drop_conversation(id);
        }
    }

    /// Stages a key package of this device.
    pub fn put_package(&mut self, package: OwnPackage) {
        self.stage(Change::PutPackage(Box::new(package.clone())));
        let before = self.conversations.packages.clone();
        self.staged.undo.push(Undo::Packages(before));
        self.conversations.packages.push(package);
    }

    /// Destroys the key packages that nobody can invite with any more; all of them, if `all`. Like prekeys they are out
    /// of memory at once and stay so.
    pub fn destroy_packages(&mut self, date: UnixMillis, all: bool) {
        let is_over = |package: &OwnPackage| all || package.destroy_at() <= date;
        if !self.conversations.packages.iter().any(is_over) {
            return;
        }
        let packages = std::mem::take(&mut self.conversations.packages);
        let (over, left): (Vec<_>, Vec<_>) = packages.into_iter().partition(is_over);
        for package in over {
            self.stage(Change::DropPackage(package.made));
        }
        self.conversations.packages = left;
    }

    pub(super) fn undo_membership(&mut self, id: ConversationId, before: Option<Box<Membership>>) {
        let memberships = &mut self.conversations.memberships;
        match before {
            Some(before) => drop(memberships.insert(id, *before)),
            None => drop(memberships.remove(&id)),
        }
    }

    pub(super) fn undo_conversation(
        &mut self,
        id: ConversationId,
        before: Option<Arc<Conversation>>,
    ) {
        let conversations = &mut self.conversations.conversations;
        match before {
            Some(before) => drop(conversations.insert(id, before)),
            None => drop(conversations.remove(&id)),
        }
    }
}
